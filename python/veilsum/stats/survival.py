"""Survival curves and the log-rank test, from how many had an event or left in each interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veilsum.errors import InvalidArgumentError
from veilsum.stats.columns import Flag, find
from veilsum.stats.parts import Followed, Part
from veilsum.stats.queries import Floats, Query, Sums, Terms, increasing

__all__ = ["KaplanMeier", "LogRank", "chi_squared_tail"]


@dataclass(frozen=True)
class _OfSurvival(Query):
    """A statistic of the time until an event, which some records leave without.

    Args:
        time: column of the time that a record was followed for; at least 0.
        event: column of flags: whether the event came at that time.
        times: increasing, within the range of ``time``: each record's time is rounded up to the
            next of them, and one that is followed for longer counts as still there at the last.
        share: as for all statistics.
    """

    time: str
    event: str
    times: Sequence[float]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "times", increasing("times", self.times, at_least=1))

    @property
    def about(self) -> str:
        """Both columns."""
        return f"{self.time}, {self.event}"

    def followed(self, terms: Terms) -> Followed:
        """Its numbers as a part; InvalidArgumentError for columns or times that do not fit."""
        column = terms.number(self.time)
        find(terms.columns, self.event, Flag)
        if column.low < 0 or not column.low <= self.times[0] <= self.times[-1] <= column.high:
            raise InvalidArgumentError(
                f"times must lie within the range of {self.time!r}, {column.low:g} to "
                f"{column.high:g}, which must not go below 0"
            )
        return Followed(column, self.event, tuple(self.times))

    def parts(self, terms: Terms) -> tuple[Part, ...]:
        """The numbers in each interval."""
        return (self.followed(terms),)

    def _events(self, sums: Sums, terms: Terms) -> tuple[Floats, Floats]:
        """At each time how many had an event, and how many were at risk of it.

        Who leaves at a time is at risk until then.
        """
        cells, last = sums[self.followed(terms)], len(self.times)
        events = cells[..., :last]
        gone = events + cells[..., last : 2 * last]
        later = np.flip(np.cumsum(np.flip(gone, axis=-1), axis=-1), axis=-1)
        return events, later + cells[..., 2 * last :]


@dataclass(frozen=True)
class KaplanMeier(_OfSurvival):
    """The Kaplan-Meier estimate of the part that had no event up to each of ``times``.

    Exact, where there is no noise, for records whose times are among ``times``; else it is the
    estimate of times that are rounded up to them. Intervals: Greenwood's variance, and noise.
    """

    @property
    def name(self) -> str:
        """In tables."""
        return "survival"

    def places(self, terms: Terms) -> tuple[str, ...]:
        """The times."""
        return tuple(f"{time:g}" for time in self.times)

    def values(self, sums: Sums, terms: Terms) -> Floats:
        """The product of what is left at each time."""
        events, at_risk = self._events(sums, terms)
        found: Floats = np.cumprod(1 - _rate(events, at_risk), axis=-1, dtype=np.float64)
        return found

    def sampling_variance(self, sums: Sums, terms: Terms) -> Floats | None:
        """Greenwood's."""
        events, at_risk = self._events(sums, terms)
        left = np.maximum(at_risk - events, 1e-300)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            each = np.where(events > 0, _rate(events, at_risk) / left, 0.0)
            found: Floats = self.values(sums, terms) ** 2 * np.cumsum(each, axis=-1)
        return np.where(self.values(sums, terms) > 0, found, 0.0)

    def support(self, sums: Sums, terms: Terms) -> Floats:
        """How many are at risk at each time."""
        return self._events(sums, terms)[1]


@dataclass(frozen=True)
class LogRank(_OfSurvival):
    """The log-rank test that all groups of a study have one survival curve.

    The statistic is chi-squared with a degree less than there are groups. Where there is noise its
    variance is added to the hypergeometric one, so that the test keeps its level; it finds less.
    """

    @property
    def name(self) -> str:
        """In tables."""
        return "log-rank"

    def parts(self, terms: Terms) -> tuple[Part, ...]:
        """As of ``KaplanMeier``."""
        if len(terms.groups) < 2:
            raise InvalidArgumentError(
                "LogRank compares groups: give the study by=, a Category or a Flag"
            )
        return super().parts(terms)

    def places(self, terms: Terms) -> tuple[str, ...]:
        """Of each group."""
        return ("observed", "expected")

    def values(self, sums: Sums, terms: Terms) -> Floats:
        """How many events each group had, and would have if all had one curve."""
        events, at_risk = self._events(sums, terms)
        of_all = _rate(events.sum(axis=-2, keepdims=True), at_risk.sum(axis=-2, keepdims=True))
        return np.stack([events.sum(axis=-1), (at_risk * of_all).sum(axis=-1)], axis=-1)

    def covariance(self, sums: Sums, terms: Terms) -> Floats:
        """Of observed less expected events of all groups, if all have one curve."""
        events, at_risk = self._events(sums, terms)
        events, number = events.sum(axis=0), at_risk.sum(axis=0)
        is_tied = number > 1
        number = np.where(is_tied, number, 2.0)
        part = np.where(is_tied, at_risk / number, 0.0)
        weight = events * (number - events) / (number - 1)
        diagonal = np.diag((weight * part).sum(axis=-1))
        found: Floats = diagonal - (weight * part) @ part.T
        return found


def chi_squared_tail(statistic: float, degrees: int) -> float:
    """The probability of more than ``statistic``; by the finite sums for whole degrees.

    Source: Abramowitz and Stegun, 26.4.4 and 26.4.5.
    """
    half = statistic / 2
    term, total = (1.0, 0.0) if degrees % 2 == 0 else (math.sqrt(half) / math.gamma(1.5), 0.0)
    for i in range(degrees // 2):
        total += term
        term *= half / (i + 1 + 0.5 * (degrees % 2))
    tail = math.erfc(math.sqrt(half)) if degrees % 2 else 0.0
    return min(1.0, tail + math.exp(-half) * total)


def _rate(events: Floats, at_risk: Floats) -> Floats:
    """The part that has an event; noise may make either number a wrong one."""
    is_known = at_risk > 0
    return np.clip(np.where(is_known, events, 0.0) / np.where(is_known, at_risk, 1.0), 0.0, 1.0)
