"""The framed message of an encrypted vector: codec, number of addends, ciphertexts."""

from __future__ import annotations

from typing import TypeVar

from veilsum.codec import SlotCodec
from veilsum.errors import CapacityError, InvalidArgumentError, MalformedDataError
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.public_key import PublicKey
from veilsum.schemes import packing
from veilsum.wire import BytesLike, Reader, WireKind, Writer, as_bytes, version_of

__all__ = ["check_vector", "read_vector", "write_vector"]

C = TypeVar("C", bound=SlotCodec)

_VERSION = 1
_VERSION_SEGMENTS = 2  # Of codecs that need the longer form.


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
    writer = Writer(
        WireKind.ENCRYPTED_VECTOR, _VERSION_SEGMENTS if codec.needs_segments else _VERSION
    )
    codec.write_to(writer)
    writer.u64(num_addends)
    writer.bytes(ciphertexts.to_bytes())
    return writer.finish()


def read_vector(
    data: BytesLike, public_key: PublicKey, codec_type: type[C]
) -> tuple[C, Ciphertexts, int]:
    """Codec, ciphertexts and number of addends of a message from outside.

    Raises:
        MalformedDataError: not the wire format of docs/wire-format.md, section 3.
        KeyMismatchError: it is under a key with another modulus.
        InvalidCiphertextError: a ciphertext breaks a rule of docs/validation.md.
    """
    message = as_bytes(data)
    version = version_of(message, oldest=_VERSION, newest=_VERSION_SEGMENTS)
    reader = Reader(message, WireKind.ENCRYPTED_VECTOR, version)
    try:
        codec = codec_type.read_from(reader, has_segments=version == _VERSION_SEGMENTS)
        num_addends = reader.u64()
        ciphertexts = Ciphertexts.from_bytes(reader.bytes(reader.remaining()), public_key)
        return codec, ciphertexts, check_vector(codec, ciphertexts, num_addends)
    except (InvalidArgumentError, CapacityError) as error:
        raise MalformedDataError(f"encrypted vector: {error}") from error
