"""Proofs that whoever made ciphertexts knows what they encrypt.

Without them a corrupted contributor could send a multiple, or an inverse, of what another one sent,
and learn from the sum what it must not. What is proved and how: docs/plaintext-proof.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from veilsum import _core, arguments
from veilsum.paillier.ciphertexts import Ciphertexts, to_native_key
from veilsum.system import thread_count
from veilsum.wire import BytesLike, as_bytes

if TYPE_CHECKING:
    from veilsum.paillier.public_key import PublicKey

__all__ = ["PlaintextProof", "PlaintextProofBatch"]


class PlaintextProof:
    """Proofs for consecutive ciphertexts of a batch, one for each chunk of them. Public.

    Made by ``PublicKey.encrypt_and_prove`` or ``from_bytes``.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _core.PlaintextProof) -> None:
        if not isinstance(native, _core.PlaintextProof):
            raise TypeError("make a PlaintextProof with encrypt_and_prove or from_bytes")
        self._native = native

    @property
    def first(self) -> int:
        """The position in the batch of the first ciphertext."""
        return self._native.first

    @property
    def chunk(self) -> int:
        """How many ciphertexts share a proof."""
        return self._native.chunk

    def __len__(self) -> int:
        return self._native.count

    def verify(
        self, ciphertexts: Ciphertexts, *, context: BytesLike, num_threads: int | None = None
    ) -> None:
        """Check the proofs of these ciphertexts, or raise.

        Args:
            ciphertexts: what came with the proofs.
            context: what the proofs have to be for.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.

        Raises:
            ProofError: a proof does not hold, for these ciphertexts, position and context (PP5).
            KeyMismatchError: ciphertexts under another key (PP3).
            InvalidArgumentError: another number of ciphertexts (PP1).
        """
        arguments.instance("ciphertexts", ciphertexts, Ciphertexts)
        self._native.verify(
            ciphertexts._native, as_bytes(context, "context"), thread_count(num_threads)
        )

    def parts(self) -> list[PlaintextProof]:
        """The proof of each chunk alone: it holds by itself, at its position."""
        return [PlaintextProof(self._native.of_chunk(i)) for i in range(self._native.num_chunks)]

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md)."""
        return self._native.to_bytes()

    @classmethod
    def from_bytes(cls, data: BytesLike, public_key: PublicKey) -> PlaintextProof:
        """Read what somebody sent with ciphertexts; :meth:`verify` checks it.

        Raises:
            MalformedDataError: not the wire format (PP1, PP2).
            KeyMismatchError: for another key (PP3).
            ProofError: a number out of its range (PP4).
        """
        return cls(_core.PlaintextProof.from_bytes(as_bytes(data), to_native_key(public_key)))

    def __repr__(self) -> str:
        return f"<PlaintextProof: ciphertexts {self.first} to {self.first + len(self) - 1}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self.to_bytes(), self._native.key.to_bytes())


class PlaintextProofBatch:
    """Proofs of many makers under one key, checked together.

    Of proofs of few ciphertexts each, such as one for each contributor, checking all together costs
    a fraction of checking one by one. Longer ones are checked one by one. What was added stays in
    memory, ciphertexts included. For one thread at a time.

    Args:
        public_key: of all proofs.
    """

    __slots__ = ("_native",)

    def __init__(self, public_key: PublicKey) -> None:
        self._native = _core.PlaintextProofBatch(to_native_key(public_key))

    def __len__(self) -> int:
        return self._native.size

    @property
    def num_ciphertexts(self) -> int:
        """Of how many ciphertexts the proofs are."""
        return self._native.num_ciphertexts

    def add(self, proof: PlaintextProof, ciphertexts: Ciphertexts, *, context: BytesLike) -> None:
        """Take a proof with what came with it, to be checked by ``wrong``.

        Args:
            proof: of these ciphertexts.
            ciphertexts: what came with the proof.
            context: what the proof has to be for.

        Raises:
            KeyMismatchError: under another key (PP3).
            InvalidArgumentError: another number of ciphertexts (PP1).
        """
        arguments.instance("proof", proof, PlaintextProof)
        arguments.instance("ciphertexts", ciphertexts, Ciphertexts)
        self._native.add(proof._native, ciphertexts._native, as_bytes(context, "context"))

    def wrong(self, *, num_threads: int | None = None) -> list[int]:
        """Which of the proofs do not hold, by the order in which they were added.

        It finds those that ``PlaintextProof.verify`` refuses, up to a chance of 2**-128 where the
        key has safe primes. Else whoever knows the primes can make proofs that are refused alone
        and now and then not together, and gains nothing by it (docs/plaintext-proof.md).

        Args:
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.
        """
        return self._native.wrong(thread_count(num_threads))

    def __repr__(self) -> str:
        return f"<PlaintextProofBatch: {len(self)} proofs of {self.num_ciphertexts} ciphertexts>"


def _unpickle(data: bytes, key: bytes) -> PlaintextProof:
    return PlaintextProof(_core.PlaintextProof.from_bytes(data, _core.PublicKey.from_bytes(key)))
