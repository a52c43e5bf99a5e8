"""Metrics that are summed under encryption: the server has their means, and no node's own."""

import logging

import numpy as np
import pytest
from flower_world import (
    DIM,
    INITIAL,
    MAX_EXAMPLES,
    NAMES,
    NUM_NODES,
    Died,
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
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from veilsum.errors import InvalidArgumentError, ProtocolError, RunEndedError
from veilsum.integrations.flower import SecureStrategy
from veilsum.integrations.summed_metrics import SummedMetrics
from veilsum.privacy import GaussianNoise

RANGES = {"train_loss": (0, 5), "accuracy": (0, 1)}
LOSSES = {"train_loss": [0.25, 5.0, 1.5, 0.0], "accuracy": [1.0, 0.5, 0.125, 0.75]}


def app_of(folder, metrics=RANGES, returned=None, **settings):
    """An app that returns these metrics, by partition, besides a trained model."""
    returned = returned or LOSSES
    made = client_app(folder, metrics=metrics, **settings)
    app = type(made)(
        max_examples=MAX_EXAMPLES, party=made._mods[0]._party, metrics=metrics, **settings
    )

    @app.train()
    def train(message, context):
        node = context.node_config["partition-id"]
        arrays = message.content["arrays"]
        model = trained(arrays.to_numpy_ndarrays(), node)
        metrics = {name: values[node] for name, values in returned.items()}
        metrics = {name: value for name, value in metrics.items() if value is not None}
        content = {
            "arrays": ArrayRecord(dict(zip(arrays, map(Array, model), strict=True))),
            "metrics": MetricRecord({"num-examples": num_examples(node), "own": 9.5} | metrics),
        }
        return Message(RecordDict(content), reply_to=message)

    return app


def means(nodes=range(NUM_NODES), values=LOSSES):
    weights = [num_examples(node) for node in nodes]
    return {
        name: np.average([given[node] for node in nodes], weights=weights)
        for name, given in values.items()
    }


def assert_means(found, expected, federation, nodes=range(NUM_NODES)):
    weight = sum(num_examples(node) for node in nodes) / MAX_EXAMPLES
    bounds = SummedMetrics(RANGES).rounding_error(
        federation.codec, weight=weight, num_addends=len(nodes)
    )
    for name, value in expected.items():
        assert abs(found[name] - value) <= bounds[name] < 1e-3


def test_means_of_metrics_arrive_with_the_model_of_the_loop(tmp_path, caplog):
    caplog.set_level(logging.INFO, "flwr")
    federation = federation_of(tmp_path, dim=DIM + 2)
    grid = grid_of(app_of(tmp_path))
    secure = strategy(tmp_path, metrics=RANGES)
    result = secure.start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1))
    (record,) = secure.history
    assert_means(record.metrics, means(), federation)
    assert dict(result.train_metrics_clientapp[1]) == {"num-contributors": 4} | record.metrics
    assert "metrics summed under encryption, if all 4 contribute: accuracy in [0, 1]" in caplog.text
    assert "metrics of training stay at this node: own." in caplog.text
    # What reaches the server is what it is without metrics: frames alone.
    assert all(set(reply.content) == {"veilsum"} for reply in grid.replies)


def test_a_restart_within_the_opening_gives_the_same_means(tmp_path):
    federation = federation_of(tmp_path, "contributors", dim=DIM + 2)
    grid = grid_of(app_of(tmp_path))
    grid.intercept = dies("query.veilsum_open")
    with pytest.raises(Died):
        strategy(tmp_path, metrics=RANGES).start(grid, initial_record(), num_rounds=1)
    grid.intercept = lambda message: None
    other = strategy(tmp_path, metrics=RANGES | {"accuracy": (0, 2)})
    with pytest.raises(ProtocolError, match="or with other metrics, ranges or metrics_share"):
        other.start(grid, initial_record(), num_rounds=1)
    secure = strategy(tmp_path, metrics=RANGES)
    result = secure.start(grid, initial_record(), num_rounds=1)
    assert_same(result.arrays, model_of_the_loop(1))
    assert_means(secure.history[0].metrics, means(), federation)


@pytest.mark.parametrize(
    ("of_nodes", "of_server", "words"),
    [
        (RANGES, RANGES | {"train_loss": (0, 50)}, "other metrics, ranges or share than this node"),
        (RANGES, {}, "the server none"),
        ({}, RANGES, "which declares no metrics"),
        (RANGES, {"train_loss": (0, 5), "loss": (0, 1)}, "other metrics, ranges or share"),
    ],
    ids=["range", "none at the server", "none at nodes", "name"],
)
def test_nodes_refuse_what_they_did_not_declare_before_they_train(
    tmp_path, of_nodes, of_server, words
):
    federation_of(tmp_path, dim=DIM + len(of_server))
    ran = []
    app = app_of(tmp_path, of_nodes, mods=[lambda *message: ran.append(message)])
    secure = strategy(tmp_path, metrics=of_server, max_abandoned=1)
    with pytest.raises(RunEndedError, match=words):
        secure.start(grid_of(app), initial_record(), num_rounds=1)
    assert ran == []
    assert secure.history[0].metrics == {}


