"""Private statistics: counts, means, histograms and survival curves of several sites' records.

    >>> from veilsum import stats
    >>> study = stats.Study(
    ...     "age", columns=[stats.Number("age", 0, 100)], queries=[stats.Mean("age")]
    ... )
    >>> tables = {"north": {"age": [40.0] * 6}, "south": {"age": [50.0] * 6}}
    >>> result = stats.run(study, tables, key=key)  # doctest: +SKIP
    >>> result.get("mean", "age").value  # doctest: +SKIP
    45.0

What is promised to whom, and why the formulas hold: docs/statistics.md.
"""

from veilsum.stats.answered import Answered
from veilsum.stats.answering import SiteAnswer, answer_study
from veilsum.stats.columns import Category, Flag, Number, Table
from veilsum.stats.estimates import Estimate
from veilsum.stats.forecasts import StudyForecast, forecast
from veilsum.stats.layout import Layout
from veilsum.stats.local import run
from veilsum.stats.queries import (
    Count,
    Covariance,
    Histogram,
    Mean,
    Quantiles,
    Sum,
    Variance,
)
from veilsum.stats.result import Result, result_of
from veilsum.stats.site import SiteReport, SiteVector, check_min_count, site_vector
from veilsum.stats.study import Between, OneOf, Study
from veilsum.stats.study_file import (
    load_study,
    save_study,
    study_from_bytes,
    study_hash,
    study_to_bytes,
)
from veilsum.stats.survival import KaplanMeier, LogRank

__all__ = [
    "Answered",
    "Between",
    "Category",
    "Count",
    "Covariance",
    "Estimate",
    "Flag",
    "Histogram",
    "KaplanMeier",
    "Layout",
    "LogRank",
    "Mean",
    "Number",
    "OneOf",
    "Quantiles",
    "Result",
    "SiteAnswer",
    "SiteReport",
    "SiteVector",
    "Study",
    "StudyForecast",
    "Sum",
    "Table",
    "Variance",
    "answer_study",
    "check_min_count",
    "forecast",
    "load_study",
    "result_of",
    "run",
    "save_study",
    "site_vector",
    "study_from_bytes",
    "study_hash",
    "study_to_bytes",
]
