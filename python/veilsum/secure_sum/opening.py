"""The request to open a sum, and the answers."""

import hashlib
from dataclasses import dataclass, replace
from typing import Annotated

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.identity import NAME, Enrolment, Identity, Role, verify
from veilsum.message import Message, Part, counted, framed, inner, rest, u8, u32
from veilsum.secure_sum.contribution import ContributionHeader
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.fields import MAX_U32, check_hash, ed25519, sha256
from veilsum.secure_sum.lock import Lock
from veilsum.secure_sum.round_set import RoundSet
from veilsum.wire import WireKind

__all__ = ["ChunkRequest", "OpenRequest", "Opening", "Receipt", "opening_context"]

_MAX_PATH = 32


@dataclass(frozen=True, kw_only=True)
class OpenRequest(Message, kind=WireKind.OPEN_REQUEST, version=4):
    """What one holder is asked to lock or to open: chunks of the sum of these contributions.

    It carries the whole descriptor, the list of those who are invited and what contributors signed,
    so that the holder knows run, round and set itself. The aggregator signs each step for each
    holder, so that nobody else has anything locked or opened, such as whoever was shown locks and
    shows them on. ``RoundLink`` messages follow, for whoever has missed rounds; then
    ``ChunkRequest`` messages, or none where the holder keeps the sums of these chunks.

    Attributes:
        contributed: the round, and the contributions to it; at least one.
        holder: whom it is for.
        chunks: which chunks, in order; at least one.
        num_links: how many links follow.
        locks: without any, a holder of a share locks the set; with enough, it opens it. Whoever
            has the whole key opens it without any.
        signature: by the aggregator, over set, step, holder and chunks; ``OpenRequest.signed``
            makes it.
    """

    contributed: Annotated[RoundSet, inner(RoundSet)]
    holder: Annotated[str, NAME]
    chunks: Annotated[tuple[int, ...], counted(u32(), "growing, below", at_least=1)]
    num_links: Annotated[int, u32("messages of kind 20 that follow")] = 0
    locks: Annotated[tuple[Lock, ...], counted(framed(Lock), "of this set, below")] = ()
    signature: Annotated[bytes, ed25519("section 7, of role 4, over what is below")] = bytes(64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.contributed.contributions:
            raise InvalidArgumentError("contributed must have at least one contribution")
        if list(self.chunks) != sorted(set(self.chunks)):
            raise InvalidArgumentError("chunks must grow, with each of them once")

    def signed(self, aggregator: Identity) -> "OpenRequest":
        """The request with the aggregator's signature."""
        kind, role = WireKind.OPEN_REQUEST, Role.AGGREGATOR
        signature = aggregator.sign(kind, role, self.descriptor.round_id, self._signed_part())
        return replace(self, signature=signature)

    def verify(self, aggregator: Enrolment) -> None:
        """SignatureError unless this aggregator asks this holder for this step and these chunks."""
        kind, role = WireKind.OPEN_REQUEST, Role.AGGREGATOR
        verify(
            aggregator, self.signature, kind, role, self.descriptor.round_id, self._signed_part()
        )

    def _signed_part(self) -> bytes:
        """Links and locks carry signatures of their own."""
        step, holder = bytes([bool(self.locks)]), self.holder.encode()
        chunks = b"".join(index.to_bytes(4, "little") for index in self.chunks)
        return self.set_hash + step + bytes([len(holder)]) + holder + chunks

    @property
    def descriptor(self) -> RoundDescriptor:
        """The round."""
        return self.contributed.descriptor

    @property
    def headers(self) -> tuple[ContributionHeader, ...]:
        """Of the contributions, sorted by contributor."""
        return self.contributed.headers

    @property
    def set_hash(self) -> bytes:
        """Names the set: which contributions, to which round."""
        return self.contributed.set_hash


@dataclass(frozen=True, kw_only=True)
class ChunkRequest(Message, kind=WireKind.CHUNK_REQUEST, version=1):
    """One contributor's chunk with its place in the contributor's tree.

    Attributes:
        contribution: position in the request's headers.
        path: hashes that lead from the chunk to the signed root.
        chunk: the framed chunk.
    """

    contribution: Annotated[int, u32("position in the open request")]
    path: Annotated[
        tuple[bytes, ...], counted(sha256(), "from the leaf upwards", count=u8, at_most=_MAX_PATH)
    ]
    chunk: Annotated[bytes, rest("of kind 16", type="message")]


@dataclass(frozen=True, kw_only=True)
class Opening(Message, kind=WireKind.OPENING, version=3):
    """A holder's signed answer: what it has opened of one chunk of the sum.

    Attributes:
        round_id: of the round.
        set_hash: of the set that was opened.
        holder: who answers.
        index: which chunk of the sum it opens.
        body: a framed partial decryption; or, of one who has the whole key, the plaintexts, each
            signed and little-endian in as many bytes as the modulus has.
        signature: over all of it, by the holder.
    """

    round_id: Annotated[bytes, sha256("SHA-256 of the round descriptor")]
    set_hash: Annotated[bytes, sha256("the name of the set, section 7")]
    holder: Annotated[str, NAME]
    index: Annotated[int, u32("of the chunk")]
    signature: Annotated[
        bytes, ed25519("section 7, of role 2, over set_hash, index and SHA-256(body)")
    ]
    body: Annotated[bytes, rest("threshold: a message of kind 12; else plaintexts, both below")]

    @classmethod
    def signed(
        cls, identity: Identity, *, round_id: bytes, set_hash: bytes, index: int, body: bytes
    ) -> "Opening":
        """An answer with its signature."""
        arguments.instance("identity", identity, Identity)
        check_hash("set_hash", set_hash)
        arguments.instance("body", body, bytes)
        index = arguments.count("index", index, at_most=MAX_U32)
        payload = _payload(set_hash, index, hashlib.sha256(body).digest())
        return cls(
            round_id=round_id,
            set_hash=set_hash,
            holder=identity.name,
            index=index,
            body=body,
            signature=identity.sign(WireKind.OPENING, Role.HOLDER, round_id, payload),
        )

    def verify(self, holder: Enrolment) -> None:
        """SignatureError unless it is signed by this holder."""
        self.receipt().verify(holder)

    def receipt(self) -> "Receipt":
        """The answer without its body, which the signature covers by its hash."""
        return Receipt(
            round_id=self.round_id,
            set_hash=self.set_hash,
            holder=self.holder,
            index=self.index,
            body_hash=hashlib.sha256(self.body).digest(),
            signature=self.signature,
        )


@dataclass(frozen=True, kw_only=True)
class Receipt(Part):
    """That a holder answered, with the hash of what it sent; attributes as those of ``Opening``."""

    round_id: Annotated[bytes, sha256("as of the opening")]
    set_hash: Annotated[bytes, sha256("as of the opening")]
    holder: Annotated[str, NAME]
    index: Annotated[int, u32("as of the opening")]
    body_hash: Annotated[bytes, sha256("SHA-256 of the opening's body")]
    signature: Annotated[bytes, ed25519("as of the opening")]

    def verify(self, holder: Enrolment) -> None:
        """SignatureError unless it is signed by this holder."""
        payload = _payload(self.set_hash, self.index, self.body_hash)
        verify(holder, self.signature, WireKind.OPENING, Role.HOLDER, self.round_id, payload)


def _payload(hash_of_set: bytes, index: int, body_hash: bytes) -> bytes:
    return hash_of_set + index.to_bytes(4, "little") + body_hash


def opening_context(round_id: bytes, hash_of_set: bytes) -> bytes:
    """What the proofs of partial decryptions are bound to."""
    return round_id + hash_of_set
