"""The framed message of an encrypted vector: codec, number of addends, ciphertexts."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, TypeVar

from veilsum.codec import SlotCodec, codec_field
from veilsum.errors import CapacityError, InvalidArgumentError, MalformedDataError
from veilsum.message import Form, Layout, rest, u64
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.public_key import PublicKey
from veilsum.schemes import packing
from veilsum.wire import BytesLike, WireKind

__all__ = ["check_vector", "read_vector", "vector_form", "write_vector"]

C = TypeVar("C", bound=SlotCodec)


class _Vector(NamedTuple):
    codec: SlotCodec
    num_addends: int
    ciphertexts: Ciphertexts


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


def check_vector(codec: SlotCodec, ciphertexts: Ciphertexts, num_addends: int) -> int:
    """That the codec makes such ciphertexts, and sums of so many; the number, as an int.

    Raises:
        InvalidArgumentError: another shape, or no addends.
        CapacityError: more addends than ``max_addends``.
    """
    num_addends = codec.check_num_addends(num_addends)
    wanted = (packing.layout(codec, ciphertexts.public_key.n).num_plaintexts,)
    if ciphertexts.shape != wanted:
        raise InvalidArgumentError(
            f"the codec needs ciphertexts of shape {wanted}, got {ciphertexts.shape}"
        )
    return num_addends


def write_vector(codec: SlotCodec, ciphertexts: Ciphertexts, *, num_addends: int) -> bytes:
    """The wire bytes (docs/wire-format.md, section 3)."""
    vector = _Vector(codec, num_addends, ciphertexts)
    return vector_form(SlotCodec).write(vector, version=1 + codec.needs_segments)


def read_vector(
    data: BytesLike, public_key: PublicKey, codec_type: type[C]
) -> tuple[C, Ciphertexts, int]:
    """Codec, ciphertexts and number of addends of a message from outside.

    Raises:
        MalformedDataError: not the wire format of docs/wire-format.md, section 3.
        KeyMismatchError: it is under a key with another modulus.
        InvalidCiphertextError: a ciphertext breaks a rule of docs/validation.md.
    """
    form = vector_form(codec_type)  # type: ignore[arg-type]
    codec, num_addends, framed = form.read(data).values()
    try:
        ciphertexts = Ciphertexts.from_bytes(framed, public_key)
        return codec, ciphertexts, check_vector(codec, ciphertexts, num_addends)
    except (InvalidArgumentError, CapacityError) as error:
        raise MalformedDataError(f"encrypted vector: {error}") from error
