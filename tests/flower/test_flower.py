"""Rounds through Flower's messages, in one process."""

import pytest
from flower_world import (
    assert_same,
    client_app,
    federation_of,
    grid_of,
    initial_record,
    model_of_the_loop,
)
from flwr.serverapp.strategy import FedAvg
from veilsum.integrations.flower import SecureStrategy


@pytest.fixture
def federation(tmp_path):
    return federation_of(tmp_path)


def strategy(folder, inner=None, **settings):
    inner = inner or FedAvg(min_train_nodes=3, min_available_nodes=3)
    settings = {"federation": folder / "federation.veil", "store": folder / "run"} | settings
    return SecureStrategy(inner, **({"wait_seconds": 0} | settings))


def test_rounds_give_the_model_of_the_in_process_loop(tmp_path, federation):
    secure = strategy(tmp_path)
    result = secure.start(grid_of(client_app(tmp_path)), initial_record(), num_rounds=3)
    assert_same(result.arrays, model_of_the_loop(3))
    assert [record.abandoned for record in secure.history] == [None] * 3
