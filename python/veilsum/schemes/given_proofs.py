"""Proofs that came with ciphertexts, checked one by one or together."""

from __future__ import annotations

from typing import NamedTuple

from veilsum.errors import ProofError
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.proofs import PlaintextProof, PlaintextProofBatch
from veilsum.paillier.public_key import PublicKey

__all__ = ["GivenProof", "GivenProofs"]

_CIPHERTEXTS_TOGETHER = 4096  # Of more together, a check costs hardly less each.


class GivenProof(NamedTuple):
    """A proof with what it has to be of."""

    proof: PlaintextProof
    ciphertexts: Ciphertexts
    context: bytes
    what: str
    """Who did not prove what, if it does not hold."""

    def check(self, num_threads: int | None) -> None:
        """ProofError, which names who, unless it holds."""
        try:
            self.proof.verify(self.ciphertexts, context=self.context, num_threads=num_threads)
        except ProofError as error:
            raise ProofError(f"{self.what}: {error}") from error


class GivenProofs:
    """Proofs of many makers, in the memory of their ciphertexts."""

    def __init__(self, public_key: PublicKey) -> None:
        self._public_key = public_key
        self._given: list[GivenProof] = []
        self._num_ciphertexts = 0

    def __len__(self) -> int:
        return len(self._given)

    @property
    def is_full(self) -> bool:
        """Whether more of them would only need more memory."""
        return self._num_ciphertexts >= _CIPHERTEXTS_TOGETHER

    def add(self, given: GivenProof) -> None:
        """Take one, to be checked later."""
        self._given.append(given)
        self._num_ciphertexts += len(given.ciphertexts)

    def settle(self, *, num_threads: int | None = None) -> dict[int, ProofError]:
        """Check them: which do not hold, by their order. None waits then."""
        given, self._given, self._num_ciphertexts = self._given, [], 0
        batch = PlaintextProofBatch(self._public_key)
        for each in given:
            batch.add(each.proof, each.ciphertexts, context=each.context)
        errors = dict[int, ProofError]()
        for i in batch.wrong(num_threads=num_threads):
            try:
                given[i].check(num_threads)
            except ProofError as error:
                errors[i] = error
        return errors
