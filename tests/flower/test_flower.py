"""Rounds through Flower's messages, in one process."""

import datetime

import numpy as np
import pytest
from flower_world import (
    AGGREGATOR,
    DEALER,
    INITIAL,
    NAMES,
    Died,
    Grid,
    assert_same,
    client_app,
    dies,
    federation_of,
    grid_of,
    initial_record,
    model_of_the_loop,
    num_examples,
    strategy,
    trained,
)
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import (
    DifferentialPrivacyServerSideFixedClipping,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedMedian,
    FedProx,
    FedYogi,
    Krum,
)
from veilsum.errors import (
    InvalidArgumentError,
    NotEnoughSharesError,
    PolicyRefusedError,
    ProtocolError,
    RunEndedError,
    StoreInUseError,
)
from veilsum.identity import Role
from veilsum.integrations import opening
from veilsum.integrations.flower import SecureStrategy, nodes
from veilsum.privacy import GaussianNoise
from veilsum.secure_sum import PartyFolder, RunName


@pytest.fixture
def federation(tmp_path):
    return federation_of(tmp_path)


@pytest.fixture
def grid(tmp_path, federation):
    return grid_of(client_app(tmp_path))


def sent_to(grid, kind):
    """The nodes that were sent messages of a kind, in order."""
    return [m.metadata.dst_node_id for m in grid.sent if m.metadata.message_type == kind]


def fails(kind, *nodes):
    """These nodes do not answer messages of this kind."""

    def intercept(message):
        if message.metadata.message_type == kind and message.metadata.dst_node_id in nodes:
            raise TimeoutError("gone")

    return intercept


def test_rounds_give_the_model_of_the_in_process_loop(tmp_path, grid):
    secure = strategy(tmp_path)
    result = secure.start(grid, initial_record(), num_rounds=2)
    assert_same(result.arrays, model_of_the_loop(2))
    assert [record.contributors for record in secure.history] == [NAMES, NAMES]
    assert [record.server_round for record in secure.history] == [1, 2]
    first = secure.history[0]
    assert set(first.seconds) == {"train", "add", "open", "step"}
    assert set(first.num_bytes) == {"contributions", "requests", "openings"}
    assert len(first.transcript_hash) == 64
    assert result.train_metrics_clientapp[2]["num-contributors"] == 4


def test_what_reaches_the_server_is_frames_and_nothing_else(tmp_path, grid):
    strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    kinds = {reply.metadata.message_type for reply in grid.replies}
    assert kinds == {"train", "query.veilsum_enrol", "query.veilsum_open"}
    for reply in grid.replies:
        assert set(reply.content) == {"veilsum"}
        record = reply.content["veilsum"]
        assert isinstance(record, ArrayRecord)
        assert list(record) == [str(i) for i in range(len(record))]
        for array in record.values():
            assert (array.dtype, array.stype) == ("uint8", "veilsum/frames/1")
            assert array.shape == (len(array.data),)
            assert array.data.startswith(b"VEIL") or array.data[:4].isalpha()


@pytest.mark.parametrize("trust", ["authority", "contributors"])
def test_one_key_in_one_hand_gives_the_same_model(tmp_path, trust):
    federation_of(tmp_path, trust)
    others = ["authority"] if trust == "authority" else []
    grid = grid_of(client_app(tmp_path), others=others)
    result = strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1))
    assert len(sent_to(grid, "query.veilsum_open")) == 1
    assert sorted(sent_to(grid, "train")) == [100, 101, 102, 103]


def test_a_contributor_that_is_gone_is_not_in_the_sum(tmp_path, grid):
    grid.intercept = fails("train", 102)
    secure = strategy(tmp_path)
    result = secure.start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1, nodes=[0, 1, 3]))
    assert list(secure.history[0].failures) == [NAMES[2]]


def test_a_holder_that_is_gone_is_made_up_for(tmp_path, grid):
    grid.intercept = fails("query.veilsum_open", 102)
    result = strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1))


def test_too_few_contributors_leave_the_model_and_the_run_goes_on(tmp_path, grid):
    grid.intercept = fails("train", 100, 101, 102)
    secure = strategy(tmp_path)
    result = secure.start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, [a for a in INITIAL.values() if a.dtype.kind == "f"])
    assert "1 contributions arrived" in secure.history[0].abandoned
    grid.intercept = lambda message: None
    result = secure.start(grid, initial_record(), num_rounds=2)
    assert_same(result.arrays, model_of_the_loop(1))
    assert [record.round_number for record in secure.history] == [1, 2]


def rounds_of(folder, role):
    party = PartyFolder(folder)
    return list(party.rounds(role).answered(RunName.of(party.federation)))


