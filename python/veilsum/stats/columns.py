"""The columns that a study asks for, and how they are read from a site's table.

A table is whatever gives a column by its name: a dict of arrays, a numpy record array, a pandas or
a polars DataFrame. None, NaN and pandas' NA are missing values.
"""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError

__all__ = [
    "Category",
    "Column",
    "ColumnValues",
    "Flag",
    "Number",
    "Table",
    "check_text",
    "find",
    "read_column",
]

_MAX_NAME = 200
_MAX_CATEGORIES = 1000


class Table(Protocol):
    """Columns by their names."""

    def __getitem__(self, name: str, /) -> Any:
        """The values of a column: an array, a list, a Series."""


@dataclass(frozen=True)
class Number:
    """A column of numbers within a declared range. What lies outside is moved to its nearer end.

    Args:
        name: of the column in every site's table.
        low: smallest value that counts, in ``unit``.
        high: largest value that counts, above ``low``.
        unit: for people: ``"years"``.

    Raises:
        InvalidArgumentError: the range is empty, or not finite.
    """

    name: str
    low: float
    high: float
    _: KW_ONLY
    unit: str = ""

    def __post_init__(self) -> None:
        check_text("name of a column", self.name)
        check_text("unit", self.unit, at_least=0)
        low = arguments.real(f"low of {self.name}", self.low)
        high = arguments.real(f"high of {self.name}", self.high, above=low)
        arguments.real(f"the width of {self.name}", (high - low) / 2, above=0)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def centre(self) -> float:
        """The middle of the range."""
        return self.low + self.half

    @property
    def half(self) -> float:
        """Half the width of the range."""
        return (self.high - self.low) / 2

    def centred(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values within the range, as numbers from -1 to 1."""
        return np.clip((values - self.centre) / self.half, -1.0, 1.0)


@dataclass(frozen=True)
class Category:
    """A column of a few declared words, such as ``Category("sex", ("F", "M"))``.

    Whole numbers in a table stand for their digits. A value that is none of them is refused.
    """

    name: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        check_text("name of a column", self.name)
        words = arguments.names(f"values of {self.name}", self.values)
        for word in words:
            check_text(f"each of the values of {self.name}", word)
        if not 2 <= len(words) <= _MAX_CATEGORIES or len(set(words)) < len(words):
            raise InvalidArgumentError(
                f"{self.name} has {len(words)} values; a category has 2 to {_MAX_CATEGORIES}, all "
                "different"
            )
        object.__setattr__(self, "values", tuple(words))


@dataclass(frozen=True)
class Flag:
    """A column of yes and no: of bools, or of 1 and 0."""

    name: str

    def __post_init__(self) -> None:
        check_text("name of a column", self.name)


Column: TypeAlias = Number | Category | Flag


class ColumnValues(NamedTuple):
    """A column as read: numbers; 0 and 1; or positions among the words of a category.

    ``values`` of missing ones are of no meaning; ``num_clipped`` counts those moved to the range.
    """

    values: NDArray[np.float64]
    is_present: NDArray[np.bool_]
    num_clipped: int


def read_column(table: Table, column: Column) -> ColumnValues:
    """Read a column.

    Raises:
        InvalidArgumentError: the table has no such column, or it has values of another kind.
    """
    raw = _raw(table, column.name)
    if isinstance(column, Category):
        return _positions(column, raw)
    numbers = _numbers(column.name, raw)
    is_present = ~np.isnan(numbers)
    if isinstance(column, Flag):
        if not np.isin(numbers[is_present], (0.0, 1.0)).all():
            raise InvalidArgumentError(
                f"column {column.name!r} is declared as a flag, and has other values than 0 and 1"
            )
        return ColumnValues(np.where(is_present, numbers, 0.0), is_present, 0)
    numbers = np.where(is_present, numbers, column.centre)
    clipped = np.clip(numbers, column.low, column.high)
    return ColumnValues(clipped, is_present, int(np.count_nonzero(clipped != numbers)))


def check_text(what: str, value: object, *, at_least: int = 1) -> None:
    """That it is a short printable text."""
    text = arguments.instance(what, value, str)
    if not at_least <= len(text) <= _MAX_NAME or not text.isprintable():
        raise InvalidArgumentError(
            f"{what} is {arguments.text_of(text)}; it must be a printable text of {at_least} to "
            f"{_MAX_NAME} characters"
        )


def _raw(table: Table, name: str) -> NDArray[Any]:
    try:
        found = table[name]
    except Exception as error:  # Each kind of table has an error of its own for this.
        raise InvalidArgumentError(f"the table has no column {name!r}") from error
    arguments.refuse_masked(f"column {name!r}", found)
    array = np.asarray(found)
    if array.ndim != 1:
        raise InvalidArgumentError(
            f"column {name!r} has {array.ndim} dimensions; a column has one value for each record"
        )
    return array


def _numbers(name: str, raw: NDArray[Any]) -> NDArray[np.float64]:
    if raw.dtype.kind == "O":
        raw = np.where(_MISSING(raw).astype(bool), math.nan, raw)
        if any(isinstance(value, str) for value in raw[:1]):
            raise InvalidArgumentError(f"column {name!r} is declared as numbers, and has texts")
    elif raw.dtype.kind not in "biuf":
        raise InvalidArgumentError(
            f"column {name!r} is declared as numbers, and its values are of {raw.dtype}"
        )
    try:
        return np.asarray(raw, np.float64)
    except (TypeError, ValueError):
        raise InvalidArgumentError(
            f"column {name!r} is declared as numbers, and has other values"
        ) from None


def _positions(column: Category, raw: NDArray[Any]) -> ColumnValues:
    if raw.dtype.kind == "f":
        is_missing = np.isnan(raw)
        raw = np.where(is_missing, 0, raw)
        if not (raw == np.rint(raw)).all():
            raise InvalidArgumentError(
                f"column {column.name!r} is declared as words, and has fractions"
            )
        raw = raw.astype(np.int64)
    elif raw.dtype.kind == "O":
        is_missing = _MISSING(raw).astype(bool)
    elif raw.dtype.kind in "iuU":
        is_missing = np.zeros(len(raw), bool)
    else:
        raise InvalidArgumentError(
            f"column {column.name!r} is declared as words, and its values are of {raw.dtype}"
        )
    words = raw.astype(str)
    order = np.argsort(np.array(column.values))
    known = np.array(column.values)[order]
    at = np.minimum(np.searchsorted(known, words), len(known) - 1)
    is_unknown = ~is_missing & (known[at] != words)
    if is_unknown.any():
        raise InvalidArgumentError(
            f"{np.count_nonzero(is_unknown)} values of column {column.name!r} are none of those "
            f"that the study declares: {', '.join(column.values)}. Rename them in the table, or "
            "ask whoever made the study to declare them"
        )
    return ColumnValues(order[at].astype(np.float64), ~is_missing, 0)


def _is_missing(value: object) -> bool:
    is_nan = isinstance(value, (float, np.floating)) and math.isnan(value)
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


_MISSING = np.frompyfunc(_is_missing, 1, 1)


def find(columns: Sequence[Column], name: str, kind: type[Any] | tuple[type[Any], ...]) -> Any:
    """The declared column of this name, which must be of this kind.

    Raises:
        InvalidArgumentError: none has this name, or it is of another kind.
    """
    found = next((column for column in columns if column.name == name), None)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    wanted = " or ".join(each.__name__ for each in kinds)
    if found is None:
        raise InvalidArgumentError(f"column {name!r} is not declared; declare it as a {wanted}")
    if not isinstance(found, kinds):
        raise InvalidArgumentError(
            f"column {name!r} is declared as a {type(found).__name__}; this needs a {wanted}"
        )
    return found
