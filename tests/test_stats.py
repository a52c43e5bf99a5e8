"""Statistics without noise are those of all records together, to the grid."""

import json
import math
import warnings

import numpy as np
import pytest
import scipy.stats
import veilsum as vs
from shared_keys import shared_key
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
from validation_rules import rule
from veilsum import stats
from veilsum.stats import (
    Between,
    Category,
    Count,
    Covariance,
    Flag,
    Histogram,
    KaplanMeier,
    LogRank,
    Mean,
    Number,
    OneOf,
    Quantiles,
    Sum,
    Variance,
)
from veilsum.stats.survival import chi_squared_tail

EVERYTHING = study(
    Count(),
    Sum("age"),
    Mean("age"),
    Variance("age"),
    Covariance("age", "bmi"),
    Histogram("age", bins=[0, 40, 50, 60, 100]),
    Quantiles("progress", bins=80),
    columns=(AGE, BMI, PROGRESS, SEX),
    by="sex",
    min_cell=1,
)


@pytest.fixture(scope="module")
def pooled():
    return diabetes()


@pytest.fixture(scope="module")
def tables(pooled):
    return split(pooled)


@pytest.fixture(scope="module")
def result(tables):
    return run(EVERYTHING, tables)


def test_statistics_of_groups_are_those_of_the_pooled_records(result, pooled):
    for group in ("A", "B"):
        of_group = pooled["sex"] == group
        age, bmi = pooled["age"][of_group], pooled["bmi"][of_group]
        expected = {
            ("count", ""): len(age),
            ("sum", "age"): age.sum(),
            ("mean", "age"): age.mean(),
            ("variance", "age"): age.var(ddof=1),
            ("covariance", "age, bmi"): np.cov(age, bmi)[0, 1],
        }
        for (statistic, about), value in expected.items():
            found = result.get(statistic, about, group=group)
            assert abs(found.value - value) <= found.rounding + 1e-9 * abs(value)
            assert found.low <= value <= found.high
            assert found.rounding <= 1e-3 * abs(value)
            assert found.noise == 0
        assert result.get("count", group=group).value == len(age)  # To the last digit.
        counts, _ = np.histogram(age, bins=[0, 40, 50, 60, 100])
        bins = [e for e in result.estimates if (e.statistic, e.group) == ("histogram", group)]
        assert [e.value for e in bins] == counts.tolist()
        assert [e.at for e in bins] == ["[0, 40)", "[40, 50)", "[50, 60)", "[60, 100]"]
        for p in (0.25, 0.5, 0.75):
            found = result.get("quantiles", "progress", group=group, at=f"{p:g}")
            exact = np.quantile(pooled["progress"][of_group], p, method="inverted_cdf")
            assert found.rounding == 5.0
            assert math.floor(found.value / 5) == math.floor(exact / 5)  # In the same bin.


def test_the_interval_of_a_mean_is_the_usual_one(result, pooled):
    age = pooled["age"][pooled["sex"] == "A"]
    found = result.get("mean", "age", group="A")
    assert found.sampling == pytest.approx(scipy.stats.sem(age), rel=1e-4)
    assert found.interval == "rounding, sampling"
    assert found.high - found.low == pytest.approx(2 * 1.96 * scipy.stats.sem(age), rel=1e-3)


def test_a_round_opens_the_integers_that_would_be_added_in_the_clear(result, tables):
    assert clear_result(EVERYTHING, tables).to_json() == result.to_json()


@pytest.mark.slow
def test_a_shared_key_opens_the_same(result, tables):
    again = run(EVERYTHING, tables, key=shared_key().secret, trust="threshold")
    assert again.to_json() == result.to_json()


# ---- survival ----


def log_rank(time, event, groups):
    """The textbook's sums, death by death."""
    excess, variance = 0.0, 0.0
    for t in np.unique(time[event == 1]):
        at_risk, first = time >= t, groups == 0
        n, n1 = at_risk.sum(), (at_risk & first).sum()
        d = ((time == t) & (event == 1)).sum()
        d1 = ((time == t) & (event == 1) & first).sum()
        excess += d1 - d * n1 / n
        if n > 1:
            variance += d * n1 / n * (1 - n1 / n) * (n - d) / (n - 1)
    return excess**2 / variance


