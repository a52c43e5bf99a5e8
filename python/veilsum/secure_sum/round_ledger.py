"""Which rounds a party has answered: the record behind "once", durable across restarts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from veilsum import arguments
from veilsum.durable import Database, DurableFile, MemoryDatabase, rows_of
from veilsum.errors import LedgerError, PolicyRefusedError
from veilsum.identity import Role
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.fields import HASH_BYTES
from veilsum.secure_sum.link import START, ChainEnd

if TYPE_CHECKING:
    import sqlite3

__all__ = ["OpenedModel", "RoundLedger", "RunName"]

_SCHEMA = """
    CREATE TABLE about (version INTEGER NOT NULL, role INTEGER NOT NULL);
    CREATE TABLE runs (
        key BLOB NOT NULL, federation BLOB NOT NULL, serial INTEGER NOT NULL,
        last_opened INTEGER NOT NULL, last_link BLOB NOT NULL, begun INTEGER NOT NULL,
        PRIMARY KEY (key, serial)
    );
    CREATE TABLE rounds (
        key BLOB NOT NULL, serial INTEGER NOT NULL, round INTEGER NOT NULL, answer BLOB NOT NULL,
        PRIMARY KEY (key, serial, round)
    );
    CREATE TABLE opened (
        key BLOB NOT NULL, serial INTEGER NOT NULL, model BLOB NOT NULL, names BLOB NOT NULL,
        PRIMARY KEY (key, serial, model)
    );
"""
_VERSION = 3

_Answers = dict[int, bytes]


class RunName(NamedTuple):
    """Within what rounds are counted: a federation has one run."""

    key: bytes
    """The fingerprint of the public key."""
    federation: bytes
    """The hash of the federation."""
    serial: int
    """The serial number of the federation: of one key, the highest that was seen counts."""

    @classmethod
    def of(cls, federation: Federation) -> RunName:
        """That of a federation."""
        arguments.instance("federation", federation, Federation)
        return cls(federation.public_key.fingerprint, federation.hash, federation.serial)


class OpenedModel(NamedTuple):
    """Whose contributions to a model were opened."""

    model: bytes
    """Names model and purpose, and how often they were announced before."""
    names: bytes
    """SHA-256 of the contributors' names."""


