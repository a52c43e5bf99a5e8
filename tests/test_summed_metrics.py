"""Metrics that share a vector with an update: right or refused, and never more of the norm."""

import logging

import numpy as np
import pytest
import veilsum as vs
from veilsum.errors import InvalidArgumentError, NoMeanError, PolicyRefusedError
from veilsum.integrations.norm_share import update_bound
from veilsum.integrations.summed_metrics import SummedMetrics
from veilsum.privacy import GaussianNoise, LaplaceNoise
from veilsum.secure_sum import hash_model

RANGES = {"loss": (0, 5), "accuracy": (0, 1), "margin": (-3.5, -1.25)}
DIM = 40
MODEL_HASH = hash_model([np.zeros(DIM)])


def codec_of(**settings):
    return vs.Codec(
        DIM + len(RANGES), **({"clip": 0.5, "value_bits": 16, "max_addends": 9} | settings)
    )


CODECS = {
    "values": codec_of(),
    "weights": codec_of(weight_bits=8),
    "stochastic": codec_of(rounding="stochastic"),
    "segments": codec_of(clip=[(30, 0.5), (11, 0.25), (2, 2.0)]),
    "l2": codec_of(norm="l2", norm_bound=1.0),
    "l2, segments": codec_of(norm="l2", norm_bound=1.0, clip=[(30, 0.5), (11, 0.25), (2, 2.0)]),
    "l1, stochastic": codec_of(norm="l1", norm_bound=4.0, rounding="stochastic"),
    "l2, clip first": codec_of(norm="l2", norm_bound=20.0, weight_bits=8),
}


def values(random, place):
    """Metrics within their ranges; those of the first two are at the ends of them."""
    ends = [pair[place] if place < 2 else random.uniform(*pair) for pair in RANGES.values()]
    return dict(zip(RANGES, map(float, ends), strict=True))


def summed(metrics, codec, updates, found, weights, noise=None):
    slots = 0
    for update, each, weight in zip(updates, found, weights, strict=True):
        vector = metrics.vector(update, each, weight=weight, codec=codec)
        slots = slots + codec.quantise(vector, weight=weight, noise=noise)[0]
    return codec.dequantise(slots, num_addends=len(weights))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("length", [1e-3, 30.0, 1e30])
def test_the_mean_is_the_plain_one_to_the_stated_error(name, dtype, length, rng):
    codec, random, metrics = (
        CODECS[name],
        np.random.default_rng(rng.getrandbits(64)),
        SummedMetrics(RANGES),
    )
    weights = random.uniform(0.1, 1, 5) if codec.weight_bits else np.ones(5)
    updates = [(length * random.standard_normal(DIM)).astype(dtype) for _ in weights]
    found = [values(random, place) for place in range(len(weights))]
    before = [update.copy() for update in updates]
    opened = summed(metrics, codec, updates, found, weights)
    update, means = metrics.split(opened, codec)
    bounds = metrics.rounding_error(codec, weight=opened.weight, num_addends=5)
    for metric in RANGES:
        expected = np.average([each[metric] for each in found], weights=weights)
        low, high = RANGES[metric]
        assert abs(means[metric] - expected) <= bounds[metric] <= 0.05 * (high - low)
    assert update.shape == (DIM,)
    assert all(map(np.array_equal, updates, before))


@pytest.mark.parametrize("name", ["l2", "l2, segments", "l1, stochastic"])
def test_a_metric_is_not_shrunk_with_an_update_that_is_too_long(name):
    """The attack: the codec shrinks a vector as a whole."""
    codec, metrics = CODECS[name], SummedMetrics(RANGES)
    found = {metric: pair[1] for metric, pair in RANGES.items()}
    update = np.full(DIM, 100.0)
    vector = metrics.vector(update, found, weight=1.0, codec=codec)
    _, means = metrics.split(codec.dequantise(codec.quantise(vector)[0], num_addends=1), codec)
    error = metrics.rounding_error(codec, weight=1.0, num_addends=1)
    assert all(abs(means[m] - RANGES[m][1]) <= error[m] for m in RANGES)
    unshared = np.concatenate([update, vector[DIM:]])
    slots = codec.quantise(unshared)[0]
    _, wrong = metrics.split(codec.dequantise(slots, num_addends=1), codec)
    assert any(abs(wrong[m] - RANGES[m][1]) > 10 * error[m] for m in RANGES)


