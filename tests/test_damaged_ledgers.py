"""Ledgers whose file lost its structure: what is damaged in one place is believed in none."""

import contextlib
import sqlite3
import tracemalloc

import pytest
import veilsum as vs
from fuzz import readers
from protocol_parties import NOISE, NOISY_CODEC
from validation_rules import rule
from veilsum.identity import Role
from veilsum.secure_sum import RoundLedger, RunName

RUN = RunName(key=b"k" * 32, federation=bytes(32), serial=1)


class Rounds:
    """A ledger of rounds in a file."""

    table, index = "rounds", "sqlite_autoindex_rounds_1"

    @staticmethod
    def create(path):
        return RoundLedger.create(path, role=Role.HOLDER)

    open = RoundLedger.open

    @staticmethod
    def add(ledger, number):
        ledger.record(RUN, number, bytes(32))


class Privacy:
    """A ledger of privacy spent in a file."""

    table, index = "charges", "sqlite_autoindex_charges_1"

    @staticmethod
    def create(path):
        return vs.privacy.Ledger.create(path, epsilon=1e6, delta=1e-6)

    open = vs.privacy.Ledger.open

    @staticmethod
    def add(ledger, number):
        ledger.charge(number.to_bytes(32, "big"), noise=NOISE, codec=NOISY_CODEC)


# ---- damage to a page of the file: https://www.sqlite.org/fileformat.html, section 1.6 ----


def damage(path, name, change):
    """Change the root page of a table or an index where it lies in the file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        find = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        root = connection.execute(find, (name,)).fetchone()[0]
    data = bytearray(path.read_bytes())
    page = data[(root - 1) * size : root * size]
    change(page)
    data[(root - 1) * size : root * size] = page
    path.write_bytes(data)


def number_at(page, place, size=2):
    return int.from_bytes(page[place : place + size], "big")


def name_one_record_many_times(page):
    """A leaf, all of whose pointers lead to its first record."""
    assert page[0] == 13
    count = min((number_at(page, 5) - 8) // 2, (len(page) - 8) // 6)  # More are refused unread.
    page[3:5] = count.to_bytes(2, "big")
    page[8 : 8 + 2 * count] = page[8:10] * count


def name_one_page_many_times(page):
    """An inner page, all of whose records lead to the same leaf."""
    assert page[0] == 5
    cells = [number_at(page, 12 + 2 * i) for i in range(number_at(page, 3))]
    assert len(cells) > 1
    for cell in cells:
        page[cell : cell + 4] = page[8:12]


def forget_records(page):
    """A leaf without records."""
    page[3:5] = bytes(2)


# ---- what the ledgers say ----


def assert_damaged(kind, path, ledger):
    for use in (
        lambda: kind.open(path),
        lambda: kind.add(ledger, 1),
        lambda: kind.add(ledger, 10**6),
    ):
        with pytest.raises(vs.LedgerError, match="damaged"):
            use()


@rule("RL6")
@pytest.mark.parametrize("kind", [Rounds, Privacy])
@pytest.mark.parametrize(
    ("num_records", "change"),
    [(1, name_one_record_many_times), (200, name_one_page_many_times), (1, forget_records)],
)
def test_a_table_without_its_structure_is_damage(tmp_path, kind, num_records, change):
    path = tmp_path / "ledger"
    ledger = kind.create(path)
    for number in range(1, num_records + 1):
        kind.add(ledger, number)
    damage(path, kind.table, change)
    assert_damaged(kind, path, ledger)


@rule("LG6")
@pytest.mark.parametrize("kind", [Rounds, Privacy])
def test_a_record_that_its_index_lost_is_damage(tmp_path, kind):
    """A round that is looked up there would be charged a second time."""
    path = tmp_path / "ledger"
    ledger = kind.create(path)
    kind.add(ledger, 1)
    damage(path, kind.index, forget_records)
    assert_damaged(kind, path, ledger)


def test_a_record_that_is_named_many_times_takes_no_memory(tmp_path):
    """Four pages of 64 KiB were read as 92 MB."""
    path = tmp_path / "ledger"
    RoundLedger.create(path, role=Role.CONTRIBUTOR).record(RUN, 3, bytes(8000))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size = 65536")
        connection.execute("VACUUM")
    damage(path, Rounds.table, name_one_record_many_times)
    tracemalloc.start()
    try:
        assert not readers.check(readers.TARGETS["round_ledger"], path.read_bytes())
    finally:
        tracemalloc.stop()
