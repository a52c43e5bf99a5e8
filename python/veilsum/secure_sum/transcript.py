"""What was announced, contributed and opened in a round, and by whom: for others to check."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from veilsum import arguments
from veilsum.errors import ProtocolError
from veilsum.message import Message, counted, framed, framed_or_none, inner
from veilsum.secure_sum.announcement import check_announced, check_invited
from veilsum.secure_sum.checks import check_answer_in_round, check_header
from veilsum.secure_sum.contribution import ContributionHeader
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.link import ChainEnd, RoundLink
from veilsum.secure_sum.lock import Lock, check_locks
from veilsum.secure_sum.opening import Receipt
from veilsum.secure_sum.round_set import RoundSet
from veilsum.wire import WireKind

__all__ = ["Outcome", "Transcript"]

Outcome = Literal["complete", "void", "unfinished", "abandoned"]
_MOST_NAMED = 8


@dataclass(frozen=True)
class Transcript(Message, kind=WireKind.TRANSCRIPT, version=3):
    """The signed parts of a round: who announced it, who contributed, who locked and opened what.

    Attributes:
        contributed: the round, who was invited, and the contributions in the sum.
        receipts: of the holders' answers, as they came: one for each holder and chunk.
        link: what stands for the round in the chain of the run; None of one that was not opened.
        locks: those that holders were shown before they opened; none where one party opens alone.
    """

    contributed: Annotated[RoundSet, inner(RoundSet)]
    receipts: Annotated[tuple[Receipt, ...], counted(inner(Receipt), "as they came")]
    link: Annotated[RoundLink | None, framed_or_none(RoundLink, "a length of 0 for none")]
    locks: Annotated[tuple[Lock, ...], counted(framed(Lock), "as they were shown to holders")] = ()

    @classmethod
    def of(
        cls,
        contributed: RoundSet,
        receipts: Sequence[Receipt],
        link: RoundLink | None = None,
        *,
        locks: Sequence[Lock] = (),
    ) -> "Transcript":
        """The transcript of these, given in any lists."""
        arguments.instance("contributed", contributed, RoundSet)
        receipts = arguments.tuple_of("receipts", receipts, Receipt)
        locks = arguments.tuple_of("locks", locks, Lock)
        return cls(contributed, receipts, link, locks)

    @property
    def descriptor(self) -> RoundDescriptor:
        """The round."""
        return self.contributed.descriptor

    @property
    def headers(self) -> tuple[ContributionHeader, ...]:
        """Of the contributions in the sum, sorted by contributor."""
        return self.contributed.headers

    @property
    def outcome(self) -> Outcome:
        """What became of the round, as its aggregator signed it.

        Complete: its sum was opened. Void: it was opened, and what came out is no sum; that counts
        as opened. Unfinished: holders have begun to open it, and must finish before another round.
        Abandoned: it was not opened, whatever was contributed.
        """
        if self.link is None:
            return "unfinished" if self.locks or self.receipts else "abandoned"
        return "void" if self.link.is_void else "complete"

    @property
    def end(self) -> ChainEnd | None:
        """How far the run is with this round; parties that saw the same have the same.

        None of a round that was not opened.
        """
        return None if self.link is None else self.link.end(self.descriptor.after)

    def missing(self, federation: Federation) -> tuple[int, ...]:
        """The chunks of the sum that fewer holders have opened than it takes, by their indices."""
        arguments.instance("federation", federation, Federation)
        answered: list[set[str]] = [set() for _ in range(federation.num_opened)]
        for receipt in self.receipts:
            if receipt.index < len(answered):
                answered[receipt.index].add(receipt.holder)
        needed = federation.bodies.num_answers
        return tuple(index for index, names in enumerate(answered) if len(names) < needed)

    def verify(self, federation: Federation) -> None:
        """Check all of it against the pinned federation, without any of the ciphertexts.

        A round that was opened has a link, and enough answers for every chunk of its sum that is
        opened; one that was abandoned has neither.

        Raises:
            ProtocolError: the federation is another one; the list of those who were invited is not
                the one that was signed; contributors or holders are not on its rosters, or too
                few; an answer is to another set, there twice, or not by the opener that the round
                names; a chunk was not opened, or all were and there is no link; or the link is
                that of another round or set.
            PolicyRefusedError: its number or its opener is none that parties answer.
            SignatureError: a part is not signed by whom it names.
        """
        arguments.instance("federation", federation, Federation)
        if self.descriptor.federation_hash != federation.hash:
            raise ProtocolError("the transcript is of another federation")
        check_announced(self.descriptor, federation)
        self._check_contributions(federation)
        self._check_locks(federation)
        self._check_receipts(federation)
        self._check_opened(federation)

    def _check_contributions(self, federation: Federation) -> None:
        check_invited(self.descriptor, self.contributed.invited)
        num_headers = len(self.headers)
        # Of a round that was abandoned there may be any number, but no answer.
        fewest = federation.fewest if self.receipts or self.link is not None else 0
        most = federation.codec.max_addends
        if not fewest <= num_headers <= most:
            raise ProtocolError(
                f"the transcript has {num_headers} contributors; the federation opens sums of "
                f"{federation.fewest} to {most}"
            )
        for header in self.headers:
            check_header(federation, header)

    def _check_locks(self, federation: Federation) -> None:
        if not self.locks and (not self.receipts or federation.num_locks == 0):
            return
        names = {"round_id": self.descriptor.round_id, "set_hash": self.contributed.set_hash}
        check_locks(federation, self.locks, **names)

    def _check_receipts(self, federation: Federation) -> None:
        wanted = self.contributed.set_hash
        seen = set[tuple[str, int]]()
        for receipt in self.receipts:
            if (receipt.round_id, receipt.set_hash) != (self.descriptor.round_id, wanted):
                raise ProtocolError(f"{receipt.holder} opened another set")
            check_answer_in_round(federation, self.descriptor, receipt)
            place = (receipt.holder, receipt.index)
            if receipt.index >= federation.num_opened or place in seen:
                raise ProtocolError(
                    f"{receipt.holder} answered for chunk {receipt.index}, twice or of "
                    f"{federation.num_opened}"
                )
            seen.add(place)

    def _check_opened(self, federation: Federation) -> None:
        missing, link = self.missing(federation), self.link
        if link is None:
            if not missing:
                raise ProtocolError(
                    "every chunk of the sum was opened, and the round has no link: a round that "
                    "was opened must not be hidden"
                )
            return
        if missing:
            chunks = ", ".join(map(str, missing[:_MOST_NAMED]))
            more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
            raise ProtocolError(
                f"the round counts as opened, and for {len(missing)} of {federation.num_opened} "
                f"chunks there are fewer answers than the {federation.bodies.num_answers} that it "
                f"takes: {chunks}{more}"
            )
        named = (link.round_number, link.round_id, link.set_hash)
        number, name = self.descriptor.round_number, self.descriptor.round_id
        if named != (number, name, self.contributed.set_hash):
            raise ProtocolError("the transcript has the link of another round or set")
        link.verify(
            federation.aggregator, federation_hash=federation.hash, after=self.descriptor.after
        )
