"""Secrets at rest: scrypt, or HKDF of a machine key, and AES-256-GCM over one framed message.

Layout: docs/wire-format.md, sections 4, 11 and 14. The header with the public key in it is
authenticated: none of it can be swapped. ``cryptography`` is imported with the first file: most
who import this module need no more than the classes.
"""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, NoReturn, TypeVar

from veilsum import arguments
from veilsum.durable import read_file, write_file
from veilsum.errors import (
    InvalidArgumentError,
    MalformedDataError,
    PassphraseError,
)
from veilsum.machine_key import MachineKey
from veilsum.message import Form, Part, fixed, framed, rest, u8, u32
from veilsum.passphrases import Passphrase, check_passphrase, passphrase_bytes
from veilsum.wire import WireKind

__all__ = ["FORMS", "SavedSecret", "open_sealed", "public_part", "read", "seal", "wipe"]

S = TypeVar("S", bound="SavedSecret")

_LABELS = {
    WireKind.KEY_FILE: b"veilsum/key-file/1",
    WireKind.SHARE_FILE: b"veilsum/share-file/1",
    WireKind.IDENTITY_FILE: b"veilsum/identity-file/1",
}
_NAMES = {
    WireKind.KEY_FILE: "a key file",
    WireKind.SHARE_FILE: "a share file",
    WireKind.IDENTITY_FILE: "an identity file",
}
_MAX_FILE_BYTES = {
    WireKind.KEY_FILE: 1 << 16,
    WireKind.SHARE_FILE: 1 << 19,
    WireKind.IDENTITY_FILE: 1 << 16,
}
_SALT_BYTES = 16
_NONCE_BYTES = 12
_KEY_BYTES = 32
_TAG_BYTES = 16

# New files under a passphrase: 128 MiB and about half a second.
_LOG2_COST = 17
_LEAST_LOG2_COST = 14
_BLOCK_SIZE = 8
_PARALLELISM = 1
_BY_MACHINE_KEY = (0, 0, 0)  # In the place of scrypt's parameters.


def seal(
    secret: bytes | bytearray,
    public: bytes,
    passphrase: Passphrase,
    kind: WireKind = WireKind.KEY_FILE,
) -> bytes:
    """Encrypt ``secret`` under the passphrase, bound to the public key's wire bytes.

    No copy of it is left behind: the caller wipes its own.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    check_passphrase(passphrase)
    by_machine = isinstance(passphrase, MachineKey)
    scrypt = _BY_MACHINE_KEY if by_machine else (_LOG2_COST, _BLOCK_SIZE, _PARALLELISM)
    file = _SealedFile(
        log2_cost=scrypt[0],
        block_size=scrypt[1],
        parallelism=scrypt[2],
        salt=os.urandom(_SALT_BYTES),
        nonce=os.urandom(_NONCE_BYTES),
        public=public,
        sealed=b"",
    )
    cipher = AESGCM(file.derive_key(passphrase, kind))
    sealed = cipher.encrypt(file.nonce, secret, file.associated_data(kind))
    return FORMS[kind].write(replace(file, sealed=sealed))


def open_sealed(
    data: bytes, passphrase: Passphrase, kind: WireKind = WireKind.KEY_FILE
) -> tuple[bytearray, bytes]:
    """The secret, which the caller wipes, and the public key's wire bytes of a file."""
    from cryptography.exceptions import InvalidTag

    file = _SealedFile(**FORMS[kind].read(data))
    key = file.derive_key(passphrase, kind)
    try:
        secret = _decrypt(key, file.nonce, file.sealed, file.associated_data(kind))
    except InvalidTag:
        raise PassphraseError(
            f"the {_kind_of(passphrase)} does not open this file, or the file was changed"
        ) from None
    return secret, file.public


def wipe(secret: bytearray) -> None:
    """Overwrite a secret that is not needed any more."""
    secret[:] = bytes(len(secret))


