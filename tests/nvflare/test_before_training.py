"""No site trains for what cannot be sent or opened, and a job that cannot go on says so."""

import datetime
import json

import numpy as np
import pytest
from deal import CODEC, SITES
from digits_jobs import EXAMPLE, run_job
from flare_world import (
    WEIGHTS,
    ServerProcess,
    SiteProcess,
    context,
    contribution,
    trained,
)
from nvflare.apis.event_type import EventType
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from veilsum.errors import InvalidArgumentError, PolicyRefusedError, RunEndedError
from veilsum.identity import Identity
from veilsum.integrations import opening
from veilsum.integrations.nvflare import PartyFilter, SecureAggregator
from veilsum.integrations.nvflare.messages import CONTRIBUTION, REQUEST, ROUND, SPENT
from veilsum.privacy import GaussianNoise
from veilsum.secure_sum import Federation, PartyFolder

NOISE = GaussianNoise(epsilon=200.0, delta=1e-6, rounds=2, norm_bound=1.0, honest_contributors=1)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(opening, "_FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def noisy(tmp_path, secret_key):
    """The example's sites, which add noise and share one key."""
    folder = tmp_path / "noisy"
    folder.mkdir()
    identities = [Identity.generate(site) for site in SITES]
    server = Identity.generate("server")
    federation = Federation(
        key=secret_key.secret.public_key,
        codec=NOISE.fit(CODEC),
        contributors=tuple(identity.enrol() for identity in identities),
        aggregator=server.enrol(),
        run_id=bytes(16),
        last_day=datetime.date.max,
        colluding_contributors=0,
        noise=NOISE,
    )
    signed = federation.signed_by(Identity.generate("dealer"))
    (folder / "federation.veil").write_bytes(signed)
    (folder / "federation.hash").write_text(federation.hash.hex())
    (folder / "passphrase").write_text("words\n")
    server.save(folder / "server.identity", passphrase="words")
    for identity in identities:
        PartyFolder.create(
            folder / "parties" / identity.name,
            signed,
            identity=identity,
            passphrase="words",
            expected_hash=federation.hash,
            key=secret_key.secret,
        )
    return folder


@pytest.fixture
def sites(dealt):
    return [SiteProcess(dealt, site) for site in SITES]


def received(site, task, change=0.1):
    """What NVFlare gives the aggregator of a site's answer."""
    data = site.answer(task, trained(change))["DXO"]["data"]
    return FLModel(params_type=ParamsType.DIFF, params=data, meta={"client_name": site.name})


def play(server, sites, number):
    """One round; who trained in it."""
    before = [site.trainer.num_tasks for site in sites]
    server.begin_round()
    task = server.task(number=number)
    for site in sites:
        model = received(site, task)
        if SPENT in model.params:
            with pytest.raises(PolicyRefusedError, match=f"{site.name} contributes no more"):
                server.aggregator.accept_model(model)
        elif model.params:
            server.aggregator.accept_model(model)
    result = server.aggregator.aggregate_model()
    after = [site.trainer.num_tasks for site in sites]
    return result, [a - b for a, b in zip(after, before, strict=True)]


def test_an_opener_that_does_not_open_is_followed_by_another_in_the_next_round(noisy):
    sites = [SiteProcess(noisy, site) for site in SITES]
    server = ServerProcess(noisy, sites, wait_seconds=0.05)

    def asked():
        return {name for name, question in server.engine.asked if REQUEST in question}

    ask = server.engine.send_aux_request

    def nobody_opens(targets, topic, request, timeout, fl_ctx):
        found = ask(targets, topic, request, timeout, fl_ctx)
        return {} if REQUEST in request else found

    server.engine.send_aux_request = nobody_opens
    play(server, sites, 0)
    (first,) = asked()
    assert any("abandoned" in line and f"missing: {first}" in line for line in server.log)
    server.engine.send_aux_request = ask
    server.engine.asked.clear()
    play(server, sites, 1)
    # Who was asked in vain is asked once more, of its own round; and somebody else of this one.
    assert first in asked()
    assert len(asked()) == 2
    assert any("its sum comes too late for the model" in line for line in server.log)
    assert any("is open: 4 contributions" in line for line in server.log)


def test_a_spent_budget_trains_nobody_and_ends_the_job_by_name(noisy):
    sites = [SiteProcess(noisy, site) for site in SITES]
    server = ServerProcess(noisy, sites)
    for number in range(2):
        _, num_trained = play(server, sites, number)
        assert num_trained == [1, 1, 1, 1]
    with pytest.raises(RunEndedError, match=r"4 of 4 contributors have spent .*site-1, site-2"):
        play(server, sites, 2)
    assert [site.trainer.num_tasks for site in sites] == [2, 2, 2, 2]
    assert any("abandoned" in line for line in server.log)


def test_the_server_hears_of_a_budget_only_that_it_is_spent(noisy):
    sites = [SiteProcess(noisy, site) for site in SITES]
    server = ServerProcess(noisy, sites)
    for number in range(2):
        play(server, sites, number)
    answer = sites[0].answer(server.task(number=2), trained(0.1))
    assert answer["DXO"] == {"kind": "WEIGHT_DIFF", "data": {SPENT: True}, "meta": {}}
    assert set(answer) == {"__headers__", "DXO"}
    assert any("BudgetExhaustedError: a contribution would bring" in line for line in sites[0].log)


@pytest.mark.slow
def test_a_whole_job_ends_when_budgets_are_spent_and_has_trained_for_them_only(noisy, tmp_path):
    text = (EXAMPLE / "train.py").read_text()
    begin = "        weights = trained("
    counts = f'        open({str(tmp_path / "trained")!r}, "a").write("once\\n")\n'
    (tmp_path / "train.py").write_text(text.replace(begin, counts + begin))
    job = run_job(noisy, options=[tmp_path / "train.py"], may_fail=True)
    assert job.has_failed
    assert "RunEndedError: the run ends: 4 of 4 contributors have spent the privacy" in job.log
    assert len((tmp_path / "trained").read_text().splitlines()) == len(SITES) * NOISE.rounds
    sent = [m for m in job.messages if m["site"] and "/DXO/data/veilsum_spent" in m["keys"]]
    assert sorted(message["site"] for message in sent) == SITES


def says_spent(site):
    return FLModel(
        params_type=ParamsType.DIFF, params={SPENT: True}, meta={"client_name": site.name}
    )


def test_whoever_lies_of_its_budget_is_left_out_as_if_it_were_silent(dealt, sites):
    server = ServerProcess(dealt, sites)
    task = server.task()
    for site in sites[:2]:
        with pytest.raises(PolicyRefusedError):
            server.aggregator.accept_model(says_spent(site))
    for site in sites[2:]:
        server.aggregator.accept_model(received(site, task))
    moved = server.aggregator.aggregate_model().params["numpy_key"]
    assert np.allclose(moved, 0.1, atol=1e-4)  # Two are enough.
    # One that says nothing, and one more that lies: still two might contribute, so it goes on.
    server.task()
    with pytest.raises(PolicyRefusedError):
        server.aggregator.accept_model(says_spent(sites[1]))
    server.aggregator.aggregate_model()
    # Who contributes is counted again. The model has moved, as holders want it for other sites.
    task = server.task(moved)
    for site in sites[:2]:
        server.aggregator.accept_model(received(site, task))
    server.aggregator.aggregate_model()
    server.task()
    for site in sites[2:]:
        with pytest.raises(PolicyRefusedError):
            server.aggregator.accept_model(says_spent(site))
    server.aggregator.aggregate_model()
    assert server.panics == []


def test_nobody_says_so_for_another(dealt, sites):
    server = ServerProcess(dealt, sites)
    server.task()
    fl_ctx = context(server.engine, "server")
    for site in sites:  # A result whose sender NVFlare does not name, with a name that it claims.
        shareable = Shareable()
        shareable["DXO"] = {
            "kind": "WEIGHT_DIFF",
            "data": {SPENT: True},
            "meta": {"client_name": site.name},
        }
        shareable.set_header("__content_type__", "DXO")
        assert not server.aggregator.accept(shareable, fl_ctx)
    with pytest.raises(PolicyRefusedError):
        server.aggregator.accept_model(FLModel(params={SPENT: True}, meta={"client_name": "x"}))
    server.aggregator.aggregate_model()  # Abandoned, and not the end.


def test_what_was_made_before_is_sent_again_and_nothing_is_trained(dealt):
    task = ServerProcess(dealt).task()
    site = SiteProcess(dealt, "site-1")
    sent = contribution(site.answer(task, trained(0.1)))
    restarted = SiteProcess(dealt, "site-1")
    again = contribution(restarted.answer(task, trained(0.2)))
    assert np.array_equal(again, sent)
    assert (site.trainer.num_tasks, restarted.trainer.num_tasks) == (1, 0)


def test_the_trainer_runs_for_what_is_not_refused_and_only_for_it(dealt, noisy):
    task = ServerProcess(dealt).task()
    site = SiteProcess(dealt, "site-1")
    assert contribution(site.answer(Shareable(), trained(0.1))) is None
    assert contribution(site.answer(ServerProcess(noisy).task(), trained(0.1))) is None
    assert site.trainer.num_tasks == 0
    assert contribution(site.answer(task, trained(0.1))) is not None
    assert site.trainer.num_tasks == 1
    # The job does not have this result encrypted: it is none of the filter's.
    result = trained(0.1)
    assert site.answer(Shareable(), result, task_name="validate") is result
    assert site.trainer.num_tasks == 2


# ---- holders ----


def test_without_enough_holders_nobody_is_asked_to_train(dealt, sites):
    server = ServerProcess(dealt, sites, wait_seconds=0.05)
    server.engine.away = {"site-1", "site-3"}
    server.begin_round()
    (panic,) = server.panics
    assert panic.startswith("NotEnoughSharesError: 2 of 4 holders of the key are there (site-2")
    assert "3 needed; missing: site-1, site-3" in panic
    assert "nobody was asked to train" in panic
    task = server.task()
    assert ROUND not in task["__headers__"]
    assert sites[1].answer(task, trained(0.1))["DXO"]["data"] == {}
    assert sites[1].trainer.num_tasks == 0
    assert list((dealt / "rounds").glob("round-*")) == []


def test_training_waits_for_holders(dealt, sites, monkeypatch):
    server = ServerProcess(dealt, sites)
    server.engine.away = {"site-1", "site-3"}
    monkeypatch.setattr(opening.time, "sleep", lambda seconds: server.engine.away.clear())
    server.begin_round()
    assert server.panics == []
    assert any("missing: site-1, site-3; 900 s left" in line for line in server.log)
    assert ROUND in server.task()["__headers__"]


# ---- the store ----


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_ciphertexts_of_a_job_that_died_are_erased_and_its_number_stays_taken(dealt, sites):
    died = ServerProcess(dealt, sites)
    task = died.task()
    for site in sites[:2]:
        died.aggregator.accept_model(received(site, task))
    assert len(list((dealt / "rounds" / "round-000001").glob("contribution-*"))) == 2
    died.aggregator._round.store.close()  # As the end of its process does.
    ServerProcess(dealt, sites)
    assert files_of(dealt / "rounds") == ["round-000001", "run.json"]
    again = ServerProcess(dealt, sites)
    again.task()
    assert again.aggregator._round.number == 2


@pytest.mark.parametrize("how", ["the run ends", "the next round begins"])
def test_a_round_that_was_not_opened_is_erased_at_its_end(dealt, sites, how):
    server = ServerProcess(dealt, sites)
    server.aggregator.accept_model(received(sites[0], server.task()))
    if how == "the run ends":
        server.aggregator.handle_event(EventType.END_RUN, context(server.engine, "server"))
    else:
        server.aggregator.reset_stats()
    assert files_of(dealt / "rounds") == ["round-000001", "run.json"]


def test_a_job_that_is_at_work_keeps_its_round(dealt, sites):
    alive = ServerProcess(dealt, sites)
    task = alive.task()
    for site in sites:
        alive.aggregator.accept_model(received(site, task))
    ServerProcess(dealt, sites)
    moved = alive.aggregator.aggregate_model().params["numpy_key"]
    assert np.allclose(moved, WEIGHTS + 0.1, atol=1e-4)


# ---- arguments and metrics ----


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"party": 3}, TypeError),
        ({"passphrase_file": 3}, TypeError),
        ({"max_samples": 0}, InvalidArgumentError),
        ({"max_samples": 1.5}, TypeError),
        ({"metrics": ["accuracy"]}, TypeError),
        ({"metrics_in_clear": "accuracy"}, TypeError),
        ({"leave_out": "w"}, TypeError),
        ({"leave_out": [1]}, TypeError),
        ({"num_threads": 0}, InvalidArgumentError),
    ],
)
def test_arguments_of_a_filter_are_checked_by_name(options, error):
    with pytest.raises(error, match=next(iter(options))):
        PartyFilter(**({"party": "parties/{site}"} | options))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"federation": 3}, TypeError),
        ({"federation_hash": "3f2a"}, InvalidArgumentError),
        ({"store": ""}, InvalidArgumentError),
        ({"identity": 3}, TypeError),
        ({"passphrase_file": 3}, TypeError),
        ({"leave_out": "w"}, TypeError),
        ({"max_abandoned": 0}, InvalidArgumentError),
        ({"answer_seconds": 0}, InvalidArgumentError),
        ({"answer_seconds": float("nan")}, InvalidArgumentError),
        ({"wait_seconds": -1}, InvalidArgumentError),
        ({"wait_seconds": float("inf")}, InvalidArgumentError),
        ({"max_request_bytes": 0}, InvalidArgumentError),
        ({"num_threads": True}, TypeError),
    ],
)
def test_arguments_of_an_aggregator_are_checked_by_name(options, error):
    given = {"federation": "f.veil", "federation_hash": "00" * 32, "store": "rounds"}
    given |= {"identity": "server.identity"} | options
    with pytest.raises(error, match=next(iter(options))):
        SecureAggregator(**given)


def test_metrics_that_stay_are_named_in_the_log_with_the_switch(dealt):
    server = ServerProcess(dealt)
    site = SiteProcess(dealt, "site-1", metrics_in_clear=["accuracy"])
    meta = {"initial_metrics": {"accuracy": 0.5, "loss": 1.5, "ages": [61]}}
    site.answer(server.task(), trained(0.25, meta=meta))
    assert [line for line in site.infos if "metrics stay" in line] == [
        "metrics stay at this site: ages, loss; PartyFilter(metrics={name: (lowest, highest)}) "
        "sums them under encryption"
    ]


def test_a_metric_that_is_no_number_costs_no_budget(noisy):
    site = SiteProcess(noisy, "site-1", metrics_in_clear=["accuracy"])
    meta = {"initial_metrics": {"accuracy": [0.5]}}
    answer = site.answer(ServerProcess(noisy).task(), trained(0.1, meta=meta))
    assert CONTRIBUTION not in answer["DXO"]["data"]
    ledger = PartyFolder(noisy / "parties" / "site-1").privacy_ledger
    assert ledger.spent.num_contributions == 0
    assert json.dumps(answer["DXO"]["data"]) == "{}"
