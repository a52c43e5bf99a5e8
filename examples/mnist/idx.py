"""Reader of IDX files, the format in which MNIST and its many relatives are published.

A file is a magic number, one big-endian 32-bit length for each dimension, and the elements. Only
unsigned bytes in one dimension (labels) or three (images) are read here.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MAX_ELEMENTS = 2**30  # twenty times MNIST; a larger length is taken for a damaged header
_UNSIGNED_BYTES = 0x08


def find(folder: Path, stem: str, num_dimensions: int) -> Path:
    """The IDX file of that name in a folder, in any of the spellings people use.

    Raises:
        FileNotFoundError: there is none; the message lists what was looked for.
    """
    names = [
        f"{stem}{separator}idx{num_dimensions}-ubyte{suffix}"
        for separator in "-."
        for suffix in ("", ".gz")
    ]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{folder} holds none of: {', '.join(names)}")


def read(path: Path, num_dimensions: int) -> NDArray[np.uint8]:
    """Reads one file, gzipped if its name ends in ``.gz``.

    Returns:
        an array with ``num_dimensions`` dimensions, none of them 0.

    Raises:
        ValueError: not an IDX file of bytes with so many dimensions, or longer or shorter than its
            header says, or above ``MAX_ELEMENTS``.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return _read_open(file, num_dimensions, path)
        with path.open("rb") as file:
            return _read_open(file, num_dimensions, path)
    except (EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: damaged gzip file ({error})") from error


def _read_open(
    file: BinaryIO | gzip.GzipFile, num_dimensions: int, path: Path
) -> NDArray[np.uint8]:
    header = file.read(4 + 4 * num_dimensions)
    if header[:4] != bytes([0, 0, _UNSIGNED_BYTES, num_dimensions]):
        raise ValueError(f"{path}: not an IDX file of bytes with {num_dimensions} dimension(s)")
    if len(header) < 4 + 4 * num_dimensions:
        raise ValueError(f"{path}: ends inside its header")
    shape = struct.unpack(f">{num_dimensions}I", header[4:])
    num_elements = int(np.prod(shape, dtype=object))  # Python ints: a product cannot wrap
    if not 0 < num_elements <= MAX_ELEMENTS:
        raise ValueError(f"{path}: {shape} is not between 1 and {MAX_ELEMENTS} elements")
    elements = file.read(num_elements)
    if len(elements) < num_elements or file.read(1):
        raise ValueError(f"{path}: its length does not fit the shape {shape} in its header")
    return np.frombuffer(elements, np.uint8).reshape(shape)
