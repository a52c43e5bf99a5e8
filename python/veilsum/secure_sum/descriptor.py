"""The announcement of a round, signed by the aggregator."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.identity import Enrolment, Identity, Role, verify
from veilsum.message import Message, u32, u64
from veilsum.secure_sum.fields import ed25519, name_or_none, sha256
from veilsum.secure_sum.invitations import MAX_INVITED, AnyInvited, Invitations
from veilsum.secure_sum.link import NO_LINK, START, ChainEnd
from veilsum.wire import WireKind

__all__ = ["RoundDescriptor"]

_LABEL = b"veilsum/round/3"


@dataclass(frozen=True, kw_only=True)
class RoundDescriptor(Message, kind=WireKind.ROUND_DESCRIPTOR, version=3):
    """What the aggregator announces: which round, of which model, who is invited, what was before.

    ``RoundDescriptor.signed`` makes one. It has no names: thousands of contributors are sent it,
    each with its own ``Invitation``.

    Args:
        federation_hash: ``Federation.hash``, which names the run too.
        round_number: from 1, growing within a run.
        previous_number: of the last round that was opened; 0 before the first.
        last_link: ``RoundLink.hash_after`` of that round; 32 zero bytes before the first.
        model_hash: ``hash_model`` of the model that is sent along, and of what it is sent for.
        repeat: how many rounds before this one opened the same model and purpose: 0, but where it
            is announced again, as after a void round.
        num_invited: how many contributors are invited.
        invited_root: ``Invitations.root`` of the list of them.
        opener: where every contributor has the key, the name of the one who opens this round; it
            need not be invited. None elsewhere.
        signature: over all of it, by the aggregator.

    Raises:
        InvalidArgumentError: a hash has another length, a number is below 1, that of the round is
            not above the previous one, there is a previous round without a link or a link without
            a round, or a name is bad.
    """

    federation_hash: Annotated[bytes, sha256("SHA-256 of the federation's message")]
    round_number: Annotated[int, u64(at_least=1)]
    previous_number: Annotated[int, u64("0 for none; below round_number")]
    last_link: Annotated[bytes, sha256("section 20; zero where previous_number is")]
    model_hash: Annotated[bytes, sha256("SHA-256 of the model and its purpose, below")]
    repeat: Annotated[int, u32("rounds before that opened the same model and purpose")]
    num_invited: Annotated[int, u32(at_least=1, at_most=MAX_INVITED)]
    invited_root: Annotated[bytes, sha256("of the Merkle tree over the list of section 24")]
    opener: Annotated[
        str | None, name_or_none("1 where every contributor has the key: who opens; else 0")
    ]
    signature: Annotated[bytes, ed25519("section 7, of role 4, for this round, over nothing")]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.previous_number >= self.round_number:
            raise InvalidArgumentError(
                f"round_number is {self.round_number}; it must be above previous_number, "
                f"{self.previous_number}"
            )
        if (self.previous_number == 0) != (self.last_link == NO_LINK):
            raise InvalidArgumentError(
                "last_link must be 32 zero bytes before the first round, and only then"
            )

    @classmethod
    def signed(
        cls,
        identity: Identity,
        *,
        federation_hash: bytes,
        round_number: int,
        model_hash: bytes,
        invited: AnyInvited,
        after: ChainEnd = START,
        repeat: int = 0,
        opener: str | None = None,
    ) -> "RoundDescriptor":
        """An announcement with the aggregator's signature; ``after`` what the run has so far.

        ``invited`` is what ``Invitations.of`` takes: names, names with their relays, or the list,
        which whoever sends ``Announcement`` messages needs as well.

        Where every contributor has the key (``Federation.names_opener``), ``opener`` is one of
        them: choose one who is there.
        """
        arguments.instance("identity", identity, Identity)
        arguments.instance("after", after, ChainEnd)
        invitations = Invitations.of(invited)
        unsigned = cls(
            federation_hash=federation_hash,
            round_number=round_number,
            previous_number=after.number,
            last_link=after.link,
            model_hash=model_hash,
            repeat=repeat,
            num_invited=len(invitations),
            invited_root=invitations.root,
            opener=opener,
            signature=bytes(64),
        )
        name = unsigned.round_id
        signature = identity.sign(WireKind.ROUND_DESCRIPTOR, Role.AGGREGATOR, name, b"")
        return replace(unsigned, signature=signature)

    def verify(self, aggregator: Enrolment) -> None:
        """SignatureError unless it is signed by this aggregator."""
        kind, role = WireKind.ROUND_DESCRIPTOR, Role.AGGREGATOR
        verify(aggregator, self.signature, kind, role, self.round_id, b"")

    def invites(self, invitations: Invitations) -> bool:
        """Whether this is the list that the aggregator signed with the round."""
        given = len(invitations), invitations.root
        return given == (self.num_invited, self.invited_root)

    def may_open(self, name: str) -> bool:
        """Whether the round lets this holder of the key open its sum."""
        return self.opener is None or self.opener == name

    @property
    def after(self) -> ChainEnd:
        """What the run had before."""
        return ChainEnd(self.previous_number, self.last_link)

    @cached_property
    def round_id(self) -> bytes:
        """SHA-256 of all but the signature: the name of the round in all other messages."""
        return hashlib.sha256(_LABEL + self.unframed()[: -len(self.signature)]).digest()
