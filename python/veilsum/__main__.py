"""Entry point of the command ``veilsum``; also ``python -m veilsum``."""

import os
import sys
from typing import TextIO

from veilsum.errors import VeilsumError

__all__ = ["main"]


def main() -> None:
    """Run the command line, or say which extra brings what it needs.

    Output that cannot be written, as to a full disk, is exit code 1 and one line; where the reader
    of a pipe is gone, nobody is told.
    """
    _forget_odd_width()
    try:
        from veilsum.cli import app
    except ModuleNotFoundError as error:
        sys.exit(f"veilsum: the command line needs {error.name}: pip install 'veilsum[cli]'")
    try:
        try:
            app()
        except SystemExit:  # As it always ends. Another error is not hidden by one of writing.
            _flush()
            raise
    except VeilsumError as error:
        sys.exit(f"veilsum: {error}")
    except BrokenPipeError:
        _drop(sys.stdout)
        sys.exit(1)
    except OSError as error:
        _drop(sys.stdout)
        try:
            print(
                f"veilsum: the output cannot be written: {error.strerror or error}",
                file=sys.stderr,
                flush=True,
            )
        except OSError:  # Nor can this.
            _drop(sys.stderr)
        sys.exit(1)


def _forget_odd_width() -> None:
    """Take a width of 0 for an unknown one, as shells do: nothing would be printed."""
    columns = os.environ.get("COLUMNS", "1")
    if not (columns.isascii() and columns.isdigit() and int(columns) > 0):
        del os.environ["COLUMNS"]


def _flush() -> None:
    if sys.stdout is not None:  # None where it was closed before the start.
        sys.stdout.flush()


def _drop(stream: TextIO | None) -> None:
    """Let what is left to write go nowhere: Python writes it once more when it ends."""
    if stream is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    main()
