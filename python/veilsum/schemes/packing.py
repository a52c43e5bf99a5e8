"""Slots in Paillier plaintexts: many of them side by side, with room for the sum of each."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from veilsum import _core, arguments
from veilsum.codec import SlotCodec
from veilsum.schemes.known import ContributionSize
from veilsum.system import thread_count

__all__ = ["Slots", "ciphertext_bytes", "layout", "layout_of", "pack", "size", "unpack"]

_MAX_MODULUS = 2**20_000


class Slots(Protocol):
    """What a codec says of its slots. Coefficients of the secrets of masks are slots, too."""

    @property
    def num_slots(self) -> int:
        """Of a vector."""

    @property
    def max_slot(self) -> int:
        """The largest magnitude of a summed slot."""

    def check_num_addends(self, num_addends: int) -> int:
        """The number, or CapacityError."""


def layout(codec: Slots, modulus: int) -> _core.SlotLayout:
    """How the slots of a vector lie in plaintexts below ``modulus``."""
    return layout_of(codec.num_slots, codec.max_slot, modulus)


def layout_of(num_slots: int, max_slot: int, modulus: int) -> _core.SlotLayout:
    """How so many integers up to ``max_slot`` lie in plaintexts below ``modulus``."""
    modulus = arguments.count("modulus", modulus, at_least=1, at_most=_MAX_MODULUS)
    data = modulus.to_bytes((modulus.bit_length() + 7) // 8, "little")
    return _core.SlotLayout(num_slots, max_slot, data)


def size(codec: SlotCodec, key_bits: int) -> ContributionSize:
    """Of a packed contribution, under the smallest modulus of so many bits."""
    count = layout(codec, (1 << (key_bits - 1)) + 1).num_plaintexts
    num_bytes = count * ciphertext_bytes(key_bits)
    return ContributionSize("packed", count, num_bytes, num_bytes)


def ciphertext_bytes(key_bits: int) -> int:
    """Of one ciphertext under a key of so many bits."""
    return 2 * ((key_bits + 7) // 8)


def pack(
    codec: Slots, slots: NDArray[np.int64], *, modulus: int, num_threads: int | None = None
) -> _core.Plaintexts:
    """The plaintexts that carry the slots of a vector, or of a sum."""
    return _core.pack(slots, layout(codec, modulus), thread_count(num_threads))


def unpack(
    codec: Slots,
    plaintexts: _core.Plaintexts,
    *,
    modulus: int,
    num_threads: int | None = None,
) -> NDArray[np.int64]:
    """The slots that decrypted plaintexts carry.

    Raises:
        InvalidArgumentError: another number of plaintexts than the codec has.
        CapacityError: a plaintext is none that the codec's slots make.
    """
    if not isinstance(plaintexts, _core.Plaintexts):
        raise TypeError(f"expected Plaintexts, got {type(plaintexts).__name__}")
    return _core.unpack(plaintexts, layout(codec, modulus), thread_count(num_threads))
