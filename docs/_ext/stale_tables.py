"""A table of figures or of messages that is not what its source says: a warning, as others are."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from bench.documents import filled

_LOG = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx call this."""
    app.connect("source-read", warn_of_stale_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def warn_of_stale_tables(app: Sphinx, document: str, source: list[str]) -> None:
    """Compare the tables of a document with bench/results and with the declared messages."""
    pairs = zip(source[0].splitlines(), filled(source[0]).splitlines(), strict=False)
    for number, (old, new) in enumerate(pairs, start=1):
        if old != new:
            _LOG.warning(
                "a table is not what its source says; ./run bench --documents writes it anew",
                location=(document, number),
            )
            return
