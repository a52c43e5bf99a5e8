"""Tables of pandas and polars, and survival curves beside lifelines': what `--all` installs."""

import numpy as np
import pytest
from stats_cases import AGE, BMI, SEX, clear_result, diabetes, split, study
from veilsum import stats
from veilsum.stats import Count, Covariance, KaplanMeier, LogRank, Mean, Number, Variance

pytestmark = pytest.mark.slow

ASKED = study(
    *(Count(), Mean("age"), Variance("age"), Covariance("age", "bmi")),
    columns=(AGE, BMI, SEX),
    by="sex",
    min_cell=1,
)


def with_gaps(table):
    """Some values missing."""
    age = table["age"].copy()
    age[::17] = np.nan
    return {name: table[name] for name in ("bmi", "sex", "progress")} | {"age": age}


def test_data_frames_are_read_as_arrays_are():
    import pandas as pd
    import polars as pl

    pooled = with_gaps(diabetes())
    tables = split(pooled)
    expected = clear_result(ASKED, tables).to_json()
    frames = {name: pd.DataFrame(table) for name, table in tables.items()}
    assert clear_result(ASKED, frames).to_json() == expected
    nullable = {
        name: frame.convert_dtypes().astype({"sex": "category"}) for name, frame in frames.items()
    }
    assert clear_result(ASKED, nullable).to_json() == expected
    with_nulls = {
        name: pl.DataFrame(table).with_columns(pl.col("age").fill_nan(None))
        for name, table in tables.items()
    }
    assert clear_result(ASKED, with_nulls).to_json() == expected

    whole = pd.DataFrame(pooled).dropna().groupby("sex")["age"]
    result = clear_result(ASKED, frames)
    for group in ("A", "B"):
        for statistic, value in (("mean", whole.mean()), ("variance", whole.var())):
            found = result.get(statistic, "age", group=group)
            assert abs(found.value - value[group]) <= found.rounding
    assert list(result.to_pandas()["statistic"].unique()) == [
        "count",
        "mean",
        "variance",
        "covariance",
    ]


@pytest.mark.filterwarnings("ignore")  # What lifelines calls in pandas, pandas warns of.
def test_survival_is_that_of_lifelines():
    """Of 432 released prisoners, which lifelines ships: weeks until arrest, by financial aid."""
    from lifelines import KaplanMeierFitter
    from lifelines.datasets import load_rossi
    from lifelines.statistics import logrank_test

    rossi = load_rossi()
    times = range(1, 53)
    asked = study(
        KaplanMeier("week", "arrest", times),
        LogRank("week", "arrest", times),
        columns=(Number("week", 0, 52), stats.Flag("arrest"), stats.Flag("fin")),
        by="fin",
        min_cell=1,
    )
    sites = {f"site-{i}": rossi[i::3] for i in range(3)}
    result = clear_result(asked, sites)
    for group, aid in (("no", 0), ("yes", 1)):
        part = rossi[rossi["fin"] == aid]
        fitted = KaplanMeierFitter().fit(part["week"], part["arrest"], timeline=list(times))
        for time in times:
            found = result.get("survival", "week, arrest", group=group, at=str(time))
            assert found.value == pytest.approx(float(fitted.predict(time)), abs=1e-12)
    test = logrank_test(
        *(rossi["week"][rossi["fin"] == aid] for aid in (0, 1)),
        *(rossi["arrest"][rossi["fin"] == aid] for aid in (0, 1)),
    )
    statistic = result.get("log-rank", "week, arrest", at="chi-squared").value
    assert statistic == pytest.approx(test.test_statistic, rel=1e-9)
    p_value = result.get("log-rank", "week, arrest", at="p-value").value
    assert p_value == pytest.approx(test.p_value, rel=1e-9)
