"""What a server keeps of a run, so that a ServerApp that starts anew goes on with it."""

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray

from veilsum.durable import write_file
from veilsum.errors import MalformedDataError
from veilsum.integrations.run_folder import RunFolder
from veilsum.secure_sum import Federation, FolderStore

__all__ = ["Checkpoint", "RunState", "optimiser_state", "restore_optimiser"]

_CHECKPOINT = "checkpoint.npz"
_INDEX = "index"

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """After a round: how many of Flower's rounds are done, the last secure round, the model.

    ``optimiser`` has the strategy's own arrays: moments, momentum.
    """

    num_done: int
    round_number: int
    model: Arrays
    optimiser: dict[str, Arrays] = field(default_factory=dict)


class RunState:
    """A run's folder: as ``RunFolder``, with the model after the last round.

    Errors as ``RunFolder``.
    """

    def __init__(self, path: str | os.PathLike[str], federation: Federation) -> None:
        self._run = RunFolder(path, federation)
        self.run_id = self._run.run_id
        self._checkpoint = self._run.path / _CHECKPOINT

    def checkpoint(self) -> Checkpoint | None:
        """What was saved last; None before the first round.

        Raises:
            MalformedDataError: the file was changed.
        """
        if not self._checkpoint.exists():
            return None
        try:
            with np.load(self._checkpoint, allow_pickle=False) as file:
                index = json.loads(file[_INDEX].tobytes())
                model, optimiser = Arrays(), dict[str, Arrays]()
                for position, (section, name) in enumerate(index["arrays"]):
                    part = model if section is None else optimiser.setdefault(section, {})
                    part[name] = file[str(position)]
                return Checkpoint(index["num_done"], index["round_number"], model, optimiser)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MalformedDataError(f"{self._checkpoint} is damaged: {error}") from error

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace what was saved last, whole or not at all."""
        entries: list[tuple[str | None, str, NDArray[Any]]]
        entries = [(None, name, array) for name, array in checkpoint.model.items()]
        parts = checkpoint.optimiser.items()
        entries += [(section, name, a) for section, part in parts for name, a in part.items()]
        index = {
            "num_done": checkpoint.num_done,
            "round_number": checkpoint.round_number,
            "arrays": [(section, name) for section, name, _ in entries],
        }
        arrays: dict[str, Any]
        arrays = {str(position): array for position, (_, _, array) in enumerate(entries)}
        arrays[_INDEX] = np.frombuffer(json.dumps(index).encode(), np.uint8)
        data = io.BytesIO()
        np.savez(data, **arrays)
        write_file(self._checkpoint, [data.getvalue()], overwrite=True)

    def begin_round(self, after: int) -> tuple[int, FolderStore]:
        """The round that was begun after round ``after``, which is over; else a new one."""
        return self._run.begun_after(after) or self._run.new_round()

    def end_round(self, number: int, transcript: bytes) -> None:
        """The round was opened: its transcript stays, its ciphertexts go."""
        self._run.keep_transcript(number, transcript)

    def abandon_round(self, number: int) -> None:
        """The round is not to be opened: its ciphertexts go, its number stays taken."""
        self._run.drop(number)


def optimiser_state(strategy: object) -> dict[str, Arrays]:
    """The attributes of a strategy that are arrays: FedOpt's moments, FedAvgM's momentum."""
    found = {name: _as_arrays(value) for name, value in vars(strategy).items()}
    return {name: arrays for name, arrays in found.items() if arrays}


def restore_optimiser(strategy: object, state: Mapping[str, Arrays]) -> None:
    """Set them again, in the form in which Flower's strategies have them."""
    for name, arrays in state.items():
        value: object = arrays
        if all(key.startswith(_LISTED) for key in arrays):
            value = list(arrays.values())
        elif all(key.startswith(_RECORDED) for key in arrays):
            value = ArrayRecord(
                {key.removeprefix(_RECORDED): Array(array) for key, array in arrays.items()}
            )
        setattr(strategy, name, value)


_LISTED, _RECORDED = "list\0", "record\0"


def _as_arrays(value: object) -> Arrays:
    if isinstance(value, ArrayRecord):
        return {f"{_RECORDED}{name}": array.numpy() for name, array in value.items()}
    if isinstance(value, list) and all(isinstance(array, np.ndarray) for array in value):
        return {f"{_LISTED}{i}": array for i, array in enumerate(value)}
    if isinstance(value, dict) and all(
        isinstance(key, str) and isinstance(array, np.ndarray) for key, array in value.items()
    ):
        return dict(value)
    return {}
