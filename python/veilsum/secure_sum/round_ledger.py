"""Which rounds a party has answered: the record behind "once", durable across restarts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from veilsum import arguments
from veilsum.durable import Database, DurableFile, MemoryDatabase, rows_of
from veilsum.errors import LedgerError, PolicyRefusedError
from veilsum.identity import Role
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.wire import as_bytes

if TYPE_CHECKING:
    import sqlite3

__all__ = ["RoundLedger", "RunName"]

_SCHEMA = """
    CREATE TABLE about (version INTEGER NOT NULL, role INTEGER NOT NULL);
    CREATE TABLE rounds (
        key BLOB NOT NULL, federation BLOB NOT NULL, run BLOB NOT NULL, round INTEGER NOT NULL,
        answer BLOB NOT NULL, PRIMARY KEY (key, round)
    );
"""
_VERSION = 2

_Answers = dict[int, bytes]


class RunName(NamedTuple):
    """Within what rounds are counted. A key has one federation, and that has one run."""

    key: bytes
    """The fingerprint of the public key."""
    federation: bytes
    """The hash of the federation."""
    run: bytes
    """The id of the run."""

    @classmethod
    def of(cls, federation: Federation, descriptor: RoundDescriptor) -> RunName:
        """That of a round, as it is announced to a party of this federation."""
        arguments.instance("federation", federation, Federation)
        arguments.instance("descriptor", descriptor, RoundDescriptor)
        return cls(federation.public_key.fingerprint, federation.hash, descriptor.run_id)


class _Row(NamedTuple):
    run: RunName
    round_number: int
    answer: bytes


class RoundLedger:
    """What a contributor or a key holder has answered, by key and round.

    A record is on the disk before ``record`` returns, so whoever sends only afterwards never sends
    what is not recorded, whatever crashes. Keep one ledger for each secret: a holder's beside its
    share, a contributor's beside its signing key. It cannot see that its file was put back to an
    older copy; what that means is in docs/protocol.md.
    """

    def __init__(self, database: Database, role: Role | None) -> None:
        """Not for callers: use ``create``, ``open`` or ``in_memory``."""
        kinds: tuple[type[Database], ...] = (DurableFile, MemoryDatabase)
        self._database = arguments.instance("database", database, kinds)
        self._role = arguments.instance("role", role, (Role, type(None)))

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, role: Role) -> RoundLedger:
        """Make an empty ledger for a party in one role.

        Raises:
            FileExistsError: there is something already: what was answered is never forgotten.
        """
        code = arguments.instance("role", role, Role).value
        about = f"INSERT INTO about VALUES ({_VERSION}, {code})"
        file = DurableFile.create(
            arguments.path("path", path), schema=_SCHEMA + about, what="round ledger"
        )
        return cls(file, role)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RoundLedger:
        """Go on with a ledger that was made before.

        Raises:
            LedgerError: there is no ledger at ``path``, or the file is another thing. A missing
                ledger is never made anew: that would forget what was answered.
        """
        path = arguments.path("path", path)
        file = DurableFile(path, what="round ledger")
        if not file.exists():
            raise LedgerError(
                f"there is no round ledger at {path}. Without it this party cannot know "
                "what it has answered: retire its share or signing key (docs/operations.md)"
            )
        with file.transaction() as connection:
            about = rows_of(connection, "SELECT * FROM about")
            roles = [role for role in Role if about == [(_VERSION, role.value)]]
            if not roles:
                raise LedgerError(f"{file.name} is not a round ledger that this veilsum reads")
            _Book(connection, file.name).rows()
        return cls(file, roles[0])

    @classmethod
    def in_memory(cls) -> RoundLedger:
        """A ledger that ends with the process, for either role: for simulations."""
        return cls(MemoryDatabase(schema=_SCHEMA), None)

    def check_role(self, role: Role) -> None:
        """LedgerError if this is the record of a party in the other role."""
        arguments.instance("role", role, Role)
        if self._role is not None and self._role is not role:
            raise LedgerError(
                f"{self._database.name} is the round ledger of a {_words(self._role)}; a "
                f"{_words(role)} has its own, which knows what it has answered"
            )

    def answered(self, key_fingerprint: bytes) -> dict[int, bytes]:
        """What was answered under this key, by round."""
        key_fingerprint = as_bytes(key_fingerprint, "key_fingerprint")
        with self._book() as book:
            return _answers(book.rows(), key_fingerprint)

    def federations(self) -> dict[bytes, int]:
        """The last round that was answered, by the hash of its federation."""
        with self._book() as book:
            numbers = sorted((row.round_number, row.run.federation) for row in book.rows())
        return {federation: number for number, federation in numbers}

    def record(
        self,
        run: RunName,
        round_number: int,
        answer: bytes,
        *,
        check: Callable[[_Answers], None] = lambda answers: None,
    ) -> None:
        """Record, durably, that ``answer`` is this party's to the round; an error records nothing.

        The same answer again changes nothing.

        Args:
            run: of which the round is.
            round_number: at least 1.
            answer: what stands for the answer, such as its hash.
            check: may refuse by an error, given what was answered before under this key; no other
                record comes between.

        Raises:
            PolicyRefusedError: another answer was given to the round, or rounds of another
                federation or run were answered under this key: a new run takes a new key.
            LedgerError: the file cannot be read or written.
        """
        for name, part in zip(
            RunName._fields, arguments.instance("run", run, RunName), strict=True
        ):
            arguments.instance(f"run.{name}", part, bytes)
        round_number = arguments.count("round_number", round_number, at_least=1)
        arguments.instance("answer", answer, bytes)
        with self._book() as book:
            rows = book.rows()
            for row in rows:
                _check_run(row.run, run)
            answers = _answers(rows, run.key)
            given = answers.get(round_number)
            if given is None:
                check(answers)
                book.add(_Row(run, round_number, answer))
            elif given != answer:
                raise PolicyRefusedError(
                    f"round {round_number} was answered before, and differently: a round has one "
                    "answer"
                )

    @contextmanager
    def _book(self) -> Iterator[_Book]:
        with self._database.transaction() as connection:
            yield _Book(connection, self._database.name)

    def __repr__(self) -> str:
        role = "either role" if self._role is None else f"a {_words(self._role)}"
        return f"<RoundLedger: {self._database.name}, of {role}>"


def _words(role: Role) -> str:
    return "key holder" if role is Role.HOLDER else role.name.lower()


def _answers(rows: list[_Row], key: bytes) -> _Answers:
    return {row.round_number: row.answer for row in rows if row.run.key == key}


def _check_run(before: RunName, now: RunName) -> None:
    if before.key != now.key or before == now:
        return
    what = "run" if before.federation == now.federation else "federation"
    raise PolicyRefusedError(
        f"this party has answered rounds of another {what} under this key; a new run takes a new "
        "federation and a new key"
    )


class _Book:
    """The table, inside a transaction."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def rows(self) -> list[_Row]:
        rows = self._connection.execute("SELECT key, federation, run, round, answer FROM rounds")
        found = [_Row(RunName(*run), number, answer) for *run, number, answer in rows]
        if mistake := _mistake(found):
            raise LedgerError(f"the round ledger {self._name} is damaged: {mistake}")
        return found

    def add(self, row: _Row) -> None:
        values = (*row.run, row.round_number, row.answer)
        self._connection.execute("INSERT INTO rounds VALUES (?, ?, ?, ?, ?)", values)


def _mistake(rows: list[_Row]) -> str | None:
    """What shows that rows are not those that were written: SQLite keeps anything in any column."""
    runs = dict[bytes, RunName]()
    for run, number, answer in rows:
        is_whole = all(isinstance(value, bytes) for value in (*run, answer))
        if not is_whole or not isinstance(number, int):
            return "a record in it is not what was written"
        if runs.setdefault(run.key, run) != run:
            return "it has two runs of one key"
    return None
