"""A page that would have its reader's browser fetch something from elsewhere: a warning."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

_LOG = logging.getLogger(__name__)
# What a browser fetches unasked; links that a reader may follow are others.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|object|embed)\b[^>]*?\b(?:src|data)=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|icon|preconnect))"""
    r"""[^>]*?\bhref=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|(?:url\(|@import\s)\s*["']?((?:https?:)?//[^"')\s]+)"""
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx call this."""
    app.connect("build-finished", warn_of_what_is_fetched)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def warn_of_what_is_fetched(app: Sphinx, error: Exception | None) -> None:
    """Look through all pages and style sheets that were written."""
    if error is not None:
        return
    for path in sorted(Path(app.outdir).rglob("*")):
        if path.suffix in (".html", ".css", ".svg"):
            for address in fetched(path.read_text(encoding="utf-8")):
                _LOG.warning("%s would be fetched by %s", address, path.relative_to(app.outdir))


def fetched(text: str) -> list[str]:
    """The addresses elsewhere that a page or a style sheet has its reader's browser fetch."""
    return [next(filter(None, groups)) for groups in _FETCHED.findall(text)]