@pytest.mark.parametrize("is_bound", [True, False])
def test_a_server_cannot_have_one_node_use_other_ranges(tmp_path, monkeypatch, is_bound):
    """One node's app was given a range ten times as wide: off, the mean is wrong in silence."""
    if not is_bound:
        monkeypatch.setattr(SummedMetrics, "bind", lambda self, model_hash: model_hash)
    federation = federation_of(tmp_path, "contributors", dim=DIM + 2)
    grid = grid_of(app_of(tmp_path))
    wide = app_of(tmp_path, RANGES | {"train_loss": (0, 50)})
    grid.nodes[101] = (wide, {"partition-id": 1})
    secure = strategy(tmp_path, metrics=RANGES)
    secure.start(grid, initial_record(), num_rounds=1)
    (record,) = secure.history
    if is_bound:
        assert "other metrics, ranges or share" in record.failures[NAMES[1]]
        assert_means(record.metrics, means([0, 2, 3]), federation, [0, 2, 3])
    else:
        assert record.contributors == NAMES
        assert record.metrics["train_loss"] < means()["train_loss"] - 0.5


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "no metric 'train_loss'"),
        ([0.5, 0.25], "TypeError; the log of this node"),
    ],
    ids=["missing", "list"],
)
def test_a_node_without_a_number_is_left_out_and_the_others_are_not(tmp_path, value, words):
    federation = federation_of(tmp_path, "contributors", dim=DIM + 2)
    returned = LOSSES | {"train_loss": [0.25, value, 1.5, 0.0]}
    secure = strategy(tmp_path, metrics=RANGES)
    secure.start(grid_of(app_of(tmp_path, returned=returned)), initial_record(), num_rounds=1)
    (record,) = secure.history
    assert words in record.failures[NAMES[1]]
    assert_means(record.metrics, means([0, 2, 3]), federation, [0, 2, 3])


def test_what_is_out_of_range_counts_as_its_end_and_the_node_says_so(tmp_path, caplog):
    federation = federation_of(tmp_path, "contributors", dim=DIM + 2)
    returned = LOSSES | {"train_loss": [0.25, 81.5, 1.5, 0.0]}
    secure = strategy(tmp_path, metrics=RANGES)
    secure.start(grid_of(app_of(tmp_path, returned=returned)), initial_record(), num_rounds=1)
    assert_means(secure.history[0].metrics, means(), federation)
    assert "the metric train_loss is 81.5, outside of its declared range" in caplog.text


def test_with_noise_an_update_that_is_too_long_leaves_the_metrics_alone(tmp_path):
    noise = GaussianNoise(epsilon=1e5, delta=1e-5, rounds=1, norm_bound=0.25, honest_contributors=1)
    federation = federation_of(tmp_path, "contributors", dim=DIM + 2, noise=noise)
    secure = strategy(tmp_path, metrics=RANGES, metrics_share=0.5)
    result = secure.start(
        grid_of(app_of(tmp_path, metrics_share=0.5)), initial_record(), num_rounds=1
    )
    metrics = SummedMetrics(RANGES, share=0.5)
    weight = sum(map(num_examples, range(NUM_NODES))) / MAX_EXAMPLES
    rounding = metrics.rounding_error(federation.codec, weight=weight, num_addends=4)
    deviation = metrics.noise_error(federation.codec, noise, num_contributors=4)
    for name, expected in means().items():
        # Eight deviations; the weights sum to less than 4.
        allowed = rounding[name] + 8 * deviation[name] * 4 / weight
        assert allowed < 0.2 * RANGES[name][1]
        assert abs(secure.history[0].metrics[name] - expected) <= allowed
    moved = result.arrays["bias"].numpy() - INITIAL["bias"]
    assert np.linalg.norm(moved) < 0.25


def test_a_federation_is_dealt_for_the_metrics_too(tmp_path):
    federation_of(tmp_path)
    with pytest.raises(InvalidArgumentError, match=r"8 values to sum and 2 metrics .* --dim 10"):
        strategy(tmp_path, metrics=RANGES).start(grid_of(app_of(tmp_path)), initial_record())
    with pytest.raises(InvalidArgumentError, match="num-contributors"):
        strategy(tmp_path, metrics={"num-contributors": (0, 4)})
    with pytest.raises(TypeError, match="its range, as in"):
        SecureStrategy(strategy(tmp_path)._strategy, metrics=["accuracy"], simulation=True)
