"""Whether a party's folder is whole, opens, and has something left to give."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from veilsum.identity import Role
from veilsum.integrations.setup_check.agreement import check_agreement
from veilsum.integrations.setup_check.verdict import Status, Verdict, judged
from veilsum.integrations.site_party import site_passphrase
from veilsum.machine_key import MachineKey
from veilsum.secure_sum import PartyFolder
from veilsum.secure_sum.round_ledger import RunName

__all__ = ["check_party"]

_ROUND_ID_BYTES = 32


def check_party(
    folder: PartyFolder,
    passphrase_file: str | os.PathLike[str] | None,
    *,
    expected_hash: bytes | None = None,
) -> Iterator[Verdict]:
    """All that can be said of a party on its own machine. Nothing is answered, spent or changed.

    Args:
        folder: of the party.
        passphrase_file: with its passphrase or machine key; None for the file that
            ``VEILSUM_PASSPHRASE_FILE`` names.
        expected_hash: of the federation, as its dealer told it; None to compare nothing.
    """
    yield _roles(folder)
    yield judged("secrets", lambda: _opens(folder, passphrase_file))
    yield judged("privacy of files", lambda: _is_private(folder.path, passphrase_file))
    yield from check_agreement(folder.federation, expected_hash=expected_hash)
    for role in folder.roles:
        yield judged(f"rounds as {role.name.lower()}", partial(_rounds, folder, role))
    yield judged("privacy budget", lambda: _budget(folder))


def _roles(folder: PartyFolder) -> Verdict:
    roles = [role.name.lower() for role in folder.roles]
    says = f"{folder.path} is {folder.enrolment.name}, {' and '.join(roles)}"
    facts = {"folder": str(folder.path), "name": folder.enrolment.name, "roles": roles}
    return Verdict("party", Status.OK, says, facts=facts)


def _opens(folder: PartyFolder, passphrase_file: str | os.PathLike[str] | None) -> Verdict:
    passphrase = site_passphrase(passphrase_file, folder.enrolment.name)
    begin = time.perf_counter()
    if Role.HOLDER in folder.roles:
        folder.key_holder(passphrase=passphrase)
    else:
        folder.identity(passphrase=passphrase)
    seconds = time.perf_counter() - begin
    is_machine_key = isinstance(passphrase, MachineKey)
    facts = {"seconds": seconds, "machine_key": is_machine_key}
    if is_machine_key:
        return Verdict("secrets", Status.OK, f"open in {seconds:.3f} s by a machine key", "", facts)
    return Verdict(
        "secrets",
        Status.WARNING,
        f"open in {seconds:.1f} s under a passphrase, for every message",
        "nothing if that is fast enough; else join the next federation with --machine-key FILE",
        facts,
    )


def _is_private(folder: Path, passphrase_file: str | os.PathLike[str] | None) -> Verdict:
    file = passphrase_file or os.environ.get("VEILSUM_PASSPHRASE_FILE")
    paths = [folder] if file is None else [folder, Path(file)]
    open_paths = [str(path) for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if not open_paths:
        return Verdict("privacy of files", Status.OK, "no other user reads them")
    return Verdict(
        "privacy of files",
        Status.WARNING,
        f"other users of this machine have rights to {', '.join(open_paths)}",
        f"chmod go-rwx {' '.join(open_paths)}",
        {"paths": open_paths},
    )


def _rounds(folder: PartyFolder, role: Role) -> Verdict:
    ledger = folder.rounds(role)
    assert ledger is not None  # The party has this part.
    answered = ledger.answered(RunName.of(folder.federation))
    says = "none answered yet in this federation"
    if answered:
        says = f"{len(answered)} answered in this federation, the last is {max(answered)}"
    facts = {"answered": len(answered), "last": max(answered, default=0)}
    return Verdict(f"rounds as {role.name.lower()}", Status.OK, says, facts=facts)


def _budget(folder: PartyFolder) -> Verdict:
    ledger, federation = folder.privacy_ledger, folder.federation
    if ledger is None or federation.noise is None:
        says = "no noise is agreed on, so nothing is spent"
        if Role.CONTRIBUTOR not in folder.roles:
            says = "this party does not contribute, so it spends nothing"
        return Verdict("privacy budget", Status.OK, says)
    # A round that never was: only asked about, never charged.
    ledger.check(
        secrets.token_bytes(_ROUND_ID_BYTES), noise=federation.noise, codec=federation.codec
    )
    (epsilon, delta), spent = ledger.budget, ledger.spent
    says = (
        f"epsilon {spent.epsilon:.4g} of {epsilon:.4g} (delta {delta:g}) is spent by "
        f"{spent.num_contributions} contributions; the next one can be paid"
    )
    facts = {
        "epsilon": epsilon,
        "delta": delta,
        "spent": spent.epsilon,
        "remaining": ledger.remaining,
        "contributions": spent.num_contributions,
    }
    return Verdict("privacy budget", Status.OK, says, facts=facts)
