"""The round loop: the right sums, whoever fails, and a history of it."""

import dataclasses
import json
import logging

import fedavg_clients as fl
import numpy as np
import pytest
import veilsum as vs
from reference import fedavg as reference
from veilsum.fedavg.clients import Selector
from veilsum.fedavg.parameters import difference, shifted, to_model
from veilsum.sizes import contribution_size

# ---- what is computed ----


@pytest.mark.parametrize("trust", ["threshold", "authority", "contributors"])
@pytest.mark.parametrize("settings", [{}, {"fraction": 0.4, "momentum": 0.5, "server_lr": 0.8}])
def test_the_encrypted_run_is_the_clear_integer_run_bit_for_bit(trust, settings):
    clear, encrypted = fl.loop(**settings), fl.loop(trust=trust, **settings)
    clear.run(4)
    encrypted.run(4)
    assert fl.same(clear.model, encrypted.model)
    assert clear.history.accuracies == encrypted.history.accuracies


@pytest.mark.parametrize("trust", ["authority", "clear"])
def test_the_sum_is_that_of_python_integers(trust):
    members = fl.clients()
    expected = fl.zeros()
    most = max(client.num_samples for client in members)
    for _ in range(3):
        deltas = [difference(c.train(expected, 1), expected) for c in fl.clients()]
        weights = [client.num_samples / most for client in members]
        expected = reference.integer_round(
            expected, deltas, weights, clip=1.0, value_bits=16, weight_bits=3, server_lr=0.9
        )  # From 10 to 55 samples: a factor of 5.5, for which it takes three bits.
    run = fl.loop(members, trust=trust, server_lr=0.9)
    run.run(3)
    assert fl.same(run.model, expected)


def test_quantised_training_finds_what_float_training_finds():
    quantised, floats = fl.loop(), fl.loop(codec=None)
    quantised.run(15)
    floats.run(15)
    assert floats.history.accuracies[-1][1] > 0.95
    for a, b in zip(quantised.model, floats.model, strict=True):
        assert np.abs(a - b).max() < 1e-3


def test_weights_follow_the_samples_and_are_capped():
    data = [fl.LinearClient(1, num_samples=5), fl.LinearClient(2, num_samples=50)]
    deltas = [difference(c.train(fl.zeros(), 1), to_model(fl.zeros())) for c in data]
    for cap, weights in [(None, [0.1, 1]), (10, [0.5, 1]), (100, [0.05, 0.5])]:
        run = fl.loop(data, codec=None, max_samples=cap)
        run.run(1)
        mean = (weights[0] * deltas[0] + weights[1] * deltas[1]) / sum(weights)
        assert np.allclose(difference(run.model, fl.zeros()), mean)
    run = fl.loop(data, codec=None, weighting="uniform")
    run.run(1)
    assert np.allclose(difference(run.model, fl.zeros()), (deltas[0] + deltas[1]) / 2)


def test_momentum_keeps_moving():
    run = fl.loop(codec=None, momentum=0.5)
    run.run(1)
    first = difference(run.model, fl.zeros())
    plain = fl.loop(codec=None)
    plain.run(1)
    second_step = difference(
        [np.asarray(a) for a in loop_from(plain.model).model], to_model(plain.model)
    )
    run.run(1)
    assert np.allclose(difference(run.model, fl.zeros()), 1.5 * first + second_step, atol=1e-6)


def loop_from(model):
    run = vs.FedAvg(model, fl.clients(), trust="clear", fraction=1.0)
    run.run(1)
    return run


def test_local_epochs_reach_the_clients():
    members = fl.clients(3)
    fl.loop(members, local_epochs=4).run(2)
    assert [client.calls for client in members] == [[4, 4]] * 3


def test_a_client_cannot_change_the_model_it_is_given():
    class Vandal(fl.LinearClient):
        def train(self, model, epochs):
            trained = super().train(model, epochs)
            for array in model:
                array.fill(1e9)
            return trained

    run, honest = (
        fl.loop([Vandal(1), fl.LinearClient(2)]),
        fl.loop([fl.LinearClient(i) for i in (1, 2)]),
    )
    run.run(2)
    honest.run(2)
    assert fl.same(run.model, honest.model)


# ---- privacy ----


