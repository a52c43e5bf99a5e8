"""Amplification by sampling: never more optimistic than worlds that can be, and not far from them.

The worlds are small enough to be exact: integer noise, few contributors, every choice enumerated.
"""

import itertools
import math
import subprocess
import sys

import exact_privacy as exact
import numpy as np
import pytest
import veilsum as vs
from test_cli import HIDING
from veilsum.privacy import (
    FixedSizeSampling,
    GaussianNoise,
    LaplaceNoise,
    PoissonSampling,
    gaussian_epsilon,
    pld_epsilon,
    rdp_epsilon,
)
from veilsum.privacy.sampled_loss import round_losses, round_mus

dp = pytest.importorskip("dp_accounting")
pld = dp.pld.privacy_loss_distribution

ADJACENCIES = ["zero-out", "replace-one"]
DELTA = 1e-5
LARGEST = 15  # of the values of 5 bits that exact worlds use


def gaussian(adjacency="zero-out", *, epsilon=3.0, rounds=1, honest=2, value_bits=5):
    noise = GaussianNoise(
        epsilon=epsilon,
        delta=DELTA,
        rounds=rounds,
        norm_bound=1.0,
        honest_contributors=honest,
        adjacency=adjacency,
        weighted=False,
    )
    return noise, noise.fit(vs.Codec(1, clip=1.0, value_bits=value_bits, max_addends=200))


def fixed(population, sample_size):
    return FixedSizeSampling(population=population, sample_size=sample_size)


def worlds(adjacency, bound, population):
    """Data of all contributors, and the same with that of the first one changed."""
    for first, others in itertools.product((-bound, 0, bound), repeat=2):
        changes = (0,) if adjacency == "zero-out" else (-bound, 0, bound)
        for changed in changes:
            if changed != first:
                rest = [others] * (population - 1)
                yield [first, *rest], [changed, *rest]
    # Others that differ among each other too.
    rest = [bound if i % 2 else -bound for i in range(population - 1)]
    yield [bound, *rest], [0 if adjacency == "zero-out" else -bound, *rest]


