"""The agreement of all parties: everyone has it before the first round, not from the aggregator."""

import hashlib
import operator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.keys import PublicKey
from veilsum.privacy import Noise, read_noise, write_noise
from veilsum.vector import Codec
from veilsum.wire import BytesLike, Reader, WireKind, Writer, as_bytes

__all__ = ["Federation", "KeyTrust"]

KeyTrust = Literal["shared", "authority"]
_TRUST_CODES: dict[KeyTrust, int] = {"shared": 0, "authority": 1}
_WIRE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Federation:
    """What all parties agree on. Give it to each of them over a channel that they trust.

    An aggregator that may choose any of this could choose a key that it can open, or less noise.

    Args:
        public_key: everyone encrypts under it.
        codec: everyone encodes with it; fitted to ``noise`` if there is noise.
        trust: who holds the secret key: ``"authority"``, a party without data, or ``"shared"``,
            every contributor.
        noise: what every contributor adds; None for none.
        min_contributors: fewest contributions that the key holder opens; at least the noise's
            ``honest_contributors``. A sum of one is that one's data: use 2 or more.

    Raises:
        InvalidArgumentError: noise that does not fit the codec, or numbers that contradict.
    """

    public_key: PublicKey
    codec: Codec
    trust: KeyTrust = "authority"
    noise: Noise | None = None
    min_contributors: int = 2

    def __post_init__(self) -> None:
        if self.trust not in get_args(KeyTrust):
            raise InvalidArgumentError(
                f"trust is {self.trust!r}; it must be 'authority' or 'shared'"
            )
        object.__setattr__(self, "min_contributors", operator.index(self.min_contributors))
        fewest = 1
        if self.noise is not None:
            self.noise.check_fits(self.codec)
            fewest = self.noise.honest_contributors
        if not fewest <= self.min_contributors <= self.codec.max_addends:
            raise InvalidArgumentError(
                f"min_contributors is {self.min_contributors}; it must be at least {fewest} "
                "(what the noise assumes to be honest) and at most the codec's max_addends, "
                f"{self.codec.max_addends}"
            )

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the wire form: what parties compare, and what every round refers to."""
        return hashlib.sha256(self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md, section 5)."""
        writer = Writer(WireKind.FEDERATION, _WIRE_VERSION)
        writer.u8(_TRUST_CODES[self.trust])
        writer.u64(self.min_contributors)
        self.codec.write_to(writer)
        write_noise(writer, self.noise)
        writer.bytes(self.public_key.to_bytes())
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "Federation":
        """Read an agreement; compare its ``hash`` with the other parties'.

        Raises:
            MalformedDataError: not the wire format, or an agreement that cannot be.
            InvalidKeyError: a public key that breaks a rule of docs/validation.md.
        """
        reader = Reader(as_bytes(data), WireKind.FEDERATION, _WIRE_VERSION)
        trust_code, min_contributors = reader.u8(), reader.u64()
        trusts = {code: name for name, code in _TRUST_CODES.items()}
        if trust_code not in trusts:
            raise MalformedDataError("federation: unknown trust")
        codec, noise = Codec.read_from(reader), read_noise(reader)
        public_key = PublicKey.from_bytes(reader.bytes(reader.remaining()))
        try:
            return Federation(
                public_key=public_key,
                codec=codec,
                trust=trusts[trust_code],
                noise=noise,
                min_contributors=min_contributors,
            )
        except InvalidArgumentError as error:
            raise MalformedDataError(f"federation: {error}") from error
