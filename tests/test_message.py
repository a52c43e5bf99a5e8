"""A message declared by its fields: its bytes, its checks, and what is refused of both."""

import struct
from dataclasses import dataclass
from typing import Annotated

import pytest
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.message import (
    Form,
    Layout,
    Message,
    Part,
    code,
    counted,
    f64,
    fixed,
    framed,
    inner,
    rest,
    to_end,
    u8,
    u32,
    u64,
)
from veilsum.wire import FRAME_BYTES, Reader, WireKind, Writer

KIND = WireKind.CHUNK


@dataclass(frozen=True, slots=True)
class Point(Message, kind=WireKind.ENROLMENT, version=3):
    x: Annotated[int, u8(at_least=1)]
    y: Annotated[int, u32(at_most=9)]


@dataclass(frozen=True, kw_only=True)
class Drawing(Message, kind=KIND, version=7):
    number: Annotated[int, u64("how often", at_least=1)]
    tag: Annotated[bytes, fixed(4, what="a tag")]
    corners: Annotated[tuple[Point, ...], counted(inner(Point), count=u8, at_most=3)]
    first: Annotated[Point, framed(Point)]
    others: Annotated[tuple[Point, ...], counted(framed(Point), "")]
    rest: Annotated[bytes, rest("")]


POINT = Point(1, 2)
DRAWING = Drawing(
    number=2**40, tag=b"tags", corners=(POINT, Point(255, 9)), first=POINT, others=(), rest=b"end"
)


def frame(body, kind=KIND, version=7):
    return b"veil" + struct.pack("<BBHQ", kind, version, 0, len(body)) + body


def point_frame(x, y):
    return frame(struct.pack("<BI", x, y), WireKind.ENROLMENT, 3)


def drawing_bytes(number=2**40, count=2, others=(), first=(1, 2)):
    framed = point_frame(*first)
    body = struct.pack("<Q4sBBIBI", number, b"tags", count, 1, 2, 255, 9)
    body += struct.pack("<Q", len(framed)) + framed + struct.pack("<I", len(others))
    for one in others:
        body += struct.pack("<Q", len(one)) + one
    return frame(body + b"end")


def test_bytes_are_the_fields_in_their_order():
    assert DRAWING.to_bytes() == drawing_bytes()
    assert POINT.unframed() == b"\1\2\0\0\0"


def test_what_is_written_is_read():
    others = (POINT, Point(3, 4))
    message = drawing_bytes(others=(point_frame(1, 2), point_frame(3, 4)))
    drawing = Drawing.from_bytes(message)
    assert drawing.others == others
    assert drawing.to_bytes() == message
    assert isinstance(Drawing.from_bytes(bytearray(message)), Drawing)
    with pytest.raises(TypeError, match="data must be bytes"):
        Drawing.from_bytes("veil")


def test_every_other_length_is_refused():
    body = drawing_bytes(others=(point_frame(3, 4),))[FRAME_BYTES:-3]
    for size in range(len(body)):
        with pytest.raises(MalformedDataError):
            Drawing.from_bytes(frame(body[:size]))
    with pytest.raises(MalformedDataError, match="1 unexpected bytes"):
        Point.from_bytes(frame(b"\1\2\0\0\0\0", WireKind.ENROLMENT, 3))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (drawing_bytes(number=0), "chunk: number is 0; it must be at least 1"),
        (drawing_bytes(number=2**63), "chunk: number is"),
        (drawing_bytes(count=4), "a list has 4 items; it must have at least 0 and at most 3"),
        (drawing_bytes(first=(0, 0)), "enrolment: x is 0"),
        (drawing_bytes(others=[point_frame(1, 10)]), "enrolment: y is 10"),
        (drawing_bytes(others=[frame(bytes(5))]), "expected enrolment, got chunk"),
        (drawing_bytes(others=[frame(b"")]), "a list is longer than its message"),
        (frame(b"", version=6), "wire version 6; this veilsum reads version 7"),
    ],
)
def test_what_is_out_of_range_is_refused(data, words):
    with pytest.raises(MalformedDataError, match=words):
        Drawing.from_bytes(data)


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("number", 0, InvalidArgumentError, "number is 0; it must be at least 1"),
        ("number", "1", TypeError, "number must be an int, not str"),
        ("tag", b"tag", InvalidArgumentError, "tag has 3 bytes; a tag has 4 bytes"),
        ("tag", "tags", TypeError, "tag must be bytes, not str"),
        ("corners", (POINT,) * 4, InvalidArgumentError, "the length of corners is 4"),
        ("corners", POINT, TypeError, "corners must be a tuple or a list, not Point"),
        ("corners", [POINT, 1], TypeError, "each of corners must be a Point, not int"),
        ("first", None, TypeError, "first must be a Point, not None"),
        ("others", [b""], TypeError, "each of others must be a Point, not bytes"),
        ("rest", "end", TypeError, "rest must be bytes, not str"),
    ],
)
def test_a_constructor_checks_what_is_declared(name, value, error, words):
    values = {each: getattr(DRAWING, each) for each in Drawing.layout().fields}
    with pytest.raises(error, match=words):
        Drawing(**values | {name: value})


