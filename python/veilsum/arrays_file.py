"""Facts and arrays in one file, written whole or not at all, and read only if it is undamaged.

Layout: a line that names the format, the length of a JSON text (u64, little-endian), the text, the
arrays one after another, SHA-256 of all that. The text has the facts, and the dtype and shape of
each array.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum.durable import read_file, write_file
from veilsum.errors import MalformedDataError

__all__ = ["Arrays", "read_arrays", "write_arrays"]

Arrays = dict[str, NDArray[Any]]

_MAGIC = b"veilsum arrays 1\n"
_HASH_BYTES = 32
_MAX_BYTES = 1 << 40
_MAX_TEXT_BYTES = 1 << 30
_MAX_DIMENSIONS = 32


def write_arrays(
    path: str | os.PathLike[str], facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Replace what is at ``path`` by these, on the disk when it returns.

    Args:
        path: where.
        facts: whatever JSON takes.
        arrays: of bools, integers or floats of at most 64 bits.
    """
    little = {
        name: np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        for name, array in arrays.items()
    }
    layout = [[name, array.dtype.str, list(array.shape)] for name, array in little.items()]
    text = json.dumps({"facts": facts, "arrays": layout}, allow_nan=True).encode()
    pieces = [_MAGIC, len(text).to_bytes(8, "little"), text]
    pieces += [array.tobytes() for array in little.values()]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    write_file(path, [*pieces, digest.digest()], overwrite=True)


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """The facts and arrays that were written last.

    Raises:
        MalformedDataError: the file is damaged, or no such file.
        OSError: it cannot be read.
    """
    data = read_file(path, max_bytes=_MAX_BYTES, what="a file of arrays")
    try:
        return _parse(data)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MalformedDataError(f"{os.fspath(path)} is damaged: {error}") from None


def _parse(data: bytes) -> tuple[dict[str, Any], Arrays]:
    start = len(_MAGIC) + 8
    end = len(data) - _HASH_BYTES
    if end < start or not data.startswith(_MAGIC):
        raise ValueError("it is no file of arrays")
    if hashlib.sha256(memoryview(data)[:end]).digest() != data[end:]:
        raise ValueError("its contents are not what was written")
    size = int.from_bytes(data[len(_MAGIC) : start], "little")
    if size > min(end - start, _MAX_TEXT_BYTES):
        raise ValueError("its text is longer than it")
    about = json.loads(data[start : start + size])
    offset, arrays = start + size, Arrays()
    for name, dtype_text, shape in about["arrays"]:
        dtype = np.dtype(str(dtype_text))
        if dtype.kind not in "biuf" or dtype.itemsize > 8 or len(shape) > _MAX_DIMENSIONS:
            raise ValueError(f"the array {name!r} has a type that is never written")
        if not all(isinstance(length, int) and length >= 0 for length in shape):
            raise ValueError(f"the array {name!r} has no shape")
        count = math.prod(shape)
        if count * dtype.itemsize > end - offset:
            raise ValueError(f"the array {name!r} is longer than the file")
        array = np.frombuffer(data, dtype, count, offset).reshape(shape)
        arrays[str(name)] = array.astype(dtype.newbyteorder("="))  # A copy that can be written to.
        offset += array.nbytes
    if offset != end:
        raise ValueError("more follows than it announces")
    return dict(about["facts"]), arrays
