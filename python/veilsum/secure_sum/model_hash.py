"""One hash for a model, so that everyone can tell they train the same one."""

import array
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from veilsum import arguments
from veilsum.identity import check_name

__all__ = ["hash_model"]

_NO_LISTS = (str, bytes, bytearray, memoryview, array.array, range)
_PADDED = (np.longdouble, np.clongdouble)


def hash_model(arrays: Sequence[ArrayLike], *, purpose: str = "train") -> bytes:
    """SHA-256 of a list of numeric arrays, and of what they are sent for.

    Of the arrays their number, dtypes, shapes and values count.

    The byte order and memory layout of an array do not matter; its dtype, shape and every bit of
    its values do, and so does the order of the arrays.

    Args:
        arrays: of the model, in an order that all parties know.
        purpose: what contributors are to do with it, in 1 to 255 bytes of UTF-8: ``"train"``,
            ``"evaluate"``, or a query.

    Raises:
        TypeError: ``arrays`` is no list of arrays, but one array or a dictionary; an array is
            masked, is not of bools, integers, floats or complex numbers, or is of long doubles,
            whose padding has no fixed value.
        InvalidArgumentError: a list in it forms no array, or the purpose is no such text.
    """
    what = check_name(purpose, "purpose").encode()
    if isinstance(arrays, _NO_LISTS) or not isinstance(arrays, Sequence):
        raise TypeError(f"arrays must be a list of arrays, not {type(arrays).__name__}")
    digest = hashlib.sha256(b"veilsum/model/2" + len(what).to_bytes(1, "little") + what)
    digest.update(len(arrays).to_bytes(8, "little"))
    for position, given in enumerate(arrays):
        values = arguments.numeric_array(f"arrays[{position}]", given)
        if values.dtype.type in _PADDED:
            raise TypeError(
                f"arrays[{position}] is of {values.dtype}, whose bytes have no fixed value; "
                "convert it to float64 or complex128"
            )
        little = np.asarray(values, values.dtype.newbyteorder("<"), order="C")
        # Lengths go first, so no two lists of arrays give the same bytes.
        name = little.dtype.str.encode()
        digest.update(len(name).to_bytes(8, "little") + name)
        digest.update(little.ndim.to_bytes(8, "little"))
        for length in little.shape:
            digest.update(length.to_bytes(8, "little"))
        digest.update(little.tobytes())
    return digest.digest()
