"""A server's model after a round, in a file: what was written is read, and no other file is."""

import re

import numpy as np
import pytest
from veilsum.arrays_file import write_arrays
from veilsum.errors import MalformedDataError
from veilsum.integrations.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

MODEL = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array(7)}
WHOLE = Checkpoint(3, 5, MODEL, {"momentum": {"w": np.ones((2, 3))}, "empty": {}})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


def contents(checkpoint):
    def of(arrays):
        return [(n, a.dtype.str, a.shape, a.tobytes()) for n, a in arrays.items()]

    optimiser = {name: of(arrays) for name, arrays in checkpoint.optimiser.items()}
    return checkpoint.num_done, checkpoint.round_number, of(checkpoint.model), optimiser


def test_what_was_written_last_is_read(path):
    assert read_checkpoint(path) is None
    for checkpoint in (Checkpoint(0, 0, {"w": np.zeros(2)}), WHOLE, Checkpoint(4, 6, {})):
        write_checkpoint(path, checkpoint)
        assert contents(read_checkpoint(path)) == contents(checkpoint)


def facts(**changes):
    known = {"kind": "checkpoint of a server", "num_done": 1, "round_number": 1}
    return known | {"parts": [["", ["w"]]]} | changes


@pytest.mark.parametrize(
    "facts",
    [
        {},
        facts(kind="run of FedAvg"),
        facts(num_done=-1),
        facts(num_done=True),
        facts(round_number=1.0),
        facts(parts=None),
        facts(parts=[]),
        facts(parts=[["", []]]),
        facts(parts=[["", ["w", "v"]]]),
        facts(parts=[["momentum", ["w"]]]),
        facts(parts=[["", ["w"], 3]]),
        facts(parts=[["", 1]]),
    ],
)
def test_arrays_of_another_kind_are_no_checkpoint(path, facts):
    write_arrays(path, facts, {"0": np.zeros(2)})
    with pytest.raises(MalformedDataError, match=re.escape(str(path))):
        read_checkpoint(path)
