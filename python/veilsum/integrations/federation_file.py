"""The dealer's file on a server's disk, and the hash by which it is pinned."""

import os
import re

from veilsum import arguments
from veilsum.durable import read_file
from veilsum.errors import InvalidArgumentError, PolicyRefusedError
from veilsum.secure_sum import Federation, PartyFolder

__all__ = ["agreed_in", "parse_hash", "read_signed", "renewed", "shown"]

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


def read_signed(path: str | os.PathLike[str]) -> bytes:
    """A dealer's file as it is, which parties that have joined an older one are sent.

    Raises:
        OSError, MalformedDataError: it cannot be read.
    """
    path = arguments.path("federation", path)
    return read_file(path, max_bytes=_MAX_BYTES, what="a dealer's federation.veil")


def agreed_in(signed: bytes, *, expected_hash: bytes | None) -> Federation:
    """The agreement in what ``read_signed`` gave; errors as ``Federation.from_signed``.

    A server need not pin it: with another federation than theirs no party answers.
    """
    if expected_hash is not None:
        return Federation.from_signed(signed, expected_hash=expected_hash)
    return Federation.from_signed(signed, dealer=Federation.dealer_named_in(signed))


def renewed(folder: PartyFolder, federation_hash: bytes | None, signed: object) -> PartyFolder:
    """The party as it is by the server's federation: renewed, if its dealer signed that.

    Nobody need type anything: a party that pinned its dealer goes on with what that dealer renews.

    Args:
        folder: of the party.
        federation_hash: the server's; None if it does not say.
        signed: the dealer's file that it sent, if it did. From outside: anything may be in it.

    Returns:
        The party renewed; as it was, if the server has the same federation or sent no file, or if
        the party has pinned no dealer.

    Raises:
        PolicyRefusedError, SignatureError, MalformedDataError, InvalidKeyError, LedgerError,
        StoreInUseError: as ``PartyFolder.renew``.
    """
    has_other = federation_hash not in (None, folder.federation.hash)
    if not has_other or not isinstance(signed, bytes) or folder.dealer is None:
        return folder
    try:
        return folder.renew(signed)
    except PolicyRefusedError as error:
        raise PolicyRefusedError(
            f"the server has another federation than {folder.enrolment.name} has joined: the "
            f"server's is {shown(federation_hash or b'')}, this node's "
            f"{shown(folder.federation.hash)}. It is not taken over: {error}"
        ) from error


def shown(federation_hash: bytes) -> str:
    """A federation's hash, short to compare by eye and whole to be sure."""
    digits = federation_hash.hex()
    return f"{digits[:8]}... ({digits})"
