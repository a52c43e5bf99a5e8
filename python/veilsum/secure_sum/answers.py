"""The answers of the holders, as they come in, until the sum is open."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import CapacityError, MalformedDataError, ProtocolError
from veilsum.identity import Identity
from veilsum.opened_sum import Sum
from veilsum.schemes import Body
from veilsum.secure_sum.checks import check_answer_in_round
from veilsum.secure_sum.contribution import ContributionHeader, set_hash
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.link import (
    NO_LINK,
    RoundLink,
    certificate_of,
    commitment_to,
    salt_of,
)
from veilsum.secure_sum.opening import Opening, Receipt, opening_context
from veilsum.secure_sum.transcript import Transcript

__all__ = ["Answers"]


class Answers:
    """One set of one round: who is asked for what, what came, and what it opens to."""

    def __init__(
        self,
        federation: Federation,
        descriptor: RoundDescriptor,
        *,
        headers: Sequence[ContributionHeader],
        total: Body,
        num_threads: int | None,
    ) -> None:
        self._total = total
        self._federation = federation
        self._descriptor = descriptor
        self._headers = tuple(headers)
        self._set_hash = set_hash(list(headers))
        self._receipts: list[Receipt] = []
        self._link: RoundLink | None = None
        self._opener = federation.bodies.opener(
            total,
            context=opening_context(descriptor.round_id, self._set_hash),
            num_threads=num_threads,
        )

    @property
    def num_answers(self) -> int:
        """How many answers were taken."""
        return len(self._receipts)

    @property
    def num_missing(self) -> int:
        """How many chunks still want answers."""
        return self._opener.num_missing

    def wanted(self, missing: frozenset[str]) -> dict[str, tuple[int, ...] | None]:
        """Who is still to be asked for which chunks; None for the total."""
        return self._opener.wanted(missing)

    def total_message(self) -> bytes:
        """For holders that open the total."""
        return self._federation.bodies.write_total(self._total, num_addends=len(self._headers))

    def take(self, frame: bytes) -> tuple[str, bool]:
        """Check one answer and keep it; the name of the holder, and whether the answer is news."""
        answer = Opening.from_bytes(frame)
        if (answer.round_id, answer.set_hash) != (self._descriptor.round_id, self._set_hash):
            raise ProtocolError(f"{answer.holder} answers another request")
        check_answer_in_round(self._federation, self._descriptor, answer)
        is_news = self._opener.take(answer.holder, answer.body, chunk=answer.index)
        if is_news:
            self._receipts.append(answer.receipt())
        return answer.holder, is_news

    def total(self) -> Sum:
        """The sum; NotEnoughSharesError while answers are missing."""
        slots = self._slots()
        return self._federation.codec.dequantise(slots, num_addends=len(self._headers))

    def link(self, identity: Identity) -> RoundLink | None:
        """What stands for the round once it is opened, signed by the aggregator; None before.

        It is the same whenever it is made, and whoever of the holders has answered.
        """
        if self._opener.num_missing > 0:
            return None
        if self._link is None:
            descriptor = self._descriptor
            salt = self.salt(identity)
            try:
                commitment = commitment_to(self._slots(), salt)
            except (CapacityError, MalformedDataError):
                commitment = NO_LINK  # A void round: it was opened, to no sum.
            self._link = RoundLink.signed(
                identity,
                federation_hash=self._federation.hash,
                after=descriptor.after,
                round_number=descriptor.round_number,
                round_id=descriptor.round_id,
                set_hash=self._set_hash,
                certificate=certificate_of(self._opener.opened(), salt),
                commitment=commitment,
            )
        return self._link

    def salt(self, identity: Identity) -> bytes:
        """What goes with the slots to whoever may know them, to check the link's commitment."""
        return salt_of(identity, self._descriptor.round_id, self._set_hash)

    def transcript(self, identity: Identity) -> Transcript:
        """What was signed by whom."""
        return Transcript.of(self._descriptor, self._headers, self._receipts, self.link(identity))

    def _slots(self) -> NDArray[np.int64]:
        slots = self._opener.slots()
        if not self._federation.codec.holds(slots):
            raise MalformedDataError("the opening has slots that no sum in this codec has")
        return slots