@pytest.mark.parametrize("name", ["l2", "l2, segments", "l1, stochastic", "l2, clip first"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_update_keeps_what_the_metrics_leave(name, share):
    codec = CODECS[name]
    metrics = SummedMetrics(RANGES, share=share)
    found = {metric: pair[0] for metric, pair in RANGES.items()}
    for dtype in (np.float32, np.float64):
        update = np.linspace(-70, 50, DIM).astype(dtype)
        vector = metrics.vector(update, found, weight=1.0, codec=codec).astype(np.float64)
        counts = vector * max(codec.clips) / codec.clips
        order = 2 if codec.norm == "l2" else 1
        own = np.linalg.norm(counts[:DIM], order)
        bound = update_bound(codec, len(RANGES), share)
        assert bound * (1 - 1e-6) <= own <= bound * (1 + 1e-6)
        kept = (1 - share**2) ** 0.5 if order == 2 else 1 - share
        assert bound >= codec.norm_bound * kept * (1 - 1e-6)
        # The codec finds nothing to shrink, whatever float32 did.
        assert np.linalg.norm(counts, order) <= codec.norm_bound
        assert not codec.quantise(vector.astype(dtype))[1].norm_scaled


@pytest.mark.parametrize(
    "noise",
    [
        GaussianNoise(epsilon=4, delta=1e-5, rounds=3, norm_bound=1.0, honest_contributors=3),
        LaplaceNoise(epsilon=4, rounds=3, norm_bound=4.0),
    ],
    ids=["gaussian", "laplace"],
)
def test_metrics_cost_no_more_privacy_whatever_they_are(noise):
    codec, metrics = noise.fit(codec_of(weight_bits=8)), SummedMetrics(RANGES, share=0.5)
    order = 2 if noise.norm == "l2" else 1
    for place in (0, 1):
        worst = {metric: pair[place] for metric, pair in RANGES.items()}
        for weight in (1.0, 0.37, codec.min_weight):
            vector = metrics.vector(
                np.full(DIM, 9.0, np.float32), worst, weight=weight, codec=codec
            )
            slots, report = codec.quantise(vector, weight=weight)
            bound = codec.grid_norm_bound * int(slots[-1]) // codec.weight_scale
            assert np.linalg.norm(slots[:-1].astype(np.float64), order) <= bound
            assert report.grid_norm <= bound
    plain = noise.fit(vs.Codec(DIM, clip=0.5, value_bits=16, max_addends=9, weight_bits=8))
    assert noise.sensitivity(codec) == noise.sensitivity(plain)
    assert noise.round_cost(codec) == noise.round_cost(plain)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_the_error_of_noise_is_the_stated_one(kind, weighted):
    number, repeats = 9, 200
    terms = {"rounds": 2, "norm_bound": 2.0, "weighted": weighted}
    if kind == "gaussian":
        terms |= {"epsilon": 20, "delta": 1e-5, "honest_contributors": 9}
        noise = GaussianNoise(**terms)
    else:
        noise = LaplaceNoise(epsilon=400, **terms)
    codec, metrics = noise.fit(codec_of(clip=4.0)), SummedMetrics(RANGES, share=0.3)
    found = {"loss": 2.5, "accuracy": 1.0, "margin": -3.5}
    errors = []
    for _ in range(repeats):
        opened = summed(
            metrics, codec, [np.zeros(DIM)] * number, [found] * number, [1] * number, noise
        )
        means = metrics.split(opened, codec)[1]
        errors.append([means[metric] - found[metric] for metric in metrics.ranges])
    stated = metrics.noise_error(codec, noise, num_contributors=number)
    assert all(value > 0 for value in stated.values())
    # Six deviations of an estimate from so many samples; the mean may be biased by the division.
    slack = 6 / np.sqrt(2 * repeats)
    for measured, metric in zip(np.std(errors, axis=0), metrics.ranges, strict=True):
        low = 0.6 if weighted else 1 - slack
        assert low <= measured / stated[metric] <= 1 + slack
    words = metrics.described(codec, noise, num_contributors=number)
    assert f"noise of standard deviation {stated['loss']:.2g}" in words
    assert metrics.noise_error(codec, None, num_contributors=number) == dict.fromkeys(RANGES, 0.0)


def test_one_that_declares_other_ranges_is_refused():
    mine = SummedMetrics(RANGES)
    announced = mine.bind(MODEL_HASH)
    mine.check_announced(announced, MODEL_HASH)
    SummedMetrics(dict(reversed(RANGES.items()))).check_announced(announced, MODEL_HASH)
    others = [
        SummedMetrics(RANGES | {"loss": (0, 5.000001)}),
        SummedMetrics(RANGES, share=0.11),
        SummedMetrics({"Loss" if name == "loss" else name: RANGES[name] for name in RANGES}),
        SummedMetrics({"loss": (0, 5)}),
        SummedMetrics(),
    ]
    for other in others:
        with pytest.raises(
            PolicyRefusedError, match=r"another model .* or the server declares other"
        ):
            other.check_announced(announced, MODEL_HASH)
    with pytest.raises(PolicyRefusedError, match="and the server none"):
        mine.check_announced(MODEL_HASH, MODEL_HASH)
    with pytest.raises(PolicyRefusedError, match="another model"):
        mine.check_announced(mine.bind(hash_model([np.ones(DIM)])), MODEL_HASH)
    hashes = {each.bind(MODEL_HASH) for each in (mine, *others)}
    assert len(hashes) == 1 + len(others)
    assert SummedMetrics().bind(MODEL_HASH) == MODEL_HASH


def test_what_is_bound_stays_the_same_from_release_to_release():
    bound = SummedMetrics({"loss": (-0.0, 5), "accuracy": (0, 1)}).bind(bytes(range(32)))
    written = (
        b"veilsum/metrics/1"
        + bytes.fromhex("9a9999999999b93f")  # 0.1
        + bytes.fromhex("08000000")
        + b"accuracy"
        + bytes(8)
        + bytes.fromhex("000000000000f03f")
        + bytes.fromhex("04000000")
        + b"loss"
        + bytes(8)
        + bytes.fromhex("0000000000001440")
    )
    parts = [np.frombuffer(part, np.uint8) for part in (written, bytes(range(32)))]
    assert bound == hash_model(parts)
    assert bound.hex() == "b5965f91411bc66b0661dee76acb12578e0cfcd318ca42c363eebe97580aa5a7"


def test_without_the_binding_other_ranges_give_a_wrong_mean():
    """The attack that the binding ends: a value of one range summed with one of another."""
    codec = vs.Codec(DIM + 1, clip=0.5, value_bits=16, max_addends=9)
    server, other = SummedMetrics({"loss": (0, 5)}), SummedMetrics({"loss": (0, 50)})
    slots = sum(
        codec.quantise(each.vector(np.zeros(DIM), {"loss": 4.0}, weight=1.0, codec=codec))[0]
        for each in (server, other)
    )
    _, means = server.split(codec.dequantise(slots, num_addends=2), codec)
    assert means["loss"] == pytest.approx(2.2, abs=1e-3)  # Of two nodes that both have 4.


@pytest.mark.parametrize(
    ("found", "error", "words"),
    [
        ({}, InvalidArgumentError, "no metric 'loss'"),
        ({"loss": float("nan")}, InvalidArgumentError, "NaN or infinite"),
        ({"loss": np.float32("inf")}, InvalidArgumentError, "NaN or infinite"),
        ({"loss": "secret"}, TypeError, "is a str"),
        ({"loss": [0.123]}, TypeError, "is a list"),
        ({"loss": True}, TypeError, "is a bool"),
        ({"loss": 1j}, TypeError, "is a complex"),
    ],
)
def test_a_metric_that_is_no_number_is_refused_and_its_value_not_told(found, error, words):
    codec = vs.Codec(DIM + 1, clip=0.5, value_bits=16, max_addends=9)
    metrics = SummedMetrics({"loss": (0, 5)})
    with pytest.raises(error, match=words) as raised:
        metrics.vector(np.zeros(DIM), found, weight=1.0, codec=codec)
    assert "secret" not in str(raised.value)
    # What counts nothing need not be there.
    assert not metrics.vector(np.zeros(DIM), found, weight=0.0, codec=codec).any()


def test_what_is_cut_is_told_where_the_data_are(caplog):
    codec, metrics = CODECS["l2"], SummedMetrics(RANGES)
    found = {"loss": 7.5, "accuracy": np.float32(0.25), "margin": -2}
    caplog.set_level(logging.INFO, "veilsum")
    vector = metrics.vector(np.full(DIM, 9.0), found, weight=1.0, codec=codec)
    opened = codec.dequantise(codec.quantise(vector)[0], num_addends=1)
    assert metrics.split(opened, codec)[1]["loss"] == pytest.approx(5, abs=0.01)
    assert "the metric loss is 7.5, outside of its declared range, and counts as 5" in caplog.text
    assert "the l2 norm of the update was 56.92, and it was shrunk to 0.995" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_a_sum_beyond_the_range_is_refused():
    codec = codec_of(norm="l2", norm_bound=1.0)
    metrics = SummedMetrics(RANGES)
    slots = codec.quantise(np.zeros(DIM + 3))[0]
    slots[DIM] = codec.weight_scale // 2  # Within the clip, and beyond the range.
    with pytest.raises(NoMeanError, match="'accuracy' lies outside of its range"):
        metrics.split(codec.dequantise(slots, num_addends=1), codec)


def test_a_federation_that_does_not_fit_is_refused_before_training():
    metrics = SummedMetrics(RANGES)
    metrics.check(DIM, codec_of())
    with pytest.raises(InvalidArgumentError, match=r"and 3 metrics .* for 43: deal with --dim 44"):
        metrics.check(DIM + 1, codec_of())
    with pytest.raises(InvalidArgumentError, match=r"41 values to sum, and .* --dim 41"):
        SummedMetrics().check(DIM + 1, codec_of())
    coarse = codec_of(norm="l2", norm_bound=1.0, value_bits=9)
    with pytest.raises(InvalidArgumentError, match=r"more than 5% of its range.*--value-bits"):
        metrics.check(DIM, coarse)
    SummedMetrics(RANGES, share=0.5).check(DIM, codec_of(norm="l2", norm_bound=1.0, value_bits=12))


def test_a_norm_that_float32_cannot_hold_is_refused():
    codec = codec_of(norm="l2", norm_bound=1.425e-44, clip=1e-43)
    update = np.full(DIM, 1.0, np.float32)
    found = {metric: pair[0] for metric, pair in RANGES.items()}
    with pytest.raises(InvalidArgumentError, match="too small for an update of float32"):
        SummedMetrics(RANGES).vector(update, found, weight=1.0, codec=codec)


@pytest.mark.parametrize(
    ("metrics", "share", "error", "words"),
    [
        (["loss"], 0.1, TypeError, "its range, as in"),
        ("loss", 0.1, TypeError, "its range, as in"),
        ({1: (0, 1)}, 0.1, TypeError, "str"),
        ({"": (0, 1)}, 0.1, InvalidArgumentError, "bytes"),
        ({"loss": 5}, 0.1, TypeError, "pair"),
        ({"loss": (0, 1, 2)}, 0.1, TypeError, "pair"),
        ({"loss": "01"}, 0.1, TypeError, "pair"),
        ({"loss": (0, "1")}, 0.1, TypeError, "number"),
        ({"loss": (1, 1)}, 0.1, InvalidArgumentError, "empty"),
        ({"loss": (0, float("inf"))}, 0.1, InvalidArgumentError, "finite"),
        ({"loss": (-1e308, 1e308)}, 0.1, InvalidArgumentError, "too wide"),
        ({"loss": (1e9, 1e9 + 1e-3)}, 0.1, InvalidArgumentError, "too narrow"),
        ({"loss": (0, 1)}, 0, InvalidArgumentError, "metrics_share"),
        ({"loss": (0, 1)}, 0.6, InvalidArgumentError, "metrics_share"),
    ],
)
def test_a_declaration_that_says_nothing_is_refused(metrics, share, error, words):
    with pytest.raises(error, match=words):
        SummedMetrics(metrics, share=share)
