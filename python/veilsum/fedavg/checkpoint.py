"""Where a run is kept on the disk, so that another process goes on with it."""

import hashlib
import json
import os
import re
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from veilsum import arguments
from veilsum.arrays_file import read_arrays, write_arrays
from veilsum.durable import lock_file, new_folder, read_file, remove_rests, sync
from veilsum.errors import MalformedDataError, StoreInUseError
from veilsum.fedavg.clients import SelectorState
from veilsum.fedavg.history import History, RoundRecord
from veilsum.fedavg.settings import Settings
from veilsum.fedavg.spending import Spending
from veilsum.fedavg.state import Attempt, RunState

__all__ = ["Checkpoint"]

_STATE = "state"
_ROUNDS = "rounds.jsonl"
_BEGUN = "begun"
_LOCK = "lock"
_REPLACED = re.compile("|".join(map(re.escape, (_STATE, _BEGUN, _ROUNDS))))
_VERSION = 1
_MAX_ROUNDS_BYTES = 1 << 36

_IN_THIS_PROCESS: "weakref.WeakValueDictionary[str, Checkpoint]" = weakref.WeakValueDictionary()


@dataclass(frozen=True)
class _Records:
    """What the file of records begins with; whatever follows was never counted.

    Attributes:
        num_rounds: of the run, all but the last.
        num_bytes: their lines.
        digest: SHA-256 of these, to go on from.
    """

    num_rounds: int = 0
    num_bytes: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def followed_by(self, records: Sequence[RoundRecord]) -> "tuple[bytes, _Records]":
        """The lines of further rounds, and what the file begins with then."""
        lines = "".join(json.dumps(asdict(record)) + "\n" for record in records).encode()
        digest = self.digest.copy()
        digest.update(lines)
        after = _Records(self.num_rounds + len(records), self.num_bytes + len(lines), digest)
        return lines, after

    def to_facts(self) -> dict[str, Any]:
        return {"num_bytes": self.num_bytes, "sha256": self.digest.hexdigest()}


class Checkpoint:
    """A folder with the settings and the last state of a run, and the round that was begun last.

    It holds no key and no contribution. The state is replaced whole, and with it the record of the
    last round; those before it stand in a file that only grows, so that a long run costs no more a
    round than a short one. Whatever stops the process, the folder has the state after the last
    whole round, and every number that was ever announced. All of it is read only if it is
    undamaged. The folder is locked until the object or its process ends; a process that was forked
    from it is another one.
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
        self._process = os.getpid()
        self._records = _Records()
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
                _write_state(staged / _STATE, settings, state, _Records())
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
        write_arrays(self.path / _BEGUN, facts, {})

    def save(self, settings: Settings, state: RunState) -> None:
        """Have this state, on the disk, in the place of the last one."""
        self._check_open()
        self._append(state.history.rounds[self._records.num_rounds : -1])
        _write_state(self.path / _STATE, settings, state, self._records)

    def close(self) -> None:
        """Let others go on with the run."""
        self._unlock()

    def _read_state(self) -> tuple[Settings, RunState]:
        path = self.path / _ROUNDS
        data = b""
        if path.exists():
            data = read_file(path, max_bytes=_MAX_ROUNDS_BYTES, what="the records of a run")
        settings, state, num_bytes = _read_state(self.path / _STATE, data)
        num_rounds = max(0, len(state.history) - 1)
        self._records = _Records(num_rounds, num_bytes, hashlib.sha256(data[:num_bytes]))
        return settings, state

    def _append(self, records: list[RoundRecord]) -> None:
        """Have the records of rounds that are no more the last on the disk, after those before.

        What a call that was stopped left there is written over: until the state counts it, it was
        never written.
        """
        if not records:
            return
        lines, after = self._records.followed_by(records)
        path = self.path / _ROUNDS
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.truncate(self._records.num_bytes)
            file.seek(self._records.num_bytes)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync(self.path)
        self._records = after

    def _check_open(self) -> None:
        if self._process != os.getpid():
            raise StoreInUseError(
                f"{self.path} is in use by the process that this one was forked from; only that "
                "one goes on with the run"
            )
        if not self._unlock.alive:
            raise StoreInUseError(
                f"this run is gone on with by another FedAvg, which was resumed from {self.path}"
            )


def _write_state(path: Path, settings: Settings, state: RunState, records: _Records) -> None:
    rounds = state.history.rounds
    facts = {
        "version": _VERSION,
        "settings": settings.to_facts(),
        "num_clients": state.num_clients,
        "num_rounds": len(rounds),
        "records": records.to_facts(),
        "last_round": asdict(rounds[-1]) if rounds else None,
        "interrupted": state.history.interrupted,
        "spending": asdict(state.spending),
        "selector": asdict(state.selector),
        "last_number": state.last_number,
        "chosen": state.chosen,
    }
    arrays = {f"model/{i}": array for i, array in enumerate(state.model)}
    write_arrays(path, facts, {**arrays, "velocity": state.velocity})


def _read_state(path: Path, data: bytes) -> tuple[Settings, RunState, int]:
    """The state in a file, with the records of the rounds before the last, and their bytes."""
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
        num_bytes = facts["records"]["num_bytes"]
        earlier = data[:num_bytes]
        if hashlib.sha256(earlier).hexdigest() != facts["records"]["sha256"]:
            raise ValueError(f"the records in {_ROUNDS} beside it are not what was written")
        rounds = [RoundRecord(**json.loads(line)) for line in earlier.splitlines()]
        if facts["last_round"] is not None:
            rounds.append(RoundRecord(**facts["last_round"]))
        if len(rounds) != facts["num_rounds"]:
            raise ValueError("it has another number of rounds than it says")
        history = History(
            rounds=rounds,
            interrupted=[int(number) for number in facts["interrupted"]],
            lower_is_better=settings.lower_is_better,
        )
        state = RunState(
            num_clients=int(facts["num_clients"]),
            model=model,
            velocity=velocity,
            history=history,
            selector=_selector(facts["selector"]),
            spending=Spending(**facts["spending"]),
            last_number=int(facts["last_number"]),
            chosen=None if facts["chosen"] is None else tuple(facts["chosen"]),
        )
        return settings, state, num_bytes
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedDataError(f"{path} is damaged: {error}") from None


def _read_begun(path: Path) -> Attempt | None:
    try:
        facts, _ = read_arrays(path)
    except FileNotFoundError:
        return None
    try:
        return Attempt(
            number=int(facts["number"]),
            round_id=bytes.fromhex(facts["round_id"]),
            invited=tuple(map(str, facts["invited"])),
            asked=tuple(map(str, facts["asked"])),
            selector=_selector(facts["selector"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MalformedDataError(f"{path} is damaged: {error}") from None


def _selector(facts: Mapping[str, Any]) -> SelectorState:
    return SelectorState(facts["generator"], tuple(facts["waiting"]))
