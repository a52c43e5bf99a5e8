"""What a contributor is sent for a round: the descriptor, its invitation, and missed links."""

from collections.abc import Iterable
from typing import NamedTuple

from veilsum import arguments
from veilsum.errors import (
    InvalidArgumentError,
    MalformedDataError,
    PolicyRefusedError,
    ProtocolError,
)
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.invitations import AnyInvited, Invitation, Invitations
from veilsum.secure_sum.link import START, ChainEnd, RoundLink, RunChain, check_step, follow
from veilsum.secure_sum.round_store import RoundStore
from veilsum.wire import BytesLike, WireKind, as_bytes, split_frames, wire_kind

__all__ = [
    "Announcement",
    "announced_in",
    "check_announced",
    "check_follows",
    "check_invited",
    "kept_list",
    "links_to",
    "read_invited",
]


_ROUND = "round"


class Announcement(NamedTuple):
    """A framed descriptor, then a framed invitation or list, then framed links in their order.

    Attributes:
        descriptor: the round.
        invited: the invitation of the contributor that it is for; or the list of all, where a
            transport sends the same to everybody.
        links: of rounds that were opened before, by their numbers.
    """

    descriptor: RoundDescriptor
    invited: Invitation | Invitations
    links: tuple[RoundLink, ...] = ()

    @classmethod
    def of(
        cls,
        descriptor: RoundDescriptor,
        invited: Invitations,
        chain: RunChain | None = None,
        *,
        to: str | None = None,
        seen: int = 0,
    ) -> "Announcement":
        """A round's announcement for one contributor, or for all of them.

        Args:
            descriptor: the round.
            invited: the list that was signed with it.
            chain: the links of the run so far. None for the first round of a run.
            to: the contributor that it is for, which is sent its own invitation. None makes an
                announcement that anybody invited may be sent, with the list of all.
            seen: the number of the round up to which it has seen the run; 0 for its beginning.

        Raises:
            ProtocolError: another list was signed with the round.
            InvalidArgumentError: ``to`` is not invited.
        """
        arguments.instance("descriptor", descriptor, RoundDescriptor)
        arguments.instance("invited", invited, Invitations)
        arguments.instance("chain", chain, (RunChain, type(None)))
        arguments.instance("to", to, (str, type(None)))
        check_invited(descriptor, invited)
        seen = arguments.count("seen", seen)
        links = _links_before(descriptor, RunChain() if chain is None else chain, seen=seen)
        return cls(descriptor, invited if to is None else invited.invitation(to), links)

    @classmethod
    def from_bytes(cls, data: BytesLike, name: str = "announcement") -> "Announcement":
        """Read what ``to_bytes`` wrote; nothing is checked.

        Raises:
            MalformedDataError: the bytes are not those of an announcement.
        """
        data = as_bytes(data, name)
        frames = split_frames(data, max_frame_bytes=len(data), name=name)
        descriptor = RoundDescriptor.from_bytes(next(frames, b""))
        second = next(frames, None)
        if second is None:
            raise MalformedDataError(
                "the announcement has no invitation behind its descriptor: the aggregator makes "
                "one with Announcement.of(descriptor, invited, chain, to=name)"
            )
        invited = read_invited(second)
        return cls(descriptor, invited, tuple(map(RoundLink.from_bytes, frames)))

    def to_bytes(self) -> bytes:
        """What contributors are sent."""
        parts = (self.descriptor, self.invited, *self.links)
        return b"".join(part.to_bytes() for part in parts)

    def verify(self, federation: Federation, *, seen: ChainEnd) -> None:
        """Check who announces, and that the round goes on from what was ``seen``.

        Raises:
            SignatureError: it is not signed by the federation's aggregator. Nothing else of it was
                looked at.
            PolicyRefusedError: it is of another federation, its number is far away, its model was
                announced too often, its opener is not one that the federation asks for, or it does
                not follow what was seen.
        """
        arguments.instance("federation", federation, Federation)
        arguments.instance("seen", seen, ChainEnd)
        check_announced(self.descriptor, federation)
        check_follows(self.descriptor, self.links, federation, seen=seen)

    def check_invites(self, name: str) -> None:
        """PolicyRefusedError unless the signed list has this contributor.

        The list itself may come from anybody: it counts if it is the one that was signed.
        """
        descriptor, invited = self.descriptor, self.invited
        if isinstance(invited, Invitations):
            is_invited = descriptor.invites(invited) and name in invited
        else:
            is_invited = invited.name == name
        if not is_invited:
            raise PolicyRefusedError(
                f"{name} is not invited to this round: what came with the announcement is "
                f"{_whose(invited)}. The aggregator sends each contributor its own invitation, or "
                "the list that it has signed"
            )
        if isinstance(invited, Invitation):
            invited.verify(descriptor.num_invited, descriptor.invited_root)


def _whose(invited: Invitation | Invitations) -> str:
    if isinstance(invited, Invitations):
        return f"a list of {len(invited)} names"
    return f"the invitation of {invited.name}"


def read_invited(frame: bytes) -> Invitation | Invitations:
    """An invitation or the list of all; MalformedDataError for anything else."""
    if wire_kind(frame) is WireKind.INVITATIONS:
        return Invitations.from_bytes(frame)
    return Invitation.from_bytes(frame)


