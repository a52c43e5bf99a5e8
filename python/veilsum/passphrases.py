"""What opens a file of secrets: a passphrase, or a machine key, in a file of one line."""

import os
from typing import TypeAlias

from veilsum import arguments
from veilsum.durable import read_file
from veilsum.errors import InvalidArgumentError, MalformedDataError, PassphraseError
from veilsum.machine_key import MachineKey, in_line

__all__ = ["Passphrase", "check_passphrase", "passphrase_bytes", "read_passphrase"]

#: What opens a file of secrets: a person's text or bytes, or a machine's key.
Passphrase: TypeAlias = str | bytes | MachineKey

_MAX_BYTES = 1024


def passphrase_bytes(passphrase: str | bytes) -> bytes:
    """What scrypt hashes: a text's UTF-8.

    Raises:
        InvalidArgumentError: a text that has none, with lone surrogates in it.
    """
    arguments.instance("passphrase", passphrase, (str, bytes))
    if isinstance(passphrase, bytes):
        return passphrase
    try:
        return passphrase.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            "the passphrase has lone surrogates, which are not text: bytes that are not UTF-8 may "
            "have been read as text; pass the bytes"
        ) from None


def check_passphrase(passphrase: object) -> None:
    """TypeError unless it may open a file."""
    arguments.instance("passphrase", passphrase, (str, bytes, MachineKey))


def read_passphrase(
    file: str | os.PathLike[str], *, may_be_pipe: bool = False
) -> bytes | MachineKey:
    """The one line of a file, without its end; a machine key, if it is one.

    Args:
        file: where it is.
        may_be_pipe: for whoever reads it once; a pipe has nothing for a second reader.

    Raises:
        PassphraseError: the file is not one line of at most a kibibyte, or a damaged machine key.
        OSError: it cannot be read.
    """
    try:
        data = read_file(
            file, max_bytes=_MAX_BYTES, what="a passphrase's file", may_be_pipe=may_be_pipe
        )
    except MalformedDataError as error:
        raise PassphraseError(f"{error}: it must hold one line, the passphrase") from None
    passphrase = data.removesuffix(b"\n").removesuffix(b"\r")
    if not passphrase or any(c in passphrase for c in b"\n\r\0"):
        raise PassphraseError(f"{os.fspath(file)} must hold one line, the passphrase")
    return in_line(passphrase) or passphrase