def test_too_few_holders_stop_the_run_until_they_are_back(tmp_path, grid):
    grid.intercept = fails("query.veilsum_open", 101, 102)
    with pytest.raises(NotEnoughSharesError, match="same store"):
        strategy(tmp_path).start(grid, initial_record(), num_rounds=2)
    grid.intercept, grid.sent = lambda message: None, []
    result = strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1))
    assert sent_to(grid, "train") == []
    answered = [rounds_of(tmp_path / name, Role.HOLDER) for name in NAMES]
    assert sorted(answered) == [[], [1], [1], [1]]
    assert [rounds_of(tmp_path / name, Role.CONTRIBUTOR) for name in NAMES] == [[1]] * 4


def test_nodes_go_on_with_what_their_dealer_renews(tmp_path, grid):
    """Nobody types anything at a node: the server has the new file, and sends it."""
    first = strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    old = PartyFolder(tmp_path / NAMES[0]).federation
    new = old.renewed(last_day=datetime.date(2999, 1, 1))
    (tmp_path / "federation.veil").write_bytes(new.signed_by(DEALER))
    again = strategy(tmp_path, store=tmp_path / "second")
    assert_same(again.start(grid, initial_record(), num_rounds=1).arrays, model_of_the_loop(1))
    assert_same(first.arrays, model_of_the_loop(1))
    assert [PartyFolder(tmp_path / name).federation for name in NAMES] == [new] * len(NAMES)


def openers_asked(grid):
    return [NAMES[node - 100] for node in sent_to(grid, "query.veilsum_open")]


def test_an_opener_that_does_not_open_is_followed_by_another_in_the_next_round(tmp_path):
    federation_of(tmp_path, "contributors")
    grid = grid_of(client_app(tmp_path))
    failed = set()

    def first_one_fails(message):
        node = message.metadata.dst_node_id
        if message.metadata.message_type == "query.veilsum_open" and failed <= {node}:
            failed.add(node)
            raise TimeoutError("gone")

    grid.intercept = first_one_fails
    secure = strategy(tmp_path)
    result = secure.start(grid, initial_record(), num_rounds=2)
    assert_same(result.arrays, model_of_the_loop(1))
    first, second = dict.fromkeys(openers_asked(grid))
    abandoned, opened = secure.history
    assert f"0 of 1 holders of the key are there, 1 needed; missing: {first}" in abandoned.abandoned
    assert opened.abandoned is None
    assert opened.contributors == NAMES
    assert rounds_of(tmp_path / first, Role.HOLDER) == []
    assert rounds_of(tmp_path / second, Role.HOLDER) == [2]


def test_large_rounds_are_opened_by_several_messages(tmp_path):
    dim = 400
    federation_of(tmp_path, dim=dim)
    initial = {"w": np.zeros(dim, np.float32)}
    grid = grid_of(client_app(tmp_path))
    record = initial_record(initial)
    strategy(tmp_path, max_message_bytes=1).start(grid, record, num_rounds=1)
    whole = PartyFolder(tmp_path / NAMES[0]).federation
    assert whole.num_chunks > 2
    # What everybody sent goes to three holders once; then each opens all that it has checked.
    assert len(sent_to(grid, "query.veilsum_open")) == 3 * whole.num_chunks + len(NAMES)


def test_a_node_that_the_federation_does_not_know_is_asked_for_nothing(tmp_path, grid):
    (tmp_path / "elsewhere").mkdir()
    federation_of(tmp_path / "elsewhere", names=("a", "b", "stranger", "c"))
    app = client_app(tmp_path / "elsewhere")
    grid.nodes[300] = (app, {"partition-id": 0, "name": "stranger"})
    result = strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1))
    assert 300 in sent_to(grid, "query.veilsum_enrol")
    assert 300 not in sent_to(grid, "train") + sent_to(grid, "query.veilsum_open")


def test_a_run_goes_on_after_its_last_round(tmp_path, grid):
    strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    again = strategy(tmp_path)
    evaluated = []
    result = again.start(
        grid, initial_record(), num_rounds=2, evaluate_fn=lambda n, arrays: evaluated.append(n)
    )
    assert_same(result.arrays, model_of_the_loop(2))
    assert [record.round_number for record in again.history] == [2]
    assert evaluated == [1, 2]
    assert list(result.train_metrics_clientapp) == [2]
    done = strategy(tmp_path).start(grid, initial_record(), num_rounds=2)
    assert_same(done.arrays, model_of_the_loop(2))


def test_a_round_that_was_being_opened_is_opened_once(tmp_path, grid):
    grid.intercept = dies("query.veilsum_open", on=2)
    with pytest.raises(Died):
        strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    grid.intercept, grid.sent = lambda message: None, []
    secure = strategy(tmp_path)
    result = secure.start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1))
    assert sent_to(grid, "train") == []
    assert secure.history[0].contributors == NAMES


