"""What a contribution comes to under a key that may not be made yet."""

import math
from dataclasses import dataclass

from veilsum.codec import SlotCodec
from veilsum.schemes import packing

__all__ = ["ContributionSize", "contribution_size"]


@dataclass(frozen=True)
class ContributionSize:
    """Of one contribution; what is sent has a header and some 700 bytes a chunk more, its proof."""

    slots_per_ciphertext: int
    num_ciphertexts: int
    num_bytes: int


def contribution_size(codec: SlotCodec, key_bits: int) -> ContributionSize:
    """Under a key of ``key_bits``; a key may have room for one slot more, never for less."""
    layout = packing.layout(codec, 2 ** (key_bits - 1) + 1)  # The smallest modulus of that length.
    element_bytes = 2 * math.ceil(key_bits / 8)
    return ContributionSize(
        slots_per_ciphertext=layout.slots_per_plaintext,
        num_ciphertexts=layout.num_plaintexts,
        num_bytes=layout.num_plaintexts * element_bytes,
    )
