"""What the proofs in a contribution are bound to, besides the place of their chunk."""

from __future__ import annotations

__all__ = ["proof_context"]

_LABEL = b"veilsum/contribution/1"


def proof_context(context: bytes, maker: str) -> bytes:
    """The sum and the contributor, so that no proof serves another."""
    return _LABEL + context + maker.encode()
