"""Files that commands read and write. Nothing is ever overwritten."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from veilsum.durable import made_folder, open_file, read_file
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.identity import Enrolment, check_name
from veilsum.wire import WireKind, wire_kind

__all__ = [
    "ENROLMENT",
    "IDENTITY",
    "check_absent",
    "check_readable",
    "check_writable",
    "file_name",
    "read_enrolment",
    "read_federation_file",
    "read_roster",
]

ENROLMENT = ".enrolment"
IDENTITY = ".identity"
_MAX_NAME_BYTES = 100
_MAX_ENROLMENT_BYTES = 1 << 12
_MAX_FEDERATION_BYTES = 1 << 28


def file_name(name: str) -> str:
    """A party's name; InvalidArgumentError if no file can be named by it."""
    check_name(name)
    if not name.isprintable() or name[0] in ".-" or "/" in name or name != name.strip():
        raise InvalidArgumentError(
            f"the name {name!r} cannot be that of a file: it must have no slash and no control "
            "character, no space at either end, and no dot or dash in front"
        )
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise InvalidArgumentError(f"the name {name!r} is longer than {_MAX_NAME_BYTES} bytes")
    return name


def check_absent(*paths: Path) -> None:
    """FileExistsError if there is something at one of them."""
    for path in paths:
        if os.path.lexists(path):
            raise FileExistsError(f"{path} exists; nothing is overwritten")


def check_readable(*files: Path) -> None:
    """OSError or MalformedDataError unless these are files that can be read."""
    for path in files:
        open_file(path, what="a file of veilsum").close()


class _TriedError(Exception):
    """A folder can be made and written to; whatever was made goes again."""


def check_writable(*folders: Path) -> None:
    """OSError unless files can be made in these folders, which need not be there yet.

    Before anybody types a passphrase or waits for a key. Nothing is left of the attempt.
    """
    for folder in folders:
        try:
            with suppress(_TriedError), made_folder(folder):
                with tempfile.TemporaryFile(dir=folder):
                    raise _TriedError
        except OSError as error:
            raise OSError(
                error.errno, f"no file can be made in this folder: {error.strerror}", str(folder)
            ) from None


def read_enrolment(path: Path) -> Enrolment:
    """Who is enrolled by a file."""
    data = read_file(path, max_bytes=_MAX_ENROLMENT_BYTES, what="an enrolment")
    try:
        if wire_kind(data) is WireKind.IDENTITY_FILE:
            raise MalformedDataError(
                "this is a party's secret identity; give the public .enrolment file beside it"
            )
        return Enrolment.from_bytes(data)
    except MalformedDataError as error:
        raise MalformedDataError(f"{path}: {error}") from error


def read_federation_file(path: Path) -> bytes:
    """The bytes of a dealer's file; nothing of it is checked."""
    return read_file(path, max_bytes=_MAX_FEDERATION_BYTES, what="a federation")


def read_roster(paths: list[Path]) -> tuple[Enrolment, ...]:
    """Who is enrolled by files and by all ``.enrolment`` files in folders, sorted by name."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob(f"*{ENROLMENT}"))
            if not found:
                raise InvalidArgumentError(f"there is no {ENROLMENT} file in the folder {path}")
            files += found
        else:
            files.append(path)
    roster = [read_enrolment(path) for path in files]
    for party in roster:
        file_name(party.name)
    return tuple(sorted(roster, key=lambda party: party.name))