def test_contributions_that_were_lost_are_sent_again_as_they_were(tmp_path, grid):
    grid.intercept = dies("train", on=3)
    secure = strategy(tmp_path)
    with pytest.raises(Died):
        secure.start(grid, initial_record(), num_rounds=1)
    secure._round.close()  # As the end of its process does.
    lost = {r.metadata.src_node_id: r for r in grid.replies if r.metadata.message_type == "train"}
    grid.intercept, grid.replies = lambda message: None, []
    secure = strategy(tmp_path)
    result = secure.start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1))
    assert secure.history[0].contributors == NAMES
    again = {r.metadata.src_node_id: r for r in grid.replies if r.metadata.message_type == "train"}
    assert sorted(lost) == [100, 101]
    assert all(again[node].content == lost[node].content for node in lost)


def test_two_server_apps_do_not_share_a_store(tmp_path, grid):
    grid.intercept = dies("train")
    alive = strategy(tmp_path)
    with pytest.raises(Died):
        alive.start(grid, initial_record(), num_rounds=1)
    grid.intercept = lambda message: None
    with pytest.raises(StoreInUseError):
        strategy(tmp_path).start(grid, initial_record(), num_rounds=1)


def test_a_server_app_that_waited_for_another_goes_on_where_that_ended(tmp_path, grid):
    first, second = strategy(tmp_path), strategy(tmp_path)
    first.start(grid, initial_record(), num_rounds=2)
    result = second.start(grid, initial_record(), num_rounds=3)
    assert_same(result.arrays, model_of_the_loop(3))
    assert [record.round_number for record in second.history] == [3]
    # And the first one goes on after the second.
    result = first.start(grid, initial_record(), num_rounds=4)
    assert_same(result.arrays, model_of_the_loop(4))
    assert [record.round_number for record in first.history] == [1, 2, 4]
    assert len(sent_to(grid, "train")) == 4 * len(NAMES)


def test_between_two_rounds_a_store_is_in_use_as_well(tmp_path, grid):
    second = strategy(tmp_path)

    def evaluate(number, arrays):
        with pytest.raises(StoreInUseError, match="one aggregator at a time"):
            second.start(grid, initial_record(), num_rounds=1)

    strategy(tmp_path).start(grid, initial_record(), num_rounds=1, evaluate_fn=evaluate)
    second.start(grid, initial_record(), num_rounds=2)
    assert [record.round_number for record in second.history] == [2]


def test_budgets_count_each_contribution_once_across_restarts(tmp_path):
    noise = GaussianNoise(
        epsilon=200.0, delta=1e-6, rounds=3, norm_bound=1.0, honest_contributors=1
    )
    federation_of(tmp_path, "contributors", noise=noise)
    grid = grid_of(client_app(tmp_path))
    grid.intercept = dies("query.veilsum_open")
    with pytest.raises(Died):
        strategy(tmp_path).start(grid, initial_record(), num_rounds=3)
    grid.intercept = lambda message: None
    strategy(tmp_path).start(grid, initial_record(), num_rounds=3)
    ledger = PartyFolder(tmp_path / NAMES[0]).privacy_ledger
    assert ledger.spent.num_contributions == 3
    # The budget was for three rounds: a fourth is refused, and the run says so.
    secure = strategy(tmp_path)
    with pytest.raises(RunEndedError, match="have spent the privacy"):
        secure.start(grid, initial_record(), num_rounds=4)
    assert all("BudgetExhausted" in why for why in secure.history[0].failures.values())
    assert secure.history[0].abandoned
    assert ledger.spent.num_contributions == 3


INNER = {
    "FedAvg": FedAvg,
    "FedProx": lambda **k: FedProx(proximal_mu=0.5, **k),
    "FedAvgM": lambda **k: FedAvgM(server_momentum=0.9, server_learning_rate=0.7, **k),
    "FedAdam": lambda **k: FedAdam(tau=0.1, **k),
    "FedYogi": lambda **k: FedYogi(tau=0.1, **k),
}


def plain_model(name, num_rounds):
    """What the strategy makes of the nodes' own models, unencrypted and weighted alike."""
    nobody = Grid({100 + i: (None, {}) for i in range(4)})
    inner, arrays = INNER[name](), initial_record()
    for number in range(1, num_rounds + 1):
        asked = list(inner.configure_train(number, arrays, ConfigRecord(), nobody))
        model = arrays.to_numpy_ndarrays()
        replies = []
        for message in asked:
            node = message.metadata.dst_node_id - 100
            named = dict(zip(INITIAL, trained(model, node), strict=True))
            weight = MetricRecord({"num-examples": num_examples(node)})
            content = RecordDict({"arrays": initial_record(named), "metrics": weight})
            replies.append(Message(content, reply_to=message))
        arrays, _ = inner.aggregate_train(number, replies)
        # Flower makes floats of counters, and of float32 where an optimiser's step is a float64.
        same_types = {n: arrays[n].numpy().astype(array.dtype) for n, array in INITIAL.items()}
        arrays = initial_record(same_types | {"steps": INITIAL["steps"]})
    return arrays


