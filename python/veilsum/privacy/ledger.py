"""The durable record of the privacy a contributor has spent."""

import datetime
import math
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from veilsum.codec import LaneCodec
from veilsum.errors import (
    BudgetExhaustedError,
    InvalidArgumentError,
    LedgerError,
    PolicyRefusedError,
)
from veilsum.privacy.gaussian_dp import gaussian_epsilon
from veilsum.privacy.mechanisms import GaussianNoise, LaplaceNoise, Noise

__all__ = ["Ledger", "Spent"]

_SCHEMA = """
    CREATE TABLE budget (version INTEGER NOT NULL, epsilon REAL NOT NULL, delta REAL NOT NULL);
    CREATE TABLE charges (
        round_id BLOB PRIMARY KEY, cost REAL NOT NULL, charged_at TEXT NOT NULL
    );
"""
_VERSION = 1


@dataclass(frozen=True)
class Spent:
    """What a ledger's contributions cost together: (epsilon, delta), and how many there were."""

    epsilon: float
    delta: float
    num_contributions: int


class Ledger:
    """What one contributor has spent of its privacy budget, across runs and restarts.

    A charge is on the disk before ``charge`` returns, so whoever sends only afterwards never sends
    what is not recorded, whatever crashes. A ledger is a SQLite file; several processes may share
    it. One with ``delta = 0`` takes Laplace noise, any other Gaussian noise. A contributor whose
    data are in two ledgers has spent the sum of their epsilons and deltas.

    What it cannot see: that the file was put back to an older copy. Keep it where only its owner
    writes.
    """

    def __init__(self, path: str | None, connection: sqlite3.Connection | None) -> None:
        """Not for callers: use ``create``, ``open`` or ``in_memory``."""
        self._path = path
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], *, epsilon: float, delta: float = 0.0
    ) -> "Ledger":
        """Make a ledger with a budget, readable by its owner only.

        Args:
            path: where; nothing may be there yet.
            epsilon: most that may ever be spent, positive.
            delta: in (0, 1) for Gaussian noise, 0 for Laplace noise.

        Raises:
            FileExistsError: there is something already: a budget is not given twice.
            InvalidArgumentError: a budget outside its range.
        """
        _check_budget(epsilon, delta)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        ledger = cls(os.fspath(path), None)
        ledger._write_budget(epsilon, delta)
        return ledger

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Ledger":
        """Go on with a ledger that was made before.

        Raises:
            LedgerError: there is none, or the file is no ledger. A missing ledger is never made
                anew: that would forget what was spent.
        """
        if not os.path.exists(path):
            raise LedgerError(
                f"there is no ledger at {os.fspath(path)}; restore it from its last copy, or start "
                "a new budget with Ledger.create if this data never contributed before"
            )
        ledger = cls(os.fspath(path), None)
        ledger.spent  # noqa: B018  Reads every table, so a damaged file is refused here.
        return ledger

    @classmethod
    def in_memory(cls, *, epsilon: float, delta: float = 0.0) -> "Ledger":
        """A ledger that ends with the process: for simulations."""
        _check_budget(epsilon, delta)
        ledger = cls(None, sqlite3.connect(":memory:", check_same_thread=False))
        ledger._write_budget(epsilon, delta)
        return ledger

    @property
    def budget(self) -> tuple[float, float]:
        """The (epsilon, delta) that may be spent."""
        with self._transaction() as connection:
            return _budget(connection)

    @property
    def spent(self) -> Spent:
        """What was spent so far."""
        with self._transaction() as connection:
            _, delta = _budget(connection)
            costs = _costs(connection)
        return Spent(_epsilon(math.fsum(costs), delta), delta, len(costs))

    def charge(self, round_id: bytes, *, noise: Noise, codec: LaneCodec) -> None:
        """Record one contribution, durably, before it is sent. An error records nothing.

        Raises:
            PolicyRefusedError: this round was charged before, so something was sent in it.
            BudgetExhaustedError: the contribution would cost more than is left.
            InvalidArgumentError: noise of the other kind than the ledger's, or a misfit codec.
            LedgerError: the file cannot be read or written.
        """
        noise.check_fits(codec)
        cost = noise.round_cost(codec)
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        with self._transaction() as connection:
            epsilon, delta = _budget(connection)
            _check_kind(noise, delta)
            seen = "SELECT 1 FROM charges WHERE round_id = ?"
            if connection.execute(seen, (round_id,)).fetchone():
                raise PolicyRefusedError(
                    "the ledger has a contribution to this round; a second one is never sent"
                )
            costs = _costs(connection)
            before, after = (_epsilon(math.fsum(c), delta) for c in (costs, [*costs, cost]))
            if after > epsilon:
                raise BudgetExhaustedError(
                    f"a contribution would bring the privacy spent from epsilon {before:.4g} to "
                    f"{after:.4g}; the budget is {epsilon:.4g} at delta {delta:g}, after "
                    f"{len(costs)} contributions. Nothing was sent"
                )
            connection.execute("INSERT INTO charges VALUES (?, ?, ?)", (round_id, cost, now))

    def __repr__(self) -> str:
        return f"<Ledger: {self._path or 'in memory'}>"

    def _write_budget(self, epsilon: float, delta: float) -> None:
        with self._transaction() as connection:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute("INSERT INTO budget VALUES (?, ?, ?)", (_VERSION, epsilon, delta))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, and on the disk at the end. No other process comes between."""
        with self._lock:
            # A connection must not cross a fork, so a file has a new one each time.
            connection = self._connection
            try:
                if connection is None:
                    assert self._path is not None
                    connection = _connect(self._path)
                connection.isolation_level = None
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                where = f"the ledger {self._path}" if self._path else "the ledger"
                raise LedgerError(f"{where} cannot be read or written: {error}") from error
            finally:
                if connection is not None and self._connection is None:
                    connection.close()


def _connect(path: str) -> sqlite3.Connection:
    # mode=rw: a file that vanished is an error, not a new and empty ledger.
    connection = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=rw", uri=True, timeout=30)
    # EXTRA syncs the folder too when the rollback journal goes: a power cut right after the commit
    # cannot bring the journal back and undo the charge.
    connection.execute("PRAGMA synchronous = EXTRA")
    return connection


def _budget(connection: sqlite3.Connection) -> tuple[float, float]:
    rows = connection.execute("SELECT version, epsilon, delta FROM budget").fetchall()
    if len(rows) != 1 or rows[0][0] != _VERSION:
        raise LedgerError("not a ledger that this veilsum reads")
    return rows[0][1], rows[0][2]


def _costs(connection: sqlite3.Connection) -> list[float]:
    return [cost for (cost,) in connection.execute("SELECT cost FROM charges")]


def _epsilon(cost: float, delta: float) -> float:
    return gaussian_epsilon(math.sqrt(cost), delta) if delta > 0 else cost


def _check_budget(epsilon: float, delta: float) -> None:
    if not 0 < epsilon < math.inf:
        raise InvalidArgumentError(f"epsilon is {epsilon}; a budget is positive and finite")
    if not 0 <= delta < 1:
        raise InvalidArgumentError(f"delta is {delta}; it must lie in [0, 1)")


def _check_kind(noise: Noise, delta: float) -> None:
    if isinstance(noise, GaussianNoise) and delta == 0:
        raise InvalidArgumentError(
            "the ledger's delta is 0, which Gaussian noise cannot keep; make a ledger with a delta"
        )
    if isinstance(noise, LaplaceNoise) and delta > 0:
        raise InvalidArgumentError(
            "the ledger adds up Gaussian noise; keep Laplace noise in one with delta = 0"
        )
