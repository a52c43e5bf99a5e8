"""Facts and arrays in one file, written whole or not at all, and read only if it is undamaged.

Layout: a line that names the format, the length of a JSON text (u64, little-endian), the text, the
arrays one after another, SHA-256 of all that. The text has the facts, and the dtype and shape of
each array.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum.durable import read_file, write_file
from veilsum.errors import MalformedDataError

__all__ = ["Arrays", "read_arrays", "write_arrays"]

Arrays = dict[str, NDArray[Any]]

_MAGIC = b"veilsum arrays 1\n"
_LENGTH_BYTES = 8
_HASH_BYTES = 32
_MAX_BYTES = 1 << 40
_KINDS = ("b1", *(f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8")
_DTYPES = {np.dtype(order + kind).str for kind in _KINDS for order in "<>"}


def write_arrays(
    path: str | os.PathLike[str], facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Replace what is at ``path`` by these, on the disk when it returns.

    Args:
        path: where.
        facts: whatever JSON takes.
        arrays: of bools, integers or floats of at most 64 bits, in any byte order.

    Raises:
        TypeError: an array of another type.
    """
    for name, array in arrays.items():
        if array.dtype.str not in _DTYPES:
            raise TypeError(f"the array {name!r} has the dtype {array.dtype}, which is not kept")
    layout = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps({"facts": facts, "arrays": layout}, allow_nan=True).encode()
    write_file(path, _pieces(text, arrays), overwrite=True)


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """The facts and arrays that were written last.

    Raises:
        MalformedDataError: the file is damaged, or no such file. No array is made for bytes that
            are not there.
        OSError: it cannot be read.
    """
    data = read_file(path, max_bytes=_MAX_BYTES, what="a file of arrays")
    try:
        return _parse(data)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise MalformedDataError(f"{os.fspath(path)} is damaged: {error}") from None


def _pieces(text: bytes, arrays: Mapping[str, NDArray[Any]]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    start = (_MAGIC, len(text).to_bytes(_LENGTH_BYTES, "little"), text)
    for piece in chain(start, (array.tobytes() for array in arrays.values())):
        digest.update(piece)
        yield piece
    yield digest.digest()


def _parse(data: bytes) -> tuple[dict[str, Any], Arrays]:
    start = len(_MAGIC) + _LENGTH_BYTES
    end = len(data) - _HASH_BYTES
    if end < start or not data.startswith(_MAGIC):
        raise ValueError("it is no file of arrays")
    if hashlib.sha256(memoryview(data)[:end]).digest() != data[end:]:
        raise ValueError("its contents are not what was written")
    size = int.from_bytes(data[len(_MAGIC) : start], "little")
    if size > end - start:
        raise ValueError("it ends within its text")
    about = json.loads(data[start : start + size])
    offset, arrays = start + size, Arrays()
    for name, dtype_text, shape in about["arrays"]:
        if not isinstance(name, str) or name in arrays:
            raise ValueError("an array has no name of its own")
        if dtype_text not in _DTYPES:
            raise ValueError(f"the array {name!r} has a type that is never written")
        if not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"the array {name!r} has no shape")
        dtype, count = np.dtype(dtype_text), math.prod(shape)
        if count * dtype.itemsize > end - offset:
            raise ValueError(f"it ends within the array {name!r}")
        arrays[name] = np.frombuffer(data, dtype, count, offset).reshape(shape).copy()
        offset += count * dtype.itemsize
    if offset != end:
        raise ValueError("something follows its last array")
    return dict(about["facts"]), arrays
