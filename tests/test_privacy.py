"""GaussianNoise and LaplaceNoise: calibration to the codec, room, wire bytes."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from validation_rules import rule
from veilsum import privacy
from veilsum.privacy import GaussianNoise, LaplaceNoise
from veilsum.privacy.head_room import OVERFLOW_PROBABILITY, laplace_head_room
from veilsum.wire import Reader, WireKind, Writer

DIM = 400
ALPHA = 1e-9  # the chance that a statistical test fails although all is well


def gaussian(**changes):
    goal = {
        "epsilon": 2.0,
        "delta": 1e-6,
        "rounds": 3,
        "norm_bound": 1.0,
        "honest_contributors": 4,
    }
    return GaussianNoise(**(goal | changes))


def laplace(**changes):
    return LaplaceNoise(**({"epsilon": 2.0, "rounds": 3, "norm_bound": 1.0} | changes))


KINDS = {"gaussian": gaussian, "laplace": laplace}


def codec(dim=DIM, **changes):
    return vs.Codec(dim, **({"clip": 0.25, "value_bits": 12, "max_addends": 8} | changes))


# ---- sensitivity ----


def farthest(noise, fitted):
    """The largest change of (values, weight) over all weights and over opposite directions."""
    bound, scale = fitted.grid_norm_bound, fitted.weight_scale
    power = 2 if noise.norm == "l2" else 1
    weights = [scale] if not noise.weighted else range(scale + 1)

    def distance(values, weight):
        return (abs(values) ** power + abs(weight) ** power) ** (1 / power)

    if noise.adjacency == "zero-out":  # an encoded zero has weight 0, or 1 where all have
        zero = 0 if noise.weighted else scale
        return max(distance(bound * a / scale, a - zero) for a in weights)
    pairs = itertools.product(weights, weights)
    return max(distance(bound * (a + b) / scale, a - b) for a, b in pairs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("adjacency", ["zero-out", "replace-one"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("norm_bound", [0.05, 0.25, 3.0])
def test_sensitivity_is_the_farthest_that_one_contribution_moves_the_sum(
    kind, adjacency, weighted, norm_bound
):
    noise = KINDS[kind](adjacency=adjacency, weighted=weighted, norm_bound=norm_bound)
    for fitted in (noise.fit(codec(value_bits=7)), noise.fit(codec(value_bits=5, weight_bits=2))):
        assert math.isclose(noise.sensitivity(fitted), farthest(noise, fitted), rel_tol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_no_vector_is_farther_from_zero_than_the_sensitivity(kind, weight):
    noise = KINDS[kind](norm_bound=0.5)
    fitted = noise.fit(codec(weight_bits=2))
    for seed, size in itertools.product(range(5), [1e-3, 1.0, 1e6]):
        delta = np.random.default_rng(seed).standard_normal(DIM) * size
        slots, _ = fitted.quantise(delta, weight=weight)
        exact = sum(int(q) ** 2 for q in slots) if kind == "gaussian" else np.abs(slots).sum()
        limit = noise.sensitivity(fitted) ** (2 if kind == "gaussian" else 1)
        assert exact <= limit * (1 + 1e-12)


# ---- calibration ----


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("rounds", [1, 50])
def test_all_rounds_together_spend_the_goal_and_no_more(kind, epsilon, rounds):
    noise = KINDS[kind](epsilon=epsilon, rounds=rounds)
    fitted = noise.fit(codec())
    spent = noise.epsilon_of(rounds * noise.round_cost(fitted))
    assert epsilon * (1 - 1e-6) < spent <= epsilon


def test_more_honest_contributors_need_less_noise_each():
    alone, fitted = gaussian(honest_contributors=1), gaussian().fit(codec())
    for honest in (2, 10, 1000):
        noise = gaussian(honest_contributors=honest)
        ratio = alone.sigma(fitted) / noise.sigma(fitted)
        assert math.isclose(ratio, math.sqrt(honest), rel_tol=1e-3)


def test_sigma_is_never_below_four_grid_steps():
    noise = gaussian(epsilon=1e4, honest_contributors=1000)
    fitted = noise.fit(codec(value_bits=3))
    assert noise.sigma(fitted) == 4.0
    assert noise.epsilon_of(3 * noise.round_cost(fitted)) < 1e4


def test_an_honest_server_learns_less_from_gaussian_noise_and_no_less_from_laplace():
    noise, fitted = gaussian(), gaussian().fit(codec())
    assert noise.round_cost(fitted, honest_contributors=8) < noise.round_cost(fitted) / 1.9
    noise, fitted = laplace(), laplace().fit(codec())
    assert noise.round_cost(fitted, honest_contributors=8) == noise.round_cost(fitted)


# ---- the noise itself ----


def variance_interval(variance, num_samples, kurtosis):
    """Where a sample variance lies but for ALPHA: normal approximation, six sigmas and more."""
    spread = variance * math.sqrt((kurtosis - 1) / num_samples)
    return variance - 6.2 * spread, variance + 6.2 * spread


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [True, False])
def test_the_decrypted_sum_has_the_variance_that_the_accountant_reckons_with(kind, weighted):
    dim, num_contributors = 20_000, 5
    noise = KINDS[kind](weighted=weighted)
    fitted = noise.fit(codec(dim))
    key = known_key(2048)
    zeros = np.zeros(dim, np.float32)
    total = sum(fitted.encrypt(zeros, key=key.secret, noise=noise) for _ in range(num_contributors))
    opened = fitted.decrypt(total, key.secret)
    slots = opened.values * fitted.scale
    expected = num_contributors * noise.standard_deviation(fitted) ** 2
    kurtosis = 3 if kind == "gaussian" else 3 + 3 / num_contributors
    low, high = variance_interval(expected, dim, kurtosis)
    assert low < np.mean(slots**2) < high
    assert abs(np.mean(slots)) < 6.2 * math.sqrt(expected / dim)
    weight = opened.weight * fitted.weight_scale
    if weighted:
        assert weight != num_contributors * fitted.weight_scale
        assert abs(weight - num_contributors * fitted.weight_scale) < 30 * math.sqrt(expected)
    else:
        assert weight == num_contributors * fitted.weight_scale
    if kind == "gaussian":  # What the cost of a round is reckoned from.
        reckoned = noise.sensitivity(fitted) ** 2 / noise.round_cost(fitted) + 4
        assert math.isclose(reckoned, 4 * noise.standard_deviation(fitted) ** 2, rel_tol=1e-9)


@rule("NS2")
def test_unweighted_noise_refuses_a_weight_that_it_would_not_hide():
    noise = gaussian(weighted=False)
    fitted = noise.fit(codec(weight_bits=2))
    with pytest.raises(vs.InvalidArgumentError, match="every weight must be 1"):
        fitted.quantise(np.zeros(DIM), weight=0.5, noise=noise)


@rule("NS1")
def test_noise_refuses_a_codec_that_does_not_fit():
    noise = gaussian()
    fitted = noise.fit(codec())
    slots = np.zeros(DIM + 1, np.int64)
    misfits = [
        codec(),
        laplace().fit(codec()),
        dataclasses.replace(fitted, norm_bound=2.0),
        dataclasses.replace(fitted, noise_bound=fitted.noise_bound - 1),
        gaussian(norm_bound=1.5).fit(codec()),
    ]
    for misfit in misfits:
        with pytest.raises(vs.InvalidArgumentError, match=r"noise\.fit"):
            noise.add_to(slots, misfit)
    with pytest.raises(vs.InvalidArgumentError, match="slots"):
        noise.add_to(slots[:-1], fitted)
    assert not slots.any()
    noise.add_to(slots, fitted)
    assert slots.any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_room_holds_the_worst_sum_and_its_noise(kind):
    noise = KINDS[kind](epsilon=0.05)
    fitted = noise.fit(codec(2000, max_addends=6))
    deviation = noise.standard_deviation(fitted) * math.sqrt(6)
    assert 9 * deviation < fitted.noise_bound < 40 * deviation
    key = known_key(2048).secret
    total = sum(fitted.encrypt(np.full(2000, 0.25), key=key, noise=noise) for _ in range(6))
    fitted.decrypt(total, key)


def test_head_room_is_a_chernoff_bound():
    # P(sum > T) is below the target by exact convolution of a small case.
    scale, half = 2.0, 400
    q = math.exp(-1 / scale)
    z = np.arange(-half, half + 1)
    one = (1 - q) / (1 + q) * q ** np.abs(z)
    three = np.convolve(np.convolve(one, one), one)
    room = laplace_head_room(scale, num_addends=3, num_slots=10)
    middle = len(three) // 2
    # Above 2**-64 convolution in floats is exact enough; the bound is not wasteful either.
    assert 20 * three[middle + room :].sum() < OVERFLOW_PROBABILITY
    assert 20 * three[middle + room // 2 :].sum() > OVERFLOW_PROBABILITY


def test_too_wide_noise_names_the_remedy():
    with pytest.raises(vs.InvalidArgumentError, match="value_bits"):
        gaussian(epsilon=1e-3).fit(codec(value_bits=36))


# ---- arguments ----


@rule("NS3")
@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("gaussian", {"epsilon": 0}),
        ("gaussian", {"epsilon": math.inf}),
        ("laplace", {"epsilon": math.nan}),
        ("gaussian", {"delta": 0}),
        ("gaussian", {"delta": 1}),
        ("gaussian", {"rounds": 0}),
        ("laplace", {"rounds": -1}),
        ("gaussian", {"honest_contributors": 0}),
        ("gaussian", {"norm_bound": 0.0}),
        ("laplace", {"adjacency": "add-remove"}),
    ],
)
def test_goals_outside_their_range_are_refused(kind, changes):
    with pytest.raises(vs.InvalidArgumentError, match=next(iter(changes))):
        KINDS[kind](**changes)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("gaussian", {"epsilon": "1"}),
        ("laplace", {"epsilon": True}),
        ("gaussian", {"rounds": 1.5}),
        ("gaussian", {"honest_contributors": True}),
        ("laplace", {"weighted": 1}),
    ],
)
def test_goals_of_the_wrong_type_are_refused(kind, changes):
    with pytest.raises(TypeError):
        KINDS[kind](**changes)


def test_the_goal_must_be_said_whole():
    with pytest.raises(TypeError, match="honest_contributors"):
        GaussianNoise(epsilon=1, delta=1e-6, rounds=1, norm_bound=1.0)  # type: ignore[call-arg]


# ---- wire ----


def written(noise):
    writer = Writer(WireKind.ENCRYPTED_VECTOR, 1)
    privacy.write_noise(writer, noise)
    return writer.finish()


def read(data):
    reader = Reader(data, WireKind.ENCRYPTED_VECTOR, 1)
    noise = privacy.read_noise(reader)
    reader.finish()
    return noise


@pytest.mark.parametrize(
    "noise",
    [
        None,
        gaussian(),
        gaussian(adjacency="replace-one", weighted=False, rounds=np.int32(7)),
        laplace(),
        laplace(adjacency="replace-one", epsilon=np.float32(0.1)),
    ],
)
def test_noise_survives_the_wire(noise):
    assert read(written(noise)) == noise


def test_every_changed_byte_of_a_noise_is_another_noise_or_malformed():
    for noise in (gaussian(), laplace()):
        data = written(noise)
        for i in range(16, len(data)):
            for flip in (1, 0x80):
                mutated = data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :]
                try:
                    assert read(mutated) != noise
                except vs.MalformedDataError:
                    continue
