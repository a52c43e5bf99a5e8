"""Facts about files and agreements: a dictionary for scripts, the same one printed for people.

Values are numbers, texts, lists of texts, dictionaries of such, or lists of dictionaries (tables).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from veilsum.arguments import printable
from veilsum.cli.layout import print_pairs, print_table
from veilsum.cli.words import grouped, size

__all__ = ["Facts", "print_facts"]

Facts = Mapping[str, Any]
_HASHES = ("fingerprint", "hash", "sha256", "round_id", "run_id", "root", "link")
_MOST_ROWS = 100


def print_facts(console: Console, facts: Facts) -> None:
    """Short values beside their names, then the tables."""
    plain = {key: value for key, value in facts.items() if not _is_table(value)}
    print_pairs(
        console, ((key.replace("_", " "), _cell(key, value)) for key, value in plain.items())
    )
    for key, value in facts.items():
        if _is_table(value):
            _print_table(console, key, value)


def _print_table(console: Console, key: str, rows: list[dict[str, Any]]) -> None:
    console.print(f"\n[bold]{escape(key.replace('_', ' '))}[/] ({len(rows):,})")
    print_table(
        console,
        [name.replace("_", " ") for name in rows[0]],
        [[_cell(name, value) for name, value in row.items()] for row in rows[:_MOST_ROWS]],
    )
    if len(rows) > _MOST_ROWS:
        console.print(f"... and {len(rows) - _MOST_ROWS:,} more; --json has all")


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return size(value) if key.startswith("bytes_") else f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{k.replace('_', ' ')} {_cell(k, v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(_cell(key, item) for item in value) or "none"
    text = str(value)
    is_hash = key.endswith(_HASHES) and len(text) == 64
    return escape(grouped(text) if is_hash else printable(text))
