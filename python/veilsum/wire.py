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
    """``data`` as immutable bytes; TypeError for anything but bytes, bytearray and memoryview.

    Args:
        data: any of these.
        name: the parameter that the error names.

    Raises:
        InvalidArgumentError: a memoryview that was released.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name} must be bytes, not {type(data).__name__}")
    try:
        return bytes(data)
    except ValueError as error:
        raise InvalidArgumentError(f"{name} cannot be read: {error}") from None


def split_frames(
    data: BytesLike | Iterable[BytesLike], *, max_frame_bytes: int, name: str = "data"
) -> Iterator[bytes]:
    """The framed messages that follow one another in ``data``, one at a time.

    ``data`` may come in pieces of any size, as from a socket; no more than one frame and one piece
    are held at a time, whatever lengths are announced.

    Args:
        data: bytes, or pieces of them.
        max_frame_bytes: the longest message that may come.
        name: the parameter that errors name.

    Raises:
        TypeError: ``data`` is neither bytes nor pieces of bytes.
        MalformedDataError: no frame where one should begin, one longer than ``max_frame_bytes``,
            or an end within one.
    """
    pending = bytearray()
    for piece in _pieces(data, name):
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


def _pieces(data: object, name: str) -> Iterator[BytesLike]:
    if isinstance(data, (bytes, bytearray, memoryview)):
        data = [data]
    elif isinstance(data, str) or not isinstance(data, Iterable):
        raise TypeError(f"{name} must be bytes or pieces of bytes, not {type(data).__name__}")
    for piece in data:
        if isinstance(piece, memoryview):
            # As bytes: a view of other items has the length of their number.
            yield piece.cast("B") if piece.nbytes and piece.c_contiguous else bytes(piece)
        elif isinstance(piece, (bytes, bytearray)):
            yield piece
        else:
            raise TypeError(f"each piece of {name} must be bytes, not {type(piece).__name__}")


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
