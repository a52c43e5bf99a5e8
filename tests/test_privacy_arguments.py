"""Arguments of privacy that are almost right: numpy numbers, NaN, infinity, the ends of floats."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import veilsum as vs
from exact_privacy import exact_delta
from validation_rules import rule
from veilsum import privacy
from veilsum.privacy import (
    FixedSizeSampling,
    GaussianNoise,
    LaplaceNoise,
    Ledger,
    PoissonSampling,
)
from veilsum.privacy.zcdp import sum_distance

CODEC = vs.Codec(3, clip=1.0, value_bits=16, max_addends=4)
GAUSSIAN = {"epsilon": 8, "delta": 2.0**-20, "rounds": 3, "norm_bound": 2, "honest_contributors": 2}
LAPLACE = {"epsilon": 8, "rounds": 3, "norm_bound": 2}

# Each formula with good arguments. Those named delta lie in (0, 1), the others are not negative.
FORMULAS = [
    (privacy.gaussian_delta, {"mu": 1.0, "epsilon": 1.0}),
    (privacy.gaussian_epsilon, {"mu": 1.0, "delta": 0.1}),
    (privacy.gaussian_mu, {"epsilon": 1.0, "delta": 0.1}),
    (privacy.zcdp_epsilon, {"rho": 1.0, "delta": 0.1}),
    (privacy.zcdp_of_sum, {"sigma": 4.0, "num_terms": 2, "sensitivity": 1.0, "num_slots": 3}),
    (sum_distance, {"sigma": 4.0, "num_terms": 2}),
    (GaussianNoise(**GAUSSIAN).epsilon_of, {"cost": 1.0}),
    (LaplaceNoise(**LAPLACE).epsilon_of, {"cost": 1.0}),
]
COUNTS = ("num_terms", "num_slots")


@rule("NS4")
@pytest.mark.parametrize(("formula", "good"), FORMULAS, ids=lambda x: getattr(x, "__name__", ""))
def test_no_formula_takes_what_is_no_number_in_its_range(formula, good):
    """Above all, NaN is never perfect privacy."""
    assert formula(**good) >= 0
    for name in good:
        wrong = [math.nan, math.inf, -math.inf, -1.0]
        wrong += [0.0, 1.0, 2.0] if name == "delta" else []
        wrong += [*map(np.float64, wrong), 10**400]
        for value in (-1, 0, 2**63) if name in COUNTS else wrong:
            with pytest.raises(vs.InvalidArgumentError, match=f"{name} is"):
                formula(**{**good, name: value})
        for value in (True, "1", None, [1.0], np.zeros(2), 1j):
            with pytest.raises(TypeError, match=f"{name} must be"):
                formula(**{**good, name: value})


def test_noise_below_half_a_step_has_no_distance():
    for call in (
        lambda: sum_distance(0.49, 2),
        lambda: privacy.zcdp_of_sum(0.0, 1, sensitivity=1.0, num_slots=1),
    ):
        with pytest.raises(vs.InvalidArgumentError, match=r"sigma is .* at least 0\.5"):
            call()


@pytest.mark.parametrize("number", [np.float16, np.float32, np.float64, np.longdouble, Fraction])
@pytest.mark.parametrize(("formula", "good"), FORMULAS, ids=lambda x: getattr(x, "__name__", ""))
def test_formulas_take_any_real_number(formula, good, number):
    eighth = {name: value if name in COUNTS else max(value, 0.5) for name, value in good.items()}
    others = {name: value if name in COUNTS else number(value) for name, value in eighth.items()}
    found = formula(**others)
    assert type(found) is float
    assert found == formula(**eighth)


def test_no_privacy_is_perfect_and_nothing_is_left_at_the_ends_of_floats():
    assert privacy.gaussian_delta(0, 0) == privacy.gaussian_epsilon(0, 0.5) == 0.0
    assert privacy.zcdp_epsilon(0, 0.5) == 0.0
    assert privacy.gaussian_epsilon(1e300, 0.5) == math.inf
    assert privacy.zcdp_epsilon(1e308, 1e-5) > 1e308
    assert privacy.zcdp_of_sum(1.0, 1, sensitivity=1e300, num_slots=1) == math.inf
    assert privacy.gaussian_delta(1e-300, 1.0) == 0.0
    assert privacy.gaussian_delta(1e300, 1.0) == 1.0
    least = 5e-324
    found = privacy.gaussian_epsilon(1.0, least)
    assert exact_delta(1.0, found) <= mpmath.mpf(least)
    assert exact_delta(1.0, 0.999 * found) > mpmath.mpf(least)
    assert privacy.gaussian_mu(1.0, least) > 0.02
    assert privacy.gaussian_mu(1e300, 1 - 2.0**-53) > 1e149
    assert 1e-3 < privacy.zcdp_epsilon(1e-9, least) < 2e-3


@pytest.mark.parametrize(("kind", "goal"), [(GaussianNoise, GAUSSIAN), (LaplaceNoise, LAPLACE)])
def test_goals_of_numpy_numbers_are_those_of_python_numbers(kind, goal):
    plain = kind(**goal)
    reals = (np.float16, np.float32, np.float64, np.longdouble)
    counts = (np.int8, np.uint64, np.int64)
    for real in reals:
        for count in counts:
            given = {
                name: count(value) if name in ("rounds", "honest_contributors") else real(value)
                for name, value in goal.items()
            }
            noise = kind(**given, weighted=np.bool_(True))
            assert noise == plain
            assert {type(getattr(noise, name)) for name in goal} <= {int, float}
            assert noise.weighted is True
            assert noise.fit(CODEC) == plain.fit(CODEC)


@pytest.mark.parametrize("value", [0, 0.0, -0.0, np.float32(0)])
def test_gaussian_noise_without_a_delta_names_the_noise_that_has_none(value):
    with pytest.raises(vs.InvalidArgumentError, match=r"delta is 0.*LaplaceNoise"):
        GaussianNoise(**{**GAUSSIAN, "delta": value})


@pytest.mark.parametrize("adjacency", [np.zeros(2), np.array(["zero-out"]), None, 1, b"zero-out"])
def test_an_adjacency_is_a_word(adjacency):
    for kind, goal in ((GaussianNoise, GAUSSIAN), (LaplaceNoise, LAPLACE)):
        with pytest.raises(TypeError, match="adjacency must be 'zero-out' or 'replace-one'"):
            kind(**goal, adjacency=adjacency)
        with pytest.raises(vs.InvalidArgumentError, match="adjacency is 'add'; it must be"):
            kind(**goal, adjacency="add")


@pytest.mark.parametrize("epsilon", [5e-324, 1e-300, 1e-200])
def test_goals_that_no_noise_is_wide_enough_for_say_so(epsilon):
    for noise in (
        GaussianNoise(**GAUSSIAN | {"epsilon": epsilon, "delta": epsilon, "rounds": 2**63 - 1}),
        LaplaceNoise(**LAPLACE | {"epsilon": epsilon, "rounds": 2**63 - 1}),
    ):
        with pytest.raises(vs.InvalidArgumentError, match="larger epsilon or fewer rounds"):
            noise.fit(CODEC)


def test_noise_is_added_to_slots_and_to_nothing_else():
    noise = GaussianNoise(**GAUSSIAN)
    codec = noise.fit(CODEC)
    for slots in (None, [0] * 4, np.zeros(4), np.zeros(4, np.int32), np.ma.zeros(4, np.int64)):
        with pytest.raises(TypeError, match="slots"):
            noise.add_to(slots, codec)
    frozen = np.zeros(4, np.int64)
    frozen.flags.writeable = False
    for slots in (frozen, np.zeros(8, np.int64)[::2]):
        with pytest.raises(vs.InvalidArgumentError, match="slots is"):
            noise.add_to(slots, codec)


@pytest.mark.parametrize("wrong", [None, 3, "gaussian", GaussianNoise, CODEC])
def test_forecasts_are_of_noise_and_a_codec_and_say_so(wrong):
    noise = GaussianNoise(**GAUSSIAN)
    with pytest.raises(TypeError, match="noise must be"):
        vs.privacy.forecast(wrong, noise.fit(CODEC), num_contributors=2)
    with pytest.raises(TypeError, match="codec must be"):
        vs.privacy.forecast(noise, noise if wrong is CODEC else wrong, num_contributors=2)


def test_samplings_take_numpy_numbers_and_no_others():
    for count in (np.int8, np.uint64):
        fixed = FixedSizeSampling(population=count(10), sample_size=count(3))
        assert fixed == FixedSizeSampling(population=10, sample_size=3)
        poisson = PoissonSampling(population=count(10), probability=np.float32(0.5))
        assert poisson == PoissonSampling(population=10, probability=0.5)
        assert type(poisson.probability) is float
    for wrong in (math.nan, 0, 1.01, -0.5, math.inf):
        with pytest.raises(vs.InvalidArgumentError, match="probability is"):
            PoissonSampling(population=10, probability=wrong)
    for wrong in (0, 11):
        with pytest.raises(vs.InvalidArgumentError, match="sample_size is"):
            FixedSizeSampling(population=10, sample_size=wrong)
        with pytest.raises(vs.InvalidArgumentError, match="min_contributors is"):
            PoissonSampling(population=10, probability=0.5, min_contributors=wrong)
    for wrong in (True, 3.0, "3", None):
        with pytest.raises(TypeError, match="sample_size must be an int"):
            FixedSizeSampling(population=10, sample_size=wrong)


def test_the_second_opinion_is_refused_where_it_would_take_for_ever():
    pytest.importorskip("dp_accounting")
    noise = LaplaceNoise(**LAPLACE)
    codec = noise.fit(CODEC)
    with pytest.raises(vs.InvalidArgumentError, match="can be trusted down to"):
        privacy.pld_epsilon(noise, codec, rounds=2**62, delta=1e-6)
    with pytest.raises(vs.InvalidArgumentError, match="at most 4194304 rounds"):
        privacy.pld_epsilon(noise, codec, rounds=2**30, delta=0.1)
    assert privacy.pld_epsilon(noise, codec, rounds=2**30) == pytest.approx(8 / 3 * 2**30)
    gaussian = GaussianNoise(**GAUSSIAN)
    fitted = gaussian.fit(CODEC)
    with pytest.raises(vs.InvalidArgumentError, match=r"too large for this method; noise\.epsilon"):
        privacy.pld_epsilon(gaussian, fitted, rounds=2**62)
    everybody = PoissonSampling(population=2**62, probability=0.5)
    with pytest.raises(vs.InvalidArgumentError, match="at most 256"):
        privacy.pld_epsilon(gaussian, fitted, sampling=everybody)


def test_samples_of_enormous_populations_are_no_nan():
    pytest.importorskip("dp_accounting")
    noise = GaussianNoise(**GAUSSIAN)
    codec = noise.fit(CODEC)
    whole = privacy.pld_epsilon(noise, codec, rounds=1)
    for population in (10**6, 10**12, 2**62):
        sampling = FixedSizeSampling(population=population, sample_size=2)
        found = privacy.pld_epsilon(noise, codec, rounds=1, delta=1e-9, sampling=sampling)
        assert 0 <= found < whole
    with pytest.raises(vs.InvalidArgumentError, match="try pld_epsilon"):
        privacy.rdp_epsilon(
            noise, codec, sampling=FixedSizeSampling(population=2**62, sample_size=2**61)
        )


@pytest.mark.parametrize(
    "number", [np.float16, np.float32, np.float64, np.longdouble, np.int8, Fraction]
)
def test_a_budget_of_numpy_numbers_is_on_the_disk_as_it_was_given(tmp_path, number):
    noise = LaplaceNoise(**LAPLACE)
    made = Ledger.create(tmp_path / "ledger", epsilon=number(8))
    made.charge(b"1", noise=noise, codec=noise.fit(CODEC))
    again = Ledger.open(tmp_path / "ledger")
    assert again.budget == made.budget == (8.0, 0.0)
    assert again.remaining == made.remaining == pytest.approx(8 - 8 / 3)


@pytest.mark.parametrize("epsilon", [True, np.bool_(True), "8", None, 8j, np.array(8.0), [8]])
def test_a_budget_that_is_no_number_leaves_no_file(tmp_path, epsilon):
    with pytest.raises(TypeError, match="epsilon must be a number"):
        Ledger.create(tmp_path / "ledger", epsilon=epsilon)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [1, True, 1.0, "a", None, math.nan, 2**64, [1], np.zeros(1)])
def test_rounds_and_contributions_are_named_by_bytes_alone(tmp_path, name):
    noise = LaplaceNoise(**LAPLACE)
    options = {"noise": noise, "codec": noise.fit(CODEC)}
    for ledger in (Ledger.in_memory(epsilon=8), Ledger.create(tmp_path / "l", epsilon=8)):
        for call in (
            lambda ledger=ledger: ledger.charge(name, **options),
            lambda ledger=ledger: ledger.check(name, **options),
            lambda ledger=ledger: ledger.has(name),
            lambda ledger=ledger: ledger.commitment(name),
        ):
            with pytest.raises(TypeError, match="round_id must be bytes"):
                call()
        with pytest.raises(TypeError, match="commitment must be bytes"):
            ledger.charge(b"1", **options, commitment=name)
        assert ledger.spent.num_contributions == 0
        for same in (b"1", bytearray(b"1"), memoryview(b"1")):
            ledger.charge(same, **options, commitment=b"one contribution")
        assert ledger.spent.num_contributions == 1


def test_an_exhausted_budget_names_its_ledger_and_what_is_left(tmp_path):
    noise = LaplaceNoise(**LAPLACE | {"rounds": 1})
    path = tmp_path / "of-one-round"
    ledger = Ledger.create(path, epsilon=9)
    ledger.charge(b"1", noise=noise, codec=noise.fit(CODEC))
    with pytest.raises(vs.BudgetExhaustedError) as refused:
        ledger.check(b"2", noise=noise, codec=noise.fit(CODEC))
    for words in (str(path), "from epsilon 8 to 16", "epsilon 9 at delta 0", "of which 1 is left"):
        assert words in str(refused.value)
