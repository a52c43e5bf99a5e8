"""A site's filter lets out its contribution, and nothing else, whatever training gives it."""

import shutil

import numpy as np
import pytest
from flare_world import (
    WEIGHTS,
    ServerProcess,
    SiteProcess,
    context,
    contribution,
    trained,
)
from nvflare.apis.dxo import DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.filter import FilterChainType, FilterContextKey
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable, make_reply
from veilsum.integrations.nvflare import PartyFilter
from veilsum.integrations.nvflare.messages import OPEN_TOPIC

STEPS = "NUM_STEPS_CURRENT_ROUND"


def everything_in(value):
    """All keys and all plain values in nested dicts."""
    if isinstance(value, dict):
        for name, entry in value.items():
            yield name
            yield from everything_in(entry)
    elif not isinstance(value, np.ndarray):
        yield value


@pytest.fixture
def task(dealt):
    return ServerProcess(dealt).task()


def test_contribution_is_all_that_leaves(dealt, task):
    site = SiteProcess(dealt, "site-1", max_samples=100, min_samples=20)
    meta = {STEPS: 41, "initial_metrics": {"accuracy": 0.9}, "site_name": "site-1"}
    answer = site.answer(task, trained(0.25, meta=meta))
    assert contribution(answer).dtype == np.uint8
    assert set(everything_in(answer)) == {
        *("__headers__", "__content_type__", "DXO", "current_round", 0),
        *("kind", DataKind.WEIGHT_DIFF, "data", "veilsum_contribution", "meta"),
    }


def test_metrics_leave_in_clear_by_name_only(dealt, task):
    site = SiteProcess(dealt, "site-1", metrics_in_clear=["accuracy", "loss"])
    meta = {"initial_metrics": {"accuracy": 0.5, "ages": [61, 62]}}
    answer = site.answer(task, trained(0.25, meta=meta))
    assert contribution(answer) is not None
    assert answer["DXO"]["meta"] == {"initial_metrics": {"accuracy": 0.5}}


def assert_left_out(site, answer, reason):
    """Nothing left, NVFlare passes over it, and the log says why."""
    assert answer["DXO"]["data"] == {}
    assert answer["DXO"]["meta"] == {}
    assert answer.get_return_code() == ReturnCode.OK
    assert set(answer) == {"__headers__", "DXO"}
    assert any(reason in message for message in site.log), site.log


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (trained(1, kind=DataKind.WEIGHTS), "params_transfer_type=TransferType.DIFF"),
        (trained(np.nan), "values that are NaN"),
        (trained(1, more=np.ones(3)), "no entry 'more'"),
        (make_reply(ReturnCode.EXECUTION_EXCEPTION), "EXECUTION_EXCEPTION"),
        (Shareable({"weights": [1.0]}), "not a valid DXO"),
    ],
    ids=["weights", "nan", "extra", "failed", "no DXO"],
)
def test_results_that_cannot_be_encrypted_do_not_leave(dealt, task, result, reason):
    site = SiteProcess(dealt, "site-1")
    assert_left_out(site, site.answer(task, result), reason)


def test_result_without_a_round_does_not_leave(dealt):
    site = SiteProcess(dealt, "site-1")
    assert_left_out(site, site.answer(Shareable(), trained(1)), "announced no round")


def test_round_of_another_model_is_refused(dealt, task):
    site = SiteProcess(dealt, "site-1")
    task["DXO"]["data"]["numpy_key"] = WEIGHTS + 1
    assert_left_out(site, site.answer(task, trained(1)), "another model than the one received")


def test_round_is_answered_once(dealt, task):
    site = SiteProcess(dealt, "site-1")
    sent = contribution(site.answer(task, trained(0.1)))
    assert sent is not None
    restarted = SiteProcess(dealt, "site-1")
    for again in (site, restarted):
        np.testing.assert_array_equal(contribution(again.answer(task, trained(0.2))), sent)
    for path in (dealt / "parties" / "site-1" / "outbox").glob("*.veil"):
        path.unlink()
    assert_left_out(site, site.answer(task, trained(0.1)), "already contributed to round 1")


