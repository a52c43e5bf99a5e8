"""A progress bar for the round loop. rich draws it, and is loaded only then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from veilsum.errors import MissingExtraError
from veilsum.fedavg.history import RoundRecord

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["ProgressBar", "Silence"]


class Silence:
    """What the loop tells of its progress, and nobody listens."""

    @contextmanager
    def running(self, num_steps: int) -> Iterator[None]:
        """Around a run of ``num_steps`` client turns."""
        yield

    def client_done(self) -> None:
        """One client had its turn."""

    def round_done(self, record: RoundRecord) -> None:
        """A round ended."""


class ProgressBar(Silence):
    """A bar on the terminal or in the notebook, with the time left and the accuracy so far."""

    def __init__(self) -> None:
        try:
            import rich.progress  # noqa: F401
        except ImportError:
            raise MissingExtraError(
                "progress bars need the package rich: pip install 'veilsum[cli]', "
                "or leave progress out"
            ) from None
        self._bar: Progress | None = None

    @contextmanager
    def running(self, num_steps: int) -> Iterator[None]:
        """Shows the bar while the block runs."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        # stderr: what a program prints stays clean. Into a file a bar would only write rubbish.
        console = Console(stderr=True)
        shown = console.is_terminal or console.is_jupyter
        with Progress(*columns, console=console, transient=True, disable=not shown) as self._bar:
            self._bar.add_task("training", total=num_steps)
            yield
        self._bar = None

    def client_done(self) -> None:
        """One step."""
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])

    def round_done(self, record: RoundRecord) -> None:
        """Shows the accuracy."""
        if self._bar is not None:
            text = f"round {record.round_number}"
            if record.accuracy is not None:
                text += f", accuracy {record.accuracy:.1%}"
            self._bar.update(self._bar.task_ids[0], description=text)
