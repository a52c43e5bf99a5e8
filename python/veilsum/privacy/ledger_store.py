"""A ledger's budget and charges in SQLite: in a file, or in the memory of a simulation."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, get_args

from veilsum.durable import Database, DurableFile, MemoryDatabase, rows_of
from veilsum.errors import LedgerError
from veilsum.privacy.mechanisms import Unit

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Book", "Budget", "create_file", "in_memory", "open_file"]

_SCHEMA = """
    CREATE TABLE budget (
        version INTEGER NOT NULL, epsilon REAL NOT NULL, delta REAL NOT NULL, unit TEXT NOT NULL
    );
    CREATE TABLE charges (
        round_id BLOB PRIMARY KEY, commitment BLOB NOT NULL, cost REAL NOT NULL,
        charged_at TEXT NOT NULL
    );
"""
_VERSION = 3
_BUDGET = "SELECT epsilon, delta, unit FROM budget"
_UPGRADES = {  # From each older version to the next.
    1: "ALTER TABLE charges ADD COLUMN commitment BLOB NOT NULL DEFAULT x''",
    2: "ALTER TABLE budget ADD COLUMN unit TEXT NOT NULL DEFAULT 'contribution'",
}
_MAX_COST = 1e100  # No contribution costs that, and sums below it stay finite.


class Budget(NamedTuple):
    """What may be spent, and of what it is."""

    epsilon: float
    delta: float
    unit: Unit


def create_file(path: str, budget: Budget) -> Database:
    """A new file with this budget."""
    return DurableFile.create(path, schema=_SCHEMA, what="ledger", fill=_filled(budget))


def open_file(path: str) -> Database:
    """A file that was made before; one of an older version gets the columns that it lacks."""
    file = DurableFile(path, what="ledger")
    with file.transaction() as connection:
        for version, upgrade in _UPGRADES.items():
            if rows_of(connection, "SELECT version FROM budget") == [(version,)]:
                connection.execute(upgrade)
                connection.execute("UPDATE budget SET version = ?", (version + 1,))
        Book(connection, file.name).budget()  # An error leaves the file as it was.
    return file


def in_memory(budget: Budget) -> Database:
    """A database with this budget that ends with the process."""
    return MemoryDatabase(schema=_SCHEMA, fill=_filled(budget))


class Book:
    """The tables, inside a transaction."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def budget(self) -> Budget:
        """What may be spent."""
        versions = rows_of(self._connection, "SELECT version FROM budget")
        if versions != [(_VERSION,)]:
            raise LedgerError(f"{self._name} is not a ledger that this veilsum reads")
        budgets = rows_of(self._connection, _BUDGET)
        if len(budgets) != 1:
            raise self._damaged("its budget lacks a column")
        epsilon, delta, unit = budgets[0]
        if not (_is_real(epsilon, math.inf) and epsilon > 0 and _is_real(delta, 1)):
            raise self._damaged("its budget is not one that a ledger has")
        if unit not in get_args(Unit):
            raise self._damaged("its budget is of nothing that a ledger counts")
        return Budget(epsilon, delta, unit)

    def costs(self) -> list[float]:
        """What each charge cost."""
        costs = [cost for (cost,) in self._connection.execute("SELECT cost FROM charges")]
        if not all(_is_real(cost, _MAX_COST) for cost in costs):
            raise self._damaged("a charge in it has no valid cost")
        return costs

    def commitment(self, round_id: bytes) -> bytes | None:
        """What was charged in a round; None if nothing was."""
        asked = "SELECT commitment FROM charges WHERE round_id = ?"
        row = self._connection.execute(asked, (round_id,)).fetchone()
        if row is None:
            return None
        if not isinstance(row[0], bytes):
            raise self._damaged("a charge in it names no contribution")
        return row[0]

    def add(self, round_id: bytes, commitment: bytes, cost: float) -> None:
        """Record a charge."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        columns = "round_id, commitment, cost, charged_at"
        values = (round_id, commitment, cost, now)
        self._connection.execute(f"INSERT INTO charges ({columns}) VALUES (?, ?, ?, ?)", values)

    def _damaged(self, why: str) -> LedgerError:
        return LedgerError(f"the ledger {self._name} is damaged: {why}")


def _filled(budget: Budget) -> Callable[[sqlite3.Connection], object]:
    values = (_VERSION, *budget)
    return lambda connection: connection.execute("INSERT INTO budget VALUES (?, ?, ?, ?)", values)


def _is_real(value: object, bound: float) -> bool:
    """Whether a column holds a number in [0, bound): SQLite keeps anything in any column."""
    return isinstance(value, float) and 0 <= value < bound
