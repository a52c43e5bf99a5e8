"""The tables of a round ledger, inside a transaction: what may be recorded after what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from veilsum import arguments
from veilsum.errors import LedgerError, PolicyRefusedError
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.fields import HASH_BYTES
from veilsum.secure_sum.link import START, ChainEnd

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SCHEMA", "Before", "Book", "OpenedModel", "Row", "RunName"]

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


class Row(NamedTuple):
    """An answer: of a contributor to a round, or a holder's lock."""

    key: bytes
    serial: int
    round_number: int
    answer: bytes


class Book:
    """The tables, inside a transaction."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        runs = connection.execute("SELECT * FROM runs ORDER BY serial").fetchall()
        self._runs = [RunName(*run) for *run, _, _, _ in runs]
        self._ends = [ChainEnd(*end) for _, _, _, *end, _ in runs]
        self._begun = [begun for *_, begun in runs]
        rows = connection.execute("SELECT key, serial, round, answer FROM rounds")
        self._rows = [Row(*row) for row in rows]
        self._opened = connection.execute("SELECT key, serial, model, names FROM opened").fetchall()
        if mistake := _mistake(self._runs, self._ends, self._begun, self._rows, self._opened):
            raise LedgerError(f"the round ledger {name} is damaged: {mistake}")

    def runs(self) -> list[RunName]:
        """All that were pinned, by their serial numbers."""
        return list(self._runs)

    def answers(self, run: RunName) -> dict[int, bytes]:
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

    def lock(
        self,
        run: RunName,
        round_number: int,
        answer: bytes,
        before: Before,
        model: OpenedModel | None,
    ) -> None:
        """Keep a lock, unless it is there already."""
        self.check_lock(run, round_number, answer, before)
        self.check_model(run, model)
        if round_number not in self.answers(run):
            row = Row(run.key, run.serial, round_number, answer)
            self._rows.append(row)
            self.add(row)
            self.go_on(run, before.after)

    def check_lock(self, run: RunName, round_number: int, answer: bytes, before: Before) -> None:
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
        self.check_seen(run, before.seen)
        named = before.opened.get(begun)
        if begun > end.number and answers[begun] != named:
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
        names = [row[3] for row in self._opened if row[:3] == (run.key, run.serial, model.model)]
        if any(found != model.names for found in names):
            raise PolicyRefusedError(
                "the same model was opened for the same purpose with other contributors before: "
                "the two sums differ by single contributions. Go on with the next model; the "
                "federation may agree on noise, or on same_model='allow'"
            )

    def begin(self, run: RunName, begun: int | None, model: OpenedModel | None) -> None:
        """A round is opened from now on; ``begun`` is its number, if later ones must have it."""
        if begun is not None:
            self._begun[self._runs.index(run)] = begun
            self._connection.execute(
                "UPDATE runs SET begun = ? WHERE key = ? AND serial = ?",
                (begun, run.key, run.serial),
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

    def add(self, row: Row) -> None:
        """Another answer."""
        self._connection.execute("INSERT INTO rounds VALUES (?, ?, ?, ?)", row)


def _serial(run: RunName) -> int:
    return run.serial


def _mistake(
    runs: list[RunName],
    ends: list[ChainEnd],
    begun: list[int],
    rows: list[Row],
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
