"""What a relay tells the aggregator before the set is fixed: whose contributions it has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from veilsum import arguments
from veilsum.identity import NAME, Enrolment, Identity, Role, verify
from veilsum.message import Message, counted
from veilsum.secure_sum.fields import check_hash, ed25519, sha256
from veilsum.secure_sum.invitations import MAX_INVITED
from veilsum.wire import WireKind

__all__ = ["RelayReport"]


@dataclass(frozen=True, kw_only=True)
class RelayReport(Message, kind=WireKind.RELAY_REPORT, version=1):
    """The head of a report, signed: which contributions a relay has, and can add.

    For each of them its header follows, and ``ChunkRequest`` messages of the chunks that are
    opened. The others stay with the relay.

    Attributes:
        round_id: ``RoundDescriptor.round_id``.
        relay: whose report it is.
        commitments: ``ContributionHeader.commitment`` of each, in the order of what follows.
        signature: over all of it, by the relay; ``RelayReport.signed`` makes it.
    """

    round_id: Annotated[bytes, sha256("SHA-256 of the round descriptor")]
    relay: Annotated[str, NAME]
    commitments: Annotated[
        tuple[bytes, ...],
        counted(sha256(), "of the contributions that follow, below", at_most=MAX_INVITED),
    ]
    signature: Annotated[bytes, ed25519("section 7, of role 5, over the commitments")]

    @classmethod
    def signed(
        cls, identity: Identity, *, round_id: bytes, commitments: Iterable[bytes]
    ) -> "RelayReport":
        """A head with its signature."""
        arguments.instance("identity", identity, Identity)
        check_hash("round_id", round_id)
        each = tuple(check_hash("each of commitments", one) for one in commitments)
        kind, payload = WireKind.RELAY_REPORT, b"".join(each)
        return cls(
            round_id=round_id,
            relay=identity.name,
            commitments=each,
            signature=identity.sign(kind, Role.RELAY, round_id, payload),
        )

    def verify(self, relay: Enrolment) -> None:
        """SignatureError unless it is signed by this relay."""
        kind, payload = WireKind.RELAY_REPORT, b"".join(self.commitments)
        verify(relay, self.signature, kind, Role.RELAY, self.round_id, payload)
