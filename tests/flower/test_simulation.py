"""Throw-away parties of a simulation: found by their own user's nodes, and gone at the end."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import veilsum as vs
from flower_world import (
    INITIAL,
    NUM_NODES,
    Grid,
    client_app,
    context,
    federation_of,
    initial_record,
)
from flwr.serverapp.strategy import FedAvg
from shared_keys import shared_key
from veilsum.integrations.flower import SecureClientApp, SecureStrategy, Simulation, simulation
from veilsum.integrations.flower.simulation import usual_party
from veilsum.secure_sum import Transcript, simulated_parties


class SimulatedGrid(Grid):
    """A grid that knows its run, as Flower's do; flower_world's contexts have the same number."""

    run = SimpleNamespace(run_id=1)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where simulations keep their parties; of stored primes."""
    monkeypatch.setattr(simulation.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(simulated_parties, "generate_key", lambda *_, **__: shared_key().secret)
    for name in ("VEILSUM_PARTY", "VEILSUM_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / f"veilsum-simulations-{os.getuid()}"


def nodes(folder, number=NUM_NODES, **settings):
    """A grid with nodes that are told nothing but their partition."""
    app = client_app(folder, party=usual_party, **settings)
    return SimulatedGrid({10 + i: (app, {"partition-id": i}) for i in range(number)})


def strategy(**settings):
    wrapped = FedAvg(fraction_evaluate=0.0, min_train_nodes=2, min_available_nodes=2)
    return SecureStrategy(wrapped, **({"simulation": True} | settings))


def test_throw_away_parties_train_and_are_gone(tmp_path, place, caplog):
    grid = nodes(tmp_path, max_examples=None)
    seen = tmp_path / "seen"
    found = strategy(artefacts=seen).start(grid, initial_record(), num_rounds=2)
    assert not np.array_equal(found.arrays["bias"].numpy(), INITIAL["bias"])
    assert list(place.iterdir()) == []
    assert "SIMULATION: 4 throw-away parties" in caplog.text
    assert "SIMULATION: this node" in caplog.text
    assert "all nodes weigh alike" in caplog.text
    history = json.loads((seen / "history.json").read_text())
    assert [found["server_round"] for found in history["rounds"]] == [1, 2]
    copies = sorted((seen / "transcripts").iterdir())
    assert [path.name for path in copies] == [f"round-00000{i}.transcript" for i in (1, 2)]
    for path, found in zip(copies, history["rounds"], strict=True):
        assert (
            Transcript.from_bytes(path.read_bytes()).descriptor.round_number
            == (found["round_number"])
        )
    # Contributions are those of any federation: encrypted, and no arrays.
    assert all("arrays" not in reply.content for reply in grid.replies if reply.has_content())


def test_numbers_of_examples_weigh_if_the_simulation_is_told(tmp_path, caplog):
    given = {"max_examples": 40, "min_examples": 10}
    with pytest.raises(vs.RunEndedError, match="weight"):
        strategy(max_abandoned=1).start(nodes(tmp_path, **given), initial_record(), num_rounds=1)
    caplog.set_level("INFO")
    chosen = strategy(simulation=Simulation(weight_spread=4))
    weighted = chosen.start(nodes(tmp_path, **given), initial_record(), num_rounds=1)
    alike = strategy().start(nodes(tmp_path, max_examples=None), initial_record(), num_rounds=1)
    assert not np.array_equal(weighted.arrays["bias"].numpy(), alike.arrays["bias"].numpy())
    assert "SIMULATION: nothing of it is kept; SecureStrategy(..., artefacts=folder)" in caplog.text


def test_a_run_that_fails_leaves_no_parties(tmp_path, place):
    grid = nodes(tmp_path)

    def train_fails(message):
        if message.metadata.message_type == "train":
            raise RuntimeError

    grid.intercept = train_fails
    with pytest.raises(vs.RunEndedError):
        strategy(max_abandoned=1).start(grid, initial_record(), num_rounds=1)
    assert list(place.iterdir()) == []


def test_one_node_is_no_simulation(tmp_path):
    with pytest.raises(vs.InvalidArgumentError, match="two contributors"):
        strategy().start(nodes(tmp_path, 1), initial_record(), num_rounds=1)


@pytest.mark.parametrize("name", ["federation", "store", "identity", "federation_hash"])
def test_a_simulation_takes_no_federation(name, tmp_path):
    with pytest.raises(vs.InvalidArgumentError, match=name):
        strategy(**{name: tmp_path})


def test_no_simulation_needs_a_federation():
    with pytest.raises(TypeError, match="store, identity; or simulation=True"):
        strategy(simulation=False, federation="federation.veil")
    with pytest.raises(TypeError, match="simulation"):
        strategy(simulation=1)


def test_a_folder_of_somebody_else_is_not_believed(tmp_path, place, monkeypatch):
    place.mkdir(mode=0o755)
    place.chmod(0o755)
    with pytest.raises(vs.InvalidArgumentError, match="not this user's alone"):
        strategy().start(nodes(tmp_path), initial_record(), num_rounds=1)
    (place / "1").mkdir()
    with pytest.raises(vs.InvalidArgumentError, match="not this user's alone"):
        usual_party(context(1, **{"partition-id": 0}))
    place.chmod(0o700)
    (place / "1").chmod(0o700)
    with pytest.raises(vs.MalformedDataError, match="no simulated parties"):
        usual_party(context(1, **{"partition-id": 0}))
    monkeypatch.setattr(simulation.os, "getuid", lambda: 12345)
    assert "12345" in str(simulation._folder_of(1))
    place.rename(tmp_path / "veilsum-simulations-12345")
    with pytest.raises(vs.InvalidArgumentError, match="not this user's alone"):
        usual_party(context(1, **{"partition-id": 0}))


def test_a_node_that_is_configured_stays_who_it_is(tmp_path, place):
    federation_of(tmp_path / "real")
    simulated_parties.SimulatedParties.make(place / "1", 2, dim=8)
    place.chmod(0o700)
    (tmp_path / "words").write_text("a passphrase\n")
    given = {"veilsum-party": str(tmp_path / "real" / "party-0"), "partition-id": 0}
    given["veilsum-passphrase-file"] = str(tmp_path / "words")
    assert usual_party(context(1, **given)).folder == given["veilsum-party"]
    assert usual_party(context(1, **{"partition-id": 1})).folder == place / "1" / "party-1"
    for wrong in ({}, {"partition-id": "0"}, {"partition-id": True}):
        with pytest.raises(vs.InvalidArgumentError, match="partition-id"):
            usual_party(context(1, **wrong))
    with pytest.raises(vs.InvalidArgumentError, match="2 simulated parties"):
        usual_party(context(1, **{"partition-id": 2}))


def test_without_a_simulation_the_error_tells_of_one(tmp_path):
    with pytest.raises(vs.InvalidArgumentError, match="simulation=True"):
        usual_party(context(1, **{"partition-id": 0}))


def test_weighing_alike_is_the_default():
    assert SecureClientApp()


def test_throw_away_parties_are_dealt_for_metrics(tmp_path):
    ranges = {"loss": (0, 2)}
    grid = nodes(tmp_path, max_examples=None, metrics=ranges)
    secure = strategy(metrics=ranges)
    secure.start(grid, initial_record(), num_rounds=1)
    assert secure.history[0].metrics["loss"] == pytest.approx(0.5, abs=1e-4)
