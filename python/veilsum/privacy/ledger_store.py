"""Where a ledger's charges are kept: a SQLite file, or the memory of a simulation."""

import datetime
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from veilsum.errors import LedgerError

__all__ = ["FileStore", "MemoryStore"]

_SCHEMA = """
    CREATE TABLE budget (version INTEGER NOT NULL, epsilon REAL NOT NULL, delta REAL NOT NULL);
    CREATE TABLE charges (
        round_id BLOB PRIMARY KEY, cost REAL NOT NULL, charged_at TEXT NOT NULL
    );
"""
_VERSION = 1


class MemoryStore:
    """Charges that end with the process; its own book, under a lock."""

    name = "in memory"

    def __init__(self, epsilon: float, delta: float) -> None:
        self._budget = (epsilon, delta)
        self._charges: dict[bytes, float] = {}
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
        return list(self._charges.values())

    def has(self, round_id: bytes) -> bool:
        """Whether a round was charged."""
        return round_id in self._charges

    def add(self, round_id: bytes, cost: float) -> None:
        """Record a charge."""
        self._charges[round_id] = cost


class FileStore:
    """Charges in a SQLite file."""

    def __init__(self, path: str) -> None:
        self.name = path

    def write_budget(self, epsilon: float, delta: float) -> None:
        """Make the tables, in a file that is still empty."""
        with self.transaction() as book:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                book.connection.execute(statement)
            values = (_VERSION, epsilon, delta)
            book.connection.execute("INSERT INTO budget VALUES (?, ?, ?)", values)

    @contextmanager
    def transaction(self) -> Iterator["_FileBook"]:
        """All of it or nothing, and on the disk at the end. No other process comes between."""
        try:
            # A new connection each time: one must not cross a fork, nor be shared by threads.
            with closing(_connect(self.name)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield _FileBook(connection)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise LedgerError(
                f"the ledger {self.name} cannot be read or written: {error}"
            ) from error


class _FileBook:
    """The tables, inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def budget(self) -> tuple[float, float]:
        """The (epsilon, delta) that may be spent."""
        rows = self.connection.execute("SELECT version, epsilon, delta FROM budget").fetchall()
        if len(rows) != 1 or rows[0][0] != _VERSION:
            raise LedgerError("not a ledger that this veilsum reads")
        return rows[0][1], rows[0][2]

    def costs(self) -> list[float]:
        """What each charge cost."""
        return [cost for (cost,) in self.connection.execute("SELECT cost FROM charges")]

    def has(self, round_id: bytes) -> bool:
        """Whether a round was charged."""
        seen = "SELECT 1 FROM charges WHERE round_id = ?"
        return self.connection.execute(seen, (round_id,)).fetchone() is not None

    def add(self, round_id: bytes, cost: float) -> None:
        """Record a charge."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self.connection.execute("INSERT INTO charges VALUES (?, ?, ?)", (round_id, cost, now))


def _connect(path: str) -> sqlite3.Connection:
    # mode=rw: a file that vanished is an error, not a new and empty ledger.
    uri = f"{Path(path).absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
    # EXTRA syncs the folder too when the rollback journal goes: a power cut right after the commit
    # cannot bring the journal back and undo the charge.
    connection.execute("PRAGMA synchronous = EXTRA")
    return connection
