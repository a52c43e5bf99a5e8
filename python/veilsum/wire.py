"""Framed messages: what every object on the wire is written and read with.

The frame and the layouts are in docs/wire-format.md. Readers refuse whatever is not exactly the
format with ``MalformedDataError``.
"""

from veilsum._core import Reader, WireKind, Writer

__all__ = ["BytesLike", "Reader", "WireKind", "Writer", "as_bytes"]

BytesLike = bytes | bytearray | memoryview


def as_bytes(data: BytesLike) -> bytes:
    """``data`` as immutable bytes; TypeError for anything but bytes, bytearray and memoryview."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"expected bytes, got {type(data).__name__}")
    return bytes(data)
