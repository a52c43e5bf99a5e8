"""The tables of documents, by another way than the one that writes them.

From the JSON files themselves, with nothing of the generator: a row that it leaves out, or a figure
of another method, would be in the document and in what it is compared with.
"""

import json
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def tables_in_documents(kind):
    """Each table of this kind: its JSON, the size of key that is named, its rows as dicts."""
    pattern = rf"<!-- table ([\w.-]+) {kind} ?(\d*) -->\n(.*?)<!-- end of table -->"
    for path in DOCUMENTS:
        for name, bits, body in re.findall(pattern, path.read_text(encoding="utf-8"), re.S):
            lines = [line for line in body.splitlines() if line.startswith("|")]
            header, _, *rows = ([c.strip() for c in line.strip("|").split("|")] for line in lines)
            data = json.loads((ROOT / "bench" / "results" / name).read_text())
            yield path.name, data, bits, header, rows


def as_number(cell):
    """The number that a cell shows, with its unit; None for an empty one."""
    digits, _, unit = cell.partition(" ")
    scale = {"": 1, "M": 1e6, "G": 1e9}[unit]
    return scale * float(digits.replace(",", "")) if cell else None


def seconds_of(party):
    return sum(
        phase["factor"] * statistics.median(phase["samples"]) for phase in party["phases"].values()
    )


def test_documents_have_a_row_for_every_method_with_its_own_figures():
    found = list(tables_in_documents("methods"))
    assert {name for name, *_ in found} == {"performance.md", "comparison.md", "protocol.md"}
    for document, data, bits, header, rows in found:
        methods = [m for m in data["methods"] if not bits or m["key_bits"] in (0, int(bits))]
        assert len(rows) == len(methods) > 0, document
        assert sum("veilsum" in row[0] or "bits" in row[0] for row in rows) >= 2, document
        for row, method in zip(rows, methods, strict=True):
            assert row[0].startswith(method["name"])
            assert (f", {method['key_bits']} bits" in row[0]) == (method["key_bits"] > 0)
            parties = {party["role"]: party for party in method["parties"]}
            client = parties.get("client") or parties["contributor"]
            server = parties.get("server") or parties["aggregator"]
            holder = parties.get("holder")
            wanted = [seconds_of(client), client["sent"] / 1e6, client["received"] / 1e6]
            wanted += [seconds_of(server), server["sent"] / 1e6]
            wanted += [None] * 4
            if holder is not None:
                wanted[5:] = [holder["count"], seconds_of(holder)]
                wanted += [holder["received"] / 1e6, holder["sent"] / 1e6]
            assert header[1] == "client, s"
            for cell, value in zip(row[1:], wanted, strict=True):
                assert as_number(cell) == (value and pytest.approx(value, rel=0.006)), (row, header)


def test_documents_have_a_row_for_every_size_with_its_own_figures():
    ((_, data, _, header, rows),) = tables_in_documents("scale")
    figures = {
        "client, s": ("seconds", "client", 1),
        "client sends, MB": ("sent", "client", 1e6),
        "server, s": ("seconds", "server", 1),
        "server's peak, MB": ("peak_bytes", "server", 1e6),
        "a holder, s": ("seconds", "holder", 1),
        "holder gets, MB": ("received", "holder", 1e6),
    }
    assert header[1:3] == ["values", "clients"]
    assert [title for title in figures if title in header[3:]] == header[3:]
    points = {(p["method"], p["dim"], p["num_contributors"]): p for p in data["points"]}
    assert len(rows) == len(points) > 0
    for name, dim, clients, *cells in rows:
        point = points[name, int(dim.replace(",", "")), int(clients.replace(",", ""))]
        for title, cell in zip(header[3:], cells, strict=True):
            what, role, unit = figures[title]
            value = point.get(what, {}).get(role)
            # Below a thousandth one digit is shown.
            precision = 0.006 if value and value / unit >= 0.001 else 0.5
            wanted = value and pytest.approx(value / unit, rel=precision)
            assert as_number(cell) == wanted, (name, dim, title)