def noisy(kind, **changes):
    goal = {"epsilon": 50.0, "rounds": 2, "norm_bound": 1.0, "weighted": False}
    if kind == "gaussian":
        goal |= {"delta": 1e-5, "honest_contributors": 5}
        return vs.privacy.GaussianNoise(**(goal | changes))
    return vs.privacy.LaplaceNoise(**(goal | changes))


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
@pytest.mark.parametrize("trust", ["authority", "clear"])
def test_clients_stop_contributing_when_their_budget_is_spent(kind, trust):
    noise = noisy(kind)
    members = fl.clients()
    run = fl.loop(members, trust=trust, noise=noise, weighting="uniform", codec=fl.CODEC)
    with pytest.raises(vs.RunEndedError, match="0 of 10 clients have budget left") as ended:
        run.run(3)
    assert [client.calls for client in members] == [[1, 1]] * fl.NUM_CLIENTS
    assert ended.value.history is run.history
    first, second = run.history
    assert first.num_contributors == second.num_contributors == fl.NUM_CLIENTS
    assert first.epsilon_colluding < second.epsilon_colluding <= 50.0
    assert second.epsilon_colluding > 49.9
    assert second.epsilon_honest_server <= second.epsilon_colluding
    assert (
        second.noise_per_value
        == vs.privacy.forecast(noise, run.codec, num_contributors=fl.NUM_CLIENTS).noise_per_value
    )


def test_the_epsilons_are_those_of_the_noise():
    noise = noisy("gaussian")
    run = fl.loop(noise=noise, weighting="uniform")
    run.run(2)
    codec = noise.fit(fl.CODEC)
    last = run.history.rounds[-1]
    colluding = 2 * noise.round_cost(codec)
    honest = 2 * noise.round_cost(codec, honest_contributors=fl.NUM_CLIENTS)
    assert last.epsilon_colluding == noise.epsilon_of(colluding)
    assert last.epsilon_honest_server == noise.epsilon_of(honest)
    assert fl.loop().run(1).rounds[0].epsilon_colluding is None


def test_a_sum_that_was_opened_counts_although_no_mean_came_of_it():
    """Noise may take the sum of the weights below 0; what the sum told, it told."""
    run = fl.loop(noise=noisy("gaussian", epsilon=0.5, rounds=1000, weighted=True))
    while not any(record.abandoned for record in run.history.rounds):
        run.run(1)
    spent = [record.epsilon_honest_server for record in run.history.rounds]
    assert all(np.diff([0.0, *spent]) > 0)


def test_ledgers_may_be_durable(tmp_path):
    noise = noisy("gaussian")
    folder = tmp_path / "ledgers"
    folder.mkdir()

    def ledger_for(name):
        path = folder / name
        if path.exists():
            return vs.privacy.Ledger.open(path)
        return vs.privacy.Ledger.create(path, epsilon=noise.epsilon, delta=noise.delta)

    for _ in range(2):
        run = fl.loop(noise=noise, weighting="uniform", ledger_for=ledger_for)
        assert run.run(1)[0].num_contributors == fl.NUM_CLIENTS
    with pytest.raises(vs.RunEndedError, match="BudgetExhaustedError"):
        fl.loop(noise=noise, weighting="uniform", ledger_for=ledger_for).run(1)


def test_noise_is_in_the_model():
    runs = [fl.loop(noise=noisy("gaussian"), weighting="uniform") for _ in range(2)]
    for run in runs:
        run.run(1)
    assert not fl.same(runs[0].model, runs[1].model)


def test_swallowed_weights_abandon_the_round():
    noise = noisy("gaussian", epsilon=1e-3, weighted=True)
    abandoned = [
        fl.loop(noise=noise, weighting="samples").run(1).rounds[0].abandoned for _ in range(20)
    ]
    # Half of the sums have a negative weight, and few others a mean within the clips.
    named = [text for text in abandoned if text is not None]
    assert len(named) >= 8
    assert all("weighted=False" in text for text in named)


# ---- who is asked ----


def test_random_selection_asks_a_fraction_and_repeats_with_the_seed():
    names = [f"c{i}" for i in range(20)]
    selector = Selector(names, fraction=0.25, selection="random", seed=5)
    rounds = fl.choices(selector, 30)
    assert all(len(set(chosen)) == 5 and chosen == tuple(sorted(chosen)) for chosen in rounds)
    again = Selector(names, fraction=0.25, selection="random", seed=5)
    assert rounds == fl.choices(again, 30)
    assert len({tuple(chosen) for chosen in rounds}) > 20


@pytest.mark.parametrize(("num_clients", "fraction"), [(20, 0.25), (10, 0.3), (7, 0.99), (3, 1)])
def test_shuffled_selection_asks_everyone_equally_often(num_clients, fraction):
    names = [f"c{i}" for i in range(num_clients)]
    selector = Selector(names, fraction=fraction, selection="shuffled", seed=None)
    counts = dict.fromkeys(names, 0)
    for chosen in fl.choices(selector, 50):
        assert len(set(chosen)) == selector.num_per_round
        for name in chosen:
            counts[name] += 1
        assert max(counts.values()) - min(counts.values()) <= 1 + (num_clients % len(chosen) > 0)


# ---- the history ----


