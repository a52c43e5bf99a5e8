"""The chain of a run: one link for each round that was opened, signed by the aggregator."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import PolicyRefusedError, SignatureError
from veilsum.identity import Enrolment, Identity, Role, verify
from veilsum.message import Message, u64
from veilsum.secure_sum.fields import HASH_BYTES, check_hash, ed25519, sha256
from veilsum.wire import WireKind

__all__ = [
    "MAX_STEP",
    "NO_LINK",
    "START",
    "ChainEnd",
    "RoundLink",
    "RunChain",
    "certificate_of",
    "check_step",
    "commitment_to",
    "follow",
    "salt_of",
]

_LABEL = b"veilsum/link/1"
_SALT_LABEL = b"veilsum/salt/1"
_CERTIFICATE_LABEL = b"veilsum/certificate/1"
_SLOTS_LABEL = b"veilsum/slots/1"
NO_LINK = bytes(HASH_BYTES)
MAX_STEP = 1000
"""Round numbers may go on by so much: one number far away must not end a run."""


class ChainEnd(NamedTuple):
    """How far a run has come: the last round that was opened, and its link."""

    number: int = 0
    """0 before the first round."""
    link: bytes = NO_LINK
    """32 zero bytes before the first round."""


START = ChainEnd()
"""Of a run in which no round was opened yet."""


@dataclass(frozen=True, kw_only=True)
class RoundLink(Message, kind=WireKind.ROUND_LINK, version=1):
    """What stands for an opened round: some 200 bytes that whoever missed it can check.

    Attributes:
        round_number: of the round.
        round_id: ``RoundDescriptor.round_id``.
        set_hash: names the contributions that were opened.
        certificate: salted SHA-256 of the opened plaintexts.
        commitment: salted SHA-256 of the slots in them; 32 zero bytes of a void round, whose
            plaintexts are no slots.
        signature: over these, the federation and the link before, by the aggregator.
    """

    round_number: Annotated[int, u64(at_least=1)]
    round_id: Annotated[bytes, sha256("section 6")]
    set_hash: Annotated[bytes, sha256("the name of the set, section 7")]
    certificate: Annotated[bytes, sha256("of the opened plaintexts, below")]
    commitment: Annotated[bytes, sha256("to the opened slots, below; zero of a void round")]
    signature: Annotated[bytes, ed25519("section 7, of role 4, over what is below")]

    @classmethod
    def signed(
        cls,
        identity: Identity,
        *,
        federation_hash: bytes,
        after: ChainEnd,
        round_number: int,
        round_id: bytes,
        set_hash: bytes,
        certificate: bytes,
        commitment: bytes,
    ) -> "RoundLink":
        """A link with its signature; ``after`` is the one before it."""
        arguments.instance("identity", identity, Identity)
        arguments.instance("after", after, ChainEnd)
        check_hash("federation_hash", federation_hash)
        unsigned = cls(
            round_number=round_number,
            round_id=round_id,
            set_hash=set_hash,
            certificate=certificate,
            commitment=commitment,
            signature=bytes(64),
        )
        payload = unsigned._payload(federation_hash, after)
        signature = identity.sign(WireKind.ROUND_LINK, Role.AGGREGATOR, round_id, payload)
        return replace(unsigned, signature=signature)

    @property
    def is_void(self) -> bool:
        """Whether the opened plaintexts are no sum in the codec."""
        return self.commitment == NO_LINK

    def commits_to(self, slots: NDArray[np.int64], salt: bytes) -> bool:
        """Whether these are the slots that were opened, given the salt that came with them."""
        return not self.is_void and self.commitment == commitment_to(slots, salt)

    def hash_after(self, previous: bytes) -> bytes:
        """The hash that stands for the round and all before it: ``last_link`` of the next."""
        check_hash("previous", previous)
        parts = (previous, self.round_id, self.set_hash, self.certificate, self.commitment)
        return hashlib.sha256(_LABEL + b"".join(parts)).digest()

    def end(self, after: ChainEnd) -> ChainEnd:
        """How far a run has come with this link; nothing is checked."""
        return ChainEnd(self.round_number, self.hash_after(after.link))

    def verify(self, aggregator: Enrolment, *, federation_hash: bytes, after: ChainEnd) -> None:
        """SignatureError unless the aggregator signed it as the one after ``after`` of this run."""
        arguments.instance("after", after, ChainEnd)
        check_hash("federation_hash", federation_hash)
        payload = self._payload(federation_hash, after)
        kind, role = WireKind.ROUND_LINK, Role.AGGREGATOR
        verify(aggregator, self.signature, kind, role, self.round_id, payload)

    def _payload(self, federation_hash: bytes, after: ChainEnd) -> bytes:
        """The hash has what is not here."""
        numbers = after.number.to_bytes(8, "little") + self.round_number.to_bytes(8, "little")
        return federation_hash + numbers + self.hash_after(after.link)


class RunChain:
    """The links of a run at its aggregator, as far as it has come.

    Args:
        links: in the order of their rounds, as transcripts of the run have them.
    """

    def __init__(self, links: Iterable[RoundLink] = ()) -> None:
        self._links: list[RoundLink] = []
        self.end = START
        for link in links:
            self.add(link)

    def add(self, link: RoundLink) -> None:
        """A round was opened; one that is there already is no news."""
        if arguments.instance("link", link, RoundLink).round_number > self.end.number:
            self._links.append(link)
            self.end = link.end(self.end)

    def after(self, number: int) -> tuple[RoundLink, ...]:
        """Those of later rounds: for a contributor that has seen this one."""
        return tuple(link for link in self._links if link.round_number > number)

    def __repr__(self) -> str:
        return f"<RunChain: {len(self._links)} rounds, the last {self.end.number}>"


def salt_of(identity: Identity, round_id: bytes, set_hash: bytes) -> bytes:
    """What the aggregator hides opened values with: nobody else can tell it, and it stays the same.

    It is made of a signature that is never shown; Ed25519 signs the same bytes the same way.
    """
    payload = _SALT_LABEL + set_hash
    signature = identity.sign(WireKind.ROUND_LINK, Role.AGGREGATOR, round_id, payload)
    return hashlib.sha256(signature).digest()


def certificate_of(opened: bytes, salt: bytes) -> bytes:
    """Stands for the opened plaintexts, whoever has opened them."""
    return _salted(_CERTIFICATE_LABEL, opened, salt)


def commitment_to(slots: NDArray[np.int64], salt: bytes) -> bytes:
    """Stands for the opened slots: few and guessable, as of a statistic, without the salt."""
    return _salted(_SLOTS_LABEL, slots.astype("<i8").tobytes(), salt)


def _salted(label: bytes, data: bytes, salt: bytes) -> bytes:
    check_hash("salt", salt)
    return hashlib.sha256(label + salt + data).digest()


def follow(
    links: Iterable[RoundLink], *, aggregator: Enrolment, federation_hash: bytes, start: ChainEnd
) -> ChainEnd:
    """Where a chain leads from ``start``; what was opened up to there is passed over, in order.

    Raises:
        PolicyRefusedError: numbers do not grow, or by too much at once; or a link is not signed as
            the one after those before it.
    """
    end, last = start, 0
    for link in links:
        if link.round_number <= last:
            raise PolicyRefusedError(
                f"the link of round {link.round_number} comes after that of round {last}: links "
                "come in the order of their rounds, each once"
            )
        last = link.round_number
        if last <= start.number:
            continue
        check_step(link.round_number, after=end.number)
        try:
            link.verify(aggregator, federation_hash=federation_hash, after=end)
        except SignatureError as error:
            raise PolicyRefusedError(
                f"the link of round {link.round_number} is not signed by {aggregator.name} as the "
                f"one after round {end.number}: it is forged, off the chain, or some are missing"
            ) from error
        end = link.end(end)
    return end


def check_step(number: int, *, after: int) -> None:
    """PolicyRefusedError unless a round's number is above the last opened one, and near it."""
    if not after < number <= after + MAX_STEP:
        raise PolicyRefusedError(
            f"round {number} is announced, and the last that was opened is {after}; the next is at "
            f"most {MAX_STEP} above it"
        )
