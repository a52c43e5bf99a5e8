"""Turns what users pass as plaintexts into the core's Plaintexts."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilsum import _core
from veilsum.errors import InvalidArgumentError

__all__ = ["PlaintextLike", "Plaintexts", "Shape", "nested", "to_lists", "to_plaintexts"]

Plaintexts: TypeAlias = _core.Plaintexts
Shape: TypeAlias = tuple[int, ...]

#: An int (Python or numpy), a list or nested list of ints of any size, or an array of integers.
PlaintextLike: TypeAlias = (
    int
    | np.integer
    | Sequence[int]
    | Sequence[Sequence[int]]
    | NDArray[np.integer]
    | NDArray[np.object_]
)


def to_plaintexts(
    values: PlaintextLike | _core.Plaintexts,
    shape: Shape | None = None,
    *,
    transposed: bool = False,
) -> tuple[_core.Plaintexts, Shape]:
    """Convert integers to Plaintexts, broadcast to ``shape`` if it is given, or transposed.

    Returns:
        The plaintexts and their shape; ``()`` for a single integer.

    Raises:
        TypeError: not integers (bools and floats are refused, nothing is rounded).
        InvalidArgumentError: ragged, more than two dimensions, or not broadcastable.
    """
    if isinstance(values, _core.Plaintexts):
        if shape is not None and shape != (len(values),):
            raise InvalidArgumentError(f"{len(values)} plaintexts do not match the shape {shape}")
        return values, (len(values),)
    array = _to_array(values)
    if array.ndim > 2:
        raise InvalidArgumentError(f"plaintexts have at most two dimensions, not {array.ndim}")
    if transposed:
        array = array.T
    if shape is not None and array.shape != shape:
        try:
            array = np.broadcast_to(array, shape)
        except ValueError:
            raise InvalidArgumentError(
                f"plaintexts of shape {array.shape} do not fit the shape {shape}"
            ) from None
    if array.dtype.kind == "i":
        flat = np.ascontiguousarray(array, dtype=np.int64).reshape(-1)
        return _core.plaintexts_from_int64(flat), array.shape
    if array.dtype.kind == "u":
        words = np.ascontiguousarray(array, dtype=np.uint64).reshape(-1)
        return _core.plaintexts_from_uint64(words), array.shape
    return _core.plaintexts_from_list(array.reshape(-1).tolist()), array.shape


def to_lists(plaintexts: _core.Plaintexts, shape: Shape) -> list[Any]:
    """The integers of a vector or, row by row, of a matrix."""
    return nested(_core.plaintexts_to_list(plaintexts), shape)


def nested(flat: list[Any], shape: Shape) -> list[Any]:
    """A list as it is for a vector, cut into rows for a matrix."""
    if len(shape) == 1:
        return flat
    rows, columns = shape
    return [flat[row * columns : (row + 1) * columns] for row in range(rows)]


def _to_array(values: PlaintextLike) -> NDArray[Any]:
    """An array of integers, or of objects that the core checks one by one."""
    if isinstance(values, (np.ndarray, np.generic)):
        array = np.asarray(values)
        if array.dtype.kind not in "iuO":
            raise TypeError(f"expected integers, got an array of {array.dtype}{_hint(values)}")
        return array
    is_integer_like = hasattr(values, "__index__") or hasattr(values, "__array__")
    if not is_integer_like and not isinstance(values, Sequence):  # Ciphertexts, for instance.
        raise TypeError(f"expected integers, got {type(values).__name__}{_hint(values)}")
    # As objects, or numpy would round what fits no integer type to floats.
    try:
        return np.array(values, dtype=object)
    except ValueError as error:
        raise InvalidArgumentError(f"plaintexts must form a vector or a matrix: {error}") from None


def _hint(values: object) -> str:
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    is_float = isinstance(values, float) or kind == "f"
    return "; a Codec encrypts vectors of floats" if is_float else ""
