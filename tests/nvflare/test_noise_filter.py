"""A site's noise without encryption: exact, charged before it leaves, once a round, and no more."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import train
from digits_jobs import run_job
from flare_world import Engine, SiteProcess, context, trained
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.filter import FilterChainType, FilterContextKey
from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.shareable import make_reply
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.app_common.utils.fl_model_utils import FLModelUtils
from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError
from veilsum.integrations.nvflare import NoiseFilter, noise_filter
from veilsum.integrations.nvflare.model_keeper import ModelKeeper
from veilsum.privacy import GaussianNoise, Ledger, mechanisms

GOAL = {"epsilon": 8.0, "delta": 1e-6, "rounds": 2, "norm_bound": 1.0, "clip": 0.5}
ENTRIES = {
    "layer.weight": (np.linspace(-1, 1, 12).reshape(3, 4), "f4"),
    "layer.bias": ([0.25, -0.5], "f8"),
    "half": ([0.5, 0.125], "f2"),
    "num_batches": (7, "i8"),
    "mask": ([True, False], "?"),
}
MODEL = {name: np.array(values, dtype) for name, (values, dtype) in ENTRIES.items()}
FLOATS = [name for name, array in MODEL.items() if array.dtype.kind == "f"]
DIM = sum(MODEL[name].size for name in FLOATS)


class NoisySite(SiteProcess):
    """A site whose filter adds noise, with a ledger of its own."""

    def made_filter(self, folder, options):
        path = folder / f"{self.name}.ledger"
        if not path.exists() and options.pop("has_ledger", True):
            Ledger.create(path, epsilon=GOAL["epsilon"], delta=GOAL["delta"])
        return NoiseFilter(str(folder / "{site}.ledger"), **(GOAL | options))

    @property
    def spent(self):
        return self.filter._ledger.spent.num_contributions


def task(number=0, model=None, kind=DataKind.WEIGHTS):
    made = {name: array.copy() for name, array in (model or MODEL).items()}
    shareable = DXO(kind, data=made).to_shareable()
    if number is not None:
        shareable.set_header(AppConstants.CURRENT_ROUND, number)
    return shareable


def weights(change, model=None, **more):
    """A result of training: the whole model, and counters that training moved."""
    made = {
        name: np.asarray(array + change, array.dtype) if array.dtype.kind == "f" else array + 1
        for name, array in (model or MODEL).items()
        if array.dtype.kind != "b"
    }
    if "mask" in (model or MODEL):
        made["mask"] = ~MODEL["mask"]
    meta = {"NUM_STEPS_CURRENT_ROUND": 41, "initial_metrics": {"accuracy": 0.5}}
    return DXO(DataKind.WEIGHTS, data=made | more, meta=meta).to_shareable()


def difference(change):
    made = {name: np.full(MODEL[name].shape, change, MODEL[name].dtype) for name in FLOATS}
    made["num_batches"] = np.array(5, np.int64)
    return DXO(DataKind.WEIGHT_DIFF, data=made, meta={"NUM_STEPS_CURRENT_ROUND": 41}).to_shareable()


def data_of(answer):
    return answer["DXO"]["data"]


@pytest.fixture
def no_noise(monkeypatch):
    monkeypatch.setattr(mechanisms.GaussianNoise, "_draw_onto", lambda *_: None)


@pytest.fixture
def site(tmp_path):
    return NoisySite(tmp_path, "site-1")


# ---- what leaves ----


def test_without_noise_the_model_moves_by_the_clipped_change(site, no_noise):
    answer = site.answer(task(), weights(0.7))
    noise = GaussianNoise(
        **{name: GOAL[name] for name in ("epsilon", "delta", "rounds", "norm_bound")},
        honest_contributors=1,
        weighted=False,
    )
    codec = noise.fit(SlotCodec(DIM, clip=0.5, value_bits=16, max_addends=1))
    change = np.concatenate(
        [
            np.asarray(MODEL[name] + 0.7, MODEL[name].dtype).ravel() - MODEL[name].ravel()
            for name in sorted(FLOATS)
        ]
    )
    slots, report = codec.quantise(change)
    assert report.norm_scaled
    step = codec.dequantise(slots, num_addends=1).values
    assert np.linalg.norm(step) <= 1.0
    first = 0
    for name in sorted(FLOATS):
        size, shape = MODEL[name].size, MODEL[name].shape
        moved = MODEL[name] + step[first : first + size].reshape(shape)
        assert np.array_equal(data_of(answer)[name], moved.astype(MODEL[name].dtype))
        first += size


@pytest.mark.parametrize("result", [weights, difference])
def test_kinds_shapes_and_dtypes_stay_and_nothing_else_leaves(site, result):
    made = result(0.1)
    made.set_header("trainer_note", "not for the server")
    made["also"] = "not for the server"
    kind, names = made["DXO"]["kind"], set(made["DXO"]["data"])
    answer = site.answer(task(number=3), made)
    assert set(answer) == {"__headers__", "DXO"}
    assert set(answer["__headers__"]) == {"__content_type__", "current_round"}
    assert answer["DXO"]["kind"] == kind
    assert answer["DXO"]["meta"] == {}  # Neither metrics nor a number of samples.
    assert set(data_of(answer)) == names
    for name, array in data_of(answer).items():
        assert (array.dtype, array.shape) == (MODEL[name].dtype, MODEL[name].shape)


def test_what_is_no_float_leaves_as_the_server_sent_it(site):
    answer = site.answer(task(), weights(0.1))
    for name in ("num_batches", "mask"):
        assert np.array_equal(data_of(answer)[name], MODEL[name])
    answer = site.answer(task(number=1), difference(0.1))
    assert data_of(answer)["num_batches"] == 0


def test_entries_that_are_left_out_leave_as_the_server_sent_them(tmp_path):
    site = NoisySite(tmp_path, "site-1", leave_out=["layer.*"])
    answer = site.answer(task(), weights(0.1))
    for name in ("layer.weight", "layer.bias"):
        assert np.array_equal(data_of(answer)[name], MODEL[name])
    assert not np.array_equal(data_of(answer)["half"], MODEL["half"])


@pytest.mark.parametrize("delta", [1e-6, 0.0])
def test_noise_is_on_the_grid_and_as_wide_as_it_should_be(tmp_path, delta):
    dim = 20_000
    model = {"w": np.zeros(dim)}
    Ledger.create(tmp_path / "site-1.ledger", epsilon=8.0, delta=delta)
    site = NoisySite(tmp_path, "site-1", delta=delta)
    change = np.zeros(dim)
    result = DXO(DataKind.WEIGHT_DIFF, data={"w": change}).to_shareable()
    found = data_of(site.answer(task(model=model), result))["w"]
    noise = site.filter._noise
    codec = noise.fit(SlotCodec(dim, clip=0.5, value_bits=16, max_addends=1))
    steps = found * codec.scale
    assert np.allclose(steps, np.rint(steps), rtol=0, atol=1e-6 * np.abs(steps).max())
    expected = noise.standard_deviation(codec)
    # The standard error of a variance is sqrt((kurtosis - 1) / n), of Laplace noise 1.6 %.
    kurtosis = 3 if delta else 6
    tolerance = 6 * math.sqrt((kurtosis - 1) / dim) / 2
    assert abs(np.std(steps) / expected - 1) < tolerance
    assert abs(np.mean(steps)) < 6 * expected / math.sqrt(dim)


def test_two_rounds_have_different_noise(site):
    first = data_of(site.answer(task(), difference(0.1)))
    second = data_of(site.answer(task(number=1), difference(0.1)))
    assert not np.array_equal(first["layer.weight"], second["layer.weight"])


def in_place(received, scale=1.0):
    """What a trainer does that writes into the arrays it was given: its weights are theirs."""

    class Trains:
        def get_return_code(self):
            return ReturnCode.OK

    for name in FLOATS:
        received["DXO"]["data"][name] += np.asarray(scale, MODEL[name].dtype)
    received["DXO"]["data"]["num_batches"] += 1
    return DXO(DataKind.WEIGHTS, data=received["DXO"]["data"]).to_shareable()


@pytest.mark.parametrize("is_defended", [True, False])
def test_trainer_that_writes_into_the_model_has_its_weights_noised(
    site, no_noise, monkeypatch, is_defended
):
    if not is_defended:  # The attack: the change is zero, and what leaves are clear weights.
        monkeypatch.setattr(noise_filter, "_copied", dict)
    received = task()
    site.trainer.execute = lambda *_: in_place(received, 8.0)
    answer = site.answer(received, None)
    moved = data_of(answer)["layer.weight"] - MODEL["layer.weight"]
    clear = bool(np.allclose(moved, 8.0))
    assert clear is not is_defended
    assert (data_of(answer)["num_batches"] == MODEL["num_batches"]) == is_defended


def test_a_site_enforces_it_with_a_filter_in_each_chain(tmp_path):
    """As in a site's privacy.json: two objects, which hear no events."""
    Ledger.create(tmp_path / "site-1.ledger", epsilon=GOAL["epsilon"], delta=GOAL["delta"])
    first, second = (NoiseFilter(str(tmp_path / "{site}.ledger"), **GOAL) for _ in range(2))
    fl_ctx, received = context(Engine(), "site-1"), task()
    setattr(first, FilterContextKey.CHAIN_TYPE, FilterChainType.TASK_DATA_CHAIN)
    assert first.process(received, fl_ctx) is received
    setattr(second, FilterContextKey.CHAIN_TYPE, FilterChainType.TASK_RESULT_CHAIN)
    answer = second.process(weights(0.1), fl_ctx)
    assert set(data_of(answer)) == set(MODEL)
    assert not np.array_equal(data_of(answer)["half"], MODEL["half"])
    assert second._ledger.spent.num_contributions == 1
    assert len(list((tmp_path / "site-1.ledger.sent").iterdir())) == 1  # To be sent again.
    # A job's own filter of this kind lets pass what the site's has noised.
    job_filter = NoiseFilter(str(tmp_path / "{site}.ledger"), **GOAL)
    setattr(job_filter, FilterContextKey.CHAIN_TYPE, FilterChainType.TASK_RESULT_CHAIN)
    assert job_filter.process(answer, fl_ctx) is answer


