"""The charts: tables as panels, one for each column of numbers: bars, or lines by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # Files only: works without a screen.

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bench import report
from bench.records import OURS, Run
from bench.tables import Cell, Table, number, text

_OURS, _OTHERS, _GRID = "#0072b2", "#d55e00", "#dddddd"  # Of Okabe and Ito, for every eye.
_WIDE = 20  # A range from one to that is logarithmic.
_MOST_PANELS = 5  # Beside each other, of lines.


def write_charts(run: Run, stem: Path) -> list[Path]:
    """Every chart of what was measured; where they are. A row of panels for each table in it."""
    charts: dict[str, list[Table]] = {}
    for table in report.tables(run):
        if table.chart is not None and table.rows:
            charts.setdefault(table.chart, []).append(table)
    paths = []
    for end, tables in charts.items():
        paths.append(stem.with_name(f"{stem.name}{end}.png"))
        _draw(run, tables, paths[-1])
    return paths


def _draw(run: Run, tables: Sequence[Table], path: Path) -> None:
    rows = [(table, part) for table in tables for part in _rows(table)]
    heights = [3.0 if table.xs else 0.24 * len(table.rows) + 0.8 for table, _ in rows]
    num_columns = max(len(part) for _, part in rows)
    figure, grid = plt.subplots(
        len(rows),
        num_columns,
        figsize=(3 + 2.4 * num_columns, sum(heights) + 0.8),
        layout="constrained",
        squeeze=False,
        height_ratios=heights,
    )
    names: dict[str, Line2D] = {}
    for (table, columns), row in zip(rows, grid, strict=True):
        for axes in row[len(columns) :]:
            axes.axis("off")
        for i, (column, axes) in enumerate(zip(columns, row, strict=False)):
            cells = [(text(line[0]), _value(line[column])) for line in table.rows]
            if table.xs:
                names |= _lines(axes, table.xs, cells)
            else:
                _bars(axes, cells)
            title = table.columns[column].replace("\n", " ")
            axes.set_title(title if i else f"{table.title}\n{title}", loc="left", fontsize=8)
            axes.tick_params(labelsize=7)
            axes.set_axisbelow(True)
            axes.grid(axis="both" if table.xs else "x", color=_GRID, linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
            if i and not table.xs:
                axes.set_yticklabels([])
    if names:
        figure.legend(
            list(names.values()),
            list(names),
            loc="outside lower left",
            ncols=num_columns,
            frameon=False,
            fontsize=8,
        )
    figure.suptitle("\n".join(report.machine_lines(run)), fontsize=9, x=0.01, ha="left")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _rows(table: Table) -> list[list[int]]:
    """The columns that have numbers, as rows of panels."""
    numbers = range(1, len(table.columns))
    columns = [i for i in numbers if any(_value(row[i]) is not None for row in table.rows)]
    if not table.xs:
        return [columns]
    count = -(-len(columns) // _MOST_PANELS)
    each = -(-len(columns) // count)
    return [columns[i : i + each] for i in range(0, len(columns), each)]


def _value(cell: Cell) -> float | None:
    value = cell[0] if isinstance(cell, tuple) else cell
    return None if isinstance(value, str) else value


def _bars(axes: Axes, cells: Sequence[tuple[str, float | None]]) -> None:
    values = [value for _, value in cells if value]
    low, high = min(values, default=1.0), max(values, default=1.0)
    if high > _WIDE * low:
        axes.set_xscale("log")
        axes.set_xlim(low / 3, high * (3 * high / low) ** 0.3)  # Room for a number after the bar.
        axes.xaxis.set_major_locator(LogLocator(numticks=4))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(0, 1.3 * high)
        axes.xaxis.set_major_locator(MaxNLocator(3))
    for position, (name, value) in enumerate(cells):
        if value is not None:
            colour = _OURS if name.startswith(OURS) else _OTHERS
            axes.barh(position, value, height=0.75, color=colour)
            axes.text(value, position, f" {number(value)}", va="center", fontsize=7)
    axes.set_yticks(range(len(cells)), [name for name, _ in cells])
    axes.set_ylim(len(cells) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _lines(
    axes: Axes, xs: Sequence[float], cells: Sequence[tuple[str, float | None]]
) -> dict[str, Line2D]:
    """A line for each name; names without a value keep their colour for other panels."""
    lines = {}
    points = [(name, x, y) for (name, y), x in zip(cells, xs, strict=True) if y is not None]
    for i, name in enumerate(dict.fromkeys(name for name, _ in cells)):
        line = sorted((x, y) for named, x, y in points if named == name)
        if line:
            [lines[name]] = axes.plot(*zip(*line, strict=True), marker=".", color=f"C{i}")
    if max(xs) > _WIDE * min(xs):
        axes.set_xscale("log")
    values = [y for _, _, y in points]
    if max(values) > _WIDE * min(values) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
    elif min(values) >= 0:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    return lines
