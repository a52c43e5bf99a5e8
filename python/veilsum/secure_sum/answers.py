"""The answers of the holders, as they come in, until the sum is open."""

from collections.abc import Sequence

from veilsum.errors import MalformedDataError, ProtocolError
from veilsum.opened_sum import Sum
from veilsum.schemes import Body
from veilsum.secure_sum.checks import check_answer
from veilsum.secure_sum.contribution import ContributionHeader, set_hash
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
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
        check_answer(self._federation, answer)
        is_news = self._opener.take(answer.holder, answer.body)
        if is_news:
            self._receipts.append(answer.receipt())
        return answer.holder, is_news

    def total(self) -> Sum:
        """The sum; NotEnoughSharesError while answers are missing."""
        codec, slots = self._federation.codec, self._opener.slots()
        if not codec.holds(slots):
            raise MalformedDataError("the opening has slots that no sum in this codec has")
        return codec.dequantise(slots, num_addends=len(self._headers))

    def transcript(self) -> Transcript:
        """What was signed by whom."""
        return Transcript.of(self._descriptor, self._headers, self._receipts)
