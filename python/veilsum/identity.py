"""Who somebody is: Ed25519 signing keys, and what they sign.

A signature covers what it is about (the kind of message), in which part its maker acts, its name,
the round, and a hash of the rest, so that none can be lifted into another place:

    "veilsum/v1/" || kind || role || length of name || name || round_id || payload hash

Ed25519 and its checks are those of the ``cryptography`` package (RFC 8032).
"""

import hashlib
import os
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from veilsum import keyfile
from veilsum.errors import InvalidArgumentError, InvalidKeyError, MalformedDataError, SignatureError
from veilsum.wire import BytesLike, Reader, WireKind, Writer, as_bytes

__all__ = ["Enrolment", "Identity", "Role", "check_name", "verify"]

_LABEL = b"veilsum/v1/"
_KEY_BYTES = 32
_HASH_BYTES = 32
_MAX_NAME_BYTES = 255
_VERSION = 1


class Role(IntEnum):
    """In which part somebody signs."""

    CONTRIBUTOR = 1
    HOLDER = 2
    DEALER = 3


def check_name(name: str) -> str:
    """A party's name: not empty, and at most 255 bytes of UTF-8; else InvalidArgumentError."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError("a name has characters that UTF-8 cannot encode") from None
    if not 1 <= len(encoded) <= _MAX_NAME_BYTES:
        raise InvalidArgumentError(f"a name has 1 to {_MAX_NAME_BYTES} bytes, not {len(encoded)}")
    return name


class Identity:
    """A party's name and secret signing key. Never printed, pickled or compared."""

    __slots__ = ("_key", "_name")

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        """Not for callers: use ``generate`` or ``load``."""
        self._name = check_name(name)
        self._key = key

    @classmethod
    def generate(cls, name: str) -> "Identity":
        """A new key, for a party of this name."""
        return cls(name, Ed25519PrivateKey.generate())

    @property
    def name(self) -> str:
        """As rosters and messages have it."""
        return self._name

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that signatures are checked with."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, kind: WireKind, role: Role, round_id: bytes, payload: bytes) -> bytes:
        """The 64 bytes of a signature over ``payload`` in this place."""
        return self._key.sign(_statement(kind, role, self._name, round_id, payload))

    def enrol(self) -> "Enrolment":
        """What the dealer needs of this party: its name and public key."""
        return Enrolment(self._name, self.public_key)

    def save(
        self, path: str | os.PathLike[str], *, passphrase: str | bytes, overwrite: bool = False
    ) -> None:
        """Write the key to a file that only the passphrase opens.

        Raises:
            InvalidArgumentError: an empty passphrase.
            FileExistsError: there is a file already, and ``overwrite`` is False.
        """
        secret, public = self._key.private_bytes_raw(), self.enrol().to_bytes()
        sealed = keyfile.seal(secret, public, passphrase, WireKind.IDENTITY_FILE)
        keyfile.write(path, sealed, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, passphrase: str | bytes) -> "Identity":
        """Read a key that ``save`` wrote.

        Raises:
            PassphraseError: another passphrase, or the file was changed.
            MalformedDataError: not an identity file.
            InvalidKeyError: the secret in the file is not that of its public key.
        """
        data = keyfile.read(path, WireKind.IDENTITY_FILE)
        secret, public = keyfile.open_sealed(data, passphrase, WireKind.IDENTITY_FILE)
        try:
            enrolment = Enrolment.from_bytes(public)
            if len(secret) != _KEY_BYTES:
                raise MalformedDataError("identity file: the secret has another length than a key")
            identity = cls(enrolment.name, Ed25519PrivateKey.from_private_bytes(secret))
        finally:
            keyfile.wipe(secret)
        if identity.public_key != enrolment.public_key:
            raise InvalidKeyError("ID1: the secret in the file does not make its public key")
        return identity

    def __repr__(self) -> str:
        return f"<Identity: {self._name}, {self.public_key[:8].hex()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a secret key is not pickled; use save and load")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A party's name and public key, as a dealer puts them on a roster.

    Compare ``fingerprint`` with the party over a channel that both trust.

    Raises:
        InvalidArgumentError: a bad name, or a key of another length than 32 bytes.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if not isinstance(self.public_key, bytes):
            raise TypeError("a public signing key is bytes")
        if len(self.public_key) != _KEY_BYTES:
            raise InvalidArgumentError("a public signing key is 32 bytes")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the wire form, in hexadecimal: for reading out over the telephone."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md, section 15)."""
        encoded = self.name.encode()
        writer = Writer(WireKind.ENROLMENT, _VERSION)
        writer.u8(len(encoded))
        writer.bytes(encoded)
        writer.bytes(self.public_key)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "Enrolment":
        """Read an enrolment; MalformedDataError if it is none."""
        reader = Reader(as_bytes(data), WireKind.ENROLMENT, _VERSION)
        try:
            name = check_name(reader.bytes(reader.u8()).decode())
        except (UnicodeDecodeError, InvalidArgumentError):
            raise MalformedDataError("a name is 1 to 255 bytes of UTF-8") from None
        public_key = reader.bytes(_KEY_BYTES)
        reader.finish()
        return Enrolment(name, public_key)

    def __repr__(self) -> str:
        return f"<Enrolment: {self.name}, {self.public_key[:8].hex()}>"


def verify(
    party: Enrolment, signature: bytes, kind: WireKind, role: Role, round_id: bytes, payload: bytes
) -> None:
    """SignatureError unless ``party`` signed ``payload`` in this place."""
    statement = _statement(kind, role, party.name, round_id, payload)
    try:
        Ed25519PublicKey.from_public_bytes(party.public_key).verify(signature, statement)
    except (InvalidSignature, ValueError):
        raise SignatureError(
            f"the {kind.name.lower().replace('_', ' ')} is not signed by {party.name}, whose name "
            "is on it"
        ) from None


def _statement(kind: WireKind, role: Role, name: str, round_id: bytes, payload: bytes) -> bytes:
    if len(round_id) != _HASH_BYTES:
        raise InvalidArgumentError("a hash is 32 bytes")
    encoded = name.encode()
    place = bytes([kind, role, len(encoded)]) + encoded
    return _LABEL + place + round_id + hashlib.sha256(payload).digest()
