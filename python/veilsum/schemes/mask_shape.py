"""In which ring masks lie, and how strong that is; no key is needed to know it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

from veilsum import _core, arguments
from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError
from veilsum.schemes import packing
from veilsum.schemes.known import ContributionSize

__all__ = ["MaskShape", "is_shorter_masked", "size"]


@dataclass(frozen=True)
class MaskShape:
    """In which ring the mask of a vector lies, and how many slots a coefficient of it carries.

    Attributes:
        log_dim: the ring has ``2**log_dim`` coefficients: 11 or 12.
        num_primes: of its modulus: 1 with 11, 2 with 12.
        prime_bits: of each of them, 24 to 46.
        num_digits: slots a coefficient, 1 to 16.
    """

    log_dim: int
    num_primes: int
    prime_bits: int
    num_digits: int

    def __post_init__(self) -> None:
        """Only numbers; the core checks ranges, which depend on one another and on the codec."""
        for each in fields(self):
            number = arguments.count(each.name, getattr(self, each.name), at_most=255)
            object.__setattr__(self, each.name, number)

    @staticmethod
    def of(codec: SlotCodec) -> MaskShape:
        """The one with the fewest bytes that is strong enough for sums of this codec.

        Raises:
            InvalidArgumentError: none has room for slots this wide and so many addends.
        """
        return _chosen(codec.num_slots, codec.max_slot, codec.max_addends)

    def check(self, codec: SlotCodec) -> None:
        """InvalidArgumentError unless sums of the codec fit, and it is strong enough for them."""
        self.native(codec)

    def native(self, codec: SlotCodec) -> _core.MaskShape:
        """For vectors of this codec."""
        return _core.MaskShape(
            codec.num_slots,
            codec.max_slot,
            codec.max_addends,
            self.log_dim,
            self.num_primes,
            self.prime_bits,
            self.num_digits,
        )

    def strength(self, codec: SlotCodec) -> tuple[float, float]:
        """Bits by core-SVP and by MATZOV's model, after 10,000 sums of ``codec.max_addends``."""
        return self.native(codec).strength


@lru_cache(maxsize=64)
def _chosen(num_slots: int, max_slot: int, max_addends: int) -> MaskShape:
    """Takes a millisecond, for every vector that is encrypted."""
    native = _core.MaskShape.choose(num_slots, max_slot, max_addends)
    return MaskShape(native.log_dim, native.num_primes, native.prime_bits, native.num_digits)


def size(codec: SlotCodec, key_bits: int) -> ContributionSize:
    """Of a masked contribution, under the smallest modulus of so many bits.

    Raises:
        InvalidArgumentError: there is no mask for the codec.
    """
    shape = MaskShape.of(codec).native(codec)
    layout = packing.layout_of(shape.dim, shape.max_secret, (1 << (key_bits - 1)) + 1)
    opened = layout.num_plaintexts * packing.ciphertext_bytes(key_bits)
    body = shape.bytes_of(0, shape.num_blocks)
    return ContributionSize("masked", layout.num_plaintexts, opened + body, opened, shape.strength)


def is_shorter_masked(codec: SlotCodec, key_bits: int) -> bool:
    """Whether a masked vector takes fewer bytes than a packed one; False where there is no mask."""
    try:
        masked = size(codec, key_bits)
    except InvalidArgumentError:
        return False
    return masked.num_bytes < packing.size(codec, key_bits).num_bytes
