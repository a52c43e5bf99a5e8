"""``veilsum join``: a party checks what the dealer sent, and sets itself up."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from veilsum.arguments import printable
from veilsum.cli.files import (
    check_absent,
    check_readable,
    check_writable,
    read_enrolment,
    read_federation_file,
)
from veilsum.cli.passphrases import known_passphrase, machine_key_in
from veilsum.cli.words import grouped, one_line, parse_hash, telling_of
from veilsum.durable import read_file, write_file
from veilsum.errors import InvalidArgumentError, MalformedDataError, PolicyRefusedError
from veilsum.identity import Enrolment, Identity, Role
from veilsum.paillier.secret_key import SecretKey
from veilsum.privacy import Ledger
from veilsum.secure_sum import Federation, KeyShare, PartyFolder
from veilsum.wire import WireKind, wire_kind

__all__ = ["join"]

_MAX_SECRET_BYTES = 1 << 19
_MAX_MARK_BYTES = 1 << 12


def join(
    federation: Annotated[Path, typer.Argument(help="The dealer's file for all parties.")],
    identity: Annotated[
        Path | None, typer.Option(help="The party's identity file, made by `veilsum enrol`.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The party's folder to make; nothing may be there yet.")
    ] = None,
    hash_text: Annotated[
        str | None,
        typer.Option("--hash", help="The hash of the federation, as the dealer told it."),
    ] = None,
    dealer: Annotated[
        Path | None,
        typer.Option(
            help="The enrolment of a dealer who is known already, instead of --hash or with it: "
            "the party then accepts its renewals."
        ),
    ] = None,
    renew: Annotated[
        Path | None,
        typer.Option(
            help="Instead of all others: the folder of a party that has pinned the dealer, to go "
            "on with a renewal. It needs no passphrase."
        ),
    ] = None,
    share: Annotated[
        Path | None, typer.Option(help="The dealer's .share or .key file for this party.")
    ] = None,
    privacy_ledger: Annotated[
        Path | None,
        typer.Option(
            help="Go on with this ledger: the data have contributed before, and spent from it."
        ),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the passphrase of the party's identity.")
    ] = None,
    share_passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the passphrase that the dealer gave.")
    ] = None,
    machine_key: Annotated[
        Path | None,
        typer.Option(
            help="Seal the folder under the random key in this file, made if there is none, and "
            "not under the identity's passphrase: for a node where nobody types. Name the file by "
            "VEILSUM_PASSPHRASE_FILE where the party runs."
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Join a federation: check and pin it, make the ledgers, take the share into the own keeping.

    Once for each key: a second folder would not know what the first has answered.
    """
    if renew is not None:
        others = (identity, out, hash_text, dealer, share, privacy_ledger, machine_key)
        _renew(federation, renew, alone=not any(others), json_output=json_output)
        return
    with one_line("join"):
        if identity is None or out is None:
            raise InvalidArgumentError(
                "give --identity, the party's identity file, and --out, the folder to make; or "
                "--renew with the folder of a party that has joined"
            )
        check_absent(out)
        if hash_text is None and dealer is None:
            raise InvalidArgumentError(
                "pin the federation: by --hash, as the dealer told it, by --dealer, the enrolment "
                "of a dealer who is known already, or by both"
            )
        expected = None if hash_text is None else parse_hash(hash_text)
        known = None if dealer is None else read_enrolment(dealer)
        signed = read_federation_file(federation)
        # Before anybody is asked for a passphrase.
        pinned = Federation.from_signed(signed, expected_hash=expected, dealer=known)
        check_readable(identity, *filter(None, [share]))
        check_writable(out, identity.resolve().parent)
        if machine_key is not None:
            if out.resolve() in machine_key.resolve().parents:
                raise InvalidArgumentError(
                    f"--machine-key {machine_key} would lie in the folder that it opens, and "
                    "travel with every copy of it: name a file elsewhere"
                )
            check_writable(machine_key.resolve().parent)
        passphrase = known_passphrase("the identity", passphrase_file)
        own = Identity.load(identity, passphrase=passphrase)
        key = None if share is None else _load(share, share_passphrase_file)
        with _once(identity, pinned, Federation.dealer_named_in(signed)):
            if machine_key is not None:
                passphrase = machine_key_in(machine_key)
            party = PartyFolder.create(
                out,
                signed,
                identity=own,
                passphrase=passphrase,
                expected_hash=pinned.hash,
                dealer=known,
                key=key,
                privacy_ledger=privacy_ledger,
            )
        ledger = party.privacy_ledger
    with telling_of(party.path):
        if json_output:
            typer.echo(json.dumps(_as_json(party, ledger), indent=2))
        else:
            dealt_by = Federation.dealer_named_in(signed)
            _report(party, ledger, dealt_by, has_share=share is not None, machine_key=machine_key)


