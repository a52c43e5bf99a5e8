"""Machine keys: what a program opens its files with, where nobody types a passphrase."""

from __future__ import annotations

import os
import re
from typing import NoReturn

from veilsum import arguments
from veilsum.durable import read_file, write_file
from veilsum.errors import PassphraseError

__all__ = ["MachineKey", "in_line"]

_KEY_BYTES = 32
_BEGINS = b"veilsum-machine-key"
_PREFIX = _BEGINS + b"-1 "
_LINE = re.compile(re.escape(_PREFIX) + rb"([0-9a-f]{64})")
_MAX_FILE_BYTES = 1024


class MachineKey:
    """256 random bits in a file: given where a passphrase is, and the file opens at once.

    A passphrase can be guessed, so scrypt makes each guess cost half a second, and each opening as
    well. Nobody guesses 256 random bits: HKDF makes the file's key of them in microseconds. Who
    can read both files has the secret; keep this one where no backup and no copy of the folder
    takes it, such as a secret store, a TPM's credential, or a memory file system.

    Made by :meth:`create` or :meth:`load`. It shows nothing of itself and cannot be pickled.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(arguments.instance("secret", secret, bytes)) != _KEY_BYTES:
            raise PassphraseError(f"a machine key has {_KEY_BYTES} bytes, not {len(secret)}")
        self._secret = secret

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> MachineKey:
        """Make one, in a new file that only its owner can read.

        Raises:
            FileExistsError: there is something already: what it opens would be lost.
        """
        key = cls(os.urandom(_KEY_BYTES))
        line = _PREFIX + key._secret.hex().encode() + b"\n"
        write_file(arguments.path("path", path), [line])
        return key

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MachineKey:
        """Read a file that :meth:`create` or ``veilsum join --machine-key`` made.

        Raises:
            PassphraseError: it holds something else.
            OSError, MalformedDataError: it cannot be read.
        """
        where = arguments.path("path", path)
        data = read_file(where, max_bytes=_MAX_FILE_BYTES, what="a machine key")
        found = in_line(data.removesuffix(b"\n").removesuffix(b"\r"))
        if found is None:
            raise PassphraseError(
                f"{os.fspath(where)} holds no machine key; `veilsum join --machine-key FILE` makes "
                "one in a new file"
            )
        return found

    def derive(self, *, salt: bytes, label: bytes) -> bytes:
        """32 bytes for one use of the key: HKDF with SHA-256 (RFC 5869)."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), length=_KEY_BYTES, salt=salt, info=label).derive(self._secret)

    def __repr__(self) -> str:
        return "<MachineKey>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a machine key cannot be pickled or copied; it stays in its file")


def in_line(line: bytes) -> MachineKey | None:
    """The machine key in a line, None if it is a line of something else.

    Raises:
        PassphraseError: it begins as one does, and is none.
    """
    if not line.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_BEGINS):
        return None
    found = _LINE.fullmatch(line)
    if found is None:
        raise PassphraseError(
            "this machine key is damaged, or of another version: it is the word "
            "veilsum-machine-key-1, a space and 64 hexadecimal digits"
        )
    return MachineKey(bytes.fromhex(found[1].decode()))
