"""The accountant on a grid beside dp-accounting, and beside the exact privacy of integer noise."""

import itertools
import math

import exact_privacy as exact
import numpy as np
import pytest
from veilsum import Codec
from veilsum.privacy import GaussianNoise, LaplaceNoise, gaussian_epsilon, pld_epsilon, rdp_epsilon

dp = pytest.importorskip("dp_accounting")
pld = dp.pld.privacy_loss_distribution

TOLERANCE = 0.01  # of epsilon, beside dp-accounting
# How far below a float sum of probabilities may lie from its true value, relatively.
ROUNDING = 1e-9

FULL = list(
    itertools.product(
        [0.03, 0.3, 1.0, 3.0, 10.0, 50.0],  # epsilon
        [1e-2, 1e-5, 1e-8, 1e-12],  # delta
        [1, 10, 300, 10_000],  # rounds
        [1, 7, 100],  # honest contributors
    )
)
FAST = FULL[::13]


def setting(epsilon, delta, rounds, honest, *, dim=1000, value_bits=16, **changes):
    noise = GaussianNoise(
        epsilon=epsilon,
        delta=delta,
        rounds=rounds,
        norm_bound=1.0,
        honest_contributors=honest,
        **changes,
    )
    return noise, noise.fit(Codec(dim, clip=0.1, value_bits=value_bits, max_addends=200))


def check_beside_dp_accounting(epsilon, delta, rounds, honest):
    noise, codec = setting(epsilon, delta, rounds, honest)
    ours = noise.epsilon_of(rounds * noise.round_cost(codec))
    assert ours <= epsilon
    # What is exact for continuous noise of all of the variance, none of it given up.
    multiplier = math.sqrt(honest) * noise.sigma(codec) / noise.sensitivity(codec)
    assert ours >= dp.get_epsilon_gaussian(multiplier / math.sqrt(rounds), delta) * (1 - ROUNDING)
    # dp-accounting's privacy loss distributions, composed round by round, from above and below.
    interval = 1 / multiplier / 20
    above = pld.from_gaussian_mechanism(multiplier, value_discretization_interval=interval)
    theirs = above.self_compose(rounds, delta * 1e-4).get_epsilon_for_delta(delta)
    assert math.isclose(ours, theirs, rel_tol=TOLERANCE)
    if rounds <= 10:
        below = pld.from_gaussian_mechanism(
            multiplier,
            value_discretization_interval=interval,
            pessimistic_estimate=False,
            use_connect_dots=False,
        )
        theirs = below.self_compose(rounds, 0).get_epsilon_for_delta(delta)
        assert ours >= theirs * (1 - ROUNDING)
    assert ours <= pld_epsilon(noise, codec) * (1 + 1e-6) <= ours * (1 + TOLERANCE)
    assert ours <= rdp_epsilon(noise, codec)


@pytest.mark.parametrize(("epsilon", "delta", "rounds", "honest"), FAST)
def test_gaussian_epsilon_is_within_a_percent_of_dp_accounting(epsilon, delta, rounds, honest):
    check_beside_dp_accounting(epsilon, delta, rounds, honest)


@pytest.mark.slow
@pytest.mark.parametrize(("epsilon", "delta", "rounds", "honest"), FULL)
def test_gaussian_epsilon_on_the_whole_grid(epsilon, delta, rounds, honest):
    check_beside_dp_accounting(epsilon, delta, rounds, honest)


# ---- the integer noise itself: sums of discrete Gaussians, convolved ----


def loss_between(p, q, *, pessimistic):
    """dp-accounting's loss distribution of two laws on the same integers."""
    with np.errstate(divide="ignore"):
        log_p, log_q = (dict(enumerate(np.log(law))) for law in (p, q))
    return pld.from_two_probability_mass_functions(
        log_q, log_p, pessimistic_estimate=pessimistic, value_discretization_interval=1e-4
    )


def integer_case(value_bits, honest, epsilon=2.0, rounds=1):
    """Noise on a grid so coarse that its integers show, the law of its sum, and that moved."""
    noise, codec = setting(
        epsilon, 1e-6, rounds, honest, dim=1, value_bits=value_bits, weighted=False
    )
    sigma = noise.sigma(codec)
    one = exact.discrete_gaussian(sigma, math.ceil(14 * sigma))
    total = exact.sum_of(one, honest)
    width = len(total) // 2 + int(noise.sensitivity(codec))
    here = exact.at(total, 0, width)
    moved = exact.at(total, int(noise.sensitivity(codec)), width)
    return noise, codec, here, moved