def test_a_survival_curve_is_exact_where_its_times_are(pooled, tables):
    times = np.unique(pooled["progress"])
    asked = study(
        KaplanMeier("progress", "event", times),
        LogRank("progress", "event", times),
        columns=(PROGRESS, EVENT, SEX),
        by="sex",
        min_cell=1,
    )
    result = run(asked, tables)
    of_group = pooled["sex"] == "B"
    data = scipy.stats.CensoredData.right_censored(
        pooled["progress"][of_group], pooled["event"][of_group] == 0
    )
    curve = scipy.stats.ecdf(data).sf
    found = [e for e in result.estimates if (e.statistic, e.group) == ("survival", "B")]
    values = {float(e.at): e.value for e in found}
    for time, value in zip(curve.quantiles, curve.probabilities, strict=True):
        assert values[time] == pytest.approx(value, abs=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It has none where nobody is left.
        ends = curve.confidence_interval()
    for each in found[10:-40:10]:
        low, high = (end.evaluate(float(each.at)) for end in (ends.low, ends.high))
        found_ends = np.clip([each.low, each.high], 0, 1)
        assert found_ends == pytest.approx([float(low), float(high)], abs=1e-6)

    statistic = log_rank(pooled["progress"], pooled["event"], (pooled["sex"] == "B").astype(int))
    found = result.get("log-rank", "progress, event", at="chi-squared")
    assert found.value == pytest.approx(statistic, rel=1e-9)
    samples = [
        scipy.stats.CensoredData.right_censored(
            pooled["progress"][pooled["sex"] == sex], pooled["event"][pooled["sex"] == sex] == 0
        )
        for sex in ("A", "B")
    ]
    test = scipy.stats.logrank(*samples)
    assert found.value == pytest.approx(test.statistic**2, rel=1e-9)
    p_value = result.get("log-rank", "progress, event", at="p-value").value
    assert p_value == pytest.approx(test.pvalue, rel=1e-9)


def test_times_between_are_rounded_up():
    table = {"t": np.array([1.0, 2, 2.5, 3, 4, 9]), "dead": np.array([1, 1, 0, 1, 1, 1])}
    asked = study(
        KaplanMeier("t", "dead", [2, 4]),
        columns=(Number("t", 0, 10), Flag("dead")),
        min_count=1,
    )
    empty = {name: values[:0] for name, values in table.items()}
    result = clear_result(asked, {"one": table, "two": empty})
    # Two of six die at 2; at 4, of the four there, two die and one leaves; one is still there.
    assert result.get("survival", "t, dead", at="2").value == pytest.approx(4 / 6)
    assert result.get("survival", "t, dead", at="4").value == pytest.approx(4 / 6 * 2 / 4)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10])
@pytest.mark.parametrize("statistic", [0.0, 0.3, 3.84, 40.0])
def test_the_tail_of_chi_squared(statistic, degrees):
    expected = scipy.stats.chi2.sf(statistic, degrees)
    assert chi_squared_tail(statistic, degrees) == pytest.approx(expected, rel=1e-12)


# ---- what is read ----


def test_values_outside_the_range_are_clipped_and_told(caplog):
    table = {"age": np.array([-5.0, 20, 30, 40, 400, 50])}
    vector = stats.site_vector(stats.Layout(study(Sum("age"))), table, is_noisy=False)
    assert vector.report.num_clipped == {"age": 2}
    assert "2 of 6 values of age" in caplog.text
    result = clear_result(study(Sum("age")), {"one": table, "two": table})
    assert result.get("sum", "age").value == pytest.approx(2 * (0 + 20 + 30 + 40 + 100 + 50))


def test_no_record_adds_more_than_the_noise_is_made_for():
    """Whatever a site's table says: the sensitivity is that of integers, record by record."""
    asked = study(
        *(Count(), Variance("age"), Covariance("age", "bmi"), Histogram("age", bins=7)),
        *(Quantiles("bmi", bins=3), KaplanMeier("progress", "event", [100, 200])),
        columns=(AGE, BMI, PROGRESS, EVENT, SEX),
        by="sex",
    )
    layout = stats.Layout(asked)
    rng = np.random.default_rng(3)
    for _ in range(50):
        table = {
            "age": rng.choice([0, 100, -1e300, 1e300, np.inf, 50.0, rng.uniform(0, 100)], 1),
            "bmi": rng.choice([10, 60, 1e9, rng.uniform(10, 60)], 1),
            "progress": rng.choice([0, 400, 1e9, 150.0], 1),
            "event": rng.choice([0, 1], 1),
            "sex": rng.choice(["A", "B"], 1),
        }
        values = stats.site_vector(layout, table, is_noisy=True).values
        assert (values == np.rint(values)).all()
        assert math.sqrt((values**2).sum()) <= layout.record_norm
    corner = {"age": [100], "bmi": [60], "progress": [1], "event": [1], "sex": ["A"]}
    most = np.linalg.norm(stats.site_vector(layout, corner, is_noisy=True).values)
    assert most == pytest.approx(layout.record_norm, rel=1e-9)


