"""Nobody trains for what cannot be sent or opened, and a run that cannot go on says so."""

import json
import logging

import numpy as np
import pytest
from flower_world import (
    INITIAL,
    NAMES,
    Died,
    assert_same,
    client_app,
    dies,
    federation_of,
    grid_of,
    initial_record,
    model_of_the_loop,
    strategy,
)
from flwr.app import Message, RecordDict
from flwr.serverapp.strategy import FedAvg
from veilsum.errors import NotEnoughSharesError, RunEndedError
from veilsum.integrations import opening
from veilsum.integrations.flower import nodes
from veilsum.integrations.flower.records import spent
from veilsum.privacy import GaussianNoise
from veilsum.secure_sum import PartyFolder

NOISE = GaussianNoise(epsilon=200.0, delta=1e-6, rounds=3, norm_bound=1.0, honest_contributors=1)


def counting_app(folder):
    """An app, and the places of the nodes at which it trained."""
    trained = []

    def count(message, context, call_next):
        trained.append(context.node_config["partition-id"])
        return call_next(message, context)

    return client_app(folder, mods=[count]), trained


def spend(folder, name, contributions):
    """Charge a party for contributions of its data to other rounds."""
    party = PartyFolder(folder / name)
    for number in range(contributions):
        party.privacy_ledger.charge(
            number.to_bytes(32, "big"),
            noise=party.federation.noise,
            codec=party.federation.codec,
            commitment=b"of another round",
        )


def start(folder, grid, num_rounds, **settings):
    secure = strategy(folder, **settings)
    return secure, secure.start(grid, initial_record(), num_rounds=num_rounds)


def test_a_spent_budget_trains_nobody_and_ends_the_run_by_name(tmp_path, caplog):
    federation_of(tmp_path, "contributors", noise=NOISE)
    app, trained = counting_app(tmp_path)
    secure = strategy(tmp_path)
    grid = grid_of(app)
    with pytest.raises(RunEndedError, match="4 of 4 contributors have spent") as caught:
        secure.start(grid, initial_record(), num_rounds=50)
    assert sorted(trained) == sorted([0, 1, 2, 3] * 3)
    assert [record.abandoned is None for record in secure.history] == [True] * 3 + [False]
    assert caught.value.history is secure.history
    # The model of the last round is not lost, and is what a start without more rounds returns.
    again, result = start(tmp_path, grid, num_rounds=4)
    for arrays in (secure.arrays, again.arrays):
        assert arrays == result.arrays
    assert not np.array_equal(result.arrays["weights"].numpy(), INITIAL["weights"])


def test_the_server_hears_of_a_budget_only_that_it_is_spent(tmp_path, caplog):
    federation_of(tmp_path, "contributors", noise=NOISE)
    spend(tmp_path, NAMES[1], 3)
    grid = grid_of(client_app(tmp_path))
    secure, _ = start(tmp_path, grid, num_rounds=1)
    (reply,) = (
        r for r in grid.replies if r.metadata.message_type == "train" and "spent" in repr(r.content)
    )
    assert reply.metadata.src_node_id == 101
    assert reply.content == RecordDict(spent())
    assert dict(reply.content["veilsum"]) == {"spent": True}
    told = [r.message for r in caplog.records if "contributes no more" in r.message]
    assert len(told) == 1
    assert "epsilon 200" in told[0]
    assert secure.history[0].contributors == (NAMES[0], *NAMES[2:])
    assert secure.history[0].failures == {
        NAMES[1]: "BudgetExhaustedError: the privacy that its party agreed on is spent"
    }


def test_a_run_goes_on_while_enough_have_a_budget(tmp_path):
    federation_of(tmp_path, "contributors", noise=NOISE)
    for name, contributions in zip(NAMES, (3, 2, 1, 0), strict=True):
        spend(tmp_path, name, contributions)
    app, trained = counting_app(tmp_path)
    secure = strategy(tmp_path, FedAvg(min_train_nodes=1, min_available_nodes=1))
    with pytest.raises(RunEndedError, match=f"3 of 4 .*{', '.join(NAMES[:3])}.*; 1 are left"):
        secure.start(grid_of(app), initial_record(), num_rounds=9)
    assert [record.contributors for record in secure.history] == [NAMES[1:], NAMES[2:], ()]
    # The one that could still contribute did, for nothing, in the round in which that was seen.
    assert sorted(trained) == [1, 2, 2, 3, 3, 3]


