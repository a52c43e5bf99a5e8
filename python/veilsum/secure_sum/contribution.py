"""What a contributor sends: a signed header, then its units in chunks.

The header commits to every chunk by the root of a Merkle tree, so that each chunk can be checked
alone by whoever opens it.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.identity import Enrolment, Identity, Role, check_name, verify
from veilsum.secure_sum.fields import (
    HASH_BYTES,
    MAX_U32,
    check_hash,
    check_signature,
    read_name,
    write_name,
)
from veilsum.wire import BytesLike, Reader, WireKind, Writer, as_bytes

__all__ = ["Chunk", "ContributionHeader", "proof_context", "set_hash"]

_HEADER_VERSION = 2
_CHUNK_VERSION = 1
_SIGNATURE_BYTES = 64
_PROOF_LABEL = b"veilsum/contribution/1"
_SET_LABEL = b"veilsum/set/1"


@dataclass(frozen=True, kw_only=True)
class ContributionHeader:
    """Who contributes what to which round, signed.

    Attributes:
        round_id: ``RoundDescriptor.round_id``.
        contributor: whose contribution it is.
        num_chunks: how many chunks follow.
        root: of the Merkle tree over the chunks.
        signature: over all of it, by the contributor.
    """

    round_id: bytes
    contributor: str
    num_chunks: int
    root: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_hash("round_id", self.round_id)
        check_hash("root", self.root)
        check_signature("signature", self.signature)
        check_name(self.contributor, "contributor")
        num_chunks = arguments.count("num_chunks", self.num_chunks, at_least=1, at_most=MAX_U32)
        object.__setattr__(self, "num_chunks", num_chunks)

    @classmethod
    def signed(
        cls, identity: Identity, *, round_id: bytes, num_chunks: int, root: bytes
    ) -> "ContributionHeader":
        """A header with its signature."""
        arguments.instance("identity", identity, Identity)
        check_hash("round_id", round_id)
        check_hash("root", root)
        num_chunks = arguments.count("num_chunks", num_chunks, at_least=1, at_most=MAX_U32)
        payload = _payload(num_chunks, root)
        return cls(
            round_id=round_id,
            contributor=identity.name,
            num_chunks=num_chunks,
            root=root,
            signature=identity.sign(WireKind.CONTRIBUTION, Role.CONTRIBUTOR, round_id, payload),
        )

    def verify(self, contributor: Enrolment) -> None:
        """SignatureError unless it is signed by this contributor."""
        payload = _payload(self.num_chunks, self.root)
        verify(
            contributor,
            self.signature,
            WireKind.CONTRIBUTION,
            Role.CONTRIBUTOR,
            self.round_id,
            payload,
        )

    @cached_property
    def commitment(self) -> bytes:
        """SHA-256 of what is signed: stands for the whole contribution."""
        writer = hashlib.sha256(self.round_id)
        writer.update(_payload(self.num_chunks, self.root))
        return writer.digest()

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md, section 7)."""
        writer = Writer(WireKind.CONTRIBUTION, _HEADER_VERSION)
        writer.bytes(self.round_id)
        write_name(writer, self.contributor)
        writer.u32(self.num_chunks)
        writer.bytes(self.root)
        writer.bytes(self.signature)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "ContributionHeader":
        """Read what ``to_bytes`` wrote; the signature is not checked.

        Raises:
            MalformedDataError: the bytes are not those of a header.
        """
        reader = Reader(as_bytes(data), WireKind.CONTRIBUTION, _HEADER_VERSION)
        round_id, contributor = reader.bytes(HASH_BYTES), read_name(reader)
        num_chunks, root = reader.u32(), reader.bytes(HASH_BYTES)
        signature = reader.bytes(_SIGNATURE_BYTES)
        reader.finish()
        try:
            return ContributionHeader(
                round_id=round_id,
                contributor=contributor,
                num_chunks=num_chunks,
                root=root,
                signature=signature,
            )
        except InvalidArgumentError as error:
            raise MalformedDataError(f"contribution: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some consecutive units of a contribution.

    Attributes:
        index: which of the chunks, from 0.
        body: the units, a framed message of the federation's scheme: ciphertexts.
        proof: a framed proof that the contributor knows what is in them; empty where the scheme has
            none.
    """

    index: int
    body: bytes
    proof: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", arguments.count("index", self.index, at_most=MAX_U32))
        arguments.instance("body", self.body, bytes)
        arguments.instance("proof", self.proof, bytes)

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md, section 16)."""
        writer = Writer(WireKind.CHUNK, _CHUNK_VERSION)
        writer.u32(self.index)
        writer.u64(len(self.body))
        writer.bytes(self.body)
        writer.bytes(self.proof)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "Chunk":
        """Read what ``to_bytes`` wrote; body and proof are not looked at.

        Raises:
            MalformedDataError: the bytes are not those of a chunk.
        """
        reader = Reader(as_bytes(data), WireKind.CHUNK, _CHUNK_VERSION)
        index = reader.u32()
        body = reader.bytes(reader.u64())
        return Chunk(index=index, body=body, proof=reader.bytes(reader.remaining()))


def set_hash(headers: list[ContributionHeader]) -> bytes:
    """SHA-256 over whose contributions are summed, and which: names one set of one round.

    Requires headers of one round, sorted by contributor.
    """
    digest = hashlib.sha256(_SET_LABEL)
    for header in headers:
        encoded = header.contributor.encode()
        digest.update(len(encoded).to_bytes(1, "little") + encoded + header.commitment)
    return digest.digest()


def proof_context(round_id: bytes, contributor: str) -> bytes:
    """What the proofs of a contribution are bound to, besides the place of their chunk."""
    return _PROOF_LABEL + round_id + contributor.encode()


def _payload(num_chunks: int, root: bytes) -> bytes:
    return num_chunks.to_bytes(4, "little") + root
