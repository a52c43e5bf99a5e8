"""The command line, for people; scripts take ``--json``."""

from veilsum.cli.app import app

__all__ = ["app"]