def says_spent(*nodes):
    def intercept(message):
        if message.metadata.message_type == "train" and message.metadata.dst_node_id in nodes:
            return Message(spent(), reply_to=message)

    return intercept


def test_whoever_lies_of_its_budget_is_left_out_as_if_it_were_silent(tmp_path):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    grid.intercept = says_spent(100, 101)
    secure, result = start(tmp_path, grid, num_rounds=2, inner=few())
    assert_same(result.arrays, model_of_the_loop(2, nodes=[2, 3]))
    grid.intercept = says_spent(100, 101, 102)  # Silent, these would have stopped it too.
    with pytest.raises(RunEndedError, match="3 of 4 contributors"):
        secure.start(grid, initial_record(), num_rounds=4)
    # Nothing of it is kept: whoever starts again asks again.
    grid.intercept = lambda message: None
    secure, _ = start(tmp_path, grid, num_rounds=5, inner=few())
    assert [record.contributors for record in secure.history] == [NAMES, NAMES]


def few():
    return FedAvg(min_train_nodes=1, min_available_nodes=1)


def test_whoever_contributes_again_is_counted_again(tmp_path):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    secure = strategy(tmp_path)
    lies = {1: says_spent(100, 101), 2: says_spent(), 3: says_spent(102, 103)}

    def intercept(message):
        if message.metadata.message_type != "train":
            return None
        number = secure._round.number
        if (message.metadata.dst_node_id, number) == (101, 3):
            return "lost"
        return lies[number](message)

    grid.intercept = intercept
    secure.start(grid, initial_record(), num_rounds=3)  # Two are left in the third round.
    assert [record.contributors for record in secure.history] == [NAMES[2:], NAMES, ()]


def test_a_stranger_that_says_so_for_others_counts_for_nothing(tmp_path):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    carry = grid._carry

    def and_lies(message):
        reply = carry(message)
        if message.metadata.message_type == "train" and message.metadata.dst_node_id == 103:
            lie = Message(spent(), reply_to=message)
            lie.metadata.__dict__["_reply_to_message_id"] = "nothing that was asked"
            lie.metadata.__dict__["_src_node_id"] = 999
            grid.lies.append(lie)
        return reply

    grid.lies, grid._carry = [], and_lies
    send = grid.send_and_receive
    grid.send_and_receive = lambda messages, **options: [*send(messages, **options), *grid.lies]
    secure, result = start(tmp_path, grid, num_rounds=1)
    assert secure._budgets.spent == frozenset()
    assert_same(result.arrays, model_of_the_loop(1))


def test_one_node_after_another_with_other_names_ends_no_run(tmp_path, monkeypatch):
    """Enrolments are public: a node that joins anew each round says of another party each time."""
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    monkeypatch.setattr(nodes, "_RETRY_SECONDS", 0)
    secure = strategy(tmp_path, few())

    def intercept(message):
        node, kind = message.metadata.dst_node_id, message.metadata.message_type
        if kind == "train" and node < 100:
            said.append(node)
            return Message(spent(), reply_to=message)
        return "lost" if kind == "train" and secure._round.number == 4 else None

    send = grid.send_and_receive

    def leaves_after_an_opening(messages, **options):
        replies = send(messages, **options)
        if any(m.metadata.message_type == "query.veilsum_open" for m in messages):
            grid.nodes.pop(said[-1], None)
            grid.nodes[said[-1] + 1] = (client_app(tmp_path), {"partition-id": said[-1] % 4})
        return replies

    said, grid.send_and_receive = [], leaves_after_an_opening
    # Of two nodes with one name, the lower number is believed.
    grid.nodes[1] = (client_app(tmp_path), {"partition-id": 0})
    grid.intercept = intercept
    secure.start(grid, initial_record(), num_rounds=4)
    assert said == [1, 2, 3, 4]
    assert [len(record.contributors) for record in secure.history] == [3, 3, 3, 0]


def test_what_was_made_before_is_sent_again_and_nothing_is_trained(tmp_path):
    federation_of(tmp_path)
    app, trained = counting_app(tmp_path)
    grid = grid_of(app)
    grid.intercept = dies("train", on=3)
    secure = strategy(tmp_path)
    with pytest.raises(Died):
        secure.start(grid, initial_record(), num_rounds=1)
    secure._round.close()  # As the end of its process does.
    assert trained == [0, 1]
    grid.intercept = lambda message: None
    _, result = start(tmp_path, grid, num_rounds=1)
    assert trained == [0, 1, 2, 3]
    assert_same(result.arrays, model_of_the_loop(1))


