"""What a study will cost and how good it will be, before anybody answers."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.privacy import RecordNoise
from veilsum.sizes import contribution_size
from veilsum.stats.columns import Table
from veilsum.stats.estimates import estimates
from veilsum.stats.layout import Layout
from veilsum.stats.parts import Binned, Counted, Followed, Part, Product, Summed
from veilsum.stats.queries import Floats, Sums
from veilsum.stats.result import noise_of_sums
from veilsum.stats.site import site_vector
from veilsum.stats.study import Study

__all__ = ["Expected", "StudyForecast", "forecast"]


@dataclass(frozen=True)
class Expected:
    """The error to expect of one number.

    Attributes:
        statistic: ``mean``, ``histogram`` and so on.
        about: its columns.
        group: of ``by``; empty without groups.
        at: the bin, probability or time; empty elsewhere.
        noise: standard deviation of the noise in it, in its own unit.
        sampling: standard deviation as an estimate of a larger population's; NaN where unknown.
        rounding: how far rounding can move it, at most.
        note: why there will be no value; empty where there will.
    """

    statistic: str
    about: str
    group: str
    at: str
    noise: float
    sampling: float
    rounding: float
    note: str


@dataclass(frozen=True)
class StudyForecast:
    """What to expect of a study.

    Attributes:
        study: what would be asked.
        num_sites: that would answer.
        num_records: of all sites together.
        noise: what every site would add; None for none.
        epsilon: of a record, after all studies that the noise was made for, against the server and
            all but the honest sites.
        epsilon_of_study: the same of this study alone.
        split: of each statistic, in the order of the study, its part of the squared sensitivity:
            how the privacy is split. Sums that several statistics need count in each of these.
        expected: the error of each number.
        assumes: what the records were taken to be, for people.
        num_sums: length of the vector.
        num_bytes: that a site sends.
    """

    study: Study
    num_sites: int
    num_records: int
    noise: RecordNoise | None
    epsilon: float | None
    epsilon_of_study: float | None
    split: tuple[float, ...]
    expected: tuple[Expected, ...]
    assumes: str
    num_sums: int
    num_bytes: int

    def table(self) -> list[dict[str, Any]]:
        """A row for each number: see ``Expected``."""
        return [asdict(each) for each in self.expected]

    def to_json(self) -> str:
        """All of it but the study, as JSON; null where there is no number."""
        found = {
            "study": self.study.name,
            "num_sites": self.num_sites,
            "num_records": self.num_records,
            "epsilon": self.epsilon,
            "epsilon_of_study": self.epsilon_of_study,
            "delta": None if self.noise is None else self.noise.delta,
            "split": list(self.split),
            "assumes": self.assumes,
            "num_sums": self.num_sums,
            "num_bytes": self.num_bytes,
            "expected": [
                {name: None if value != value else value for name, value in row.items()}
                for row in self.table()
            ],
        }
        return json.dumps(found, indent=2, allow_nan=False)

    def __str__(self) -> str:
        about = [
            f"{self.study.name}: {self.num_sites} sites, {self.num_records} records",
            self.assumes,
            f"each site sends {self.num_sums} sums in {self.num_bytes:,} bytes",
        ]
        if self.epsilon is not None and self.noise is not None:
            about.append(
                f"epsilon {self.epsilon:.4g} of a record at delta {self.noise.delta:g}, of which "
                f"this study {self.epsilon_of_study:.4g}"
            )
        head = ("statistic", "of", "group", "at", "privacy", "noise", "sampling", "rounding")
        rows: list[tuple[str, ...]] = [head]
        parts = {(q.name, q.about): s for q, s in zip(self.study.queries, self.split, strict=True)}
        for each in self.expected:
            figures = (each.noise, each.sampling, each.rounding)
            shown = ["" if x != x else f"{x:.3g}" for x in figures]
            part = parts[each.statistic, each.about]
            names = (each.statistic, each.about, each.group, each.at)
            rows.append((*names, f"{part:.0%}" if self.noise else "", *shown))
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        table = ["  ".join(x.ljust(w) for x, w in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([*about, "", *(line.rstrip() for line in table)])


def forecast(
    study: Study,
    *,
    num_sites: int,
    num_records: int | None = None,
    like: Table | None = None,
    epsilon: float | None = None,
    delta: float = 1e-6,
    honest_sites: int | None = None,
    studies: int = 1,
    noise: RecordNoise | None = None,
    key_bits: int = 3072,
) -> StudyForecast:
    """What a study will cost and how good it will be. Nobody is asked.

    The error of a mean or a curve depends on the records. Without ``like`` they are taken to be
    spread evenly: over groups, ranges and bins, events and leaving alike over times.

    Args:
        study: what would be asked.
        num_sites: that would answer.
        num_records: of all sites together; with ``like`` its own number if left out.
        like: a table of all sites together that looks like theirs, such as a public one.
        epsilon: of a record after all ``studies``; None for no noise.
        delta: beside it.
        honest_sites: how many sites add their noise and keep it to themselves; all if left out.
        studies: how many studies of this form the epsilon is for.
        noise: in the place of the four above, such as a federation's.
        key_bits: of the key, for the bytes.

    Raises:
        InvalidArgumentError: numbers out of range, or neither ``num_records`` nor ``like``.
    """
    layout = Layout(study)
    num_sites = arguments.count("num_sites", num_sites, at_least=1)
    if noise is None and epsilon is not None:
        noise = layout.noise(
            epsilon=epsilon,
            delta=delta,
            honest_sites=num_sites if honest_sites is None else honest_sites,
            studies=studies,
        )
    if noise is not None and noise.honest_contributors > num_sites:
        raise InvalidArgumentError(
            f"{num_sites} sites cannot include {noise.honest_contributors} honest ones"
        )
    codec = layout.codec(num_sites, noise)
    sums, assumes, number = _sums(layout, num_records, like)
    steps = noise_of_sums(layout, codec, noise, num_sites=num_sites)
    expected = tuple(
        Expected(
            *(each.statistic, each.about, each.group, each.at),
            *(each.noise, each.sampling, each.rounding, each.note),
        )
        for each in estimates(layout, sums, steps)
        if each.interval != "none"
    )
    cost = None if noise is None else noise.round_cost(codec)
    size = contribution_size(codec, arguments.count("key_bits", key_bits, at_least=1024))
    return StudyForecast(
        study=study,
        num_sites=num_sites,
        num_records=number,
        noise=noise,
        epsilon=None if noise is None or cost is None else noise.epsilon_of(noise.rounds * cost),
        epsilon_of_study=None if noise is None or cost is None else noise.epsilon_of(cost),
        split=tuple(layout.part_of_privacy(query) for query in study.queries),
        expected=expected,
        assumes=assumes,
        num_sums=layout.num_slots,
        num_bytes=size.num_bytes,
    )


def _sums(layout: Layout, num_records: int | None, like: Table | None) -> tuple[Sums, str, int]:
    """What all sites' records would add up to; what they were taken to be; their number."""
    if like is not None:
        # As if with noise: whatever is in it was told before.
        vector = site_vector(layout, like, is_noisy=True)
        number = vector.report.num_used
        wanted = number if num_records is None else arguments.count("num_records", num_records)
        found = layout.sums_of(vector.values)
        times = wanted / max(number, 1)
        return {part: x * times for part, x in found.items()}, "records as in the example", wanted
    if num_records is None:
        raise InvalidArgumentError("give num_records, of all sites together, or like, an example")
    number = arguments.count("num_records", num_records, at_least=1)
    num_groups = len(layout.study.groups)
    spread = {part: _even(part, number / num_groups, num_groups) for part in layout.scales}
    return spread, "records spread evenly over groups and ranges", number


def _even(part: Part, number: float, num_groups: int) -> Floats:
    """The sums of so many records in each group that are spread evenly."""
    if isinstance(part, Binned):
        widths = np.diff(part.edges)
        one = widths / widths.sum()
    elif isinstance(part, Followed):
        one = np.full(part.size, 1 / part.size)
    else:
        one = np.array([_even_mean(part)])
    return np.tile(number * one, (num_groups, 1))


def _even_mean(part: Counted | Summed | Product) -> float:
    if isinstance(part, Counted):
        return 1.0
    if isinstance(part, Product) and part.first == part.second:
        return 1 / 3  # The mean square of numbers spread evenly from -1 to 1.
    return 0.0
