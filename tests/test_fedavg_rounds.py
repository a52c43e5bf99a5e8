"""A round is one transaction: whatever stops it, the run is between two whole rounds."""

import json
import math

import fedavg_clients as fl
import numpy as np
import pytest
import veilsum as vs
from veilsum.fedavg import training
from veilsum.privacy import Ledger
from veilsum.secure_sum import Aggregator

TRUSTS = ["threshold", "authority", "contributors", "clear"]


class InterruptedClient(fl.LinearClient):
    """Is stopped by the user in some of its turns, counted from 1."""

    def __init__(self, seed, turns):
        super().__init__(seed)
        self._turns = set(turns)
        self._num_turns = 0

    def train(self, model, epochs):
        self._num_turns += 1
        if self._num_turns in self._turns:
            raise KeyboardInterrupt
        return super().train(model, epochs)


def members(*turns):
    return [fl.LinearClient(0), fl.LinearClient(1), InterruptedClient(2, turns), fl.LinearClient(3)]


def finished(loop, rounds):
    """Goes on until so many rounds have ended, however often it is stopped."""
    num_stops = 0
    while len(loop.history) < rounds:
        try:
            loop.run(rounds - len(loop.history))
        except (KeyboardInterrupt, RuntimeError):
            num_stops += 1
    return num_stops


@pytest.mark.parametrize("trust", TRUSTS)
def test_who_interrupts_and_goes_on_gets_the_model_of_an_unbroken_run(trust):
    settings = {"trust": trust, "momentum": 0.5, "fraction": 0.75}
    unbroken = fl.loop(members(), **settings)
    unbroken.run(5)
    broken = fl.loop(members(1, 2, 4), **settings)
    assert finished(broken, 5) == 3
    assert fl.same(broken.model, unbroken.model)
    assert broken.history.accuracies != []
    numbers = [record.round_number for record in broken.history]
    # Contributors refuse a number that they have answered, so none is used again.
    assert sorted([*numbers, *broken.history.interrupted]) == list(range(1, 9))
    assert all(record.abandoned is None for record in broken.history)
    assert not any(record.failures for record in broken.history)


@pytest.mark.parametrize("trust", TRUSTS)
def test_an_error_of_evaluate_comes_after_the_round_is_over(trust):
    calls = []

    def evaluate(model):
        calls.append(None)
        if len(calls) == 2:
            raise RuntimeError("evaluate failed once")
        return fl.error(model)

    loop = fl.loop(members(), trust=trust, evaluate=evaluate)
    with pytest.raises(RuntimeError, match="failed once"):
        loop.run(3)
    assert [record.accuracy is None for record in loop.history] == [False, True]
    loop.run(1)
    assert [record.round_number for record in loop.history] == [1, 2, 3]
    assert all(record.abandoned is None and not record.failures for record in loop.history)
    unbroken = fl.loop(members(), trust=trust)
    unbroken.run(3)
    assert fl.same(loop.model, unbroken.model)


def test_what_was_sent_in_an_interrupted_round_counts():
    noise = vs.privacy.GaussianNoise(
        epsilon=50.0, delta=1e-5, rounds=4, norm_bound=1.0, honest_contributors=2, weighted=False
    )
    ledgers = {}

    def ledger_for(name):
        return ledgers.setdefault(name, Ledger.in_memory(epsilon=50.0, delta=1e-5))

    loop = fl.loop(members(2), noise=noise, weighting="uniform", ledger_for=ledger_for)
    assert finished(loop, 2) == 1
    spent = {name: ledger.spent.num_contributions for name, ledger in ledgers.items()}
    assert spent == {"client-0": 3, "client-1": 3, "client-2": 2, "client-3": 2}
    assert math.isclose(
        loop.history[-1].epsilon_colluding, max(each.spent.epsilon for each in ledgers.values())
    )
    # Two sums that may both have been seen are no sample of a secret choice.
    assert loop.history[-1].epsilon_honest_server_sampled is None


@pytest.mark.parametrize("moment", ["finish", "shifted", "save"])
def test_an_interrupt_at_any_moment_loses_no_round_and_repeats_none(moment, monkeypatch):
    """Between opening and step, within the step, and before the state is kept."""
    stops = iter([True, False, True, *[False] * 20])

    def stopping(function):
        def call(*arguments):
            result = function(*arguments)
            if next(stops):
                raise KeyboardInterrupt
            return result

        return call

    if moment == "shifted":
        monkeypatch.setattr(training, "shifted", stopping(training.shifted))
    elif moment == "finish":
        cls = training.Parties.round_sum.__globals__["ClearIntegerSum"]
        monkeypatch.setattr(cls, "finish", stopping(cls.finish))
    else:
        cls = training.TrainingRun
        monkeypatch.setattr(cls, "_ended", stopping(cls._ended))
    loop = fl.loop(members(), momentum=0.9)
    assert finished(loop, 4) == 2
    monkeypatch.undo()
    unbroken = fl.loop(members(), momentum=0.9)
    unbroken.run(4)
    assert fl.same(loop.model, unbroken.model)
    assert loop.history.interrupted == [1, 3]


