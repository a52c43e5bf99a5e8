"""The plot of ``privacy``: epsilon against error, for both kinds of noise."""

from __future__ import annotations

import errno
import math
import os
from dataclasses import replace
from pathlib import Path

from veilsum.cli.files import check_writable
from veilsum.cli.plan import Goal, Plan, plan
from veilsum.errors import InvalidArgumentError, MissingExtraError

__all__ = ["check_plot", "curves", "plot_plan"]

_COLOURS = ("#0072b2", "#56b4e9", "#d55e00")  # Okabe and Ito: for every eye.
_POINTS_A_SIDE = 20
_SPAN = 100  # The curves reach this far to either side of the chosen epsilon.


def curves(goal: Goal) -> dict[str, list[tuple[float, float]]]:
    """``(epsilon, relative error)`` by kind of noise, where such noise can be had.

    Both kinds are for the same updates: their values all of one size, as long as the norm bound.
    That is an L1 norm of sqrt(dim) times the L2 norm.
    """
    root = math.sqrt(goal.dim)
    l2 = goal.norm_bound if goal.noise == "gaussian" else goal.norm_bound / root
    honest = goal.honest if goal.noise == "gaussian" else (goal.contributors + 1) // 2
    gaussian = replace(goal, noise="gaussian", norm_bound=l2, honest=honest)
    at_delta = f"Gaussian, delta {goal.delta:g}"
    found = {f"{at_delta}, {honest:,} of {goal.contributors:,} honest": _curve(gaussian)}
    if honest != 1:
        found[f"{at_delta}, trust nobody"] = _curve(replace(gaussian, honest=1))
    laplace = replace(goal, noise="laplace", norm_bound=l2 * root, honest=1)
    found["Laplace, trust nobody"] = _curve(laplace)
    return {label: points for label, points in found.items() if points}


def check_plot(path: Path) -> None:
    """Whether a plot can be written there; before the figures are computed, which takes a while.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError, InvalidArgumentError: there is no such folder, nothing can be written into it, or
            matplotlib does not know the ending.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError:
        raise MissingExtraError(
            "plots need the package matplotlib: pip install 'veilsum[plot]', or leave --plot out"
        ) from None
    if path.suffix.lstrip(".") not in FigureCanvasAgg.filetypes:
        raise InvalidArgumentError(f"--plot is {path.name}; its name must end in .png")
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    if path.is_file():
        with path.open("ab"):
            return
    check_writable(path.parent)


def plot_plan(chosen: Plan, path: Path) -> None:
    """Write the plot, at a path that ``check_plot`` has seen.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    goal = chosen.goal
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for (label, points), colour in zip(curves(goal).items(), _COLOURS, strict=False):
        epsilons, errors = zip(*points, strict=True)
        axes.plot(epsilons, errors, label=label, color=colour)
    axes.plot([goal.epsilon], [chosen.relative_error], "o", color="black", label="chosen", zorder=3)
    axes.axhline(1, color="#888888", linestyle=":", linewidth=1)
    axes.annotate(
        "as much noise as signal",
        (0, 1),
        xycoords=("axes fraction", "data"),
        xytext=(4, 4),
        textcoords="offset points",
        color="#666666",
        fontsize=9,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(
        f"epsilon after {goal.rounds:,} round{'s' if goal.rounds > 1 else ''} "
        "(smaller is more private)"
    )
    axes.set_ylabel("noise of the mean / longest mean")
    axes.set_title(
        f"{goal.dim:,} values, {goal.contributors:,} contributors", loc="left", fontsize=11
    )
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def _curve(goal: Goal) -> list[tuple[float, float]]:
    points = []
    for step in range(-_POINTS_A_SIDE, _POINTS_A_SIDE + 1):
        epsilon = goal.epsilon * _SPAN ** (step / _POINTS_A_SIDE)
        try:
            found = plan(replace(goal, epsilon=epsilon), sampled=False)
        except InvalidArgumentError:  # wider than slots or the sampler allow
            continue
        points.append((epsilon, found.relative_error))
    return points
