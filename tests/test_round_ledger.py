"""The record of answered rounds: one answer a round, whoever crashes, races or loses the file."""

import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading

import protocol_parties as parties
import pytest
import veilsum as vs
from validation_rules import rule
from veilsum.identity import Role
from veilsum.secure_sum import RoundLedger, RunName
from veilsum.secure_sum.link import START
from veilsum.secure_sum.round_ledger import Before, OpenedModel, SetRecord

RUN = RunName(key=b"k" * 32, federation=bytes(32), serial=2)
OTHER_KEY = RunName(key=b"o" * 32, federation=b"f" * 32, serial=7)


@pytest.fixture(params=["file", "memory"])
def ledger(request, tmp_path):
    if request.param == "memory":
        return RoundLedger.in_memory()
    return RoundLedger.create(tmp_path / "rounds", role=Role.HOLDER)


def record(ledger, number, answer, *, run=RUN, **options):
    ledger.record(run, number, answer, **options)


def to_open(number, *, model=bytes(36), names=bytes(32)):
    """A set of a round of a run of which no round was opened yet."""
    before = Before(START, START, {})
    return SetRecord(RUN, number, b"answer", before, OpenedModel(model, names))


@rule("RL1")
def test_a_round_has_one_answer(ledger):
    record(ledger, 1, b"one")
    record(ledger, 1, b"one")  # The same again is no news.
    record(ledger, 2**63 - 1, b"one")
    for other in (b"two", b"", b"one\0"):
        with pytest.raises(vs.PolicyRefusedError, match="differently"):
            record(ledger, 1, other)
    assert ledger.answered(RUN) == {1: b"one", 2**63 - 1: b"one"}


@rule("RL2")
def test_a_key_has_one_federation_at_a_time_and_never_an_older_one(ledger):
    record(ledger, 1, b"one")
    older = RUN._replace(federation=b"f" * 32, serial=1)
    for other, match in (
        (RUN._replace(federation=b"f" * 32), "another federation with the serial number 2"),
        (older, "has pinned 2 under this key: it is an older"),
    ):
        for number, answer in ((1, b"one"), (2, b"two")):
            with pytest.raises(vs.PolicyRefusedError, match=match):
                record(ledger, number, answer, run=other)
        with pytest.raises(vs.PolicyRefusedError, match=match):
            ledger.pin(other)
    record(ledger, 1, b"other", run=OTHER_KEY)
    assert ledger.answered(RUN) == {1: b"one"}
    assert ledger.answered(OTHER_KEY) == {1: b"other"}
    assert ledger.answered(older) == {}
    assert ledger.federations() == {RUN.federation: 1, OTHER_KEY.federation: 1}
    newer = RUN._replace(federation=b"n" * 32, serial=3)
    ledger.pin(newer)
    ledger.pin(newer)
    with pytest.raises(vs.PolicyRefusedError, match="has pinned 3"):
        record(ledger, 2, b"two")
    assert ledger.answered(newer) == {}
    record(ledger, 1, b"new", run=newer)
    assert (ledger.answered(RUN), ledger.answered(newer)) == ({1: b"one"}, {1: b"new"})
    assert ledger.federations()[newer.federation] == 1


@rule("RL5")
def test_a_ledger_is_of_one_role(tmp_path):
    for role, other in ((Role.HOLDER, Role.CONTRIBUTOR), (Role.CONTRIBUTOR, Role.HOLDER)):
        made = RoundLedger.create(tmp_path / role.name, role=role)
        for ledger in (made, RoundLedger.open(tmp_path / role.name)):
            ledger.check_role(role)
            with pytest.raises(vs.LedgerError, match="has its own"):
                ledger.check_role(other)
    agreed = parties.federation()
    with pytest.raises(vs.LedgerError, match="of a contributor"):
        parties.holder(agreed, "holder-1", RoundLedger.open(tmp_path / "CONTRIBUTOR"))
    with pytest.raises(vs.LedgerError, match="of a key holder"):
        parties.contributor(agreed, "ada", rounds=RoundLedger.open(tmp_path / "HOLDER"))


def test_a_check_may_refuse_and_sees_what_was_answered(ledger):
    class RefusedError(Exception):
        pass

    def refuse(answers):
        seen.append(answers)
        raise RefusedError

    seen = []
    record(ledger, 1, b"one")
    with pytest.raises(RefusedError):
        record(ledger, 2, b"two", check=refuse)
    record(ledger, 1, b"one", check=refuse)  # Not asked for what is no news.
    assert seen == [{1: b"one"}]
    assert ledger.answered(RUN) == {1: b"one"}


