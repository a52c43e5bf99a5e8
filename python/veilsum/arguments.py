"""What callers pass, checked: one reader for each kind of argument, used everywhere.

A reader returns the plain Python or numpy value that the rest of the package works with. It raises
TypeError, with the parameter's name, for a wrong type, and InvalidArgumentError for a right type
out of range. Nothing is converted silently: True is no number, 1.0 is no count, 3 is no path, and
NaN lies in no range.
"""

import math
import numbers
import operator
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum.errors import InvalidArgumentError

__all__ = [
    "choice",
    "count",
    "day",
    "flag",
    "floats",
    "instance",
    "integer",
    "is_masked_type",
    "items",
    "names",
    "numeric_array",
    "path",
    "printable",
    "real",
    "refuse_masked",
    "text_of",
    "tuple_of",
]

T = TypeVar("T")

_MAX_COUNT = 2**63 - 1
_FIRST_DAY = date(1970, 1, 1)
_LARGEST_EXACT = 2**53  # Every integer up to this is a double.
_MOST_SHOWN = 60
_MOST_DIMENSIONS = 64  # Of an array; lists that are nested deeper form none.
_NO_LISTS = (str, bytes, bytearray, memoryview, range)


def real(
    name: str,
    value: object,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> float:
    """A finite real number within these bounds, as a Python float.

    Takes Python's and numpy's real numbers, and rationals. A number beyond every float counts as
    infinite.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, not {_type_name(value)}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    is_inside = (
        math.isfinite(found)
        and (above is None or found > above)
        and (at_least is None or found >= at_least)
        and (below is None or found < below)
        and (at_most is None or found <= at_most)
    )
    if not is_inside:
        parts = [
            f"{words} {_shown(bound)}"
            for words, bound in (
                ("above", above),
                ("at least", at_least),
                ("below", below),
                ("at most", at_most),
            )
            if bound is not None
        ]
        wanted = parts if math.isfinite(found) else ["finite", *parts]
        raise InvalidArgumentError(f"{name} is {_shown(found)}; it must be {' and '.join(wanted)}")
    return found


def integer(name: str, value: object) -> int:
    """An integer of any size, as a Python int. Takes Python's and numpy's integers."""
    # __index__ is what Python itself asks of a position; bools have one and count nothing.
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an int, not {_type_name(value)}")
    try:
        return operator.index(value)
    except TypeError:  # An array of several integers.
        raise TypeError(f"{name} must be an int, not {_type_name(value)}") from None


def count(name: str, value: object, *, at_least: int = 0, at_most: int = _MAX_COUNT) -> int:
    """An integer within these bounds, as a Python int. Takes Python's and numpy's integers."""
    found = integer(name, value)
    if not at_least <= found <= at_most:
        is_bound_known = at_most != _MAX_COUNT or found > at_most
        upper = f" and at most {text_of(at_most)}" if is_bound_known else ""
        raise InvalidArgumentError(
            f"{name} is {text_of(found)}; it must be at least {at_least}{upper}"
        )
    return found


def day(name: str, value: object) -> date:
    """A day of the calendar, from 1970 on. A moment, which has an hour too, is none."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime.date, not {_type_name(value)}")
    if value < _FIRST_DAY:
        raise InvalidArgumentError(f"{name} is {value}; it must be {_FIRST_DAY} or later")
    return date(value.year, value.month, value.day)


def items(name: str, value: Iterable[T]) -> list[T]:
    """What a list or another iterable holds. A text is no list of its letters."""
    try:
        iterator = None if isinstance(value, (str, bytes, bytearray)) else iter(value)
    except TypeError:
        iterator = None
    if iterator is None:
        raise TypeError(f"{name} must be a list, not {_type_name(value)}")
    return list(iterator)


def flag(name: str, value: object) -> bool:
    """True or False, also numpy's."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {_type_name(value)}")
    return bool(value)


def choice(name: str, value: object, options: Collection[str | None]) -> Any:
    """One of a few words, or None where that is one of them."""
    if value is None and None in options:
        return None
    words = [repr(option) for option in options]
    allowed = f"{', '.join(words[:-1])} or {words[-1]}"
    if not isinstance(value, str):
        raise TypeError(f"{name} must be {allowed}, not {_type_name(value)}")
    if value not in options:
        raise InvalidArgumentError(f"{name} is {text_of(value)}; it must be {allowed}")
    return value


def names(name: str, value: object) -> list[str]:
    """Several words, of any collection, in its order. One str is no collection of words."""
    try:
        words = list(value) if isinstance(value, Collection) else None
    except TypeError:  # An array without dimensions calls itself one.
        words = None
    if words is None or isinstance(value, (str, bytes)):
        raise TypeError(f"{name} must be a list of str, not {_type_name(value)}")
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"{name} must be a list of str, and has {_type_name(word)} in it")
    return words


def path(name: str, value: object) -> str:
    """Where a file or folder is, as a str. An open file's number is no path."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path (str or os.PathLike), not {_type_name(value)}")
    found = os.fspath(value)
    if not isinstance(found, str):
        raise TypeError(f"{name} must be a path of type str, not {_type_name(found)}")
    if not found or "\0" in found or not _is_encodable(found):
        raise InvalidArgumentError(f"{name} is {text_of(found)}, which is no path")
    return found