# ---- what is charged ----


def test_a_round_is_charged_once_and_sent_again_as_it_was(tmp_path, site):
    sent = data_of(site.answer(task(), weights(0.1)))
    restarted = NoisySite(tmp_path, "site-1")
    for again in (site, restarted):
        found = again.answer(task(), weights(0.4))
        assert found["DXO"]["kind"] == DataKind.WEIGHTS
        assert all(np.array_equal(data_of(found)[name], sent[name]) for name in MODEL)
        assert again.spent == 1
    assert (site.trainer.num_tasks, restarted.trainer.num_tasks) == (1, 0)


def test_what_was_sent_and_is_lost_is_not_made_anew(tmp_path, site):
    site.answer(task(), weights(0.1))
    (kept,) = (tmp_path / "site-1.ledger.sent").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    for damage in (lambda: None, kept.unlink):
        damage()
        answer = site.answer(task(), weights(0.1))
        assert data_of(answer) == {}
        assert any("a second one is never sent" in line for line in site.log)
    assert (site.spent, site.trainer.num_tasks) == (1, 1)


def test_another_model_under_the_same_number_is_charged_like_any_other(site):
    site.answer(task(), weights(0.1))
    site.answer(task(model={**MODEL, "half": MODEL["half"] + 1}), weights(0.1))
    assert site.spent == 2
    # Nothing is free for a server that leaves the number out.
    assert data_of(site.answer(task(number=None, model={"half": MODEL["half"]}), None)) == {}
    assert any("BudgetExhaustedError" in line for line in site.log)


