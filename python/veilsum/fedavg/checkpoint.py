"""Where a run is kept on the disk, so that another process goes on with it."""

import json
import os
import weakref
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from veilsum import arguments
from veilsum.arrays_file import read_arrays, write_arrays
from veilsum.durable import lock_file, new_folder, read_file, write_file
from veilsum.errors import MalformedDataError, StoreInUseError
from veilsum.fedavg.clients import SelectorState
from veilsum.fedavg.history import History, RoundRecord
from veilsum.fedavg.settings import Settings
from veilsum.fedavg.spending import Spending
from veilsum.fedavg.state import Attempt, RunState

__all__ = ["Checkpoint"]

_STATE = "state"
_BEGUN = "begun.json"
_LOCK = "lock"
_VERSION = 1
_MAX_BEGUN_BYTES = 1 << 28

_IN_THIS_PROCESS: "weakref.WeakValueDictionary[str, Checkpoint]" = weakref.WeakValueDictionary()


class Checkpoint:
    """A folder with the settings and the last state of a run, and the round that was begun last.

    It holds no key and no contribution. Each file is replaced whole: whatever stops the process,
    the folder has the state after the last whole round, and every number that was ever announced.
    The folder is locked until the object or its process ends.
    """

    def __init__(self, path: str) -> None:
        """Not for callers: use ``create`` or ``open``."""
        self.path = Path(path)
        place = os.path.realpath(path)
        # Whoever resumes in the process that was interrupted takes the run over from itself.
        before = _IN_THIS_PROCESS.get(place)
        if before is not None:
            before.close()
        busy = f"{path} is in use: another process goes on with this run. Stop it first"
        self._unlock = weakref.finalize(self, os.close, lock_file(self.path / _LOCK, busy=busy))
        _IN_THIS_PROCESS[place] = self

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], settings: Settings, state: RunState
    ) -> "Checkpoint":
        """Make the folder for a new run.

        Raises:
            FileExistsError: there is something already; ``FedAvg.resume`` goes on with a run.
        """
        target = arguments.path("checkpoint", path)
        try:
            with new_folder(target) as staged:
                _write_state(staged / _STATE, settings, state)
        except FileExistsError as error:
            raise FileExistsError(
                f"{error}: FedAvg.resume({target!r}, clients) goes on with the run in it"
            ) from None
        return cls(target)

    @classmethod
    def open(
        cls, path: str | os.PathLike[str]
    ) -> "tuple[Checkpoint, Settings, RunState, Attempt | None]":
        """The run in a folder: its settings, its last state, and a round that never ended.

        Raises:
            MalformedDataError: no such folder, or its files are damaged.
            StoreInUseError: another process goes on with the run.
        """
        target = arguments.path("path", path)
        if not os.path.isfile(os.path.join(target, _STATE)):
            raise MalformedDataError(
                f"{target} is no checkpoint of a run: there is no file {_STATE} in it"
            )
        checkpoint = cls(target)
        settings, state = _read_state(checkpoint.path / _STATE)
        attempt = _read_begun(checkpoint.path / _BEGUN)
        if attempt is not None and attempt.number <= state.last_number:
            attempt = None  # It ended, and the state has it.
        return checkpoint, settings, state, attempt

    def begin(self, attempt: Attempt) -> None:
        """Have the number of a round taken, on the disk, before anybody is asked."""
        facts = {
            "number": attempt.number,
            "round_id": attempt.round_id.hex(),
            "invited": attempt.invited,
            "asked": attempt.asked,
            "selector": asdict(attempt.selector),
        }
        self._check_open()
        text = json.dumps(facts).encode()
        write_file(self.path / _BEGUN, [text], overwrite=True)

    def save(self, settings: Settings, state: RunState) -> None:
        """Have this state, on the disk, in the place of the last one."""
        self._check_open()
        _write_state(self.path / _STATE, settings, state)

    def close(self) -> None:
        """Let others go on with the run."""
        self._unlock()

    def _check_open(self) -> None:
        if not self._unlock.alive:
            raise StoreInUseError(
                f"this run is gone on with by another FedAvg, which was resumed from {self.path}"
            )


def _write_state(path: Path, settings: Settings, state: RunState) -> None:
    facts = {
        "version": _VERSION,
        "settings": settings.to_facts(),
        "rounds": [asdict(record) for record in state.history.rounds],
        "interrupted": state.history.interrupted,
        "spending": asdict(state.spending),
        "selector": asdict(state.selector),
        "last_number": state.last_number,
        "chosen": state.chosen,
    }
    arrays = {f"model/{i}": array for i, array in enumerate(state.model)}
    write_arrays(path, facts, {**arrays, "velocity": state.velocity})


def _read_state(path: Path) -> tuple[Settings, RunState]:
    facts, arrays = read_arrays(path)
    try:
        if facts["version"] != _VERSION:
            raise ValueError(
                f"it has version {facts['version']}, and this veilsum reads {_VERSION}"
            )
        settings = Settings.from_facts(facts["settings"])
        model = [arrays[f"model/{i}"] for i in range(len(arrays) - 1)]
        velocity = arrays["velocity"]
        if velocity.shape != (sum(array.size for array in model),) or velocity.dtype != np.float64:
            raise ValueError("its momentum is of another model")
        history = History(
            rounds=[RoundRecord(**record) for record in facts["rounds"]],
            interrupted=[int(number) for number in facts["interrupted"]],
            lower_is_better=settings.lower_is_better,
        )
        return settings, RunState(
            model=model,
            velocity=velocity,
            history=history,
            selector=_selector(facts["selector"]),
            spending=Spending(**facts["spending"]),
            last_number=int(facts["last_number"]),
            chosen=None if facts["chosen"] is None else tuple(facts["chosen"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedDataError(f"{path} is damaged: {error}") from None


def _read_begun(path: Path) -> Attempt | None:
    try:
        data = read_file(path, max_bytes=_MAX_BEGUN_BYTES, what="the mark of a round")
    except FileNotFoundError:
        return None
    try:
        facts = json.loads(data)
        return Attempt(
            number=int(facts["number"]),
            round_id=bytes.fromhex(facts["round_id"]),
            invited=tuple(map(str, facts["invited"])),
            asked=tuple(map(str, facts["asked"])),
            selector=_selector(facts["selector"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise MalformedDataError(f"{path} is damaged: {error}") from None


def _selector(facts: Mapping[str, Any]) -> SelectorState:
    return SelectorState(facts["generator"], tuple(facts["waiting"]))
