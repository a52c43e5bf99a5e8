"""``veilsum keygen``: a Paillier key in two files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from veilsum.cli.files import check_absent, check_writable, file_name
from veilsum.cli.passphrases import new_passphrase
from veilsum.cli.terms import check_key_bits
from veilsum.cli.words import grouped, one_line, telling_of
from veilsum.durable import made_folder
from veilsum.paillier.secret_key import SecretKey, generate_key

__all__ = ["clock", "keygen", "make_key"]


def make_key(key_bits: int, *, safe_primes: bool) -> SecretKey:
    """A new key, and on a terminal how long it has taken so far."""
    what = "safe primes: usually seconds, a minute at worst" if safe_primes else "primes"
    with clock(f"Looking for {what}"):
        return generate_key(key_bits, safe_primes=safe_primes)


def keygen(
    name: Annotated[str, typer.Argument(help="The files are NAME.key and NAME.public.")],
    out: Annotated[Path, typer.Option(help="The folder for these files.")] = Path(),
    bits: Annotated[int, typer.Option(help="Size of the key's modulus, in bits.")] = 3072,
    safe_primes: Annotated[
        bool,
        typer.Option(
            "--safe-primes",
            help="Take safe primes, which a key to be shared needs; it takes longer.",
        ),
    ] = False,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the passphrase. If left out, it is asked for.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a Paillier key: a secret key file under a passphrase, and a public key file.

    For one who encrypts and adds with the library itself. Parties of a federation get their key
    from `veilsum deal`.
    """
    with one_line("keygen"):
        secret_path = out / f"{file_name(name)}.key"
        public_path = out / f"{name}.public"
        check_key_bits(bits)
        check_absent(secret_path, public_path)
        check_writable(out)
        passphrase = new_passphrase("the secret key", passphrase_file)
        key = make_key(bits, safe_primes=safe_primes)
        with made_folder(out), ExitStack() as undo:
            key.save(secret_path, passphrase=passphrase)
            undo.callback(secret_path.unlink)
            key.public_key.save(public_path)
            undo.pop_all()
    fingerprint = key.public_key.fingerprint.hex()
    with telling_of(secret_path, public_path):
        if json_output:
            found = {
                "secret_key": str(secret_path),
                "public_key": str(public_path),
                "key_bits": key.public_key.key_bits,
                "fingerprint": fingerprint,
            }
            typer.echo(json.dumps(found, indent=2))
            return
        typer.echo(f"secret key   {secret_path}  (opens everything; keep it, and its passphrase)")
        typer.echo(f"public key   {public_path}  (for everybody who encrypts)")
        typer.echo(f"fingerprint  {grouped(fingerprint)}")


@contextmanager
def clock(words: str) -> Iterator[None]:
    """On a terminal, these words and how long it has taken so far."""
    text = TextColumn("{task.description}", table_column=Column(overflow="fold"))
    columns = (SpinnerColumn(), text, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(words, total=None)
        yield
