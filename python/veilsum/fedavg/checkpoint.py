"""Where a run is kept on the disk, so that another process goes on with it."""

import json
import os
import re
import weakref
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from veilsum import arguments
from veilsum.arrays_file import read_arrays, write_arrays
from veilsum.durable import lock_file, new_folder, read_file, remove_rests, sync, write_file
from veilsum.errors import MalformedDataError, StoreInUseError
from veilsum.fedavg.clients import SelectorState
from veilsum.fedavg.history import History, RoundRecord
from veilsum.fedavg.settings import Settings
from veilsum.fedavg.spending import Spending
from veilsum.fedavg.state import Attempt, RunState

__all__ = ["Checkpoint"]

_STATE = "state"
_ROUNDS = "rounds.jsonl"
_BEGUN = "begun.json"
_LOCK = "lock"
_REPLACED = re.compile("|".join(map(re.escape, (_STATE, _BEGUN, _ROUNDS))))
_VERSION = 1
_MAX_BEGUN_BYTES = 1 << 28
_MAX_ROUNDS_BYTES = 1 << 36

_IN_THIS_PROCESS: "weakref.WeakValueDictionary[str, Checkpoint]" = weakref.WeakValueDictionary()


class Checkpoint:
    """A folder with the settings and the last state of a run, and the round that was begun last.

    It holds no key and no contribution. The state is replaced whole, and with it the record of the
    last round; those before it stand in a file that only grows, so that a long run costs no more a
    round than a short one. Whatever stops the process, the folder has the state after the last
    whole round, and every number that was ever announced. The folder is locked until the object or
    its process ends.
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
        self._num_lines = 0
        remove_rests(self.path, _REPLACED)
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
        settings, state = checkpoint._read_state()
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
        self._append(state.history.rounds[self._num_lines : -1])
        _write_state(self.path / _STATE, settings, state)

    def close(self) -> None:
        """Let others go on with the run."""
        self._unlock()

    def _read_state(self) -> tuple[Settings, RunState]:
        path = self.path / _ROUNDS
        data = b""
        if path.exists():
            data = read_file(path, max_bytes=_MAX_ROUNDS_BYTES, what="the records of a run")
        lines = data.splitlines(keepends=True)
        settings, state = _read_state(self.path / _STATE, lines)
        self._num_lines = max(0, len(state.history) - 1)
        # A line that was cut off, or came before its state did, is written again with that.
        whole = b"".join(lines[: self._num_lines])
        if data != whole:
            write_file(path, [whole], overwrite=True)
        return settings, state

    def _append(self, records: list[RoundRecord]) -> None:
        """Have the records of rounds that are no more the last on the disk, after those before."""
        if not records:
            return
        lines = [json.dumps(asdict(record)) + "\n" for record in records]
        path = self.path / _ROUNDS
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write("".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync(self.path)
        self._num_lines += len(records)

    def _check_open(self) -> None:
        if not self._unlock.alive:
            raise StoreInUseError(
                f"this run is gone on with by another FedAvg, which was resumed from {self.path}"
            )


def _write_state(path: Path, settings: Settings, state: RunState) -> None:
    rounds = state.history.rounds
    facts = {
        "version": _VERSION,
        "settings": settings.to_facts(),
        "num_rounds": len(rounds),
        "last_round": asdict(rounds[-1]) if rounds else None,
        "interrupted": state.history.interrupted,
        "spending": asdict(state.spending),
        "selector": asdict(state.selector),
        "last_number": state.last_number,
        "chosen": state.chosen,
    }
    arrays = {f"model/{i}": array for i, array in enumerate(state.model)}
    write_arrays(path, facts, {**arrays, "velocity": state.velocity})


def _read_state(path: Path, earlier: list[bytes]) -> tuple[Settings, RunState]:
    """The state in a file, with the records of the rounds before the last."""
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
        num_earlier = max(0, facts["num_rounds"] - 1)
        if len(earlier) < num_earlier:
            raise ValueError(f"of {num_earlier} rounds before the last {len(earlier)} are left")
        rounds = [RoundRecord(**json.loads(line)) for line in earlier[:num_earlier]]
        if facts["last_round"] is not None:
            rounds.append(RoundRecord(**facts["last_round"]))
        if len(rounds) != facts["num_rounds"]:
            raise ValueError("it has another number of rounds than it says")
        history = History(
            rounds=rounds,
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
    except (KeyError, TypeError, ValueError, RecursionError) as error:
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
