"""One table: for the terminal, as Markdown for documents, and as a row of panels of a chart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

# Charts show the numbers. A text may stand below one.
Cell = str | float | tuple[float, str] | None
T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of which has the name."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    chart: str | None = None  # The end of the name of the file that it is drawn in.
    xs: Sequence[float] = ()  # Where the rows are on lines; such a table is only drawn.

    def show(self, console: Console) -> None:
        """In colours, if there are rows."""
        if not self.rows or self.xs:
            return
        table = RichTable(
            title=f"\n{self.title}",
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.add_column(self.columns[0], vertical="bottom", no_wrap=True)
        for column in self.columns[1:]:
            table.add_column(column, justify="right", vertical="bottom")
        for row in self.rows:
            table.add_row(*map(text, row))
        console.print(table)
        if self.note:
            console.print(self.note, highlight=False)

    def markdown(self) -> str:
        """For documents."""
        rows = [list(map(text, row)) for row in self.rows]
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *rows]
        written = [" | ".join(line).replace("\n", " ") for line in lines]
        return f"{self.title}:\n\n" + "".join(f"| {line} |\n" for line in written)


Column = tuple[str, Callable[[T], Cell]]


def table_of(
    title: str,
    records: Iterable[T],
    columns: Sequence[Column[T]],
    note: str = "",
    chart: str | None = None,
    x: Callable[[T], float] | None = None,
) -> Table:
    """A row for each record; each column has a title and makes its cells."""
    records = list(records)
    rows = [[value(record) for _, value in columns] for record in records]
    xs = [x(record) for record in records] if x else ()
    return Table(title, [header for header, _ in columns], rows, note, chart, xs)


def number(value: float) -> str:
    """Three digits that say something: 0.123, 12.3, 1,230, 4.56 M. One digit below a thousandth."""
    if value >= 1e6:
        return f"{value / 1e6:.3g} M" if value < 1e9 else f"{value / 1e9:.3g} G"
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.1g}"


def text(cell: Cell) -> str:
    """As it is read."""
    if isinstance(cell, tuple):
        return f"{number(cell[0])}\n{cell[1]}".rstrip()
    return cell if isinstance(cell, str) else "" if cell is None else number(cell)