def _decrypt(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytearray:
    """As AESGCM.decrypt, which returns bytes that nobody can wipe."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if len(sealed) < _TAG_BYTES:
        raise InvalidTag
    body, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
    decryptor = Cipher(algorithms.AES(key), modes.GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(associated)
    secret = bytearray(len(body) + _TAG_BYTES)  # It asks for room for a block more.
    try:
        decryptor.update_into(body, secret)
        decryptor.finalize()
    except BaseException:
        wipe(secret)
        raise
    del secret[len(body) :]
    return secret


def public_part(data: bytes, kind: WireKind = WireKind.KEY_FILE) -> bytes:
    """What a file says without its passphrase: the public key's wire bytes, not authenticated."""
    return _SealedFile(**FORMS[kind].read(data)).public


def _write(path: object, data: bytes, *, overwrite: object) -> None:
    try:
        write_file(
            arguments.path("path", path), [data], overwrite=arguments.flag("overwrite", overwrite)
        )
    except FileExistsError as error:
        raise FileExistsError(f"{error}: pass overwrite=True to replace the key in it") from None


def read(path: object, kind: WireKind = WireKind.KEY_FILE) -> bytes:
    """The file's bytes, if it is no longer than a file of its kind can be."""
    return read_file(
        arguments.path("path", path), max_bytes=_MAX_FILE_BYTES[kind], what=_NAMES[kind]
    )


class SavedSecret(ABC):
    """A secret that leaves the process in a file which a passphrase opens, and in no other way."""

    __slots__ = ()
    SUFFIX: ClassVar[str]
    """Of the names of its files."""
    _KIND: ClassVar[WireKind]
    _WHAT: ClassVar[str]

    @abstractmethod
    def _to_secret(self) -> bytearray:
        """The secret part, which the caller wipes; InvalidArgumentError if no reader takes it."""

    @abstractmethod
    def _to_public(self) -> bytes:
        """The public part."""

    @classmethod
    @abstractmethod
    def _from_parts(cls: type[S], secret: bytearray, public: bytes) -> S:
        """From both parts of a file; InvalidKeyError if they do not belong together."""

    def save(
        self, path: str | os.PathLike[str], *, passphrase: Passphrase, overwrite: bool = False
    ) -> None:
        """Write it to a file that only the passphrase opens (scrypt and AES-256-GCM).

        In its place a :class:`MachineKey` makes a file that this machine opens at once.

        The file appears whole or not at all, readable by its owner only. A symbolic link that is
        overwritten stays a link: the file that it names is replaced.

        Raises:
            FileExistsError: there is such a file and ``overwrite`` is not set.
            InvalidArgumentError: an empty passphrase or one that is no text, or a key of
                ``hazmat`` that is too small for any reader to accept.
        """
        secret = self._to_secret()
        try:
            data = seal(secret, self._to_public(), passphrase, self._KIND)
        finally:
            wipe(secret)
        _write(path, data, overwrite=overwrite)

    @classmethod
    def load(cls: type[S], path: str | os.PathLike[str], *, passphrase: Passphrase) -> S:
        """Read what ``save`` wrote.

        Raises:
            PassphraseError: the passphrase or machine key is another one, a file of the one kind
                was given the other, or the file was changed.
            MalformedDataError: the file is of another kind.
            InvalidKeyError: the two halves in the file do not belong together.
        """
        secret, public = open_sealed(read(path, cls._KIND), passphrase, cls._KIND)
        try:
            return cls._from_parts(secret, public)
        finally:
            wipe(secret)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self._WHAT} cannot be pickled or copied; use save(path, passphrase=...)")


@dataclass(frozen=True)
class _SealedFile(Part):
    """What is in a file; all that comes before the sealed secret is authenticated."""

    # At most 1 GiB, so that a file cannot exhaust memory.
    log2_cost: Annotated[int, u8("log2 of scrypt's N, 14 or more; 17 is written; or 0", at_most=20)]
    block_size: Annotated[int, u8("scrypt's r, 8; or 0", at_most=_BLOCK_SIZE)]
    parallelism: Annotated[int, u8("scrypt's p, 1 or more; 1 is written; or 0", at_most=4)]
    salt: Annotated[bytes, fixed(_SALT_BYTES, "random")]
    nonce: Annotated[bytes, fixed(_NONCE_BYTES, "random")]
    public: Annotated[bytes, framed(None, "of kind 1, 10 or 15 in kind 4, 11 or 14", length=u32)]
    sealed: Annotated[bytes, rest("AES-256-GCM: the secret, and the tag")]

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
            if self._scrypt != _BY_MACHINE_KEY:
                arguments.count("log2_cost", self.log2_cost, at_least=_LEAST_LOG2_COST)
                arguments.count("block_size", self.block_size, at_least=_BLOCK_SIZE)
                arguments.count("parallelism", self.parallelism, at_least=1)
        except InvalidArgumentError as error:
            raise MalformedDataError(
                f"KF1: the file asks for scrypt parameters that are not allowed: {error}"
            ) from error

    def derive_key(self, passphrase: Passphrase, kind: WireKind) -> bytes:
        check_passphrase(passphrase)
        if isinstance(passphrase, MachineKey) != (self._scrypt == _BY_MACHINE_KEY):
            needed = "a machine key" if self._scrypt == _BY_MACHINE_KEY else "a passphrase"
            raise PassphraseError(
                f"KF7: {needed} opens this file, and a {_kind_of(passphrase)} was given"
            )
        if isinstance(passphrase, MachineKey):
            return passphrase.derive(salt=self.salt, label=_LABELS[kind])
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        passphrase = passphrase_bytes(passphrase)
        if not passphrase:
            raise InvalidArgumentError("the passphrase is empty; a file of secrets needs one")
        kdf = Scrypt(
            self.salt,
            length=_KEY_BYTES,
            n=1 << self.log2_cost,
            r=self.block_size,
            p=self.parallelism,
        )
        return kdf.derive(passphrase)

    @property
    def _scrypt(self) -> tuple[int, int, int]:
        return self.log2_cost, self.block_size, self.parallelism

    def associated_data(self, kind: WireKind) -> bytes:
        return _LABELS[kind] + replace(self, sealed=b"").unframed()


def _kind_of(passphrase: Passphrase) -> str:
    return "machine key" if isinstance(passphrase, MachineKey) else "passphrase"


FORMS = {kind: Form(kind, {1: _SealedFile.layout()}) for kind in _LABELS}
