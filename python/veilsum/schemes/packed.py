"""``"packed"``: slots side by side in Paillier plaintexts, Paillier all the way.

Each contributor proves that it knows what it encrypted (docs/plaintext-proof.md). Holders open the
chunks that they have checked and added themselves: several together under a shared key
(docs/threshold.md), one alone, who answers with the plaintexts, under a key that is held whole.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from veilsum import _core
from veilsum.codec import SlotCodec
from veilsum.errors import (
    InvalidArgumentError,
    KeyMismatchError,
    NotEnoughSharesError,
    ProofError,
    ProtocolError,
)
from veilsum.paillier.ciphertext_sum import CiphertextSum
from veilsum.paillier.ciphertexts import Ciphertexts, to_native_key
from veilsum.paillier.proofs import PlaintextProof
from veilsum.paillier.public_key import PublicKey, encrypt_and_prove
from veilsum.paillier.secret_key import SecretKey
from veilsum.paillier.threshold import Combination, KeyShare, PartialDecryption, ThresholdKey
from veilsum.schemes import packing
from veilsum.schemes.given_proofs import GivenProof, GivenProofs
from veilsum.schemes.keys import AnyKey, AnySecret
from veilsum.schemes.packing import Slots
from veilsum.schemes.proof_context import proof_context
from veilsum.schemes.scheme import Chunks, Piece, Scheme, Sealed
from veilsum.schemes.shards import plan_shards
from veilsum.system import Progress

__all__ = ["PackedScheme", "make", "settle"]

A = TypeVar("A")

_FRAMES_BYTES = 512  # More than all in the frames of a chunk but numbers below n and n^2.


class PackedScheme(Scheme[Ciphertexts, Ciphertexts], Protocol):
    """What ``masked`` needs of it besides: to carry the secrets of masks."""

    def seal(
        self,
        plaintexts: _core.Plaintexts,
        *,
        context: bytes,
        maker: str,
        seed: _core.HedgedSeed | None = None,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Sealed:
        """As ``protect``, of slots that are packed; with a seed, randomisers come from it."""


def settle(codec: SlotCodec, parameters: bytes) -> bytes:
    """No parameters: InvalidArgumentError if there are any."""
    if parameters:
        raise InvalidArgumentError("scheme_parameters: the packed scheme has none")
    return parameters


def make(
    key: AnyKey, codec: Slots, *, chunk_size: int, holders: Sequence[str], parameters: bytes = b""
) -> PackedScheme:
    """The scheme under this key. ``holders`` are who can open, in the order of their shares."""
    if isinstance(key, ThresholdKey):
        return _UnderShares(key, codec, chunk_size=chunk_size, holders=holders)
    return _UnderOneKey(key, codec, chunk_size=chunk_size, holders=holders)


class _Packed:
    """What holds whoever opens. All chunks are opened."""

    @property
    def num_answers(self) -> int:
        raise NotImplementedError

    def __init__(
        self, public_key: PublicKey, codec: Slots, *, chunk_size: int, holders: Sequence[str]
    ) -> None:
        self.public_key = public_key
        self.codec = codec
        self.holders = tuple(holders)
        self.chunks = Chunks(packing.layout(codec, public_key.n).num_plaintexts, chunk_size)

    @property
    def num_chunks(self) -> int:
        return len(self.chunks)

    @property
    def num_opened(self) -> int:
        return len(self.chunks)

    @property
    def max_chunk_bytes(self) -> int:
        """Of ciphertexts, and of a proof with two numbers that are hardly longer than n."""
        num_units = min(self.chunks.size, self.chunks.num_units)
        return 2 * self.number_bytes * (num_units + 1) + _FRAMES_BYTES

    @property
    def number_bytes(self) -> int:
        """Of a number below n."""
        return -(-self.public_key.key_bits // 8)

    def write_opened(self, plaintexts: _core.Plaintexts) -> bytes:
        """Each plaintext, signed and little-endian, in as many bytes as the modulus has."""
        return _core.plaintexts_to_bytes(plaintexts, self.number_bytes)

    def read_opened(self, data: bytes) -> _core.Plaintexts:
        """What ``write_opened`` gave.

        Raises:
            MalformedDataError: these are no whole plaintexts, or one lies outside (-n/2, n/2).
        """
        return _core.plaintexts_from_bytes(data, to_native_key(self.public_key))

    def pack(self, slots: NDArray[np.int64], num_threads: int | None) -> _core.Plaintexts:
        return packing.pack(self.codec, slots, modulus=self.public_key.n, num_threads=num_threads)

    def unpack(self, plaintexts: _core.Plaintexts, num_threads: int | None) -> NDArray[np.int64]:
        return packing.unpack(
            self.codec, plaintexts, modulus=self.public_key.n, num_threads=num_threads
        )

    def running_sum(self) -> _PackedSum:
        return _PackedSum(self.codec, self.public_key)

    def protect(
        self,
        slots: NDArray[np.int64],
        *,
        context: bytes,
        maker: str,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> _SealedCiphertexts:
        return self.seal(
            self.pack(slots, num_threads),
            context=context,
            maker=maker,
            num_threads=num_threads,
            progress=progress,
        )

    def seal(
        self,
        plaintexts: _core.Plaintexts,
        *,
        context: bytes,
        maker: str,
        seed: _core.HedgedSeed | None = None,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> _SealedCiphertexts:
        ciphertexts, proof = encrypt_and_prove(
            self.public_key,
            plaintexts,
            context=proof_context(context, maker),
            chunk=self.chunks.size,
            seed=seed,
            num_threads=num_threads,
            progress=progress,
        )
        return _SealedCiphertexts(ciphertexts, proof.parts(), self.chunks)

    def read(
        self,
        piece: Piece,
        *,
        chunk: int,
        context: bytes,
        maker: str,
        num_threads: int | None = None,
        proofs: GivenProofs | None = None,
    ) -> Ciphertexts:
        ciphertexts = self._units(piece.body, chunk, maker)
        what = f"{maker} did not prove that it knows what its chunk {chunk} encrypts"
        proof = self._read_proof(piece.proof, chunk, maker, what)
        given = GivenProof(proof, ciphertexts, proof_context(context, maker), what)
        if proofs is None:
            given.check(num_threads)
        else:
            proofs.add(given)
        return ciphertexts

    def proofs(self) -> GivenProofs:
        return GivenProofs(self.public_key)

    def read_sum(self, data: bytes, *, chunk: int) -> Ciphertexts:
        return self._units(data, chunk, "this holder")

    def _units(self, data: bytes, chunk: int, maker: str) -> Ciphertexts:
        ciphertexts = Ciphertexts.from_bytes(data, self.public_key)
        wanted = len(self.chunks.units(chunk))
        if ciphertexts.shape != (wanted,):
            raise ProtocolError(
                f"{maker} sent ciphertexts of shape {ciphertexts.shape} where chunk {chunk} of "
                f"{wanted} ciphertexts belongs"
            )
        return ciphertexts

    def _read_proof(self, data: bytes, chunk: int, maker: str, what: str) -> PlaintextProof:
        if not data:
            raise ProofError(f"{what}: it sent no proof")
        units = self.chunks.units(chunk)
        try:
            proof = PlaintextProof.from_bytes(data, self.public_key)
        except ProofError as error:
            raise ProofError(f"{what}: {error}") from error
        if (proof.first, len(proof), proof.chunk) != (units.start, len(units), self.chunks.size):
            raise ProtocolError(
                f"{maker} sent the proof of other ciphertexts than those of chunk {chunk}"
            )
        return proof


@dataclass(frozen=True)
class _SealedCiphertexts:
    ciphertexts: Ciphertexts
    proofs: Sequence[PlaintextProof]
    chunks: Chunks

    def piece(self, chunk: int) -> Piece:
        units = self.chunks.units(chunk)
        return Piece(
            body=self.ciphertexts[units.start : units.stop].to_bytes(),
            proof=self.proofs[chunk].to_bytes(),
        )


class _PackedSum:
    """Contributions that are added in place."""

    def __init__(self, codec: Slots, public_key: PublicKey) -> None:
        self._codec = codec
        self._sum = CiphertextSum(public_key)

    @property
    def num_addends(self) -> int:
        return self._sum.num_addends

    @property
    def total(self) -> Ciphertexts:
        return self._sum.total()

    def add(self, parts: Sequence[Ciphertexts]) -> None:
        self._codec.check_num_addends(self.num_addends + 1)
        self._sum.add(Ciphertexts.concatenate(parts), num_addends=1)


class _Opener(Generic[A]):
    """Collects answers chunk by chunk, until each chunk has enough."""

    def __init__(self, scheme: _Packed, num_threads: int | None) -> None:
        self._packed = scheme
        self._num_threads = num_threads
        self._answered: list[set[str]] = [set() for _ in range(scheme.num_opened)]
        self._plaintexts: _core.Plaintexts | None = None

    @property
    def num_missing(self) -> int:
        return sum(len(holders) < self._packed.num_answers for holders in self._answered)

    def wanted(self, missing: Collection[str]) -> dict[str, tuple[int, ...]]:
        return plan_shards(
            self._packed.holders,
            threshold=self._packed.num_answers,
            answered=self._answered,
            missing=missing,
        )

    def take(self, holder: str, answer: bytes, *, chunk: int) -> bool:
        if chunk >= len(self._answered):
            raise ProtocolError(f"{holder} answers for chunk {chunk} of {len(self._answered)}")
        read = self._read(holder, answer, chunk)
        if holder in self._answered[chunk]:
            return False
        self._keep(holder, read, chunk)
        self._answered[chunk].add(holder)
        return True

    def opened(self) -> bytes:
        """The plaintexts of all chunks in order, each as ``_Packed.write_opened`` has them."""
        return self._packed.write_opened(self._opened())

    def slots(self) -> NDArray[np.int64]:
        return self._packed.unpack(self._opened(), self._num_threads)

    def _opened(self) -> _core.Plaintexts:
        """What takes a power for each ciphertext is computed once."""
        if self._plaintexts is None:
            self._plaintexts = self._combined()
        return self._plaintexts

    def _read(self, holder: str, answer: bytes, chunk: int) -> A:
        """The answer to this chunk, as far as it can be checked alone."""
        raise NotImplementedError

    def _keep(self, holder: str, answer: A, chunk: int) -> None:
        """Check what is left to be checked, and keep the answer."""
        raise NotImplementedError

    def _combined(self) -> _core.Plaintexts:
        """Of all chunks.

        Raises:
            NotEnoughSharesError: answers are missing.
        """
        raise NotImplementedError


# ---- a key that is held whole ----


class _UnderOneKey(_Packed):
    """One holder opens what it has added itself, alone."""

    num_answers = 1
    secret_type = SecretKey

    def held_key(self, secret: AnySecret, *, holder: str) -> _Owner:
        if not isinstance(secret, SecretKey) or secret.public_key != self.public_key:
            raise KeyMismatchError("the secret key or share is not of the federation's key")
        return _Owner(self, secret)

    def opener(
        self,
        total: Ciphertexts,
        *,
        context: bytes,
        binding: bytes,
        num_threads: int | None = None,
    ) -> _Opened:
        return _Opened(self, num_threads)

    def answer_facts(self, answer: bytes) -> dict[str, int]:
        return {"plaintexts": len(self.read_opened(answer))}


@dataclass(frozen=True)
class _Owner:
    scheme: _UnderOneKey
    secret_key: SecretKey

    def open(
        self, total: Ciphertexts, *, chunk: int, binding: bytes, num_threads: int | None = None
    ) -> bytes:
        """The plaintexts, whatever they are: whether slots are in them is for all to see."""
        plaintexts = self.secret_key.decrypt_plaintexts(total, num_threads=num_threads)
        return self.scheme.write_opened(plaintexts)


class _Opened(_Opener[bytes]):
    """The plaintexts that one who has the whole key found."""

    def __init__(self, scheme: _UnderOneKey, num_threads: int | None) -> None:
        super().__init__(scheme, num_threads)
        self._scheme = scheme
        self._answers: dict[int, bytes] = {}

    def _read(self, holder: str, answer: bytes, chunk: int) -> bytes:
        wanted, found = len(self._scheme.chunks.units(chunk)), len(self._scheme.read_opened(answer))
        if found != wanted:
            raise ProtocolError(
                f"{holder} opened chunk {chunk} to {found} plaintexts, and it has {wanted}"
            )
        return answer

    def _keep(self, holder: str, answer: bytes, chunk: int) -> None:
        if self._answers.setdefault(chunk, answer) != answer:
            raise ProtocolError(f"{holder} opened chunk {chunk} to something else than others did")

    def _combined(self) -> _core.Plaintexts:
        if self.num_missing > 0:
            raise NotEnoughSharesError(f"{self.num_missing} chunks were not opened yet")
        answers = (answer for _, answer in sorted(self._answers.items()))
        return self._scheme.read_opened(b"".join(answers))


# ---- a key that is shared ----


class _UnderShares(_Packed):
    """Several holders open together what each has added itself."""

    secret_type = KeyShare

    def __init__(
        self, key: ThresholdKey, codec: Slots, *, chunk_size: int, holders: Sequence[str]
    ) -> None:
        super().__init__(key.public_key, codec, chunk_size=chunk_size, holders=holders)
        self.key = key

    @property
    def num_answers(self) -> int:
        return self.key.threshold

    def held_key(self, secret: AnySecret, *, holder: str) -> _ShareHolder:
        if not isinstance(secret, KeyShare) or secret.key != self.key:
            raise KeyMismatchError("the secret key or share is not of the federation's key")
        owner = self.holders[secret.holder - 1]
        if owner != holder:
            raise InvalidArgumentError(
                f"the share is that of holder {secret.holder}, who is {owner}, not {holder}"
            )
        return _ShareHolder(self, secret)

    def opener(
        self,
        total: Ciphertexts,
        *,
        context: bytes,
        binding: bytes,
        num_threads: int | None = None,
    ) -> _Combined:
        return _Combined(self, Combination(self.key, total, context=binding), num_threads)

    def answer_facts(self, answer: bytes) -> dict[str, int]:
        partial = PartialDecryption.from_bytes(answer, self.key)
        return {"first_ciphertext": partial.first, "ciphertexts": len(partial)}


@dataclass(frozen=True)
class _ShareHolder:
    scheme: _UnderShares
    share: KeyShare

    def open(
        self, total: Ciphertexts, *, chunk: int, binding: bytes, num_threads: int | None = None
    ) -> bytes:
        """A framed partial decryption."""
        first = self.scheme.chunks.units(chunk).start
        return self.share.decrypt(
            total, context=binding, first=first, num_threads=num_threads
        ).to_bytes()


class _Combined(_Opener[PartialDecryption]):
    """Partial decryptions, of which it takes some of each chunk."""

    def __init__(
        self, scheme: _UnderShares, combination: Combination, num_threads: int | None
    ) -> None:
        super().__init__(scheme, num_threads)
        self._scheme = scheme
        self._combination = combination

    def _read(self, holder: str, answer: bytes, chunk: int) -> PartialDecryption:
        chunks = self._scheme.chunks
        partial = PartialDecryption.from_bytes(answer, self._scheme.key)
        index = partial.first // chunks.size
        if self._scheme.holders[partial.holder - 1] != holder:
            raise ProtocolError(f"{holder} sent the partial decryption of another holder")
        units = range(partial.first, partial.first + len(partial))
        if index >= len(chunks) or units != chunks.units(index):
            raise ProtocolError(f"{holder} sent no chunk of this federation")
        if index != chunk:
            raise ProtocolError(f"{holder} sent chunk {index} under the number {chunk}")
        return partial

    def _keep(self, holder: str, answer: PartialDecryption, chunk: int) -> None:
        try:
            self._combination.add(answer, num_threads=self._num_threads)
        except ProofError as error:
            raise ProofError(f"{holder}: {error}") from error

    def _combined(self) -> _core.Plaintexts:
        return self._combination.open_plaintexts(num_threads=self._num_threads)
