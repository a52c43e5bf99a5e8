"""Parts that several messages have: hashes, lists of names, rosters."""

from collections.abc import Iterable
from itertools import pairwise

from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.identity import Enrolment, check_name
from veilsum.wire import Reader, Writer

__all__ = [
    "HASH_BYTES",
    "MAX_NAMES",
    "check_hash",
    "read_name",
    "read_names",
    "read_roster",
    "sorted_names",
    "write_name",
    "write_names",
    "write_roster",
]

HASH_BYTES = 32
MAX_NAMES = 1 << 20


def check_hash(value: bytes) -> None:
    """TypeError unless it is bytes, InvalidArgumentError unless as many as of a SHA-256."""
    if not isinstance(value, bytes):
        raise TypeError(f"a hash is bytes, not {type(value).__name__}")
    if len(value) != HASH_BYTES:
        raise InvalidArgumentError("a hash is 32 bytes")


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names in order; InvalidArgumentError if there is none, or one twice."""
    ordered = tuple(sorted(map(check_name, names)))
    if not 1 <= len(ordered) <= MAX_NAMES or len(set(ordered)) < len(ordered):
        raise InvalidArgumentError("a list of names has 1 to 2**20 of them, each once")
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
        raise MalformedDataError("a name is 1 to 255 bytes of UTF-8") from None


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
