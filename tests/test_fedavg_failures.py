"""Clients that fail, at whatever moment: the round goes on with the rest."""

import logging

import fedavg_clients as fl
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
