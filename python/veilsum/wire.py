"""Framed messages: what every object on the wire is written and read with.

The frame and the layouts are in docs/wire-format.md. Readers refuse whatever is not exactly the
format with ``MalformedDataError``.
"""

from collections.abc import Iterable, Iterator

from veilsum._core import Reader, WireKind, Writer, wire_kind, wire_size
from veilsum.errors import InvalidArgumentError, MalformedDataError

__all__ = [
    "FRAME_BYTES",
    "BytesLike",
    "Reader",
    "WireKind",
    "Writer",
    "as_bytes",
    "split_frames",
    "wire_kind",
    "wire_size",
]

BytesLike = bytes | bytearray | memoryview

FRAME_BYTES = 16


def as_bytes(data: BytesLike, name: str = "data") -> bytes:
    """``data`` as immutable bytes; TypeError for anything but bytes, bytearray and memoryview."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name} must be bytes, not {type(data).__name__}")
    try:
        return bytes(data)
    except ValueError as error:  # A memoryview that was released.
        raise InvalidArgumentError(f"{name} cannot be read: {error}") from None


def split_frames(data: BytesLike | Iterable[BytesLike], *, max_frame_bytes: int) -> Iterator[bytes]:
    """The framed messages that follow one another in ``data``, one at a time.

    ``data`` may come in pieces of any size, as from a socket; no more than one frame and one piece
    are held at a time, whatever lengths are announced.

    Raises:
        MalformedDataError: no frame where one should begin, one longer than ``max_frame_bytes``,
            or an end within one.
    """
    pieces = [data] if isinstance(data, (bytes, bytearray, memoryview)) else data
    pending = bytearray()
    for piece in pieces:
        view = memoryview(piece)
        while len(view) > 0:
            if len(pending) < FRAME_BYTES:
                view = _move(pending, view, FRAME_BYTES)
                if len(pending) < FRAME_BYTES:
                    break
            size = _frame_size(pending, max_frame_bytes)
            view = _move(pending, view, size)
            if len(pending) == size:
                yield bytes(pending)
                pending.clear()
    if pending:
        raise MalformedDataError("the message ends too early")


def _move(pending: bytearray, view: memoryview, size: int) -> memoryview:
    """Fill ``pending`` up to ``size`` from the front of ``view``; what is left of that."""
    taken = size - len(pending)
    pending += view[:taken]
    return view[taken:]


def _frame_size(pending: bytearray, max_frame_bytes: int) -> int:
    size = wire_size(bytes(pending[:FRAME_BYTES]))
    if size > max_frame_bytes:
        raise MalformedDataError(
            f"a message announces {size} bytes, where at most {max_frame_bytes} can be"
        )
    return size
