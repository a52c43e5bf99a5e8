"""The accountant beside mpmath, dp-accounting and exact convolutions."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from veilsum import Codec
from veilsum.privacy import (
    GaussianNoise,
    LaplaceNoise,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_mu,
    zcdp_epsilon,
)
from veilsum.privacy.zcdp import sum_distance

dp_accounting = pytest.importorskip("dp_accounting")

EPSILONS = [1e-3, 0.1, 0.5, 1.0, 3.0, 8.0, 30.0, 200.0]
DELTAS = [1e-2, 1e-5, 1e-9, 1e-15]
GRID = list(itertools.product(EPSILONS, DELTAS))
ROUNDS = [1, 7, 1000]


def exact_delta(mu, epsilon):
    with mpmath.workdps(60):
        mu, epsilon = mpmath.mpf(mu), mpmath.mpf(epsilon)
        first = mpmath.ncdf(mu / 2 - epsilon / mu)
        return first - mpmath.exp(epsilon) * mpmath.ncdf(-mu / 2 - epsilon / mu)


# ---- the curve of Gaussian DP ----


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("mu", [1e-3, 0.05, 0.7, 2.0, 10.0, 40.0])
def test_gaussian_delta_has_the_digits_of_mpmath(mu, epsilon):
    exact = exact_delta(mu, epsilon)
    if exact > 1e-300:
        assert math.isclose(gaussian_delta(mu, epsilon), exact, rel_tol=1e-8)
    else:
        assert gaussian_delta(mu, epsilon) < 1e-290


@pytest.mark.parametrize(("epsilon", "delta"), GRID)
def test_calibration_and_accounting_lean_to_the_safe_side(epsilon, delta):
    mu = gaussian_mu(epsilon, delta)
    assert exact_delta(mu, epsilon) <= delta
    assert epsilon * (1 - 1e-8) < gaussian_epsilon(mu, delta) <= epsilon
    assert exact_delta(mu * (1 + 1e-6), epsilon) > delta  # and not further than that


@pytest.mark.parametrize("mu", [0.01, 0.3, 2.0, 9.0, 60.0])
@pytest.mark.parametrize("delta", DELTAS)
def test_gaussian_epsilon_is_an_upper_bound(mu, delta):
    epsilon = gaussian_epsilon(mu, delta)
    assert exact_delta(mu, epsilon) <= delta
    if epsilon > 0:
        assert exact_delta(mu, epsilon * (1 - 1e-6)) > delta


# ---- beside dp-accounting ----


def gaussian_setting(epsilon, delta, rounds, honest):
    noise = GaussianNoise(
        epsilon=epsilon,
        delta=delta,
        rounds=rounds,
        norm_bound=1.0,
        honest_contributors=honest,
    )
    return noise, noise.fit(Codec(1000, clip=0.1, value_bits=16, max_addends=200))


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("honest", [1, 50])
@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 1e-9), (3.0, 1e-5), (8.0, 1e-5)])
def test_gaussian_epsilon_is_that_of_dp_accounting_and_never_below(epsilon, delta, rounds, honest):
    noise, codec = gaussian_setting(epsilon, delta, rounds, honest)
    multiplier = math.sqrt(honest) * noise.sigma(codec) / noise.sensitivity(codec)
    theirs = dp_accounting.get_epsilon_gaussian(multiplier / math.sqrt(rounds), delta)
    ours = noise.epsilon_of(rounds * noise.round_cost(codec))
    assert theirs * (1 - 1e-9) <= ours <= 1.001 * theirs
    assert ours <= epsilon

    renyi = dp_accounting.rdp.RdpAccountant()
    renyi.compose(dp_accounting.GaussianDpEvent(multiplier), rounds)
    assert ours <= renyi.get_epsilon(delta)


@pytest.mark.parametrize("rounds", [1, 30])
@pytest.mark.parametrize("epsilon", [0.5, 3.0])
def test_gaussian_epsilon_lies_between_the_bounds_of_privacy_loss_distributions(epsilon, rounds):
    delta = 1e-6
    noise, codec = gaussian_setting(epsilon, delta, rounds, 10)
    multiplier = math.sqrt(10) * noise.sigma(codec) / noise.sensitivity(codec)
    ours = noise.epsilon_of(rounds * noise.round_cost(codec))
    for pessimistic in (False, True):
        theirs = (
            dp_accounting.pld.privacy_loss_distribution.from_gaussian_mechanism(
                multiplier, pessimistic_estimate=pessimistic, value_discretization_interval=1e-4
            )
            .self_compose(rounds)
            .get_epsilon_for_delta(delta)
        )
        assert math.isclose(ours, theirs, rel_tol=1e-2)
        if not pessimistic:
            assert ours >= theirs


@pytest.mark.parametrize("rho", [1e-4, 0.01, 0.5, 20.0])
@pytest.mark.parametrize("delta", DELTAS)
def test_zcdp_conversion_is_never_below_the_exact_gaussian(rho, delta):
    exact = gaussian_epsilon(math.sqrt(2 * rho), delta)
    assert exact <= zcdp_epsilon(rho, delta) <= rho + 2 * math.sqrt(rho * math.log(1 / delta))


def test_zcdp_of_our_noise_is_never_more_optimistic_than_its_gaussian_dp():
    noise, codec = gaussian_setting(3.0, 1e-6, 5, 10)
    assert zcdp_epsilon(5 * noise.zcdp(codec), 1e-6) >= noise.epsilon_of(
        5 * noise.round_cost(codec)
    )
    renyi = dp_accounting.rdp.RdpAccountant()
    renyi.compose(dp_accounting.ZCDpEvent(noise.zcdp(codec)), 5)
    assert zcdp_epsilon(5 * noise.zcdp(codec), 1e-6) <= renyi.get_epsilon(1e-6) * (1 + 1e-3)


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 20.0])
@pytest.mark.parametrize("rounds", ROUNDS)
def test_laplace_epsilon_is_that_of_dp_accounting_and_never_below(epsilon, rounds):
    noise = LaplaceNoise(epsilon=epsilon, rounds=rounds, norm_bound=1.0)
    codec = noise.fit(Codec(1000, clip=0.1, value_bits=8, max_addends=200))
    cost = noise.round_cost(codec)
    exact = noise.sensitivity(codec) / noise.scale(codec)
    theirs = dp_accounting.pld.privacy_loss_distribution.from_discrete_laplace_mechanism(
        1 / noise.scale(codec), sensitivity=int(noise.sensitivity(codec))
    ).get_epsilon_for_delta(0)
    assert math.isclose(theirs, exact, rel_tol=1e-3, abs_tol=1e-4)
    assert exact * (1 - 1e-12) <= cost <= exact
    assert epsilon * (1 - 1e-9) <= noise.epsilon_of(rounds * cost) <= epsilon


# ---- sums of discrete Gaussians, by convolution ----


def discrete_gaussian(variance, half_width):
    integers = range(-half_width, half_width + 1)
    weights = [mpmath.exp(-mpmath.mpf(z * z) / (2 * variance)) for z in integers]
    total = mpmath.fsum(weights)
    return [w / total for w in weights]


def convolve(p, q):
    return [
        mpmath.fsum(p[j] * q[i - j] for j in range(max(0, i - len(q) + 1), min(i + 1, len(p))))
        for i in range(len(p) + len(q) - 1)
    ]


@pytest.mark.parametrize("sigma", [0.6, 0.8, 1.0])
@pytest.mark.parametrize("num_terms", [2, 3, 5])
def test_sums_of_discrete_gaussians_are_as_near_as_stated(sigma, num_terms):
    with mpmath.workdps(80):
        one = discrete_gaussian(mpmath.mpf(sigma) ** 2, 16)
        total = one
        for _ in range(num_terms - 1):
            total = convolve(total, one)
        half = len(total) // 2
        nearest = discrete_gaussian(num_terms * mpmath.mpf(sigma) ** 2, half)
        middle = range(half - 6, half + 7)  # farther out the cut at 16 shows
        gap = max(abs(mpmath.log(total[i] / nearest[i])) for i in middle)
    bound = sum_distance(sigma, num_terms)
    assert gap <= bound
    assert gap > bound / 1000  # a gap that the arithmetic can see


def test_rounding_a_gaussian_gives_the_discrete_gaussian():
    # docs/privacy.md, step 1, with an r so small that the difference can be seen.
    r, sigma = 0.5, 0.51
    spread = math.sqrt(sigma**2 - r**2)
    x = np.linspace(-3, 3, 60_001)
    density = np.exp(-(x**2) / (2 * spread**2)) / (spread * math.sqrt(2 * math.pi))
    z = np.arange(-20, 21)
    kernel = np.exp(-((x[:, None] - z) ** 2) / (2 * r * r))
    kernel /= kernel.sum(axis=1, keepdims=True)
    rounded = (density[:, None] * kernel).sum(axis=0) * (x[1] - x[0])
    exact = np.exp(-(z**2) / (2 * sigma**2))
    exact /= exact.sum()
    near = np.abs(z) <= 2
    gap = np.abs(np.log(rounded[near] / exact[near])).max()
    stated = 2.1 * 2.0001 * math.exp(-2 * math.pi**2 * r**2)
    assert stated / 100 < gap <= stated
