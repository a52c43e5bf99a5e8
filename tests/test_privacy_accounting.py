"""The accountant beside mpmath, dp-accounting and exact convolutions."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from exact_privacy import exact_delta
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


# ---- the same at the least sigma that is used, in many digits: docs/privacy.md, steps 1 and 2 ----


def rounded_gaussian(variance, r, integers):
    """P(z) of rounding N(0, variance) with a kernel of width r, for these z.

    The trapezoidal rule, exact beyond 100 digits here: the integrand is a Gaussian over a theta
    function whose zeros are 12 away from the real line.
    """
    step = mpmath.mpf(1) / 4

    def rho(t):
        return mpmath.exp(-(t**2) / (2 * r**2))

    totals = [mpmath.fsum(rho(k * step - y) for y in range(-80, 81)) for k in range(4)]
    found = []
    for z in integers:
        points = range(4 * (z - 60), 4 * (z + 60) + 1)
        terms = (
            mpmath.exp(-((k * step) ** 2) / (2 * variance)) * rho(z - k * step) / totals[k % 4]
            for k in points
        )
        found.append(step * mpmath.fsum(terms) / mpmath.sqrt(2 * mpmath.pi * variance))
    return found


@pytest.mark.parametrize("num_terms", [1, 2, 3])
def test_at_sigma_4_a_sum_is_a_rounded_gaussian_to_34_digits(num_terms):
    sigma, r = mpmath.mpf(4), mpmath.mpf(2)
    near = range(-9, 10)
    with mpmath.workdps(100):
        one = discrete_gaussian(sigma**2, 90)
        total = one
        for _ in range(num_terms - 1):
            total = convolve(total, one)
        middle = len(total) // 2
        ours = [total[middle + z] for z in near]
        single = discrete_gaussian(num_terms * sigma**2, 90 * num_terms)
        nearest = [single[90 * num_terms + z] for z in near]
        rounded = rounded_gaussian(num_terms * sigma**2 - r**2, r, near)

        def gap(p, q):
            return max(abs(mpmath.log(a / b)) for a, b in zip(p, q, strict=True))

        rounding = 2.1 * 2.0001 * mpmath.exp(-2 * mpmath.pi**2 * r**2)
        summing = 10 * sum(
            mpmath.exp(-2 * mpmath.pi**2 * sigma**2 * k / (k + 1)) for k in range(1, num_terms)
        )
        assert gap(nearest, rounded) <= rounding < 2.4e-34
        assert gap(ours, nearest) <= summing <= sum_distance(4, num_terms) < 1e-67 * num_terms
        if num_terms == 2:  # a bound of something; three are nearer than what it says of them
            assert gap(ours, nearest) > summing / 100
        assert gap(ours, rounded) <= rounding + summing


def test_below_sigma_4_the_distance_grows_to_what_anyone_can_see():
    """Why there is a least sigma: at 1/2 the sum of two is no discrete Gaussian any more."""
    gaps = []
    with mpmath.workdps(40):
        for sigma in (2.0, 1.0, 0.5):
            one = discrete_gaussian(mpmath.mpf(sigma) ** 2, 30)
            total, nearest = convolve(one, one), discrete_gaussian(2 * mpmath.mpf(sigma) ** 2, 60)
            ratios = (total[60 + z] / nearest[60 + z] for z in range(-3, 4))
            gaps.append(max(abs(mpmath.log(ratio)) for ratio in ratios))
            assert gaps[-1] <= sum_distance(sigma, 2)
    assert gaps[0] < 1e-15 < gaps[1] < 1e-3 < 0.1 < gaps[2]