class _Row(NamedTuple):
    key: bytes
    serial: int
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
            _Book(connection, file.name)
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

    def pin(self, run: RunName) -> None:
        """Record, durably, that this party goes by a federation: an older one is refused from now.

        Raises:
            PolicyRefusedError: a newer federation of this key was pinned, or another one with the
                same serial number.
            LedgerError: the file cannot be read or written.
        """
        _check_run_name(run)
        with self._book() as book:
            book.pin(run)

    def answered(self, run: RunName) -> dict[int, bytes]:
        """What was answered in this run, by round."""
        _check_run_name(run)
        with self._book() as book:
            return book.answers(run)

    def chain_end(self, run: RunName) -> ChainEnd:
        """How far this run had come in the last announcement that was answered."""
        _check_run_name(run)
        with self._book() as book:
            return book.chain_end(run)

    def federations(self) -> dict[bytes, int]:
        """The last round that was answered, by the hash of its federation."""
        with self._book() as book:
            last = ((run, max(book.answers(run), default=0)) for run in book.runs())
            return {run.federation: number for run, number in last if number > 0}

    def record(
        self,
        run: RunName,
        round_number: int,
        answer: bytes,
        *,
        after: ChainEnd = START,
        check: Callable[[_Answers], None] = lambda answers: None,
    ) -> None:
        """Record, durably, that ``answer`` is this party's to the round; an error records nothing.

        The same answer again changes nothing.

        Args:
            run: of which the round is; pinned, as by ``pin``.
            round_number: at least 1.
            answer: what stands for the answer, such as its hash.
            after: how far the run had come before this round; kept for ``chain_end``.
            check: may refuse by an error, given what was answered before in this run; no other
                record comes between.

        Raises:
            PolicyRefusedError: another answer was given to the round, or as ``pin``.
            LedgerError: the file cannot be read or written.
        """
        _check_run_name(run)
        round_number = arguments.count("round_number", round_number, at_least=1)
        arguments.instance("answer", answer, bytes)
        arguments.instance("after", after, ChainEnd)
        with self._book() as book:
            book.pin(run)
            answers = book.answers(run)
            given = answers.get(round_number)
            if given is None:
                check(answers)
                book.add(_Row(run.key, run.serial, round_number, answer))
                book.go_on(run, after)
            elif given != answer:
                raise PolicyRefusedError(
                    f"round {round_number} was answered before, and differently: a round has one "
                    "answer"
                )

    def lock(
        self,
        run: RunName,
        round_number: int,
        answer: bytes,
        *,
        after: ChainEnd,
        opened: Mapping[int, bytes],
        model: OpenedModel | None = None,
    ) -> None:
        """Record, durably, which set of a round this holder opens, if it opens any; for good.

        The same again changes nothing. Nothing is opened yet: see ``begin``.

        Args:
            run: of which the round is; pinned, as by ``pin``.
            round_number: above those of all rounds that were locked before.
            answer: names the set, and the total where there is one.
            after: how far the run had come before this round, as checked against ``chain_end``.
            opened: what the links up to there say was opened, by round, since ``chain_end``.
            model: of the round, if it may not be opened for others than before; nothing is kept.

        Raises:
            PolicyRefusedError: another set of the round was locked, or a later round; the round
                leaves out one that this holder had begun to open, or has a model that was opened
                for others. Or as ``pin``.
            LedgerError: the file cannot be read or written.
        """
        self._check_lock(run, round_number, answer, after)
        with self._book() as book:
            book.pin(run)
            book.check_lock(run, round_number, answer, after, opened)
            book.check_model(run, model)
            if round_number not in book.answers(run):
                book.add(_Row(run.key, run.serial, round_number, answer))
                book.go_on(run, after)

    def check_lock(
        self,
        run: RunName,
        round_number: int,
        answer: bytes,
        *,
        after: ChainEnd,
        opened: Mapping[int, bytes],
        model: OpenedModel | None = None,
    ) -> None:
        """Refuse now what ``lock`` would refuse later; records nothing."""
        self._check_lock(run, round_number, answer, after)
        with self._book() as book:
            book.check_lock(run, round_number, answer, after, opened)
            book.check_model(run, model)

    def begin(
        self,
        run: RunName,
        round_number: int,
        answer: bytes,
        *,
        model: OpenedModel | None = None,
        is_followed: bool = True,
    ) -> None:
        """Record, durably, that this holder opens what it has locked: from now on it may be open.

        Args:
            run: of which the round is.
            round_number: of the round.
            answer: what was locked.
            model: kept: it may not be opened for others. None for no such rule.
            is_followed: whether later rounds must have it among those that were opened before them.

        Raises:
            PolicyRefusedError: this is not what was locked last, or the model was opened for
                others.
            LedgerError: the file cannot be read or written.
        """
        self._check_lock(run, round_number, answer, START)
        with self._book() as book:
            answers = book.answers(run)
            if (round_number, answer) != max(answers.items(), default=(0, b"")):
                raise PolicyRefusedError(
                    f"round {round_number} is to be opened, and this holder's last lock is of "
                    "another round or set"
                )
            book.check_model(run, model)
            book.begin(run, round_number if is_followed else book.begun(run), model)

    @staticmethod
    def _check_lock(run: RunName, round_number: int, answer: bytes, after: ChainEnd) -> None:
        _check_run_name(run)
        arguments.count("round_number", round_number, at_least=1)
        arguments.instance("answer", answer, bytes)
        arguments.instance("after", after, ChainEnd)

    @contextmanager
    def _book(self) -> Iterator[_Book]:
        with self._database.transaction() as connection:
            yield _Book(connection, self._database.name)

    def __repr__(self) -> str:
        role = "either role" if self._role is None else f"a {_words(self._role)}"
        return f"<RoundLedger: {self._database.name}, of {role}>"


def _words(role: Role) -> str:
    return "key holder" if role is Role.HOLDER else role.name.lower()


def _check_run_name(run: RunName) -> None:
    arguments.instance("run", run, RunName)
    arguments.instance("run.key", run.key, bytes)
    arguments.instance("run.federation", run.federation, bytes)
    arguments.count("run.serial", run.serial, at_least=1)


