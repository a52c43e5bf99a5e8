"""A run's model in a file: what was written is read, and nothing else whatever the damage."""

import json
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from veilsum.errors import MalformedDataError
from veilsum.integrations.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

MODEL = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float16).reshape(2, 3)),
    "big end": np.arange(3, dtype=">f8"),
    "steps": np.array(7),
    "mask": np.array([True, False]),
    "none": np.zeros((0, 4), np.int8),
    "": np.array([np.nan, np.inf, -0.0]),
}
WHOLE = Checkpoint(3, 5, MODEL, {"momentum": {"w": np.ones((2, 3))}, "empty": {"x": np.zeros(0)}})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


@pytest.fixture
def data(path):
    write_checkpoint(path, WHOLE)
    return path.read_bytes()


def contents(checkpoint):
    def of(arrays):
        return {n: (a.dtype.str, a.shape, a.tobytes()) for n, a in arrays.items()}

    optimiser = {name: of(arrays) for name, arrays in checkpoint.optimiser.items()}
    return checkpoint.num_done, checkpoint.round_number, of(checkpoint.model), optimiser


def test_what_was_written_last_is_read(path):
    assert read_checkpoint(path) is None
    write_checkpoint(path, Checkpoint(0, 0, {"w": np.zeros(2)}))
    write_checkpoint(path, WHOLE)
    found = read_checkpoint(path)
    assert contents(found) == contents(WHOLE)
    assert list(found.model) == list(MODEL)
    found.model["w"] += 1  # It is the reader's own.


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([1j]), np.array([None])])
def test_arrays_that_are_not_kept_are_refused_and_the_file_stays(path, data, array):
    with pytest.raises(TypeError, match="'strange' has the dtype"):
        write_checkpoint(path, Checkpoint(0, 0, {"strange": array}))
    assert path.read_bytes() == data


def read_if_not_refused(path, data):
    """What it reads; None if it is refused."""
    path.write_bytes(data)
    try:
        return contents(read_checkpoint(path))
    except MalformedDataError:
        return None


def test_a_file_that_was_cut_or_grew_is_refused(path, data):
    for length in range(len(data)):
        assert read_if_not_refused(path, data[:length]) is None
    assert read_if_not_refused(path, data + b"\0") is None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_refused_or_changes_values_only(tmp_path_factory, chosen):
    path = tmp_path_factory.getbasetemp() / "damaged.checkpoint"
    write_checkpoint(path, WHOLE)
    data = bytearray(path.read_bytes())
    for _ in range(chosen.draw(st.integers(1, 4))):
        data[chosen.draw(st.integers(0, len(data) - 1))] = chosen.draw(st.integers(0, 255))
    read_if_not_refused(path, bytes(data))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_nobody_wrote_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "random.checkpoint"
    assert read_if_not_refused(path, data) is None


def with_index(index, rest=b""):
    text = index if isinstance(index, bytes) else json.dumps(index).encode()
    return len(text).to_bytes(8, "little") + text + rest


def index_of(*arrays, **fields):
    index = {"veilsum": "checkpoint", "version": 1, "num_done": 1, "round_number": 1}
    return index | {"arrays": list(arrays)} | fields


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04" + bytes(100),
        (2**64 - 1).to_bytes(8, "little") + b"{}",
        with_index(b"[" * 100_000),
        with_index(b"\xff\xfe"),
        with_index(b"1" * 5000),
        with_index([]),
        with_index(None),
        with_index({"veilsum": "checkpoint"}),
        with_index(index_of(version=2)),
        with_index(index_of(num_done=-1)),
        with_index(index_of(num_done=True)),
        with_index(index_of(round_number=1.0)),
        with_index(index_of(arrays=None)),
        with_index(index_of(arrays="wwww")),
        with_index(index_of([None, "w", "<f4"])),
        with_index(index_of([None, "w", "<f4", [2**62]])),
        with_index(index_of([None, "w", "<f4", [2**40, 2**40]])),
        with_index(index_of([None, "w", "<f4", [0, 2**70]])),
        with_index(index_of([None, "w", "<f4", [-1]]), bytes(4)),
        with_index(index_of([None, "w", "<f4", [-2, -2]]), bytes(16)),
        with_index(index_of([None, "w", "<f4", [True]]), bytes(4)),
        with_index(index_of([None, "w", "<f4", ["1"]]), bytes(4)),
        with_index(index_of([None, "w", "<f4", [1] * 100]), bytes(4)),
        with_index(index_of([None, "w", "<f4", {"1": 1}]), bytes(4)),
        with_index(index_of([None, "w", "|O", [1]]), bytes(8)),
        with_index(index_of([None, "w", "<f8,<f8", [1]]), bytes(16)),
        with_index(index_of([None, "w", ["<f4"], [1]]), bytes(4)),
        with_index(index_of([None, 1, "<f4", [1]]), bytes(4)),
        with_index(index_of([1, "w", "<f4", [1]]), bytes(4)),
        with_index(index_of([None, "w", "<f4", [1]], [None, "w", "<f4", [1]]), bytes(8)),
    ],
)
def test_what_is_no_checkpoint_is_refused_by_the_name_of_its_file(path, data):
    path.write_bytes(data)
    with pytest.raises(MalformedDataError, match=re.escape(str(path))):
        read_checkpoint(path)


def test_few_bytes_get_no_large_array(path):
    path.write_bytes(with_index(index_of([None, "w", "<f8", [10**9]]), bytes(8)))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedDataError):
            read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
