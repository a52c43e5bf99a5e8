"""What a server keeps of a run, so that a ServerApp that starts anew goes on with it."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from veilsum.integrations.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from veilsum.integrations.run_folder import RunFolder
from veilsum.secure_sum import Federation, FolderStore, RunChain, Transcript

__all__ = ["CHECKPOINT", "RunState"]

CHECKPOINT = "model.checkpoint"
"""The file in a run's folder that has the model after the last round."""


class RunState:
    """A run's folder: as ``RunFolder``, with the model after the last round.

    A round ends in three steps, and a ServerApp that dies between two of them is made up for by the
    next: its transcript is kept, the model after it is saved, its ciphertexts are erased.

    Attributes:
        path: of the folder.
        checkpoint_path: of the file with the model.

    Errors as ``RunFolder``.
    """

    def __init__(self, path: str | os.PathLike[str], federation: Federation) -> None:
        self._run = RunFolder(path, federation)
        self.path = self._run.path
        self.checkpoint_path = self.path / CHECKPOINT

    def in_use(self) -> AbstractContextManager[None]:
        """Nobody else uses the run meanwhile; StoreInUseError if somebody does."""
        return self._run.in_use()

    def checkpoint(self) -> Checkpoint | None:
        """What was saved last; None before the first round.

        Raises:
            MalformedDataError: the file was changed.
        """
        return read_checkpoint(self.checkpoint_path)

    def begin_round(self, after: int) -> tuple[int, FolderStore]:
        """The round that was begun after round ``after``, which is over; else a new one."""
        self._run.erase_ended(up_to=after)
        return self._run.begun_after(after) or self._run.new_round()

    @property
    def chain(self) -> RunChain:
        """The links of the rounds that were opened; MalformedDataError if one was changed."""
        return self._run.chain

    def repeats(self, model_hash: bytes) -> int:
        """How many rounds opened this model before; MalformedDataError as ``chain``."""
        return self._run.repeats(model_hash)

    def transcripts(self) -> list[Path]:
        """The files of the transcripts that are kept, in the order of their rounds."""
        return self._run.transcripts()

    def keep_transcript(self, number: int, transcript: Transcript, *, used: bool = True) -> None:
        """The round was opened, or given up once it was begun: first of its end."""
        self._run.keep_transcript(number, transcript, used=used)

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace what was saved last, whole or not at all: the round that it names is over."""
        write_checkpoint(self.checkpoint_path, checkpoint)

    def erase_round(self, number: int) -> None:
        """The round is over, opened or not: its ciphertexts go, its number stays taken."""
        self._run.erase(number)
