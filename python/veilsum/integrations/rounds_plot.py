"""A plot of a run's rounds: who contributed, how long it took, what was sent."""

import io
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veilsum.durable import write_file
from veilsum.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_rounds"]

_COLOURS = ("#0072b2", "#56b4e9", "#d55e00", "#009e73")  # Okabe and Ito: for every eye.
_DOWN = "requests"  # To holders; all else is sent to the server.


def plot_rounds(rounds: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the plot as PNG.

    Args:
        rounds: as ``HistoryFile`` has them; one at least.
        path: of the file, which is replaced.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise MissingExtraError(
            "plots need the package matplotlib: pip install 'veilsum[plot]'"
        ) from None
    figure = Figure(figsize=(8, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    contributors, seconds, megabytes = figure.subplots(3, sharex=True)
    numbers = [found["server_round"] for found in rounds]
    _plot_contributors(contributors, numbers, rounds)
    _plot_phases(seconds, numbers, [found["seconds"] for found in rounds])
    seconds.set_ylabel("seconds")
    sent = [{_direction(phase): 0.0 for phase in found["num_bytes"]} for found in rounds]
    for found, sums in zip(rounds, sent, strict=True):
        for phase, num_bytes in found["num_bytes"].items():
            sums[_direction(phase)] += num_bytes / 1e6
    _plot_phases(megabytes, numbers, sent)
    megabytes.set_ylabel("MB")
    megabytes.set_xlabel("round")
    contributors.yaxis.set_major_locator(MaxNLocator(integer=True))
    megabytes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (contributors, seconds, megabytes):
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(bottom=0)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=150)
    write_file(path, [image.getvalue()], overwrite=True)


def _plot_contributors(
    axes: "Axes", numbers: Sequence[int], rounds: Sequence[Mapping[str, Any]]
) -> None:
    """Bars of those in the sum, points for those who were invited, crosses for no sum."""
    axes.bar(
        numbers, [len(found["contributors"]) for found in rounds], color=_COLOURS[0], label="in sum"
    )
    invited = [len(found["invited"]) for found in rounds]
    axes.plot(numbers, invited, "_", color="black", markersize=14, label="invited")
    abandoned = [found["server_round"] for found in rounds if found["abandoned"] is not None]
    if abandoned:
        axes.plot(
            abandoned,
            [0] * len(abandoned),
            "x",
            color=_COLOURS[2],
            clip_on=False,
            label="abandoned",
        )
    axes.set_ylabel("contributors")
    _put_legend(axes)


def _plot_phases(
    axes: "Axes", numbers: Sequence[int], parts: Sequence[Mapping[str, float]]
) -> None:
    """A bar for each round, with the phases one upon another."""
    below = [0.0] * len(parts)
    phases = dict.fromkeys(name for part in parts for name in part)
    for phase, colour in zip(phases, cycle(_COLOURS), strict=False):
        heights = [part.get(phase, 0.0) for part in parts]
        axes.bar(numbers, heights, bottom=below, color=colour, label=phase)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    if phases:
        _put_legend(axes)


def _put_legend(axes: "Axes") -> None:
    """Beside the bars, which may be anywhere."""
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def _direction(phase: str) -> str:
    return "to holders" if phase == _DOWN else "to the server"
