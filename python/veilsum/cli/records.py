"""Ledgers and parties' folders: what they say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from veilsum.cli.findings import Contents
from veilsum.errors import LedgerError
from veilsum.privacy import Ledger
from veilsum.secure_sum import PartyFolder, RoundLedger

__all__ = ["look_at_folder", "look_at_ledger"]


def look_at_ledger(path: Path, contents: Contents) -> None:
    """Either kind of ledger; LedgerError for another database."""
    try:
        rounds = RoundLedger.open(path)
    except LedgerError:
        ledger = Ledger.open(path)
        contents.facts["kind"] = "privacy ledger"
        contents.facts |= _privacy_facts(ledger)
        return
    contents.facts["kind"] = "round ledger"
    contents.facts["federations"] = [
        {"last_round": last, "federation_hash": name.hex()}
        for name, last in rounds.federations().items()
    ]


def look_at_folder(path: Path, contents: Contents) -> None:
    """A party's folder, its federation checked against its pin."""
    party = PartyFolder(path)
    federation = party.federation
    contents.facts |= {
        "kind": "party's folder",
        "name": party.enrolment.name,
        "fingerprint": party.enrolment.fingerprint,
        "roles": [role.name.lower() for role in party.roles],
        "federation_hash": federation.hash.hex(),
    }
    contents.checked.append("the federation is the one that was pinned, and knows the party")
    for role in party.roles:
        rounds = party.rounds(role)
        last = None if rounds is None else rounds.federations().get(federation.hash)
        contents.facts[f"last_round_as_{role.name.lower()}"] = last
    ledger = party.privacy_ledger
    if ledger is not None:
        contents.facts |= _privacy_facts(ledger)


def _privacy_facts(ledger: Ledger) -> dict[str, Any]:
    (epsilon, delta), spent = ledger.budget, ledger.spent
    return {
        "budget": {"epsilon": epsilon, "delta": delta},
        "spent": {"epsilon": spent.epsilon, "contributions": spent.num_contributions},
        "remaining": {"epsilon": ledger.remaining},
    }
