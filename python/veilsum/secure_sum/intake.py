"""Contributions as they come in: read and checked, so that only whole ones are added.

What whoever adds contributions does alike. Of several at once the proofs are checked together,
which costs less: their keys and proofs are read first, and the rest when the proofs are right.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from veilsum.errors import MalformedDataError, ProtocolError, VeilsumError
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
        proofs = self._federation.bodies.proofs()
        begun: list[_Begun] = []
        for frames in messages:
            begun.append(self._begin(frames, admit, proofs, begun))
            if len(begun) == _MOST_TOGETHER or proofs.is_full:
                yield from self._settled(begun, proofs, finish)
                begun = []
        yield from self._settled(begun, proofs, finish)

    def _begin(
        self,
        frames: Iterator[bytes],
        admit: Admit,
        proofs: Proofs,
        others: Collection["_Begun"],
    ) -> "_Begun":
        names = {each.name for each in others if each.arriving is not None}
        begun = _Begun(first_proof=len(proofs))
        try:
            header = _header_of(frames)
            begun.name = header.contributor
            admit(header, len(names))
            if begun.name in names:
                raise ProtocolError(f"{begun.name} has contributed to this round already")
            arriving = self._arriving(header, frames)
            arriving.read_opened(proofs)
            begun.arriving = arriving
        except VeilsumError as error:
            begun.error = error
        begun.end_of_proofs = len(proofs)
        return begun

    def _settled(
        self, begun: Iterable["_Begun"], proofs: Proofs, finish: Finish
    ) -> Iterator[Arrival]:
        wrong = proofs.settle(num_threads=self._num_threads)
        for each in begun:
            if each.arriving is not None:
                errors = (wrong.get(i) for i in range(each.first_proof, each.end_of_proofs))
                each.error = next(filter(None, errors), None)
                if each.error is None:
                    try:
                        finish(each.arriving)
                    except VeilsumError as error:
                        each.error = error
                each.arriving = None  # What it holds is no longer needed.
            yield Arrival(each.name, each.error)

    def _arriving(self, header: ContributionHeader, frames: Iterator[bytes]) -> Arriving:
        return Arriving(
            header=header,
            federation=self._federation,
            rest=frames,
            num_threads=self._num_threads,
        )


@dataclass(eq=False)
class _Begun:
    """One of many messages: refused, or begun with its proofs not checked yet."""

    first_proof: int
    end_of_proofs: int = 0
    name: str = ""
    arriving: Arriving | None = None
    error: VeilsumError | None = None


def _header_of(frames: Iterator[bytes]) -> ContributionHeader:
    first = next(frames, None)
    if first is None:
        raise MalformedDataError("the contribution is empty")
    return ContributionHeader.from_bytes(first)
