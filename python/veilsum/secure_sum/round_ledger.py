"""Which rounds a party has answered: the record behind "once", durable across restarts."""

import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from veilsum.durable import DurableFile
from veilsum.errors import LedgerError, PolicyRefusedError

__all__ = ["RoundLedger"]

_SCHEMA = """
    CREATE TABLE about (version INTEGER NOT NULL);
    INSERT INTO about VALUES (1);
    CREATE TABLE rounds (
        federation BLOB NOT NULL, run BLOB NOT NULL, round INTEGER NOT NULL, answer BLOB NOT NULL,
        PRIMARY KEY (federation, round)
    );
"""

_VERSION = 1  # As in the schema.

_DAMAGED = "the round ledger is damaged: a record in it is none"

_Answers = dict[int, bytes]


class RoundLedger:
    """What a contributor or a share holder has answered, by federation and round.

    A record is on the disk before ``record`` returns, so whoever sends only afterwards never sends
    what is not recorded, whatever crashes. Keep one ledger for each secret: a holder's beside its
    share, a contributor's beside its signing key. It cannot see that its file was put back to an
    older copy; what that means is in docs/protocol.md.
    """

    def __init__(self, file: "DurableFile | None") -> None:
        """Not for callers: use ``create``, ``open`` or ``in_memory``."""
        self._file = file
        self._memory: dict[bytes, tuple[bytes, _Answers]] = {}
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> "RoundLedger":
        """Make an empty ledger.

        Raises:
            FileExistsError: there is something already: what was answered is never forgotten.
        """
        return cls(DurableFile.create(path, schema=_SCHEMA, what="round ledger"))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "RoundLedger":
        """Go on with a ledger that was made before.

        Raises:
            LedgerError: there is none, or the file is no ledger. A missing ledger is never made
                anew: that would forget what was answered.
        """
        file = DurableFile(path, what="round ledger")
        if not file.exists():
            raise LedgerError(
                f"there is no round ledger at {os.fspath(path)}. Without it this party cannot know "
                "what it has answered: retire its share or signing key (docs/operations.md)"
            )
        with file.transaction() as connection:
            if connection.execute("SELECT version FROM about").fetchall() != [(_VERSION,)]:
                raise LedgerError(f"{file.name} is no round ledger that this veilsum reads")
            connection.execute("SELECT federation, run, round, answer FROM rounds LIMIT 1")
        return cls(file)

    @classmethod
    def in_memory(cls) -> "RoundLedger":
        """A ledger that ends with the process: for simulations."""
        return cls(None)

    def answered(self, federation_hash: bytes) -> dict[int, bytes]:
        """What was answered in this federation, by round."""
        if self._file is None:
            with self._lock:
                return dict(self._memory.get(federation_hash, (b"", {}))[1])
        with self._file.transaction() as connection:
            return _read(connection, federation_hash)[1]

    def federations(self) -> dict[bytes, int]:
        """The last round that was answered, by the hash of its federation."""
        if self._file is None:
            with self._lock:
                return {key: max(answers) for key, (_, answers) in self._memory.items()}
        with self._file.transaction() as connection:
            rows = connection.execute("SELECT federation, MAX(round) FROM rounds GROUP BY 1")
            return _checked(rows.fetchall(), (bytes, int))

    def record(
        self,
        federation_hash: bytes,
        run_id: bytes,
        round_number: int,
        answer: bytes,
        *,
        check: Callable[[_Answers], None] = lambda answers: None,
    ) -> None:
        """Record, durably, that ``answer`` is this party's to the round; an error records nothing.

        The same answer again is no news. ``check`` may refuse, given what was answered before; no
        other record comes between.

        Raises:
            PolicyRefusedError: another answer was given to the round, or another run was answered:
                a new run takes a new key.
            LedgerError: the file cannot be read or written.
        """
        if self._file is None:
            with self._lock:
                run, answers = self._memory.get(federation_hash, (run_id, {}))
                if _is_news(run, answers, run_id, round_number, answer):
                    check(answers)
                    self._memory[federation_hash] = (run, answers | {round_number: answer})
            return
        with self._file.transaction() as connection:
            found, answers = _read(connection, federation_hash)
            run = run_id if found is None else found
            if _is_news(run, answers, run_id, round_number, answer):
                check(answers)
                connection.execute(
                    "INSERT INTO rounds VALUES (?, ?, ?, ?)",
                    (federation_hash, run_id, round_number, answer),
                )


def _read(connection: sqlite3.Connection, federation_hash: bytes) -> tuple[bytes | None, _Answers]:
    """The run of a federation, None if there is none yet, and its answers by round."""
    rows = connection.execute(
        "SELECT run, round, answer FROM rounds WHERE federation = ?", (federation_hash,)
    ).fetchall()
    runs = {run for run, _, _ in rows}
    if len(runs) > 1:
        raise LedgerError("the round ledger is damaged: it has two runs of one federation")
    answers = _checked([row[1:] for row in rows], (int, bytes))
    run = next(iter(runs), None)
    if rows and not isinstance(run, bytes):
        raise LedgerError(_DAMAGED)
    return run, answers


def _checked(rows: list[tuple[Any, Any]], types: tuple[type, type]) -> dict[Any, Any]:
    """Pairs by their first, if both are what was written: SQLite keeps anything in any column."""
    for row in rows:
        if not all(isinstance(value, kind) for value, kind in zip(row, types, strict=True)):
            raise LedgerError(_DAMAGED)
    return dict(rows)


def _is_news(
    run: bytes, answers: _Answers, run_id: bytes, round_number: int, answer: bytes
) -> bool:
    if run != run_id:
        raise PolicyRefusedError(
            "this party has answered rounds of another run; a new run takes a new federation and a "
            "new key"
        )
    given = answers.get(round_number)
    if given is not None and given != answer:
        raise PolicyRefusedError(
            f"round {round_number} was answered before, and differently: a round has one answer"
        )
    return given is None
