"""What was measured of rounds: plain data that goes to tables, charts, documents and JSON alike."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from peers.results import Run

from rounds.clock import Account

FORMAT = 1


@dataclass
class Phase:
    """Processor seconds of one phase: a sample for each time it was measured.

    ``factor`` is how many times that one party does it in the round that is reported, where fewer
    were measured.
    """

    samples: list[float]
    factor: float = 1.0

    @property
    def seconds(self) -> float:
        """Of one party, in the whole round."""
        return self.factor * statistics.median(self.samples)


@dataclass
class Party:
    """Everyone in one role: seconds of one of them by phase, and the bytes it gets and sends."""

    role: str
    count: int
    phases: dict[str, Phase] = field(default_factory=dict)
    received: float = 0.0
    sent: float = 0.0

    @property
    def seconds(self) -> float:
        """Of one of them, in the whole round."""
        return sum(phase.seconds for phase in self.phases.values())

    def add(
        self,
        accounts: Sequence[Account],
        *,
        factor: float = 1.0,
        factors: Mapping[str, float] | None = None,
    ) -> None:
        """Take what was measured of a part of the round, once for each account.

        Args:
            accounts: of parties, or of messages, that are alike.
            factor: how many times as much the round has of it, seconds and bytes.
            factors: other factors, of the seconds of some phases.
        """
        names = dict.fromkeys(name for account in accounts for name in account.seconds)
        for name in names:
            if name in self.phases:
                raise ValueError(f"{self.role}: {name} is measured twice")
            samples = [account.seconds.get(name, 0.0) for account in accounts]
            self.phases[name] = Phase(samples, (factors or {}).get(name, factor))
        self.received += factor * statistics.median(account.received for account in accounts)
        self.sent += factor * statistics.median(account.sent for account in accounts)


@dataclass
class Method:
    """One way to sum: who did what for how long. ``key_bits`` is 0 where there is no such key."""

    name: str
    key_bits: int
    parties: list[Party]
    num_measured: int  # Contributors that were played; the others are like them.
    max_error: float  # Of the opened sum, in model units.
    facts: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def party(self, role: str) -> Party:
        """Those in this role; KeyError if there are none."""
        return {party.role: party for party in self.parties}[role]


@dataclass
class Power:
    """The yardstick of partial decryption: gmpy2's power of one ciphertext."""

    key_bits: int
    samples: list[float]  # Seconds of one power.
    num_ciphertexts: int  # That one holder opens.

    @property
    def seconds(self) -> float:
        """Of a loop over all ciphertexts that a holder opens."""
        return self.num_ciphertexts * statistics.median(self.samples)


@dataclass
class Point:
    """One method at one size, for the plot of scale."""

    method: str
    dim: int
    num_contributors: int
    seconds: dict[str, float]  # Of one party, by role.
    sent: dict[str, float]
    received: dict[str, float]


@dataclass
class Results(Run):
    """Everything that one run found."""

    methods: list[Method] = field(default_factory=list)
    powers: list[Power] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def with_key(self, key_bits: int, *, shared: bool) -> Method:
        """The one whose key of this size is shared among holders, or in one hand."""
        return next(
            method
            for method in self.methods
            if method.key_bits == key_bits and (method.party("holder").count > 1) == shared
        )

    def power(self, key_bits: int) -> Power:
        """The yardstick for keys of this size."""
        return next(power for power in self.powers if power.key_bits == key_bits)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"format": FORMAT, **asdict(self)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Results:
        """What ``to_dict`` gave; ValueError of another format."""
        if data.get("format") != FORMAT:
            raise ValueError(f"format {data.get('format')} is not {FORMAT}")
        return Results(
            machine=data["machine"],
            settings=data["settings"],
            methods=[_method(method) for method in data["methods"]],
            powers=[Power(**power) for power in data["powers"]],
            points=[Point(**point) for point in data["points"]],
            missing=data["missing"],
        )


def party_from(role: str, count: int, parts: Iterable[Mapping[str, Any]]) -> Party:
    """A party of what a worker in another process measured."""
    party = Party(role, count)
    for part in parts:
        accounts = [Account(**account) for account in part["accounts"]]
        party.add(accounts, factor=part.get("factor", 1.0))
    return party


def _method(data: Mapping[str, Any]) -> Method:
    parties = [
        Party(**{**party, "phases": {n: Phase(**phase) for n, phase in party["phases"].items()}})
        for party in data["parties"]
    ]
    return Method(**{**data, "parties": parties})
