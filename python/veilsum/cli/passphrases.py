"""Passphrases and machine keys: asked for, read, or made. Never arguments, which others see."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

import typer

from veilsum.durable import made_folder
from veilsum.errors import InvalidArgumentError
from veilsum.machine_key import MachineKey
from veilsum.passphrases import passphrase_bytes, read_passphrase

__all__ = ["known_passphrase", "machine_key_in", "make_passphrase", "new_passphrase"]

_FEWEST_BYTES = 12
# 32 letters and digits that nobody takes for one another; 28 of them are 140 bits.
_ALPHABET = "23456789abcdefghijkmnpqrstuvwxyz"
_GROUPS, _GROUP = 7, 4


def new_passphrase(what: str, file: Path | None) -> bytes | MachineKey:
    """A passphrase for a new file: from a file, or asked for twice.

    Raises:
        InvalidArgumentError: it is too short to keep a file that may be copied.
    """
    passphrase = _from_file(file)
    if passphrase is None:
        text = typer.prompt(
            f"New passphrase for {what}", hide_input=True, confirmation_prompt=True, err=True
        )
        passphrase = passphrase_bytes(str(text))
    if isinstance(passphrase, bytes) and len(passphrase) < _FEWEST_BYTES:
        raise InvalidArgumentError(
            f"the passphrase has {len(passphrase)} bytes; whoever copies the file can try many, so "
            f"it must have at least {_FEWEST_BYTES}, such as five words"
        )
    return passphrase


def known_passphrase(what: str, file: Path | None, *, own: bool = True) -> bytes | MachineKey:
    """The passphrase of a file that there is. ``own``: the party's own, as the environment has."""
    passphrase = _from_file(file, own=own)
    if passphrase is None:
        text = typer.prompt(f"Passphrase of {what}", hide_input=True, err=True)
        passphrase = passphrase_bytes(str(text))
    return passphrase


def machine_key_in(file: Path) -> MachineKey:
    """The machine key in a file, which is made if there is none.

    It stays whatever becomes of the caller: another party may have joined with it meanwhile.
    """
    if not os.path.lexists(file):
        with made_folder(file.parent), suppress(FileExistsError):
            return MachineKey.create(file)
    return MachineKey.load(file)


def make_passphrase() -> str:
    """A random one of 140 bits, that can be read out."""
    return "-".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)
    )


def _from_file(file: Path | None, *, own: bool = True) -> bytes | MachineKey | None:
    if file is None and own:
        named = os.environ.get("VEILSUM_PASSPHRASE_FILE")
        file = Path(named) if named else None
    if file is None:
        return None
    return read_passphrase(file, may_be_pipe=True)
