"""A run's model after its last round, in one file that is read whole or not at all.

The file has the length of its index as 8 bytes, little-endian; the index, in JSON; and the bytes of
all arrays, one after another, in C order.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum.durable import read_file, write_file
from veilsum.errors import MalformedDataError

__all__ = ["Arrays", "Checkpoint", "read_checkpoint", "write_checkpoint"]

Arrays = dict[str, NDArray[Any]]

_VERSION = 1
_LENGTH_BYTES = 8
_KINDS = ("b1", *(f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8")
_DTYPES = {np.dtype(order + kind).str for kind in _KINDS for order in "<>"}


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
    sections: list[tuple[str | None, Arrays]] = [(None, checkpoint.model)]
    sections += checkpoint.optimiser.items()
    entries = [(section, name, a) for section, part in sections for name, a in part.items()]
    for _, name, array in entries:
        if array.dtype.str not in _DTYPES:
            raise TypeError(f"the array {name!r} has the dtype {array.dtype}, which is not kept")
    index = {
        "veilsum": "checkpoint",
        "version": _VERSION,
        "num_done": checkpoint.num_done,
        "round_number": checkpoint.round_number,
        "arrays": [(section, name, a.dtype.str, a.shape) for section, name, a in entries],
    }
    text = json.dumps(index).encode()
    pieces = (array.tobytes() for _, _, array in entries)
    write_file(path, [len(text).to_bytes(_LENGTH_BYTES, "little"), text, *pieces], overwrite=True)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """What was written last; None where no file is.

    Raises:
        MalformedDataError: the file is damaged. No array is made for bytes that are not there.
    """
    try:
        size = os.stat(path).st_size
        data = read_file(path, max_bytes=size, what="a checkpoint")
    except FileNotFoundError:
        return None
    try:
        return _parse(data)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise MalformedDataError(f"{path} is damaged: {error}") from None


def _parse(data: bytes) -> Checkpoint:
    begin = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    if len(data) < begin:
        raise ValueError("it ends within its index")
    index = json.loads(data[_LENGTH_BYTES:begin])
    if (index["veilsum"], index["version"]) != ("checkpoint", _VERSION):
        raise ValueError("it is no checkpoint")
    checkpoint = Checkpoint(_count(index["num_done"]), _count(index["round_number"]), Arrays())
    for section, name, array in _arrays(index["arrays"], data, begin):
        part = checkpoint.model
        if section is not None:
            part = checkpoint.optimiser.setdefault(section, {})
        if name in part:
            raise ValueError("it has an array twice")
        part[name] = array
    return checkpoint


def _arrays(
    listed: list[Any], data: bytes, begin: int
) -> Iterator[tuple[str | None, str, NDArray[Any]]]:
    for section, name, dtype, shape in listed:
        if not isinstance(name, str) or not isinstance(section, (str, type(None))):
            raise TypeError("an array has no name")
        if dtype not in _DTYPES:
            raise ValueError("an array has an unknown dtype")
        end = begin + _size(shape, at_most=len(data)) * np.dtype(dtype).itemsize
        if end > len(data):
            raise ValueError("it ends within an array")
        yield section, name, np.frombuffer(data[begin:end], dtype).reshape(shape).copy()
        begin = end
    if begin != len(data):
        raise ValueError("something follows its last array")


def _size(shape: list[Any], *, at_most: int) -> int:
    """How many values an array of this shape has; ValueError if they are too many."""
    lengths = [_count(length) for length in shape]
    size = 0 if 0 in lengths else 1
    for length in lengths if size else ():
        size *= length
        if size > at_most:
            raise ValueError("it ends within an array")
    return size


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("a count is no integer from 0")
    return value