def instance(name: str, value: object, kind: type[T] | tuple[type[T], ...]) -> T:
    """An object of this class, or of one of these."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(
            "None" if wanted is type(None) else wanted.__name__ for wanted in kinds
        )
        raise TypeError(f"{name} must be {_article(wanted)}{wanted}, not {_type_name(value)}")
    return value


def tuple_of(name: str, values: Sequence[T], kind: type[T]) -> tuple[T, ...]:
    """A tuple or a list of this kind, as a tuple. What has no order, or is read once, is refused.

    Raises:
        TypeError: ``values`` or one of them has another type.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise TypeError(f"{name} must be a tuple or a list, not {_type_name(values)}")
    return tuple(instance(f"each of {name}", value, kind) for value in values)


def numeric_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """An array that is all there is to see of ``value``; not copied if it is one.

    Raises:
        TypeError: a masked array, also one within lists: what its mask hides would be used. Or an
            array of objects, or bools among numbers.
        InvalidArgumentError: lists that form no array.
    """
    kinds = _kinds_in(value)
    _refuse_masked(name, value, kinds)
    try:
        array = np.asanyarray(value)
    except ValueError as error:
        raise InvalidArgumentError(f"{name} must form an array: {error}") from None
    refuse_masked(name, array)  # An object of another class may have given one.
    array = np.asarray(array)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name} must be an array of numbers, not of {array.dtype}")
    if array.dtype.kind != "b" and kinds & {bool, np.bool_}:
        raise TypeError(f"{name} must be an array of numbers, and has bools among them")
    return array


def floats(name: str, value: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
    """The real numbers in ``value``, exactly, as a native C-contiguous array of floats.

    Integers become float64. A copy is made only where the array is not such an array already.

    Raises:
        TypeError: bools, complex numbers, long doubles, or what ``numeric_array`` refuses.
        InvalidArgumentError: integers beyond 2**53, which are no exact float64.
    """
    array = numeric_array(name, value)
    if array.dtype.kind in "iu":
        if array.size and not -_LARGEST_EXACT <= int(array.min()) <= int(array.max()) <= (
            _LARGEST_EXACT
        ):
            raise InvalidArgumentError(
                f"{name} has integers beyond 2**53, which floats do not hold exactly"
            )
        return np.asarray(array, np.float64, order="C")
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name} must be of float16, float32, float64 or integers, not {array.dtype}"
        )
    if array.dtype.itemsize == 8:
        return np.asarray(array, np.float64, order="C")
    return np.asarray(array, np.float32, order="C")


def refuse_masked(name: str, value: object) -> None:
    """TypeError for a masked array, or for one within lists, however deep: numpy forgets masks.

    For dates and durations, too: within lists numpy makes integers of them.
    """
    kinds = _kinds_in(value)
    _refuse_masked(name, value, kinds)
    if kinds & {np.datetime64, np.timedelta64}:
        raise TypeError(f"{name} must be numbers, and has dates or durations in it")


def printable(text: str) -> str:
    """Text of others for a terminal: what would move its cursor or hide letters is spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def text_of(value: object) -> str:
    """``value`` in a message, cut short. Python refuses to write out the digits of huge ints."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an int of {value.bit_length()} bits"
    shown = repr(value)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."


def is_masked_type(kind: type) -> bool:
    """Whether arrays of this class have a mask.

    There are none before numpy.ma is imported, which takes longer than all of veilsum's modules,
    and cannot be done while the interpreter ends.
    """
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
    return masked is not None and issubclass(kind, masked)


def _refuse_masked(name: str, value: object, kinds: set[type]) -> None:
    if any(map(is_masked_type, kinds)):
        where = "is a masked array" if is_masked_type(type(value)) else "has a masked array in it"
        raise TypeError(
            f"{name} {where}, and the values under its mask would be used: pass .filled(value) or "
            ".compressed()"
        )


def _kinds_in(value: object) -> set[type]:
    """The types of ``value`` and of all that is in it, lists within lists and arrays included."""
    found: set[type] = set()
    level: Iterable[Any] = [value]
    for _ in range(_MOST_DIMENSIONS):
        level = list(level)
        kinds = set(map(type, level))
        found |= kinds
        array_kinds = tuple(kind for kind in kinds if issubclass(kind, np.ndarray))
        list_kinds = tuple(
            kind for kind in kinds if issubclass(kind, Sequence) and not issubclass(kind, _NO_LISTS)
        )
        if not array_kinds and not list_kinds:
            break
        # Once each: a list that has itself in it would never end.
        lists = {id(part): part for part in level if isinstance(part, list_kinds)}
        arrays = {id(part): part for part in level if isinstance(part, array_kinds)}
        found.update(array.dtype.type for array in arrays.values())
        objects = (a.reshape(-1).tolist() for a in arrays.values() if a.dtype.kind == "O")
        level = chain.from_iterable(chain(lists.values(), objects))
    return found


def _shown(number: float) -> str:
    """Few digits where they say it all, else as many as it takes: 1 is not what is just above."""
    short = f"{number:g}"
    return short if float(short) == number or math.isnan(number) else repr(number)


def _is_encodable(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def _article(noun: str) -> str:
    if noun.startswith(("bytes", "None")):
        return ""
    return "an " if noun[0] in "AEIOUaeiou" else "a "


def _type_name(value: object) -> str:
    return "None" if value is None else type(value).__name__
