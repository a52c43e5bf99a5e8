"""A study: what is asked of every site's table. Declared once, and known by its hash."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.stats.columns import Category, Column, Flag, Number, check_text, find
from veilsum.stats.queries import Query, Terms

__all__ = ["MAX_RECORDS", "Between", "Condition", "Missing", "OneOf", "Study"]

Missing: TypeAlias = Literal["drop", "skip", "refuse"]
"""What a site does with records that lack a value."""

MAX_RECORDS = 2**31
"""The most records of a site that a study can take."""

_MAX_QUERIES = 200
_MAX_COLUMNS = 200


@dataclass(frozen=True)
class Between:
    """Records of which a column of numbers is at least ``low`` and below ``high``."""

    column: str
    low: float
    high: float

    def __post_init__(self) -> None:
        check_text("column", self.column)
        low = arguments.real("low", self.low)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", arguments.real("high", self.high, above=low))

    def check(self, columns: Sequence[Column]) -> None:
        """InvalidArgumentError unless the column is one of numbers."""
        find(columns, self.column, Number)

    def holds(self, values: NDArray[np.float64], column: Column) -> NDArray[np.bool_]:
        """Of which records, by what was read of their column."""
        return (values >= self.low) & (values < self.high)


@dataclass(frozen=True)
class OneOf:
    """Records of which a category is one of these words."""

    column: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        check_text("column", self.column)
        object.__setattr__(self, "values", tuple(arguments.names("values", self.values)))

    def check(self, columns: Sequence[Column]) -> None:
        """InvalidArgumentError unless the column is a category that has these words."""
        known = find(columns, self.column, Category).values
        if not self.values or not set(self.values) <= set(known):
            raise InvalidArgumentError(
                f"OneOf({self.column!r}): its values must be among those declared: "
                f"{', '.join(known)}"
            )

    def holds(self, values: NDArray[np.float64], column: Column) -> NDArray[np.bool_]:
        """Of which records, by what was read of their column."""
        assert isinstance(column, Category)
        return np.isin(values, [column.values.index(word) for word in self.values])


Condition: TypeAlias = Between | OneOf


@dataclass(frozen=True)
class Study:
    """Statistics of the records of several sites together. Immutable; the same fields, same hash.

    One record stands for one person: privacy, where noise is agreed on, is that of a record.

    Args:
        name: for people.
        columns: every column that the study reads, with its range or words.
        queries: the statistics.
        by: a ``Category`` or ``Flag`` whose values make groups; every statistic is of each of them.
            Records without a value are in no group, and are left out.
        where: conditions that a record must meet, all of them, to be in the study.
        missing: of a record that lacks a value in some column of the study, other than those of
            ``by`` and ``where``: ``"drop"`` leaves it out of everything; ``"skip"`` leaves it out
            of statistics of that column; ``"refuse"`` lets a site that has one answer nothing.
        min_count: without noise a site answers nothing if a group has some of its records, but
            fewer than this; and nothing that two answers together would tell about fewer. With
            noise, results of groups that seem smaller are withheld.
        min_cell: the same for bins and intervals of survival curves, without noise; ``min_count``
            if not given. 1 lets single people's times be told: only where that is agreed.
        max_records: most records of a site, 1 to 2**31. Rounding is finer for fewer.

    Raises:
        TypeError: an argument has another type.
        InvalidArgumentError: columns and statistics do not fit together.

    Example:
        >>> from veilsum.stats import Category, Histogram, Mean, Number, Study
        >>> study = Study(
        ...     "age at diagnosis",
        ...     columns=[Number("age", 0, 120, unit="years"), Category("sex", ("F", "M"))],
        ...     queries=[Mean("age"), Histogram("age", bins=12)],
        ...     by="sex",
        ... )
        >>> study.groups
        ('F', 'M')
    """

    name: str
    _: KW_ONLY
    columns: Sequence[Column]
    queries: Sequence[Query]
    by: str | None = None
    where: Sequence[Condition] = ()
    missing: Missing = "drop"
    min_count: int = 5
    min_cell: int | None = None
    max_records: int = 1_000_000

    def __post_init__(self) -> None:
        check_text("name", self.name)
        fewest = arguments.count("min_count", self.min_count, at_least=1, at_most=MAX_RECORDS)
        cell = fewest if self.min_cell is None else self.min_cell
        found = {
            "columns": _each_of("columns", self.columns, (Number, Category, Flag), _MAX_COLUMNS),
            "queries": _each_of("queries", self.queries, (Query,), _MAX_QUERIES),
            "where": _each_of("where", self.where, (Between, OneOf), _MAX_COLUMNS, at_least=0),
            "missing": arguments.choice("missing", self.missing, get_args(Missing)),
            "min_count": fewest,
            "min_cell": arguments.count("min_cell", cell, at_least=1, at_most=MAX_RECORDS),
            "max_records": arguments.count(
                "max_records", self.max_records, at_least=1, at_most=MAX_RECORDS
            ),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)
        self._check_columns()

    @cached_property
    def terms(self) -> Terms:
        """What queries must know of the study."""
        return Terms(tuple(self.columns), self.groups, self.missing == "skip")

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Of ``by``: its words, or ``no`` and ``yes``; one without a name where there are none."""
        if self.by is None:
            return ("",)
        column = find(self.columns, self.by, (Category, Flag))
        return column.values if isinstance(column, Category) else ("no", "yes")

    @property
    def fewest_in_cell(self) -> int:
        """``min_cell``, given or not."""
        return self.min_count if self.min_cell is None else self.min_cell

    @property
    def measured(self) -> tuple[str, ...]:
        """The columns that statistics are of: where a value may be missing."""
        parts = chain.from_iterable(query.parts(self._apart) for query in self.queries)
        named = set(chain.from_iterable(part.columns for part in parts))
        return tuple(column.name for column in self.columns if column.name in named)

    def column(self, name: str) -> Column:
        """The declared column of this name."""
        found: Column = find(self.columns, name, (Number, Category, Flag))
        return found

    @property
    def _apart(self) -> Terms:
        return self.terms._replace(counts_apart=True)

    def _check_columns(self) -> None:
        counts = Counter(column.name for column in self.columns)
        doubled = sorted(name for name, count in counts.items() if count > 1)
        if doubled:
            raise InvalidArgumentError(f"columns: declared twice: {', '.join(doubled)}")
        for query in self.queries:
            query.parts(self.terms)
        for condition in self.where:
            condition.check(self.columns)
        used = {*self.measured, self.by, *(condition.column for condition in self.where)}
        unused = [column.name for column in self.columns if column.name not in used]
        if unused:
            raise InvalidArgumentError(
                f"columns: nothing uses {', '.join(unused)}; a study reads no more than it needs"
            )
        if self.by in self.measured:
            raise InvalidArgumentError(f"by: {self.by!r} makes groups, and is measured too")


def _each_of(
    name: str, values: object, kinds: tuple[type, ...], at_most: int, *, at_least: int = 1
) -> tuple[object, ...]:
    given: Any = values
    found: list[object] = arguments.items(name, given)
    if not at_least <= len(found) <= at_most:
        raise InvalidArgumentError(
            f"{name} has {len(found)} items; it must have {at_least} to {at_most}"
        )
    return tuple(arguments.instance(f"each of {name}", value, kinds) for value in found)
