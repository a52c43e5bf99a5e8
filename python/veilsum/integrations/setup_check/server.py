"""Whether a server is the aggregator of its federation, and where its run is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from veilsum.errors import ProtocolError
from veilsum.integrations.aggregator_identity import aggregator_identity
from veilsum.integrations.checkpoint import read_checkpoint
from veilsum.integrations.run_folder import RunFolder
from veilsum.integrations.setup_check.agreement import check_agreement
from veilsum.integrations.setup_check.verdict import Status, Verdict, judged
from veilsum.secure_sum import Federation

__all__ = ["check_server"]


def check_server(
    federation: Federation,
    *,
    identity: Path | None,
    passphrase_file: str | os.PathLike[str] | None,
    store: Path | None,
    checkpoint: str,
    expected_hash: bytes | None = None,
) -> Iterator[Verdict]:
    """All that can be said of a server on its own machine. Nothing is announced or changed.

    Args:
        federation: the agreement.
        identity: the server's identity file; None looks at none.
        passphrase_file: with its passphrase or machine key; None for the file that
            ``VEILSUM_PASSPHRASE_FILE`` names.
        store: the run's folder; None looks at none.
        checkpoint: name of the file in it that has the model.
        expected_hash: of the federation, as its dealer told it; None to compare nothing.
    """
    yield _parties(federation)
    yield from check_agreement(federation, expected_hash=expected_hash)
    if identity is not None:
        yield judged("identity", lambda: _identity(federation, identity, passphrase_file))
    if store is not None:
        yield judged("store", lambda: _store(federation, store, checkpoint))


def _parties(federation: Federation) -> Verdict:
    openers = federation.bodies.num_answers
    says = (
        f"{len(federation.contributors)} contributors, {federation.fewest} of them at least in a "
        f"sum; {openers} of {len(federation.openers)} holders open it"
    )
    facts = {
        "contributors": [party.name for party in federation.contributors],
        "holders": [party.name for party in federation.openers],
        "min_contributors": federation.fewest,
        "holders_needed": openers,
    }
    return Verdict("parties", Status.OK, says, facts=facts)


def _identity(
    federation: Federation, identity: Path, passphrase_file: str | os.PathLike[str] | None
) -> Verdict:
    found = aggregator_identity(identity, passphrase_file, federation)
    return Verdict("identity", Status.OK, f"{found.name} is the federation's aggregator")


def _store(federation: Federation, store: Path, checkpoint: str) -> Verdict:
    if not store.exists():
        # RunFolder would make it.
        nearest = next(folder for folder in store.absolute().parents if folder.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            raise ProtocolError(f"{store} is not there, and this user cannot make it")
        return Verdict("store", Status.OK, "not there yet: the first start makes it")
    run = RunFolder(store, federation)
    done = read_checkpoint(store / checkpoint)
    num_done = 0 if done is None else done.num_done
    says, busy = f"{num_done} rounds are done", run.round_in_use()
    facts = {"num_done": num_done, "in_use": busy is not None, "begun": None}
    if busy is not None:
        return Verdict(
            "store",
            Status.WARNING,
            f"{says}; another process works with it, at round {busy}",
            "nothing if that is the run; else end that process before a start",
            facts,
        )
    begun = run.round_begun()
    if begun is not None:
        facts["begun"] = begun
        says += f"; round {begun} was interrupted while it was opened, and the next start ends it"
    return Verdict("store", Status.OK, says, facts=facts)