def check_invited(descriptor: RoundDescriptor, invited: Invitations) -> None:
    """ProtocolError unless this is the list that the aggregator signed with the round."""
    if not descriptor.invites(invited):
        raise ProtocolError(
            f"the list of {len(invited)} who are invited is not the one that the aggregator has "
            f"signed with round {descriptor.round_number}, of {descriptor.num_invited}: give the "
            "list that the round was announced with"
        )


def check_follows(
    descriptor: RoundDescriptor,
    links: Iterable[RoundLink],
    federation: Federation,
    *,
    seen: ChainEnd,
) -> None:
    """That a round goes on from what was ``seen``, by links that are looked at one by one.

    Raises:
        PolicyRefusedError: it does not, or links are missing, forged or not in order.
    """
    announced = descriptor.after
    end = follow(
        links, aggregator=federation.aggregator, federation_hash=federation.hash, start=seen
    )
    if end != announced:
        raise PolicyRefusedError(
            f"round {descriptor.round_number} follows round {announced.number}, and with the links "
            f"that came with it the run is at round {end.number}: it is off the chain, or links "
            f"are missing. The aggregator must send those after {seen.number}"
        )


def check_announced(descriptor: RoundDescriptor, federation: Federation) -> None:
    """That a round is one that the federation's aggregator announces.

    Raises:
        SignatureError: it is not signed by the aggregator. Nothing else of it was looked at.
        PolicyRefusedError: it is of another federation, its number is far away, its model was
            announced too often, or its opener is not one that the federation asks for.
    """
    descriptor.verify(federation.aggregator)
    if descriptor.federation_hash != federation.hash:
        raise PolicyRefusedError(
            "the round belongs to another federation than the one agreed on: "
            f"{descriptor.federation_hash.hex()}, not {federation.hash.hex()}; compare "
            "Federation.hash with the aggregator"
        )
    check_step(descriptor.round_number, after=descriptor.previous_number)
    most = federation.max_repeats if federation.refuses_same_model else 0
    if descriptor.repeat > most:
        raise PolicyRefusedError(
            f"round {descriptor.round_number} announces a model that was opened "
            f"{descriptor.repeat} times before; the federation allows {most} (max_repeats). Go on "
            "with another model"
        )
    _check_opener(descriptor, federation)


def _check_opener(descriptor: RoundDescriptor, federation: Federation) -> None:
    """That a round names one contributor to open it where each has the key, and nobody elsewhere.

    Two openers could be given two sets of one round: the difference is a single contribution.

    Raises:
        PolicyRefusedError: it names nobody, somebody who is not on the roster, or somebody where
            there are holders.
    """
    number, opener = descriptor.round_number, descriptor.opener
    if not federation.names_opener:
        if opener is not None:
            raise PolicyRefusedError(
                f"round {number} names {opener} as its opener; with the trust "
                f"{federation.trust!r} the holders open, and a round names no opener"
            )
    elif opener is None:
        raise PolicyRefusedError(
            f"round {number} names no opener, and every contributor has the key here: the "
            "aggregator must name one of them, with RoundDescriptor.signed(opener=...)"
        )
    elif federation.contributor(opener) is None:
        raise PolicyRefusedError(
            f"round {number} names {opener} as its opener, who is not on the federation's roster; "
            "the aggregator must name one of the contributors"
        )


def _links_before(
    descriptor: RoundDescriptor, chain: RunChain, *, seen: int = 0
) -> tuple[RoundLink, ...]:
    """The links of a run after a round that was ``seen`` and before the announced one."""
    last = descriptor.previous_number
    return tuple(link for link in chain.after(seen) if link.round_number <= last)


def links_to(descriptor: RoundDescriptor, chain: RunChain) -> tuple[RoundLink, ...]:
    """The links of a run up to what the descriptor goes on from; ProtocolError of another chain."""
    links, end = _links_before(descriptor, chain), START
    for link in links:
        end = link.end(end)
    if end != descriptor.after:
        raise ProtocolError(
            f"the descriptor goes on from round {descriptor.previous_number}, and the chain that "
            f"is given ends at round {end.number}, or is another: give that of the run (RunChain)"
        )
    return links


def announced_in(store: RoundStore) -> tuple[RoundDescriptor, Invitations] | None:
    """The round that an aggregator's store is of, and who is invited; None before there is one."""
    if _ROUND not in store.names("descriptor"):
        return None
    frames = store.frames("descriptor", _ROUND)
    descriptor = RoundDescriptor.from_bytes(next(frames, b""))
    return descriptor, Invitations.from_bytes(next(frames, b""))


def kept_list(
    store: RoundStore,
    descriptor: RoundDescriptor,
    invited: AnyInvited | None,
    *,
    federation: Federation,
) -> Invitations:
    """Who is invited, as given or as the store has it, which has round and list from now on.

    Raises:
        InvalidArgumentError: nobody is given, and the store is empty.
        ProtocolError: the store is of another round, the list is not the one that was signed with
            the round, or has somebody who is not on the federation's roster.
    """
    kept = announced_in(store)
    if kept is not None and kept[0] != descriptor:
        raise ProtocolError("the store is of another round")
    if invited is not None:
        found = Invitations.of(invited)
    elif kept is not None:
        found = kept[1]
    else:
        raise InvalidArgumentError(
            "invited must be given, as to RoundDescriptor.signed: the store is not of this round"
        )
    check_invited(descriptor, found)
    for name in found:
        if federation.contributor(name) is None:
            raise ProtocolError(f"{name} is invited, but not on the federation's roster")
    if kept is None:
        store.put("descriptor", _ROUND, [descriptor.to_bytes(), found.to_bytes()])
    return found