# ---- holders ----


def train_messages(grid):
    return [m for m in grid.sent if m.metadata.message_type == "train"]


def test_without_enough_holders_nobody_is_asked_to_train(tmp_path, caplog):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    gone = {node: grid.nodes.pop(node) for node in (101, 103)}
    secure = strategy(tmp_path, few())
    with pytest.raises(NotEnoughSharesError, match=r"^2 of 4 .*3 needed.*nobody was asked"):
        secure.start(grid, initial_record(), num_rounds=1)
    assert train_messages(grid) == []
    grid.nodes |= gone
    _, result = start(tmp_path, grid, num_rounds=1, inner=few())
    assert_same(result.arrays, model_of_the_loop(1))


def test_training_waits_for_holders(tmp_path, monkeypatch, caplog):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    late = grid.nodes.pop(101), grid.nodes.pop(103)
    monkeypatch.setattr(opening.time, "sleep", lambda _: grid.nodes.update({101: late[0]}))
    secure, _ = start(tmp_path, grid, num_rounds=1, inner=few(), wait_seconds=60)
    assert secure.history[0].contributors  # Whoever was there when the round was announced.
    assert [r.message for r in caplog.records if "holders of the key" in r.message] == [
        f"2 of 4 holders of the key are there ({NAMES[0]}, {NAMES[2]}), 3 needed; "
        f"missing: {NAMES[1]}, {NAMES[3]}; 60 s left",
        "3 of 4 holders of the key are there: enough",
    ]


# ---- what the logs say ----


def test_another_federation_is_named_on_both_sides_with_both_hashes(tmp_path, caplog):
    ours = federation_of(tmp_path)
    (tmp_path / "other").mkdir()
    theirs = federation_of(tmp_path / "other", "contributors")
    grid = grid_of(client_app(tmp_path))
    grid.nodes[103] = (client_app(tmp_path / "other"), {"partition-id": 3})
    _, result = start(tmp_path, grid, num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1, nodes=[0, 1, 2]))
    both = [f"{agreed.hash.hex()[:8]}... ({agreed.hash.hex()})" for agreed in (ours, theirs)]
    (node,) = [r.message for r in caplog.records if r.message.startswith("this node refuses")]
    (server,) = [r.message for r in caplog.records if "does not say who" in r.message]
    for line in (node, server):
        assert "another federation" in line
        assert all(name in line for name in both)
    assert "the server's is " + both[0] in node
    assert any(both[0] in r.message for r in caplog.records if "secure sums" in r.message)


def test_a_finished_store_says_that_all_rounds_are_done(tmp_path, caplog):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    start(tmp_path, grid, num_rounds=2)
    caplog.clear()
    _, result = start(tmp_path, grid, num_rounds=2)
    assert_same(result.arrays, model_of_the_loop(2))
    (line,) = [r.message for r in caplog.records if "are done" in r.message]
    run = tmp_path / "run"
    (ended,) = {r["ended"] for r in json.loads((run / "history.json").read_text())["rounds"][1:]}
    when = f"{ended[:10]} at {ended[11:16]} UTC"
    assert line == (
        f"all 2 rounds of this run are done, the last one on {when}, and no more are asked for: "
        f"nothing is trained. The model is in {run}/model.checkpoint, and is returned; the run's "
        f"history is in {run}/history.json, its transcripts in {run}. To go on, ask for more "
        "rounds than 2: their number counts those of all starts. Another run takes a new "
        "federation and a new store"
    )
    # A store of an earlier version has no history.
    (run / "history.json").unlink()
    caplog.clear()
    start(tmp_path, grid, num_rounds=2)
    assert "all 2 rounds of this run are done, and no more" in caplog.text


def test_what_a_contributor_tells_is_in_the_log_of_its_node(tmp_path, monkeypatch):
    federation_of(tmp_path)
    lines = []

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    monkeypatch.setattr(logging.getLogger("flwr"), "handlers", [handler := Handler()])

    def tells(message, context, call_next):
        logging.getLogger("veilsum.secure_sum.contributor").info("much was clipped")
        return call_next(message, context)

    try:
        start(tmp_path, grid_of(client_app(tmp_path, mods=[tells])), num_rounds=1)
    finally:
        logging.getLogger("veilsum").removeHandler(handler)
    assert lines.count("much was clipped") == len(NAMES)
    assert any(line.startswith("metrics of training stay at this node: loss") for line in lines)