def test_nothing_is_trained_when_the_budget_is_spent(site):
    for number in range(2):
        assert data_of(site.answer(task(number=number), weights(0.1)))
    answer = site.answer(task(number=2), weights(0.1))
    assert answer["DXO"] == {"kind": DataKind.WEIGHT_DIFF, "data": {}, "meta": {}}
    assert answer.get_return_code() == ReturnCode.OK
    assert (site.spent, site.trainer.num_tasks) == (2, 2)
    assert any("BudgetExhaustedError: a contribution would bring" in line for line in site.log)
    assert site.infos[-1].endswith("2 so far have spent epsilon 8 of 8")


@pytest.mark.parametrize(
    ("place", "num_charged"), [("charge", 0), ("drop_others", 1)], ids=["before", "after"]
)
def test_a_crash_around_the_charge_sends_nothing_that_is_not_charged(
    tmp_path, site, monkeypatch, place, num_charged
):
    owner = Ledger if place == "charge" else noise_filter.SentUpdates
    whole = getattr(owner, place)

    def dies(*arguments, **options):
        raise OSError("as if the process died")

    monkeypatch.setattr(owner, place, dies)
    assert data_of(site.answer(task(), weights(0.1))) == {}
    assert site.spent == num_charged
    monkeypatch.setattr(owner, place, whole)
    restarted = NoisySite(tmp_path, "site-1")
    assert set(data_of(restarted.answer(task(), weights(0.1)))) == set(MODEL)
    assert restarted.spent == 1
    assert restarted.trainer.num_tasks == 1 - num_charged
    assert len(list((tmp_path / "site-1.ledger.sent").iterdir())) <= 2 - (1 - num_charged)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (weights(np.nan), "values that are NaN"),
        (weights(0.1, more=np.ones(3)), "no entry 'more'"),
        (weights(0.1, half=np.ones((1, 1), np.float16)), "has the shape"),
        (trained(1, kind=DataKind.METRICS), "not the weights of a model or a difference"),
        (make_reply(ReturnCode.EXECUTION_EXCEPTION), "EXECUTION_EXCEPTION"),
    ],
    ids=["nan", "extra", "shape", "metrics", "failed"],
)
def test_results_that_cannot_be_noised_do_not_leave_and_cost_nothing(site, result, reason):
    answer = site.answer(task(), result)
    assert data_of(answer) == {}
    assert any(reason in line for line in site.log), site.log
    assert site.spent == 0


