"""Which sets of a site's records are summed, and whether two of them differ by a few people.

Two sums of sets that differ by one record differ by that record. Without noise a site answers
nothing from which so small a difference could be taken.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import PolicyRefusedError
from veilsum.stats.parts import Binned, Part, Records
from veilsum.stats.study import Study

__all__ = ["CellsOf", "check_cells", "check_overlaps", "smallest_difference"]


class CellsOf(NamedTuple):
    """The cell of each record, -1 of one that has none; how many cells there are.

    ``run`` is how many cells in a row are ordered, so that sums of the first ones make sets too.
    """

    cells: NDArray[np.int64]
    num_cells: int
    run: int

    @classmethod
    def of(cls, part: Part, records: Records) -> "CellsOf":
        """Those of a part of the study's vector."""
        run = part.size if isinstance(part, Binned) else 1
        return cls(part.cells(records), part.size * records.num_groups, run)


def check_cells(study: Study, cells: Mapping[Part, CellsOf]) -> None:
    """PolicyRefusedError if a group or a cell has some of this site's records, but too few."""
    for part, found in cells.items():
        counts = np.bincount(found.cells[found.cells >= 0], minlength=found.num_cells)
        by_group = counts.reshape(len(study.groups), part.size)
        for group, number in zip(study.groups, by_group.sum(axis=1).tolist(), strict=True):
            if 0 < number < study.min_count:
                where = f"group {group!r}" if study.by is not None else "the study"
                raise PolicyRefusedError(
                    f"{where} has {number} records of this site, fewer than min_count, "
                    f"{study.min_count}. {_CURES}"
                )
        smallest = counts[counts > 0].min(initial=study.fewest_in_cell)
        if part.size > 1 and smallest < study.fewest_in_cell:
            raise PolicyRefusedError(
                f"a cell of {', '.join(part.columns)} has {smallest} records of this site, fewer "
                f"than min_cell, {study.fewest_in_cell}: take wider bins or fewer times. {_CURES}"
            )


def check_overlaps(study: Study, cells: Mapping[Part, CellsOf]) -> None:
    """PolicyRefusedError if two sets within one study differ by too few records.

    Those are the records that have some columns, against those that have others; and bins of one
    column, against other bins of it.
    """
    for (first, one), (second, other) in combinations(cells.items(), 2):
        if not (isinstance(first, Binned) and isinstance(second, Binned)) or (
            first.column != second.column
        ):
            one, other = _whole_groups(first, one), _whole_groups(second, other)
        smallest = smallest_difference(one, other, fewest=study.min_count)
        if smallest is not None:
            raise PolicyRefusedError(
                f"the study sums two sets of this site's records that differ by {smallest}, fewer "
                f"than min_count, {study.min_count}: of {', '.join(first.columns) or 'all'} and of "
                f"{', '.join(second.columns) or 'all'}. Ask for missing='drop' where values are "
                f"missing, and for bins that agree. {_CURES}"
            )


def _whole_groups(part: Part, found: CellsOf) -> CellsOf:
    """The groups of a part's records, whatever their cells."""
    groups = np.where(found.cells >= 0, found.cells // part.size, -1)
    return CellsOf(groups, found.num_cells // part.size, 1)


def smallest_difference(one: CellsOf, other: CellsOf, *, fewest: int) -> int | None:
    """The smallest number from 1 to ``fewest - 1`` of records that are in one of two sets alone.

    Of all sets of ``one`` against all of ``other``, over the same records, that have ``fewest``
    themselves; None if there is none.
    """
    is_in_both = (one.cells >= 0) & (other.cells >= 0)
    number = one.num_cells * other.num_cells
    pairs = one.cells[is_in_both] * other.num_cells + other.cells[is_in_both]
    common = np.bincount(pairs, minlength=number).reshape(one.num_cells, other.num_cells)
    sizes = [np.bincount(c.cells[c.cells >= 0], minlength=c.num_cells) for c in (one, other)]
    smallest = None
    for of_one, first in _with_firsts(common, sizes[0], one.run):
        for transposed, second in _with_firsts(of_one.T, sizes[1], other.run):
            differences = first[:, None] + second[None, :] - 2 * transposed.T
            is_told = (differences > 0) & (differences < fewest)
            is_told &= (first >= fewest)[:, None] & (second >= fewest)[None, :]
            if is_told.any():
                found = int(differences[is_told].min())
                smallest = found if smallest is None else min(smallest, found)
    return smallest


def _with_firsts(
    common: NDArray[np.int64], sizes: NDArray[np.int64], run: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The cells as they are; and, of ordered ones, the first of each run added up."""
    yield common, sizes
    if run > 1:
        by_run = common.reshape(-1, run, common.shape[1]).cumsum(axis=1)
        yield by_run.reshape(common.shape), sizes.reshape(-1, run).cumsum(axis=1).ravel()


_CURES = (
    "Nothing was sent. Ask for a study with fewer or other groups, or one with noise, which hides "
    "single records whatever their number"
)
