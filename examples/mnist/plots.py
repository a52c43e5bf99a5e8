"""The demo's plots: accuracy against rounds, and what privacy costs in accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # Files only: works without a screen.

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from .experiments import Result

_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555"]  # Okabe and Ito: for every eye.
_DPI = 150


@dataclass(frozen=True)
class TradeOff:
    """Accuracy against epsilon for one task and one kind of noise."""

    title: str
    points: list[tuple[float, float]]
    without_noise: float
    guessing: float


def plot_accuracy(results: Sequence[Result], path: Path) -> None:
    """Accuracy on the test images after each round, a line for each result."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for position, result in enumerate(results):
        rounds, accuracies = zip(*result.history.accuracies, strict=True)
        encrypted = result.trust != "clear"
        axes.plot(
            rounds,
            accuracies,
            label=result.name,
            color=_COLOURS[position % len(_COLOURS)],
            # An encrypted run lies on its plain twin: dots on the line show both.
            linestyle="none" if encrypted else "-",
            marker="o" if encrypted else None,
            markersize=4,
            zorder=3 if encrypted else 2,
        )
    _finish(axes, title="Federated averaging on sums that nobody saw into", x="round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def plot_trade_off(trade_offs: Sequence[TradeOff], path: Path) -> None:
    """Accuracy against epsilon, a panel for each kind of noise."""
    figure, panels = plt.subplots(
        1,
        len(trade_offs),
        figsize=(4.6 * len(trade_offs), 4.2),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for axes, trade_off, colour in zip(panels[0], trade_offs, _COLOURS, strict=False):
        epsilons, accuracies = zip(*trade_off.points, strict=True)
        _level(axes, trade_off.without_noise, "without noise", "--", at_left=True)
        _level(axes, trade_off.guessing, "guessing", ":", at_left=False)
        axes.plot(epsilons, accuracies, marker="o", color=colour)
        for epsilon, accuracy in trade_off.points:
            axes.annotate(
                f"{accuracy:.0%}",
                (epsilon, accuracy),
                xytext=(0, -14),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=colour,
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(epsilons)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_ylim(0, 1)
        _finish(axes, title=trade_off.title, x="epsilon (smaller is more private)")
    for axes in panels[0][1:]:
        axes.set_ylabel("")
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def _level(axes: Axes, accuracy: float, label: str, linestyle: str, *, at_left: bool) -> None:
    axes.axhline(accuracy, color="#888888", linestyle=linestyle, linewidth=1)
    axes.annotate(
        label,
        (0 if at_left else 1, accuracy),
        xycoords=("axes fraction", "data"),
        xytext=(4 if at_left else -4, 4),
        textcoords="offset points",
        ha="left" if at_left else "right",
        color="#666666",
        fontsize=9,
    )


def _finish(axes: Axes, *, title: str, x: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel("accuracy on test images")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
