"""Pictures of a study's result; needs the extra ``plot``."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any

from veilsum.errors import MissingExtraError
from veilsum.stats.estimates import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from veilsum.stats.result import Result

__all__ = ["plot_result"]

_ROW_INCHES, _WIDTH_INCHES = 3.2, 7.0


def plot_result(result: Result) -> Figure:
    """A picture for each statistic, below one another; what is withheld is left out.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("pictures need matplotlib: pip install 'veilsum[plot]'") from error
    shown = [each for each in result.estimates if not math.isnan(each.low)]
    by_statistic = [
        (name, list(rows)) for name, rows in groupby(shown, key=lambda e: (e.statistic, e.about))
    ]
    number = max(len(by_statistic), 1)
    figure = Figure(figsize=(_WIDTH_INCHES, _ROW_INCHES * number), layout="constrained")
    axes = figure.subplots(number, squeeze=False)[:, 0]
    for axis, ((statistic, about), rows) in zip(axes, by_statistic, strict=False):
        axis.set_title(f"{statistic} {about}".strip())
        for group, of_group in groupby(rows, key=lambda each: each.group):
            _draw(axis, statistic, group, list(of_group))
        axis.tick_params(axis="x", labelsize="small")
        if any(each.group for each in rows):
            axis.legend(title=result.study.by)
    figure.suptitle(f"{result.study.name}, intervals of {result.level:.0%}")
    return figure


def _draw(axis: Any, statistic: str, group: str, rows: list[Estimate]) -> None:
    values = [each.value for each in rows]
    if statistic == "survival":
        times = [float(each.at) for each in rows]
        (line,) = axis.step([0, *times], [1, *values], where="post", label=group)
        low = [1, *(max(each.low, 0) for each in rows)]
        high = [1, *(min(each.high, 1) for each in rows)]
        axis.fill_between([0, *times], low, high, step="post", alpha=0.2, color=line.get_color())
        axis.set_ylim(0, 1.02)
        return
    places = [each.at or each.group or each.statistic for each in rows]
    below = [each.value - each.low for each in rows]
    above = [each.high - each.value for each in rows]
    axis.errorbar(places, values, yerr=[below, above], fmt="o", capsize=3, label=group)
