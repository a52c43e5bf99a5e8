"""Statistics with noise: the errors that were foretold, and no more privacy than the ledger has."""

import math

import numpy as np
import pytest
import veilsum as vs
from stats_cases import (
    AGE,
    BMI,
    EVENT,
    PROGRESS,
    SEX,
    clear_result,
    diabetes,
    run,
    split,
    study,
)
from veilsum import stats
from veilsum.privacy import Ledger, RecordNoise
from veilsum.stats import (
    Count,
    Covariance,
    Histogram,
    KaplanMeier,
    LogRank,
    Mean,
    Quantiles,
    Sum,
    Variance,
)
from veilsum.stats.estimates import estimates

NUM_RUNS = 200
ASKED = study(
    Count(),
    Sum("age"),
    Mean("age"),
    Variance("age"),
    Covariance("age", "bmi", share=2),
    Histogram("age", bins=5),
    Quantiles("progress", bins=20, probabilities=[0.5], share=4),
    KaplanMeier("progress", "event", [50, 100, 150, 200], share=2),
    columns=(AGE, BMI, PROGRESS, EVENT),
    min_cell=1,
)


@pytest.fixture(scope="module")
def pooled():
    return diabetes()


@pytest.fixture(scope="module")
def foretold(pooled):
    return stats.forecast(ASKED, num_sites=3, like=pooled, epsilon=8.0, delta=1e-6)


@pytest.fixture(scope="module")
def runs(pooled, foretold):
    tables = split(pooled)
    return [clear_result(ASKED, tables, foretold.noise) for _ in range(NUM_RUNS)]


def test_errors_are_those_of_the_forecast(pooled, foretold, runs):
    """Of 200 runs: a deviation is within 25 % of its own in all but one of 10,000 cases."""
    exact = clear_result(ASKED, split(pooled), None).estimates
    assert len(foretold.expected) == len(exact)
    for i, (expected, right) in enumerate(zip(foretold.expected, exact, strict=True)):
        values = np.array([each.estimates[i].value for each in runs])
        errors = values - right.value
        deviation = math.sqrt(np.mean(errors**2))
        # A quantile jumps from bin to bin: its noise is foretold to first order only.
        slack = 0.5 if expected.statistic == "quantiles" else 0.25
        assert deviation == pytest.approx(expected.noise, rel=slack), expected
        # And no bias beside the noise: 4 deviations of a mean of 200, and the second order.
        assert abs(errors.mean()) < 0.35 * expected.noise, expected


def test_intervals_hold_what_they_say(pooled, runs):
    exact = clear_result(ASKED, split(pooled), None).estimates
    inside = total = 0
    for each in runs:
        for found, right in zip(each.estimates, exact, strict=True):
            if found.statistic in ("count", "sum", "histogram", "variance", "covariance"):
                assert "sampling" not in found.interval
                inside += found.low <= right.value <= found.high
                total += 1
    # Of 1800, not all independent: five deviations or more.
    assert inside / total == pytest.approx(0.95, abs=0.03)


def test_the_forecast_without_an_example_is_that_of_even_records():
    rng = np.random.default_rng(5)
    table = {
        "age": rng.uniform(0, 100, 20_000),
        "bmi": rng.uniform(10, 60, 20_000),
        "progress": rng.uniform(0, 400, 20_000),
    }
    asked = study(
        *(Mean("age"), Variance("age"), Covariance("age", "bmi")),
        *(Histogram("age", bins=[0, 30, 100]), Quantiles("progress", bins=20)),
        columns=(AGE, BMI, PROGRESS),
    )
    even = stats.forecast(asked, num_sites=3, num_records=20_000, epsilon=1.0)
    like = stats.forecast(asked, num_sites=3, like=table, epsilon=1.0)
    for one, other in zip(even.expected, like.expected, strict=True):
        assert one.noise == pytest.approx(other.noise, rel=0.1)
        assert one.sampling == pytest.approx(other.sampling, rel=0.1, nan_ok=True)


def test_privacy_is_split_by_shares():
    asked = study(Mean("age", share=4), Histogram("bmi", bins=5), columns=(AGE, BMI))
    even = study(Mean("age"), Histogram("bmi", bins=5), columns=(AGE, BMI))
    options = {"num_sites": 3, "num_records": 1000, "epsilon": 1.0}
    found, before = stats.forecast(asked, **options), stats.forecast(even, **options)
    assert before.split == pytest.approx((2 / 3, 1 / 3))  # A mean needs a number and a sum.
    assert found.split == pytest.approx((8 / 9, 1 / 9), abs=1e-5)
    assert found.epsilon == before.epsilon == pytest.approx(1.0, abs=1e-6)
    better, worse = found.expected[0].noise, found.expected[1].noise
    assert better / before.expected[0].noise == pytest.approx(math.sqrt(9 / 8 * 2 / 3), rel=1e-3)
    assert worse / before.expected[1].noise == pytest.approx(math.sqrt(9 / 3), rel=1e-3)


