"""The dealer's file on a server's disk, and the hash by which it is pinned."""

import os
import re

from veilsum import arguments
from veilsum.durable import read_file
from veilsum.errors import InvalidArgumentError
from veilsum.secure_sum import Federation

__all__ = ["parse_hash", "read_federation", "shown"]

_MAX_BYTES = 1 << 28


def parse_hash(text: str) -> bytes:
    """A federation's hash as ``veilsum deal`` prints it, or after ``sha256:``.

    Raises:
        TypeError, InvalidArgumentError: it is no such hash.
    """
    if not isinstance(text, str):
        raise TypeError(f"federation_hash must be a str, not {type(text).__name__}")
    digits = re.sub(r"[\s:-]", "", text.removeprefix("sha256:"))
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise InvalidArgumentError(
            "federation_hash must be the 64 hexadecimal digits that `veilsum deal` printed, not "
            f"{arguments.text_of(text)}"
        )
    return bytes.fromhex(digits)


def read_federation(path: str | os.PathLike[str], *, expected_hash: bytes | None) -> Federation:
    """The agreement in a dealer's file.

    A server need not pin it: with another federation than theirs no party answers.

    Raises:
        OSError: the file cannot be read.
        PolicyRefusedError, SignatureError, MalformedDataError, InvalidKeyError: as
            ``Federation.from_signed``.
    """
    path = arguments.path("federation", path)
    signed = read_file(path, max_bytes=_MAX_BYTES, what="a dealer's federation.veil")
    if expected_hash is not None:
        return Federation.from_signed(signed, expected_hash=expected_hash)
    return Federation.from_signed(signed, dealer=Federation.dealer_named_in(signed))


def shown(federation_hash: bytes) -> str:
    """A federation's hash, short to compare by eye and whole to be sure."""
    digits = federation_hash.hex()
    return f"{digits[:8]}... ({digits})"
