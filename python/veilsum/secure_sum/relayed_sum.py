"""The set that the aggregator fixes for a relay, and what the relay answers: the sum of it."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

from veilsum import arguments
from veilsum.identity import NAME, Enrolment, Identity, Role, verify
from veilsum.message import Message, counted, u32
from veilsum.secure_sum.fields import ed25519, sha256
from veilsum.secure_sum.invitations import MAX_INVITED
from veilsum.wire import WireKind

__all__ = ["RelayRequest", "RelayedSum"]

_LABEL = b"veilsum/relay request/1"


@dataclass(frozen=True, kw_only=True)
class RelayRequest(Message, kind=WireKind.RELAY_REQUEST, version=1):
    """Which contributions a relay is to add: the set of the round is fixed, and these are of it.

    Attributes:
        round_id: ``RoundDescriptor.round_id``.
        relay: whom it is for.
        set_hash: names the whole set of the round.
        commitments: ``ContributionHeader.commitment`` of each, by the names of contributors.
        signature: over all of it, by the aggregator; ``RelayRequest.signed`` makes it.
    """

    round_id: Annotated[bytes, sha256("SHA-256 of the round descriptor")]
    relay: Annotated[str, NAME]
    set_hash: Annotated[bytes, sha256("the name of the whole set, section 7")]
    commitments: Annotated[
        tuple[bytes, ...],
        counted(
            sha256(),
            "of the contributions to be added, in the order of the set",
            at_least=1,
            at_most=MAX_INVITED,
        ),
    ]
    signature: Annotated[bytes, ed25519("section 7, of role 4, over what is below")] = bytes(64)

    def signed(self, aggregator: Identity) -> "RelayRequest":
        """The request with the aggregator's signature."""
        arguments.instance("aggregator", aggregator, Identity)
        kind, role = WireKind.RELAY_REQUEST, Role.AGGREGATOR
        signature = aggregator.sign(kind, role, self.round_id, self._signed_part())
        return replace(self, signature=signature)

    def verify(self, aggregator: Enrolment) -> None:
        """SignatureError unless this aggregator asks this relay for this sum."""
        kind, role = WireKind.RELAY_REQUEST, Role.AGGREGATOR
        verify(aggregator, self.signature, kind, role, self.round_id, self._signed_part())

    @cached_property
    def subset_hash(self) -> bytes:
        """Names whom the relay is to add, in which set of the round."""
        return hashlib.sha256(_LABEL + self.round_id + self._signed_part()).digest()

    def _signed_part(self) -> bytes:
        relay = self.relay.encode()
        return self.set_hash + bytes([len(relay)]) + relay + b"".join(self.commitments)


@dataclass(frozen=True, kw_only=True)
class RelayedSum(Message, kind=WireKind.RELAYED_SUM, version=1):
    """The head of a relay's sum, signed. Its chunks follow, as those of a contribution do.

    They are the chunks that are only added: bodies, and not the keys that open them.

    Attributes:
        round_id: ``RoundDescriptor.round_id``.
        relay: who has added.
        subset_hash: ``RelayRequest.subset_hash`` of what it was asked for.
        num_addends: how many contributions are in the sum.
        num_chunks: how many chunks follow.
        root: of the Merkle tree over the chunks.
        signature: over all of it, by the relay; ``RelayedSum.signed`` makes it.
    """

    round_id: Annotated[bytes, sha256("SHA-256 of the round descriptor")]
    relay: Annotated[str, NAME]
    subset_hash: Annotated[bytes, sha256("the name of the request, section 27")]
    num_addends: Annotated[int, u32("as many as the request has", at_least=1)]
    num_chunks: Annotated[int, u32("as many as scheme and codec need", at_least=1)]
    root: Annotated[bytes, sha256("of the Merkle tree over the chunks, as in section 7")]
    signature: Annotated[bytes, ed25519("section 7, of role 5, over what is below")]

    @classmethod
    def signed(
        cls,
        identity: Identity,
        request: RelayRequest,
        *,
        num_addends: int,
        num_chunks: int,
        root: bytes,
    ) -> "RelayedSum":
        """A head with its signature: the answer to a request."""
        arguments.instance("identity", identity, Identity)
        arguments.instance("request", request, RelayRequest)
        unsigned = cls(
            round_id=request.round_id,
            relay=identity.name,
            subset_hash=request.subset_hash,
            num_addends=num_addends,
            num_chunks=num_chunks,
            root=root,
            signature=bytes(64),
        )
        kind, payload = WireKind.RELAYED_SUM, unsigned._signed_part()
        signature = identity.sign(kind, Role.RELAY, request.round_id, payload)
        return replace(unsigned, signature=signature)

    def verify(self, relay: Enrolment) -> None:
        """SignatureError unless it is signed by this relay."""
        kind, payload = WireKind.RELAYED_SUM, self._signed_part()
        verify(relay, self.signature, kind, Role.RELAY, self.round_id, payload)

    def _signed_part(self) -> bytes:
        numbers = (self.num_addends, self.num_chunks)
        return self.subset_hash + b"".join(n.to_bytes(4, "little") for n in numbers) + self.root
