"""The charts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from peers import chart
from peers.report import machine_lines

from rounds.results import Method, Party, Point, Results
from rounds.tables import name_of

_COLOURS = [plt.get_cmap(name)(index) for name in ("tab20", "tab20b") for index in range(20)]
_BYTES = {"received": "#56b4e9", "sent": "#0072b2"}  # Of Okabe and Ito.


def plot_methods(results: Results, what: str, path: Path) -> None:
    """A bar for each party of each method: seconds by phase, and bytes in and out."""
    bars = [(method, party) for method in results.methods for party in method.parties]
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(14, 0.34 * len(bars) + 2.6), layout="constrained", sharey=True
    )
    names = dict.fromkeys(name for _, party in bars for name in party.phases)
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    for position, (_, party) in enumerate(bars):
        left_edge = 0.0
        for name, phase in party.phases.items():
            left.barh(position, phase.seconds, left=left_edge, color=colours[name], height=0.75)
            left_edge += phase.seconds
        chart.add_label(left, left_edge, position)
        right.barh(position, party.received / 1e6, color=_BYTES["received"], height=0.75)
        right.barh(
            position,
            party.sent / 1e6,
            left=party.received / 1e6,
            color=_BYTES["sent"],
            height=0.75,
        )
        chart.add_label(right, (party.received + party.sent) / 1e6, position)
    left.set_yticks(range(len(bars)), [_bar_name(*bar) for bar in bars], fontsize=8)
    left.invert_yaxis()
    _finish(left, "processor seconds of one party")
    _finish(right, "MB in and out of one party")
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in colours.values()]
    figure.legend(
        handles, list(colours), loc="outside lower left", ncols=4, frameon=False, fontsize=7
    )
    right.legend(
        [Rectangle((0, 0), 1, 1, color=colour) for colour in _BYTES.values()],
        list(_BYTES),
        frameon=False,
        fontsize=8,
        loc="lower right",
    )
    _save(figure, results, what, path)


def plot_scale(results: Results, path: Path) -> None:
    """Seconds and bytes against the length of the model, and against the number of clients."""
    figure, panels = plt.subplots(2, 4, figsize=(15, 7.5), layout="constrained")
    kinds: list[tuple[str, Callable[[Point], float | None]]] = [
        ("a client, s", lambda p: p.seconds.get("client")),
        ("a client sends, MB", lambda p: p.sent["client"] / 1e6),
        ("server, s", lambda p: p.seconds.get("server")),
        ("a holder, s", lambda p: p.seconds.get("holder")),
    ]
    names = list(dict.fromkeys(point.method for point in results.points))
    fixed_count, fixed_dim = results.settings["fixed_clients"], results.settings["fixed_dim"]
    for row, (axis, fixed) in enumerate(
        (("values", f"{fixed_count} clients"), ("clients", f"{fixed_dim:,} values"))
    ):
        for axes, (title, value) in zip(panels[row], kinds, strict=True):
            for i, name in enumerate(names):
                line = sorted(
                    (p.dim if row == 0 else p.num_contributors, y)
                    for p in results.points
                    if p.method == name
                    and (p.num_contributors == fixed_count if row == 0 else p.dim == fixed_dim)
                    and (y := value(p)) is not None
                )
                if line:
                    axes.plot(*zip(*line, strict=True), marker="o", label=name, color=f"C{i}")
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel(axis)
            axes.grid(color=chart.GRID, linewidth=0.6)
            chart.finish(axes, f"{title}; {fixed}")
    panels[0, 0].legend(frameon=False, fontsize=8)
    _save(figure, results, "one round, by the length of the model and the number of clients", path)


def _bar_name(method: Method, party: Party) -> str:
    return f"{name_of(method)}: {party.role}"


def _finish(axes: Axes, title: str) -> None:
    axes.margins(x=0.15)
    axes.grid(axis="x", color=chart.GRID, linewidth=0.6)
    axes.tick_params(labelsize=8)
    axes.tick_params(axis="y", length=0)
    chart.finish(axes, title)


def _save(figure: Figure, results: Results, what: str, path: Path) -> None:
    lines = [what, *machine_lines(results)]
    figure.suptitle("\n".join(lines), fontsize=9, x=0.01, ha="left")
    figure.savefig(path, dpi=chart.DPI)
    plt.close(figure)
