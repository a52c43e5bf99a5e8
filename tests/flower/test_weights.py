"""Nodes of very different sizes: whoever is away, the model is that of plain FedAvg."""

import numpy as np
import pytest
from flower_world import (
    INITIAL,
    NUM_NODES,
    client_app,
    federation_of,
    grid_of,
    initial_record,
    strategy,
    trained,
)
from flwr.serverapp.strategy import FedAvg
from veilsum.errors import RunEndedError

FEWEST = 3


def counts(ratio):
    return [FEWEST * ratio, FEWEST, FEWEST + (ratio > 1), FEWEST * (1 + ratio // 2)]


def app_of(folder, ratio, **settings):
    bounds = {"max_examples": FEWEST * ratio, "min_examples": FEWEST}
    return client_app(folder, num_examples=counts(ratio).__getitem__, **(bounds | settings))


def step_of_plain_averaging(ratio, nodes):
    """All floats of the model, in float64: what they move by."""
    sizes = [counts(ratio)[node] for node in nodes]
    model = [INITIAL[name].astype(np.float64) for name in ("weights", "bias")]
    steps = [[m - i for m, i in zip(trained(model, n), model, strict=True)] for n in nodes]
    mean = [np.average(entry, axis=0, weights=sizes) for entry in zip(*steps, strict=True)]
    return np.concatenate([entry.ravel() for entry in mean])


@pytest.mark.parametrize("ratio", [1, 10, 100, 1000, 20_000])
def test_the_model_is_that_of_plain_averaging_whoever_is_away(tmp_path, ratio):
    for away in (None, *range(NUM_NODES)):
        folder = tmp_path / str(away)
        federation_of(folder, "contributors", weight_spread=ratio)
        grid = grid_of(app_of(folder, ratio))
        present = [node for node in range(NUM_NODES) if node != away]
        grid.nodes = {100 + node: grid.nodes[100 + node] for node in present}
        result = strategy(folder).start(grid, initial_record(), num_rounds=1)
        step = np.concatenate(
            [
                (result.arrays[name].numpy().astype(np.float64) - INITIAL[name]).ravel()
                for name in ("weights", "bias")
            ]
        )
        expected = step_of_plain_averaging(ratio, present)
        assert np.linalg.norm(step - expected) <= 1e-3 * np.linalg.norm(expected)


def test_weights_that_were_not_dealt_for_train_nobody(tmp_path):
    federation_of(tmp_path, "contributors", weight_spread=1000)
    ran = []
    grid = grid_of(app_of(tmp_path, 1025, mods=[lambda *message: ran.append(message)]))
    secure = strategy(tmp_path)
    with pytest.raises(RunEndedError, match="deal with --weight-spread 1025"):
        secure.start(grid, initial_record(), num_rounds=30)
    assert ran == []


def test_a_node_below_the_least_is_left_out_by_name(tmp_path):
    federation_of(tmp_path, "contributors")
    sizes = [40, 40, 40, 2]
    app = client_app(tmp_path, num_examples=sizes.__getitem__, max_examples=40, min_examples=3)
    secure = strategy(tmp_path, FedAvg(min_train_nodes=3, min_available_nodes=3))
    secure.start(grid_of(app), initial_record(), num_rounds=1)
    assert secure.history[0].contributors == ("party-0", "party-1", "party-2")
    why = secure.history[0].failures["party-3"]
    assert "trained on 2 examples, fewer than min_examples=3" in why


def test_a_node_without_examples_counts_nothing(tmp_path):
    federation_of(tmp_path, "contributors")
    app = client_app(tmp_path, num_examples=[40, 40, 0, 40].__getitem__)
    secure = strategy(tmp_path)
    result = secure.start(grid_of(app), initial_record(), num_rounds=1)
    assert len(secure.history[0].contributors) == NUM_NODES
    model = [INITIAL["bias"]]
    expected = np.mean([trained([INITIAL["weights"], *model], n)[1] for n in (0, 1, 3)], axis=0)
    assert np.allclose(result.arrays["bias"].numpy(), expected, rtol=0, atol=1e-4)
