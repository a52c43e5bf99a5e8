"""The message of encrypted floats: their scale, then the ciphertexts."""

from __future__ import annotations

from veilsum.errors import MalformedDataError
from veilsum.message import Field, Form, Layout, rest, u64
from veilsum.wire import Reader, WireKind, Writer

__all__ = ["ENCRYPTED_FLOATS"]

_MOST_BOUND_BYTES = 2048  # Of the longest key.


def _signed(words: str) -> Field[int]:
    def write(writer: Writer, value: int) -> None:
        writer.u32(value % 2**32)

    def read(reader: Reader) -> int:
        value = reader.u32()
        return value - 2**32 if value >= 2**31 else value

    return Field("i32", words, 4, write, read, show=int)


def _natural(words: str) -> Field[int]:
    """A number from 1 on, in as many bytes as it takes."""

    def write(writer: Writer, value: int) -> None:
        size = (value.bit_length() + 7) // 8
        writer.u32(size)
        writer.bytes(value.to_bytes(size, "little"))

    def read(reader: Reader) -> int:
        size = reader.u32()
        if not 1 <= size <= _MOST_BOUND_BYTES:
            raise MalformedDataError(f"EF2: a bound has {size} bytes; it has 1 to 2048")
        data = reader.bytes(size)
        if data[-1] == 0:
            raise MalformedDataError("EF2: a bound ends with a byte of 0, which it does not need")
        return int.from_bytes(data, "little")

    return Field("u32 and as many bytes", words, 5, write, read, show=hex)


ENCRYPTED_FLOATS = Form(
    WireKind.ENCRYPTED_FLOATS,
    {
        1: Layout(
            unit_exponent=_signed(
                "from -2^20 to 2^20: an integer m stands for m * 2^unit_exponent"
            ),
            bound=_natural("the largest magnitude of an m; at least 1, the last byte is not 0"),
            error_mantissa=u64("odd and below 2^63, or 0"),
            error_exponent=_signed("from -2^21 to 2^21; 0 where error_mantissa is 0"),
            ciphertexts=rest("of kind 2", type="message"),
        )
    },
)
