"""The records of whole rounds: methods, their parties, and the phases of each.

A phase has samples of seconds of the processor, one for each time it was measured, and a factor:
how many times one party does it in the round that is reported, where fewer were measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from bench.clock import Account
from bench.records import Record, Run


def new_party(role: str, count: int, parts: Iterable[Mapping[str, Any]] = ()) -> Record:
    """Everyone in one role, from parts as a worker in another process measured them."""
    party = {"role": role, "count": count, "phases": {}, "received": 0.0, "sent": 0.0}
    for part in parts:
        accounts = [Account(**account) for account in part["accounts"]]
        take(party, accounts, factor=part.get("factor", 1.0))
    return party


def take(
    party: Record,
    accounts: Sequence[Account],
    *,
    factor: float = 1.0,
    factors: Mapping[str, float] | None = None,
) -> None:
    """Take what was measured of a part of the round, once for each account.

    Args:
        party: gets it.
        accounts: of parties, or of messages, that are alike.
        factor: how many times as much the round has of it, seconds and bytes.
        factors: other factors, of the seconds of some phases.
    """
    for name in dict.fromkeys(name for account in accounts for name in account.seconds):
        if name in party["phases"]:
            raise ValueError(f"{party['role']}: {name} is measured twice")
        samples = [account.seconds.get(name, 0.0) for account in accounts]
        party["phases"][name] = {
            "samples": samples,
            "factor": (factors or {}).get(name, factor),
        }
    for way in ("received", "sent"):
        party[way] += factor * median(getattr(account, way) for account in accounts)


def seconds(party: Record, names: Iterable[str] | None = None) -> float:
    """Of one party in the whole round: of all phases, or of some."""
    return sum(
        phase["factor"] * median(phase["samples"])
        for name, phase in party["phases"].items()
        if names is None or name in names
    )


def party_of(method: Record, role: str) -> Record:
    """Those in this role; KeyError if there are none."""
    return {party["role"]: party for party in method["parties"]}[role]


def packed_under_shares(run: Run, key_bits: int) -> Record:
    """The method whose holders of shares open packed vectors, with a key of this size."""
    methods = run.all("methods", key_bits=key_bits)
    return next(one for one in methods if _is_shared(one) and scheme_of(one) == "packed")


def under_one_key(run: Run, key_bits: int) -> Record:
    """The method whose key of this size is in one hand."""
    return next(one for one in run.all("methods", key_bits=key_bits) if not _is_shared(one))


def scheme_of(method: Record) -> str:
    """How its contributions travel; results that do not say it are older than masked ones."""
    return str(method["facts"].get("scheme", "packed"))


def _is_shared(method: Record) -> bool:
    return bool(party_of(method, "holder")["count"] > 1)


def seconds_of_powers(power: Record) -> float:
    """Of a loop over all ciphertexts that a holder opens."""
    return power["num_ciphertexts"] * median(power["samples"])


def method_name(method: Record) -> str:
    """With its key size, or its version."""
    if method["key_bits"]:
        return f"{method['name']}, {method['key_bits']} bits"
    version = next(iter(method["versions"].values()), "")
    return f"{method['name']} ({version})" if version else str(method["name"])
