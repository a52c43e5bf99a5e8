"""The aggregator looks at a relay's sum in places that it draws, which the relay cannot foresee."""

import secrets
from dataclasses import dataclass, replace
from typing import Annotated

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.identity import NAME, Enrolment, Identity, Role, verify
from veilsum.message import Message, counted, u32
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.fields import ed25519, sha256
from veilsum.wire import WireKind

__all__ = ["SpotCheck", "body_chunks", "drawn_chunks"]


@dataclass(frozen=True, kw_only=True)
class SpotCheck(Message, kind=WireKind.SPOT_CHECK, version=1):
    """Which chunks of everybody a relay is to show, of the sum that it has signed.

    The answer begins with the same message. ``ChunkRequest`` messages follow, chunk by chunk, of
    each contributor in the order of the relay's request.

    Attributes:
        round_id: ``RoundDescriptor.round_id``.
        relay: whom it is for.
        root: ``RelayedSum.root`` of its sum.
        chunks: which chunks, growing; at least one.
        signature: over all of it, by the aggregator; ``SpotCheck.signed`` makes it.
    """

    round_id: Annotated[bytes, sha256("SHA-256 of the round descriptor")]
    relay: Annotated[str, NAME]
    root: Annotated[bytes, sha256("of the relayed sum, section 28")]
    chunks: Annotated[
        tuple[int, ...], counted(u32(), "growing; none of them is opened", at_least=1)
    ]
    signature: Annotated[bytes, ed25519("section 7, of role 4, over what is below")] = bytes(64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if list(self.chunks) != sorted(set(self.chunks)):
            raise InvalidArgumentError("chunks must grow, with each of them once")

    def signed(self, aggregator: Identity) -> "SpotCheck":
        """The request with the aggregator's signature."""
        arguments.instance("aggregator", aggregator, Identity)
        kind, role = WireKind.SPOT_CHECK, Role.AGGREGATOR
        signature = aggregator.sign(kind, role, self.round_id, self._signed_part())
        return replace(self, signature=signature)

    def verify(self, aggregator: Enrolment) -> None:
        """SignatureError unless this aggregator asks this relay for these chunks."""
        kind, role = WireKind.SPOT_CHECK, Role.AGGREGATOR
        verify(aggregator, self.signature, kind, role, self.round_id, self._signed_part())

    def _signed_part(self) -> bytes:
        relay = self.relay.encode()
        chunks = b"".join(index.to_bytes(4, "little") for index in self.chunks)
        return self.root + bytes([len(relay)]) + relay + chunks


def body_chunks(federation: Federation) -> range:
    """The chunks of a contribution that are only added, which relays have."""
    return range(federation.num_opened, federation.num_chunks)


def drawn_chunks(federation: Federation, count: int) -> tuple[int, ...]:
    """So many of these, or all of them if there are fewer, drawn at random."""
    among = body_chunks(federation)
    return tuple(sorted(secrets.SystemRandom().sample(among, min(count, len(among)))))
