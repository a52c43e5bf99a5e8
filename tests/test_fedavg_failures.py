"""Clients that fail, at whatever moment: the round goes on with the rest."""

import logging
import threading

import fedavg_clients as fl
import numpy as np
import pytest
import veilsum as vs

FAILURES = [fl.raise_timeout, fl.put_nan, fl.lose_an_array]


@pytest.mark.parametrize("trust", ["threshold", "authority", "contributors", "clear"])
def test_three_of_ten_fail_and_the_sum_is_that_of_the_rest(trust):
    failing = [fl.FailingClient(50, how) for how in FAILURES]
    run = fl.loop([*fl.clients(7), *failing], trust=trust, weighting="uniform")
    record = run.run(1).rounds[0]
    assert record.num_contributors == 7
    assert list(record.failures) == ["client-7", "client-8", "client-9"]
    kinds = [message.split(":")[0] for message in record.failures.values()]
    assert kinds == ["TimeoutError", "InvalidArgumentError", "InvalidArgumentError"]
    alone = fl.loop(fl.clients(7), weighting="uniform")
    alone.run(1)
    assert fl.same(run.model, alone.model)


@pytest.mark.parametrize("trust", ["authority", "clear"])
def test_clients_may_fail_in_any_round(trust):
    failing = [fl.FailingClient(50, how, first_failure=1 + i) for i, how in enumerate(FAILURES)]
    run = fl.loop([*fl.clients(7), *failing], trust=trust)
    run.run(3)
    assert [record.num_contributors for record in run.history.rounds] == [9, 8, 7]


@pytest.mark.parametrize("moment", ["before sending", "on the way", "twice"])
def test_a_contribution_lost_after_encryption_leaves_the_sum_of_the_rest(moment, monkeypatch):
    contribute = vs.secure_sum.Contributor.contribute
    receive = vs.secure_sum.Aggregator.receive

    def failing_contribute(self, *args, **kwargs):
        message = contribute(self, *args, **kwargs)
        if self.name != "client-3":
            return message
        if moment == "before sending":
            raise ConnectionResetError("gone")
        return message[:-7] if moment == "on the way" else message

    def doubling_receive(self, message):
        name = receive(self, message)
        if moment == "twice" and name == "client-3":
            with pytest.raises(vs.ProtocolError):
                receive(self, message)
        return name

    monkeypatch.setattr(vs.secure_sum.Contributor, "contribute", failing_contribute)
    monkeypatch.setattr(vs.secure_sum.Aggregator, "receive", doubling_receive)
    run = fl.loop(trust="authority", weighting="uniform")
    run.run(1)
    members = fl.clients()
    if moment != "twice":
        del members[3]
        assert list(run.history.rounds[0].failures) == ["client-3"]
    alone = fl.loop(members, weighting="uniform")
    alone.run(1)
    assert fl.same(run.model, alone.model)


@pytest.mark.parametrize("trust", ["authority", "clear"])
def test_too_few_contributors_abandon_the_round_and_not_the_run(trust, caplog):
    members = [fl.FailingClient(i, fl.raise_timeout, first_failure=2 + i) for i in range(3)]
    run = fl.loop(members, trust=trust, min_contributors=2)
    with caplog.at_level(logging.WARNING, logger="veilsum"):
        run.run(1)
        before = run.model
        run.run(3)
    first, *_, last = run.history.rounds
    assert first.abandoned is None
    assert last.abandoned is not None
    assert last.num_contributors == 0
    assert any("abandoned" in message for message in caplog.messages)
    assert not fl.same(run.model, before)  # of the second round
    assert run.history.rounds[1].num_contributors == 2


# ---- models that leave the range of their type ----


class FixedClient:
    """Returns the same model whatever it is given."""

    num_samples = 10

    def __init__(self, *arrays):
        self._arrays = arrays

    def train(self, model, epochs):
        return list(self._arrays)


@pytest.mark.parametrize(
    ("start", "trained", "settings"),
    [
        (np.full(2, 60000, np.float16), np.full(2, 65000, np.float16), {"server_lr": 2.0}),
        (np.full(2, -3e38, np.float32), np.full(2, 3e38, np.float32), {}),
        (np.zeros(2, np.float32), np.full(2, 1e300), {}),
        (np.zeros(2), np.full(2, 1.5e308), {}),
    ],
)
def test_a_model_never_becomes_infinite(start, trained, settings):
    loop = vs.FedAvg([start], [FixedClient(trained)] * 3, trust="clear", fraction=1.0, **settings)
    record = loop.run(1)[0]
    assert record.abandoned is not None
    assert "learning rate" in record.abandoned + str(record.failures)
    assert np.array_equal(loop.model[0], start)


