"""Rounds of which everybody is played, and the run of all sizes."""

import itertools

import numpy as np
import pytest
from shared_keys import shared_key
from veilsum.secure_sum import FolderStore

from bench import crowd, phases, rounds, secure_sum
from bench.__main__ import parse
from bench.parties import party_of
from bench.records import Run
from bench.round_tables import scale_table, tables
from bench.rounds import AUTHORITY, MASKED, PACKED
from bench.seats import KeyStore
from bench.secure_sum import AGGREGATOR, CONTRIBUTOR, HOLDER, Size

SIZE = Size(dim=400, num_contributors=6, num_measured=2)


def keys_of(name):
    shared = shared_key()
    if name == AUTHORITY:
        return secure_sum.authority_key(shared.secret)
    return shared.key, shared.shares


def played(name, folder, size=SIZE, **options):
    folder.mkdir()
    return crowd.measure(
        name, keys_of(name), size, folder=folder, progress=lambda step: None, **options
    )


@pytest.fixture(scope="module")
def methods(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowd")
    return {
        MASKED: played(MASKED, folder / "shares", chunk_size=4, max_stored_bytes=0),
        AUTHORITY: played(AUTHORITY, folder / "authority", chunk_size=4),
    }


# ---- a round of everybody ----


@pytest.mark.parametrize("name", [MASKED, AUTHORITY])
def test_a_crowd_sends_what_a_round_in_one_process_sends(methods, name, tmp_path):
    here = secure_sum.measure(
        name,
        keys_of(name),
        Size(SIZE.dim, SIZE.num_contributors, SIZE.num_contributors),
        folder=tmp_path,
        progress=lambda step: None,
        scheme="masked",
        chunk_size=4,
    )
    for party, other in zip(methods[name]["parties"], here["parties"], strict=True):
        assert (party["role"], party["count"]) == (other["role"], other["count"])
        for way in ("received", "sent"):
            assert party[way] == pytest.approx(other[way], rel=0.01)
        assert set(party["phases"]) == set(other["phases"])


@pytest.mark.parametrize("name", [MASKED, AUTHORITY])
def test_nothing_of_a_crowd_is_multiplied(methods, name):
    found = methods[name]
    assert (found["num_measured"], found["facts"]["num_played"]) == (2, 6)
    for party in found["parties"]:
        assert {phase["factor"] for phase in party["phases"].values()} == {1.0}
    samples = party_of(found, CONTRIBUTOR)["phases"][phases.ENCRYPT]["samples"]
    assert len(samples) == SIZE.num_measured
    holders = party_of(found, HOLDER)
    assert len(holders["phases"][phases.CHECK_REQUEST]["samples"]) == holders["count"]


def test_the_memory_of_aggregator_and_holders_is_that_of_their_processes(methods):
    for found in methods.values():
        facts = found["facts"]
        for role in (AGGREGATOR, HOLDER):
            assert 10e6 < facts["baseline_bytes"][role] <= facts["peak_bytes"][role] < 300e6


@pytest.mark.slow  # Eight seconds.
def test_an_aggregator_does_not_remember_what_a_crowd_has_sent(tmp_path):
    size = Size(dim=100_000, num_contributors=100, num_measured=1)
    found = played(MASKED, tmp_path / "crowd", size)
    sent = size.num_contributors * party_of(found, CONTRIBUTOR)["sent"]
    facts = found["facts"]
    grown = facts["peak_bytes"][AGGREGATOR] - facts["baseline_bytes"][AGGREGATOR]
    assert sent > 30e6
    assert grown < 0.6 * sent


def test_the_record_says_what_the_aggregator_stored(methods):
    assert methods[MASKED]["facts"]["stored"] == "what holders are asked"
    assert methods[AUTHORITY]["facts"]["stored"] == "contributions"


def test_messages_are_gone_once_they_are_read(methods, tmp_path):
    played(AUTHORITY, tmp_path / "round")
    left = {path.suffix for path in (tmp_path / "round").iterdir()}
    assert not left & {".contribution"}
    assert not any((tmp_path / "round" / name).exists() for name in ("request", "answer"))


def test_a_crowd_whose_sum_is_wrong_is_no_result(tmp_path, monkeypatch):
    load = np.load
    monkeypatch.setattr(np, "load", lambda path: load(path) + 1)
    with pytest.raises(ValueError, match="wrong by 1"):
        played(AUTHORITY, tmp_path / "round")


def test_a_store_of_keys_checks_all_and_keeps_the_first_frames(tmp_path):
    frames = [bytes.fromhex("56534d4c") + bytes([i]) for i in range(4)]
    seen = []

    def arriving():
        for frame in frames:
            seen.append(frame)
            yield frame

    store, whole = KeyStore(tmp_path / "keys", num_kept=2), FolderStore(tmp_path / "all")
    for each in (store, whole):
        each.put("contribution", "a", arriving())
        each.put("closed", "a", frames)
    assert seen == frames * 2
    sizes = {
        path.name: path.stat().st_size for path in (tmp_path / "keys").iterdir() if path.suffix
    }
    assert sorted(sizes.values()) == [10, 20]  # Of a contribution two, of others all.


def test_a_store_of_keys_keeps_nothing_of_what_is_refused_late(tmp_path):
    def arriving():
        yield from (b"a", b"b", b"c")
        raise ValueError("the last frame is wrong")

    store = KeyStore(tmp_path / "keys", num_kept=1)
    with pytest.raises(ValueError, match="last frame"):
        store.put("contribution", "a", arriving())
    assert store.names("contribution") == []


# ---- all sizes ----


@pytest.fixture
def scale(monkeypatch):
    """What the whole run would measure, what it says, and its results; nothing is played."""
    said, asked = [], []
    parties = [
        {"role": role, "count": 1, "phases": {}, "sent": 1.0, "received": 2.0}
        for role in (CONTRIBUTOR, AGGREGATOR, HOLDER)
    ]

    def method(name, size):
        asked.append((name, size))
        peaks = {AGGREGATOR: 5e7} if name == MASKED else {}
        facts = {"peak_bytes": peaks} if peaks else {}
        return {"name": name, "parties": parties, "num_measured": 1, "facts": facts}

    def peer(found, library, python, size):
        if library.name == "TenSEAL CKKS" and size.dim > 10**6:
            found.missing[library.name] = "it broke"
        else:
            found.add("methods", **method(library.name, size))

    monkeypatch.setattr(rounds, "add_peer", peer)
    for play in ("_play", "_play_all"):
        monkeypatch.setattr(rounds, play, lambda name, keys, size, tell: method(name, size))
    monkeypatch.setattr(rounds, "_safe_key", lambda bits, tell: shared_key().secret)
    options, _ = parse(["--scale", "--key-bits", "2048"])
    run = Run({}, {"key_bits": [2048]})
    rounds.measure_scale(run, options, said.append)
    return said, asked, run


def test_a_run_of_all_sizes_says_its_minutes_first(scale):
    said, _, _ = scale
    plan, _ = rounds.planned(rounds.sizes(10**7, 10_000))
    minutes = rounds.expected_seconds(plan) / 60
    assert said[0].startswith(f"about {minutes:.0f} minutes")
    assert 10 < minutes < 20


def test_what_is_left_out_has_a_reason_in_the_record(scale):
    _, _, run = scale
    points = {(p["method"], p["dim"], p["num_contributors"]) for p in run.all("points")}
    every = rounds.sizes(10**7, 10_000)
    for name, size in itertools.product(rounds.REACHES, every):
        is_there = (name, size.dim, size.num_contributors) in points
        reason = run.missing.get(f"{name}, {rounds.where(size)}")
        assert is_there == (reason is None)
        assert is_there or reason == "it broke" or reason.startswith("left out: ")
    assert run.missing["TenSEAL CKKS, 10,000,000 values, 10 clients"] == "it broke"


def test_masked_rounds_are_played_up_to_ten_thousand_contributors(scale):
    _, asked, _ = scale
    counts = [size.num_contributors for name, size in asked if name == MASKED]
    assert sorted(set(counts)) == [10, 100, 1_000, 10_000]
    assert max(size.num_contributors for name, size in asked if name == PACKED) == 1_000
    assert {size.num_measured for name, size in asked if name == PACKED} == {2}


def test_bounds_are_kept():
    assert [size.num_contributors for size in rounds.sizes(10_000, 100)] == [10, 100]
    assert {size.dim for size in rounds.sizes(10_000, 100)} == {10_000}
    assert rounds.sizes(10_000, 4) == [Size(10_000, 4, 4)]
    few, many = (
        rounds.expected_seconds(rounds.planned(rounds.sizes(10**5, most))[0])
        for most in (100, 10_000)
    )
    assert few < many / 3


def test_a_run_of_one_contributor_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse(["--scale", "--contributors", "1"])
    assert "2 or more" in capsys.readouterr().err


def test_the_table_has_the_memory_that_was_measured(scale):
    _, _, run = scale
    table = scale_table(run)
    column = table.columns.index("server's peak, MB")
    for row in table.rows:
        assert row[column] == (50 if row[0] == MASKED else None)


def test_older_results_have_no_columns_of_what_was_not_measured(scale):
    _, _, run = scale
    for point in run.records["points"]:
        del point["peak_bytes"]
    assert "server's peak, MB" not in scale_table(run).columns


def test_charts_go_by_values_and_by_clients_with_all_that_each_party_spent(scale):
    _, _, run = scale
    [by_values, by_clients] = [table for table in tables(run) if table.xs]
    assert sorted(set(by_values.xs)) == list(rounds.DIMS)
    assert sorted(set(by_clients.xs)) == list(rounds.CLIENTS)
    for role in ("client", "server", "holder"):
        for what in (", s", " sends, MB", " gets, MB"):
            assert any(column.endswith(role + what) for column in by_clients.columns)