@pytest.mark.parametrize("honest", [1, 2, 5, 10])
@pytest.mark.parametrize("value_bits", [3, 4, 6])
@pytest.mark.parametrize("epsilon", [0.5, 2.0, 8.0])
def test_gaussian_epsilon_is_not_below_that_of_the_integer_noise(epsilon, value_bits, honest):
    noise, codec, here, moved = integer_case(value_bits, honest, epsilon)
    ours = noise.epsilon_of(noise.round_cost(codec))
    true = exact.epsilon(here, moved, noise.delta)
    assert true <= ours <= epsilon
    # What is lost is the variance of rounding: mu^2 = D^2 / (s^2 - 4) in place of D^2 / s^2.
    variance = honest * noise.sigma(codec) ** 2
    mu = noise.sensitivity(codec) / math.sqrt(variance)
    assert ours / true <= 1.005 * gaussian_epsilon(
        mu * math.sqrt(variance / (variance - 4)), noise.delta
    ) / gaussian_epsilon(mu, noise.delta)


@pytest.mark.parametrize("rounds", [2, 10])
@pytest.mark.parametrize("honest", [1, 3])
def test_composed_integer_noise_has_no_more_epsilon_than_we_say(honest, rounds):
    noise, codec, here, moved = integer_case(6, honest, 3.0, rounds)
    ours = noise.epsilon_of(rounds * noise.round_cost(codec))
    below = loss_between(here, moved, pessimistic=False).self_compose(rounds, 0)
    above = loss_between(here, moved, pessimistic=True).self_compose(rounds)
    assert below.get_epsilon_for_delta(noise.delta) <= ours
    assert math.isclose(ours, above.get_epsilon_for_delta(noise.delta), rel_tol=TOLERANCE)


@pytest.mark.parametrize("rounds", [1, 40])
def test_one_discrete_gaussian_is_as_dp_accounting_has_it(rounds):
    noise, codec = setting(4.0, 1e-6, rounds, 1, dim=1, value_bits=6, weighted=False)
    loss = pld.from_discrete_gaussian_mechanism(
        noise.sigma(codec),
        sensitivity=int(noise.sensitivity(codec)),
        value_discretization_interval=1e-5,
    ).self_compose(rounds)
    ours = noise.epsilon_of(rounds * noise.round_cost(codec))
    assert math.isclose(ours, loss.get_epsilon_for_delta(noise.delta), rel_tol=TOLERANCE)
    assert ours >= loss.get_epsilon_for_delta(noise.delta) * (1 - 1e-3)  # it rounds losses up


def test_half_the_noise_would_be_seen():
    """The oracle is sharp: noise of a tenth less variance has more epsilon than was promised."""
    noise, codec, *_ = integer_case(6, 3)
    sigma = noise.sigma(codec) * math.sqrt(0.9)
    total = exact.sum_of(exact.discrete_gaussian(sigma, math.ceil(14 * sigma)), 3)
    shift = int(noise.sensitivity(codec))
    width = len(total) // 2 + shift
    moved = exact.at(total, shift, width)
    assert exact.epsilon(exact.at(total, 0, width), moved, noise.delta) > noise.epsilon


# ---- Laplace noise ----


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("rounds", [1, 3, 100])
@pytest.mark.parametrize("delta", [0.0, 1e-9, 1e-4])
def test_laplace_epsilon_is_never_below_dp_accounting(epsilon, rounds, delta):
    noise = LaplaceNoise(epsilon=epsilon, rounds=rounds, norm_bound=1.0, weighted=False)
    codec = noise.fit(Codec(1, clip=1.0, value_bits=8, max_addends=10))
    shift = int(noise.sensitivity(codec))
    interval = epsilon / rounds / 500
    loss = pld.from_discrete_laplace_mechanism(
        1 / noise.scale(codec), sensitivity=shift, value_discretization_interval=interval
    ).self_compose(rounds, delta * 1e-4)
    theirs = loss.get_epsilon_for_delta(delta)
    pure = noise.epsilon_of(rounds * noise.round_cost(codec))
    ours = pld_epsilon(noise, codec, delta=delta)
    assert ours <= pure * (1 + 1e-6)
    # Theirs rounds every loss up to the interval; the truth lies that much below at most.
    assert ours >= theirs - rounds * interval
    assert pure >= theirs - rounds * interval
    if delta == 0 and rounds <= 3:  # beyond, the worst case is too rare for floats
        assert math.isclose(pure, theirs, rel_tol=TOLERANCE)


@pytest.mark.parametrize("epsilon", [0.3, 2.0])
def test_laplace_epsilon_is_that_of_the_integer_noise(epsilon):
    noise = LaplaceNoise(epsilon=epsilon, rounds=1, norm_bound=1.0, weighted=False)
    codec = noise.fit(Codec(1, clip=1.0, value_bits=5, max_addends=10))
    shift = int(noise.sensitivity(codec))
    half = math.ceil(60 * noise.scale(codec))
    law = exact.discrete_laplace(noise.scale(codec), half)
    here, moved = (exact.at(law, by, half + shift) for by in (0, shift))
    inside = (here > 0) & (moved > 0)
    true = np.abs(np.log(here[inside] / moved[inside])).max()
    assert math.isclose(true, noise.round_cost(codec), rel_tol=1e-9)
