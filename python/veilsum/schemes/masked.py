"""``"masked"``: slots behind a lattice mask, and only its short secret under Paillier.

The first chunks of a contribution are the *key*: the secret of its mask, packed and proved as in
``packed``. The others are its *body*, masked blocks without a proof. Who opens is given keys and
never a body, and opens the sum of the secrets; with that the aggregator opens the sum of the bodies
(docs/masks.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veilsum import _core
from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError, MalformedDataError, ProtocolError
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.secret_key import SecretKey
from veilsum.paillier.threshold import KeyShare
from veilsum.schemes import packed, packing
from veilsum.schemes.keys import AnyKey, public_key_of
from veilsum.schemes.mask_shape import MaskShape
from veilsum.schemes.masking import MaskedSum, Masking
from veilsum.schemes.scheme import Chunks, HeldKey, Opener, Piece, Proofs, Scheme, Sealed
from veilsum.system import Progress

__all__ = ["make", "settle"]

_FRAME_BYTES = 64  # More than the frame and the head of masked blocks.


def settle(codec: SlotCodec, parameters: bytes) -> bytes:
    """The shape of the masks, a byte for each field of ``MaskShape``; chosen if none is given.

    Raises:
        InvalidArgumentError: it is none, has no room for the codec's sums, or is too weak.
    """
    shape = _shape_of(parameters) if parameters else MaskShape.of(codec)
    shape.check(codec)
    return bytes(astuple(shape))


def make(
    key: AnyKey,
    codec: SlotCodec,
    *,
    chunk_size: int,
    holders: Sequence[str],
    parameters: bytes = b"",
) -> Scheme[Any, Any]:
    """The scheme under this key. ``holders`` are who can open, in the order of their shares."""
    shape = _shape_of(settle(codec, parameters))
    return _Masked(key, codec, chunk_size=chunk_size, holders=holders, shape=shape)


def _shape_of(parameters: bytes) -> MaskShape:
    if len(parameters) != len(fields(MaskShape)):
        raise InvalidArgumentError(
            f"scheme_parameters: the shape of a mask has {len(fields(MaskShape))} bytes, not "
            f"{len(parameters)}"
        )
    return MaskShape(*parameters)


@dataclass(frozen=True)
class _SecretSlots:
    """The coefficients of secrets, as slots of the scheme that carries them."""

    codec: SlotCodec
    num_slots: int
    max_slot: int

    def check_num_addends(self, num_addends: int) -> int:
        return self.codec.check_num_addends(num_addends)


class _Total(NamedTuple):
    key: Ciphertexts
    blocks: _core.MaskedBlocks
    num_addends: int


class _Masked:
    def __init__(
        self,
        key: AnyKey,
        codec: SlotCodec,
        *,
        chunk_size: int,
        holders: Sequence[str],
        shape: MaskShape,
    ) -> None:
        public_key = public_key_of(key)
        self.codec = codec
        self.masking = Masking(codec, public_key, shape)
        native = self.masking.native  # A holder never needs the tables of the mask itself.
        secrets = _SecretSlots(codec, native.dim, native.max_secret)
        self.keys = packed.make(key, secrets, chunk_size=chunk_size, holders=holders)
        ciphertext_bytes = packing.ciphertext_bytes(public_key.key_bits)
        block_bytes = native.bytes_of(0, 1)
        # Chunks of keys and of bodies are about as long.
        blocks_each = min(max(1, chunk_size * ciphertext_bytes // block_bytes), native.num_blocks)
        self.body = Chunks(native.num_blocks, blocks_each)
        self.max_body_bytes = native.bytes_of(0, blocks_each) + _FRAME_BYTES

    @property
    def num_chunks(self) -> int:
        return self.keys.num_chunks + len(self.body)

    @property
    def num_opened(self) -> int:
        return self.keys.num_chunks

    @property
    def max_chunk_bytes(self) -> int:
        return max(self.keys.max_chunk_bytes, self.max_body_bytes)

    @property
    def num_answers(self) -> int:
        return self.keys.num_answers

    @property
    def secret_type(self) -> type[KeyShare] | type[SecretKey]:
        return self.keys.secret_type

    def protect(
        self,
        slots: NDArray[np.int64],
        *,
        context: bytes,
        maker: str,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> _SealedMask:
        fresh = self.masking.make(
            slots,
            context=context,
            maker=maker.encode(),
            num_threads=num_threads,
            progress=progress,
        )
        key = self.keys.seal(
            fresh.secret, context=context, maker=maker, seed=fresh.seed, num_threads=num_threads
        )
        return _SealedMask(key, self.keys.num_chunks, fresh.blocks, self.body)

    def read(
        self,
        piece: Piece,
        *,
        chunk: int,
        context: bytes,
        maker: str,
        num_threads: int | None = None,
        proofs: Any = None,
    ) -> Ciphertexts | _core.MaskedBlocks:
        if chunk < self.num_opened:
            return self.keys.read(
                piece,
                chunk=chunk,
                context=context,
                maker=maker,
                num_threads=num_threads,
                proofs=proofs,
            )
        if piece.proof:
            raise MalformedDataError(f"{maker} sent a proof with masked blocks, which have none")
        blocks = self.masking.read_blocks(piece.body, num_threads=num_threads)
        wanted = self.body.units(chunk - self.num_opened)
        if range(blocks.first, blocks.first + blocks.count) != wanted:
            raise ProtocolError(f"{maker} sent other blocks than those of chunk {chunk}")
        return blocks

    def proofs(self) -> Proofs:
        return self.keys.proofs()

    def read_sum(self, data: bytes, *, chunk: int) -> Ciphertexts:
        return self.keys.read_sum(data, chunk=chunk)

    def running_sum(self) -> _MaskedSum:
        return _MaskedSum(self)

    def held_key(self, secret: Any, *, holder: str) -> HeldKey[Any]:
        return self.keys.held_key(secret, holder=holder)

    def opener(
        self, total: _Total, *, context: bytes, binding: bytes, num_threads: int | None = None
    ) -> _Opener:
        keys = self.keys.opener(
            total.key, context=context, binding=binding, num_threads=num_threads
        )
        return _Opener(self.masking, keys, total, context, num_threads)

    def answer_facts(self, answer: bytes) -> dict[str, int]:
        return self.keys.answer_facts(answer)


@dataclass(frozen=True)
class _SealedMask:
    key: Sealed
    num_key_chunks: int
    blocks: _core.MaskedBlocks
    body: Chunks

    def piece(self, chunk: int) -> Piece:
        if chunk < self.num_key_chunks:
            return self.key.piece(chunk)
        units = self.body.units(chunk - self.num_key_chunks)
        return Piece(self.blocks.part(units.start, len(units)).to_bytes(), proof=b"")


class _MaskedSum:
    """Contributions, key and body, that are added in place."""

    def __init__(self, scheme: _Masked) -> None:
        self._codec = scheme.codec
        self._num_key_chunks = scheme.num_opened
        self._sum = MaskedSum(scheme.masking)

    @property
    def num_addends(self) -> int:
        return self._sum.num_addends

    @property
    def total(self) -> _Total:
        return _Total(*self._sum.total(), self.num_addends)

    def add(self, parts: Sequence[Any]) -> None:
        self._codec.check_num_addends(self.num_addends + 1)
        key = Ciphertexts.concatenate(parts[: self._num_key_chunks])
        self._sum.add(key, parts[self._num_key_chunks :], num_addends=1)


@dataclass(frozen=True)
class _Opener:
    """Answers for the key; the body opens with what they open."""

    masking: Masking
    keys: Opener
    total: _Total
    context: bytes
    num_threads: int | None

    @property
    def num_missing(self) -> int:
        return self.keys.num_missing

    def wanted(self, missing: Collection[str]) -> dict[str, tuple[int, ...]]:
        return self.keys.wanted(missing)

    def take(self, holder: str, answer: bytes, *, chunk: int) -> bool:
        return self.keys.take(holder, answer, chunk=chunk)

    def opened(self) -> bytes:
        return self.keys.opened()

    def slots(self) -> NDArray[np.int64]:
        return self.masking.open(
            self.total.blocks,
            self.keys.slots(),
            context=self.context,
            num_addends=self.total.num_addends,
            num_threads=self.num_threads,
        )
