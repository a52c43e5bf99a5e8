"""A round is one line of the server's log, with what its record has."""

import datetime
import re

import pytest
from flower_world import NAMES, client_app, federation_of, grid_of, initial_record, strategy
from veilsum.integrations.flower import SumRecord
from veilsum.integrations.flower.round_line import line_of

BANKS = tuple(f"bank-{i}" for i in range(1, 6))
SECONDS = {"train": 0.94, "add": 0.1, "open": 0.23, "step": 0.0}


def record(**other):
    facts = {
        "server_round": 3,
        "round_number": 3,
        "ended": datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc),
        "invited": BANKS,
        "contributed": (BANKS[0], *BANKS[2:]),
        "contributors": (BANKS[0], *BANKS[2:]),
        "failures": {"bank-2": "no reply in time"},
        "openers": ("bank-1", "bank-3", "bank-4"),
        "refused": {},
        "abandoned": None,
        "seconds": SECONDS,
        "num_bytes": {"contributions": 1_200_000, "openings": 61_000, "requests": 99_400},
        "transcript_hash": "00" * 32,
    }
    return SumRecord(**(facts | other))


def test_a_round_says_who_contributed_who_opened_and_what_it_took():
    assert line_of(record(), 10) == (
        "round 3 of 10: 4 of 5 contributed (bank-2: no reply in time), "
        "opened by bank-1, bank-3, bank-4; "
        "waited 0.9 s for contributions, opened in 0.2 s, 1.3 MB up, 99.4 kB down to holders"
    )


def test_a_round_without_a_sum_says_why_and_who_contributed():
    given = {"contributors": (), "openers": (), "abandoned": "the weights sum to 0"}
    assert line_of(record(**given), 10) == (
        "round 3 of 10 is abandoned, the model stays: the weights sum to 0; "
        "4 of 5 contributed (bank-2: no reply in time); "
        "waited 0.9 s for contributions, 1.3 MB up, 99.4 kB down to holders"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"contributed": BANKS[:2], "failures": dict.fromkeys(BANKS[2:], "gone")},
            "2 of 5 contributed (bank-3, bank-4, bank-5: gone), opened",
        ),
        (
            {"contributed": BANKS[:3], "failures": {"bank-5": "gone"}},
            "3 of 5 contributed (bank-5: gone; bank-4: was not asked again), opened",
        ),
        ({"contributed": BANKS, "failures": {}}, "5 of 5 contributed, opened"),
        ({"failures": {"bank-2": "x" * 500}}, f"4 of 5 contributed (bank-2: {'x' * 120}...), "),
        ({"round_number": 7}, "round 3 of 10 (the federation's 7): 4 of 5"),
        (
            {"failures": {f"node {i}": f"reason {i}" for i in range(9)}},
            "node 4: reason 4; and 5 more reasons), opened",
        ),
    ],
)
def test_those_who_are_missing_are_told_by_reason(given, told):
    assert told in line_of(record(**given), 10)


def test_a_run_tells_a_line_a_round_of_what_it_does(tmp_path, caplog):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    caplog.set_level("INFO")

    failing = {101}

    def fails(message):
        if message.metadata.message_type == "train" and message.metadata.dst_node_id in failing:
            raise TimeoutError("gone")

    grid.intercept, secure = fails, strategy(tmp_path)
    secure.start(grid, initial_record(), num_rounds=1)
    failing |= {100, 102}
    secure.start(grid, initial_record(), num_rounds=2)
    opened, abandoned = [line for line in caplog.messages if re.match(r"round \d of \d", line)]
    record = secure.history[0]
    assert opened == line_of(record, 1)
    assert opened.startswith(f"round 1 of 1: 3 of 4 contributed ({NAMES[1]}: TimeoutError: gone), ")
    assert record.invited == NAMES
    assert record.contributed == record.contributors == (NAMES[0], *NAMES[2:])
    # All who are there lock and open the same set.
    assert set(record.openers) <= set(NAMES)
    assert len(record.openers) >= 3
    assert abandoned.startswith("round 2 of 2 is abandoned, the model stays: 1 contributions arriv")
    assert f"; 1 of 4 contributed ({', '.join(NAMES[:3])}: TimeoutError: gone); " in abandoned
    assert secure.history[1].contributed == NAMES[3:]
    now = datetime.datetime.now(datetime.timezone.utc)
    assert now - datetime.timedelta(minutes=10) < record.ended <= secure.history[1].ended <= now