@rule("ST7")
@pytest.mark.parametrize(("missing", "number", "mean"), [("drop", 12, 40.0), ("skip", 14, 50.0)])
def test_records_that_lack_a_value_go_by_the_rule_of_the_study(missing, number, mean):
    age = np.array([40.0] * 6 + [90.0] + [math.nan])
    bmi = np.array([30.0] * 6 + [math.nan] + [20.0])
    asked = study(Mean("age"), Mean("bmi"), columns=(AGE, BMI), missing=missing, min_count=1)
    tables = {"one": {"age": age, "bmi": bmi}, "two": {"age": age, "bmi": bmi}}
    found = clear_result(asked, tables).get("mean", "age")
    assert found.num_records == number
    assert found.value == pytest.approx(mean if missing == "drop" else 330 / 7, abs=1e-4)
    report = stats.site_vector(stats.Layout(asked), tables["one"], is_noisy=False).report
    assert report.num_incomplete == 2
    refusing = study(Mean("age"), Mean("bmi"), columns=(AGE, BMI), missing="refuse")
    with pytest.raises(vs.PolicyRefusedError, match="2 records lack a value"):
        run(refusing, tables)


@rule("ST4")
@pytest.mark.parametrize(
    ("sexes", "error"),
    [
        (["A", "B", None, "A", "B", "A"], None),
        (np.array(["A", "B", "A", "A", "B", "C"]), "1 values of column 'sex'"),
        (np.array([1.5] * 6), "fractions"),
        (np.zeros(6, "datetime64[s]"), "dates"),
        (np.zeros((6, 2)), "dimensions"),
    ],
)
def test_categories_are_the_declared_words(sexes, error):
    asked = study(Count(), columns=(SEX,), by="sex", min_count=1)
    if error is None:
        found = clear_result(asked, {"one": {"sex": sexes}, "two": {"sex": sexes}})
        assert [e.value for e in found.estimates] == [6, 4]
        return
    with pytest.raises((vs.InvalidArgumentError, TypeError), match=error):
        clear_result(asked, {"one": {"sex": sexes}, "two": {"sex": sexes}})


def test_conditions_choose_records():
    table = {"age": np.arange(0, 100.0), "sex": np.array(["A", "B"] * 50)}
    asked = study(
        Count(),
        columns=(AGE, SEX),
        where=[Between("age", 20, 40), OneOf("sex", ("B",))],
    )
    result = clear_result(asked, {"one": table, "two": table})
    assert result.get("count").value == 20


@rule("ST3")
@pytest.mark.parametrize(
    ("values", "error"),
    [
        (["x"] * 6, "declared as numbers"),
        (np.array([1 + 2j] * 6), "complex"),
        (np.ma.masked_array(np.ones(6), [1] * 6), "masked"),
        ([object()] * 6, "declared as numbers"),
    ],
)
def test_a_column_of_another_kind_is_refused(values, error):
    with pytest.raises((vs.InvalidArgumentError, TypeError), match=error):
        stats.site_vector(stats.Layout(study(Sum("age"))), {"age": values}, is_noisy=False)
    with pytest.raises(vs.InvalidArgumentError, match="no column 'age'"):
        stats.site_vector(stats.Layout(study(Sum("age"))), {"years": values}, is_noisy=False)


# ---- studies ----


def test_a_study_is_the_same_from_its_bytes():
    asked = study(
        *(Count(), Histogram("age", bins=[0, 50, 100]), Quantiles("age", bins=4)),
        *(KaplanMeier("progress", "event", np.array([1.0, 2.0])), Mean("age", share=3)),
        columns=(AGE, PROGRESS, EVENT, SEX),
        by="sex",
        where=(Between("age", 20, 90),),
    )
    data = stats.study_to_bytes(asked)
    again = stats.study_from_bytes(data)
    assert again == asked
    assert stats.study_to_bytes(again) == data
    assert stats.study_hash(again) == stats.study_hash(asked)
    other = study(Count(), columns=(AGE,), where=(Between("age", 20, 90),))
    assert stats.study_hash(other) != stats.study_hash(asked)