def _renew(federation: Path, folder: Path, *, alone: bool, json_output: bool) -> None:
    """Go on with a renewal in the folder that there is."""
    with one_line("join"):
        if not alone:
            raise InvalidArgumentError("--renew takes the folder alone: leave other options out")
        party = PartyFolder(folder).renew(read_federation_file(federation))
        ledger = party.privacy_ledger
    with telling_of(party.path):
        if json_output:
            typer.echo(json.dumps(_as_json(party, ledger), indent=2))
            return
        agreed = party.federation
        typer.echo(f"party        {printable(party.enrolment.name)}")
        typer.echo(f"federation   {grouped(agreed.hash.hex())}")
        typer.echo(f"serial       {agreed.serial}, last day {agreed.last_day}")
        typer.echo(f"folder       {party.path}")


@contextmanager
def _once(identity: Path, federation: Federation, dealer: Enrolment) -> Iterator[None]:
    """A mark beside the identity: a second folder would not know what the first has answered.

    It is for the key, not the federation: two agreements on one key would open two sums of a round.
    The marks also know the highest serial number of each dealer: an older agreement is refused.
    """
    key = federation.public_key.fingerprint[:8].hex()
    file = Path(os.path.realpath(identity))  # By whatever links it was reached.
    mark = file.with_name(f"{file.name}.joined-{key}")
    newest = max(_serials(file, dealer), default=0)
    try:
        write_file(mark, [f"{dealer.fingerprint} {federation.serial}\n".encode()])
    except FileExistsError:
        raise PolicyRefusedError(
            f"the mark {mark} says that this identity has joined a federation with this key "
            "already. A second folder would not know what the first one has answered; a new "
            "federation has a new key. Remove the mark only if joining was broken off and there is "
            "no folder"
        ) from None
    try:
        if federation.serial < newest:
            raise PolicyRefusedError(
                f"the federation has the serial number {federation.serial}, and this identity has "
                f"joined one of the same dealer with {newest}: it is an older agreement. Ask the "
                "dealer for the newest, or for one with a higher number (veilsum deal --serial)"
            )
        yield
    except BaseException:
        mark.unlink(missing_ok=True)
        raise


def _serials(identity: Path, dealer: Enrolment) -> list[int]:
    """The serial numbers of what this identity has joined of a dealer."""
    found = []
    for mark in identity.parent.glob(f"{glob.escape(identity.name)}.joined-*"):
        try:
            words = read_file(mark, max_bytes=_MAX_MARK_BYTES, what="a mark").decode().split()
        except (OSError, ValueError):
            continue  # Not written by this command.
        if len(words) == 2 and words[0] == dealer.fingerprint and words[1].isdecimal():
            found.append(int(words[1]))
    return found


def _load(path: Path, passphrase_file: Path | None) -> KeyShare | SecretKey:
    kind = wire_kind(read_file(path, max_bytes=_MAX_SECRET_BYTES, what="a secret's file"))
    if kind not in (WireKind.SHARE_FILE, WireKind.KEY_FILE):
        raise MalformedDataError(f"{path} is neither a .share nor a .key file")
    passphrase = known_passphrase("the dealer's file", passphrase_file, own=False)
    if kind is WireKind.SHARE_FILE:
        return KeyShare.load(path, passphrase=passphrase)
    return SecretKey.load(path, passphrase=passphrase)


def _report(
    party: PartyFolder,
    ledger: Ledger | None,
    dealer: Enrolment,
    *,
    has_share: bool,
    machine_key: Path | None,
) -> None:
    roles = " and ".join(role.name.lower() for role in party.roles)
    typer.echo(f"party        {printable(party.enrolment.name)}, {roles}")
    typer.echo(f"federation   {grouped(party.federation.hash.hex())}")
    typer.echo(f"dealt by     {printable(dealer.name)}, {grouped(dealer.fingerprint)}")
    typer.echo(f"folder       {party.path}")
    if ledger is not None:
        epsilon, delta = ledger.budget
        spent = ledger.spent
        typer.echo(
            f"privacy      epsilon {spent.epsilon:.4g} of {epsilon:g} at delta {delta:g} spent, "
            f"in {spent.num_contributions} contributions"
        )
    typer.echo("\nNext")
    if has_share:
        typer.echo(
            "  - Erase the dealer's file and its passphrase: the share is in the folder now."
        )
    typer.echo("  - Keep the folder where no backup restores it: its ledgers must never grow old.")
    if machine_key is not None:
        typer.echo(
            f"  - {machine_key} opens the folder: whoever reads both has what is in it. Keep it "
            "where\n    no copy or backup of the folder takes it, and set VEILSUM_PASSPHRASE_FILE "
            "to it."
        )
    opened_by = "..." if machine_key is None else f"MachineKey.load({str(machine_key)!r})"
    for role in party.roles:
        maker = "contributor" if role is Role.CONTRIBUTOR else "key_holder"
        typer.echo(
            f"  - In Python: PartyFolder({str(party.path)!r}).{maker}(passphrase={opened_by})"
        )


def _as_json(party: PartyFolder, ledger: Ledger | None) -> dict[str, Any]:
    return {
        "name": party.enrolment.name,
        "roles": [role.name.lower() for role in party.roles],
        "federation": party.federation.hash.hex(),
        "folder": str(party.path),
        "privacy_budget": None if ledger is None else list(ledger.budget),
    }
