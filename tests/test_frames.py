"""Streams of framed messages: any pieces give the same frames, and no length is believed."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from validation_rules import rule
from veilsum.errors import MalformedDataError
from veilsum.wire import FRAME_BYTES, WireKind, Writer, split_frames

LIMIT = 200


def frame(body, kind=WireKind.CHUNK):
    writer = Writer(kind, 1)
    writer.bytes(body)
    return writer.finish()


def split(data, limit=LIMIT):
    return list(split_frames(data, max_frame_bytes=limit))


BODIES = [b"", b"x", bytes(15), bytes(16), bytes(17), b"", bytes(LIMIT - FRAME_BYTES), b""]
FRAMES = [frame(body) for body in BODIES]
STREAM = b"".join(FRAMES)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 15, 16, 17, 31, 33, 100, len(STREAM)])
def test_pieces_of_any_size_give_the_same_frames(size):
    pieces = [STREAM[i : i + size] for i in range(0, len(STREAM), size)]
    assert split(pieces) == FRAMES
    assert split([b"", *pieces, b""]) == FRAMES
    assert split(map(bytearray, pieces)) == FRAMES


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_frames_do_not_depend_on_how_they_were_cut(bodies, data):
    frames = [frame(body) for body in bodies]
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    ends = [0, *cuts, len(stream)]
    assert split([stream[a:b] for a, b in itertools.pairwise(ends)]) == frames
    for whole in (stream, bytearray(stream), memoryview(stream)):
        assert split(whole) == frames


@pytest.mark.parametrize("nothing", [b"", [], [b""], iter([b"", b""])])
def test_nothing_has_no_frames(nothing):
    assert split(nothing) == []


@rule("WF9")
@given(st.integers(1, len(STREAM) - 1), st.integers(1, 40))
def test_an_end_within_a_frame_is_refused(size, piece):
    data = STREAM[:size]
    ends = [sum(map(len, FRAMES[:i])) for i in range(len(FRAMES))]
    pieces = [data[i : i + piece] for i in range(0, size, piece)]
    if size in ends:
        assert split(pieces) == FRAMES[: ends.index(size)]
    else:
        with pytest.raises(MalformedDataError):
            split(pieces)


@rule("WF8")
@pytest.mark.parametrize("announced", [LIMIT + 1 - FRAME_BYTES, 1 << 40, 2**62, 2**63, 2**64 - 1])
def test_a_frame_above_the_limit_is_refused_before_it_is_read(announced):
    head = frame(b"")[:8] + announced.to_bytes(8, "little")
    read = []

    def endless():
        yield from (FRAMES[1], head)
        for _ in range(10):
            read.append(1)
            yield bytes(1 << 20)

    frames = split_frames(endless(), max_frame_bytes=LIMIT)
    assert next(frames) == FRAMES[1]
    tracemalloc.start()
    try:
        with pytest.raises(MalformedDataError, match="announces"):
            next(frames)
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()
    assert not read


def test_the_limit_itself_is_allowed():
    exact = frame(bytes(LIMIT - FRAME_BYTES))
    assert split(exact) == [exact]
    with pytest.raises(MalformedDataError, match="at most"):
        split(exact, LIMIT - 1)


@pytest.mark.parametrize("garbage", [b"vail" + bytes(12), bytes(16), b"veil\xff" + bytes(11)])
def test_what_is_no_frame_ends_the_stream(garbage):
    frames = split_frames([FRAMES[1], garbage], max_frame_bytes=LIMIT)
    assert next(frames) == FRAMES[1]
    with pytest.raises(MalformedDataError):
        next(frames)


def test_only_the_frame_that_is_read_is_in_memory():
    body = bytes(1 << 16)
    pieces = (part for _ in range(200) for part in (frame(body)[:100], frame(body)[100:]))
    tracemalloc.start()
    try:
        assert sum(1 for _ in split_frames(pieces, max_frame_bytes=1 << 17)) == 200
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wrong", ["text", ["text"], [7], 7, None])
def test_only_bytes_are_split(wrong):
    with pytest.raises(TypeError):
        split(wrong)


@pytest.mark.parametrize("cut", [1, 8, 40])
def test_views_of_other_items_are_read_as_their_bytes(cut):
    data = STREAM + bytes(-len(STREAM) % 8)
    whole = frame(bytes(len(data) - FRAME_BYTES))
    items = memoryview(whole).cast("Q")
    assert split(items, 10**6) == [whole]
    assert split([items[:cut], items[cut:]], 10**6) == [whole]
    assert split(memoryview(bytes(2 * len(whole)))[::2][:0]) == []


@pytest.mark.parametrize(
    "wrong", ["text", None, 3, pytest.param(object(), id="object()")], ids=repr
)
def test_what_is_no_bytes_is_named(wrong):
    with pytest.raises(TypeError, match="message must be bytes or pieces of bytes"):
        list(split_frames(wrong, max_frame_bytes=LIMIT, name="message"))
    with pytest.raises(TypeError, match="each piece of message must be bytes"):
        list(split_frames([FRAMES[0], wrong], max_frame_bytes=LIMIT, name="message"))
