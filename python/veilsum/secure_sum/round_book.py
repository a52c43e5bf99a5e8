"""The tables of a round ledger, inside a transaction: what may be recorded after what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from veilsum import arguments
from veilsum.errors import LedgerError, PolicyRefusedError
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.fields import HASH_BYTES
from veilsum.secure_sum.link import START, ChainEnd

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SCHEMA", "Before", "Book", "OpenedModel", "RunName", "SetRecord"]

SCHEMA = """
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


class Before(NamedTuple):
    """How a run had come to a round, as its links were checked."""

    seen: ChainEnd
    """Where the links were followed from: what ``chain_end`` gave."""
    after: ChainEnd
    """Where they led to, which the round goes on from."""
    opened: Mapping[int, bytes]
    """What they say was opened in between, by round."""


class OpenedModel(NamedTuple):
    """Whose contributions to a model were opened."""

    model: bytes
    """Names model and purpose, and how often they were opened before."""
    names: bytes
    """SHA-256 of the contributors' names."""


class SetRecord(NamedTuple):
    """A set that a holder is to lock or to open, as its ledger has it."""

    run: RunName
    """Of which the round is."""
    round_number: int
    """Not below those of the rounds that were locked before."""
    answer: bytes
    """Names the set."""
    before: Before
    """How the run had come to this round."""
    model: OpenedModel | None = None
    """Of the round, if it may not be opened for others than before."""
    is_followed: bool = True
    """Whether later rounds must have it among those that were opened before them."""


class Book:
    """The tables, inside a transaction. What was looked up once is known afterwards too.

    A ledger grows with the rounds, and is looked at in each step of each round. So SQLite checks
    all rows, and only those that are asked for are read.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        runs = connection.execute("SELECT * FROM runs ORDER BY serial").fetchall()
        self._runs = [RunName(*run) for *run, _, _, _ in runs]
        self._ends = [ChainEnd(*end) for _, _, _, *end, _ in runs]
        self._begun = [begun for *_, begun in runs]
        self._last: dict[RunName, int] = {}
        self._answers: dict[tuple[RunName, int], bytes | None] = {}
        self._opened: dict[tuple[RunName, bytes], bytes | None] = {}
        if mistake := _mistake(connection, runs):
            raise LedgerError(f"the round ledger {name} is damaged: {mistake}")

    def runs(self) -> list[RunName]:
        """All that were pinned, by their serial numbers."""
        return list(self._runs)

    def answers(self, run: RunName) -> dict[int, bytes]:
        """What was answered in a run."""
        if run not in self._runs:
            return {}
        find = "SELECT round, answer FROM rounds WHERE key = ? AND serial = ?"
        return dict(self._connection.execute(find, (run.key, run.serial)))

    def answer(self, run: RunName, round_number: int) -> bytes | None:
        """What was answered to a round; None for nothing."""
        if (run, round_number) not in self._answers:
            find = "SELECT answer FROM rounds WHERE key = ? AND serial = ? AND round = ?"
            place = (run.key, run.serial, round_number)
            found = self._connection.execute(find, place).fetchone() if run in self._runs else None
            self._answers[run, round_number] = None if found is None else found[0]
        return self._answers[run, round_number]

    def last(self, run: RunName) -> int:
        """The last round that was answered; 0 for none."""
        if run not in self._last:
            find = "SELECT max(round) FROM rounds WHERE key = ? AND serial = ?"
            found = self._connection.execute(find, (run.key, run.serial)).fetchone()
            self._last[run] = found[0] or 0 if run in self._runs else 0
        return self._last[run]

    def names_opened(self, run: RunName, model: OpenedModel) -> bytes | None:
        """For whose contributions a model was opened in a run; None if it was not."""
        place = (run, model.model)
        if place not in self._opened:
            find = "SELECT names FROM opened WHERE key = ? AND serial = ? AND model = ?"
            found = self._connection.execute(find, (run.key, run.serial, model.model)).fetchone()
            self._opened[place] = None if found is None else found[0]
        return self._opened[place]

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

    def lock(self, wanted: SetRecord) -> None:
        """Keep a lock, unless it is there already."""
        run, number = wanted.run, wanted.round_number
        self.check_lock(wanted)
        self.check_model(run, wanted.model)
        if self.answer(run, number) is None:
            self.add(run, number, wanted.answer)
            self.go_on(run, wanted.before.after)

    def check_lock(self, wanted: SetRecord) -> None:
        """PolicyRefusedError unless this may be locked now."""
        run, round_number, answer, before, *_ = wanted
        recorded, last = self.answer(run, round_number), self.last(run)
        if recorded not in (None, answer):
            raise PolicyRefusedError(
                f"round {round_number} was answered before, and differently: a round has one answer"
            )
        if round_number < last:
            raise PolicyRefusedError(
                f"round {round_number} is asked for, and this holder has locked round {last}: it "
                "goes by its last lock, and numbers grow"
            )
        if recorded is not None:
            return
        end, begun = self.chain_end(run), self.begun(run)
        self.check_seen(run, before.seen)
        named = before.opened.get(begun)
        if begun > end.number and self.answer(run, begun) != named:
            raise PolicyRefusedError(
                f"this holder has begun to open round {begun}, and round {round_number} does not "
                f"have it among those before it. Finish round {begun} first: a round that was "
                "opened is not hidden"
            )

    def check_seen(self, run: RunName, seen: ChainEnd) -> None:
        """PolicyRefusedError if the run went on since its links were followed from there."""
        if self.chain_end(run) != seen:
            raise PolicyRefusedError(
                f"the links were followed from round {seen.number}, and meanwhile the run has come "
                f"to {self.chain_end(run).number} with another request. Ask again"
            )

    def begun(self, run: RunName) -> int:
        """The last round that was begun to be opened; 0 for none."""
        return self._begun[self._runs.index(run)] if run in self._runs else 0

    def check_model(self, run: RunName, model: OpenedModel | None) -> None:
        """PolicyRefusedError if a model was opened in this run for others."""
        if model is None:
            return
        if self.names_opened(run, model) not in (None, model.names):
            raise PolicyRefusedError(
                "the same model was opened for the same purpose with other contributors before: "
                "the two sums differ by single contributions. Go on with the next model; the "
                "federation may agree on noise, or on same_model='allow'"
            )

    def begin(self, wanted: SetRecord) -> None:
        """A set that is locked is opened from now on. What is there already is not written again.

        So only the first chunk of a set waits for the disk.
        """
        run, number, model = wanted.run, wanted.round_number, wanted.model
        if wanted.is_followed and self.begun(run) != number:
            self._begun[self._runs.index(run)] = number
            self._connection.execute(
                "UPDATE runs SET begun = ? WHERE key = ? AND serial = ?",
                (number, run.key, run.serial),
            )
        if model is not None and self.names_opened(run, model) is None:
            self._opened[run, model.model] = model.names
            self._connection.execute(
                "INSERT INTO opened VALUES (?, ?, ?, ?)", (run.key, run.serial, *model)
            )

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

    def add(self, run: RunName, round_number: int, answer: bytes) -> None:
        """Another answer: of a contributor to a round, or a holder's lock."""
        self._answers[run, round_number] = answer
        self._last[run] = max(self.last(run), round_number)
        row = (run.key, run.serial, round_number, answer)
        self._connection.execute("INSERT INTO rounds VALUES (?, ?, ?, ?)", row)


