"""Passphrases as bytes: of a text, or of a file with one line."""

import os

from veilsum import arguments
from veilsum.durable import read_file
from veilsum.errors import InvalidArgumentError, MalformedDataError, PassphraseError

__all__ = ["passphrase_bytes", "read_passphrase"]

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


def read_passphrase(file: str | os.PathLike[str], *, may_be_pipe: bool = False) -> bytes:
    """The one line of a file, without its end.

    Args:
        file: where it is.
        may_be_pipe: for whoever reads it once; a pipe has nothing for a second reader.

    Raises:
        PassphraseError: the file is not one line of at most a kibibyte.
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
    return passphrase
