"""What takes contributions to one round, checks, keeps and adds them: an aggregator or a relay."""

from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from veilsum.errors import ProtocolError, VeilsumError
from veilsum.identity import Identity
from veilsum.one_at_a_time import OneAtATime
from veilsum.schemes import RunningSum
from veilsum.secure_sum.announcement import kept_list
from veilsum.secure_sum.checks import check_in_round
from veilsum.secure_sum.contribution import ContributionHeader
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.intake import Arrival, Arriving, Intake
from veilsum.secure_sum.invitations import AnyInvited
from veilsum.secure_sum.round_store import MemoryStore, RoundStore, place_of
from veilsum.wire import BytesLike

__all__ = ["Receiver"]


class Receiver:
    """Base of ``Aggregator`` and ``Relay``, whose arguments these are.

    Args:
        what: names the party in errors.
    """

    def __init__(
        self,
        federation: Federation,
        identity: Identity,
        descriptor: RoundDescriptor,
        *,
        invited: AnyInvited | None,
        store: RoundStore | None,
        num_threads: int | None,
        what: str,
    ) -> None:
        self._federation = federation
        self._identity = identity
        self._descriptor = descriptor
        self._store: RoundStore = MemoryStore() if store is None else store
        self._num_threads = num_threads
        self._invited = kept_list(self._store, descriptor, invited, federation=federation)
        self._intake = Intake(federation, num_threads=num_threads)
        self._sum: RunningSum[Any, Any] = federation.bodies.running_sum()
        self._headers: dict[str, ContributionHeader] = {}
        self._leaves: dict[str, list[bytes]] = {}
        self._refused: Counter[str] = Counter()
        self._one_at_a_time = OneAtATime(what)

    @property
    def contributors(self) -> tuple[str, ...]:
        """Whose contributions are in the sum so far, sorted."""
        return tuple(sorted(self._headers))

    @property
    def refused(self) -> Counter[str]:
        """How many messages were refused, by the name of the error."""
        return self._refused.copy()

    def receive(self, message: BytesLike | Iterable[BytesLike]) -> str:
        """Add one contribution and return its contributor's name. An error changes nothing.

        Args:
            message: what ``contribute`` gave, in one or in many pieces.

        Raises:
            ConcurrentUseError: another call is not done yet.
            MalformedDataError: ``message`` is not a contribution.
            ProtocolError: it is of another round, is from somebody who is not invited, has another
                relay or none, or is in the sum already; has chunks that its header does not commit
                to; or comes when the set is fixed.
            SignatureError: it is not signed by its contributor.
            ProofError: the contributor did not prove that it knows what it encrypted.
            KeyMismatchError, InvalidCiphertextError: as ``Ciphertexts.from_bytes``.
            CapacityError: the codec has no room for another addend.
        """
        with self._one_at_a_time, self._counting_refusals():
            frames = self._intake.frames_of(message)
            return self._intake.take(frames, admit=self._admit, finish=self._keep)

    def receive_all(self, messages: Iterable[BytesLike | Iterable[BytesLike]]) -> list[Arrival]:
        """Add many contributions, and say of each, in order, whether it was added or why not.

        As ``receive`` for one after another, whose errors are in what is returned; but proofs are
        checked together, in a third of the time where vectors are masked. Up to 64 messages are
        taken before the first of them is added: give each in pieces that are read late, as from a
        file, to have one vector in memory.

        Args:
            messages: each as for ``receive``. What reading it raises passes through; messages that
                were read before it and not added can be given again.

        Raises:
            ConcurrentUseError: another call is not done yet.
            TypeError: a message is no bytes.
        """
        with self._one_at_a_time:
            frames = map(self._intake.frames_of, messages)
            arrivals = list(self._intake.take_all(frames, admit=self._admit, finish=self._keep))
            self._refused.update(type(each.error).__name__ for each in arrivals if each.error)
            return arrivals

    @abstractmethod
    def _admit(self, header: ContributionHeader, num_others: int) -> None:
        """Refuse what is no contribution to this round, or has no room beside what was begun."""

    @property
    @abstractmethod
    def _why_late(self) -> str | None:
        """Why no contribution is taken any more; None while they are."""

    def _admit_through(
        self, relay: str | None, header: ContributionHeader, num_others: int
    ) -> None:
        """Refuse what may not come to the round, or not by this relay."""
        check_in_round(self._federation, self._descriptor, self._invited, header, relay=relay)
        name = header.contributor
        if self._why_late is not None:
            raise ProtocolError(f"the contribution of {name} is late: {self._why_late}")
        if name in self._headers:
            raise ProtocolError(f"{name} has contributed to this round already")
        self._federation.codec.check_num_addends(len(self._headers) + num_others + 1)

    @contextmanager
    def _counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except VeilsumError as error:
            self._refused[type(error).__name__] += 1
            raise

    def _keep(self, arriving: Arriving) -> None:
        """Keep a contribution while it is read, and add it if all of it is well."""
        self._store.put("contribution", place_of(arriving.name), arriving.frames())
        self._add(arriving)

    def _take_kept(self, places: Iterable[str]) -> None:
        """Take up the contributions that the store has there, through the same checks."""

        def add(arriving: Arriving) -> None:
            deque(arriving.frames(), maxlen=0)
            self._add(arriving)

        kept = (self._store.frames("contribution", place) for place in places)
        for arrival in self._intake.take_all(kept, admit=self._admit, finish=add):
            if arrival.error is not None:
                raise arrival.error

    def _add(self, arriving: Arriving) -> None:
        self._sum.add(arriving.parts)
        self._headers[arriving.name] = arriving.header
        self._leaves[arriving.name] = arriving.leaves
