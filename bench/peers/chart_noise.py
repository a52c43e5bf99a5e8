"""The chart of noise."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from peers import chart
from peers.draws import DRAWS, QUICK_DRAWS
from peers.measure import threads
from peers.report_noise import noise_rows
from peers.results import Results, Row
from peers.tables import name_of, number

_KINDS = {  # Colours of chart.py.
    "veilsum: exact and secure": "#0072b2",
    "other libraries, exact and secure": "#d55e00",
    "secure, but not exact": "#f0a878",
    "neither": "#bbbbbb",
}


def plot_noise(results: Results, path: Path) -> None:
    """A panel for each kind of noise: a bar for each library, on a logarithmic scale."""
    rows = noise_rows(results)
    figure, panels = plt.subplots(
        1, 2, figsize=(13, 0.24 * len(rows) + 1.8), layout="constrained", sharey=True, sharex=True
    )
    for draw, axes in zip(QUICK_DRAWS, panels, strict=True):
        _plot(axes, results, rows, draw)
    slowest = min(t.per_second for t in results.noise if t.operation in QUICK_DRAWS)
    panels[0].set_xlim(left=10 ** math.floor(math.log10(slowest) - 0.3))
    names = [f"{name_of(row)}, {threads(row.num_threads)}" for row in rows]
    panels[0].set_yticks(range(len(rows)), names, fontsize=8)
    panels[0].invert_yaxis()
    used = {_kind(row) for row in rows}
    handles = [Patch(color=colour, label=kind) for kind, colour in _KINDS.items() if kind in used]
    figure.legend(handles=handles, loc="outside lower right", ncols=4, frameon=False, fontsize=9)
    chart.add_title(figure, results, "samples of noise a second")
    figure.savefig(path, dpi=chart.DPI)
    plt.close(figure)


def _plot(axes: Axes, results: Results, rows: list[Row], draw: str) -> None:
    for position, row in enumerate(rows):
        timing = results.noise_timing(row.library, row.num_threads, draw)
        if timing is None:
            continue
        axes.barh(position, timing.per_second, height=0.75, color=_KINDS[_kind(row)])
        chart.add_label(axes, timing.per_second, position)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.tick_params(labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=chart.GRID, linewidth=0.6)
    chart.finish(axes, f"{DRAWS[draw].kind.capitalize()}, {DRAWS[draw].title}")


def _kind(row: Row) -> str:
    ours, theirs, secure, neither = _KINDS
    if row.is_ours:
        return ours
    if row.quality["secure"]:
        return theirs if row.quality["exact"] else secure
    return neither