@pytest.mark.parametrize(
    ("trust", "after"),
    [*(("threshold", n) for n in (0, 3, 4, 7)), ("authority", 0), ("contributors", 0)],
)
def test_an_interrupt_within_an_opening_costs_no_later_round(trust, after, monkeypatch):
    """Holders who have begun to open a round demand it: it is finished before the next."""
    num_answers, receive = 0, Aggregator.receive_opening

    def stopping(self, message):
        nonlocal num_answers
        name = receive(self, message)
        num_answers += 1
        if num_answers == after + 1:
            raise KeyboardInterrupt
        return name

    monkeypatch.setattr(Aggregator, "receive_opening", stopping)
    loop = fl.loop(members(), trust=trust)
    num_interrupts = finished(loop, 3)
    assert num_interrupts == 1
    monkeypatch.undo()
    unbroken = fl.loop(members())
    unbroken.run(3)
    assert fl.same(loop.model, unbroken.model)


# ---- budgets before training ----


def test_a_client_without_budget_is_not_asked_to_train():
    noise = vs.privacy.LaplaceNoise(epsilon=50.0, rounds=2, norm_bound=1.0, weighted=False)
    ledgers = {}

    def ledger_for(name):
        epsilon = 20.0 if name == "client-2" else 50.0
        return ledgers.setdefault(name, Ledger.in_memory(epsilon=epsilon))

    clients = fl.clients(4)
    loop = fl.loop(clients, noise=noise, weighting="uniform", ledger_for=ledger_for)
    first = loop.run(1)[0]
    assert list(first.failures) == ["client-2"]
    assert "BudgetExhaustedError" in first.failures["client-2"]
    assert [len(client.calls) for client in clients] == [1, 1, 0, 1]
    assert first.num_contributors == 3


@pytest.mark.parametrize("trust", ["authority", "clear"])
def test_a_round_of_too_few_with_budget_is_abandoned_before_anybody_trains(trust):
    noise = vs.privacy.LaplaceNoise(epsilon=50.0, rounds=2, norm_bound=1.0, weighted=False)

    def ledger_for(name):
        return Ledger.in_memory(epsilon=10.0 if name in ("client-0", "client-1") else 50.0)

    clients = fl.clients(6)
    loop = fl.loop(
        clients, trust=trust, noise=noise, weighting="uniform", ledger_for=ledger_for,
        fraction=0.5, min_contributors=3, seed=3,
    )  # fmt: skip
    for _ in range(3):
        calls = [len(client.calls) for client in clients]
        record = loop.run(1)[-1]
        if record.failures:
            assert record.abandoned is not None
            assert "BudgetExhaustedError" in record.abandoned
            assert [len(client.calls) for client in clients] == calls
            break
    else:
        pytest.fail("no round asked a client without budget: take another seed")


def test_a_run_ends_by_name_when_too_few_have_budget():
    noise = vs.privacy.LaplaceNoise(epsilon=50.0, rounds=2, norm_bound=1.0, weighted=False)
    clients = fl.clients(4)
    loop = fl.loop(clients, noise=noise, weighting="uniform")
    with pytest.raises(vs.RunEndedError, match="over after 2 rounds") as ended:
        loop.run(50)
    assert [len(client.calls) for client in clients] == [2] * 4
    assert [record.num_contributors for record in ended.value.history] == [4, 4]
    before = loop.model
    with pytest.raises(vs.RunEndedError):
        loop.run(1)
    assert fl.same(loop.model, before)
    assert len(loop.history) == 2


# ---- losses, metrics, arguments ----


def test_until_works_for_a_loss():
    def loss(model):
        return 1 - fl.error(model)

    loop = fl.loop(evaluate=loss, lower_is_better=True)
    history = loop.run(50, until=0.3)
    assert len(history) < 50
    assert history.accuracies[-1][1] <= 0.3 < history.accuracies[-2][1]
    assert history.rounds_to(0.3) == history[-1].round_number
    assert history.rounds_to(-1) is None
    assert "last loss" in repr(history)
    assert len(fl.loop().run(50, until=0.7)) < 50


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_a_metric_that_is_no_number_stays_valid_json(value):
    history = fl.loop(evaluate=lambda model: value).run(2, until=0.5)
    assert len(history) == (1 if value == math.inf else 2)

    def refuse(text):
        raise ValueError(text)

    restored = json.loads(history.to_json(), parse_constant=refuse)
    assert restored["rounds"][0]["accuracy"] is None