def sampled_law(data, sets, law_of):
    """The law of the noisy sum of one of these sets, each with its probability.

    An array as long for other data with values no larger than LARGEST.
    """
    widest = max(len(law_of(len(chosen))) // 2 for _, chosen in sets)
    width = widest + len(data) * LARGEST
    parts = (
        share * exact.at(law_of(len(chosen)), sum(data[i] for i in chosen), width)
        for share, chosen in sets
    )
    return sum(parts)


def all_sets(population, sample_size):
    sets = list(itertools.combinations(range(population), sample_size))
    return [(1 / len(sets), chosen) for chosen in sets]


def gaussian_law(noise, codec):
    sigma = noise.sigma(codec)
    one = exact.discrete_gaussian(sigma, math.ceil(12 * sigma))
    sums = [None, *(exact.sum_of(one, count) for count in range(1, 5))]
    return sums.__getitem__


# ---- one round, exactly ----


@pytest.mark.parametrize("adjacency", ADJACENCIES)
@pytest.mark.parametrize(("population", "sample_size"), [(2, 1), (4, 1), (4, 2), (4, 3), (6, 2)])
@pytest.mark.parametrize("epsilon", [0.5, 3.0])
def test_a_round_has_no_more_epsilon_than_we_say(adjacency, population, sample_size, epsilon):
    noise, codec = gaussian(adjacency, epsilon=epsilon, honest=sample_size)
    law_of = gaussian_law(noise, codec)
    sets = all_sets(population, sample_size)
    ours = pld_epsilon(noise, codec, sampling=fixed(population, sample_size))
    worst = 0.0
    for data, changed in worlds(adjacency, codec.grid_norm_bound, population):
        p, q = (sampled_law(d, sets, law_of) for d in (data, changed))
        worst = max(worst, exact.epsilon(p, q, DELTA), exact.epsilon(q, p, DELTA))
    assert worst <= ours <= epsilon * (1 + 1e-6)
    # Reached for replace-one, up to the variance of rounding; zero-out splits into two worst cases.
    assert worst >= (0.9 if adjacency == "replace-one" else 0.5) * ours


def test_the_sensitivity_of_zero_out_alone_would_be_too_little():
    """Why others' data count: the zero-out sensitivity in the place of replace-one's fails."""
    noise, codec = gaussian(honest=1)
    law_of = gaussian_law(noise, codec)
    near, _ = round_mus(noise, codec, 1)
    q = 0.25
    # Amplifying (epsilon, delta(epsilon)) of the known round, as if nobody else took that place.
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        known = math.log1p(math.expm1(middle) / q)
        too_much = q * vs.privacy.gaussian_delta(near, known) > DELTA
        low, high = (middle, high) if too_much else (low, middle)
    bound = codec.grid_norm_bound
    sets = all_sets(4, 1)
    p, other = (sampled_law([x, -bound, -bound, -bound], sets, law_of) for x in (bound, 0))
    assert exact.epsilon(p, other, DELTA) > high
    assert exact.epsilon(p, other, DELTA) <= pld_epsilon(noise, codec, sampling=fixed(4, 1))


@pytest.mark.parametrize("adjacency", ADJACENCIES)
@pytest.mark.parametrize("fewest", [1, 2])
def test_poisson_sampling_with_its_own_noise_has_no_more_epsilon_than_we_say(adjacency, fewest):
    noise, codec = gaussian(adjacency, honest=1)
    law_of = gaussian_law(noise, codec)
    probability = 0.3
    ours = pld_epsilon(
        noise,
        codec,
        sampling=PoissonSampling(population=4, probability=probability, min_contributors=fewest),
    )
    worst = 0.0
    for data, changed in worlds(adjacency, codec.grid_norm_bound, 4):
        laws = []
        for d in (data, changed):
            # Everything an observer could see: how many took part, and the sum if it was opened.
            seen = [
                math.comb(4, size)
                * probability**size
                * (1 - probability) ** (4 - size)
                * (sampled_law(d, all_sets(4, size), law_of) if size >= fewest else np.ones(1))
                for size in range(5)
            ]
            laws.append(np.concatenate(seen))
        p, q = laws
        worst = max(worst, exact.epsilon(p, q, DELTA), exact.epsilon(q, p, DELTA))
    assert 0 < worst <= ours


# ---- many rounds ----


@pytest.mark.parametrize("adjacency", ADJACENCIES)
@pytest.mark.parametrize("rounds", [2, 20])
def test_rounds_have_no_more_epsilon_than_we_say(adjacency, rounds):
    noise, codec = gaussian(adjacency, rounds=rounds, honest=1, epsilon=5.0)
    law_of = gaussian_law(noise, codec)
    sets = all_sets(4, 1)
    ours = pld_epsilon(noise, codec, sampling=fixed(4, 1))
    bound = codec.grid_norm_bound
    worst = 0.0
    for data, changed in [
        (
            [bound, -bound, -bound, -bound],
            [0 if adjacency == "zero-out" else -bound] + [-bound] * 3,
        ),
        ([bound, 0, 0, 0], [0, 0, 0, 0]),
    ]:
        p, q = (sampled_law(d, sets, law_of) for d in (data, changed))
        for one, other in ((p, q), (q, p)):
            with np.errstate(divide="ignore"):
                logs = [dict(enumerate(np.log(law))) for law in (other, one)]
            loss = pld.from_two_probability_mass_functions(
                *logs, pessimistic_estimate=False, value_discretization_interval=1e-4
            )
            worst = max(worst, loss.self_compose(rounds, 0).get_epsilon_for_delta(DELTA))
    assert 0.5 * ours < worst <= ours


@pytest.mark.parametrize("rounds", [1, 50, 1000])
@pytest.mark.parametrize("population", [200, 10_000])
def test_we_are_not_below_dp_accounting_where_all_others_send_zero(rounds, population):
    """That world is theirs of Poisson sampling, with noise that does not vary."""
    noise, codec = gaussian(rounds=50, honest=100, epsilon=8.0, value_bits=14)
    near, _ = round_mus(noise, codec, 100)
    interval = min(1e-3, near * 100 / population / 20)
    theirs = (
        pld.from_gaussian_mechanism(
            1 / near, sampling_prob=100 / population, value_discretization_interval=interval
        )
        .self_compose(rounds)
        .get_epsilon_for_delta(DELTA)
    )
    ours = pld_epsilon(noise, codec, rounds=rounds, sampling=fixed(population, 100))
    assert theirs * (1 - 1e-2) <= ours
    assert ours <= rdp_epsilon(noise, codec, rounds=rounds, sampling=fixed(population, 100))


@pytest.mark.parametrize("rounds", [1, 30, 3000])
@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 4.0])
def test_with_everyone_chosen_the_numerics_give_the_exact_value(rounds, epsilon):
    """Grid and Fourier transform alone: at q = 1 the answer is known."""
    noise, codec = gaussian(rounds=rounds, epsilon=epsilon, honest=100, value_bits=14)
    exactly = gaussian_epsilon(
        math.sqrt(rounds * noise.round_cost(codec, honest_contributors=100)), DELTA
    )
    for loss in round_losses(noise, codec, fixed(100, 100), DELTA * 1e-4 / rounds):
        found = loss.self_compose(rounds, DELTA * 1e-4).get_epsilon_for_delta(DELTA)
        assert exactly * (1 - 1e-7) <= found <= 1.003 * exactly


