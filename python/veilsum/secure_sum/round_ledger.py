"""Which rounds a party has answered: the record behind "once", durable across restarts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from veilsum import arguments
from veilsum.durable import Database, DurableFile, MemoryDatabase, rows_of
from veilsum.errors import LedgerError, PolicyRefusedError
from veilsum.identity import Role
from veilsum.secure_sum.link import ChainEnd
from veilsum.secure_sum.round_book import (
    SCHEMA,
    Before,
    Book,
    OpenedModel,
    RunName,
    SetRecord,
)

__all__ = ["Before", "OpenedModel", "RoundLedger", "RunName", "RunSoFar", "SetRecord"]

_VERSION = 3

_Answers = dict[int, bytes]


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
            arguments.path("path", path), schema=SCHEMA + about, what="round ledger"
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
            Book(connection, file.name)
        return cls(file, roles[0])

    @classmethod
    def in_memory(cls) -> RoundLedger:
        """A ledger that ends with the process, for either role: for simulations."""
        return cls(MemoryDatabase(schema=SCHEMA), None)

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
            last = ((run, book.last(run)) for run in book.runs())
            return {run.federation: number for run, number in last if number > 0}

    def record(
        self,
        run: RunName,
        round_number: int,
        answer: bytes,
        *,
        before: Before | None = None,
        check: Callable[[_Answers], None] = lambda answers: None,
    ) -> None:
        """Record, durably, that ``answer`` is this party's to the round; an error records nothing.

        The same answer again changes nothing.

        Args:
            run: of which the round is; pinned, as by ``pin``.
            round_number: at least 1.
            answer: what stands for the answer, such as its hash.
            before: how the run had come to this round; kept for ``chain_end``.
            check: may refuse by an error, given what was answered before in this run; no other
                record comes between.

        Raises:
            PolicyRefusedError: another answer was given to the round, another round was answered
                since the links were followed, or as ``pin``.
            LedgerError: the file cannot be read or written.
        """
        _check_run_name(run)
        round_number = arguments.count("round_number", round_number, at_least=1)
        arguments.instance("answer", answer, bytes)
        arguments.instance("before", before, (Before, type(None)))
        with self._book() as book:
            book.pin(run)
            answers = book.answers(run)
            given = answers.get(round_number)
            if given is None:
                check(answers)
                if before is not None:
                    book.check_seen(run, before.seen)
                    book.go_on(run, before.after)
                book.add(run, round_number, answer)
            elif given != answer:
                raise PolicyRefusedError(
                    f"round {round_number} was answered before, and differently: a round has one "
                    "answer"
                )

    def so_far(self, run: RunName, round_number: int, model: OpenedModel | None = None) -> RunSoFar:
        """What a run has come to, read once: for all checks before a lock of this round is made.

        Args:
            run: of which the round is.
            round_number: at least 1.
            model: of the round, if it may not be opened for others than before.

        Raises:
            LedgerError: the file cannot be read.
        """
        _check_run_name(run)
        arguments.count("round_number", round_number, at_least=1)
        arguments.instance("model", model, (OpenedModel, type(None)))
        with self._book() as book:
            return RunSoFar(book, run, round_number, model)

    def lock(self, wanted: SetRecord) -> None:
        """Record, durably, which set of a round this holder opens, if it opens any; for good.

        The same again changes nothing. Nothing is opened yet: see ``begin``.

        Args:
            wanted: the set, with its run, which is pinned, as by ``pin``.

        Raises:
            PolicyRefusedError: another set of the round was locked, or a later round; the round
                leaves out one that this holder had begun to open, or has a model that was opened
                for others; or another round was locked since the links were followed. Or as
                ``pin``.
            LedgerError: the file cannot be read or written.
        """
        _check_set_record(wanted)
        with self._book() as book:
            book.pin(wanted.run)
            book.lock(wanted)

    def begin(self, wanted: SetRecord) -> None:
        """As ``lock``, and record that this holder opens it: from now on it may be open.

        Its model, if one is named, may not be opened for others from now on.

        Args:
            wanted: as for ``lock``.

        Raises:
            PolicyRefusedError, LedgerError: as ``lock``.
        """
        _check_set_record(wanted)
        with self._book() as book:
            book.pin(wanted.run)
            book.lock(wanted)
            book.begin(wanted)

    @contextmanager
    def _book(self) -> Iterator[Book]:
        with self._database.transaction() as connection:
            yield Book(connection, self._database.name)

    def __repr__(self) -> str:
        role = "either role" if self._role is None else f"a {_words(self._role)}"
        return f"<RoundLedger: {self._database.name}, of {role}>"


class RunSoFar:
    """What a run had come to when its ledger was read. Meanwhile it may have gone on.

    What is refused here would be refused when it is recorded. That is decided anew there, where no
    other record comes between.
    """

    def __init__(
        self, book: Book, run: RunName, round_number: int, model: OpenedModel | None
    ) -> None:
        """Not for callers: ``RoundLedger.so_far`` makes it, inside a transaction."""
        self.chain_end = book.chain_end(run)
        self.answer = book.answer(run, round_number)
        # Looked up now, for ``check``.
        book.last(run)
        book.answer(run, book.begun(run))
        if model is not None:
            book.names_opened(run, model)
        self._book = book

    def check(self, wanted: SetRecord) -> None:
        """PolicyRefusedError if ``lock`` would refuse a set of the round that was looked at."""
        _check_set_record(wanted)
        self._book.check_lock(wanted)
        self._book.check_model(wanted.run, wanted.model)


def _words(role: Role) -> str:
    return "key holder" if role is Role.HOLDER else role.name.lower()


def _check_run_name(run: RunName) -> None:
    arguments.instance("run", run, RunName)
    arguments.instance("run.key", run.key, bytes)
    arguments.instance("run.federation", run.federation, bytes)
    arguments.count("run.serial", run.serial, at_least=1)


def _check_set_record(wanted: SetRecord) -> None:
    arguments.instance("wanted", wanted, SetRecord)
    _check_run_name(wanted.run)
    arguments.count("wanted.round_number", wanted.round_number, at_least=1)
    arguments.instance("wanted.answer", wanted.answer, bytes)
    arguments.instance("wanted.before", wanted.before, Before)
    arguments.instance("wanted.model", wanted.model, (OpenedModel, type(None)))
    arguments.flag("wanted.is_followed", wanted.is_followed)
