"""Sites of very different sizes: whoever is away, the model is that of plain FedAvg."""

import shutil

import numpy as np
import pytest
import veilsum as vs
from deal import DIM, SITES, deal
from flare_world import (
    ServerProcess,
    SiteProcess,
    contribution,
    trained,
)
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from veilsum.integrations.nvflare.messages import CONTRIBUTION

FEWEST = 3
STEPS = "NUM_STEPS_CURRENT_ROUND"
CHANGES = [0.11, -0.23, 0.31, 0.07]


def counts(ratio):
    return [FEWEST * ratio, FEWEST, FEWEST + (ratio > 1), FEWEST * (1 + ratio // 2)]


def dealt_for(folder, spread, key):
    codec = vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=len(SITES))
    deal(folder, key.secret, codec.for_weight_spread(spread))
    return folder


def model_after_one_round(folder, ratio, present):
    sites = [
        SiteProcess(folder, name, max_samples=FEWEST * ratio, min_samples=FEWEST) for name in SITES
    ]
    server = ServerProcess(folder, sites)
    task = server.task()
    for number in present:
        result = trained(CHANGES[number], meta={STEPS: counts(ratio)[number]})
        answer = contribution(sites[number].answer(task, result))
        assert answer is not None, sites[number].log
        server.aggregator.accept_model(
            FLModel(
                params_type=ParamsType.DIFF,
                params={CONTRIBUTION: answer},
                meta={"client_name": SITES[number]},
            )
        )
    return server.aggregator.aggregate_model().params["numpy_key"]


@pytest.mark.parametrize("ratio", [1, 10, 100, 1000, 20_000])
def test_the_model_is_that_of_plain_averaging_whoever_is_away(tmp_path, secret_key, ratio):
    made = dealt_for(tmp_path / "made", ratio, secret_key)
    for away in (None, *range(len(SITES))):
        present = [number for number in range(len(SITES)) if number != away]
        folder = shutil.copytree(made, tmp_path / str(away))
        model = model_after_one_round(folder, ratio, present)
        expected = np.average(
            [CHANGES[number] for number in present],
            weights=[counts(ratio)[number] for number in present],
        )
        assert np.allclose(model, expected, rtol=1e-3, atol=0)


def test_weights_that_were_not_dealt_for_train_nobody(tmp_path, secret_key):
    folder = dealt_for(tmp_path / "made", 1000, secret_key)
    site = SiteProcess(folder, SITES[0], max_samples=3075, min_samples=3)
    task = ServerProcess(folder, [site]).task()
    answer = site.answer(task, trained(0.1, meta={STEPS: 3075}))
    assert contribution(answer) is None
    assert site.trainer.num_tasks == 0
    assert any("deal with --weight-spread 1025" in line for line in site.log)


def test_a_site_below_the_least_is_left_out_by_name(dealt):
    site = SiteProcess(dealt, SITES[0], max_samples=600, min_samples=100)
    task = ServerProcess(dealt, [site]).task()
    assert contribution(site.answer(task, trained(0.1, meta={STEPS: 99}))) is None
    assert any("99 samples, fewer than min_samples=100" in line for line in site.log)


def test_a_site_without_samples_counts_nothing(dealt):
    site = SiteProcess(dealt, SITES[0], max_samples=600, min_samples=100)
    task = ServerProcess(dealt, [site]).task()
    assert contribution(site.answer(task, trained(0.1, meta={STEPS: 0}))) is not None
