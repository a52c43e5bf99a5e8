"""Whether keys that protect nothing may be made: not before hazmat.allow_small_phe_keys()."""

from veilsum.errors import InvalidKeyError

__all__ = ["MIN_KEY_BITS", "require_key_bits"]

MIN_KEY_BITS = 2047  # Rule PK1.

_are_allowed = False


def require_key_bits(bits: int) -> None:
    """InvalidKeyError for a modulus below ``MIN_KEY_BITS`` bits, unless those are allowed."""
    if bits < MIN_KEY_BITS and not _are_allowed:
        raise InvalidKeyError(
            f"PK1: a modulus of {bits} bits protects nothing; take {MIN_KEY_BITS + 1} bits or more "
            "(3072 unless you say otherwise), or, in tests, call "
            "veilsum.hazmat.allow_small_phe_keys() first"
        )


def _allow() -> None:
    global _are_allowed
    _are_allowed = True
