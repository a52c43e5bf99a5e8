"""Whether the federation is the one that was meant, and still open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from veilsum.integrations.federation_file import shown
from veilsum.integrations.setup_check.verdict import Status, Verdict, judged
from veilsum.secure_sum import Federation

__all__ = ["check_agreement"]

_SOON_DAYS = 14


def check_agreement(federation: Federation, *, expected_hash: bytes | None) -> Iterator[Verdict]:
    """Its hash, against the one that the dealer told, and its last day."""
    yield _hash(federation, expected_hash)
    yield judged("last day", lambda: _last_day(federation))


def _hash(federation: Federation, expected: bytes | None) -> Verdict:
    facts = {"hash": federation.hash.hex()}
    if expected is None:
        says = f"{shown(federation.hash)}; --hash compares it with what the dealer told"
        return Verdict("federation", Status.OK, says, facts=facts)
    if expected == federation.hash:
        says = f"{shown(federation.hash)}, as the dealer told"
        return Verdict("federation", Status.OK, says, facts=facts)
    return Verdict(
        "federation",
        Status.ERROR,
        f"it is {shown(federation.hash)}, and the dealer told {shown(expected)}",
        "use the federation.veil, or the party's folder, of the federation that was meant",
        facts,
    )


def _last_day(federation: Federation) -> Verdict:
    federation.check_day()
    today = datetime.now(timezone.utc).date()
    num_days = (federation.last_day - today).days
    facts = {"last_day": federation.last_day.isoformat(), "num_days": num_days}
    if num_days >= _SOON_DAYS:
        return Verdict("last day", Status.OK, f"{federation.last_day}", facts=facts)
    return Verdict(
        "last day",
        Status.WARNING,
        f"{federation.last_day}, in {num_days} days",
        "have the dealer renew the federation: veilsum deal --renew",
        facts,
    )
