"""The answers of the holders, as they come in, until the sum is open."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import (
    MalformedDataError,
    NotEnoughSharesError,
    ProofError,
    ProtocolError,
)
from veilsum.paillier.threshold import Combination, PartialDecryption, ThresholdKey
from veilsum.secure_sum.contribution import ContributionHeader, set_hash
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.opening import Opening, Receipt, opening_context
from veilsum.secure_sum.received import check_answer
from veilsum.secure_sum.transcript import Transcript
from veilsum.vector import EncryptedVector, Sum

__all__ = ["Gathering", "plan_shards"]


class Gathering:
    """One set of one round: who is asked for what, what came, and what it opens to."""

    def __init__(
        self,
        federation: Federation,
        descriptor: RoundDescriptor,
        *,
        headers: Sequence[ContributionHeader],
        total: EncryptedVector,
        num_threads: int | None,
    ) -> None:
        self.encrypted_total = total
        self._federation = federation
        self._descriptor = descriptor
        self._headers = tuple(headers)
        self._set_hash = set_hash(list(headers))
        self._num_threads = num_threads
        self._receipts: list[Receipt] = []
        self._slots: NDArray[np.int64] | None = None
        self._answered: list[set[str]] = [set() for _ in range(federation.num_chunks)]
        self._combination: Combination | None = None
        if isinstance(federation.key, ThresholdKey):
            context = opening_context(descriptor.round_id, self._set_hash)
            self._combination = Combination(federation.key, total.ciphertexts, context=context)

    @property
    def num_answers(self) -> int:
        """How many answers were taken."""
        return len(self._receipts)

    @property
    def num_missing(self) -> int:
        """How many chunks still want answers."""
        if isinstance(self._federation.key, ThresholdKey):
            wanted = self._federation.key.threshold
            return sum(len(holders) < wanted for holders in self._answered)
        return self._federation.num_chunks if self._slots is None else 0

    def wanted(self, missing: frozenset[str]) -> dict[str, tuple[int, ...] | None]:
        """Who is still to be asked for which chunks; None for the total."""
        federation = self._federation
        if isinstance(federation.key, ThresholdKey):
            return dict(
                plan_shards(
                    [holder.name for holder in federation.holders],
                    threshold=federation.key.threshold,
                    answered=self._answered,
                    missing=missing,
                )
            )
        if self._slots is not None:
            return {}
        holders = federation.holders or federation.contributors
        names = [holder.name for holder in holders if holder.name not in missing]
        if not names:
            raise NotEnoughSharesError("everybody who holds the key is missing")
        return dict.fromkeys(names)

    def take(self, frame: bytes) -> tuple[str, bool]:
        """Check one answer and keep it; the name of the holder, and whether the answer is news."""
        answer = Opening.from_bytes(frame)
        if (answer.round_id, answer.set_hash) != (self._descriptor.round_id, self._set_hash):
            raise ProtocolError(f"{answer.holder} answers another request")
        check_answer(self._federation, answer)
        if self._combination is None:
            is_news = self._take_slots(answer)
        else:
            is_news = self._take_partial(answer, self._combination)
        if is_news:
            self._receipts.append(answer.receipt())
        return answer.holder, is_news

    def total(self) -> Sum:
        """The sum; NotEnoughSharesError while answers are missing."""
        codec = self._federation.codec
        if self._combination is not None:
            plaintexts = self._combination.open_plaintexts(num_threads=self._num_threads)
            slots = codec.unpack_slots(
                plaintexts, modulus=self._federation.public_key.n, num_threads=self._num_threads
            )
        elif self._slots is not None:
            slots = self._slots
        else:
            raise NotEnoughSharesError("nobody has opened the total yet")
        if not codec.holds(slots):
            raise MalformedDataError("the opening has slots that no sum in this codec has")
        return codec.dequantise(slots, num_addends=len(self._headers))

    def transcript(self) -> Transcript:
        """What was signed by whom."""
        return Transcript.of(self._descriptor, self._headers, self._receipts)

    def _take_slots(self, answer: Opening) -> bool:
        codec = self._federation.codec
        if len(answer.body) != 8 * (codec.dim + 1):
            raise MalformedDataError("the opening has another number of slots than the codec")
        slots = np.frombuffer(answer.body, "<i8").astype(np.int64)
        if not codec.holds(slots):
            raise MalformedDataError("the opening has slots that no sum in this codec has")
        if any(receipt.holder == answer.holder for receipt in self._receipts):
            return False
        if self._slots is not None and not np.array_equal(slots, self._slots):
            raise ProtocolError(f"{answer.holder} opened the total to another sum than before")
        self._slots = slots
        return True

    def _take_partial(self, answer: Opening, combination: Combination) -> bool:
        federation = self._federation
        assert isinstance(federation.key, ThresholdKey)
        partial = PartialDecryption.from_bytes(answer.body, federation.key)
        index = partial.first // federation.chunk_size
        if federation.holders[partial.holder - 1].name != answer.holder:
            raise ProtocolError(f"{answer.holder} sent the partial decryption of another holder")
        if index >= federation.num_chunks or range(
            partial.first, partial.first + len(partial)
        ) != federation.chunk_range(index):
            raise ProtocolError(f"{answer.holder} sent no chunk of this federation")
        if answer.holder in self._answered[index]:
            return False
        try:
            combination.add(partial, num_threads=self._num_threads)
        except ProofError as error:
            raise ProofError(f"{answer.holder}: {error}") from error
        self._answered[index].add(answer.holder)
        return True


def plan_shards(
    holders: Sequence[str],
    *,
    threshold: int,
    answered: Sequence[set[str]],
    missing: frozenset[str],
) -> dict[str, tuple[int, ...]]:
    """Who opens which chunks: ``threshold`` holders each, in turn, so that all work alike.

    Raises:
        NotEnoughSharesError: too many holders are missing.
    """
    shards: dict[str, list[int]] = {}
    for index, done in enumerate(answered):
        in_turn = [holders[(index + i) % len(holders)] for i in range(len(holders))]
        able = [name for name in in_turn if name not in missing and name not in done]
        lacking = threshold - len(done)
        if lacking > len(able):
            raise NotEnoughSharesError(
                f"chunk {index} needs the answers of {lacking} more holders, and {len(able)} can "
                f"be asked; {threshold} of {len(holders)} must answer"
            )
        for name in able[: max(0, lacking)]:
            shards.setdefault(name, []).append(index)
    return {name: tuple(chunks) for name, chunks in shards.items()}
