"""What a contributor is sent for a round: the descriptor, and the links that it may have missed."""

from collections.abc import Iterable
from typing import NamedTuple

from veilsum import arguments
from veilsum.errors import PolicyRefusedError, ProtocolError
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.link import START, ChainEnd, RoundLink, RunChain, check_step, follow
from veilsum.wire import BytesLike, as_bytes, split_frames

__all__ = ["Announcement", "check_announced", "check_follows", "links_to"]


class Announcement(NamedTuple):
    """A framed descriptor, then framed links, by the number of their rounds."""

    descriptor: RoundDescriptor
    links: tuple[RoundLink, ...] = ()

    @classmethod
    def of(cls, descriptor: RoundDescriptor, chain: RunChain, *, seen: int = 0) -> "Announcement":
        """A round's announcement for who has seen a run up to this round, or to its beginning."""
        arguments.instance("descriptor", descriptor, RoundDescriptor)
        arguments.instance("chain", chain, RunChain)
        last = descriptor.previous_number
        later = chain.after(arguments.count("seen", seen))
        return cls(descriptor, tuple(link for link in later if link.round_number <= last))

    @classmethod
    def from_bytes(cls, data: BytesLike, name: str = "announcement") -> "Announcement":
        """Read what ``to_bytes`` wrote; nothing is checked.

        Raises:
            MalformedDataError: the bytes are not those of an announcement.
        """
        data = as_bytes(data, name)
        frames = split_frames(data, max_frame_bytes=len(data), name=name)
        descriptor = RoundDescriptor.from_bytes(next(frames, b""))
        return cls(descriptor, tuple(map(RoundLink.from_bytes, frames)))

    def to_bytes(self) -> bytes:
        """What contributors are sent."""
        parts = (self.descriptor, *self.links)
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


def links_to(descriptor: RoundDescriptor, chain: RunChain) -> tuple[RoundLink, ...]:
    """The links of a run up to what the descriptor goes on from; ProtocolError of another chain."""
    links, end = Announcement.of(descriptor, chain).links, START
    for link in links:
        end = link.end(end)
    if end != descriptor.after:
        raise ProtocolError(
            f"the descriptor goes on from round {descriptor.previous_number}, and the chain that "
            f"is given ends at round {end.number}, or is another: give that of the run (RunChain)"
        )
    return links