def test_the_history_tells_phases_bytes_and_accuracy():
    run = fl.loop(trust="authority", fraction=0.5, evaluate_every=2)
    history = run.run(3)
    assert [number for number, _ in history.accuracies] == [2, 3]
    assert history.rounds_to(0.0) == 2
    assert history.rounds_to(1.1) is None
    for wrong in ("x", None, True):
        with pytest.raises(TypeError, match="accuracy must be a number"):
            history.rounds_to(wrong)
    assert set(history.seconds) == {"train", "encrypt", "add", "open", "step", "evaluate"}
    assert all(seconds > 0 for seconds in history.seconds.values())
    size = contribution_size(fl.CODEC, 2048, is_shared=False)
    assert size.num_bytes < history.num_bytes["contributions"] / 15 < size.num_bytes + 2000
    assert history.num_bytes["broadcast"] > 15 * (4 * 4 + 2 * 8)
    restored = json.loads(history.to_json())
    assert len(restored["rounds"]) == 3
    assert restored["rounds"][0]["accuracy"] is None
    assert restored["rounds"][2]["num_contributors"] == 5


def test_rounds_are_logged_without_values(caplog):
    with caplog.at_level(logging.INFO, logger="veilsum"):
        fl.loop(trust="authority").run(1)
    line = next(m for m in caplog.messages if m.startswith("round 1"))
    assert "10 of 10 contributed" in line


def test_progress_shows_a_bar_and_leaves_stdout_alone(capfd):
    pytest.importorskip("rich")
    fl.loop(progress=True).run(2)
    assert capfd.readouterr().out == ""


def test_progress_shows_in_a_notebook_and_not_in_a_file(monkeypatch, capfd):
    console = pytest.importorskip("rich.console")
    progress = pytest.importorskip("rich.progress")
    shown = []
    monkeypatch.setattr(progress.Progress, "start", lambda bar: shown.append(bar.disable))
    fl.loop(progress=True).run(1)
    original = console.Console.__init__

    def in_a_notebook(self, **options):
        original(self, **options)
        self.is_jupyter = True

    monkeypatch.setattr(console.Console, "__init__", in_a_notebook)
    fl.loop(progress=True).run(1)
    assert capfd.readouterr().out == ""
    assert shown == [True, False]


# ---- arguments ----


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codec": None, "trust": "authority"}, r"veilsum\.Codec\(6, clip"),
        ({"codec": vs.Codec(7, clip=1.0, value_bits=8, max_addends=10)}, "the model has 6"),
        ({"codec": dataclasses.replace(fl.CODEC, max_addends=9)}, "max_addends=10"),
        ({"trust": "nobody"}, "'clear'"),
        ({"fraction": 0}, "fraction"),
        ({"fraction": 1.5}, "fraction"),
        ({"selection": "first"}, "'shuffled'"),
        ({"weighting": "equal"}, "'uniform'"),
        ({"momentum": 1.0}, "momentum"),
        ({"min_contributors": 11}, "larger fraction"),
        ({"trust": "contributors", "min_contributors": 1}, "at least 2: an encrypted sum of fewer"),
        (
            {"trust": "threshold", "fraction": 0.1},
            r"fraction=0\.1 of 10 clients asks 1.*larger fraction",
        ),
        ({"trust": "authority", "key": fl.loop_key("threshold")}, "one secret key"),
        ({"local_epochs": 0}, "local_epochs"),
        ({"max_samples": 0}, "max_samples"),
        ({"noise": noisy("gaussian")}, "weighting='uniform'"),
        (
            {"noise": noisy("gaussian", honest_contributors=11), "weighting": "uniform"},
            "counts on 11 honest",
        ),
        ({"noise": noisy("laplace"), "codec": None, "weighting": "uniform"}, "need a codec"),
    ],
)
def test_settings_that_cannot_work_say_what_to_do(changes, message):
    with pytest.raises(vs.InvalidArgumentError, match=message):
        fl.loop(**changes)


def test_models_that_cannot_be_averaged_are_refused():
    for initial, error in [
        (np.zeros(3), TypeError),
        ([np.zeros(3, int)], TypeError),
        ([np.zeros(3), np.zeros(2, complex)], TypeError),
        ([], vs.InvalidArgumentError),
        ([np.zeros(0)], vs.InvalidArgumentError),
        ([np.array([np.nan])], vs.InvalidArgumentError),
    ]:
        with pytest.raises(error):
            vs.FedAvg(initial, fl.clients(), trust="clear")
    with pytest.raises(vs.InvalidArgumentError, match="no clients"):
        vs.FedAvg(fl.zeros(), [], trust="clear")


def test_models_keep_their_shapes_and_dtypes():
    start = to_model([np.ones((2, 3), np.float16), np.zeros((), np.float64), np.zeros(4, ">f4")])
    moved = shifted(start, np.arange(11, dtype=float))
    assert [a.shape for a in moved] == [(2, 3), (), (4,)]
    assert [a.dtype for a in moved] == [a.dtype for a in start]
    assert moved[0][1, 2] == 6
    assert difference(moved, start).tolist() == list(range(11))
