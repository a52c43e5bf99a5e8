"""What a contribution comes to under a key that may not be made yet."""

from veilsum.codec import SlotCodec
from veilsum.schemes.known import SCHEMES, ContributionSize, choose

__all__ = ["contribution_size"]


def contribution_size(
    codec: SlotCodec, key_bits: int, *, scheme: str = "auto", is_shared: bool = True
) -> ContributionSize:
    """Under a key of ``key_bits``; a key may have room for one slot more, never for less.

    Args:
        codec: of the vectors.
        key_bits: of the modulus.
        scheme: a name of ``SCHEMES``, or ``"auto"`` for what a federation would take.
        is_shared: whether the key is shared among holders.
    """
    name = choose(scheme, codec, key_bits=key_bits, is_shared=is_shared)
    return SCHEMES[name].size(codec, key_bits)
