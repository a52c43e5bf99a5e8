"""Entry point of the command ``veilsum``; also ``python -m veilsum``."""

import sys

from veilsum.errors import VeilsumError

__all__ = ["main"]


def main() -> None:
    """Run the command line, or say which extra brings what it needs."""
    try:
        from veilsum.cli import app
    except ModuleNotFoundError as error:
        sys.exit(f"veilsum: the command line needs {error.name}: pip install 'veilsum[cli]'")
    try:
        app()
    except VeilsumError as error:
        sys.exit(f"veilsum: {error}")


if __name__ == "__main__":
    main()
