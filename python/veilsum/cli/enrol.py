"""``veilsum enrol``: a party's identity, and what the dealer needs of it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from veilsum.cli.files import ENROLMENT, IDENTITY, check_absent, check_writable, file_name
from veilsum.cli.passphrases import new_passphrase
from veilsum.cli.words import grouped, one_line, telling_of
from veilsum.durable import made_folder, write_file
from veilsum.identity import Identity

__all__ = ["enrol"]


def enrol(
    name: Annotated[str, typer.Argument(help="The party's name, as all others will see it.")],
    out: Annotated[Path, typer.Option(help="A folder that only the party can read.")],
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the passphrase. If left out: the one that VEILSUM_PASSPHRASE_FILE "
            "names; without that it is asked for."
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make an identity: a secret signing key under a passphrase, and an enrolment for the dealer.

    Contributors, key holders, the aggregator and the dealer all begin with this.
    """
    with one_line("enrol"):
        identity_path = out / f"{file_name(name)}{IDENTITY}"
        enrolment_path = out / f"{name}{ENROLMENT}"
        check_absent(identity_path, enrolment_path)
        check_writable(out)
        passphrase = new_passphrase("the identity", passphrase_file)
        identity = Identity.generate(name)
        enrolment = identity.enrol()
        with made_folder(out), ExitStack() as undo:
            identity.save(identity_path, passphrase=passphrase)
            undo.callback(identity_path.unlink)
            write_file(enrolment_path, [enrolment.to_bytes()], private=False)
            undo.pop_all()
    with telling_of(identity_path, enrolment_path):
        if json_output:
            found = {
                "name": name,
                "identity": str(identity_path),
                "enrolment": str(enrolment_path),
                "fingerprint": enrolment.fingerprint,
            }
            typer.echo(json.dumps(found, indent=2))
            return
        typer.echo(f"identity     {identity_path}  (secret: it stays here, as its passphrase does)")
        typer.echo(f"enrolment    {enrolment_path}  (public: send it to the dealer)")
        typer.echo(f"fingerprint  {grouped(enrolment.fingerprint)}")
        typer.echo("\nWhen the dealer calls, read the fingerprint out. Do not send it.")