def test_a_history_is_a_sequence_of_its_rounds():
    history = fl.loop().run(3)
    assert len(history) == 3
    assert history[-1] is history.rounds[-1]
    assert history[:2] == history.rounds[:2]
    assert list(history) == history.rounds
    assert len(repr(history)) < 100


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"server_lr": math.nan}, vs.InvalidArgumentError),
        ({"server_lr": math.inf}, vs.InvalidArgumentError),
        ({"server_lr": -1.0}, vs.InvalidArgumentError),
        ({"server_lr": 0}, vs.InvalidArgumentError),
        ({"server_lr": 1j}, TypeError),
        ({"server_lr": True}, TypeError),
        ({"server_lr": "1"}, TypeError),
        ({"server_lr": None}, TypeError),
        ({"server_lr": np.arange(2.0)}, TypeError),
        ({"momentum": math.nan}, vs.InvalidArgumentError),
        ({"momentum": "x"}, TypeError),
        ({"local_epochs": 1.5}, TypeError),
        ({"local_epochs": "1"}, TypeError),
        ({"local_epochs": None}, TypeError),
        ({"local_epochs": True}, TypeError),
        ({"evaluate_every": 1.5}, TypeError),
        ({"evaluate_every": 0}, vs.InvalidArgumentError),
        ({"fraction": math.nan}, vs.InvalidArgumentError),
        ({"fraction": "x"}, TypeError),
        ({"seed": 1.5}, TypeError),
        ({"seed": -1}, vs.InvalidArgumentError),
        ({"max_samples": 1.5}, TypeError),
        ({"min_contributors": 2.0}, TypeError),
        ({"num_threads": "x"}, TypeError),
        ({"num_threads": 0}, vs.InvalidArgumentError),
        ({"codec": "x"}, TypeError),
        ({"noise": 1}, TypeError),
        ({"trust": None}, TypeError),
        ({"progress": "yes"}, TypeError),
        ({"evaluate": 1}, TypeError),
        ({"ledger_for": 1}, TypeError),
        ({"report_clipping": 1}, TypeError),
        ({"lower_is_better": None}, TypeError),
        ({"trust": "authority", "key": "x"}, TypeError),
        ({"trust": "authority", "key_bits": 2048.0, "key": None}, TypeError),
    ],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else "",
)
def test_arguments_that_are_almost_right_are_refused_before_keys_are_made(changes, error):
    name = list(changes)[-1] if "key" not in changes else "key"
    with pytest.raises(error, match=name):
        fl.loop(fl.clients(3), **changes)


def test_numbers_of_numpy_are_taken():
    loop = fl.loop(
        server_lr=np.float32(0.5), momentum=np.float16(0.5), local_epochs=np.int8(2),
        evaluate_every=np.uint64(1), seed=np.int64(3), fraction=np.float64(0.5),
    )  # fmt: skip
    assert len(loop.run(np.int32(2))) == 2


@pytest.mark.parametrize(
    ("rounds", "error"),
    [(-1, vs.InvalidArgumentError), (1.5, TypeError), ("2", TypeError), (None, TypeError)],
)
def test_a_number_of_rounds_is_a_count(rounds, error):
    loop = fl.loop()
    with pytest.raises(error, match="rounds"):
        loop.run(rounds)
    assert len(loop.run(0)) == 0


@pytest.mark.parametrize("num_samples", [math.nan, math.inf, -3, 1.5, "5", None, True])
def test_numbers_of_samples_are_counts(num_samples):
    members = fl.clients(3)
    members[1].num_samples = num_samples
    with pytest.raises((TypeError, vs.InvalidArgumentError), match="num_samples of client-1"):
        fl.loop(members)
    fl.loop(members, weighting="uniform")


def test_clients_have_a_train_method():
    for wrong in ([1, 2], [fl.LinearClient(1), object()], "ab", 7, fl.LinearClient(1)):
        with pytest.raises(TypeError, match="clients"):
            fl.loop(wrong)


@pytest.mark.parametrize(
    "trained",
    [
        lambda model: [np.ma.masked_array(a, mask=True) for a in model],
        lambda model: [[np.ma.masked_array(row, mask=True) for row in model[0]], *model[1:]],
        lambda model: [a.astype(complex) for a in model],
        lambda model: [a > 0 for a in model],
        lambda model: [model[0], [True, 0.5]],
        lambda model: np.concatenate([a.ravel() for a in model]),
        lambda model: None,
        lambda model: {"w": model[0], "b": model[1]},
        lambda model: [a.astype(object) for a in model],
        lambda model: [a.astype(str) for a in model],
    ],
)
def test_what_is_no_model_leaves_its_client_out(trained):
    class OddClient(fl.LinearClient):
        def train(self, model, epochs):
            return trained(model)

    record = fl.loop([*fl.clients(3), OddClient(9)], weighting="uniform").run(1)[0]
    assert list(record.failures) == ["client-3"]
    assert record.failures["client-3"].startswith("TypeError")
    assert record.num_contributors == 3
