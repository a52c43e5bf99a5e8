"""``./run bench --timing``: whether the time of a call tells how large the noise is that it drew.

An attacker who times a call learns something about its noise if the two are correlated. This
measures by how much, for veilsum on each kernel, numpy, OpenDP, and a leak planted to see that the
measurement finds one. It can show a leak and bound what it overlooked; it cannot show that there
is none. Why there should be none is said in docs/noise.md.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import veilsum as vs
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from peers import chart, libraries, machine, run
from peers.draws import DRAWS, QUICK_DRAWS
from peers.install import NotInstallableError, interpreter
from peers.libraries import Library
from peers.process import Worker, WorkerError
from peers.report import machine_lines
from peers.results import Results
from peers.tables import make_table
from rich.console import Console
from scipy.stats import rankdata

LEVEL = 0.999  # Of each interval: of forty, one in 25 runs has one that misses.
BATCH_SIZES = (1, 100, 1000, 10_000)
MAX_CALLS = 50_000
CUT_PERCENTILE = 90
NUM_GROUPS = 10  # Of the plot.


class Correlation(NamedTuple):
    """An estimate and the interval around it."""

    value: float
    low: float
    high: float

    @property
    def is_found(self) -> bool:
        """Whether it differs from 0 beyond chance."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.value:+.3f} ± {(self.high - self.low) / 2:.3f}"


@dataclass(frozen=True)
class Case:
    """What one sampler's calls told."""

    library: str
    draw: str
    num_samples: int  # Of a call.
    num_calls: int
    median_microseconds: float
    pearson: Correlation
    rank: Correlation
    group_times: list[float]  # Medians of tenths by magnitude, smallest first, over the median.

    @property
    def is_leak(self) -> bool:
        """Whether time and magnitude go together."""
        return self.pearson.is_found or self.rank.is_found


def main() -> None:
    """Measure, print, and write JSON and the plot."""
    parser = argparse.ArgumentParser(prog="./run bench --timing", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=10.0, metavar="S", help="of each case")
    run.add_file_options(parser)
    options = parser.parse_args()
    results = run.begin(Results, options)
    with run.measuring(results) as progress:
        found = []
        for library, draw, num_samples in cases(vs.cpu()["kernel"]):
            progress(f"{library.name}, {draw}, {num_samples:,} samples a call")
            try:
                found.append(measure(library, draw, num_samples, options.seconds, MAX_CALLS))
            except (NotInstallableError, WorkerError) as error:
                results.missing[library.name] = str(error)
    console = run.wide_console()
    show(console, results, found)
    stem = f"timing-{machine.slug()}"
    json_path = run.write_json(to_dict(results, found), options, stem)
    chart_path = options.out / f"{stem}.png"
    plot(results, found, chart_path)
    run.tell_written(console, results, [json_path, chart_path])


def cases(fastest: str) -> Iterator[tuple[Library, str, int]]:
    """Sampler, distribution, and samples a call."""
    ours, *others = (lib for lib in libraries.our_noise(fastest) if lib.adapter.endswith(":Int64"))
    peers = {library.name: library for library in libraries.NOISE_PEERS}
    wanted = [
        (ours, BATCH_SIZES),
        *((other, [1000]) for other in others),
        (peers[libraries.NUMPY_NOISE], BATCH_SIZES),
        (peers["OpenDP"], BATCH_SIZES[:-1]),  # The last would leave too few calls to tell.
        (libraries.LEAKY, BATCH_SIZES[:-1]),
    ]
    for library, batch_sizes in wanted:
        for draw in QUICK_DRAWS:
            for num_samples in batch_sizes:
                yield library, draw, num_samples


def measure(library: Library, draw: str, num_samples: int, seconds: float, num_calls: int) -> Case:
    """Time calls for so long, at most so many, in a process on one core.

    Raises:
        NotInstallableError, WorkerError: the library cannot be had, or failed.
    """
    python = interpreter(library.requirements)
    with Worker(library, python, key_bits=0, num_threads=1) as worker:
        answer = worker.ask(
            "time_calls", draw=draw, count=num_samples, num_calls=num_calls, seconds=seconds
        )
    times = np.array(answer["nanoseconds"], np.float64)
    magnitudes = np.array(answer["magnitudes"])
    median = float(np.median(times))
    groups = np.array_split(times[np.argsort(magnitudes)], NUM_GROUPS)
    return Case(
        library=library.name,
        draw=draw,
        num_samples=num_samples,
        num_calls=len(times),
        median_microseconds=median / 1000,
        pearson=pearson(times, magnitudes),
        rank=spearman(times, magnitudes),
        group_times=[float(np.median(group)) / median for group in groups],
    )


