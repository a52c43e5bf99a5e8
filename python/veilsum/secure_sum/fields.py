"""Parts that several messages have: hashes, lists of names, rosters."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.identity import Enrolment, check_name
from veilsum.wire import Reader, Writer

__all__ = [
    "HASH_BYTES",
    "MAX_NAMES",
    "MAX_U32",
    "check_hash",
    "check_signature",
    "read_name",
    "read_names",
    "read_roster",
    "sorted_names",
    "tuple_of",
    "write_name",
    "write_names",
    "write_roster",
]

HASH_BYTES = 32
MAX_NAMES = 1 << 20
MAX_U32 = (1 << 32) - 1
_SIGNATURE_BYTES = 64

T = TypeVar("T")


def check_hash(parameter: str, value: bytes) -> None:
    """TypeError unless it is bytes, InvalidArgumentError unless as many as of a SHA-256."""
    _check_bytes(parameter, value, HASH_BYTES, "a SHA-256")


def check_signature(parameter: str, value: bytes) -> None:
    """TypeError unless it is bytes, InvalidArgumentError unless as many as of a signature."""
    _check_bytes(parameter, value, _SIGNATURE_BYTES, "an Ed25519 signature")


def tuple_of(parameter: str, values: Sequence[T], kind: type[T]) -> tuple[T, ...]:
    """A tuple or a list of this kind, as a tuple. What has no order, or is read once, is refused.

    Raises:
        TypeError: ``values`` or one of them has another type.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise TypeError(f"{parameter} must be a tuple or a list, not {type(values).__name__}")
    return tuple(arguments.instance(f"each of {parameter}", value, kind) for value in values)


def sorted_names(parameter: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names of parties, in order.

    Raises:
        TypeError: ``names`` is no collection of texts; one text is no collection of its letters.
        InvalidArgumentError: there are no names or too many, or one is bad or there twice.
    """
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise TypeError(f"{parameter} must be a list of names, not {type(names).__name__}")
    ordered = tuple(sorted(check_name(name, f"each of {parameter}") for name in names))
    if not 1 <= len(ordered) <= MAX_NAMES or len(set(ordered)) < len(ordered):
        raise InvalidArgumentError(f"{parameter} must have 1 to 2**20 names, each of them once")
    return ordered


def write_name(writer: Writer, name: str) -> None:
    """Its length and its UTF-8."""
    encoded = name.encode()
    writer.u8(len(encoded))
    writer.bytes(encoded)


def read_name(reader: Reader) -> str:
    """What ``write_name`` wrote."""
    try:
        return check_name(reader.bytes(reader.u8()).decode())
    except (UnicodeDecodeError, InvalidArgumentError):
        raise MalformedDataError("the name of a party is not 1 to 255 bytes of UTF-8") from None


def write_names(writer: Writer, names: tuple[str, ...]) -> None:
    """Their number, then each."""
    writer.u32(len(names))
    for name in names:
        write_name(writer, name)


def read_names(reader: Reader) -> tuple[str, ...]:
    """What ``write_names`` wrote; refuses names out of order and repeated ones."""
    names = [read_name(reader) for _ in range(_read_count(reader, 1))]
    if any(a >= b for a, b in pairwise(names)):
        raise MalformedDataError("names are not sorted, or one is there twice")
    return tuple(names)


def write_roster(writer: Writer, roster: tuple[Enrolment, ...]) -> None:
    """Their number, then the name and public key of each."""
    writer.u32(len(roster))
    for party in roster:
        write_name(writer, party.name)
        writer.bytes(party.public_key)


def read_roster(reader: Reader) -> tuple[Enrolment, ...]:
    """What ``write_roster`` wrote; whether it is in order is not looked at."""
    count = _read_count(reader, 0)
    return tuple(Enrolment(read_name(reader), reader.bytes(32)) for _ in range(count))


def _read_count(reader: Reader, fewest: int) -> int:
    count = reader.u32()
    # A name takes two bytes at least: a longer list than the message can hold is not started.
    if not fewest <= count <= min(MAX_NAMES, reader.remaining() // 2):
        raise MalformedDataError("a list of names is empty or longer than its message")
    return count


def _check_bytes(parameter: str, value: bytes, size: int, what: str) -> None:
    if len(arguments.instance(parameter, value, bytes)) != size:
        raise InvalidArgumentError(f"{parameter} has {len(value)} bytes; {what} has {size} bytes")
