"""What a run keeps of its rounds: the model after each, and what people look at."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from veilsum.errors import ProtocolError
from veilsum.integrations.checkpoint import Arrays, Checkpoint
from veilsum.integrations.flower.artefacts import Artefacts
from veilsum.integrations.flower.rounds import SumRecord
from veilsum.integrations.flower.run_state import RunState
from veilsum.secure_sum import Federation

__all__ = ["KeptRun"]


class KeptRun:
    """A run in its store, which goes on where it was when a ServerApp starts.

    Attributes:
        state: its store.
        artefacts: what it leaves for people.

    Errors as ``RunState`` and ``Artefacts``.
    """

    def __init__(
        self,
        store: str | os.PathLike[str],
        federation: Federation,
        artefacts: str | os.PathLike[str] | None,
    ) -> None:
        self.state = RunState(store, federation)
        self.artefacts = Artefacts(artefacts, self.state, federation.hash)
        self._done = self.state.checkpoint()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """For the time of a start: as the store is now, and nobody else at work with it.

        Another ServerApp may have gone on with the run since this object was made.

        Raises:
            StoreInUseError: somebody else is at work with it.
        """
        with self.state.in_use():
            self._done = self.state.checkpoint()
            yield

    def begin(self, model: Arrays) -> Checkpoint:
        """The last round that is done; of a new run none, and this model."""
        if self._done is None:
            self._save(Checkpoint(0, 0, model))
        return self.done

    @property
    def done(self) -> Checkpoint:
        """The last round that is done, and the model after it; ProtocolError before ``begin``."""
        if self._done is None:
            raise ProtocolError("a secure strategy is run by its start method")
        return self._done

    def end(self, record: SumRecord, model: Arrays, optimiser: dict[str, Arrays]) -> None:
        """A round is over, opened or not."""
        # First: if the ServerApp dies here, the next one ends the round, and replaces the record.
        self.artefacts.add(record)
        self._save(Checkpoint(record.server_round, record.round_number, model, optimiser))
        self.state.erase_round(record.round_number)

    def _save(self, checkpoint: Checkpoint) -> None:
        self.state.save(checkpoint)
        self._done = checkpoint
