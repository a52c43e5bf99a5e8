"""The server's aggregator: announces, adds, and has holders open who may be away or lie."""

import numpy as np
import pytest
from deal import SITES
from flare_world import WEIGHTS, ServerProcess, SiteProcess, context, contribution, trained
from nvflare.apis.dxo import DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from veilsum.errors import InvalidArgumentError, ProtocolError, RunEndedError, SignatureError
from veilsum.integrations import opening
from veilsum.integrations.federation_file import agreed_in, read_signed
from veilsum.integrations.nvflare.messages import CONTRIBUTION, OPEN_TOPIC, OPENING, REQUEST, ROUND
from veilsum.secure_sum import Identity, PartyFolder
from veilsum.wire import WireKind, wire_kind


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(opening, "_FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def sites(dealt):
    return [SiteProcess(dealt, site) for site in SITES]


def received(site, task, change):
    """What NVFlare gives the aggregator of a site's answer."""
    return model_of(contribution(site.answer(task, trained(change))), site.name)


def model_of(message, name="a site"):
    return FLModel(
        params_type=ParamsType.DIFF, params={CONTRIBUTION: message}, meta={"client_name": name}
    )


def add_all(server, sites, task):
    for number, site in enumerate(sites):
        server.aggregator.accept_model(received(site, task, 0.1 * (number + 1)))


def weights(model):
    assert model.params_type == ParamsType.FULL
    return model.params["numpy_key"]


def asked(server):
    return [name for name, request in server.engine.asked if REQUEST in request]


def test_round_moves_the_model_by_the_mean(dealt, sites):
    server = ServerProcess(dealt, sites)
    add_all(server, sites, server.task())
    moved = weights(server.aggregator.aggregate_model())
    assert moved.dtype == np.float32
    assert np.allclose(moved, 0.25, atol=1e-4)
    assert len(set(asked(server))) == 3  # of four holders
    assert server.panics == []


def test_one_round_is_announced_with_one_task(dealt, sites):
    server = ServerProcess(dealt, sites)
    task = server.task()
    before = task.get_header(ROUND)
    server.aggregator._announce(task)  # As for the next site that fetches it.
    assert task.get_header(ROUND) == before
    assert len(list((dealt / "rounds").glob("round-*"))) == 1


def test_restarted_server_takes_the_next_number(dealt, sites):
    first = ServerProcess(dealt, sites)
    add_all(first, sites[:2], first.task())
    second = ServerProcess(dealt, sites)
    add_all(second, sites, second.task())
    assert np.allclose(weights(second.aggregator.aggregate_model()), 0.25, atol=1e-4)
    kept = {path.name for path in (dealt / "rounds").iterdir()}
    assert kept == {"run.json", "round-000001", "round-000002.transcript"}


def test_holder_that_is_away_is_made_up_for(dealt, sites):
    server = ServerProcess(dealt, sites)
    add_all(server, sites, server.task())
    server.engine.away = {"site-1"}
    assert np.allclose(weights(server.aggregator.aggregate_model()), 0.25, atol=1e-4)
    assert set(asked(server)) == {"site-2", "site-3", "site-4"}


def garbled(reply):
    if OPENING in reply:
        reply[OPENING] = reply[OPENING][:-1] + bytes([reply[OPENING][-1] ^ 1])
    return reply


def test_holder_that_lies_is_named_and_made_up_for(dealt, sites):
    server = ServerProcess(dealt, sites)
    add_all(server, sites, server.task())
    server.engine.changed = {"site-2": garbled}
    assert np.allclose(weights(server.aggregator.aggregate_model()), 0.25, atol=1e-4)
    assert any("the answer of site-2 is refused" in line for line in server.log)


def test_holder_that_refuses_says_no_more_than_the_error(dealt, sites):
    server = ServerProcess(dealt, sites)
    question = Shareable()
    question[REQUEST] = b"not a request"
    reply = sites[0].engine.handlers[OPEN_TOPIC](
        topic=OPEN_TOPIC, request=question, fl_ctx=server.aggregator.fl_ctx
    )
    assert set(reply) == {"__headers__", "veilsum_refusal"}
    assert reply["veilsum_refusal"] == "MalformedDataError"
    assert "did not open what the server asked" in sites[0].log[-1]


def test_too_few_holders_abandon_the_round(dealt, sites):
    server = ServerProcess(dealt, sites, wait_seconds=0.05)
    add_all(server, sites, server.task(WEIGHTS + 1))
    server.engine.away = {"site-1", "site-3"}
    assert np.array_equal(weights(server.aggregator.aggregate_model()), WEIGHTS + 1)
    assert any("abandoned" in line and "NotEnoughShares" in line for line in server.log)
    assert list((dealt / "rounds" / "round-000001").iterdir()) == []


def renew(dealt):
    """The server gets what the dealer has renewed; sites are told nothing."""
    passphrase = (dealt / "passphrase").read_text().strip()
    dealer = Identity.load(dealt / "dealer.identity", passphrase=passphrase)
    old = agreed_in(read_signed(dealt / "federation.veil"), expected_hash=None)
    new = old.renewed(last_day=old.last_day)
    (dealt / "federation.veil").write_bytes(new.signed_by(dealer))
    (dealt / "federation.hash").write_text(new.hash.hex())
    (dealt / "rounds").rename(dealt / "rounds of the old one")
    return new


def test_sites_go_on_with_what_their_dealer_renews(dealt, sites):
    first = ServerProcess(dealt, sites)
    add_all(first, sites, first.task())
    assert np.allclose(weights(first.aggregator.aggregate_model()), 0.25, atol=1e-4)
    new = renew(dealt)
    second = ServerProcess(dealt, sites)
    add_all(second, sites, second.task())
    assert np.allclose(weights(second.aggregator.aggregate_model()), 0.25, atol=1e-4)
    assert second.panics == []
    assert {PartyFolder(dealt / "parties" / site).federation for site in SITES} == {new}
    assert all(any("its dealer renewed" in line for line in site.infos) for site in sites)


def vanish_after_locks(server, names):
    """Holders lock, and are gone when they are asked to open."""

    def answered(reply):
        if OPENING in reply and wire_kind(reply[OPENING]) is WireKind.LOCK:
            server.locks = [*getattr(server, "locks", ()), reply]
            if len(server.locks) == 3:
                server.engine.away = set(names)
        return reply

    server.engine.changed = dict.fromkeys(SITES, answered)


def without_answer(reply):
    reply.pop(OPENING, None)
    return reply


@pytest.mark.parametrize("restarts", [False, True])
def test_a_round_that_holders_began_to_open_is_finished_before_the_next(dealt, sites, restarts):
    server = ServerProcess(dealt, sites, wait_seconds=0.05)
    add_all(server, sites, server.task())
    vanish_after_locks(server, {"site-1", "site-3"})
    assert np.array_equal(weights(server.aggregator.aggregate_model()), WEIGHTS)
    kept = dealt / "rounds" / "round-000001"
    assert (kept / f"begun-{b'round'.hex()}.veil").exists()
    if restarts:
        server.aggregator.handle_event(EventType.END_RUN, context(server.engine, "server"))
        server = ServerProcess(dealt, sites)
    server.engine.away, server.engine.changed = set(), {}
    server.begin_round()
    assert server.panics == []
    assert any("its sum comes too late for the model" in line for line in server.log)
    assert not kept.exists()
    add_all(server, sites, server.task())
    assert np.allclose(weights(server.aggregator.aggregate_model()), 0.25, atol=1e-4)
    names = sorted(path.name for path in (dealt / "rounds").glob("*.transcript"))
    assert names == ["round-000001.transcript", "round-000002.transcript"]


def test_a_job_ends_if_what_was_begun_cannot_be_finished(dealt, sites):
    server = ServerProcess(dealt, sites, wait_seconds=0.05)
    add_all(server, sites, server.task())
    vanish_after_locks(server, {"site-1", "site-3"})
    server.aggregator.aggregate_model()
    server.engine.away = set()
    server.engine.changed = dict.fromkeys(SITES, without_answer)
    server.begin_round()
    assert len(server.panics) == 1
    assert (dealt / "rounds" / "round-000001" / f"begun-{b'round'.hex()}.veil").exists()


def test_holders_that_come_back_in_time_open_the_round(dealt, sites, monkeypatch):
    server = ServerProcess(dealt, sites)
    add_all(server, sites, server.task())
    server.engine.away = {"site-1", "site-3"}
    monkeypatch.setattr(opening.time, "sleep", lambda seconds: server.engine.away.clear())
    assert np.allclose(weights(server.aggregator.aggregate_model()), 0.25, atol=1e-4)
    assert any("3 needed; missing: site-1, site-3; " in line for line in server.log)


def test_one_contribution_alone_is_not_opened(dealt, sites):
    server = ServerProcess(dealt, sites)
    add_all(server, sites[:1], server.task())
    assert np.array_equal(weights(server.aggregator.aggregate_model()), WEIGHTS)
    assert asked(server) == []


def test_job_ends_after_several_abandoned_rounds(dealt, sites):
    server = ServerProcess(dealt, sites, max_abandoned=2)
    server.task()
    server.aggregator.aggregate_model()
    server.task()
    with pytest.raises(RunEndedError, match="2 rounds in a row were abandoned"):
        server.aggregator.aggregate_model()


def test_contributions_of_others_and_old_ones_are_refused(dealt, sites):
    server = ServerProcess(dealt, sites)
    old = received(sites[0], server.task(), 0.1)
    server.aggregator.reset_stats()
    new = received(sites[1], server.task(), 0.1)
    with pytest.raises(ProtocolError):
        server.aggregator.accept_model(old)
    changed = bytes(memoryview(new.params[CONTRIBUTION])).replace(b"site-2", b"site-3")
    with pytest.raises(SignatureError):
        server.aggregator.accept_model(model_of(np.frombuffer(changed, np.uint8)))
    server.aggregator.accept_model(new)
    with pytest.raises(ProtocolError):
        server.aggregator.accept_model(new)
    for params in ({"numpy_key": WEIGHTS}, {CONTRIBUTION: "text"}, {CONTRIBUTION: WEIGHTS}):
        with pytest.raises(ProtocolError, match="PartyFilter its output filter"):
            server.aggregator.accept_model(FLModel(params=params, meta={"client_name": "site-4"}))


def test_jobs_that_do_not_fit_end_at_once_and_say_why(dealt, sites):
    for options, reason in [
        ({"weights": np.zeros(7, np.float32)}, "deal with --dim 7"),
        ({"data_kind": DataKind.WEIGHT_DIFF}, "not the weights of a model"),
        ({"weights": {"numpy_key": [0.0] * 650}}, "server_expected_format=ExchangeFormat.NUMPY"),
    ]:
        server = ServerProcess(dealt, sites)
        assert ROUND not in server.task(**options)["__headers__"]
        assert reason in server.panics[-1]
        assert ROUND not in server.task()["__headers__"]  # The job has ended.


def test_another_federation_than_pinned_is_refused(dealt):
    pin = dealt / "federation.hash"
    pin.write_text("00" * 32)
    assert "PolicyRefusedError" in ServerProcess(dealt).panics[0]
    pin.write_text("no hash")
    with pytest.raises(InvalidArgumentError, match="federation_hash must be the 64"):
        ServerProcess(dealt)


def test_left_out_entries_stay_as_they_are(dealt, sites):
    server = ServerProcess(dealt, sites, leave_out=["extra"])
    model = {"numpy_key": WEIGHTS, "extra": np.ones(3), "steps": np.array(7)}
    task = server.task(model)
    assert server.panics == []
    for site in sites:
        site.filter.leave_out = ["extra"]
        server.aggregator.accept_model(received(site, task, 0.1))
    after = server.aggregator.aggregate_model().params
    assert np.allclose(after["numpy_key"], 0.1, atol=1e-4)
    assert after["extra"].tolist() == [1, 1, 1]
    assert after["steps"] == 7
