"""What a scheme is: how the slots of a vector travel, so that only their sum can be read.

``secure_sum`` and ``fedavg`` ask a scheme and never which one it is. Slots go in, an int64 vector
of ``codec.num_slots``; the summed slots come out. A contribution is a sequence of *units*
(ciphertexts, blocks), and a *chunk* is some consecutive ones of them.

Whoever adds a scheme implements ``Scheme``, ``HeldKey`` and ``Opener``, and gives it a name in
``veilsum.schemes``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from veilsum.paillier.secret_key import SecretKey
from veilsum.paillier.threshold import KeyShare
from veilsum.system import Progress

__all__ = ["Body", "Chunks", "HeldKey", "Opener", "Piece", "RunningSum", "Scheme", "Sealed"]

B = TypeVar("B", bound="Body")
B_contra = TypeVar("B_contra", bound="Body", contravariant=True)


@dataclass(frozen=True)
class Chunks:
    """How the units of a contribution are cut: ``size`` each, and the last one what is left."""

    num_units: int
    size: int

    def __len__(self) -> int:
        return -(-self.num_units // self.size)

    def units(self, index: int) -> range:
        """Which units make chunk ``index``, below ``len(self)``."""
        begin = index * self.size
        return range(begin, min(begin + self.size, self.num_units))


@dataclass(frozen=True)
class Piece:
    """Some units of a contribution on their way.

    Attributes:
        body: the units, as a framed message.
        proof: that their maker knows what is in them, as a framed message.
    """

    body: bytes
    proof: bytes


class Body(Protocol):
    """Units that were read and checked, of one contributor or summed over several. Immutable."""

    def __add__(self, other: Any, /) -> Any:
        """The sum of two bodies of the same units."""

    def to_bytes(self) -> bytes:
        """As a framed message."""


class Sealed(Protocol):
    """What one contributor made of its slots."""

    def piece(self, chunk: int) -> Piece:
        """The units of one chunk."""


class RunningSum(Protocol[B]):
    """A sum of whole contributions, in the memory of one."""

    @property
    def num_addends(self) -> int:
        """How many were added."""

    @property
    def total(self) -> B:
        """The sum so far; at least one was added."""

    def add(self, parts: Sequence[B]) -> None:
        """Add a contribution, given all its units in order. An error changes nothing.

        Raises:
            CapacityError: the codec has no room for another addend.
        """


class HeldKey(Protocol[B_contra]):
    """The secret part of a scheme, at one holder of its key."""

    def open(
        self,
        total: B_contra,
        *,
        first: int,
        context: bytes,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """This holder's part in opening the units of a sum from ``first``, for ``Opener.take``."""


class Opener(Protocol):
    """Collects the answers of holders at the aggregator, until the sum is open."""

    @property
    def num_missing(self) -> int:
        """How many chunks still want answers."""

    def wanted(self, missing: Collection[str]) -> dict[str, tuple[int, ...] | None]:
        """Which holders to ask for which chunks, None for the total, if some are ``missing``.

        Raises:
            NotEnoughSharesError: without those it cannot be opened.
        """

    def take(self, holder: str, answer: bytes, *, chunk: int) -> bool:
        """Check an answer to one chunk, 0 for the total, and keep it; False if it is known already.

        Raises:
            MalformedDataError, ProtocolError, ProofError, KeyMismatchError,
            InvalidCiphertextError: it is no answer to what was asked.
        """

    def opened(self) -> bytes:
        """What was opened, before it is read as slots: the same whoever has answered.

        Raises:
            NotEnoughSharesError: answers are missing.
        """

    def slots(self) -> NDArray[np.int64]:
        """The summed slots, shape ``(codec.num_slots,)``; whether a sum has such is not looked at.

        Raises:
            NotEnoughSharesError: answers are missing.
            CapacityError: what was opened are no slots.
        """


class Scheme(Protocol[B]):
    """The public part of a scheme, with the key, the codec and the chunks of one federation."""

    @property
    def chunks(self) -> Chunks:
        """How many units a contribution has, and how they are cut."""

    @property
    def unit_bytes(self) -> int:
        """Most bytes of a unit."""

    @property
    def opens_totals(self) -> bool:
        """Whether a holder is given the total of a round, and opens it alone.

        Otherwise it is given the pieces that contributors signed, and adds them itself.
        """

    @property
    def num_answers(self) -> int:
        """How many holders must answer for a sum to be opened."""

    @property
    def secret_type(self) -> type[KeyShare] | type[SecretKey]:
        """What a holder holds."""

    def protect(
        self,
        slots: NDArray[np.int64],
        *,
        context: bytes,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Sealed:
        """Make a contribution.

        Args:
            slots: shape ``(codec.num_slots,)``.
            context: names the round and the contributor; the proofs are bound to it.
            num_threads: None for as many as there are processors.
            progress: called with ``(done, total)`` now and then.
        """

    def read(
        self,
        piece: Piece,
        *,
        chunk: int,
        context: bytes,
        maker: str,
        num_threads: int | None = None,
    ) -> B:
        """What somebody sent as these units of a contribution, parsed and verified.

        Args:
            piece: as it came.
            chunk: which chunk it has to be.
            context: what its proofs have to be bound to.
            maker: who sent it, for errors.
            num_threads: None for as many as there are processors.

        Raises:
            ProtocolError: these are other units, or the proof is of others.
            ProofError: there is no proof, or it does not hold.
            MalformedDataError, KeyMismatchError, InvalidCiphertextError: it cannot be read.
        """

    def read_sum(self, data: bytes, *, chunk: int) -> B:
        """A sum of these units that a holder kept: what its ``to_bytes`` gave.

        Raises:
            MalformedDataError, ProtocolError, KeyMismatchError, InvalidCiphertextError: it is none.
        """

    def running_sum(self) -> RunningSum[B]:
        """An empty sum."""

    def write_total(self, total: B, *, num_addends: int) -> bytes:
        """The total of so many contributions, as a framed message for who opens totals."""

    def read_total(self, message: bytes, *, num_addends: int) -> B:
        """What ``write_total`` wrote, as it came from outside.

        Raises:
            MalformedDataError, ProtocolError, KeyMismatchError, InvalidCiphertextError: it is no
                total of so many contributions.
        """

    def held_key(self, secret: KeyShare | SecretKey, *, holder: str) -> HeldKey[B]:
        """What this holder opens with.

        Raises:
            KeyMismatchError: the secret is not of the federation's key.
            InvalidArgumentError: it is the share of another holder.
        """

    def opener(self, total: B, *, context: bytes, num_threads: int | None = None) -> Opener:
        """What collects the answers to this total, each bound to the context."""

    def answer_facts(self, answer: bytes) -> dict[str, int]:
        """What an answer says of itself, for people: which units it is for."""
