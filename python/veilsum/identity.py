"""Who somebody is: Ed25519 signing keys, and what they sign.

A signature covers what it is about (the kind of message), in which part its maker acts, its name,
the round, and a hash of the rest, so that none can be lifted into another place:

    "veilsum/v1/" || kind || role || length of name || name || round_id || payload hash

Ed25519 and its checks are those of the ``cryptography`` package (RFC 8032); it
is imported with the first key.
"""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, InvalidKeyError, MalformedDataError, SignatureError
from veilsum.keyfile import SavedSecret
from veilsum.message import Field, Message, fixed
from veilsum.wire import Reader, WireKind, Writer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["NAME", "Enrolment", "Identity", "Role", "check_name", "verify"]

_LABEL = b"veilsum/v1/"
_KEY_BYTES = 32
_HASH_BYTES = 32
_MAX_NAME_BYTES = 255


class Role(IntEnum):
    """In which part somebody signs."""

    CONTRIBUTOR = 1
    HOLDER = 2
    DEALER = 3
    AGGREGATOR = 4
    RELAY = 5


def check_name(name: str, parameter: str = "name") -> str:
    """A party's name, which is not empty and has at most 255 bytes of UTF-8.

    Raises:
        TypeError, InvalidArgumentError: ``name`` is not such a text; they name the ``parameter``.
    """
    arguments.instance(parameter, name, str)
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{parameter} is {arguments.text_of(name)}, which UTF-8 cannot encode"
        ) from None
    if not 1 <= len(encoded) <= _MAX_NAME_BYTES:
        raise InvalidArgumentError(
            f"{parameter} has {len(encoded)} bytes; the name of a party has 1 to {_MAX_NAME_BYTES}"
        )
    return name


def _write_name(writer: Writer, name: str) -> None:
    encoded = name.encode()
    writer.u8(len(encoded))
    writer.bytes(encoded)


def _read_name(reader: Reader) -> str:
    try:
        return check_name(reader.bytes(reader.u8()).decode())
    except (UnicodeDecodeError, InvalidArgumentError):
        raise MalformedDataError("the name of a party is not 1 to 255 bytes of UTF-8") from None


def _check_name(parameter: str, name: str) -> str:
    return check_name(name, parameter)


NAME = Field("name", "", 2, _write_name, _read_name, _check_name, str)
"""A party's name: its length (u8, 1 to 255), then as many bytes of UTF-8."""


class Identity(SavedSecret):
    """A party's name and secret signing key. Never printed, pickled or compared."""

    __slots__ = ("_key", "_name")
    SUFFIX = "identity"
    _KIND = WireKind.IDENTITY_FILE
    _WHAT = "an identity"

    def __init__(self, name: str, key: "Ed25519PrivateKey") -> None:
        """Not for callers: use ``generate`` or ``load``."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._name = check_name(name)
        self._key = arguments.instance("key", key, Ed25519PrivateKey)

    @classmethod
    def generate(cls, name: str) -> "Identity":
        """A new key, for a party of this name."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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

    def _to_secret(self) -> bytearray:
        return bytearray(self._key.private_bytes_raw())

    def _to_public(self) -> bytes:
        return self.enrol().to_bytes()

    @classmethod
    def _from_parts(cls, secret: bytearray, public: bytes) -> "Identity":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        enrolment = Enrolment.from_bytes(public)
        if len(secret) != _KEY_BYTES:
            raise MalformedDataError(
                "the secret in the identity file does not have the length of a key"
            )
        identity = cls(enrolment.name, Ed25519PrivateKey.from_private_bytes(secret))
        if identity.public_key != enrolment.public_key:
            raise InvalidKeyError("ID1: the secret in the file does not make its public key")
        return identity

    def __repr__(self) -> str:
        return f"<Identity: {self._name}, {self.public_key[:8].hex()}>"


@dataclass(frozen=True, slots=True)
class Enrolment(Message, kind=WireKind.ENROLMENT, version=1):
    """A party's name and public key, as a dealer puts them on a roster.

    Compare ``fingerprint`` with the party over a channel that both trust.

    Raises:
        InvalidArgumentError: the name is bad, or the key does not have 32 bytes.
    """

    name: Annotated[str, NAME]
    public_key: Annotated[bytes, fixed(_KEY_BYTES, "Ed25519", what="a public signing key")]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the wire form, in hexadecimal: for reading out over the telephone."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def __repr__(self) -> str:
        return f"<Enrolment: {self.name}, {self.public_key[:8].hex()}>"


def verify(
    party: Enrolment, signature: bytes, kind: WireKind, role: Role, round_id: bytes, payload: bytes
) -> None:
    """SignatureError unless ``party`` signed ``payload`` in this place."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    arguments.instance("party", party, Enrolment)
    arguments.instance("signature", signature, bytes)
    statement = _statement(kind, role, party.name, round_id, payload)
    try:
        Ed25519PublicKey.from_public_bytes(party.public_key).verify(signature, statement)
    except (InvalidSignature, ValueError):
        raise SignatureError(
            f"the {kind.name.lower().replace('_', ' ')} is not signed by {party.name}, whose name "
            "is on it"
        ) from None


def _statement(kind: WireKind, role: Role, name: str, round_id: bytes, payload: bytes) -> bytes:
    arguments.instance("kind", kind, WireKind)
    arguments.instance("role", role, Role)
    arguments.instance("payload", payload, bytes)
    if len(arguments.instance("round_id", round_id, bytes)) != _HASH_BYTES:
        raise InvalidArgumentError(f"round_id has {len(round_id)} bytes; a hash has 32 bytes")
    encoded = name.encode()
    place = bytes([kind, role, len(encoded)]) + encoded
    return _LABEL + place + round_id + hashlib.sha256(payload).digest()
