"""What holders are asked, and their answers as they come in, until the sum is open."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import CapacityError, MalformedDataError, ProtocolError
from veilsum.identity import Identity
from veilsum.opened_sum import Sum
from veilsum.secure_sum.checks import check_answer_in_round
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.link import (
    NO_LINK,
    RoundLink,
    certificate_of,
    commitment_to,
    salt_of,
)
from veilsum.secure_sum.lock import Lock, check_lock
from veilsum.secure_sum.opening import Opening, Receipt, opening_context
from veilsum.secure_sum.round_set import RoundSet
from veilsum.secure_sum.transcript import Transcript

__all__ = ["Answers", "Asked"]


class Asked(NamedTuple):
    """What one holder is asked next."""

    chunks: tuple[int, ...]
    """Which chunks; at least one."""
    with_pieces: bool
    """Whether it is sent everybody's chunks: it has not checked them, or kept no sums."""


class Answers:
    """One set of one round: who is asked for what, what came, and what it opens to.

    Holders of shares are asked twice. First they check the chunks that they are to open, and lock
    the set; once all of them have, each is shown enough locks and opens. Whoever takes the place of
    one that is gone does both at once. Whoever has the whole key is asked once, to open.
    """

    def __init__(
        self,
        federation: Federation,
        contributed: RoundSet,
        *,
        total: Any,
        num_threads: int | None,
    ) -> None:
        self._federation = federation
        self.contributed = contributed
        self._descriptor = contributed.descriptor
        self._set_hash = contributed.set_hash
        self._receipts: list[Receipt] = []
        self._link: RoundLink | None = None
        self._opened_slots: NDArray[np.int64] | None = None
        self._locks: dict[str, Lock] = {}
        self._checked: dict[str, set[int]] = {}
        self._last_asked: dict[str, Asked] = {}
        self._shown: tuple[Lock, ...] = ()
        self.has_begun = False
        self._opener = federation.bodies.opener(
            total,
            context=self._descriptor.round_id,
            binding=opening_context(self._descriptor.round_id, self._set_hash),
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

    @property
    def shown(self) -> tuple[Lock, ...]:
        """The locks that holders are shown; none before there are enough."""
        return self._shown

    def wanted(self, missing: frozenset[str], *, max_chunks: int | None) -> dict[str, Asked]:
        """Who is to be asked for what next; nobody when the sum is open.

        After the first time that this is for more than locks, ``has_begun`` is set for good.
        """
        wanted = self._opener.wanted(missing)
        if not self.has_begun:
            asked = self._to_lock(wanted, max_chunks)
            if not asked:
                self._begin()
        if self.has_begun:
            asked = {
                name: self._to_open(name, chunks, max_chunks) for name, chunks in wanted.items()
            }
        self._last_asked.update(asked)
        return asked

    def _to_lock(
        self, wanted: dict[str, tuple[int, ...]], max_chunks: int | None
    ) -> dict[str, Asked]:
        """Who has not locked the set yet, or not checked what it is to open."""
        if self._federation.num_locks == 0:
            return {}
        asked = {}
        for name, chunks in wanted.items():
            left = [i for i in chunks if i not in self._checked.get(name, ())]
            if left:
                asked[name] = Asked(tuple(left[:max_chunks]), with_pieces=True)
        return asked

    def _to_open(self, name: str, chunks: tuple[int, ...], max_chunks: int | None) -> Asked:
        kept = tuple(i for i in chunks if i in self._checked.get(name, ()))
        return Asked(kept, False) if kept else Asked(chunks[:max_chunks], with_pieces=True)

    def _begin(self) -> None:
        """From now on holders are shown enough locks: the sum may get open, whatever happens."""
        self.go_on(tuple(self._locks.values())[: self._federation.num_locks])

    def go_on(self, shown: Sequence[Lock]) -> None:
        """As another aggregator of the round had begun, with these locks."""
        self._shown = tuple(shown)
        self.has_begun = True

    def take_lock(self, lock: Lock) -> None:
        """Check a holder's lock and keep it: one for each time that the holder was asked."""
        name = lock.holder
        check_lock(
            self._federation,
            lock,
            round_id=self._descriptor.round_id,
            set_hash=self._set_hash,
        )
        asked, checked = self._last_asked.get(name), self._checked.setdefault(name, set())
        if not self.has_begun:
            if asked is None and name in self._locks:
                raise ProtocolError(f"{name} has locked already, and was not asked again")
            # Of a lock that another aggregator of the round was given, all that can be hoped.
            checked.update(range(self._federation.num_opened) if asked is None else asked.chunks)
        elif asked is None or asked.with_pieces:
            raise ProtocolError(f"{name} answers with its lock, and was asked to open")
        else:
            checked.difference_update(asked.chunks)  # It keeps none of their sums.
        self._last_asked.pop(name, None)
        self._locks[name] = lock

    def take(self, frame: bytes) -> tuple[str, bool]:
        """Check one answer and keep it; the name of the holder, and whether the answer is news."""
        answer = Opening.from_bytes(frame)
        if not self.has_begun:
            raise ProtocolError(f"{answer.holder} opens, and was not asked to yet")
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
        return self._federation.codec.dequantise(slots, num_addends=len(self.contributed.headers))

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
        return Transcript.of(
            self.contributed,
            self._receipts,
            self.link(identity),
            locks=self._shown,
        )

    def _slots(self) -> NDArray[np.int64]:
        """Opened once: link and sum are both made of them."""
        if self._opened_slots is None:
            slots = self._opener.slots()
            if not self._federation.codec.holds(slots):
                raise MalformedDataError("the opening has slots that no sum in this codec has")
            self._opened_slots = slots
        return self._opened_slots
