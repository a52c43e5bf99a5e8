"""Metrics that are summed under encryption: the aggregated model has them, and no site's answer."""

import shutil

import numpy as np
import pytest
import veilsum as vs
from deal import DIM, SITES, deal
from flare_world import ServerProcess, SiteProcess, contribution, trained
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.app_common.widgets.intime_model_selector import IntimeModelSelector
from veilsum.errors import InvalidArgumentError
from veilsum.integrations.nvflare import PartyFilter
from veilsum.integrations.nvflare.messages import CONTRIBUTION
from veilsum.integrations.summed_metrics import SummedMetrics

RANGES = {"val_loss": (0, 5), "accuracy": (0, 1)}
WEIGHTS = {"max_samples": 600, "min_samples": 100}
SAMPLES = [100, 200, 400, 600]
FOUND = {"val_loss": [0.25, 5.0, 1.5, 0.0], "accuracy": [1.0, 0.5, 0.125, 0.75]}
MEANS = {name: np.average(values, weights=SAMPLES) for name, values in FOUND.items()}


@pytest.fixture(scope="module")
def dealt_for_metrics(tmp_path_factory, secret_key):
    """The example's parties, dealt for two values more."""
    folder = tmp_path_factory.mktemp("metrics") / "digits"
    codec = vs.Codec(DIM + len(RANGES), clip=1.0, value_bits=16, max_addends=len(SITES))
    deal(folder, secret_key.secret, codec.for_weight_spread(6))
    return folder


@pytest.fixture
def dealt(dealt_for_metrics, tmp_path):
    return shutil.copytree(dealt_for_metrics, tmp_path / "digits")


def play(server, sites, found=FOUND, number=0):
    """One round; the model after it."""
    server.begin_round()
    server.aggregator.fl_ctx.set_prop(AppConstants.CURRENT_ROUND, number, sticky=False)
    task = server.task(number=number)
    for index, site in enumerate(sites):
        metrics = {name: values[index] for name, values in found.items()}
        metrics = {name: value for name, value in metrics.items() if value is not None}
        meta = {"NUM_STEPS_CURRENT_ROUND": SAMPLES[index], "initial_metrics": metrics}
        answer = site.answer(task, trained(0.1, meta=meta))
        assert answer["DXO"]["meta"] == {}
        message = contribution(answer)
        if message is not None:
            told = {"client_name": site.name}
            params = {CONTRIBUTION: message}
            server.aggregator.accept_model(
                FLModel(params_type=ParamsType.DIFF, params=params, meta=told)
            )
    return server.aggregator.aggregate_model()


def assert_means(model, expected=MEANS):
    assert model.metrics.keys() == expected.keys()
    for name, value in expected.items():
        assert model.metrics[name] == pytest.approx(value, abs=2e-4 * RANGES[name][1])


def test_means_of_metrics_are_those_of_the_aggregated_model_and_choose_the_best(dealt):
    sites = [SiteProcess(dealt, site, metrics=RANGES, **WEIGHTS) for site in SITES]
    server = ServerProcess(dealt, sites, metrics=RANGES)
    selector = IntimeModelSelector(key_metric="val_loss", negate_key_metric=True)
    server.engine.components = {"model_selector": selector}
    model = play(server, sites, number=1)
    assert_means(model)
    assert np.allclose(model.params["numpy_key"], 0.1, atol=1e-4)
    best = selector.best_raw_val_metric
    assert best == model.metrics["val_loss"]
    worse = FOUND | {"val_loss": [5.0] * 4}
    assert play(server, sites, worse, number=2).metrics["val_loss"] == pytest.approx(5, abs=1e-3)
    assert selector.best_raw_val_metric == best
    events = [event for event, _ in server.engine.events]
    assert events.count(AppEventType.GLOBAL_BEST_MODEL_AVAILABLE) == 1
    assert server.aggregator.fl_ctx.get_peer_context() is None
    assert any("metrics summed under encryption, if all 4" in line for line in server.log)


@pytest.mark.parametrize(
    ("of_sites", "of_server", "words"),
    [
        (RANGES, RANGES | {"val_loss": (0, 50)}, "other metrics, ranges or share than this node"),
        ({}, RANGES, "which declares no metrics"),
        (RANGES, None, "the server none"),
    ],
    ids=["range", "none at sites", "none at the server"],
)
def test_sites_refuse_what_they_did_not_declare_before_they_train(
    dealt, of_sites, of_server, words, monkeypatch
):
    if of_server is None:
        monkeypatch.setattr(SummedMetrics, "check", lambda *_: None)  # Not dealt for this.
    site = SiteProcess(dealt, "site-1", metrics=of_sites)
    server = ServerProcess(dealt, [site], metrics=of_server)
    answer = site.answer(server.task(), trained(0.1))
    assert contribution(answer) is None
    assert site.trainer.num_tasks == 0
    assert any("PolicyRefusedError" in line and words in line for line in site.log)


def test_a_site_without_a_number_is_left_out_and_the_others_are_not(dealt):
    sites = [SiteProcess(dealt, site, metrics=RANGES, **WEIGHTS) for site in SITES]
    server = ServerProcess(dealt, sites, metrics=RANGES)
    found = FOUND | {"accuracy": [1.0, None, float("nan"), 0.75]}
    model = play(server, sites, found)
    weights = [SAMPLES[0], SAMPLES[3]]
    kept = {name: [values[0], values[3]] for name, values in found.items()}
    assert_means(model, {name: np.average(kept[name], weights=weights) for name in kept})
    assert any("no metric 'accuracy'" in line for line in sites[1].log)
    assert any("'accuracy' is NaN or infinite" in line for line in sites[2].log)


def test_a_job_that_is_not_dealt_for_its_metrics_ends_at_once(dealt):
    server = ServerProcess(dealt, metrics={"accuracy": (0, 1)})
    server.task()
    assert "650 values to sum and 1 metrics" in server.panics[-1]
    assert "deal with --dim 651" in server.panics[-1]


def test_an_abandoned_round_has_no_metrics(dealt):
    server = ServerProcess(dealt, metrics=RANGES)
    server.task()
    assert server.aggregator.aggregate_model().metrics is None


def test_a_metric_is_summed_or_leaves_in_clear():
    with pytest.raises(InvalidArgumentError, match="'accuracy' is declared to be summed and"):
        PartyFilter("/srv/party", metrics=RANGES, metrics_in_clear=["accuracy"])
