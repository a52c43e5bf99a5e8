"""What a study's vector is made of: sums over records that statistics are computed from.

Each record adds to a part numbers whose L2 norm is at most 1, in one group alone: this is what the
noise is calibrated to. On the grid each of them is an integer, rounded record by record.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilsum.stats.columns import Number

__all__ = ["Binned", "Counted", "Followed", "Part", "Product", "Records", "Summed"]

Integers: TypeAlias = NDArray[np.int64]


class Records(NamedTuple):
    """A site's records that a study asks for, and the group of each.

    ``values`` and ``is_present`` have an array for each column, by name.
    """

    groups: Integers
    num_groups: int
    values: dict[str, NDArray[np.float64]]
    is_present: dict[str, NDArray[np.bool_]]

    def having(self, columns: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which records have a value in each of these columns."""
        has = np.ones(len(self.groups), np.bool_)
        for name in columns:
            has &= self.is_present[name]
        return has

    def add_up(self, steps: NDArray[np.float64]) -> Integers:
        """The sum of integers in each group, shape ``(num_groups, 1)``.

        Floats are exact: each is at most 2**39, and so is what a site's records may add up to.
        """
        totals = np.bincount(self.groups, weights=steps, minlength=self.num_groups)
        return totals.astype(np.int64)[:, None]


@dataclass(frozen=True)
class Counted:
    """How many records have a value in each of these columns."""

    columns: tuple[str, ...]
    size = 1
    is_ordered = False

    def cells(self, records: Records) -> Integers:
        """The cell of each record, ``group * size + position``; -1 of one that has none."""
        return np.where(records.having(self.columns), records.groups, -1)

    def sums(self, records: Records, scale: int) -> Integers:
        """What the records add up to, in steps of ``1 / scale``; shape ``(num_groups, size)``."""
        return _count_cells(self.cells(records), records.num_groups, 1) * scale


@dataclass(frozen=True)
class Summed:
    """The sum of ``(x - centre) / half`` of a column, over records that have these columns."""

    column: Number
    columns: tuple[str, ...]
    size = 1
    is_ordered = False

    def cells(self, records: Records) -> Integers:
        """As ``Counted``."""
        return Counted(self.columns).cells(records)

    def sums(self, records: Records, scale: int) -> Integers:
        """As ``Counted``; of each record ``scale`` times a number from -1 to 1, rounded."""
        centred = self.column.centred(records.values[self.column.name])
        return records.add_up(np.rint(centred * scale) * records.having(self.columns))


@dataclass(frozen=True)
class Product:
    """The sum of products of two columns, each as ``(x - centre) / half``; or of squares."""

    first: Number
    second: Number
    columns: tuple[str, ...]
    size = 1
    is_ordered = False

    def cells(self, records: Records) -> Integers:
        """As ``Counted``."""
        return Counted(self.columns).cells(records)

    def sums(self, records: Records, scale: int) -> Integers:
        """As ``Summed``."""
        first = self.first.centred(records.values[self.first.name])
        second = self.second.centred(records.values[self.second.name])
        return records.add_up(np.rint(first * second * scale) * records.having(self.columns))


@dataclass(frozen=True)
class Binned:
    """How many records lie in each bin. A bin has its lower edge, and the last one its upper."""

    column: Number
    edges: tuple[float, ...]
    is_ordered = True

    @property
    def size(self) -> int:
        """How many bins."""
        return len(self.edges) - 1

    @property
    def columns(self) -> tuple[str, ...]:
        """What a record must have to count."""
        return (self.column.name,)

    def cells(self, records: Records) -> Integers:
        """As ``Counted``."""
        inner = np.array(self.edges[1:-1])
        at = np.searchsorted(inner, records.values[self.column.name], side="right")
        return np.where(records.having(self.columns), records.groups * self.size + at, -1)

    def sums(self, records: Records, scale: int) -> Integers:
        """As ``Counted``."""
        return _count_cells(self.cells(records), records.num_groups, self.size) * scale


@dataclass(frozen=True)
class Followed:
    """How many records had an event, or left without one, up to each time and after the one before.

    Times are rounded up to the next of ``times``; whoever is there after the last one is counted
    once more, so the cells are: events at each time, leaving at each time, still there.
    """

    time: Number
    event: str
    times: tuple[float, ...]
    is_ordered = False

    @property
    def size(self) -> int:
        """How many cells."""
        return 2 * len(self.times) + 1

    @property
    def columns(self) -> tuple[str, ...]:
        """What a record must have to count."""
        return tuple(sorted((self.time.name, self.event)))

    def cells(self, records: Records) -> Integers:
        """As ``Counted``."""
        times, has_event = records.values[self.time.name], records.values[self.event] == 1
        last = len(self.times)
        at = np.searchsorted(np.array(self.times), times, side="left")
        at = np.where(at == last, 2 * last, np.where(has_event, at, last + at))
        return np.where(records.having(self.columns), records.groups * self.size + at, -1)

    def sums(self, records: Records, scale: int) -> Integers:
        """As ``Counted``."""
        return _count_cells(self.cells(records), records.num_groups, self.size) * scale


Part: TypeAlias = Counted | Summed | Product | Binned | Followed


def _count_cells(cells: Integers, num_groups: int, size: int) -> Integers:
    found = np.bincount(cells[cells >= 0], minlength=num_groups * size)
    return found.reshape(num_groups, size)