def test_a_parameter_without_dimensions_stays_one():
    class InPlace:
        num_samples = 1

        def train(self, model, epochs):
            model[0][...] += 1
            return model

    loop = vs.FedAvg([np.array(0.0)], [InPlace()] * 2, trust="clear", fraction=1.0)
    history = loop.run(3)
    assert [record.failures for record in history] == [{}] * 3
    assert loop.model[0].shape == ()
    assert loop.model[0] == 3


# ---- whatever clients, ledgers and evaluate do ----


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def fail_with(error):
    def how(trained):
        raise error

    return how


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SilentError(), "SilentError: it has no text"),
        (ValueError("\x1b[31mred\0\n"), r"ValueError: \x1b[31mred\x00\n"),
    ],
)
def test_an_error_is_told_in_one_printable_line(error, told):
    members = fl.clients()
    members[3] = fl.FailingClient(3, fail_with(error))
    record = fl.loop(members).run(1)[0]
    assert record.failures == {"client-3": told}
    assert record.num_contributors == len(members) - 1


@pytest.mark.parametrize(
    "value", ["0.9", b"0.7", True, None, 1j, np.array([0.5]), np.zeros((2, 2))]
)
def test_what_evaluate_returns_is_a_number(value):
    loop = fl.loop(evaluate=lambda model: value)
    with pytest.raises(TypeError, match="what evaluate returns must be a number"):
        loop.run(1)
    assert len(loop.history) == 1


def test_what_evaluate_returns_may_be_any_float():
    for value in (1, np.float32(0.5), np.array(0.25), np.nan, -np.inf):
        assert np.array_equal(
            fl.loop(evaluate=lambda model, value=value: value).run(1)[0].accuracy,
            float(value),
            equal_nan=True,
        )
    with pytest.raises(vs.InvalidArgumentError, match="what evaluate returns"):
        fl.loop(evaluate=lambda model: 10**400).run(1)


def ledgers_in(folder):
    return lambda name: vs.privacy.Ledger.create(folder / name, epsilon=100.0)


def test_a_client_whose_ledger_is_gone_costs_nobody_else_a_contribution(tmp_path):
    noise = vs.privacy.LaplaceNoise(epsilon=50.0, rounds=9, norm_bound=1.0, weighted=False)
    loop = fl.loop(
        fl.clients(4),
        codec=vs.Codec(fl.DIM, clip=1.0, value_bits=16, max_addends=4),
        noise=noise,
        weighting="uniform",
        ledger_for=ledgers_in(tmp_path),
        min_contributors=2,
    )
    loop.run(1)
    (tmp_path / "client-1").unlink()
    history = loop.run(3)
    assert [record.num_contributors for record in history] == [4, 3, 3, 3]
    assert all("LedgerError" in record.failures["client-1"] for record in history.rounds[1:])
    spent = vs.privacy.Ledger.open(tmp_path / "client-0").spent
    assert spent.num_contributions == 4


def test_a_ledger_that_vanishes_within_a_round_stops_no_later_one(tmp_path):
    noise = vs.privacy.LaplaceNoise(epsilon=50.0, rounds=9, norm_bound=1.0, weighted=False)
    members = fl.clients(4)

    def vanish(trained):
        (tmp_path / "client-3").unlink(missing_ok=True)
        return trained

    members[3] = fl.FailingClient(3, vanish)
    loop = fl.loop(
        members,
        codec=vs.Codec(fl.DIM, clip=1.0, value_bits=16, max_addends=4),
        noise=noise,
        weighting="uniform",
        ledger_for=ledgers_in(tmp_path),
        min_contributors=2,
    )
    history = loop.run(3)
    assert [record.num_contributors for record in history] == [3, 3, 3]
    assert all("LedgerError" in record.failures["client-3"] for record in history)


# ---- one run at a time ----


def test_a_run_refuses_a_second_one_from_within():
    loops = []

    class Again(fl.LinearClient):
        def train(self, model, epochs):
            with pytest.raises(vs.ConcurrentUseError, match="the run is in the middle"):
                loops[0].run(1)
            return super().train(model, epochs)

    loops.append(fl.loop([Again(1), *fl.clients(3)]))
    loops[0].run(2)
    assert [record.failures for record in loops[0].history] == [{}, {}]


def test_two_threads_do_not_run_one_run():
    began, go_on = threading.Event(), threading.Event()

    class Waiting(fl.LinearClient):
        def train(self, model, epochs):
            began.set()
            assert go_on.wait(60)
            return super().train(model, epochs)

    loop = fl.loop([Waiting(1), *fl.clients(3)])
    thread = threading.Thread(target=loop.run, args=(1,))
    thread.start()
    try:
        assert began.wait(60)
        with pytest.raises(vs.ConcurrentUseError):
            loop.run(1)
    finally:
        go_on.set()
        thread.join()
    assert len(loop.run(1)) == 2
