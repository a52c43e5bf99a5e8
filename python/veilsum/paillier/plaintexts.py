"""Turns what users pass as plaintexts into the core's Plaintexts."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilsum import _core, arguments
from veilsum.errors import InvalidArgumentError
from veilsum.paillier.encrypted import Encrypted

__all__ = [
    "InUnit",
    "PlaintextLike",
    "Plaintexts",
    "Shape",
    "nested",
    "read_lengths",
    "read_shape",
    "to_lists",
    "to_object_array",
    "to_plaintexts",
]

_CODEC = "a Codec encrypts vectors of floats"
_MOST_VALUES = 2**40
_BYTES_OR_TEXT = (bytes, bytearray, memoryview, str)

Plaintexts: TypeAlias = _core.Plaintexts
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class InUnit:
    """Numbers that are encrypted, or multiply, as integers in units of ``2**exponent``.

    Floats, up to float64, are rounded to the nearest one, ties to even. Integers are exact: their
    exponent is 0 or less.
    """

    array: NDArray[Any]
    exponent: int

    def __repr__(self) -> str:
        return f"<InUnit: shape {self.array.shape}, unit 2**{self.exponent}>"


#: An int (Python or numpy), a list or nested list of ints of any size, or an array of integers.
PlaintextLike: TypeAlias = (
    int
    | np.integer
    | Sequence[int]
    | Sequence[Sequence[int]]
    | NDArray[np.integer]
    | NDArray[np.object_]
    | InUnit
)


def to_plaintexts(
    values: PlaintextLike | _core.Plaintexts,
    shape: Shape | None = None,
    *,
    transposed: bool = False,
    cure: str = _CODEC,
) -> tuple[_core.Plaintexts, Shape]:
    """Convert integers to Plaintexts, broadcast to ``shape`` if it is given, or transposed.

    ``cure`` tells whoever passed floats what to do instead.

    Returns:
        The plaintexts and their shape; ``()`` for a single integer.

    Raises:
        TypeError: not integers (bools and floats are refused, nothing is rounded), or masked.
        InvalidArgumentError: ragged, more than two dimensions, or not broadcastable.
    """
    if isinstance(values, _core.Plaintexts):
        if shape is not None and shape != (len(values),):
            raise InvalidArgumentError(f"{len(values)} plaintexts do not match the shape {shape}")
        return values, (len(values),)
    array = values.array if isinstance(values, InUnit) else to_object_array(values, cure)
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
    if array.dtype.kind == "f" and isinstance(values, InUnit):
        floats = np.ascontiguousarray(array, dtype=np.float64).reshape(-1)
        return _core.plaintexts_from_floats(floats, values.exponent), array.shape
    integers = _from_integers(array, cure)
    if isinstance(values, InUnit) and values.exponent != 0:
        integers = _core.plaintexts_shifted(integers, -values.exponent)
    return integers, array.shape


def to_lists(plaintexts: _core.Plaintexts, shape: Shape) -> list[Any]:
    """The integers of a vector or, row by row, of a matrix."""
    return nested(_core.plaintexts_to_list(plaintexts), shape)


def nested(flat: list[Any], shape: Shape) -> list[Any]:
    """A list as it is for a vector, cut into rows for a matrix."""
    if len(shape) == 1:
        return flat
    rows, columns = shape
    return [flat[row * columns : (row + 1) * columns] for row in range(rows)]


def read_lengths(shape: Sequence[Any]) -> Shape:
    """One or two ints, given one by one or together.

    Raises:
        TypeError: lengths that are no ints.
        InvalidArgumentError: another number of dimensions.
    """
    given = shape
    if len(shape) == 1 and isinstance(shape[0], (Sequence, np.ndarray)):
        given = arguments.items("the shape", shape[0])
    lengths = tuple(arguments.integer("each length of a shape", length) for length in given)
    if len(lengths) not in (1, 2):
        raise InvalidArgumentError(
            f"a shape has one or two lengths, not {len(lengths)}: encrypted numbers are vectors "
            "or matrices"
        )
    if any(abs(length) > _MOST_VALUES for length in lengths):
        raise InvalidArgumentError("a length of a shape is at most 2**40")
    return lengths


def read_shape(shape: Sequence[Any], size: int) -> Shape:
    """One or two lengths for so many values, given one by one or together; -1 for what is left.

    Raises:
        TypeError: lengths that are no ints.
        InvalidArgumentError: another number of dimensions, or of values.
    """
    lengths = list(read_lengths(shape))
    if lengths.count(-1) == 1:
        known = math.prod(length for length in lengths if length != -1)
        if known > 0 and size % known == 0:
            lengths[lengths.index(-1)] = size // known
    if min(lengths) < 0 or math.prod(lengths) != size:
        shown = ", ".join(map(arguments.text_of, lengths))
        raise InvalidArgumentError(f"{size} ciphertexts do not fit the shape ({shown})")
    return tuple(lengths)


def to_object_array(values: Any, cure: str = _CODEC) -> NDArray[Any]:
    """An array of integers, or of objects that the core checks one by one."""
    arguments.refuse_masked("what was passed", values)
    if isinstance(values, (np.ndarray, np.generic)):
        array = np.asarray(values)
        if array.dtype.kind not in "iuO":
            hint = f"; {cure}" if array.dtype.kind in "fc" else ""
            raise TypeError(f"expected integers, got an array of {array.dtype}{hint}")
        return array
    is_integer_like = hasattr(values, "__index__") or hasattr(values, "__array__")
    is_sequence = isinstance(values, Sequence) and not isinstance(values, _BYTES_OR_TEXT)
    if isinstance(values, Encrypted) or not (is_integer_like or is_sequence):
        hint = f"; {cure}" if isinstance(values, numbers.Number) else ""
        if isinstance(values, Encrypted):
            hint = "; what is encrypted is added, or multiplied by plain integers"
        raise TypeError(f"expected integers, got {type(values).__name__}{hint}")
    # As objects, or numpy would round what fits no integer type to floats.
    try:
        array = np.asanyarray(values, dtype=object)
    except ValueError as error:
        raise InvalidArgumentError(f"integers must form a vector or a matrix: {error}") from None
    arguments.refuse_masked("what was passed", array)  # Another class may have given one.
    return np.asarray(array)


def _from_integers(array: NDArray[Any], cure: str) -> _core.Plaintexts:
    if array.dtype.kind == "i":
        return _core.plaintexts_from_int64(np.ascontiguousarray(array, np.int64).reshape(-1))
    if array.dtype.kind == "u":
        return _core.plaintexts_from_uint64(np.ascontiguousarray(array, np.uint64).reshape(-1))
    return _core.plaintexts_from_list(array.reshape(-1).tolist(), cure)
