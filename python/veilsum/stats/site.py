"""A site's side: its table becomes the integers that it contributes, or a refusal that says why."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, PolicyRefusedError
from veilsum.stats.answered import Answered
from veilsum.stats.columns import Table, read_column
from veilsum.stats.layout import Layout
from veilsum.stats.overlaps import CellsOf, check_cells, check_overlaps
from veilsum.stats.parts import Records
from veilsum.stats.study import MAX_RECORDS, Study

__all__ = ["SiteReport", "SiteVector", "check_min_count", "site_vector"]

_log = logging.getLogger("veilsum.stats.site")


@dataclass(frozen=True)
class SiteReport:
    """What happened to a site's records on their way into its sums. Stays with the site.

    Attributes:
        num_records: in the table.
        num_used: in the study: they meet its conditions, have a group, and lack no value.
        num_incomplete: left out since a value was missing; with ``missing="skip"`` from the
            statistics of that column alone.
        num_clipped: by column, how many values lay outside the declared range and were moved to its
            nearer end.
    """

    num_records: int
    num_used: int
    num_incomplete: int
    num_clipped: dict[str, int]


@dataclass(frozen=True)
class SiteVector:
    """A site's sums, and what happened on the way.

    ``values`` are the integers to contribute, as floats, shape ``(num_slots,)``: secret.
    """

    values: NDArray[np.float64]
    report: SiteReport

    def __repr__(self) -> str:
        return f"<SiteVector: {len(self.values)} sums>"


def site_vector(
    layout: Layout,
    table: Table,
    *,
    is_noisy: bool,
    ids: str | None = None,
    answered: Answered | None = None,
    min_count: int | None = None,
) -> SiteVector:
    """Add up a site's records, unless that would tell too much of few of them.

    Without noise groups and cells must have enough records, and so must every difference between
    two sets of records that are summed: within the study, and against what this site answered
    before, which is then recorded. With noise the ledger counts what is told, and nothing is
    refused that would itself tell of the data.

    Args:
        layout: of the study.
        table: of the site.
        is_noisy: whether the sites have agreed on noise.
        ids: a column of the table that names each record, which never leaves the site: what
            ``answered`` knows records by. Each name must be there once.
        answered: what the site answered before; needed where that is to be remembered.
        min_count: the site's own floor, as ``check_min_count``.

    Raises:
        InvalidArgumentError: the table does not have the columns that the study declares, or too
            many records, or an id twice.
        PolicyRefusedError: too few records are in a group, a cell or a difference, or one lacks a
            value where the study refuses that; or the study is below the site's floor, and then
            the table was not looked at.
    """
    study = layout.study
    check_min_count(study, min_count, is_noisy=is_noisy)
    records, report, used = _records(study, table)
    if study.max_records < len(used):
        raise InvalidArgumentError(
            f"the table has {len(used)} records, and the study takes {study.max_records} of a "
            "site: it needs a larger max_records"
        )
    names = None if ids is None else _ids(table, ids, len(used))[used]
    if not is_noisy:
        cells = {part: CellsOf.of(part, records) for part in layout.scales}
        check_cells(study, cells)
        check_overlaps(study, cells)
        if answered is not None:
            if names is None:
                raise InvalidArgumentError(
                    "records must have names, so that later studies can be compared with this one: "
                    "give ids, a column of the table that names each record"
                )
            answered.check_and_add(study, names, cells)
    _tell(report)
    return SiteVector(layout.slots_of(records).astype(np.float64), report)


def check_min_count(study: Study, floor: int | None, *, is_noisy: bool) -> None:
    """Refuse a study that lets fewer people be told of than a site's own rule.

    Without noise the study's ``min_count`` and ``min_cell`` must both be at least the floor. With
    noise the floor asks for nothing: no site's groups are withheld then, whatever the study's
    numbers are, since what protects a record is its noise, which the ledger counts.

    Args:
        study: that a site is asked for.
        floor: of the site, 1 to 2**31; None for no rule of its own.
        is_noisy: whether the sites have agreed on noise.

    Raises:
        TypeError: the floor is no whole number.
        InvalidArgumentError: it is out of range.
        PolicyRefusedError: the study is below it.
    """
    if floor is None:
        return
    floor = arguments.count("min_count", floor, at_least=1, at_most=MAX_RECORDS)
    declared = {"min_count": study.min_count, "min_cell": study.fewest_in_cell}
    below = {name: number for name, number in declared.items() if number < floor}
    if is_noisy or not below:
        return
    found = ", ".join(f"{name} {number}" for name, number in below.items())
    raise PolicyRefusedError(
        f"the study has {found}, and this site answers none below {floor}, its own min_count. No "
        f"record was read. Ask for a study with min_count and min_cell of {floor} at least, or "
        "agree on noise"
    )


def _records(study: Study, table: Table) -> tuple[Records, SiteReport, NDArray[np.bool_]]:
    """The records of the study; what became of them; which of the table's they are."""
    found = {column.name: read_column(table, column) for column in study.columns}
    sizes = {len(each.values) for each in found.values()}
    if len(sizes) > 1:
        raise InvalidArgumentError("the table's columns have different numbers of values")
    used = np.ones(sizes.pop(), np.bool_)
    for condition in study.where:
        read = found[condition.column]
        holds = condition.holds(read.values, study.column(condition.column))
        used &= holds & read.is_present
    groups = np.zeros(len(used), np.int64)
    if study.by is not None:
        used &= found[study.by].is_present
        groups = found[study.by].values.astype(np.int64)
    is_complete = np.ones(len(used), np.bool_)
    for name in study.measured:
        is_complete &= found[name].is_present
    num_incomplete = int(np.count_nonzero(used & ~is_complete))
    if study.missing == "refuse" and num_incomplete:
        raise PolicyRefusedError(
            f"{num_incomplete} records lack a value, and the study refuses that "
            "(missing='refuse'). Complete them, or ask for a study with missing='drop'"
        )
    if study.missing != "skip":
        used &= is_complete
    records = Records(
        groups[used],
        len(study.groups),
        {name: each.values[used] for name, each in found.items()},
        {name: each.is_present[used] for name, each in found.items()},
    )
    clipped = {name: each.num_clipped for name, each in found.items() if each.num_clipped}
    report = SiteReport(len(used), int(np.count_nonzero(used)), num_incomplete, clipped)
    return records, report, used


def _ids(table: Table, name: str, number: int) -> NDArray[np.str_]:
    arguments.instance("ids", name, str)
    try:
        found = np.asarray(table[name]).astype(str)
    except Exception as error:  # Each kind of table has an error of its own for this.
        raise InvalidArgumentError(f"the table has no column {name!r} of ids") from error
    if found.shape != (number,):
        raise InvalidArgumentError(f"column {name!r} of ids has not one value for each record")
    if len(np.unique(found)) < number:
        raise InvalidArgumentError(
            f"column {name!r} has an id twice: a record stands for one person, so keep one of each"
        )
    return found


def _tell(report: SiteReport) -> None:
    for name, number in report.num_clipped.items():
        _log.warning(
            "%d of %d values of %s lay outside the range that the study declares, and count as its "
            "nearer end: is the range too narrow, or the unit another one?",
            number,
            report.num_records,
            name,
        )
