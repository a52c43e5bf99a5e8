"""What a scheme is: how the slots of a vector travel, so that only their sum can be read.

``secure_sum`` and ``fedavg`` ask a scheme and never which one it is. Slots go in, an int64 vector
of ``codec.num_slots``; the summed slots come out. A contribution is a sequence of *chunks*. The
first of them, ``num_opened``, are given to the holders of the key, who add and open them; where
there are more, whatever they hold is only added.

Whoever adds a scheme implements ``Scheme``, ``HeldKey`` and ``Opener``, and gives it a name in
``veilsum.schemes``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import ProofError
from veilsum.paillier.secret_key import SecretKey
from veilsum.paillier.threshold import KeyShare
from veilsum.system import Progress

__all__ = [
    "Body",
    "Chunks",
    "HeldKey",
    "Opener",
    "Piece",
    "Proofs",
    "RunningSum",
    "Scheme",
    "Sealed",
]

B = TypeVar("B", bound="Body")
B_contra = TypeVar("B_contra", bound="Body", contravariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Chunks:
    """How units, such as ciphertexts, are cut: ``size`` each, and the last one what is left."""

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
    """A chunk of a contribution on its way.

    Attributes:
        body: what it carries, as a framed message.
        proof: that its maker knows what is in it, as a framed message; empty where the scheme has
            no proof.
    """

    body: bytes
    proof: bytes


class Body(Protocol):
    """A chunk that was read and checked, of one contributor or summed over several. Immutable."""

    def __add__(self, other: Any, /) -> Any:
        """The sum of two bodies of the same chunk."""

    def to_bytes(self) -> bytes:
        """As a framed message."""


class Sealed(Protocol):
    """What one contributor made of its slots."""

    def piece(self, chunk: int) -> Piece:
        """One chunk, below ``Scheme.num_chunks``."""


class Proofs(Protocol):
    """Proofs that were read and are not checked yet: together they are checked for less."""

    def __len__(self) -> int:
        """How many wait to be checked."""

    @property
    def is_full(self) -> bool:
        """Whether more of them would only need more memory: ``settle`` now."""

    def settle(self, *, num_threads: int | None = None) -> dict[int, ProofError]:
        """Check them: which do not hold, by the order in which they were read. None waits then."""


class RunningSum(Protocol[B_contra, T_co]):
    """A sum of whole contributions, in the memory of one."""

    @property
    def num_addends(self) -> int:
        """How many were added."""

    @property
    def total(self) -> T_co:
        """The sum so far, for ``Scheme.opener``; at least one was added."""

    def add(self, parts: Sequence[B_contra]) -> None:
        """Add a contribution, given all its chunks in order. An error changes nothing.

        Raises:
            CapacityError: the codec has no room for another addend.
        """


class HeldKey(Protocol[B_contra]):
    """The secret part of a scheme, at one holder of its key."""

    def open(
        self,
        total: B_contra,
        *,
        chunk: int,
        binding: bytes,
        num_threads: int | None = None,
    ) -> bytes:
        """This holder's part in opening one chunk of a sum, for ``Opener.take``.

        Args:
            total: the sum of everybody's chunk.
            chunk: which one, below ``Scheme.num_opened``.
            binding: names what is opened; what is proved of the answer is bound to it.
            num_threads: None for as many as there are processors.
        """


class Opener(Protocol):
    """Collects the answers of holders at the aggregator, until the sum is open."""

    @property
    def num_missing(self) -> int:
        """How many of the opened chunks still want answers."""

    def wanted(self, missing: Collection[str]) -> dict[str, tuple[int, ...]]:
        """Which holders to ask for which chunks, if some are ``missing``; each for one or more.

        Raises:
            NotEnoughSharesError: without those it cannot be opened.
        """

    def take(self, holder: str, answer: bytes, *, chunk: int) -> bool:
        """Check an answer to one chunk, and keep it; False if it is known already.

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


class Scheme(Protocol[B, T]):
    """The public part of a scheme, with the key, the codec and the chunks of one federation.

    Holders are given the pieces that contributors signed, and add them themselves.
    """

    @property
    def num_chunks(self) -> int:
        """How many chunks a contribution has."""

    @property
    def num_opened(self) -> int:
        """How many of them, the first ones, holders are given and open; at least 1."""

    @property
    def max_chunk_bytes(self) -> int:
        """Most bytes of a piece, body and proof together."""

    @property
    def num_answers(self) -> int:
        """How many holders must answer for each opened chunk of a sum."""

    @property
    def secret_type(self) -> type[KeyShare] | type[SecretKey]:
        """What a holder holds."""

    def protect(
        self,
        slots: NDArray[np.int64],
        *,
        context: bytes,
        maker: str,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Sealed:
        """Make a contribution.

        Args:
            slots: shape ``(codec.num_slots,)``.
            context: names the sum: all contributions to it have the same, and those to others
                another.
            maker: the contributor's name; proofs are bound to it and to the context.
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
        proofs: Any = None,
    ) -> B:
        """What somebody sent as this chunk of a contribution, parsed and verified.

        Args:
            piece: as it came.
            chunk: which chunk it has to be, below ``num_chunks``.
            context: of the sum that it has to be for.
            maker: who sent it, and has to have made it.
            num_threads: None for as many as there are processors.
            proofs: of this scheme; takes the proof, which is checked when it is settled. None to
                check it now.

        Raises:
            ProtocolError: it is another chunk, or the proof is of another.
            ProofError: there is no proof where there has to be one, or it does not hold.
            MalformedDataError, KeyMismatchError, InvalidCiphertextError: it cannot be read.
        """

    def proofs(self) -> Proofs:
        """Takes proofs of many makers for one sum; none is in it."""

    def read_sum(self, data: bytes, *, chunk: int) -> B:
        """A sum of an opened chunk that a holder kept: what its ``to_bytes`` gave.

        Raises:
            MalformedDataError, ProtocolError, KeyMismatchError, InvalidCiphertextError: it is none.
        """

    def running_sum(self) -> RunningSum[B, T]:
        """An empty sum."""

    def held_key(self, secret: KeyShare | SecretKey, *, holder: str) -> HeldKey[B]:
        """What this holder opens with.

        Raises:
            KeyMismatchError: the secret is not of the federation's key.
            InvalidArgumentError: it is the share of another holder.
        """

    def opener(
        self, total: T, *, context: bytes, binding: bytes, num_threads: int | None = None
    ) -> Opener:
        """What collects the answers of holders and opens the total with them.

        Args:
            total: of a ``running_sum``.
            context: names the sum, as for ``protect``.
            binding: names what is opened, as for ``HeldKey.open``.
            num_threads: None for as many as there are processors.
        """

    def answer_facts(self, answer: bytes) -> dict[str, int]:
        """What an answer to one chunk says of itself, for people.

        Raises:
            MalformedDataError, ProtocolError, KeyMismatchError: it is no answer.
        """
