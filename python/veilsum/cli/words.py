"""What commands share in talking: names and hashes that can be read out, errors in one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer

from veilsum.arguments import printable
from veilsum.errors import InvalidArgumentError, VeilsumError

__all__ = ["grouped", "one_line", "parse_hash", "size", "telling_of", "with_options"]


def grouped(digits: str) -> str:
    """Hexadecimal digits in groups of four, for reading out."""
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def parse_hash(text: str) -> bytes:
    """A SHA-256 as ``grouped`` or otherwise written; InvalidArgumentError for any other text."""
    digits = re.sub(r"[\s:-]", "", text)
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise InvalidArgumentError(
            f"{printable(text)!r} is no hash: a hash has 64 hexadecimal digits; spaces between "
            "them do not matter"
        )
    return bytes.fromhex(digits)


def size(num_bytes: float) -> str:
    """Bytes in a unit that suits."""
    for unit in ("bytes", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} bytes" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:,.1f} GB"


def with_options(message: str, options: Mapping[str, str]) -> str:
    """A message about parameters in the words of a command.

    ``options`` has options by parameter. A name that is an English word too counts as a parameter
    where the message begins with it.
    """
    for name, option in options.items():
        where = "" if "_" in name else "^"
        message = re.sub(rf"{where}(?<![\w-]){name}(?!\w)", option, message)
    return message


@contextmanager
def telling_of(*paths: str | Path) -> Iterator[None]:
    """What is printed once these are written; an error of printing says that they are."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        places = ", ".join(printable(str(path)) for path in paths)
        raise OSError(error.errno, f"{error.strerror}; what was made stays: {places}") from error


@contextmanager
def one_line(command: str, options: Mapping[str, str] | None = None) -> Iterator[None]:
    """What is wrong in one line, and exit code 2.

    ``options`` has the names of options by that of the parameter they are passed to.

    What a command prints comes after it: an output that cannot be written is another matter, which
    ``main`` ends.
    """
    try:
        yield
    except (VeilsumError, OSError) as error:
        message = with_options(printable(str(error)), options or {})
        typer.echo(f"veilsum {command}: {message}", err=True)
        raise typer.Exit(2) from None
