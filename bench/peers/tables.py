"""What all tables share: names, numbers, the frame."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from peers.results import Row

TIMES = "\u00d7"  # A multiplication sign.


def number(value: float) -> str:
    """Three digits that say something: 0.123, 12.3, 1,230, 4.56 M."""
    if value >= 1e6:
        return f"{value / 1e6:.3g} M" if value < 1e9 else f"{value / 1e9:.3g} G"
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def name_of(row: Row) -> str:
    """A library with its version, as in the first column."""
    versions = [version for package, version in row.versions.items() if package != "gmpy2"]
    if row.is_ours or not versions:
        return row.library
    name, space, remark = row.library.partition(" (")
    return f"{name} {versions[0]}{space}{remark}"


def make_table(title: str, first: str, columns: Iterable[str]) -> Table:
    """An empty table; the first column has the names."""
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column(first, vertical="bottom", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", vertical="bottom")
    return table