@pytest.mark.parametrize("name", INNER)
def test_server_optimisers_step_as_without_encryption_and_across_restarts(tmp_path, name):
    federation_of(tmp_path, "contributors")
    grid = grid_of(client_app(tmp_path))
    all_nodes = {"min_train_nodes": 4, "min_available_nodes": 4}
    for num_rounds in (1, 3):  # The second goes on with the moments of the first.
        secure = strategy(tmp_path, INNER[name](**all_nodes))
        result = secure.start(grid, initial_record(), num_rounds=num_rounds)
    expected = plain_model(name, 3)
    for entry in ("weights", "bias"):
        array = result.arrays[entry].numpy()
        assert array.dtype == INITIAL[entry].dtype
        assert np.allclose(array, expected[entry].numpy(), atol=2e-4)
    assert np.array_equal(result.arrays["steps"].numpy(), INITIAL["steps"])


@pytest.mark.parametrize(
    "inner",
    [FedMedian(), Krum(), DifferentialPrivacyServerSideFixedClipping(FedAvg(), 1.0, 1.0, 2)],
)
def test_strategies_that_need_single_updates_are_refused(tmp_path, federation, inner):
    with pytest.raises(InvalidArgumentError, match="sums alone"):
        strategy(tmp_path, inner)


def test_a_store_belongs_to_one_federation_and_one_model(tmp_path, grid):
    strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    other = initial_record({"w": np.zeros(8, np.float32)})
    with pytest.raises(InvalidArgumentError, match="another model"):
        strategy(tmp_path).start(grid, other, num_rounds=2)
    (tmp_path / "other").mkdir()
    federation_of(tmp_path / "other", "contributors")
    with pytest.raises(ProtocolError, match="another federation"):
        SecureStrategy(
            FedAvg(),
            federation=tmp_path / "other/federation.veil",
            store=tmp_path / "run",
            identity=AGGREGATOR,
        )


def test_the_federation_file_can_be_pinned(tmp_path, federation):
    strategy(tmp_path, federation_hash=federation.hash.hex())
    with pytest.raises(PolicyRefusedError):
        strategy(tmp_path, federation_hash="00" * 32)


def test_a_model_of_another_size_is_refused_before_anything_is_sent(tmp_path, grid):
    with pytest.raises(InvalidArgumentError, match="--dim 9"):
        strategy(tmp_path).start(grid, initial_record({"w": np.zeros(9)}), num_rounds=1)
    assert grid.sent == []


def test_evaluation_is_off_unless_both_sides_ask_for_it(tmp_path, grid):
    strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    assert sent_to(grid, "evaluate") == []
    strategy(tmp_path, evaluate=True).start(grid, initial_record(), num_rounds=2)
    replies = [r for r in grid.replies if r.metadata.message_type == "evaluate"]
    assert len(replies) == 4
    assert all("evaluation_metrics" in reply.error.reason for reply in replies)


def test_only_named_metrics_of_an_evaluation_leave_the_node(tmp_path, federation):
    named = {"evaluation_metrics": ["num-examples", "accuracy"]}
    grid = grid_of(client_app(tmp_path, **named))
    secure = strategy(tmp_path, evaluate=True)
    result = secure.start(grid, initial_record(), num_rounds=1)
    assert dict(result.evaluate_metrics_clientapp[1]) == {"accuracy": 0.75}
    for reply in grid.replies:
        if reply.metadata.message_type == "evaluate":
            assert dict(reply.content) == {"metrics": {"num-examples": 5, "accuracy": 0.75}}


def test_a_node_that_does_not_say_who_it_is_is_asked_again_later(tmp_path, monkeypatch, grid):
    grid.intercept = fails("query.veilsum_enrol", 103)
    secure = strategy(tmp_path)
    secure.start(grid, initial_record(), num_rounds=1)
    assert sent_to(grid, "query.veilsum_enrol").count(103) == 1
    assert secure.history[0].contributors == NAMES[:3]
    grid.intercept = lambda message: None
    monkeypatch.setattr(nodes, "_RETRY_SECONDS", 0)
    secure.start(grid, initial_record(), num_rounds=2)
    assert secure.history[1].contributors == NAMES


def test_an_opening_waits_for_holders(tmp_path, monkeypatch, grid):
    monkeypatch.setattr(opening, "_FIRST_PAUSE_SECONDS", 0)
    count = 0

    def intercept(message):
        nonlocal count
        if message.metadata.message_type == "query.veilsum_open":
            count += 1
            if count <= 3:
                raise TimeoutError("gone")

    grid.intercept = intercept
    secure = strategy(tmp_path, wait_seconds=60)
    result = secure.start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1))
