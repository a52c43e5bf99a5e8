"""The ledger of privacy spent: it refuses what would overspend, and survives whatever crashes."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest
import veilsum as vs
from validation_rules import rule
from veilsum import durable
from veilsum.privacy import GaussianNoise, LaplaceNoise, Ledger
from veilsum.privacy import ledger as ledger_module

GAUSSIAN = GaussianNoise(
    epsilon=4.0, delta=1e-6, rounds=3, norm_bound=1.0, honest_contributors=2, weighted=False
)
LAPLACE = LaplaceNoise(epsilon=4.0, rounds=3, norm_bound=1.0)
CODECS = {
    noise: noise.fit(vs.Codec(10, clip=1.0, value_bits=12, max_addends=4))
    for noise in (GAUSSIAN, LAPLACE)
}


def round_id(number):
    return number.to_bytes(32, "big")


def charge(ledger, number, noise=GAUSSIAN):
    ledger.charge(round_id(number), noise=noise, codec=CODECS[noise])


@pytest.fixture(params=["file", "memory"])
def ledger(request, tmp_path):
    if request.param == "memory":
        return Ledger.in_memory(epsilon=4.0, delta=1e-6)
    return Ledger.create(tmp_path / "ledger", epsilon=4.0, delta=1e-6)


@rule("LG1")
def test_the_ledger_refuses_the_round_that_would_overspend(ledger):
    for number in range(3):
        charge(ledger, number)
    before = ledger.spent
    assert before.num_contributions == 3
    assert 3.99 < before.epsilon <= 4.0
    with pytest.raises(vs.BudgetExhaustedError, match="after 3 contributions"):
        charge(ledger, 3)
    assert ledger.spent == before
    assert ledger.budget == (4.0, 1e-6)


def test_pure_costs_add_up():
    ledger = Ledger.in_memory(epsilon=4.0)
    for number in range(3):
        charge(ledger, number, LAPLACE)
        assert abs(ledger.spent.epsilon - (number + 1) * 4 / 3) < 1e-6
    assert ledger.spent.delta == 0
    with pytest.raises(vs.BudgetExhaustedError):
        charge(ledger, 3, LAPLACE)


@rule("LG2")
def test_a_round_is_charged_once(ledger):
    charge(ledger, 7)
    with pytest.raises(vs.PolicyRefusedError, match="second"):
        charge(ledger, 7)
    assert ledger.spent.num_contributions == 1


def test_rounds_of_different_goals_share_one_budget(ledger):
    weaker = GaussianNoise(
        epsilon=2.0, delta=1e-6, rounds=1, norm_bound=1.0, honest_contributors=2, weighted=False
    )
    ledger.charge(round_id(1), noise=weaker, codec=weaker.fit(CODECS[GAUSSIAN]))
    assert abs(ledger.spent.epsilon - 2.0) < 1e-6
    charge(ledger, 2)
    assert 2.0 < ledger.spent.epsilon < 4.0


def test_the_same_contribution_is_charged_once_and_another_is_refused(ledger):
    def charge_named(commitment):
        codec = GAUSSIAN.fit(CODECS[GAUSSIAN])
        ledger.charge(round_id(7), noise=GAUSSIAN, codec=codec, commitment=commitment)

    assert ledger.commitment(round_id(7)) is None
    for _ in range(3):
        charge_named(b"the first")
    with pytest.raises(vs.PolicyRefusedError, match="second"):
        charge_named(b"another")
    assert ledger.commitment(round_id(7)) == b"the first"
    assert ledger.spent.num_contributions == 1


def test_asking_whether_a_charge_would_do_records_nothing(ledger):
    codec = GAUSSIAN.fit(CODECS[GAUSSIAN])
    for _ in range(3):
        ledger.check(round_id(1), noise=GAUSSIAN, codec=codec)
    assert ledger.spent.num_contributions == 0
    assert ledger.remaining == 4.0
    charge(ledger, 1)
    assert 0 < ledger.remaining < 4.0
    with pytest.raises(vs.PolicyRefusedError, match="second"):
        ledger.check(round_id(1), noise=GAUSSIAN, codec=codec)
    charge(ledger, 2)
    charge(ledger, 3)
    with pytest.raises(vs.BudgetExhaustedError):
        ledger.check(round_id(4), noise=GAUSSIAN, codec=codec)
    assert ledger.spent.num_contributions == 3


@rule("LG4")
def test_each_kind_of_noise_has_its_own_ledger(ledger):
    with pytest.raises(vs.InvalidArgumentError, match="delta = 0"):
        charge(ledger, 1, LAPLACE)
    with pytest.raises(vs.InvalidArgumentError, match="delta of 0"):
        charge(Ledger.in_memory(epsilon=1.0), 1, GAUSSIAN)
    assert ledger.spent.num_contributions == 0


def test_a_misfit_codec_is_not_charged(ledger):
    with pytest.raises(vs.InvalidArgumentError, match=r"noise\.fit"):
        ledger.charge(round_id(1), noise=GAUSSIAN, codec=CODECS[LAPLACE])
    assert ledger.spent.num_contributions == 0


@pytest.mark.parametrize("budget", [(0, 0), (-1, 0), (float("nan"), 0), (1, 1), (1, -1e-9)])
def test_a_budget_outside_its_range_makes_no_ledger(tmp_path, budget):
    with pytest.raises(vs.InvalidArgumentError):
        Ledger.create(tmp_path / "ledger", epsilon=budget[0], delta=budget[1])
    assert not (tmp_path / "ledger").exists()


# ---- the file ----


@rule("LG5")
def test_a_ledger_is_found_again_and_never_made_twice(tmp_path):
    path = tmp_path / "a folder with % and ?" / "ledger"
    path.parent.mkdir()
    first = Ledger.create(path, epsilon=4.0, delta=1e-6)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    charge(first, 1)
    again = Ledger.open(path)
    assert again.spent == first.spent
    with pytest.raises(FileExistsError):
        Ledger.create(path, epsilon=4.0, delta=1e-6)
    with pytest.raises(vs.PolicyRefusedError):
        charge(again, 1)


@rule("LG3")
def test_a_missing_ledger_is_refused_and_not_made(tmp_path):
    path = tmp_path / "ledger"
    with pytest.raises(vs.LedgerError, match=r"Ledger\.create"):
        Ledger.open(path)
    ledger = Ledger.create(path, epsilon=4.0, delta=1e-6)
    path.unlink()
    with pytest.raises(vs.LedgerError):
        charge(ledger, 1)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_a_file_that_is_no_ledger_is_refused(tmp_path, content):
    path = tmp_path / "ledger"
    path.write_bytes(content)
    with pytest.raises(vs.LedgerError):
        Ledger.open(path)
    assert path.read_bytes() == content


def test_a_read_only_or_newer_ledger_is_refused(tmp_path):
    path = tmp_path / "ledger"
    Ledger.create(path, epsilon=4.0, delta=1e-6)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE budget SET version = 99")
    connection.close()
    with pytest.raises(vs.LedgerError, match="not a ledger"):
        Ledger.open(path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE charges SET cost = 'text'",
        "UPDATE charges SET cost = -1.0",
        "UPDATE charges SET cost = 1e308",
        "UPDATE charges SET cost = x'00'",
        "UPDATE budget SET epsilon = 'text'",
        "UPDATE budget SET epsilon = -1.0",
        "UPDATE budget SET delta = 1.0",
    ],
)
def test_a_record_that_is_no_number_in_its_range_is_damage(tmp_path, damage):
    path = tmp_path / "ledger"
    ledger = Ledger.create(path, epsilon=4.0, delta=1e-6)
    charge(ledger, 1)
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    with pytest.raises(vs.LedgerError, match="damaged"):
        Ledger.open(path)
    with pytest.raises(vs.LedgerError, match="damaged"):
        charge(ledger, 2)


def test_threads_do_not_overspend_together(ledger):
    refused = []

    def work(start):
        for number in range(start, start + 5):
            try:
                charge(ledger, number)
            except vs.BudgetExhaustedError:
                refused.append(number)

    threads = [threading.Thread(target=work, args=(10 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.spent.num_contributions == 3
    assert len(refused) == 17


# ---- crashes ----

CHARGER = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import test_ledger as t
ledger = t.Ledger.open({path!r})
for number in range(100):
    t.charge(ledger, number)
    print(number, flush=True)  # "sent"
    if number == {die_after}:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("die_after", [0, 1])
def test_what_was_sent_before_a_crash_is_on_record(tmp_path, die_after):
    path = tmp_path / "ledger"
    Ledger.create(path, epsilon=4.0, delta=1e-6)
    code = CHARGER.format(tests=os.path.dirname(__file__), path=str(path), die_after=die_after)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == -signal.SIGKILL, result.stderr
    sent = len(result.stdout.split())
    ledger = Ledger.open(path)
    assert ledger.spent.num_contributions == sent == die_after + 1
    for number in range(sent, 3):
        charge(ledger, number)
    with pytest.raises(vs.BudgetExhaustedError):
        charge(ledger, 3)


def test_a_crash_in_the_middle_of_a_charge_leaves_a_ledger_that_works(tmp_path):
    path = tmp_path / "ledger"
    ledger = Ledger.create(path, epsilon=4.0, delta=1e-6)
    charge(ledger, 0)
    code = (
        f"import os, sqlite3\nc = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1')\nc.execute('BEGIN IMMEDIATE')\n"
        "for i in range(2000):\n"
        "    c.execute('INSERT INTO charges VALUES (?, ?, 1, ?)', (b'x%d' % i, b'', 'x'))\n"
        "os._exit(9)  # pages are in the file, the commit is not\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert path.stat().st_size > 50_000
    assert Ledger.open(path).spent.num_contributions == 1
    charge(ledger, 1)


def test_a_full_disk_sends_nothing(tmp_path, monkeypatch):
    ledger = Ledger.create(tmp_path / "ledger", epsilon=4.0, delta=1e-6)
    connect = durable._connect

    def limited(path):
        connection = connect(path)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(durable, "_connect", limited)
    monkeypatch.setattr(ledger_module, "_epsilon", lambda cost, delta: 0.0)

    def charge_until_full():
        for number in range(1000):
            charge(ledger, number)

    with pytest.raises(vs.LedgerError, match="full"):
        charge_until_full()
    assert 0 < ledger.spent.num_contributions < 1000


def test_a_ledger_whose_budget_lacks_a_column_is_refused(tmp_path):
    """As a damaged file may: found by mutation."""
    path = tmp_path / "ledger.sqlite"
    Ledger.create(path, epsilon=1.0, delta=0.0)
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE budget RENAME COLUMN epsilon TO epsilom")
    connection.close()
    with pytest.raises(vs.LedgerError, match="lacks a column"):
        Ledger.open(path)
