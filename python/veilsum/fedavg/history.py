"""What happened in each round: accuracy, time, traffic, privacy, who was left out."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["History", "Meter", "RoundRecord"]


@dataclass
class Meter:
    """Seconds and bytes by phase, while a round runs."""

    seconds: dict[str, float] = field(default_factory=dict)
    num_bytes: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def traffic(self, name: str, size_bytes: int) -> None:
        """Adds bytes to a phase."""
        self.num_bytes[name] = self.num_bytes.get(name, 0) + size_bytes


@dataclass(frozen=True)
class RoundRecord:
    """One round.

    Attributes:
        round_number: from 1.
        num_invited: clients that were asked.
        num_contributors: clients whose updates are in the sum; 0 if the round was abandoned.
        failures: why each other client was left out, by name.
        abandoned: why the model was left as it was; None for a round that counts.
        accuracy: what ``evaluate`` returned, if it was asked in this round.
        seconds: by phase: train, encrypt (clip, noise and encrypt), add, open, step, evaluate.
            Of one process that plays all parties one after another.
        num_bytes: by phase: broadcast (down to clients), contributions (up), opening.
        epsilon_honest_server: spent by the client that spent most, against whoever sees the
            models, even if they know who took part in which round; None without noise.
        epsilon_colluding: the same against the server and all but ``honest_contributors``.
        epsilon_honest_server_sampled: against whoever sees the models and does not know who took
            part, by the random choice of clients. None where nothing is proved: clients that take
            turns, a seed, everyone asked, a client that was asked and is in no sum, or no noise;
            and without the extra ``accounting``.
    """

    round_number: int
    num_invited: int
    num_contributors: int
    failures: dict[str, str]
    abandoned: str | None
    accuracy: float | None
    seconds: dict[str, float]
    num_bytes: dict[str, int]
    epsilon_honest_server: float | None
    epsilon_colluding: float | None
    epsilon_honest_server_sampled: float | None = None


@dataclass
class History:
    """The rounds of a run, in order."""

    rounds: list[RoundRecord] = field(default_factory=list)

    @property
    def accuracies(self) -> list[tuple[int, float]]:
        """``(round number, accuracy)`` of the rounds that were evaluated."""
        return [(r.round_number, r.accuracy) for r in self.rounds if r.accuracy is not None]

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by phase, all rounds together."""
        return _added(record.seconds for record in self.rounds)

    @property
    def num_bytes(self) -> dict[str, int]:
        """Bytes by phase, all rounds together."""
        return _added(record.num_bytes for record in self.rounds)

    def rounds_to(self, accuracy: float) -> int | None:
        """The first round whose accuracy is at least this; None if there is none."""
        return next((number for number, found in self.accuracies if found >= accuracy), None)

    def to_dict(self) -> dict[str, Any]:
        """As plain dicts and lists, ready for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(self.to_dict(), indent=2)


def _added(parts: Iterator[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total
