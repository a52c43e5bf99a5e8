"""Pairs and tables for a terminal of any width: what does not fit stands one below the other.

Nothing is ever cut: a narrow terminal needs more lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

__all__ = ["print_pairs", "print_table"]

_GAP = 2
_NARROWEST_VALUE = 16
_ANY_WIDTH = 10_000


def print_pairs(console: Console, pairs: Iterable[tuple[str, str]], *, right: bool = False) -> None:
    """Names with a text beside each, or below where there is too little room.

    Args:
        console: where to.
        pairs: name and text; the text is markup, the name is not.
        right: align names to the right, as numbers.
    """
    rows = list(pairs)
    width = max((cell_len(name) for name, _ in rows), default=0)
    if width + _GAP + _NARROWEST_VALUE > console.width:
        for name, text in rows:
            console.print(f"[bold]{escape(name.strip())}[/]")
            console.print(Padding(text, (0, 0, 0, _GAP)))
        return
    grid = Table.grid(padding=(0, _GAP))
    grid.add_column(
        style="" if right else "bold", no_wrap=True, justify="right" if right else "left"
    )
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(escape(name), text)
    console.print(grid)


def print_table(
    console: Console,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
) -> None:
    """A table, or its rows one below the other as pairs.

    Args:
        console: where to.
        headers: of the columns; a line break is where they may be broken.
        rows: their texts, which are markup.
        right: the headers of columns that are aligned to the right, as numbers are.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        justify: JustifyMethod = "right" if header in right else "left"
        table.add_column(escape(header), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*row)
    options = console.options.update(max_width=_ANY_WIDTH)
    if Measurement.get(console, options, table).minimum <= console.width:
        console.print(table)
        return
    for row in rows:
        console.print()
        names = (header.replace("\n", " ") for header in headers)
        print_pairs(console, zip(names, row, strict=True))