def test_noise_beyond_a_dtype_is_refused_and_costs_nothing(tmp_path, monkeypatch):
    site = NoisySite(tmp_path, "site-1", norm_bound=1e5, clip=1e5)
    for result in (weights(0.1), difference(0.1)):
        monkeypatch.setattr(
            mechanisms.GaussianNoise, "_draw_onto", lambda self, slots, codec: slots.fill(32767)
        )
        assert data_of(site.answer(task(), result)) == {}
    assert sum("no finite float16" in line for line in site.log) == 2
    assert site.spent == 0


def test_a_task_that_is_no_model_is_refused(site):
    assert data_of(site.answer(task(kind=DataKind.WEIGHT_DIFF), weights(0.1))) == {}
    assert any("not the weights of a model" in line for line in site.log)


def test_a_missing_ledger_is_told_at_the_start_and_never_made(tmp_path):
    site = NoisySite(tmp_path, "site-1", has_ledger=False)
    assert any("cannot take part: LedgerError" in line for line in site.log)
    assert data_of(site.answer(task(), weights(0.1))) == {}
    assert site.trainer.num_tasks == 0
    assert list(tmp_path.iterdir()) == []


def test_thrown_away_ledgers_are_for_the_simulator_only(tmp_path):
    class Simulated(NoisySite):
        is_simulated = True

        def made_filter(self, folder, options):
            return NoiseFilter(simulation=True, **GOAL)

        def context(self, task_name="train"):
            fl_ctx = super().context(task_name)
            fl_ctx.set_prop(
                FLContextKey.SIMULATE_MODE, self.is_simulated, private=True, sticky=False
            )
            return fl_ctx

    class Deployed(Simulated):
        is_simulated = False

    assert set(data_of(Simulated(tmp_path, "site-1").answer(task(), weights(0.1)))) == set(MODEL)
    site = Deployed(tmp_path, "site-1")
    assert data_of(site.answer(task(), weights(0.1))) == {}
    assert any("simulation=True outside of NVFlare's simulator" in line for line in site.log)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ledger": 3}, TypeError),
        ({"ledger": None}, InvalidArgumentError),
        ({"simulation": True}, InvalidArgumentError),
        ({"epsilon": 0}, InvalidArgumentError),
        ({"delta": 1}, InvalidArgumentError),
        ({"rounds": 1.5}, TypeError),
        ({"norm_bound": -1}, InvalidArgumentError),
        ({"clip": 0}, InvalidArgumentError),
        ({"value_bits": 1}, InvalidArgumentError),
        ({"adjacency": "both"}, InvalidArgumentError),
        ({"leave_out": "w"}, TypeError),
        ({"num_threads": 0}, InvalidArgumentError),
    ],
)
def test_arguments_are_checked_by_name(options, error):
    with pytest.raises(error, match=next(iter(options))):
        NoiseFilter(**({"ledger": "{site}.ledger"} | GOAL | options))