def test_trainer_that_writes_into_the_model_changes_nothing(dealt, task):
    """The model is hashed before training, which may change the arrays it was given."""
    site = SiteProcess(dealt, "site-1")
    fl_ctx = context(site.engine, "site-1")
    setattr(site.filter, FilterContextKey.CHAIN_TYPE, FilterChainType.TASK_DATA_CHAIN)
    assert site.filter.process(task, fl_ctx) is task
    setattr(site.filter, FilterContextKey.CHAIN_TYPE, FilterChainType.TASK_RESULT_CHAIN)
    task["DXO"]["data"]["numpy_key"] = WEIGHTS + 1
    assert contribution(site.filter.process(trained(0.1), fl_ctx)) is not None


def test_second_filter_of_a_site_lets_pass_what_the_first_encrypted(dealt, task):
    first, second = SiteProcess(dealt, "site-1"), SiteProcess(dealt, "site-1")
    fl_ctx = context(first.engine, "site-1")
    setattr(first.filter, FilterContextKey.CHAIN_TYPE, FilterChainType.TASK_DATA_CHAIN)
    first.filter.process(task, fl_ctx)
    setattr(first.filter, FilterContextKey.CHAIN_TYPE, FilterChainType.TASK_RESULT_CHAIN)
    answer = first.filter.process(trained(0.1), fl_ctx)
    assert second.filter.process(answer, fl_ctx) is answer
    # What only looks like a contribution does not pass.
    forged = trained(0.1)
    forged["DXO"]["data"] = {"veilsum_contribution": np.zeros(9, np.uint8)}
    assert_left_out(second, second.filter.process(forged, fl_ctx), "no entry")


def test_number_of_samples_is_needed_where_it_counts(dealt, task):
    site = SiteProcess(dealt, "site-1", max_samples=100, min_samples=20)
    assert_left_out(site, site.answer(task, trained(1)), f'meta={{"{STEPS}": number}}')


def test_folder_of_another_party_is_refused(dealt, task):
    parties = dealt / "parties"
    (parties / "site-1").rename(parties / "site-9")
    site = SiteProcess(dealt, "site-9")
    assert_left_out(site, site.answer(task, trained(1)), "the folder is of the party site-1")
    assert site.engine.handlers == {}


def test_missing_folders_and_passphrases_are_named(dealt, task, monkeypatch):
    shutil.rmtree(dealt / "parties" / "site-1")
    site = SiteProcess(dealt, "site-1")
    assert_left_out(site, site.answer(task, trained(1)), "no party's folder")
    assert any("cannot take part" in message for message in site.log)
    (dealt / "passphrase").write_text("another one\n")
    site = SiteProcess(dealt, "site-2")
    assert_left_out(site, site.answer(task, trained(1)), "PassphraseError")
    monkeypatch.delenv("VEILSUM_PASSPHRASE_FILE", raising=False)
    site = SiteProcess(dealt, "site-3")
    site.filter.passphrase_file = None
    site.filter._folder = None
    assert_left_out(site, site.answer(task, trained(1)), "VEILSUM_PASSPHRASE_FILE")


def test_passphrase_file_may_come_from_the_environment(dealt, task, monkeypatch):
    monkeypatch.setenv("VEILSUM_PASSPHRASE_FILE", str(dealt / "passphrase"))
    filter_ = PartyFilter(str(dealt / "parties" / "{site}"))
    site = SiteProcess(dealt, "site-1")
    site.filter = filter_
    assert contribution(site.answer(task, trained(0.1))) is not None


def test_first_of_two_filters_answers_as_the_holder(dealt):
    site, other = SiteProcess(dealt, "site-1"), PartyFilter(str(dealt / "parties" / "{site}"))
    answers = site.engine.handlers[OPEN_TOPIC]
    other.passphrase_file = str(dealt / "passphrase")
    other.handle_event(EventType.START_RUN, context(site.engine, "site-1"))
    assert site.engine.handlers == {OPEN_TOPIC: answers}
    assert site.log == []