def _serial(run: RunName) -> int:
    return run.serial


_OF_OTHER_KINDS = """
    SELECT 1 FROM runs
    WHERE typeof(key) != 'blob' OR typeof(federation) != 'blob' OR typeof(serial) != 'integer'
    OR typeof(last_opened) != 'integer' OR typeof(last_link) != 'blob' OR typeof(begun) != 'integer'
    UNION ALL SELECT 1 FROM rounds
    WHERE typeof(key) != 'blob' OR typeof(serial) != 'integer' OR typeof(round) != 'integer'
    OR typeof(answer) != 'blob'
    UNION ALL SELECT 1 FROM opened
    WHERE typeof(key) != 'blob' OR typeof(serial) != 'integer' OR typeof(model) != 'blob'
    OR typeof(names) != 'blob'
"""
_OF_UNKNOWN_RUNS = """
    SELECT 1 FROM (
        SELECT DISTINCT key, serial FROM rounds UNION SELECT DISTINCT key, serial FROM opened
    ) WHERE (key, serial) NOT IN (SELECT key, serial FROM runs)
"""
_BEGUN_AND_NOT_LOCKED = """
    SELECT 1 FROM runs WHERE begun != 0
    AND (key, serial, begun) NOT IN (SELECT key, serial, round FROM rounds)
"""


def _mistake(connection: sqlite3.Connection, runs: list[tuple[Any, ...]]) -> str | None:
    """What shows that rows are not those that were written: SQLite keeps anything in any column."""

    def is_there(query: str) -> bool:
        return bool(connection.execute(f"SELECT EXISTS ({query})").fetchone()[0])

    if is_there(_OF_OTHER_KINDS):
        return "a record in it is not what was written"
    if any(len(link) != HASH_BYTES or number < 0 for _, _, _, number, link, _ in runs):
        return "a link in it is no hash"
    if len({(key, serial) for key, _, serial, *_ in runs}) < len(runs):
        return "it has two runs of one key with one serial number"
    if is_there(_OF_UNKNOWN_RUNS):
        return "it has an answer of a run that it does not know"
    if is_there(_BEGUN_AND_NOT_LOCKED):
        return "it has begun to open a round that was not locked"
    return None
