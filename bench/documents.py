"""Tables in documents: of results, from the JSON in bench/results, and of messages.

A document has each between two comments. Of results, the first says which table of which file:

    <!-- table federation-intel-xeon-processor.json phases 3072 -->
    <!-- end of table -->
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bench import message_tables
from bench.machine import ROOT
from bench.mask_tables import limits_table, shapes_table
from bench.records import Run, read
from bench.report import ciphers_table, floats_table
from bench.round_tables import (
    ciphertext_table,
    conclusions,
    methods_table,
    phases_table,
    scale_table,
)
from bench.tables import Table

_PLACE = re.compile(
    r"(<!-- table (?P<file>[\w.-]+\.json) (?P<kind>\w+)(?: (?P<bits>\d+))? -->\n).*?"
    r"(?P<end><!-- end of table -->)",
    re.DOTALL,
)
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_TABLES: dict[str, Callable[[Run, int | None], Table]] = {
    "phases": lambda run, key_bits: phases_table(run, _needed(key_bits)),
    "methods": methods_table,
    "scale": lambda run, _: scale_table(run),
    "ciphertexts": lambda run, _: ciphertext_table(run),
    "mask_limits": lambda run, _: limits_table(run),
    "mask_shapes": lambda run, _: shapes_table(run),
    "ciphers": lambda run, key_bits: ciphers_table(run, 1, _needed(key_bits)),
    "floats": lambda run, _: floats_table(run, 1),
}


def filled(text: str, folder: Path = ROOT / "bench" / "results") -> str:
    """The document with its tables as the JSON files, and the declared messages, have them."""

    def table(place: re.Match[str]) -> str:
        run = read(folder / place["file"])
        key_bits = None if place["bits"] is None else int(place["bits"])  # 0 is no key at all.
        if place["kind"] == "conclusions":
            content = "\n".join(conclusions(run)) + "\n"
        else:
            content = _TABLES[place["kind"]](run, key_bits).markdown()
        return f"{place[1]}\n{content}\n{place['end']}"

    return message_tables.filled(_PLACE.sub(table, text))


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