# ---- the server ----


@pytest.mark.parametrize("is_there", [True, False])
def test_a_round_without_updates_ends_the_job_and_keeps_the_model(is_there):
    model = FLModel(ParamsType.FULL, dict(MODEL))
    mean = FLModel(params={})  # As NVFlare's FedAvg makes it of no results at all.
    keeper, panics = ModelKeeper(), []
    keeper.system_panic = lambda reason, fl_ctx: panics.append(reason)
    fl_ctx = context(None, "server")
    fl_ctx.set_prop(AppConstants.AGGREGATION_RESULT, mean, private=True, sticky=False)
    if is_there:
        keeper.handle_event(AppEventType.AFTER_AGGREGATION, fl_ctx)
    after = FLModelUtils.update_model(model, mean)
    assert (set(after.params) == set(MODEL)) == is_there
    assert any("no site sent an update" in reason for reason in panics) == is_there


@pytest.mark.slow
def test_a_whole_job_ends_when_budgets_are_spent_and_keeps_its_model(tmp_path):
    """Of NVFlare's own recipe, which sends the whole model, in its simulator."""
    (tmp_path / "digits").mkdir()
    script = Path(__file__).with_name("noise_job") / "job_noise.py"
    job = run_job(tmp_path / "digits", script=script, may_fail=True)
    assert "RunEndedError: the run ends: no site sent an update" in job.log
    assert job.log.count("SIMULATION: this site's privacy ledger ends with its process") == 4
    assert job.log.count("2 so far have spent epsilon 100 of 100") == 4
    assert job.log.count("BudgetExhaustedError") == 4
    assert job.model.shape == (65, 10)
    samples, labels = train.digits()
    found = (samples[1500:] @ job.model).argmax(axis=1)
    assert np.mean(found == labels[1500:]) > 0.5  # Two rounds, and the noise of four.
    sent = [m for m in job.messages if m["site"] and "/DXO/data/numpy_key" in m["keys"]]
    assert len(sent) == 8
    assert not any("meta" in key for message in sent for key in message["keys"])


def test_a_job_writes_down_its_noise_and_no_more(tmp_path):
    from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
    from veilsum.integrations.nvflare import add_noise_filter

    (tmp_path / "train.py").write_text("")
    recipe = NumpyFedAvgRecipe(
        name="noisy",
        model=[[0.0]],
        min_clients=2,
        train_script=str(tmp_path / "train.py"),
    )
    add_noise_filter(recipe, "/srv/veilsum/{site}.ledger", **GOAL)
    recipe.export(str(tmp_path / "job"))
    (path,) = (tmp_path / "job").rglob("config_fed_client.json")
    (entry,) = json.loads(path.read_text())["task_result_filters"]
    (made,) = entry["filters"]
    assert made["args"] == {"ledger": "/srv/veilsum/{site}.ledger", "leave_out": []} | GOAL
    again = NoiseFilter(**made["args"])
    assert again._noise == NoiseFilter("x", **GOAL)._noise
    (path,) = (tmp_path / "job").rglob("config_fed_server.json")
    assert "model_keeper.ModelKeeper" in path.read_text()