def pearson(times: NDArray[Any], magnitudes: NDArray[Any]) -> Correlation:
    """Pearson's correlation with Fisher's interval; longer times are cut to their 90th percentile.

    Else the few calls that were interrupted would hide everything. Neither the cut nor times far
    from normal find what is not there: of two independent sequences, one of them exchangeable as
    noise is, the correlation has mean 0 and variance 1 / (n - 1) whatever the other one is.
    """
    cut = np.minimum(times, np.percentile(times, CUT_PERCENTILE))
    return _with_interval(cut, magnitudes, lambda _: 1.0)


def spearman(times: NDArray[Any], magnitudes: NDArray[Any]) -> Correlation:
    """Spearman's rank correlation of all calls, with the interval of Bonett and Wright (2000)."""
    return _with_interval(rankdata(times), rankdata(magnitudes), lambda value: 1 + value**2 / 2)


def _with_interval(
    left: NDArray[Any], right: NDArray[Any], factor: Callable[[float], float]
) -> Correlation:
    value = float(np.corrcoef(left, right)[0, 1])
    quantile = NormalDist().inv_cdf((1 + LEVEL) / 2)
    width = quantile * math.sqrt(factor(value) / (len(left) - 3))
    centre = math.atanh(min(max(value, -0.9999), 0.9999))
    return Correlation(value, math.tanh(centre - width), math.tanh(centre + width))


def to_dict(results: Results, found: list[Case]) -> dict[str, Any]:
    """For JSON."""
    return {
        "machine": results.machine,
        "settings": {**results.settings, "level": LEVEL},
        "missing": results.missing,
        "cases": [
            {
                **asdict(case),
                "pearson": case.pearson._asdict(),
                "rank": case.rank._asdict(),
                "is_leak": case.is_leak,
            }
            for case in found
        ],
    }


def show(console: Console, results: Results, found: list[Case]) -> None:
    """Print the table."""
    for line in machine_lines(results):
        console.print(line, highlight=False, soft_wrap=True)
    columns = ["noise", "samples\na call", "calls", "us a\ncall", "Pearson", "rank", "told"]
    table = make_table("Correlation of the time of a call with mean |noise|", "", columns)
    for case in found:
        table.add_row(
            case.library,
            case.draw,
            f"{case.num_samples:,}",
            f"{case.num_calls:,}",
            f"{case.median_microseconds:.3g}",
            str(case.pearson),
            str(case.rank),
            "yes" if case.is_leak else "no",
        )
    console.print(table)
    console.print(
        f"After \u00b1: half of the {100 * LEVEL:g} % interval. Told: 0 lies outside of one of the "
        "two. Pearson's: times\ncut to their 90th percentile. One core, time of the clock.",
        highlight=False,
    )
    for name, reason in results.missing.items():
        console.print(f"not available: {name}: {reason}", highlight=False, markup=False)


def plot(results: Results, found: list[Case], path: Path) -> None:
    """The time of a call against the size of its noise, in tenths of the calls."""
    sizes = sorted({case.num_samples for case in found})
    figure, panels = plt.subplots(
        1, len(sizes), figsize=(4.5 * len(sizes), 4), layout="constrained", squeeze=False
    )
    for num_samples, axes in zip(sizes, panels[0], strict=True):
        for case in found:
            if (case.num_samples, DRAWS[case.draw].kind) == (num_samples, "gaussian"):
                axes.plot(
                    range(1, NUM_GROUPS + 1), case.group_times, marker=".", label=case.library
                )
        axes.set_xlabel("tenth of the calls, by mean |noise|")
        axes.grid(color=chart.GRID, linewidth=0.6)
        axes.legend(frameon=False, fontsize=8)
        chart.finish(axes, f"{num_samples:,} sample{'s' if num_samples > 1 else ''} a call")
    panels[0, 0].set_ylabel("median time over that of all calls")
    chart.add_title(figure, results, f"time of a call by the size of its noise, {QUICK_DRAWS[0]}")
    figure.savefig(path, dpi=chart.DPI)
    plt.close(figure)


if __name__ == "__main__":
    main()
