"""The result of a study: a tidy table of estimates, and pictures of it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from veilsum.errors import InvalidArgumentError
from veilsum.opened_sum import Sum
from veilsum.privacy import RecordNoise
from veilsum.stats.estimates import Estimate, estimates
from veilsum.stats.layout import Layout
from veilsum.stats.parts import Part
from veilsum.stats.site import SiteReport
from veilsum.stats.study import Study
from veilsum.vector import Codec

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Result", "noise_of_sums", "result_of"]


@dataclass(frozen=True)
class Result:
    """What a study found.

    Attributes:
        study: what was asked.
        sites: whose records are in it.
        estimates: every number, in the order of the study's statistics.
        level: of their intervals.
        noise: what every site added; None for none.
        epsilon: of a record, against the server and all but the noise's honest sites; of this study
            alone. None without noise.
        epsilon_honest_server: of a record, against whoever sees this result and nothing else.
        reports: of sites that were in this process, what happened to their records.
    """

    study: Study
    sites: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    level: float
    noise: RecordNoise | None
    epsilon: float | None
    epsilon_honest_server: float | None
    reports: Mapping[str, SiteReport] = field(default_factory=dict)

    def table(self) -> list[dict[str, Any]]:
        """A row for each number: see ``Estimate`` for its columns."""
        return [asdict(each) for each in self.estimates]

    def get(self, statistic: str, about: str = "", *, group: str = "", at: str = "") -> Estimate:
        """One number of the table.

        Raises:
            InvalidArgumentError: the result has no such number, or several.
        """
        wanted = (statistic, about, group, at)
        found = [e for e in self.estimates if (e.statistic, e.about, e.group, e.at) == wanted]
        if len(found) != 1:
            raise InvalidArgumentError(
                f"the result has {len(found)} numbers of statistic={statistic!r}, about={about!r}, "
                f"group={group!r}, at={at!r}; table() lists all"
            )
        return found[0]

    def to_pandas(self) -> "pd.DataFrame":
        """The table as a DataFrame; pandas must be installed."""
        import pandas as pd

        return pd.DataFrame(self.table(), columns=[each.name for each in fields(Estimate)])

    def to_json(self) -> str:
        """The table and what it stands on, as JSON; null where there is no number."""
        found = {
            "study": self.study.name,
            "sites": list(self.sites),
            "level": self.level,
            "epsilon": self.epsilon,
            "epsilon_honest_server": self.epsilon_honest_server,
            "delta": None if self.noise is None else self.noise.delta,
            "estimates": [
                {
                    name: None if isinstance(value, float) and math.isnan(value) else value
                    for name, value in row.items()
                }
                for row in self.table()
            ],
        }
        return json.dumps(found, indent=2, allow_nan=False)

    def plot(self) -> "Figure":
        """A picture of each statistic, with its intervals; needs the extra ``plot``."""
        from veilsum.stats.plots import plot_result

        return plot_result(self)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def noise_of_sums(
    layout: Layout, codec: Codec, noise: RecordNoise | None, *, num_sites: int
) -> dict[Part, float]:
    """The standard deviation of the noise in each of a part's sums, as numbers of records."""
    steps = 0.0
    if noise is not None:
        steps = noise.standard_deviation(codec) * math.sqrt(num_sites)
    return {part: steps / scale for part, scale in layout.scales.items()}


def result_of(
    layout: Layout,
    opened: Sum,
    *,
    codec: Codec,
    noise: RecordNoise | None,
    sites: Sequence[str],
    level: float = 0.95,
    reports: Mapping[str, SiteReport] | None = None,
) -> Result:
    """What an opened sum says.

    Args:
        layout: of the study.
        opened: the sum of all sites' integers.
        codec: of the federation.
        noise: what every site added; None for none.
        sites: whose contributions are in the sum.
        level: of the intervals, in (0, 1).
        reports: of sites in this process.
    """
    layout.check(codec, noise)
    deviations = noise_of_sums(layout, codec, noise, num_sites=len(sites))
    found = estimates(layout, layout.sums_of(opened.values), deviations, level=level)

    def epsilon(honest: int) -> float | None:
        if noise is None:
            return None
        return noise.epsilon_of(noise.round_cost(codec, honest_contributors=honest))

    return Result(
        study=layout.study,
        sites=tuple(sites),
        estimates=tuple(found),
        level=level,
        noise=noise,
        epsilon=epsilon(1 if noise is None else noise.honest_contributors),
        epsilon_honest_server=epsilon(len(sites)),
        reports=dict(reports or {}),
    )


def _lines(result: Result) -> list[str]:
    """The table for people."""
    head = ("statistic", "of", "group", "at", "value", "interval", "includes")
    rows = [head]
    for each in result.estimates:
        value, interval = each.note, ""
        if not each.note:
            value = f"{each.value:.6g}"
            if not math.isnan(each.low):
                interval = f"{each.low:.6g} to {each.high:.6g}"
        rows.append(
            (each.statistic, each.about, each.group, each.at, value, interval, each.interval)
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    table = ["  ".join(x.ljust(w) for x, w in zip(row, widths, strict=True)) for row in rows]
    about = f"{result.study.name}: {len(result.sites)} sites, intervals of {result.level:.0%}"
    if result.noise is not None and result.epsilon is not None:
        about += f", epsilon {result.epsilon:.3g} of a record at delta {result.noise.delta:g}"
    return [about, "", *(line.rstrip() for line in table)]
