"""What a contribution comes to under a key that may not be made yet."""

import math
from dataclasses import dataclass

from veilsum.codec import SlotCodec
from veilsum.schemes import choose, packing
from veilsum.schemes.masking import MaskShape

__all__ = ["ContributionSize", "contribution_size"]


@dataclass(frozen=True)
class ContributionSize:
    """Of one contribution; what is sent has a header and some 700 bytes a chunk more, its proof.

    Attributes:
        scheme: ``"packed"`` or ``"masked"``.
        num_ciphertexts: of the whole vector, or of the key of its mask: what is opened of a sum.
        num_bytes: of all of it.
        num_opened_bytes: of what each opener is given of it.
        strength: of the mask, in bits by core-SVP and by MATZOV's model; None without a mask.
    """

    scheme: str
    num_ciphertexts: int
    num_bytes: int
    num_opened_bytes: int
    strength: tuple[float, float] | None


def contribution_size(
    codec: SlotCodec, key_bits: int, *, scheme: str = "auto", is_shared: bool = True
) -> ContributionSize:
    """Under a key of ``key_bits``; a key may have room for one slot more, never for less.

    Args:
        codec: of the vectors.
        key_bits: of the modulus.
        scheme: ``"packed"``, ``"masked"``, or ``"auto"`` for what a federation would take.
        is_shared: whether the key is shared among holders.
    """
    smallest = 2 ** (key_bits - 1) + 1
    element_bytes = 2 * math.ceil(key_bits / 8)
    scheme = choose(scheme, codec, key_bits=key_bits, is_shared=is_shared)
    if scheme == "packed":
        count = packing.layout(codec, smallest).num_plaintexts
        return ContributionSize(scheme, count, count * element_bytes, count * element_bytes, None)
    shape = MaskShape.of(codec).native(codec)
    count = packing.layout_of(shape.dim, shape.max_secret, smallest).num_plaintexts
    opened = count * element_bytes
    body = shape.bytes_of(0, shape.num_blocks)
    return ContributionSize(scheme, count, opened + body, opened, shape.strength)
