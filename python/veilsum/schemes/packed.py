"""``"packed"``: slots side by side in Paillier plaintexts, Paillier all the way.

Each contributor proves that it knows what it encrypted (docs/plaintext-proof.md). Under a shared
key, holders open the chunks that they have checked and added themselves (docs/threshold.md). Under
a key that is held whole, its owner is given the total, opens it alone and answers with the slots.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veilsum import _core
from veilsum.codec import SlotCodec
from veilsum.errors import (
    CapacityError,
    InvalidArgumentError,
    KeyMismatchError,
    MalformedDataError,
    NotEnoughSharesError,
    ProofError,
    ProtocolError,
)
from veilsum.paillier.ciphertext_sum import CiphertextSum
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.proofs import PlaintextProof
from veilsum.paillier.public_key import PublicKey
from veilsum.paillier.secret_key import SecretKey
from veilsum.paillier.threshold import Combination, KeyShare, PartialDecryption, ThresholdKey
from veilsum.schemes import packing
from veilsum.schemes.keys import AnyKey, AnySecret
from veilsum.schemes.scheme import Chunks, Piece, Scheme
from veilsum.schemes.shards import plan_shards
from veilsum.schemes.vector_message import read_vector, write_vector
from veilsum.system import Progress

__all__ = ["make"]

_NO_SLOTS = b""  # What an owner of the key answers who has opened something else.


def make(
    key: AnyKey, codec: SlotCodec, *, chunk_size: int, holders: Sequence[str]
) -> Scheme[Ciphertexts]:
    """The scheme under this key. ``holders`` are who can open, in the order of their shares."""
    if isinstance(key, ThresholdKey):
        return _UnderShares(key, codec, chunk_size=chunk_size, holders=holders)
    return _UnderOneKey(key, codec, chunk_size=chunk_size, holders=holders)


class _Packed:
    """What holds whoever opens."""

    def __init__(
        self, public_key: PublicKey, codec: SlotCodec, *, chunk_size: int, holders: Sequence[str]
    ) -> None:
        self.public_key = public_key
        self.codec = codec
        self.holders = tuple(holders)
        self.chunks = Chunks(packing.layout(codec, public_key.n).num_plaintexts, chunk_size)

    @property
    def unit_bytes(self) -> int:
        """Of a ciphertext."""
        return 2 * (-(-self.public_key.key_bits // 8))

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
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> _SealedCiphertexts:
        ciphertexts, proof = self.public_key.encrypt_and_prove(
            self.pack(slots, num_threads),
            context=context,
            chunk=self.chunks.size,
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
    ) -> Ciphertexts:
        ciphertexts = self._units(piece.body, chunk, maker)
        self._check_proof(piece.proof, ciphertexts, chunk, context, maker, num_threads)
        return ciphertexts

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

    def _check_proof(
        self,
        data: bytes,
        ciphertexts: Ciphertexts,
        chunk: int,
        context: bytes,
        maker: str,
        num_threads: int | None,
    ) -> None:
        missing = f"{maker} did not prove that it knows what its chunk {chunk} encrypts"
        if not data:
            raise ProofError(f"{missing}: it sent no proof")
        units = self.chunks.units(chunk)
        try:
            proof = PlaintextProof.from_bytes(data, self.public_key)
            place = (proof.first, len(proof), proof.chunk)
            if place != (units.start, len(units), self.chunks.size):
                raise ProtocolError(
                    f"{maker} sent the proof of other ciphertexts than those of chunk {chunk}"
                )
            proof.verify(ciphertexts, context=context, num_threads=num_threads)
        except ProofError as error:
            raise ProofError(f"{missing}: {error}") from error


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

    def __init__(self, codec: SlotCodec, public_key: PublicKey) -> None:
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


# ---- a key that is held whole ----


class _UnderOneKey(_Packed):
    """The owner of the key opens the total that it is given."""

    opens_totals = True
    num_answers = 1
    secret_type = SecretKey

    def write_total(self, total: Ciphertexts, *, num_addends: int) -> bytes:
        return write_vector(self.codec, total, num_addends=num_addends)

    def read_total(self, message: bytes, *, num_addends: int) -> Ciphertexts:
        given = read_vector(message, self.public_key, type(self.codec))
        if given.codec != self.codec or given.masked is not None:
            raise ProtocolError("the total has another codec than agreed")
        if given.num_addends != num_addends:
            raise ProtocolError(
                f"the total has {given.num_addends} addends for {num_addends} names"
            )
        return given.ciphertexts

    def held_key(self, secret: AnySecret, *, holder: str) -> _Owner:
        if not isinstance(secret, SecretKey) or secret.public_key != self.public_key:
            raise KeyMismatchError("the secret key or share is not of the federation's key")
        return _Owner(self, secret)

    def opener(
        self, total: Ciphertexts, *, context: bytes, num_threads: int | None = None
    ) -> _Opened:
        return _Opened(self.codec, self.holders, len(self.chunks))

    def answer_facts(self, answer: bytes) -> dict[str, int]:
        return {}


@dataclass(frozen=True)
class _Owner:
    scheme: _UnderOneKey
    secret_key: SecretKey

    def open(
        self,
        total: Ciphertexts,
        *,
        first: int,
        context: bytes,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """The summed slots as little-endian int64; nothing if what was opened are no slots."""
        plaintexts = self.secret_key.decrypt_plaintexts(
            total, num_threads=num_threads, progress=progress
        )
        try:
            slots = self.scheme.unpack(plaintexts, num_threads)
        except CapacityError:
            return _NO_SLOTS
        return slots.astype("<i8").tobytes() if self.scheme.codec.holds(slots) else _NO_SLOTS


class _Opened:
    """The slots that the one who opens the total found."""

    def __init__(self, codec: SlotCodec, holders: Sequence[str], num_chunks: int) -> None:
        self._codec = codec
        self._holders = holders
        self._num_chunks = num_chunks
        self._answer: bytes | None = None

    @property
    def num_missing(self) -> int:
        return self._num_chunks if self._answer is None else 0

    def wanted(self, missing: Collection[str]) -> dict[str, tuple[int, ...] | None]:
        if self._answer is not None:
            return {}
        names = [name for name in self._holders if name not in missing]
        if not names:
            raise NotEnoughSharesError("everybody who holds the key is missing")
        return dict.fromkeys(names)

    def take(self, holder: str, answer: bytes, *, chunk: int) -> bool:
        if chunk != 0:
            raise ProtocolError(f"{holder} answers for chunk {chunk}, and was asked for the total")
        if len(answer) not in (len(_NO_SLOTS), 8 * self._codec.num_slots):
            raise MalformedDataError("the opening has another number of slots than the codec")
        if answer and not self._codec.holds(_slots_of(answer)):
            raise MalformedDataError("the opening has slots that no sum in this codec has")
        if self._answer is not None:
            return False
        self._answer = answer
        return True

    def opened(self) -> bytes:
        if self._answer is None:
            raise NotEnoughSharesError("nobody has opened the total yet")
        return self._answer

    def slots(self) -> NDArray[np.int64]:
        opened = self.opened()
        if opened == _NO_SLOTS:
            raise CapacityError("what was opened are no slots: somebody sent none")
        return _slots_of(opened)


def _slots_of(answer: bytes) -> NDArray[np.int64]:
    return np.frombuffer(answer, "<i8").astype(np.int64)


# ---- a key that is shared ----


class _UnderShares(_Packed):
    """Holders open what they have added themselves."""

    opens_totals = False
    secret_type = KeyShare

    def __init__(
        self, key: ThresholdKey, codec: SlotCodec, *, chunk_size: int, holders: Sequence[str]
    ) -> None:
        super().__init__(key.public_key, codec, chunk_size=chunk_size, holders=holders)
        self.key = key

    @property
    def num_answers(self) -> int:
        return self.key.threshold

    def write_total(self, total: Ciphertexts, *, num_addends: int) -> bytes:
        raise InvalidArgumentError("holders of shares are given no total")

    def read_total(self, message: bytes, *, num_addends: int) -> Ciphertexts:
        raise ProtocolError("holders of shares open no total that they are given")

    def held_key(self, secret: AnySecret, *, holder: str) -> _ShareHolder:
        if not isinstance(secret, KeyShare) or secret.key != self.key:
            raise KeyMismatchError("the secret key or share is not of the federation's key")
        owner = self.holders[secret.holder - 1]
        if owner != holder:
            raise InvalidArgumentError(
                f"the share is that of holder {secret.holder}, who is {owner}, not {holder}"
            )
        return _ShareHolder(secret)

    def opener(
        self, total: Ciphertexts, *, context: bytes, num_threads: int | None = None
    ) -> _Combined:
        return _Combined(self, Combination(self.key, total, context=context), num_threads)

    def answer_facts(self, answer: bytes) -> dict[str, int]:
        partial = PartialDecryption.from_bytes(answer, self.key)
        return {"first_ciphertext": partial.first, "ciphertexts": len(partial)}


@dataclass(frozen=True)
class _ShareHolder:
    share: KeyShare

    def open(
        self,
        total: Ciphertexts,
        *,
        first: int,
        context: bytes,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """A framed partial decryption."""
        return self.share.decrypt(
            total, context=context, first=first, num_threads=num_threads, progress=progress
        ).to_bytes()


class _Combined:
    """Partial decryptions, chunk by chunk, until each chunk has enough."""

    def __init__(
        self, scheme: _UnderShares, combination: Combination, num_threads: int | None
    ) -> None:
        self._scheme = scheme
        self._combination = combination
        self._num_threads = num_threads
        self._answered: list[set[str]] = [set() for _ in range(len(scheme.chunks))]
        self._plaintexts: _core.Plaintexts | None = None

    @property
    def num_missing(self) -> int:
        return sum(len(holders) < self._scheme.num_answers for holders in self._answered)

    def wanted(self, missing: Collection[str]) -> dict[str, tuple[int, ...] | None]:
        return dict(
            plan_shards(
                self._scheme.holders,
                threshold=self._scheme.num_answers,
                answered=self._answered,
                missing=missing,
            )
        )

    def take(self, holder: str, answer: bytes, *, chunk: int) -> bool:
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
        if holder in self._answered[index]:
            return False
        try:
            self._combination.add(partial, num_threads=self._num_threads)
        except ProofError as error:
            raise ProofError(f"{holder}: {error}") from error
        self._answered[index].add(holder)
        return True

    def opened(self) -> bytes:
        """Each plaintext, signed and little-endian, in as many bytes as the modulus has."""
        size = self._scheme.unit_bytes // 2
        return _core.plaintexts_to_bytes(self._combined(), size)

    def slots(self) -> NDArray[np.int64]:
        return self._scheme.unpack(self._combined(), self._num_threads)

    def _combined(self) -> _core.Plaintexts:
        """What takes a power for each ciphertext is computed once."""
        if self._plaintexts is None:
            self._plaintexts = self._combination.open_plaintexts(num_threads=self._num_threads)
        return self._plaintexts