class _Book:
    """The tables, inside a transaction."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        runs = connection.execute("SELECT * FROM runs ORDER BY serial").fetchall()
        self._runs = [RunName(*run) for *run, _, _, _ in runs]
        self._ends = [ChainEnd(*end) for _, _, _, *end, _ in runs]
        self._begun = [begun for *_, begun in runs]
        rows = connection.execute("SELECT key, serial, round, answer FROM rounds")
        self._rows = [_Row(*row) for row in rows]
        self._opened = connection.execute("SELECT key, serial, model, names FROM opened").fetchall()
        if mistake := _mistake(self._runs, self._ends, self._begun, self._rows, self._opened):
            raise LedgerError(f"the round ledger {name} is damaged: {mistake}")

    def runs(self) -> list[RunName]:
        """All that were pinned, by their serial numbers."""
        return list(self._runs)

    def answers(self, run: RunName) -> _Answers:
        """What was answered in a run."""
        if run not in self._runs:
            return {}
        own = (run.key, run.serial)
        return {row.round_number: row.answer for row in self._rows if row[:2] == own}

    def chain_end(self, run: RunName) -> ChainEnd:
        """How far a run had come."""
        return self._ends[self._runs.index(run)] if run in self._runs else START

    def go_on(self, run: RunName, after: ChainEnd) -> None:
        """The run had come so far: never back."""
        if after.number > self.chain_end(run).number:
            self._ends[self._runs.index(run)] = after
            self._connection.execute(
                "UPDATE runs SET last_opened = ?, last_link = ? WHERE key = ? AND serial = ?",
                (*after, run.key, run.serial),
            )

    def check_lock(
        self,
        run: RunName,
        round_number: int,
        answer: bytes,
        after: ChainEnd,
        opened: Mapping[int, bytes],
    ) -> None:
        """PolicyRefusedError unless this may be locked now."""
        answers = self.answers(run)
        last = max(answers, default=0)
        if round_number in answers and answers[round_number] != answer:
            raise PolicyRefusedError(
                f"round {round_number} was answered before, and differently: a round has one answer"
            )
        if round_number < last:
            raise PolicyRefusedError(
                f"round {round_number} is asked for, and this holder has locked round {last}: it "
                "goes by its last lock, and numbers grow"
            )
        if round_number in answers:
            return
        end, begun = self.chain_end(run), self.begun(run)
        if after.number < end.number or (after.number == end.number and after != end):
            raise PolicyRefusedError(
                f"round {round_number} goes on from round {after.number}, and the run was at "
                f"{end.number} already: it is off the chain"
            )
        named = opened.get(begun)
        # What was recorded may have the hash of a total behind what the link names.
        if begun > end.number and (named is None or not answers[begun].startswith(named)):
            raise PolicyRefusedError(
                f"this holder has begun to open round {begun}, and round {round_number} does not "
                f"have it among those before it. Finish round {begun} first: a round that was "
                "opened is not hidden"
            )

    def begun(self, run: RunName) -> int:
        """The last round that was begun to be opened; 0 for none."""
        return self._begun[self._runs.index(run)] if run in self._runs else 0

    def check_model(self, run: RunName, model: OpenedModel | None) -> None:
        """PolicyRefusedError if a model was opened in this run for others."""
        if model is None:
            return
        names = [row[3] for row in self._opened if row[:3] == (run.key, run.serial, model.model)]
        if any(found != model.names for found in names):
            raise PolicyRefusedError(
                "the same model was opened for the same purpose with other contributors before: "
                "the two sums differ by single contributions. Go on with the next model; the "
                "federation may agree on noise, or on same_model='allow'"
            )

    def begin(self, run: RunName, begun: int, model: OpenedModel | None) -> None:
        """A round is opened from now on."""
        self._begun[self._runs.index(run)] = begun
        self._connection.execute(
            "UPDATE runs SET begun = ? WHERE key = ? AND serial = ?", (begun, run.key, run.serial)
        )
        if model is not None:
            row = (run.key, run.serial, *model)
            self._connection.execute("INSERT OR IGNORE INTO opened VALUES (?, ?, ?, ?)", row)

    def pin(self, run: RunName) -> None:
        """Go by this run from now on; PolicyRefusedError for an older one, or another."""
        before = max((one for one in self._runs if one.key == run.key), key=_serial, default=None)
        if before == run:
            return
        if before is not None and before.serial > run.serial:
            raise PolicyRefusedError(
                f"the federation has the serial number {run.serial}, and this party has pinned "
                f"{before.serial} under this key: it is an older agreement. Take the newest"
            )
        if before is not None and before.serial == run.serial:
            raise PolicyRefusedError(
                f"this party has pinned another federation with the serial number {run.serial} "
                "under this key; a new run takes a higher one (veilsum deal --renew) or a new key"
            )
        self._runs.append(run)
        self._ends.append(START)
        self._begun.append(0)
        self._connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, 0)", (*run, *START))

    def add(self, row: _Row) -> None:
        """Another answer."""
        self._connection.execute("INSERT INTO rounds VALUES (?, ?, ?, ?)", row)


def _serial(run: RunName) -> int:
    return run.serial


def _mistake(
    runs: list[RunName],
    ends: list[ChainEnd],
    begun: list[int],
    rows: list[_Row],
    opened: list[tuple[object, ...]],
) -> str | None:
    """What shows that rows are not those that were written: SQLite keeps anything in any column."""
    kinds: list[tuple[tuple[object, ...], tuple[type, ...]]] = [
        *((run, (bytes, bytes, int)) for run in runs),
        *((end, (int, bytes)) for end in ends),
        *(((number,), (int,)) for number in begun),
        *((row, (bytes, int, int, bytes)) for row in rows),
        *((row, (bytes, int, bytes, bytes)) for row in opened),
    ]
    for found, wanted in kinds:
        if any(type(value) is not kind for value, kind in zip(found, wanted, strict=True)):
            return "a record in it is not what was written"
    if any(len(end.link) != HASH_BYTES or end.number < 0 for end in ends):
        return "a link in it is no hash"
    names = [(run.key, run.serial) for run in runs]
    if len(set(names)) < len(names):
        return "it has two runs of one key with one serial number"
    if any(row[:2] not in names for row in (*rows, *opened)):
        return "it has an answer of a run that it does not know"
    numbers = {row[:3] for row in rows}
    if any(n and (*name, n) not in numbers for name, n in zip(names, begun, strict=True)):
        return "it has begun to open a round that was not locked"
    return None
