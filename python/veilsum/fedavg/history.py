"""What happened in each round: accuracy, time, traffic, privacy, who was left out."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, overload

from veilsum import arguments

__all__ = ["History", "Meter", "RoundRecord", "for_json"]


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
        round_number: that the round was announced with, growing; a round that was begun and never
            ended has taken a number too (``History.interrupted``).
        num_invited: clients that were asked.
        num_contributors: clients whose updates are in the sum; 0 if the round was abandoned.
        failures: why each other client was left out, by name.
        abandoned: why the model was left as it was; None for a round that counts.
        accuracy: what ``evaluate`` returned, if it was asked in this round: an accuracy, or a loss.
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
        mean_error_bound: how far rounding can have moved a value of the mean that was applied, in
            model units (``Sum.mean_error_bound``); noise comes on top. None if none was applied.
        noise_per_value: standard deviation of the noise in each value of that mean, in model units;
            None without noise.
        clipped: the part of its values that was clipped at each client that sent, if
            ``report_clipping`` lets the record have it.
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
    mean_error_bound: float | None = None
    noise_per_value: float | None = None
    clipped: dict[str, float] | None = None


@dataclass(repr=False)
class History:
    """The rounds of a run, in order; as a sequence of ``RoundRecord`` too.

    Attributes:
        rounds: those that ended.
        interrupted: numbers of rounds that were begun and never ended. What clients sent in them
            counts in the epsilons of later records.
        lower_is_better: whether ``evaluate`` returns a loss.
    """

    rounds: list[RoundRecord] = field(default_factory=list)
    interrupted: list[int] = field(default_factory=list)
    lower_is_better: bool = False

    def __len__(self) -> int:
        return len(self.rounds)

    @overload
    def __getitem__(self, index: int) -> RoundRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[RoundRecord]: ...
    def __getitem__(self, index: int | slice) -> RoundRecord | list[RoundRecord]:
        return self.rounds[index]

    def __iter__(self) -> Iterator[RoundRecord]:
        return iter(self.rounds)

    def __repr__(self) -> str:
        parts = [f"{len(self.rounds)} rounds"]
        num_abandoned = sum(record.abandoned is not None for record in self.rounds)
        if num_abandoned:
            parts.append(f"{num_abandoned} of them abandoned")
        if self.interrupted:
            parts.append(f"{len(self.interrupted)} more interrupted")
        if self.accuracies:
            parts.append(f"last {self._figure} {self.accuracies[-1][1]:.4g}")
        return f"<History: {', '.join(parts)}>"

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
        """The number of the first round that is at least as good; None if there is none.

        At least this accuracy, or where ``lower_is_better`` at most this loss.

        Raises:
            TypeError: no number.
            InvalidArgumentError: NaN or infinity.
        """
        accuracy = arguments.real("accuracy", accuracy)
        return next(
            (number for number, found in self.accuracies if self.reaches(found, accuracy)), None
        )

    def reaches(self, found: float, goal: float) -> bool:
        """Whether a figure is at least as good as a goal; NaN never is."""
        return found <= goal if self.lower_is_better else found >= goal

    def to_dict(self) -> dict[str, Any]:
        """As plain dicts and lists, ready for JSON, which has no NaN and no infinity: None."""
        plain: dict[str, Any] = for_json(asdict(self))
        return plain

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @property
    def _figure(self) -> str:
        return "loss" if self.lower_is_better else "accuracy"


def for_json(value: Any) -> Any:
    """The same with None for each float that JSON has not: NaN and infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: for_json(part) for name, part in value.items()}
    if isinstance(value, list):
        return [for_json(part) for part in value]
    return value


def _added(parts: Iterator[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total
