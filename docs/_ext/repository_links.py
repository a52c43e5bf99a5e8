"""Links from a document to what is in the repository and is no page, and to anchors in its HTML.

Documents are read in two places: in the repository, where a link to a folder leads to its files,
and on the site. There such a link leads to the folder's README, where that is a page; otherwise
the folder is named and nothing is linked. Links to files are downloads, which MyST makes itself.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

_ANCHOR = re.compile(r'<a id="([\w-]+)">')


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx call these."""
    app.connect("doctree-read", register_anchors)
    app.connect("doctree-read", resolve_folders)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def register_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Make each ``<a id="…">`` of a document a label, so that links to it are checked."""
    document = app.env.docname
    labels = app.env.domains.standard_domain.anonlabels
    for node in doctree.findall(nodes.raw):
        for anchor in _ANCHOR.findall(node.astext()):
            labels[f"{document}#{anchor}"] = (document, anchor)


def resolve_folders(app: Sphinx, doctree: nodes.document) -> None:
    """Lead links to folders to their README, or to nothing."""
    for link in list(doctree.findall(pending_xref)):
        if link["reftype"] != "myst" or link.get("refdomain") == "doc":
            continue
        _, path = app.env.relfn2path(link["reftarget"], app.env.docname)
        folder = Path(path)
        if not folder.is_dir():
            continue  # MyST warns of what is not there either.
        readme = app.env.path2doc(folder / "README.md")
        if readme in app.project.docnames:
            link["refdomain"], link["reftarget"], link["reftargetid"] = "doc", readme, None
        else:
            link.replace_self(nodes.inline("", "", *link.children[0].children))
