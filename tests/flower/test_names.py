"""The server's log names parties, in one line each, and lays what went wrong to the right one."""

import logging
import re
from types import SimpleNamespace

import pytest
from flower_world import NAMES, client_app, federation_of, grid_of, initial_record, strategy
from flwr.app import Error, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from veilsum.fedavg.history import Meter
from veilsum.integrations import asking
from veilsum.integrations.flower import opening
from veilsum.integrations.flower.nodes import Nodes
from veilsum.integrations.flower.records import error_of

TRAIN, OPEN, ENROL = "train", "query.veilsum_open", "query.veilsum_enrol"
OFF_LINE = "its SuperNode is not on line (start it again)"
UNAVAILABLE = Error(code=ErrorCode.NODE_UNAVAILABLE, reason="Error: Node Unavailable")


@pytest.fixture
def federation(tmp_path):
    return federation_of(tmp_path)


@pytest.fixture
def grid(tmp_path, federation):
    return grid_of(client_app(tmp_path))


def reply_of(message, error, *, as_superlink=False):
    """A node's answer that is an error, or what the SuperLink answers in its place."""
    reply = Message(error, reply_to=message)
    if as_superlink:
        reply.metadata.__dict__["_src_node_id"] = SUPERLINK_NODE_ID
    return reply


def told(code, reason, *, as_superlink=False):
    question = Message(RecordDict(), dst_node_id=100, message_type=TRAIN)
    return error_of(reply_of(question, Error(code=code, reason=reason), as_superlink=as_superlink))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ErrorCode.NODE_UNAVAILABLE, OFF_LINE),
        (ErrorCode.MESSAGE_UNAVAILABLE, "is for a SuperNode that was unregistered (see flwr"),
        (ErrorCode.REPLY_MESSAGE_UNAVAILABLE, "(see whether the clocks of both machines agree)"),
        (99, "the SuperLink says: as it calls it"),
    ],
)
def test_what_the_superlink_says_is_told_of_the_node_with_the_cure(code, expected):
    assert expected in told(code, "as it calls it", as_superlink=True)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ErrorCode.LOAD_CLIENT_APP_EXCEPTION, "cannot be loaded (the log of its SuperNode"),
        (ErrorCode.CLIENT_APP_CRASHED, "stopped before it answered (the log of its SuperNode"),
        (ErrorCode.CLIENT_APP_RAISED_EXCEPTION, "ValueError: no data"),
        (ErrorCode.NODE_UNAVAILABLE, "ValueError: no data"),  # The SuperLink alone can say that.
    ],
)
def test_what_a_node_says_of_itself_is_told_as_its_own(code, expected):
    assert expected in told(code, "<class 'builtins.ValueError'>:<'no data'>")


@pytest.mark.parametrize("as_superlink", [True, False])
def test_a_reason_is_one_line_and_is_cut_short(as_superlink):
    reason = "sorry\nround 1 of 1: 4 of 4 contributed\x1b[2J" + "x" * 10**6
    shown = told(0, reason, as_superlink=as_superlink)
    assert shown.isprintable()
    assert len(shown) < 2000


def test_a_node_is_told_by_its_number_until_it_has_a_name_and_by_that_when_it_is_gone(
    federation, grid, caplog
):
    known = Nodes(federation)
    grid.intercept = lambda message: reply_of(message, UNAVAILABLE, as_superlink=True)
    known.update(grid, timeout=1)
    assert known.shown(103) == "node 103 (no name yet)"
    assert f"node 103 (no name yet) does not say who it is: {OFF_LINE}" in caplog.text
    grid.intercept = lambda message: None
    known = Nodes(federation)
    known.update(grid, timeout=1)
    assert known.shown(103) == NAMES[3]
    del grid.nodes[103]
    known.update(grid, timeout=1)
    assert NAMES[3] not in known.contributors()
    assert known.shown(103) == NAMES[3]


def test_of_two_nodes_that_say_one_name_the_number_is_told_too(federation, grid):
    """Enrolments are public, so anybody's node can say that it is somebody."""
    grid.nodes[300] = grid.nodes[100]
    known = Nodes(federation)
    known.update(grid, timeout=1)
    shown = [known.shown(node) for node in (100, 101, 300)]
    assert shown == [f"{NAMES[0]} (node 100)", NAMES[1], f"{NAMES[0]} (node 300)"]
    del grid.nodes[300]
    known.update(grid, timeout=1)
    assert known.shown(100) == NAMES[0]


def test_a_name_that_the_federation_does_not_know_is_only_what_the_node_says(
    tmp_path, federation, grid, caplog
):
    (tmp_path / "elsewhere").mkdir()
    federation_of(tmp_path / "elsewhere", names=("a", "b", "stranger\n", "c"))
    grid.nodes[300] = client_app(tmp_path / "elsewhere"), {"name": "stranger\n", "partition-id": 0}
    known = Nodes(federation)
    known.update(grid, timeout=1)
    (line,) = [record.message for record in caplog.records if "node 300" in record.message]
    assert line.startswith(r"node 300 (no name yet) ")
    assert line.isprintable()
    assert known.shown(300) == "node 300 (no name yet)"


def test_whatever_goes_wrong_in_a_round_is_told_by_name(tmp_path, grid, caplog):
    def goes_wrong(message):
        kind, node = message.metadata.message_type, message.metadata.dst_node_id
        if (kind, node) == (TRAIN, 100):
            raise TimeoutError("gone")
        if (kind, node) in {(TRAIN, 102), (OPEN, 101)}:
            return reply_of(message, UNAVAILABLE, as_superlink=True)
        return None

    grid.intercept = goes_wrong
    secure = strategy(tmp_path)
    secure.start(grid, initial_record(), num_rounds=1)
    failures = {NAMES[0]: "TimeoutError: gone", NAMES[2]: OFF_LINE}
    assert secure.history[0].failures == failures
    for name, why in failures.items():
        assert f"round 1: {name} is left out: {why}" in caplog.text
    assert f"{NAMES[1]} did not open: {OFF_LINE}" in caplog.text
    assert not re.search(r"node \d", caplog.text)


def test_holders_that_take_long_are_told_by_name_while_they_are_awaited(
    federation, grid, caplog, monkeypatch
):
    """A holder that hangs kept the whole opening silent, for as long as the timeout is."""
    caplog.set_level(logging.INFO)
    now = 0.0

    def sleep(seconds):
        nonlocal now
        now += seconds

    clock = SimpleNamespace(monotonic=lambda: now, sleep=sleep)
    for module in (asking, opening):
        monkeypatch.setattr(module, "time", clock)
    grid.intercept = lambda message: (
        "lost"
        if message.metadata.dst_node_id == 102 and message.metadata.message_type == OPEN
        else None
    )
    known = Nodes(federation)
    holders = opening.NodeHolders(known, grid, answer_seconds=100, meter=Meter())
    assert holders.ask({name: iter([b"no request"]) for name in NAMES[1:3]}) == {}
    assert now == 100
    assert [line for line in caplog.messages if "holders" in line] == [
        f"1 of 2 holders that were asked have answered ({NAMES[1]}); waiting for {NAMES[2]}, "
        f"{left} s left"
        for left in (70, 10)
    ]