def test_the_budget_holds_and_a_spent_one_is_refused_before_a_table_is_looked_at(pooled):
    asked = study(Mean("age"))
    layout = stats.Layout(asked)
    noise = layout.noise(epsilon=1.0, delta=1e-6, honest_sites=3, studies=2)
    tables = split(pooled)
    ledgers = {name: Ledger.in_memory(epsilon=1.0, delta=1e-6, unit="record") for name in tables}
    for times in (1, 2):
        result = run(asked, tables, noise=noise, ledger_for=ledgers.get)
        assert result.epsilon == pytest.approx(
            noise.epsilon_of(noise.round_cost(layout.codec(3, noise)))
        )
        assert result.epsilon_honest_server <= result.epsilon
        for ledger in ledgers.values():
            assert ledger.spent.num_contributions == times
            assert ledger.spent.epsilon <= 1.0
    looked = []

    class Watched(dict):
        def __getitem__(self, name):
            looked.append(name)
            return super().__getitem__(name)

    watched = {name: Watched(table) for name, table in tables.items()}
    with pytest.raises(vs.BudgetExhaustedError):
        run(asked, watched, noise=noise, ledger_for=ledgers.get)
    assert looked == []
    assert all(ledger.spent.num_contributions == 2 for ledger in ledgers.values())


def test_noise_that_is_too_small_or_of_another_kind_is_refused(pooled):
    asked = study(Mean("age"))
    layout = stats.Layout(asked)
    weak = RecordNoise(
        epsilon=1.0,
        delta=1e-6,
        rounds=1,
        norm_bound=layout.record_norm / 2,
        honest_contributors=3,
    )
    with pytest.raises(vs.InvalidArgumentError, match="norm"):
        run(asked, split(pooled), noise=weak)
    strange = vs.privacy.GaussianNoise(
        epsilon=1.0, delta=1e-6, rounds=1, norm_bound=1.0, honest_contributors=2, weighted=False
    )
    with pytest.raises(vs.InvalidArgumentError, match="records"):
        layout.check(layout.codec(3), strange)
    with pytest.raises(vs.InvalidArgumentError, match="honest"):
        stats.forecast(asked, num_sites=3, num_records=9, epsilon=1, honest_sites=4)


@pytest.mark.parametrize(
    ("number", "deviation", "why"),
    [
        (100.0, 10.0, ""),
        (100.0, 51.0, "withheld: the noise is too large"),
        (100.0, 49.0, ""),
        (9.0, 1.0, "withheld: fewer than 10 records"),
    ],
)
def test_what_rests_on_too_few_records_is_withheld(number, deviation, why):
    layout = stats.Layout(study(Mean("age"), columns=(AGE, SEX), by="sex", min_count=10))
    counted, summed = layout.scales
    # With noise no site tells by a refusal that it has few. Of group A there are many.
    sums = {counted: np.array([[1e4], [number]]), summed: np.zeros((2, 1))}
    noise = dict.fromkeys(layout.scales, deviation)
    first, second = estimates(layout, sums, noise)
    assert first.note == ""
    assert first.value == pytest.approx(50)
    assert second.note.startswith(why)
    assert bool(second.note) == bool(why)
    assert math.isnan(second.value) == bool(why)


def test_what_many_records_say_is_shown():
    many = {"age": np.full(4000, 50.0), "sex": np.array(["A"] * 2000 + ["B"] * 2000)}
    asked = study(Count(), Mean("age"), columns=(AGE, SEX), by="sex")
    few = {"age": np.full(3, 50.0), "sex": np.array(["A"] * 3)}
    shown = run(asked, {"one": few, "two": many}, epsilon=1.0)
    # Five deviations, and more: the number and the sum of 2000 have each a thousandth of noise.
    assert shown.get("mean", "age", group="B").value == pytest.approx(50, abs=5)


def test_a_noisy_round_is_charged_as_its_forecast(pooled):
    asked = study(Mean("age"), Histogram("age", bins=4))
    found = stats.forecast(asked, num_sites=3, num_records=442, epsilon=2.0, studies=3)
    assert found.epsilon == pytest.approx(2.0, abs=1e-6)
    ledger = Ledger.in_memory(epsilon=2.0, delta=1e-6, unit="record")
    codec = stats.Layout(asked).codec(3, found.noise)
    ledger.charge(b"1", noise=found.noise, codec=codec)
    assert ledger.spent.epsilon == pytest.approx(found.epsilon_of_study)
    assert found.epsilon_of_study < 2.0
    text = str(found)
    assert "epsilon 2 of a record" in text
    assert "even" in text


def test_the_log_rank_test_keeps_its_level_under_noise():
    """Of 200 studies with one curve for both groups about 5 % are found different."""
    rng = np.random.default_rng(11)
    asked = study(
        LogRank("progress", "event", np.arange(40, 401, 40)),
        columns=(PROGRESS, EVENT, SEX),
        by="sex",
    )
    noise = stats.Layout(asked).noise(epsilon=1.0, delta=1e-6, honest_sites=2)
    found = []
    for _ in range(NUM_RUNS):
        table = {
            "progress": rng.exponential(150, 2000),
            "event": rng.integers(0, 2, 2000),
            "sex": rng.choice(["A", "B"], 2000),
        }
        result = clear_result(asked, split(table, 2), noise)
        found.append(result.get("log-rank", "progress, event", at="p-value").value)
    assert 0.01 <= np.mean(np.array(found) < 0.05) <= 0.11
