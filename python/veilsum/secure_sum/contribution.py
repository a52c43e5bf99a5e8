"""What a contributor sends: a signed header, then chunks.

The header commits to every chunk by the root of a Merkle tree, so that each chunk can be checked
alone by whoever opens it.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from veilsum import arguments
from veilsum.identity import NAME, Enrolment, Identity, Role, verify
from veilsum.message import Message, framed, rest, u32
from veilsum.secure_sum.fields import (
    MAX_U32,
    check_hash,
    ed25519,
    sha256,
)
from veilsum.wire import WireKind

__all__ = ["Chunk", "ContributionHeader", "set_hash"]

_SET_LABEL = b"veilsum/set/1"


@dataclass(frozen=True, kw_only=True)
class ContributionHeader(Message, kind=WireKind.CONTRIBUTION, version=2):
    """Who contributes what to which round, signed.

    Attributes:
        round_id: ``RoundDescriptor.round_id``.
        contributor: whose contribution it is.
        num_chunks: how many chunks follow.
        root: of the Merkle tree over the chunks.
        signature: over all of it, by the contributor.
    """

    round_id: Annotated[bytes, sha256("SHA-256 of the round descriptor")]
    contributor: Annotated[str, NAME]
    num_chunks: Annotated[int, u32("as many as scheme and codec need", at_least=1)]
    root: Annotated[bytes, sha256("of the Merkle tree over the chunks, below")]
    signature: Annotated[bytes, ed25519("below, of role 1, over num_chunks and root")]

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


@dataclass(frozen=True, kw_only=True)
class Chunk(Message, kind=WireKind.CHUNK, version=1):
    """A part of a contribution.

    Attributes:
        index: which of the chunks, from 0.
        body: a framed message of the federation's scheme, such as ciphertexts.
        proof: a framed proof that the contributor knows what is in them; empty for a chunk that
            the scheme has no proof of.
    """

    index: Annotated[int, u32("from 0")]
    body: Annotated[bytes, framed(None, "of kind 2 or 22, below")]
    proof: Annotated[bytes, rest("of kind 13, or nothing, below", type="message")]


def set_hash(headers: list[ContributionHeader]) -> bytes:
    """SHA-256 over whose contributions are summed, and which: names one set of one round.

    Requires headers of one round, sorted by contributor.
    """
    digest = hashlib.sha256(_SET_LABEL)
    for header in headers:
        encoded = header.contributor.encode()
        digest.update(len(encoded).to_bytes(1, "little") + encoded + header.commitment)
    return digest.digest()


def _payload(num_chunks: int, root: bytes) -> bytes:
    return num_chunks.to_bytes(4, "little") + root
