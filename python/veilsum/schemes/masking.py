"""Slots behind a lattice mask, whose short secret goes under Paillier (docs/masks.md).

A vector's mask has a secret of its own. Whoever opens the sum of the secrets opens the sum of the
vectors, and no single one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veilsum import _core, arguments
from veilsum.codec import SlotCodec
from veilsum.errors import CapacityError, InvalidArgumentError
from veilsum.paillier.ciphertext_sum import CiphertextSum
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.public_key import PublicKey
from veilsum.schemes import packing
from veilsum.schemes.mask_shape import MaskShape
from veilsum.system import Progress, thread_count, watcher
from veilsum.wire import BytesLike, as_bytes

__all__ = [
    "MAX_CONTEXT_BYTES",
    "FreshMask",
    "MaskedPart",
    "MaskedSum",
    "Masking",
    "check_context",
]

MAX_CONTEXT_BYTES = 255
_SEED_LABEL = "veilsum/mask/seed/1"


def check_context(context: BytesLike) -> bytes:
    """What names a sum, as bytes: 1 to 255 of them.

    Raises:
        TypeError: it is no bytes.
        InvalidArgumentError: it is empty or too long.
    """
    context = as_bytes(context, "context")
    if not context:
        raise InvalidArgumentError(
            "a masked vector needs a context: bytes that name the sum, the same for all its "
            "vectors and new for every sum, such as context=b'training 7, round 12'"
        )
    if len(context) > MAX_CONTEXT_BYTES:
        raise InvalidArgumentError(
            f"context has {len(context)} bytes, and at most {MAX_CONTEXT_BYTES} are taken; a hash "
            "of it serves as well"
        )
    return context


@lru_cache(maxsize=8)
def _mask(codec: SlotCodec, shape: MaskShape) -> _core.Mask:
    """Takes some milliseconds, and half a megabyte for each prime."""
    return _core.Mask(shape.native(codec))


class MaskedPart(NamedTuple):
    """What a masked vector has beside its encrypted secret."""

    shape: MaskShape
    context: bytes
    blocks: _core.MaskedBlocks


@dataclass(frozen=True)
class FreshMask:
    """A new vector behind a new mask.

    Attributes:
        blocks: the masked slots.
        secret: packed, to be encrypted.
        seed: what the randomness of the secret's encryption must come from.
    """

    blocks: _core.MaskedBlocks
    secret: _core.Plaintexts
    seed: _core.HedgedSeed

    def encrypt(self, public_key: PublicKey, *, num_threads: int | None = None) -> Ciphertexts:
        """The secret under a key, without a proof."""
        shape = (len(self.secret),)
        native = public_key._native.encrypt_hedged(
            self.secret, shape, self.seed, thread_count(num_threads)
        )
        return Ciphertexts(native, public_key)


class Masking:
    """How vectors of a codec are masked, and how the secrets lie in plaintexts of a key."""

    def __init__(
        self, codec: SlotCodec, public_key: PublicKey, shape: MaskShape | None = None
    ) -> None:
        self.codec = codec
        self.public_key = public_key
        self.shape = MaskShape.of(codec) if shape is None else shape
        self.native = self.shape.native(codec)

    @cached_property
    def mask(self) -> _core.Mask:
        """Of this codec and shape. Its tables are made here, and not to read a message."""
        return _mask(self.codec, self.shape)

    @cached_property
    def secret_layout(self) -> _core.SlotLayout:
        """How the coefficients of a secret, and of a sum of secrets, lie in plaintexts."""
        return packing.layout_of(self.native.dim, self.native.max_secret, self.public_key.n)

    @property
    def num_key_units(self) -> int:
        """How many ciphertexts carry a secret."""
        return self.secret_layout.num_plaintexts

    @property
    def num_blocks(self) -> int:
        """How many blocks a vector has."""
        return self.native.num_blocks

    def read_blocks(self, wire: bytes, *, num_threads: int | None = None) -> _core.MaskedBlocks:
        """Some blocks of a vector, from a message from outside.

        Raises:
            MalformedDataError: the message is of other blocks, or breaks MB1.
        """
        return _core.MaskedBlocks.from_bytes(wire, self.native, thread_count(num_threads))

    def check_part(self, masked: MaskedPart) -> None:
        """InvalidArgumentError unless it has a context, and all blocks of a vector."""
        check_context(masked.context)
        blocks = arguments.instance("masked.blocks", masked.blocks, _core.MaskedBlocks)
        if blocks.shape != self.native or (blocks.first, blocks.count) != (0, self.num_blocks):
            raise InvalidArgumentError("the masked blocks are not all blocks of a vector")

    def make(
        self,
        slots: NDArray[np.int64],
        *,
        context: bytes,
        maker: bytes = b"",
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> FreshMask:
        """Mask a vector under a new secret, which nobody keeps but in what is returned."""
        # Beside fresh randomness: a generator that repeats itself gives no two vectors one mask.
        seed = _core.HedgedSeed(_SEED_LABEL, context, maker, _hash_of(slots))
        threads = thread_count(num_threads)
        blocks, secret = self.mask.protect(slots, context, seed, threads, watcher(progress))
        try:
            packed = _core.pack(secret, self.secret_layout, threads)
        finally:
            secret.fill(0)
        return FreshMask(blocks, packed, seed)

    def unpack(
        self, secret: _core.Plaintexts, *, num_threads: int | None = None
    ) -> NDArray[np.int64]:
        """The decrypted sum of secrets, coefficient by coefficient."""
        return _core.unpack(secret, self.secret_layout, thread_count(num_threads))

    def open(
        self,
        blocks: _core.MaskedBlocks,
        secret: NDArray[np.int64],
        *,
        context: bytes,
        num_addends: int,
        num_threads: int | None = None,
    ) -> NDArray[np.int64]:
        """The slots of a sum, from the sum of its secrets.

        Raises:
            CapacityError: a contributor sent what is no masked vector, or it is another sum.
        """
        slots, largest_error = self.mask.open(blocks, secret, context, thread_count(num_threads))
        most = self.native.max_error(num_addends)
        if largest_error > most:
            raise CapacityError(
                f"the sum is garbled: its largest error is {largest_error}, and masks of "
                f"{num_addends} addends leave at most {most}. Somebody sent what is no masked "
                "vector, or one for another context"
            )
        return slots


def _hash_of(slots: NDArray[np.int64]) -> bytes:
    return hashlib.sha256(slots.data).digest()


class _Vector(NamedTuple):
    """What is added, and how many keys and blocks were before."""

    key: Ciphertexts
    num_addends: int
    before: tuple[int, int]


class MaskedSum:
    """A running sum of masked vectors, in the memory of one. For one thread at a time."""

    def __init__(self, masking: Masking) -> None:
        self._masking = masking
        self._key = CiphertextSum(masking.public_key)
        self._blocks: _core.MaskSum | None = None  # Made with the first: keys may come alone.
        self._last: _Vector | None = None  # Whose blocks are added first.

    @property
    def num_addends(self) -> int:
        """Of how many the keys were added so far."""
        self._settle()
        return self._key.num_addends

    @property
    def num_of_blocks(self) -> int:
        """Of how many the blocks were added so far."""
        self._settle()
        return self._count_blocks()

    def add(
        self, key: Ciphertexts, blocks: Sequence[_core.MaskedBlocks], *, num_addends: int
    ) -> None:
        """Add a vector, or a sum of so many, given all its blocks in order.

        Ctrl-C leaves the sum as it was or with the vector added, and ``num_addends`` tells which.
        """
        self._settle()
        before = self._key.num_addends, self._count_blocks()
        self._last = _Vector(key, num_addends, before)
        self._add_blocks(blocks, num_addends)
        self._settle()

    def add_key(self, key: Ciphertexts, *, num_addends: int) -> None:
        """Add the key of a vector, or of a sum of so many, whose blocks come apart from it."""
        self._settle()
        self._key.add(key, num_addends=num_addends)

    def add_blocks(self, blocks: Sequence[_core.MaskedBlocks], *, num_addends: int) -> None:
        """Add all blocks of a sum of so many vectors whose keys were added."""
        self._settle()
        self._add_blocks(blocks, num_addends)

    def key(self) -> Ciphertexts:
        """The sum of the keys so far; InvalidArgumentError without an addend."""
        self._settle()
        return self._key.total()

    def blocks(self) -> _core.MaskedBlocks:
        """The sum of the blocks so far; InvalidArgumentError without an addend."""
        self._settle()
        if self._blocks is None:
            raise InvalidArgumentError("nothing was added yet, so there is no total")
        return self._blocks.total()

    def total(self) -> tuple[Ciphertexts, _core.MaskedBlocks]:
        """The sums so far, of keys and of blocks; InvalidArgumentError without an addend."""
        return self.key(), self.blocks()

    def _count_blocks(self) -> int:
        return 0 if self._blocks is None else self._blocks.num_addends

    def _add_blocks(self, blocks: Sequence[_core.MaskedBlocks], num_addends: int) -> None:
        if self._blocks is None:
            self._blocks = _core.MaskSum(self._masking.mask)
        self._blocks.add(list(blocks), num_addends)

    def _settle(self) -> None:
        """Add the key of the vector whose blocks were added, if Ctrl-C came in between."""
        if self._last is None:
            return
        key_before, blocks_before = self._last.before
        if self._key.num_addends == key_before and self._count_blocks() > blocks_before:
            self._key.add(self._last.key, num_addends=self._last.num_addends)
