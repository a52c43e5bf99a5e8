"""A running sum of batches of ciphertexts, in the memory of one."""

from __future__ import annotations

from veilsum import _core
from veilsum.errors import InvalidArgumentError
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.public_key import PublicKey

__all__ = ["CiphertextSum"]


class CiphertextSum:
    """Adds in place. For one thread at a time."""

    def __init__(self, public_key: PublicKey) -> None:
        self._public_key = public_key
        self._native: _core.CiphertextSum | None = None

    @property
    def num_addends(self) -> int:
        """How many were added so far."""
        return 0 if self._native is None else self._native.num_addends

    def add(self, ciphertexts: Ciphertexts, *, num_addends: int) -> None:
        """Add a batch that is itself a sum of so many.

        Ctrl-C leaves the sum as it was or with the batch added, and ``num_addends`` tells which.
        """
        if self._native is None:
            self._native = _core.CiphertextSum(ciphertexts._native, num_addends)
        else:
            self._native.add(ciphertexts._native, num_addends)

    def total(self) -> Ciphertexts:
        """The sum so far; InvalidArgumentError when nothing was added."""
        if self._native is None:
            raise InvalidArgumentError("nothing was added yet, so there is no total")
        return Ciphertexts(self._native.total(), self._public_key)
