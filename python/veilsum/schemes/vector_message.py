"""The framed messages of an encrypted vector: packed, kind 3, or masked, kind 23."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from veilsum import arguments
from veilsum.codec import SlotCodec, codec_field
from veilsum.errors import CapacityError, InvalidArgumentError, MalformedDataError
from veilsum.message import Form, Layout, counted, framed, rest, u8, u64
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.public_key import PublicKey
from veilsum.schemes import packing
from veilsum.schemes.mask_shape import MaskShape
from veilsum.schemes.masking import MAX_CONTEXT_BYTES, MaskedPart, Masking
from veilsum.wire import BytesLike, WireKind, as_bytes, wire_kind

__all__ = [
    "MASKED_BLOCKS",
    "VectorParts",
    "check_vector",
    "masked_form",
    "read_vector",
    "shape_of",
    "vector_form",
    "write_vector",
]

C = TypeVar("C", bound=SlotCodec)


class _Vector(NamedTuple):
    codec: SlotCodec
    num_addends: int
    ciphertexts: Ciphertexts


class _MaskedVector(NamedTuple):
    codec: SlotCodec
    num_addends: int
    log_dim: int
    num_primes: int
    prime_bits: int
    num_digits: int
    context: tuple[int, ...]
    ciphertexts: bytes
    blocks: bytes


@dataclass(frozen=True)
class VectorParts(Generic[C]):
    """What a message of an encrypted vector holds; ``masked`` is None for a packed one."""

    codec: C
    num_addends: int
    ciphertexts: Ciphertexts
    masked: MaskedPart | None


_SHAPE_FIELDS = {
    "log_dim": u8("of the ring: 11 or 12"),
    "num_primes": u8("1 where log_dim is 11, 2 where it is 12"),
    "prime_bits": u8(at_least=24, at_most=46),
    "num_digits": u8(at_least=1, at_most=16),
}
"""``MaskShape``."""


@cache
def vector_form(codec_type: type[SlotCodec]) -> Form:
    """The message with a codec of this class; version 2 is for the codec's longer form."""
    layouts = {
        1 + has_segments: Layout(
            codec=codec_field(codec_type, has_segments=has_segments),
            num_addends=u64("at most max_addends", at_least=1),
            ciphertexts=rest("of kind 2", type="message"),
        )
        for has_segments in (False, True)
    }
    return Form(WireKind.ENCRYPTED_VECTOR, layouts)


MASKED_BLOCKS = Form(
    WireKind.MASKED_BLOCKS,
    {
        1: Layout(
            **_SHAPE_FIELDS,
            first=u64("number of the first block, from 0"),
            count=u64("of blocks, all of them of the vector", at_least=1),
            residues=rest("below"),
        )
    },
)
"""Some blocks of a vector. The core reads and writes it; here it is told what is in it."""


def shape_of(values: Mapping[str, Any]) -> MaskShape:
    """The shape among the fields of a message."""
    return MaskShape(**{name: values[name] for name in _SHAPE_FIELDS})


@cache
def masked_form(codec_type: type[SlotCodec]) -> Form:
    """The same of a masked vector."""
    layouts = {
        1 + has_segments: Layout(
            codec=codec_field(codec_type, has_segments=has_segments),
            num_addends=u64("at most max_addends", at_least=1),
            **_SHAPE_FIELDS,
            context=counted(u8(), "names the sum", count=u8, at_least=1, at_most=MAX_CONTEXT_BYTES),
            ciphertexts=framed(None, "of kind 2: the secret, packed"),
            blocks=rest("of kind 22: all blocks", type="message"),
        )
        for has_segments in (False, True)
    }
    return Form(WireKind.MASKED_VECTOR, layouts)


def check_vector(
    codec: SlotCodec, ciphertexts: Ciphertexts, num_addends: int, masked: MaskedPart | None
) -> int:
    """That the codec makes such ciphertexts, and sums of so many; the number, as an int.

    Raises:
        InvalidArgumentError: another shape, or no addends.
        CapacityError: more addends than ``max_addends``.
    """
    num_addends = codec.check_num_addends(num_addends)
    if masked is None:
        wanted = packing.layout(codec, ciphertexts.public_key.n).num_plaintexts
    else:
        arguments.instance("masked.shape", masked.shape, MaskShape)
        masking = Masking(codec, ciphertexts.public_key, masked.shape)
        masking.check_part(masked)
        wanted = masking.num_key_units
    if ciphertexts.shape != (wanted,):
        raise InvalidArgumentError(
            f"the codec needs ciphertexts of shape {(wanted,)}, got {ciphertexts.shape}"
        )
    return num_addends


def write_vector(
    codec: SlotCodec,
    ciphertexts: Ciphertexts,
    *,
    num_addends: int,
    masked: MaskedPart | None = None,
) -> bytes:
    """The wire bytes (docs/wire-format.md, section 3)."""
    version = 1 + codec.needs_segments
    if masked is None:
        vector = _Vector(codec, num_addends, ciphertexts)
        return vector_form(SlotCodec).write(vector, version=version)
    shape = masked.shape
    message = _MaskedVector(
        codec,
        num_addends,
        shape.log_dim,
        shape.num_primes,
        shape.prime_bits,
        shape.num_digits,
        tuple(masked.context),
        ciphertexts.to_bytes(),
        masked.blocks.to_bytes(),
    )
    return masked_form(SlotCodec).write(message, version=version)


def read_vector(data: BytesLike, public_key: PublicKey, codec_type: type[C]) -> VectorParts[C]:
    """Codec, ciphertexts and number of addends of a message from outside.

    Raises:
        MalformedDataError: not the wire format of docs/wire-format.md, section 3.
        KeyMismatchError: it is under a key with another modulus.
        InvalidCiphertextError: a ciphertext breaks a rule of docs/validation.md.
    """
    data = as_bytes(data, "data")
    if wire_kind(data) is WireKind.MASKED_VECTOR:
        return _read_masked(data, public_key, codec_type)
    form = vector_form(codec_type)  # type: ignore[arg-type]
    codec, num_addends, framed_units = form.read(data).values()
    ciphertexts = Ciphertexts.from_bytes(framed_units, public_key)
    return _checked(VectorParts(codec, num_addends, ciphertexts, None))


def _read_masked(data: BytesLike, public_key: PublicKey, codec_type: type[C]) -> VectorParts[C]:
    values = masked_form(codec_type).read(data)  # type: ignore[arg-type]
    codec = values["codec"]
    shape = shape_of(values)
    try:
        masking = Masking(codec, public_key, shape)
    except InvalidArgumentError as error:
        raise MalformedDataError(f"masked vector: {error}") from error
    blocks = masking.read_blocks(values["blocks"])
    ciphertexts = Ciphertexts.from_bytes(values["ciphertexts"], public_key)
    masked = MaskedPart(shape, bytes(values["context"]), blocks)
    return _checked(VectorParts(codec, values["num_addends"], ciphertexts, masked))


def _checked(parts: VectorParts[C]) -> VectorParts[C]:
    what = "encrypted vector" if parts.masked is None else "masked vector"
    try:
        check_vector(parts.codec, parts.ciphertexts, parts.num_addends, parts.masked)
    except (InvalidArgumentError, CapacityError) as error:
        raise MalformedDataError(f"{what}: {error}") from error
    return parts
