"""The charts."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # Files only: works without a screen.

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from peers.measure import threads
from peers.operations import OPERATIONS
from peers.report import machine_lines, update_name
from peers.results import Results, Row
from peers.tables import name_of, number

# Okabe and Ito, for every eye. The lighter of two is the longer key.
_OURS, _PEERS, _OTHERS = ("#0072b2", "#7ab8dc"), ("#d55e00", "#f0a878"), ("#777777", "#bbbbbb")
DPI = 150
GRID = "#dddddd"


def plot_operations(results: Results, num_threads: int, path: Path) -> None:
    """A panel for each operation: a bar for each library and key size, on a logarithmic scale."""
    names = [name for name in OPERATIONS if _rows(results, name, num_threads)]
    pairs = [names[i : i + 2] for i in range(0, len(names), 2)]
    num_bars = [max(len(_rows(results, name, num_threads)) for name in pair) for pair in pairs]
    figure, panels = plt.subplots(
        len(pairs),
        2,
        figsize=(12, 0.19 * sum(num_bars) + 0.75 * len(pairs) + 1),
        layout="constrained",
        squeeze=False,
        height_ratios=[bars + 1 for bars in num_bars],
    )
    for pair, pair_of_panels in zip(pairs, panels, strict=True):
        for name, axes in zip(pair, pair_of_panels, strict=False):
            _plot_operation(axes, results, name, num_threads)
        lowest = max(axes.get_ylim()[0] for axes in pair_of_panels[: len(pair)])
        for axes in pair_of_panels[: len(pair)]:  # Bars of one height.
            axes.set_ylim(lowest, -0.6)
    if len(names) % 2:
        panels[-1, 1].axis("off")
    _legend(panels[-1, 1] if len(names) % 2 else panels[0, 0], results)
    add_title(figure, results, f"ciphertexts a second, {threads(num_threads)}")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _rows(results: Results, operation: str, num_threads: int) -> list[Row]:
    """What the panel shows, from the top down: libraries, within one its key sizes."""
    rows = [
        timing.row
        for timing in results.timings
        if timing.operation == operation and timing.row.num_threads == num_threads
    ]
    order = list(dict.fromkeys(row.library for row in results.rows))
    return sorted(rows, key=lambda row: (order.index(row.library), row.key_bits))


def _plot_operation(axes: Axes, results: Results, operation: str, num_threads: int) -> None:
    rows = _rows(results, operation, num_threads)
    position, ticks, labels = 0.0, [], []
    for i, row in enumerate(rows):
        timing = results.timing(row, operation)
        assert timing is not None
        same = i > 0 and rows[i - 1].library == row.library
        position += 0 if i == 0 else 0.85 if same else 1.25
        axes.barh(position, timing.per_second, height=0.8, color=_colour(results, row))
        add_label(axes, timing.per_second, position)
        if not same:
            last = max(k for k in range(len(rows)) if rows[k].library == row.library)
            ticks.append(position + 0.425 * (last - i))
            labels.append(name_of(row))
    axes.set_yticks(ticks, labels, fontsize=8)
    axes.set_ylim(position + 0.6, -0.6)
    axes.set_xscale("log")
    slowest = min(timing.per_second for timing in results.timings if timing.operation == operation)
    axes.set_xlim(left=10 ** math.floor(math.log10(slowest) - 0.3))
    axes.margins(x=0.12)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.tick_params(axis="x", labelsize=8)
    finish(axes, OPERATIONS[operation].title)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.tick_params(axis="y", length=0)


def _colour(results: Results, row: Row) -> str:
    sizes = sorted({other.key_bits for other in results.rows})
    return _shades(row)[min(sizes.index(row.key_bits), 1)]


def _kind(row: Row) -> str:
    return "veilsum" if row.is_ours else f"other libraries, {row.scheme}"


def _shades(row: Row) -> tuple[str, str]:
    return _OURS if row.is_ours else _PEERS if row.scheme == "Paillier" else _OTHERS


def _legend(axes: Axes, results: Results) -> None:
    sizes = sorted({row.key_bits for row in results.rows})
    kinds = {_kind(row): _shades(row) for row in results.rows}
    handles = [
        Patch(color=shade, label=f"{kind}, {bits} bits")
        for kind, shades in kinds.items()
        for bits, shade in zip(sizes, shades, strict=False)
    ]
    axes.legend(handles=handles, loc="center", frameon=False, fontsize=9, ncols=1)


def plot_updates(results: Results, path: Path) -> None:
    """Workload W: what a client computes and sends, what the aggregator and the opener compute."""
    updates = results.updates
    figure, panels = plt.subplots(
        1, 4, figsize=(13, 0.3 * len(updates) + 1.5), layout="constrained", sharey=True
    )
    colours = [_shades(update.row)[0] for update in updates]
    columns = {
        "client, seconds": [u.median("encode") + u.median("encrypt") for u in updates],
        "MB a client": [u.num_bytes / 1e6 for u in updates],
        "aggregator, seconds a client": [u.median("add") for u in updates],
        "decrypt the sum, seconds": [u.median("decrypt") for u in updates],
    }
    positions = range(len(updates))
    for axes, (title, values) in zip(panels, columns.items(), strict=True):
        axes.barh(positions, values, height=0.7, color=colours)
        for position, value in enumerate(values):
            add_label(axes, value, position)
        axes.margins(x=0.2)
        axes.grid(axis="x", color=GRID, linewidth=0.6)
        axes.tick_params(labelsize=8)
        axes.tick_params(axis="y", length=0)
        finish(axes, title)
    names = [f"{update_name(u)}, {threads(u.row.num_threads)}" for u in updates]
    panels[0].set_yticks(positions, names, fontsize=8)
    panels[0].invert_yaxis()
    add_title(figure, results, f"an update of {updates[0].dim:,} values, 16 bits, 100 addends")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def plot_memory(results: Results, path: Path) -> None:
    """Peak memory against the length of the update, and against the number of contributors."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    most = max(one.num_contributors for one in results.memory)
    longest = max(one.dim for one in results.memory)
    by_dim = sorted((one.dim, one) for one in results.memory if one.num_contributors == most)
    dims, points = zip(*by_dim, strict=True)
    left.plot(dims, [p.peak_bytes / 1e6 for p in points], marker="o", color=_OURS[0], label="peak")
    left.plot(
        dims,
        [p.baseline_bytes / 1e6 for p in points],
        linestyle=":",
        color="#777777",
        label="before the first contribution",
    )
    left.plot(
        dims,
        [p.contribution_bytes / 1e6 for p in points],
        linestyle="--",
        color=_PEERS[0],
        label="one contribution's bytes",
    )
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    left.set_xlabel("values in an update")
    left.set_ylabel("MB")
    left.legend(frameon=False, fontsize=9, loc="center", bbox_to_anchor=(0.5, 0.32))
    finish(left, f"after {most:,} contributors")
    by_count = sorted((one.num_contributors, one) for one in results.memory if one.dim == longest)
    counts, points = zip(*by_count, strict=True)
    right.plot(counts, [p.peak_bytes / 1e6 for p in points], marker="o", color=_OURS[0])
    right.set_xscale("log")
    right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    right.set_xlabel("contributors")
    finish(right, f"{longest:,} values")
    for axes in (left, right):
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_ylim(bottom=0)
    add_title(figure, results, f"memory of an aggregator, {results.memory[0].key_bits}-bit key")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def add_label(axes: Axes, value: float, position: float) -> None:
    axes.annotate(
        number(value),
        (value, position),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color="#333333",
    )


def add_title(figure: Figure, results: Results, what: str) -> None:
    figure.suptitle("\n".join([what, *machine_lines(results)]), fontsize=9, x=0.01, ha="left")


def finish(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
