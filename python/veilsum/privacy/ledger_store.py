"""Where a ledger's charges are kept: a SQLite file, or the memory of a simulation."""

import datetime
import math
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from veilsum.durable import DurableFile
from veilsum.errors import LedgerError

__all__ = ["FileStore", "MemoryStore"]

_SCHEMA = """
    CREATE TABLE budget (version INTEGER NOT NULL, epsilon REAL NOT NULL, delta REAL NOT NULL);
    CREATE TABLE charges (
        round_id BLOB PRIMARY KEY, commitment BLOB NOT NULL, cost REAL NOT NULL,
        charged_at TEXT NOT NULL
    );
"""
_VERSION = 2
_MAX_COST = 1e100  # No contribution costs that, and sums below it stay finite.


class MemoryStore:
    """Charges that end with the process; its own book, under a lock."""

    name = "in memory"

    def __init__(self, epsilon: float, delta: float) -> None:
        self._budget = (epsilon, delta)
        self._charges: dict[bytes, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator["MemoryStore"]:
        """Nobody else comes between."""
        with self._lock:
            yield self

    def budget(self) -> tuple[float, float]:
        """The (epsilon, delta) that may be spent."""
        return self._budget

    def costs(self) -> list[float]:
        """What each charge cost."""
        return [cost for _, cost in self._charges.values()]

    def commitment(self, round_id: bytes) -> bytes | None:
        """What was charged in a round; None if nothing was."""
        return self._charges.get(round_id, (None, 0.0))[0]

    def add(self, round_id: bytes, commitment: bytes, cost: float) -> None:
        """Record a charge."""
        self._charges[round_id] = (commitment, cost)


class FileStore:
    """Charges in a SQLite file."""

    def __init__(self, file: DurableFile) -> None:
        self._file = file
        self.name = file.name

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, epsilon: float, delta: float) -> "FileStore":
        """A new file with this budget."""

        def fill(connection: sqlite3.Connection) -> None:
            values = (_VERSION, epsilon, delta)
            connection.execute("INSERT INTO budget VALUES (?, ?, ?)", values)

        return cls(DurableFile.create(path, schema=_SCHEMA, what="ledger", fill=fill))

    @classmethod
    def open(cls, path: str) -> "FileStore":
        """A file that was made before; one of version 1 gets the names of contributions."""
        store = cls(DurableFile(path, what="ledger"))
        with store._file.transaction() as connection:
            if [version for version, *_ in _budget_rows(connection)] == [1]:
                connection.execute(
                    "ALTER TABLE charges ADD COLUMN commitment BLOB NOT NULL DEFAULT x''"
                )
                connection.execute("UPDATE budget SET version = ?", (_VERSION,))
            _FileBook(connection, store.name).budget()  # An error leaves the file as it was.
        return store

    @contextmanager
    def transaction(self) -> Iterator["_FileBook"]:
        """All of it or nothing, and on the disk at the end. No other process comes between."""
        with self._file.transaction() as connection:
            yield _FileBook(connection, self.name)


class _FileBook:
    """The tables, inside a transaction."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self.connection = connection
        self._name = name

    def budget(self) -> tuple[float, float]:
        """The (epsilon, delta) that may be spent."""
        rows = _budget_rows(self.connection)
        if len(rows) != 1 or rows[0][0] != _VERSION:
            raise LedgerError(f"{self._name} is not a ledger that this veilsum reads")
        epsilon, delta = rows[0][1:]
        if not (_is_real(epsilon, math.inf) and epsilon > 0 and _is_real(delta, 1)):
            raise self._damaged("its budget is not one that a ledger has")
        return epsilon, delta

    def costs(self) -> list[float]:
        """What each charge cost."""
        costs = [cost for (cost,) in self.connection.execute("SELECT cost FROM charges")]
        if not all(_is_real(cost, _MAX_COST) for cost in costs):
            raise self._damaged("a charge in it has no valid cost")
        return costs

    def commitment(self, round_id: bytes) -> bytes | None:
        """What was charged in a round; None if nothing was."""
        asked = "SELECT commitment FROM charges WHERE round_id = ?"
        row = self.connection.execute(asked, (round_id,)).fetchone()
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
        self.connection.execute(f"INSERT INTO charges ({columns}) VALUES (?, ?, ?, ?)", values)

    def _damaged(self, why: str) -> LedgerError:
        return LedgerError(f"the ledger {self._name} is damaged: {why}")


def _budget_rows(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """The rows of the budget: none in another database, or in an empty file."""
    try:
        return connection.execute("SELECT version, epsilon, delta FROM budget").fetchall()
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):
            raise
        return []


def _is_real(value: object, bound: float) -> bool:
    """Whether a column holds a number in [0, bound): SQLite keeps anything in any column."""
    return isinstance(value, float) and 0 <= value < bound