def test_lists_become_tuples():
    values = {each: getattr(DRAWING, each) for each in Drawing.layout().fields}
    assert Drawing(**values | {"corners": list(DRAWING.corners)}) == DRAWING


def test_a_list_that_is_longer_than_its_message_is_not_begun():
    field = counted(fixed(32))
    for count, size, is_read in ((3, 96, True), (3, 95, False), (2**32 - 1, 64, False)):
        writer = Writer(KIND, 1)
        writer.u32(count)
        writer.bytes(bytes(size))
        reader = Reader(writer.finish(), KIND, 1)
        if is_read:
            assert field.read(reader) == (bytes(32),) * 3
        else:
            with pytest.raises(MalformedDataError, match="longer than its message"):
                field.read(reader)
            assert reader.remaining() == size


def test_the_fewest_bytes_follow_from_the_fields():
    assert Point.layout().least == len(POINT.unframed())
    least = Drawing(number=1, tag=b"tags", corners=(), first=POINT, others=(), rest=b"")
    assert len(least.unframed()) == Drawing.layout().least


class Sent:
    """An object that differs from its wire form."""

    weight, norm, bound, links, numbers = 0.5, None, None, (b"ab", b"cd"), (7, 8)


COMMON = {"weight": f64("any"), "norm": code("norm", {None: 0, "l2": 4})}
FORM = Form(
    KIND,
    {
        1: Layout(**COMMON, links=to_end(fixed(2), "")),
        4: Layout(**COMMON, bound=f64("any", or_none=True), numbers=counted(u8())),
    },
)


def test_a_form_reads_all_its_versions():
    first = frame(struct.pack("<dB4s", 0.5, 0, b"abcd"), version=1)
    newest = frame(struct.pack("<dBdIBB", 0.5, 0, 0.0, 2, 7, 8), version=4)
    assert FORM.write(Sent, version=1) == first
    assert FORM.write(Sent) == newest
    assert FORM.read(first) == {"weight": 0.5, "norm": None, "links": Sent.links}
    assert FORM.read(newest)["numbers"] == Sent.numbers
    assert FORM.read(newest)["bound"] is None
    for version in (0, 2, 5):
        with pytest.raises(MalformedDataError, match=f"version {version}; .* reads version 4"):
            FORM.read(frame(b"", version=version))
    with pytest.raises(MalformedDataError, match="too early"):
        FORM.read(frame(struct.pack("<dB3s", 0.5, 0, b"abc"), version=1))
    with pytest.raises(MalformedDataError, match="3 is no norm"):
        FORM.read(frame(struct.pack("<dB", 0.5, 3), version=1))


def test_only_positive_zero_stands_for_none():
    field = f64("any", or_none=True)
    for value, read in ((0.0, None), (-0.0, -0.0), (2.5, 2.5)):
        found = field.read(Reader(frame(struct.pack("<d", value)), KIND, 7))
        assert repr(found) == repr(read)
        writer = Writer(KIND, 7)
        field.write(writer, found)
        assert writer.finish() == frame(struct.pack("<d", value))


def test_numbers_and_hashes_are_shown_and_what_is_framed_is_not():
    assert DRAWING.layout().shown(vars(DRAWING)) == {"number": 2**40, "tag": b"tags".hex()}
    layout = Layout(shape=counted(u8()), core=rest("what only the core reads"))
    values = layout.read(Reader(frame(b"\2\0\0\0abcdefgh"), KIND, 7))
    assert layout.shown(values) == {"shape": [97, 98]}


def test_every_field_of_a_part_is_declared():
    @dataclass(frozen=True)
    class Half(Part):
        known: Annotated[int, u8()]
        unknown: int

    with pytest.raises(AttributeError):
        Half.layout()
