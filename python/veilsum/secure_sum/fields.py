"""Fields that several messages have: hashes, signatures, names, rosters."""

from dataclasses import replace
from datetime import date, timedelta

from veilsum import arguments
from veilsum.errors import MalformedDataError
from veilsum.identity import NAME, Enrolment, check_name
from veilsum.message import Field, counted, fixed, inner, u8, u32
from veilsum.wire import Reader, Writer

__all__ = [
    "DAY",
    "HASH_BYTES",
    "MAX_U32",
    "check_hash",
    "check_signature",
    "ed25519",
    "name_or_none",
    "roster",
    "sha256",
]

HASH_BYTES = 32
MAX_U32 = (1 << 32) - 1
_MAX_PARTIES = 1 << 20
_SIGNATURE_BYTES = 64
_FIRST_DAY = date(1970, 1, 1)


def sha256(words: str = "") -> Field[bytes]:
    """A SHA-256."""
    return fixed(HASH_BYTES, words, what="a SHA-256")


def ed25519(words: str = "") -> Field[bytes]:
    """Of Ed25519."""
    return replace(fixed(_SIGNATURE_BYTES, words, what="an Ed25519 signature"), show=None)


def roster(words: str) -> Field[tuple[Enrolment, ...]]:
    """Parties, each with its name and public key."""
    return counted(inner(Enrolment), words, at_most=_MAX_PARTIES)


def name_or_none(words: str) -> Field[str | None]:
    """The name of a party, as a list of one; None is an empty list."""
    names = counted(NAME, words, count=u8, at_most=1)

    def write(writer: Writer, name: str | None) -> None:
        names.write(writer, () if name is None else (name,))

    def read(reader: Reader) -> str | None:
        found = names.read(reader)
        return found[0] if found else None

    def check(parameter: str, name: str | None) -> str | None:
        return None if name is None else check_name(name, parameter)

    return Field(
        names.type, names.words, names.least, write, read, check, lambda name: name, names.bounds
    )


def _write_day(writer: Writer, day: date) -> None:
    writer.u32((day - _FIRST_DAY).days)


def _read_day(reader: Reader) -> date:
    number = reader.u32()
    if number > (date.max - _FIRST_DAY).days:
        raise MalformedDataError("the calendar does not reach to a day")
    return _FIRST_DAY + timedelta(number)


_DAYS = u32("days after 1970-01-01, up to 9999-12-31")
DAY = Field(_DAYS.type, _DAYS.words, _DAYS.least, _write_day, _read_day, arguments.day, str)
"""A day of the calendar."""

check_hash = sha256().check
"""TypeError unless it is bytes, InvalidArgumentError unless as many as of a SHA-256."""

check_signature = ed25519().check
"""TypeError unless it is bytes, InvalidArgumentError unless as many as of a signature."""