def test_epsilon_falls_with_the_population_and_grows_with_rounds():
    noise, codec = gaussian(rounds=100, honest=100, value_bits=14)
    known = noise.epsilon_of(100 * noise.round_cost(codec, honest_contributors=100))
    by_population = [
        pld_epsilon(noise, codec, sampling=fixed(population, 100))
        for population in (100, 101, 150, 1000, 100_000)
    ]
    assert by_population == sorted(by_population, reverse=True)
    assert by_population[0] == known
    by_rounds = [
        pld_epsilon(noise, codec, rounds=rounds, sampling=fixed(1000, 100))
        for rounds in (1, 2, 3, 100, 1000)
    ]
    assert by_rounds == sorted(by_rounds)
    poisson = PoissonSampling(population=1000, probability=0.1, min_contributors=50)
    assert math.isclose(
        pld_epsilon(noise, codec, sampling=poisson),
        pld_epsilon(noise, codec, sampling=fixed(1000, 100)),
        rel_tol=0.05,
    )


# ---- Laplace noise ----


@pytest.mark.parametrize("adjacency", ADJACENCIES)
def test_laplace_rounds_have_no_more_epsilon_than_we_say(adjacency):
    noise = LaplaceNoise(epsilon=2.0, rounds=1, norm_bound=1.0, adjacency=adjacency, weighted=False)
    codec = noise.fit(vs.Codec(1, clip=1.0, value_bits=4, max_addends=4))
    half = math.ceil(40 * noise.scale(codec))
    one = exact.discrete_laplace(noise.scale(codec), half)
    laws = [None, one, exact.sum_of(one, 2)]
    for sample_size in (1, 2):
        ours = pld_epsilon(noise, codec, sampling=fixed(4, sample_size))
        worst = 0.0
        for data, changed in worlds(adjacency, codec.grid_norm_bound, 4):
            sets = all_sets(4, sample_size)
            p, q = (sampled_law(d, sets, laws.__getitem__) for d in (data, changed))
            # Where the cut of the tails does not show.
            reach = half // 2
            middle = len(p) // 2
            inside = slice(middle - reach, middle + reach + 1)
            worst = max(worst, np.abs(np.log(p[inside] / q[inside])).max())
        assert worst <= ours <= 2.0 * (1 + 1e-6)
        if adjacency == "replace-one" and sample_size == 1:
            assert worst > 0.99 * ours
    many = pld_epsilon(noise, codec, rounds=1000, delta=1e-6, sampling=fixed(4, 1))
    assert many < 1000 * pld_epsilon(noise, codec, rounds=1, sampling=fixed(4, 1))


# ---- refusals ----


def test_what_is_not_proved_is_refused():
    noise, codec = gaussian()
    sampling = fixed(10, 2)
    poisson = PoissonSampling(population=10, probability=0.2)
    laplace = LaplaceNoise(epsilon=1.0, rounds=1, norm_bound=1.0)
    for call, message in [
        (lambda: pld_epsilon(noise, codec, sampling=sampling, honest_contributors=1), "leave"),
        (lambda: pld_epsilon(noise, codec, delta=0.0), "delta is 0"),
        (lambda: pld_epsilon(noise, codec, delta=1.0), "delta"),
        (lambda: pld_epsilon(noise, codec, delta=1e-14, sampling=sampling), "trusted"),
        (lambda: pld_epsilon(noise, codec, rounds=0), "rounds"),
        (lambda: rdp_epsilon(noise, codec, sampling=poisson), "Poisson"),
        (lambda: rdp_epsilon(laplace, laplace.fit(codec)), "Gaussian"),
        (lambda: pld_epsilon(laplace, laplace.fit(codec), sampling=poisson), "varies"),
        (lambda: pld_epsilon(laplace, codec), "fit"),
        (lambda: fixed(10, 11), "sample"),
        (lambda: fixed(10, 0), "sample"),
        (lambda: PoissonSampling(population=10, probability=0.0), "probability"),
        (lambda: PoissonSampling(population=10, probability=0.5, min_contributors=11), "min"),
    ]:
        with pytest.raises(vs.InvalidArgumentError, match=message):
            call()


def test_without_its_package_accounting_names_the_extra():
    code = HIDING.format(hidden=("dp_accounting",)) + (
        "import veilsum as vs\n"
        "noise = vs.privacy.GaussianNoise(epsilon=1, delta=1e-6, rounds=1, norm_bound=1.0, "
        "honest_contributors=2)\n"
        "codec = noise.fit(vs.Codec(9, clip=1.0, value_bits=12, max_addends=5))\n"
        "assert not vs.privacy.accounting_available()\n"
        "found = vs.privacy.forecast(noise, codec, num_contributors=5, population=50)\n"
        "assert found.epsilon_honest_server_sampled is None\n"
        "try: vs.privacy.pld_epsilon(noise, codec)\n"
        "except vs.MissingExtraError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'veilsum[accounting]'" in result.stdout, result.stderr


def test_the_package_is_loaded_only_when_it_is_used():
    code = "import sys, veilsum; print(*{'dp_accounting', 'scipy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "", result.stderr
