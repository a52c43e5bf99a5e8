"""Facts and arrays in a file: what was written is read, and nothing else whatever the damage."""

import hashlib
import json
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from veilsum.arrays_file import read_arrays, write_arrays
from veilsum.errors import MalformedDataError

FACTS = {"a": [1, None, "ü"], "x": 0.1, "nested": {"y": {}}}
ARRAYS = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float16).reshape(2, 3)),
    "strided": np.arange(12).reshape(3, 4)[:, ::2],
    "big end": np.arange(3, dtype=">f8"),
    "scalar": np.array(7),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 4), np.int8),
    "": np.array([np.nan, np.inf, -0.0]),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.arrays"


@pytest.fixture
def data(path):
    write_arrays(path, FACTS, ARRAYS)
    return path.read_bytes()


def contents(facts, arrays):
    return facts, [(name, a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()]


def test_what_was_written_last_is_read(path):
    write_arrays(path, {}, {"w": np.zeros(2)})
    write_arrays(path, FACTS, ARRAYS)
    facts, arrays = read_arrays(path)
    assert contents(facts, arrays) == contents(FACTS, ARRAYS)
    arrays["w"] += 1  # It is the reader's own.


def test_no_file_is_an_error_of_its_own(path):
    with pytest.raises(FileNotFoundError):
        read_arrays(path)


@pytest.mark.parametrize(
    "array",
    [np.array(["a"]), np.array([1j]), np.array([None]), np.zeros(2, "M8[s]"), np.longdouble([1])],
)
def test_arrays_that_are_not_kept_are_refused_and_the_file_stays(path, data, array):
    with pytest.raises(TypeError, match="'strange' has the dtype"):
        write_arrays(path, {}, {"strange": array})
    assert path.read_bytes() == data


def test_a_file_that_was_cut_or_grew_is_refused(path, data):
    for damaged in [*(data[:length] for length in range(len(data))), data + b"\0"]:
        path.write_bytes(damaged)
        with pytest.raises(MalformedDataError, match=re.escape(str(path))):
            read_arrays(path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_is_refused(tmp_path_factory, chosen):
    path = tmp_path_factory.getbasetemp() / "damaged.arrays"
    write_arrays(path, FACTS, ARRAYS)
    good = path.read_bytes()
    data = bytearray(good)
    for _ in range(chosen.draw(st.integers(1, 4))):
        data[chosen.draw(st.integers(0, len(data) - 1))] = chosen.draw(st.integers(0, 255))
    path.write_bytes(data)
    if data == good:
        assert contents(*read_arrays(path)) == contents(FACTS, ARRAYS)
    else:
        with pytest.raises(MalformedDataError):
            read_arrays(path)


# ---- files whose hash is right, and which nobody wrote ----


def with_layout(layout, rest=b"", **changes):
    text = layout
    if not isinstance(layout, bytes):
        text = json.dumps({"facts": {}, "arrays": layout} | changes).encode()
    data = b"veilsum arrays 1\n" + len(text).to_bytes(8, "little") + text + rest
    return hashed(data)


def hashed(data):
    return data + hashlib.sha256(data).digest()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_nobody_wrote_are_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "random.arrays"
    for data in (text, hashed(text), with_layout(text)):
        path.write_bytes(data)
        with pytest.raises(MalformedDataError):
            read_arrays(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        hashed(b"veilsum arrays 2\n" + bytes(8)),
        hashed(b"veilsum arrays 1\n" + b"\xff" * 8 + b"{}"),
        with_layout(b"[" * 100_000),
        with_layout(b"\xff\xfe"),
        with_layout(b"1" * 5000),
        with_layout(b"[]"),
        with_layout(b"null"),
        with_layout(b"{}"),
        with_layout([], facts=3),
        with_layout([], rest=b"0"),
        with_layout(None),
        with_layout("wwww"),
        with_layout([1]),
        with_layout([["w", "<f4"]]),
        with_layout([["w", "<f4", [2**62]]]),
        with_layout([["w", "<f4", [2**40, 2**40]]]),
        with_layout([["w", "<f4", [0, 2**70]]]),
        with_layout([["w", "<f4", [-1]]], bytes(4)),
        with_layout([["w", "<f4", [-2, -2]]], bytes(16)),
        with_layout([["w", "<f4", [1.0]]], bytes(4)),
        with_layout([["w", "<f4", [True]]], bytes(4)),
        with_layout([["w", "<f4", ["1"]]], bytes(4)),
        with_layout([["w", "<f4", [1] * 100]], bytes(4)),
        with_layout([["w", "<f4", {"1": 1}]], bytes(4)),
        with_layout([["w", "<f4", [1]]], bytes(8)),
        with_layout([["w", "<f4", [3]]], bytes(8)),
        with_layout([["w", "|O", [1]]], bytes(8)),
        with_layout([["w", "<c16", [1]]], bytes(16)),
        with_layout([["w", "nonsense", [1]]], bytes(8)),
        with_layout([["w", "<f8,<f8", [1]]], bytes(16)),
        with_layout([["w", ["<f4"], [1]]], bytes(4)),
        with_layout([[1, "<f4", [1]]], bytes(4)),
        with_layout([["w", "<f4", [1]], ["w", "<f4", [1]]], bytes(8)),
    ],
)
def test_what_is_no_file_of_arrays_is_refused_by_its_name(path, data):
    path.write_bytes(data)
    with pytest.raises(MalformedDataError, match=re.escape(str(path))):
        read_arrays(path)


def test_few_bytes_get_no_large_array(path):
    path.write_bytes(with_layout([["w", "<f8", [10**9]]], bytes(8)))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedDataError):
            read_arrays(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
