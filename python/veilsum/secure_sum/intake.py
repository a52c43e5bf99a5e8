"""Contributions as they come in: read and checked, so that only whole ones are added.

What whoever adds contributions does alike. Of several at once the proofs are checked together,
which costs less: their keys and proofs are read first, and the rest when the proofs are right.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from veilsum.errors import (
    CapacityError,
    MalformedDataError,
    ProofError,
    ProtocolError,
    VeilsumError,
)
from veilsum.schemes import Body, Proofs
from veilsum.secure_sum.checks import read_chunk
from veilsum.secure_sum.contribution import Chunk, ContributionHeader
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.merkle import leaf_hash, merkle_root
from veilsum.wire import BytesLike, split_frames

__all__ = ["Admit", "Arrival", "Arriving", "Finish", "Intake"]

_MOST_TOGETHER = 64  # Whoever gives whole messages has as many in memory.


class Arrival(NamedTuple):
    """What became of one of many messages."""

    contributor: str
    """Who has contributed; empty if the message does not say."""
    error: VeilsumError | None
    """Why the message was refused; None if it was added."""


@dataclass(eq=False, kw_only=True)
class Arriving:
    """A contribution of which the header and the chunks to be opened were read.

    Attributes:
        header: checked.
        parts: what is in the chunks that were read, in order.
        leaves: the hashes of these chunks.
    """

    header: ContributionHeader
    federation: Federation
    rest: Iterator[bytes]
    num_threads: int | None
    parts: list[Body] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    read: list[bytes] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Whose it is."""
        return self.header.contributor

    def read_opened(self, proofs: Proofs | None) -> None:
        """Read the chunks that holders are given; with ``proofs``, those are left unchecked."""
        for index in range(self.federation.num_opened):
            self.read.append(self._next(index, proofs))

    def frames(self) -> Iterator[bytes]:
        """All frames of the contribution, each checked before it is passed on. To be read once.

        Raises:
            ProtocolError, MalformedDataError, KeyMismatchError, InvalidCiphertextError: as
                ``Aggregator.receive``.
        """
        yield self.header.to_bytes()
        yield from self.read
        self.read.clear()
        for index in range(len(self.parts), self.header.num_chunks):
            yield self._next(index, None)
        if next(self.rest, None) is not None:
            raise MalformedDataError(f"{self.name} sent more chunks than announced")
        if merkle_root(self.leaves) != self.header.root:
            raise ProtocolError(f"these are not the chunks that {self.name} signed")

    def _next(self, index: int, proofs: Proofs | None) -> bytes:
        frame = next(self.rest, None)
        if frame is None:
            raise ProtocolError(f"chunk {index} of {self.name} is missing")
        chunk = Chunk.from_bytes(frame)
        self.parts.append(
            read_chunk(self.federation, self.header, index, chunk, self.num_threads, proofs)
        )
        self.leaves.append(leaf_hash(frame))
        return frame


Finish: TypeAlias = Callable[[Arriving], object]
"""Reads the frames of a contribution to the end, and adds it."""


Admit: TypeAlias = Callable[[ContributionHeader, int], None]
"""Refuses what a header alone shows to be no contribution to the round, or one too many beside so
many others that are being read."""


class Intake:
    """Reads contributions to one round.

    Args:
        federation: the agreement.
        num_threads: for checking.
    """

    def __init__(self, federation: Federation, *, num_threads: int | None) -> None:
        self._federation = federation
        self._num_threads = num_threads

    def frames_of(self, message: BytesLike | Iterable[BytesLike]) -> Iterator[bytes]:
        """The frames of a message that comes in one piece or in many."""
        limit = self._federation.max_frame_bytes
        return split_frames(message, max_frame_bytes=limit, name="message")

    def take(self, frames: Iterator[bytes], *, admit: Admit, finish: Finish) -> str:
        """Read one contribution, and whose it is."""
        header = _header_of(frames)
        admit(header, 0)
        arriving = self._arriving(header, frames)
        arriving.read_opened(None)
        finish(arriving)
        return arriving.name

    def take_all(
        self, messages: Iterable[Iterator[bytes]], *, admit: Admit, finish: Finish
    ) -> Iterator[Arrival]:
        """Read many, and say what became of each, in order; a wrong one keeps no other out.

        Up to 64 messages are begun before the first of them is read to the end.
        """
        group = _Group(self._federation.bodies.proofs())
        for frames in messages:
            header, error = None, None
            try:
                header = _header_of(frames)
                if header.contributor in group.names:
                    yield from self._settled(group, finish)
                try:
                    admit(header, len(group.names))
                except CapacityError:
                    # Those that were begun take the room, unless they are refused.
                    yield from self._settled(group, finish)
                    admit(header, 0)
                group.begin(self._arriving(header, frames))
            except VeilsumError as refused:
                error = refused
            if error is not None:
                group.refuse("" if header is None else header.contributor, error)
            if len(group.members) == _MOST_TOGETHER or group.proofs.is_full:
                yield from self._settled(group, finish)
        yield from self._settled(group, finish)

    def _settled(self, group: "_Group", finish: Finish) -> Iterator[Arrival]:
        """Check the proofs of a group, finish what is right of it, and empty it."""
        wrong = dict[int, ProofError]()
        unsettled: VeilsumError | None = None
        try:
            wrong = group.proofs.settle(num_threads=self._num_threads)
        except VeilsumError as failed:  # As without randomness: nothing that was begun is proved.
            unsettled = failed
        for member in group.take():
            error = member.error
            if member.arriving is not None:
                error = next((wrong[i] for i in member.proofs if i in wrong), unsettled)
                if error is None:
                    try:
                        finish(member.arriving)
                    except VeilsumError as refused:
                        error = refused
            yield Arrival(member.name, error)

    def _arriving(self, header: ContributionHeader, frames: Iterator[bytes]) -> Arriving:
        return Arriving(
            header=header,
            federation=self._federation,
            rest=frames,
            num_threads=self._num_threads,
        )


class _Member(NamedTuple):
    """One of many messages: refused, or begun with its proofs not checked yet."""

    name: str
    error: VeilsumError | None = None
    arriving: Arriving | None = None
    proofs: range = range(0)


class _Group:
    """Messages whose proofs are checked together."""

    def __init__(self, proofs: Proofs) -> None:
        self.proofs = proofs
        self.members: list[_Member] = []
        self.names = set[str]()

    def begin(self, arriving: Arriving) -> None:
        first = len(self.proofs)
        arriving.read_opened(self.proofs)
        proofs = range(first, len(self.proofs))
        self.members.append(_Member(arriving.name, arriving=arriving, proofs=proofs))
        self.names.add(arriving.name)

    def refuse(self, name: str, error: VeilsumError) -> None:
        self.members.append(_Member(name, error=error))

    def take(self) -> Iterator[_Member]:
        """All members, each let go before the next one is read to the end."""
        members, self.members, self.names = deque(self.members), [], set()
        while members:
            yield members.popleft()


def _header_of(frames: Iterator[bytes]) -> ContributionHeader:
    first = next(frames, None)
    if first is None:
        raise MalformedDataError("the contribution is empty")
    return ContributionHeader.from_bytes(first)
