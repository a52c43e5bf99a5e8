"""A run's model after its last round, in one file that is read whole or not at all."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veilsum.arrays_file import Arrays, read_arrays, write_arrays
from veilsum.errors import MalformedDataError

__all__ = ["Arrays", "Checkpoint", "read_checkpoint", "write_checkpoint"]

_KIND = "checkpoint of a server"


@dataclass(frozen=True)
class Checkpoint:
    """After a round: how many of Flower's rounds are done, the last secure round, the model.

    ``optimiser`` has the strategy's own arrays: moments, momentum.
    """

    num_done: int
    round_number: int
    model: Arrays
    optimiser: dict[str, Arrays] = field(default_factory=dict)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file, whole or not at all.

    Raises:
        TypeError: an array that is not of bools, integers, or floats of 16, 32 or 64 bits.
    """
    parts = [("", checkpoint.model), *checkpoint.optimiser.items()]
    facts = {
        "kind": _KIND,
        "num_done": checkpoint.num_done,
        "round_number": checkpoint.round_number,
        "parts": [(part, list(arrays)) for part, arrays in parts],
    }
    named = [array for _, arrays in parts for array in arrays.values()]
    write_arrays(path, facts, {str(number): array for number, array in enumerate(named)})


def read_checkpoint(path: Path) -> Checkpoint | None:
    """What was written last; None where no file is.

    Raises:
        MalformedDataError: the file is damaged.
    """
    try:
        facts, arrays = read_arrays(path)
    except FileNotFoundError:
        return None
    try:
        return _checkpoint(facts, arrays)
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedDataError(f"{path} is damaged: {error}") from None


def _checkpoint(facts: dict[str, Any], arrays: Arrays) -> Checkpoint:
    if facts["kind"] != _KIND or sum(len(names) for _, names in facts["parts"]) != len(arrays):
        raise ValueError(f"it is no {_KIND}")
    named = iter(arrays.values())
    parts = [
        (part, {str(name): array for name, array in zip(names, named, strict=False)})
        for part, names in facts["parts"]
    ]
    (model_part, model), *optimiser = parts
    counts = facts["num_done"], facts["round_number"]
    if model_part != "" or any(type(count) is not int or count < 0 for count in counts):
        raise ValueError("it has no model, or no numbers of rounds")
    return Checkpoint(*counts, model, dict(optimiser))
