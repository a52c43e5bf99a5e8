"""Plain numbers beside encrypted floats: read without a change, then rounded to a unit."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.paillier.encrypted import Encrypted
from veilsum.paillier.plaintexts import InUnit
from veilsum.paillier.scale import ZERO, Ceiling, Scale, power_of_two

__all__ = [
    "FloatLike",
    "Operand",
    "divisors",
    "exact_bound",
    "exactly",
    "factors",
    "quantised",
    "read_numbers",
    "sparse_factors",
    "to_unit",
    "unit_below",
]

#: A number, a list or nested list of numbers, or an array of integers or of floats up to float64.
FloatLike: TypeAlias = (
    float
    | np.integer
    | np.floating
    | Sequence[float]
    | Sequence[Sequence[float]]
    | NDArray[np.integer]
    | NDArray[np.floating]
    | NDArray[np.object_]
)

#: Integers in a unit, and the scale they have: their error is that of their rounding.
Operand: TypeAlias = tuple[InUnit, Scale]

_FLOAT_BITS = {2: 11, 4: 24, 8: 53}  # By the bytes of a float.
_LARGEST_EXACT = 1 << 53  # Every integer up to this is a float64.
_LEAST_HALF = Ceiling(1, -1075)  # Half of the smallest float64.
_NO_LISTS = (str, bytes, bytearray, memoryview)
_BOOLS = (bool, np.bool_)
_WANTED = "integers or floats of up to 64 bits"


def read_numbers(name: str, values: Any) -> NDArray[Any]:
    """The numbers in ``values`` as they are: an array of integers, of Python ints, or of floats.

    Raises:
        TypeError: bools, complex numbers, long doubles, fractions, decimals, objects that are no
            integers, what is encrypted, or masked arrays.
        InvalidArgumentError: ragged lists, or integers beyond 2**53 in a list with floats.
    """
    if isinstance(values, Encrypted):
        raise TypeError(
            f"{name} must be plain numbers, not {type(values).__name__}: what is encrypted is "
            "added to its own kind, and multiplied by plain numbers"
        )
    arguments.refuse_masked(name, values)
    array: NDArray[Any]
    if isinstance(values, float) or hasattr(values, "__array__"):
        array = np.asanyarray(values)
        arguments.refuse_masked(name, array)
        array = np.asarray(array)
    elif isinstance(values, Sequence) and not isinstance(values, _NO_LISTS):
        try:
            array = np.asarray(values, dtype=object)
        except ValueError as error:
            raise InvalidArgumentError(f"{name} must form an array: {error}") from None
        return _of_objects(name, array)
    else:
        array = np.empty((), dtype=object)
        array[()] = values
    if array.dtype.kind == "O":
        return _integers(name, array)
    if array.dtype.kind not in "iu" and not _is_float(array.dtype):
        raise TypeError(f"{name} must be {_WANTED}, not {array.dtype}")
    return array


def unit_below(name: str, precision: object) -> int:
    """The exponent of the largest power of two that is not above a precision."""
    exponent = math.frexp(arguments.real(name, precision, above=0))[1] - 1
    # A fraction just below a power may be that power as a float.
    is_above = isinstance(precision, Fraction) and power_of_two(exponent) > precision
    return exponent - 1 if is_above else exponent


def exact_bound(bound: object) -> Fraction:
    """A bound above 0 as it is, of an int, a float or a Fraction."""
    if isinstance(bound, np.longdouble):
        raise TypeError("bound must be an int, a Fraction or a float of up to 64 bits")
    if isinstance(bound, Fraction):
        exact = bound
    elif hasattr(bound, "__index__"):
        exact = Fraction(arguments.integer("bound", bound))
    else:
        exact = Fraction(arguments.real("bound", bound, above=0))
    if exact <= 0:
        raise InvalidArgumentError("bound must be above 0")
    return exact


def quantised(values: FloatLike, *, precision: float, bound: float) -> Operand:
    """Values to encrypt, in the unit that a precision asks for. The scale tells nothing of them.

    Raises:
        TypeError, InvalidArgumentError: as :func:`read_numbers`; a value that is not finite or
            above the bound, integers beyond 2**53, a precision or bound that is no number above 0.
    """
    exponent = unit_below("precision", precision)
    most = exact_bound(bound)
    array = _as_float64("the values", read_numbers("the values", values))
    if _largest("the values", array) > most:
        raise InvalidArgumentError(
            f"a value has a magnitude above bound={arguments.text_of(bound)}: pass bound= with the "
            "largest magnitude that there can be, which everybody may know"
        )
    units = math.ceil(most / power_of_two(exponent))
    return InUnit(array, exponent), Scale(exponent, units, Ceiling(1, exponent - 1))


def to_unit(name: str, array: NDArray[Any], exponent: int) -> Operand:
    """Numbers to add in a unit: integers exactly, of a unit of 1 or less; floats are rounded."""
    rounding = Ceiling(1, exponent - 1) if array.dtype.kind == "f" else ZERO
    return _operand(array, exponent, _log_bound(name, array), rounding)


def factors(name: str, array: NDArray[Any], precision: float | None = None) -> Operand:
    """Numbers to multiply by: integers exactly; floats to a precision, or to all bits they have.

    All bits are those of the largest magnitude, in its own type of float.
    """
    unit = None if precision is None else unit_below("precision", precision)
    log_bound = _log_bound(name, array)
    if array.dtype.kind != "f":
        return _operand(array, 0, log_bound, ZERO)
    exponent = log_bound - _FLOAT_BITS[array.dtype.itemsize] if unit is None else unit
    # A float by itself has no more bits than its type.
    is_exact = unit is None and array.size == 1
    return _operand(array, exponent, log_bound, ZERO if is_exact else Ceiling(1, exponent - 1))


def sparse_factors(name: str, matrix: Any) -> tuple[Any, Scale]:
    """A scipy.sparse matrix of what its entries are in their unit, and the scale of a column's sum.

    Entries at the same place count each for itself, as they are stored.
    """
    stored = matrix.tocoo().copy()
    array = read_numbers(name, stored.data)
    numbers, scale = factors(name, array)
    if array.dtype.kind == "f":  # Below 2**53 in their unit, and exact up to the one rounding.
        in_unit = np.ldexp(array.astype(np.float64), -numbers.exponent)
        stored.data = np.rint(in_unit).astype(np.int64)
    _, counts = np.unique(stored.col, return_counts=True)
    return stored, scale.of_sum(int(counts.max(initial=0)))


def divisors(name: str, array: NDArray[Any]) -> Operand:
    """What multiplies as division by these numbers does.

    Raises:
        InvalidArgumentError: 0, not finite, so small that 1 divided by it is no float, or an
            integer beyond 2**53.
    """
    floats = _as_float64(name, array)
    _largest(name, floats)
    with np.errstate(divide="ignore", over="ignore"):
        inverses = np.reciprocal(floats)
    if not np.isfinite(inverses).all():
        raise InvalidArgumentError(
            f"{name} is or has a 0, or a number so small that dividing by it exceeds every float"
        )
    numbers, scale = factors(name, inverses)
    # 1 / d is rounded as well: by half of the last bit of the largest, or of a subnormal.
    rounding = Ceiling(1, scale.exponent - 1) + _LEAST_HALF
    return numbers, Scale(scale.exponent, scale.bound, scale.error + rounding)


def exactly(value: int, exponent: int, error: Ceiling) -> Operand:
    """A public factor, whose bound is itself."""
    array = np.empty((), dtype=object)
    array[()] = value
    return InUnit(array, 0), Scale(exponent, value, error)


def _operand(array: NDArray[Any], exponent: int, log_bound: int, rounding: Ceiling) -> Operand:
    return InUnit(array, exponent), Scale(exponent, 1 << max(log_bound - exponent, 0), rounding)


def _log_bound(name: str, array: NDArray[Any]) -> int:
    """The least k with ``2**k`` at or above all magnitudes; 0 where there is nothing but 0."""
    if array.dtype.kind == "f":
        fraction, exponent = math.frexp(_largest(name, array))
        return exponent - 1 if fraction == 0.5 else exponent
    if array.size == 0:
        return 0
    largest = max(int(array.max()), -int(array.min()))
    return max(largest - 1, 0).bit_length()


def _largest(name: str, array: NDArray[Any]) -> float:
    """Of all magnitudes; what is not finite is refused."""
    largest = float(np.abs(array).max(initial=0.0))
    if not math.isfinite(largest):
        raise InvalidArgumentError(f"{name} must be finite, and NaN or infinity is among them")
    return largest


def _is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" and dtype.itemsize in _FLOAT_BITS


def _as_float64(name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind != "f":
        _refuse_inexact(name, array)
    return array.astype(np.float64)


def _refuse_inexact(name: str, integers: NDArray[Any]) -> None:
    if integers.size and max(int(integers.max()), -int(integers.min())) > _LARGEST_EXACT:
        raise InvalidArgumentError(
            f"{name} has integers beyond 2**53, which floats do not hold exactly"
        )


def _of_objects(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """What a list holds: floats if one of them is."""
    flat = array.reshape(-1).tolist()
    kinds = set(map(type, flat))
    is_float = {kind: _is_float_type(kind) for kind in kinds}
    if not any(is_float.values()):
        return _integers(name, array)
    integers = [value for value in flat if not is_float[type(value)]]
    _refuse_inexact(name, _integers(name, np.array(integers, dtype=object)))
    return array.astype(np.float64)


def _is_float_type(kind: type) -> bool:
    return issubclass(kind, float) or (issubclass(kind, np.floating) and _is_float(np.dtype(kind)))


def _integers(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The Python ints of an array of objects."""
    flat = array.reshape(-1).tolist()
    kinds = set(map(type, flat))
    for kind in kinds:
        if issubclass(kind, _BOOLS) or not hasattr(kind, "__index__"):
            raise TypeError(f"{name} must be {_WANTED}, not {kind.__name__}")
    try:
        ints = list(map(operator.index, flat))
    except TypeError as error:  # Arrays of several integers.
        raise TypeError(f"{name} must be {_WANTED}: {error}") from None
    found = np.empty(len(ints), dtype=object)
    found[:] = ints
    return found.reshape(array.shape)