@rule("ST1")
@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("by"),
        lambda found: found.update(extra=1),
        lambda found: found.update(version=2),
        lambda found: found.update(columns=[{"is": "Study"}]),
        lambda found: found.update(columns=[{"is": "Number", "name": "age", "low": "0"}]),
        lambda found: found.update(queries=[{"is": "Number", "name": "age"}]),
        lambda found: found.update(queries=5),
        lambda found: found["columns"][0].update(high=float("inf")),
    ],
)
def test_bytes_of_no_study_are_refused(change):
    found = json.loads(stats.study_to_bytes(study(Mean("age"))))
    change(found)
    if "by" not in found:
        found["by"] = 7
    with pytest.raises(vs.MalformedDataError):
        stats.study_from_bytes(json.dumps(found).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff", b'{"a": 1, "a": 2}', b"[" * 100_000, bytes(2**22 + 1)]
)
def test_other_bytes_are_no_study(data):
    with pytest.raises(vs.MalformedDataError):
        stats.study_from_bytes(data)


@rule("ST2")
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: study(Mean("bmi")), "not declared"),
        (lambda: study(Mean("sex"), columns=(SEX,)), "declared as a Category"),
        (lambda: study(Mean("age"), columns=(AGE, BMI)), "nothing uses bmi"),
        (lambda: study(Mean("age"), columns=(AGE, AGE)), "declared twice"),
        (lambda: study(Covariance("age", "age")), "Variance"),
        (lambda: study(Histogram("age", bins=[0, 50])), "cover its range"),
        (lambda: study(Histogram("age", bins=[0, 50, 50, 100])), "above the one before"),
        (lambda: study(Quantiles("age", bins=4, probabilities=[0, 0.5])), "above 0"),
        (lambda: study(LogRank("age", "event", [1]), columns=(AGE, EVENT)), "groups"),
        (lambda: study(KaplanMeier("age", "event", [101]), columns=(AGE, EVENT)), "within"),
        (lambda: study(KaplanMeier("age", "bmi", [1]), columns=(AGE, BMI)), "needs a Flag"),
        (lambda: study(Mean("age", share=0)), "share"),
        (lambda: study(), "queries"),
        (lambda: study(Mean("age"), min_count=0), "min_count"),
        (lambda: study(Mean("age"), columns=(AGE, SEX), where=[OneOf("sex", ("C",))]), "declared"),
        (lambda: Number("age", 5, 5), "above"),
        (lambda: Number("age", -1e308, 1e308), "width"),
        (lambda: Category("sex", ("F",)), "2 to"),
        (lambda: Category("sex", ("F", "F")), "different"),
    ],
)  # fmt: skip
def test_a_study_that_does_not_fit_together_is_refused(make, error):
    with pytest.raises(vs.InvalidArgumentError, match=error):
        make()


def test_a_study_of_too_many_sums_is_refused():
    words = stats.Category("word", tuple(str(i) for i in range(11)))
    asked = study(Histogram("age", bins=10_000), columns=(AGE, words), by="word")
    with pytest.raises(vs.InvalidArgumentError, match="fewer"):
        stats.Layout(asked)


def test_a_result_is_json_and_text_and_one_number(result):
    found = json.loads(result.to_json())
    assert len(found["estimates"]) == len(result.estimates)
    assert found["epsilon"] is None
    assert "3 sites" in str(result)
    assert f"{result.get('mean', 'age', group='A').value:.6g}" in str(result)
    with pytest.raises(vs.InvalidArgumentError, match="0 numbers"):
        result.get("mean", "age")


def test_a_result_is_drawn(result, tmp_path):
    figure = result.plot()
    assert figure.axes[0].get_title() == "count"
    figure.savefig(tmp_path / "result.png")


def test_one_site_is_no_sum(tables):
    with pytest.raises(vs.InvalidArgumentError, match="at least two"):
        run(EVERYTHING, {"site-0": tables["site-0"]})
    with pytest.raises(TypeError, match="dict"):
        run(EVERYTHING, list(tables.values()))
