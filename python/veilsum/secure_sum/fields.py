"""Fields that several messages have: hashes, signatures, lists of names, rosters."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.identity import NAME, Enrolment, check_name
from veilsum.message import Field, counted, fixed, inner
from veilsum.wire import Reader

__all__ = [
    "HASH_BYTES",
    "MAX_U32",
    "NAMES",
    "check_hash",
    "check_signature",
    "ed25519",
    "roster",
    "sha256",
    "sorted_names",
]

HASH_BYTES = 32
MAX_U32 = (1 << 32) - 1
_MAX_NAMES = 1 << 20
_SIGNATURE_BYTES = 64


def sha256(words: str = "") -> Field[bytes]:
    """A SHA-256."""
    return fixed(HASH_BYTES, words, what="a SHA-256")


def ed25519(words: str = "") -> Field[bytes]:
    """Of Ed25519."""
    return replace(fixed(_SIGNATURE_BYTES, words, what="an Ed25519 signature"), show=None)


def roster(words: str) -> Field[tuple[Enrolment, ...]]:
    """Parties, each with its name and public key."""
    return counted(inner(Enrolment), words, at_most=_MAX_NAMES)


def sorted_names(parameter: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names of parties, in order.

    Raises:
        TypeError: ``names`` is no collection of texts; one text is no collection of its letters.
        InvalidArgumentError: there are no names or too many, or one is bad or there twice.
    """
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise TypeError(f"{parameter} must be a list of names, not {type(names).__name__}")
    ordered = tuple(sorted(check_name(name, f"each of {parameter}") for name in names))
    if not 1 <= len(ordered) <= _MAX_NAMES or len(set(ordered)) < len(ordered):
        raise InvalidArgumentError(f"{parameter} must have 1 to 2**20 names, each of them once")
    return ordered


def _read_names(reader: Reader) -> tuple[str, ...]:
    names = _NAMES.read(reader)
    if any(one >= other for one, other in pairwise(names)):
        raise MalformedDataError("names are not sorted, or one is there twice")
    return names


_NAMES = counted(NAME, "sorted by their bytes, each once", at_least=1, at_most=_MAX_NAMES)
NAMES = replace(_NAMES, read=_read_names, check=sorted_names, show=list)
"""Names of parties, in any order in a constructor."""

check_hash = sha256().check
"""TypeError unless it is bytes, InvalidArgumentError unless as many as of a SHA-256."""

check_signature = ed25519().check
"""TypeError unless it is bytes, InvalidArgumentError unless as many as of a signature."""
