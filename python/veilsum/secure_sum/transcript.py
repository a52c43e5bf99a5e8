"""What was announced, contributed and opened in a round, and by whom: for others to check."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, MalformedDataError, ProtocolError
from veilsum.message import Message, counted, framed, framed_or_none, inner, to_end, until_zero
from veilsum.secure_sum.checks import check_answer, check_in_round
from veilsum.secure_sum.contribution import ContributionHeader, set_hash
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.fields import sha256
from veilsum.secure_sum.link import RoundLink
from veilsum.secure_sum.opening import Receipt
from veilsum.wire import BytesLike, WireKind

__all__ = ["Transcript"]

_LABEL = b"veilsum/transcript/1"


@dataclass(frozen=True)
class Transcript(Message, kind=WireKind.TRANSCRIPT, version=2):
    """The signed headers of a round in the order they were acted on, chained by hashes.

    Attributes:
        descriptor: the round.
        headers: of the contributions in the sum, sorted by contributor.
        receipts: of the holders' answers, as they came.
        link: what stands for the round in the chain of the run; None of one that was not opened.
        chain: one hash after each part; the last one stands for the whole round.
    """

    descriptor: Annotated[RoundDescriptor, framed(RoundDescriptor)]
    headers: Annotated[
        tuple[ContributionHeader, ...], until_zero(ContributionHeader, "sorted by contributor")
    ]
    receipts: Annotated[tuple[Receipt, ...], counted(inner(Receipt), "as they came")]
    link: Annotated[RoundLink | None, framed_or_none(RoundLink, "a length of 0 for none")]
    chain: Annotated[tuple[bytes, ...], to_end(sha256(), "below")]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.chain:
            raise InvalidArgumentError("chain is empty; a transcript has a hash for its round")

    @classmethod
    def of(
        cls,
        descriptor: RoundDescriptor,
        headers: Sequence[ContributionHeader],
        receipts: Sequence[Receipt],
        link: RoundLink | None = None,
    ) -> "Transcript":
        """The transcript of these, with its chain."""
        arguments.instance("descriptor", descriptor, RoundDescriptor)
        headers = arguments.tuple_of("headers", headers, ContributionHeader)
        receipts = arguments.tuple_of("receipts", receipts, Receipt)
        parts = _parts(descriptor, headers, receipts)
        return cls(descriptor, headers, receipts, link, tuple(_chain(parts)))

    @property
    def head(self) -> bytes:
        """The last hash of the chain: parties that saw the same have the same."""
        return self.chain[-1]

    def verify(self, federation: Federation) -> None:
        """Check all of it against the pinned federation, without any of the ciphertexts.

        Raises:
            ProtocolError: the chain is broken, the federation is another one, contributors or
                holders are not on its rosters, were not invited or are too few, or an answer is to
                another set.
            SignatureError: a part is not signed by whom it names.
        """
        arguments.instance("federation", federation, Federation)
        parts = _parts(self.descriptor, self.headers, self.receipts)
        if list(self.chain) != _chain(parts):
            raise ProtocolError("the transcript's chain of hashes is broken")
        if self.descriptor.federation_hash != federation.hash:
            raise ProtocolError("the transcript is of another federation")
        self.descriptor.verify(federation.aggregator)
        self._check_link(federation)
        self._check_contributions(federation)
        self._check_receipts(federation)

    @classmethod
    def from_bytes(cls, data: BytesLike) -> "Transcript":
        """Read what ``to_bytes`` wrote; ``verify`` checks it.

        Raises:
            MalformedDataError: the bytes are not those of a transcript.
        """
        transcript = super().from_bytes(data)
        num_parts = 1 + len(transcript.headers) + len(transcript.receipts)
        if len(transcript.chain) != num_parts:
            raise MalformedDataError(
                f"transcript: it has {len(transcript.chain)} hashes for {num_parts} parts"
            )
        return transcript

    def _check_link(self, federation: Federation) -> None:
        link = self.link
        if link is None:
            return
        named = (link.round_number, link.round_id, link.set_hash)
        number, name = self.descriptor.round_number, self.descriptor.round_id
        if named != (number, name, set_hash(list(self.headers))):
            raise ProtocolError("the transcript has the link of another round or set")
        link.verify(
            federation.aggregator, federation_hash=federation.hash, after=self.descriptor.after
        )

    def _check_contributions(self, federation: Federation) -> None:
        names = [header.contributor for header in self.headers]
        most = federation.codec.max_addends
        if names != sorted(set(names)) or not federation.fewest <= len(names) <= most:
            raise ProtocolError(
                f"the transcript has {len(set(names))} contributors; the federation opens sums of "
                f"{federation.fewest} to {most}, each of them once and in order"
            )
        for header in self.headers:
            check_in_round(federation, self.descriptor, header)

    def _check_receipts(self, federation: Federation) -> None:
        wanted = set_hash(list(self.headers))
        for receipt in self.receipts:
            if (receipt.round_id, receipt.set_hash) != (self.descriptor.round_id, wanted):
                raise ProtocolError(f"{receipt.holder} opened another set")
            check_answer(federation, receipt)
        num_answered = len({receipt.holder for receipt in self.receipts})
        num_answers = federation.bodies.num_answers
        if num_answered < num_answers:
            raise ProtocolError(
                f"{num_answered} holders answered; it takes {num_answers} to open a sum"
            )


def _parts(
    descriptor: RoundDescriptor,
    headers: Sequence[ContributionHeader],
    receipts: Sequence[Receipt],
) -> list[bytes]:
    signed = [header.to_bytes() for header in headers]
    return [descriptor.to_bytes(), *signed, *(receipt.unframed() for receipt in receipts)]


def _chain(parts: Sequence[bytes]) -> list[bytes]:
    links, link = [], hashlib.sha256(_LABEL).digest()
    for part in parts:
        link = hashlib.sha256(link + hashlib.sha256(part).digest()).digest()
        links.append(link)
    return links
