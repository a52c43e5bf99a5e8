"""What summed integers say: every statistic with the error that noise, sampling and the grid leave.

The effect of noise on a statistic is found by moving each sum that it needs by the standard
deviation of its noise, up and down, and taking half of the difference: to first order the noise of
the statistic has the sum of their squares as its variance.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from veilsum import arguments
from veilsum.stats.layout import Layout
from veilsum.stats.parts import Part
from veilsum.stats.queries import Floats, Query, Sums
from veilsum.stats.survival import LogRank, chi_squared_tail

__all__ = ["Estimate", "estimates", "noise_moves"]

_AT_ONCE = 256  # Sums that are moved in one call, which bounds the memory.


@dataclass(frozen=True)
class Estimate:
    """One number of a result, and how wrong it may be.

    Attributes:
        statistic: ``mean``, ``histogram`` and so on.
        about: its columns.
        group: of ``by``; empty without groups.
        at: the bin, probability or time; empty elsewhere.
        value: the estimate; NaN where it is withheld.
        low: of the interval; see ``interval``.
        high: of the interval.
        interval: what the interval includes: ``"rounding"``, ``"noise"``, ``"noise, sampling"`` and
            so on. Rounding counts in full, the others at the level that was asked for.
        noise: standard deviation of the noise in the value.
        sampling: standard deviation of the value as an estimate of a larger population's; NaN where
            that is not known.
        rounding: how far rounding can move the value, at most, as far as sums themselves are right.
        num_records: how many records it rests on, noise and all.
        note: why there is no value; empty where there is.
    """

    statistic: str
    about: str
    group: str
    at: str
    value: float
    low: float
    high: float
    interval: str
    noise: float
    sampling: float
    rounding: float
    num_records: float
    note: str


def estimates(
    layout: Layout, sums: Sums, noise: Mapping[Part, float], *, level: float = 0.95
) -> list[Estimate]:
    """All statistics of a study, in its order.

    Args:
        layout: of the study.
        sums: what was opened, as ``Layout.sums_of`` gives it.
        noise: the standard deviation of the noise in each of a part's sums; 0 without noise.
        level: of the intervals, in (0, 1).
    """
    level = arguments.real("level", level, above=0, below=1)
    found: list[Estimate] = []
    for query in layout.study.queries:
        found.extend(_of_query(layout, query, sums, noise, NormalDist().inv_cdf((1 + level) / 2)))
    return found


def noise_moves(layout: Layout, query: Query, sums: Sums, noise: Mapping[Part, float]) -> Floats:
    """How far each of the statistic's sums, by one deviation of its noise, moves each value.

    Shape ``(num_sums, num_groups, num_places)``.
    """
    terms, parts = layout.study.terms, query.parts(layout.study.terms)
    moved = []
    for part in parts:
        if noise[part] == 0:
            continue
        number = sums[part].size
        for start in range(0, number, _AT_ONCE):
            at = np.arange(start, min(start + _AT_ONCE, number))
            by = np.zeros((len(at), number))
            by[np.arange(len(at)), at] = noise[part]
            by = by.reshape(len(at), *sums[part].shape)
            others = {each: sums[each][None] for each in parts if each != part}
            up = query.values({part: sums[part] + by, **others}, terms)
            down = query.values({part: sums[part] - by, **others}, terms)
            moved.append((up - down) / 2)
    shape = (0, len(terms.groups), len(query.places(terms)))
    return np.concatenate(moved) if moved else np.zeros(shape)


def _of_query(
    layout: Layout, query: Query, sums: Sums, noise: Mapping[Part, float], deviations: float
) -> Iterator[Estimate]:
    study, terms = layout.study, layout.study.terms
    with np.errstate(all="ignore"):  # What has no value is found by it, and withheld.
        values = query.values(sums, terms)
        moves = noise_moves(layout, query, sums, noise)
        by_noise = np.sqrt((moves**2).sum(axis=0))
        variance = query.sampling_variance(sums, terms)
        rounding = query.rounding(sums, terms, {p: 1 / s for p, s in layout.scales.items()})
        support = np.broadcast_to(query.support(sums, terms), values.shape)
        of_support = _support_noise(layout, query, sums, noise)
    rounding = np.broadcast_to(rounding, values.shape)
    sampling = np.full(values.shape, math.nan) if variance is None else np.sqrt(variance)
    is_noisy = any(noise[part] > 0 for part in query.parts(terms))
    includes = [
        word
        for word, is_there in (
            ("rounding", bool((rounding > 0).any())),
            ("noise", is_noisy),
            ("sampling", variance is not None),
        )
        if is_there
    ]
    for g, group in enumerate(terms.groups):
        for k, place in enumerate(query.places(terms)):
            note = _why_withheld(
                float(values[g, k]),
                float(support[g, k]),
                float(np.broadcast_to(of_support, values.shape)[g, k]),
                fewest=study.min_count if is_noisy else 0,
                needs_number=query.needs_number,
            )
            spread = math.hypot(by_noise[g, k], 0 if variance is None else sampling[g, k])
            half = float(rounding[g, k]) + deviations * spread
            value = math.nan if note else float(values[g, k])
            yield Estimate(
                statistic=query.name,
                about=query.about,
                group=group,
                at=place,
                value=value,
                low=value - half,
                high=value + half,
                interval=", ".join(includes) or "exact",
                noise=math.nan if note else float(by_noise[g, k]),
                sampling=math.nan if note else float(sampling[g, k]),
                rounding=math.nan if note else float(rounding[g, k]),
                num_records=float(support[g, k]),
                note=note,
            )
    if isinstance(query, LogRank):
        yield from _test(layout, query, sums, moves)


def _support_noise(layout: Layout, query: Query, sums: Sums, noise: Mapping[Part, float]) -> Floats:
    """The standard deviation of the noise in the number of records that each value rests on."""
    terms, parts = layout.study.terms, query.parts(layout.study.terms)
    ones = {part: np.ones_like(sums[part]) for part in parts}
    # It is a sum of some of the first part's sums: with ones in them, their number.
    return noise[parts[0]] * np.sqrt(query.support(ones, terms))


def _why_withheld(
    value: float, support: float, of_support: float, *, fewest: int, needs_number: bool
) -> str:
    if support < fewest:
        return f"withheld: fewer than {fewest} records"
    if needs_number and support < 2 * of_support:
        return "withheld: the noise is too large beside the number of records"
    return "" if math.isfinite(value) else "no value: too few records"


def _test(layout: Layout, query: LogRank, sums: Sums, moves: Floats) -> Iterator[Estimate]:
    """The statistic of the test, and the probability of a larger one if all curves are one."""
    terms = layout.study.terms
    degrees = len(terms.groups) - 1
    values = query.values(sums, terms)
    excess = (values[:, 0] - values[:, 1])[:degrees]
    moved = (moves[..., 0] - moves[..., 1])[:, :degrees]
    covariance = query.covariance(sums, terms)[:degrees, :degrees] + moved.T @ moved
    statistic = probability = math.nan
    note = "no value: too few records"
    if np.isfinite(covariance).all() and np.linalg.matrix_rank(covariance) == degrees:
        statistic = float(excess @ np.linalg.solve(covariance, excess))
        if statistic >= 0:
            probability, note = chi_squared_tail(statistic, degrees), ""
    number = float(query.support(sums, terms)[..., 0].sum())
    for name, value in (("chi-squared", statistic), ("p-value", probability)):
        yield Estimate(
            statistic=query.name,
            about=query.about,
            group="",
            at=name,
            value=math.nan if note else value,
            low=math.nan,
            high=math.nan,
            interval="none",
            noise=math.nan,
            sampling=math.nan,
            rounding=0.0,
            num_records=number,
            note=note,
        )