def test_a_ledger_goes_on_after_a_restart(tmp_path):
    path = tmp_path / "rounds"
    record(RoundLedger.create(path, role=Role.HOLDER), 1, b"one")
    again = RoundLedger.open(path)
    assert again.answered(RUN) == {1: b"one"}
    record(again, 1, b"one")
    with pytest.raises(vs.PolicyRefusedError):
        record(again, 1, b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@rule("RL4")
def test_a_ledger_is_never_made_twice(tmp_path):
    record(RoundLedger.create(tmp_path / "rounds", role=Role.HOLDER), 1, b"one")
    with pytest.raises(FileExistsError):
        RoundLedger.create(tmp_path / "rounds", role=Role.HOLDER)
    assert RoundLedger.open(tmp_path / "rounds").answered(RUN) == {1: b"one"}


def truncated(path):
    path.write_bytes(path.read_bytes()[:4096])


def overwritten(path):
    path.write_bytes(b"no database at all" * 99)


def emptied(path):
    path.write_bytes(b"")


def of_another_version(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE about SET version = 1")
    connection.close()


def without_its_table(path):
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE rounds")
    connection.close()


def with_a_schema_of_no_text(path):
    """SQLite quotes it in its error message, which is then no UTF-8."""
    path.write_bytes(
        path.read_bytes().replace(b"CREATE TABLE rounds", b"CREATE \xff\xffBLE rounds")
    )


@rule("RL3")
@pytest.mark.parametrize(
    "damage",
    [
        os.unlink,
        truncated,
        overwritten,
        emptied,
        of_another_version,
        without_its_table,
        with_a_schema_of_no_text,
    ],
    ids=lambda f: f.__name__,
)
def test_a_missing_or_damaged_ledger_answers_nothing(tmp_path, damage):
    path = tmp_path / "rounds"
    open_before = RoundLedger.create(path, role=Role.HOLDER)
    record(open_before, 1, b"one")
    damage(path)
    with pytest.raises(vs.LedgerError):
        RoundLedger.open(path)
    if damage is not of_another_version:
        with pytest.raises(vs.LedgerError):
            record(open_before, 2, b"two")
    assert path.exists() == (damage is not os.unlink), "it was made anew"


@pytest.mark.parametrize(
    "change",
    [
        "rounds SET key = 'text'",
        "rounds SET serial = NULL",
        "rounds SET round = 'text'",
        "rounds SET answer = 7",
        "rounds SET answer = 'text'",
        "rounds SET serial = 9",
        "runs SET federation = 'text'",
        "runs SET last_opened = NULL",
        "runs SET last_opened = -1",
        "runs SET last_link = x'00'",
        "runs SET begun = 'text'",
        "runs SET begun = 2",
        "opened SET names = 'text'",
        "opened SET model = NULL",
        "opened SET serial = 9",
    ],
)
def test_a_record_of_another_type_is_damage(tmp_path, change):
    path = tmp_path / "rounds"
    ledger = RoundLedger.create(path, role=Role.HOLDER)
    ledger.begin(to_open(1))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '')")
    connection.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {change}")
    connection.close()
    with pytest.raises(vs.LedgerError, match="damaged"):
        ledger.answered(RUN)
    with pytest.raises(vs.LedgerError, match="damaged"):
        record(ledger, 2, b"two")
    for use in (lambda: ledger.begin(to_open(2)), lambda: ledger.so_far(RUN, 2)):
        with pytest.raises(vs.LedgerError, match="damaged"):
            use()
    with pytest.raises(vs.LedgerError, match="damaged"):
        ledger.federations()


def test_an_answer_of_a_run_that_was_not_pinned_is_damage(tmp_path):
    path = tmp_path / "rounds"
    ledger = RoundLedger.create(path, role=Role.HOLDER)
    record(ledger, 1, b"one")
    record(ledger, 2, b"two")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM runs")
    connection.close()
    with pytest.raises(vs.LedgerError, match="a run that it does not know"):
        record(ledger, 3, b"three")


def test_what_was_read_once_refuses_what_a_lock_would(ledger):
    ledger.begin(to_open(2))
    for number, model, match in (
        (1, bytes(36), "has locked round 2"),
        (3, bytes(36), "has begun to open round 2"),
    ):
        wanted = to_open(number, model=model)
        so_far = ledger.so_far(RUN, number, wanted.model)
        for refuse in (so_far.check, ledger.lock, ledger.begin):
            with pytest.raises(vs.PolicyRefusedError, match=match):
                refuse(wanted)
    wanted = to_open(2, names=b"n" * 32)
    so_far = ledger.so_far(RUN, 2, wanted.model)
    assert (so_far.chain_end, so_far.answer) == (START, b"answer")
    for refuse in (so_far.check, ledger.lock, ledger.begin):
        with pytest.raises(vs.PolicyRefusedError, match="with other contributors before"):
            refuse(wanted)
    ledger.so_far(RUN, 2, to_open(2).model).check(to_open(2))
    assert ledger.answered(RUN) == {2: b"answer"}


def test_a_missing_ledger_says_what_to_do(tmp_path):
    with pytest.raises(vs.LedgerError, match="retire"):
        RoundLedger.open(tmp_path / "rounds")
    vs.privacy.Ledger.create(tmp_path / "privacy", epsilon=1.0, delta=0.1)
    with pytest.raises(vs.LedgerError):
        RoundLedger.open(tmp_path / "privacy")


def test_what_cannot_be_written_is_not_recorded(tmp_path, monkeypatch):
    ledger = RoundLedger.create(tmp_path / "rounds", role=Role.HOLDER)
    connect = vs.durable._connect

    def limited(path):
        connection = connect(path)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(vs.durable, "_connect", limited)
    with pytest.raises(vs.LedgerError, match="full"):
        record(ledger, 1, bytes(100_000))
    assert ledger.answered(RUN) == {}
    record(ledger, 1, b"small")


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_of_threads_that_race_one_wins(tmp_path, kind):
    path = tmp_path / "rounds"
    memory = RoundLedger.in_memory() if kind == "memory" else None
    if memory is None:
        RoundLedger.create(path, role=Role.HOLDER)
    won, barrier = [], threading.Barrier(6)

    def race(answer):
        ledger = memory or RoundLedger.open(path)
        barrier.wait()
        try:
            record(ledger, 1, answer)
        except vs.PolicyRefusedError:
            return
        won.append(answer)

    threads = [threading.Thread(target=race, args=(bytes([i]),)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (memory or RoundLedger.open(path)).answered(RUN) == {1: won[0]}


def race_for_rounds(path, mine, start, queue):
    ledger, won = RoundLedger.open(path), []
    start.wait()
    for number in range(1, 21):
        try:
            record(ledger, number, mine)
        except vs.PolicyRefusedError:
            continue
        won.append(number)
    queue.put((mine, won))


def test_of_processes_that_race_one_wins_each_round(tmp_path):
    path = tmp_path / "rounds"
    RoundLedger.create(path, role=Role.HOLDER)
    context = multiprocessing.get_context("spawn")
    start, queue = context.Event(), context.Queue()
    processes = [
        context.Process(target=race_for_rounds, args=(path, bytes([i]), start, queue))
        for i in range(3)
    ]
    for process in processes:
        process.start()
    start.set()
    results = dict(queue.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert sorted(number for won in results.values() for number in won) == list(range(1, 21))
    answers = RoundLedger.open(path).answered(RUN)
    assert answers == {number: mine for mine, won in results.items() for number in won}


KILLED = """
import os, signal, sys
from veilsum.secure_sum import RoundLedger, RunName
run = RunName(b"k" * 32, bytes(32), 2)
ledger = RoundLedger.open(sys.argv[1])
number = 1
while True:
    ledger.record(run, number, b"answer")
    os.write(1, f"{number}\\n".encode())
    number += 1
"""


def test_what_was_recorded_outlives_the_process(tmp_path):
    path = tmp_path / "rounds"
    RoundLedger.create(path, role=Role.HOLDER)
    process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
    seen = [int(process.stdout.readline()) for _ in range(30)][-1]
    os.kill(process.pid, signal.SIGKILL)
    seen = max([seen, *map(int, process.stdout.read().split())])
    process.stdout.close()
    process.wait()
    answers = RoundLedger.open(path).answered(RUN)
    # Whatever was said to be recorded is; one more may be, whose process died before it said so.
    assert list(answers) in (list(range(1, seen + 1)), list(range(1, seen + 2)))
