"""Tables in documents, written from the JSON in bench/results.

A document has each between two comments, the first of which says which table of which file:

    <!-- table federation-intel-xeon-processor.json phases 3072 -->
    <!-- end of table -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from peers.machine import ROOT

from rounds.results import Results
from rounds.tables import (
    Table,
    ciphertext_table,
    conclusions,
    how_many,
    methods_table,
    phases_table,
    scale_table,
)

_PLACE = re.compile(
    r"(<!-- table (?P<file>[\w.-]+\.json) (?P<kind>\w+)(?: (?P<bits>\d+))? -->\n).*?"
    r"(?P<end><!-- end of table -->)",
    re.DOTALL,
)
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_TABLES: dict[str, Callable[[Results, int | None], Table]] = {
    "phases": lambda results, key_bits: phases_table(results, _needed(key_bits)),
    "methods": methods_table,
    "scale": lambda results, _: scale_table(results),
    "ciphertexts": lambda results, _: ciphertext_table(results),
}


def filled(text: str, folder: Path = ROOT / "bench" / "results") -> str:
    """The document with its tables as the JSON files have them."""

    def table(place: re.Match[str]) -> str:
        data = json.loads((folder / place["file"]).read_text(encoding="utf-8"))
        results = Results.from_dict(data)
        key_bits = None if place["bits"] is None else int(place["bits"])  # 0 is no key at all.
        if place["kind"] == "conclusions":
            content = "\n".join([how_many(results), "", *conclusions(results)]) + "\n"
        else:
            content = _TABLES[place["kind"]](results, key_bits).markdown()
        return f"{place[1]}\n{content}\n{place['end']}"

    return _PLACE.sub(table, text)


def _needed(key_bits: int | None) -> int:
    if key_bits is None:
        raise ValueError("a table of phases is for one size of key: name it after its kind")
    return key_bits


def write_documents() -> list[Path]:
    """Bring every document up to date; those that changed."""
    changed = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            path.write_text(new, encoding="utf-8")
            changed.append(path)
    return changed
