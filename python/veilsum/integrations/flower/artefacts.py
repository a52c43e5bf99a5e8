"""What a run leaves for people, in one folder: its history, a plot of it, its transcripts."""

import datetime
import logging
import os
from pathlib import Path

from veilsum import arguments
from veilsum.durable import made_folder, read_file, write_file
from veilsum.errors import MissingExtraError, VeilsumError
from veilsum.integrations.flower.history_file import HistoryFile
from veilsum.integrations.flower.rounds import SumRecord
from veilsum.integrations.flower.run_state import RunState
from veilsum.integrations.rounds_plot import plot_rounds
from veilsum.integrations.run_folder import MAX_TRANSCRIPT_BYTES

__all__ = ["Artefacts", "finished"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own


class Artefacts:
    """``history.json`` after each round, ``rounds.png`` at the end, and the transcripts.

    They are for people, so no run ends for them: what cannot be written is told, and tried again
    after the next round. Whatever is wrong from the beginning is an error at once.

    Args:
        folder: where they are; None for the folder of the run. Elsewhere the transcripts, which the
            run keeps in its own, are copied into the folder ``transcripts``.
        state: the run.
        federation_hash: whose run it is.

    Raises:
        TypeError: ``folder`` is no path.
        MalformedDataError, ProtocolError: as ``HistoryFile``.
        OSError: the folder cannot be made, or cannot be written into.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, state: RunState, federation_hash: bytes
    ) -> None:
        self._state = state
        given = state.path if folder is None else Path(arguments.path("artefacts", folder))
        self.folder = given.absolute()  # As a person needs it in the log.
        is_own = self.folder.resolve() != state.path.resolve()
        self._copies = self.folder / "transcripts" if is_own else None
        with made_folder(self._copies or self.folder):
            self.history = HistoryFile(self.folder / "history.json", federation_hash)
            if not self.history.path.exists():
                self.history.add()
        self._waiting: list[SumRecord] = []

    @property
    def plot_path(self) -> Path:
        """Where the plot is, if there is one."""
        return self.folder / "rounds.png"

    def add(self, record: SumRecord) -> None:
        """A round is about to end: write what there is of it."""
        self._waiting.append(record)
        self._write()

    def finish(self) -> None:
        """The ServerApp ends: write what could not be written before, and the plot."""
        self._write()
        try:
            rounds = self.history.rounds()
            if not rounds:
                return
            plot_rounds(rounds, self.plot_path)
            plot = f", its plot in {self.plot_path}"
        except MissingExtraError as error:
            plot = f", without a plot ({error})"
        # A plot is never worth a run, whatever its library, or somebody's history, makes of it.
        except Exception as error:
            plot = f", without a plot ({type(error).__name__}: {error})"
        _log.info("%s%s", self.where, plot)

    @property
    def where(self) -> str:
        """Where a person finds them."""
        transcripts = self._copies or self.folder
        return f"the run's history is in {self.history.path}, its transcripts in {transcripts}"

    @property
    def last_ended(self) -> datetime.datetime | None:
        """When the last round was over; None where no history tells."""
        try:
            rounds = self.history.rounds()
        except (OSError, VeilsumError):
            return None
        return datetime.datetime.fromisoformat(rounds[-1]["ended"]) if rounds else None

    def _write(self) -> None:
        try:
            self._copy_transcripts()
            if self._waiting:
                self.history.add(*self._waiting)
                self._waiting.clear()
        except (OSError, VeilsumError) as error:
            _log.warning(
                "the artefacts of the run cannot be written, and the run goes on; it is tried "
                "again: %s",
                error,
            )

    def _copy_transcripts(self) -> None:
        """Those that are not there yet: of a ServerApp that died, too."""
        if self._copies is None:
            return
        for path in self._state.transcripts():
            copy = self._copies / path.name
            if not copy.exists():
                data = read_file(path, max_bytes=MAX_TRANSCRIPT_BYTES, what="a transcript")
                write_file(copy, [data])


def finished(num_rounds: int, state: RunState, artefacts: Artefacts) -> str:
    """What is said to whoever starts a run of which all rounds are done."""
    ended = artefacts.last_ended
    when = "" if ended is None else f", the last one on {ended:%Y-%m-%d at %H:%M} UTC"
    return (
        f"all {num_rounds} rounds of this run are done{when}, and no more are asked for: nothing "
        f"is trained. The model is in {state.checkpoint_path.absolute()}, and is returned; "
        f"{artefacts.where}. To go on, ask for more rounds than {num_rounds}: their number counts "
        "those of all starts. Another run takes a new federation and a new store"
    )
