"""The statistics that a study may ask for: which sums each needs, and what it is of these.

Formulas take arrays with any leading axes, so that the effect of noise is found by moving sums.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.stats.columns import Column, Number, find
from veilsum.stats.parts import Binned, Counted, Part, Product, Summed

__all__ = [
    "Count",
    "Covariance",
    "Floats",
    "Histogram",
    "Mean",
    "Quantiles",
    "Query",
    "Sum",
    "Sums",
    "Terms",
    "Variance",
]

Floats: TypeAlias = NDArray[np.float64]
Sums: TypeAlias = Mapping[Part, Floats]
"""The sums of each part, shape ``(..., num_groups, size)``, as numbers of records would add up."""

_MAX_BINS = 10_000
# The largest part of a step that rounding moves a record's number by, and a little for floats.
HALF_STEP = 0.501


class Terms(NamedTuple):
    """What queries must know of their study."""

    columns: tuple[Column, ...]
    groups: tuple[str, ...]
    counts_apart: bool
    """Whether each statistic counts the records that have its own columns."""

    def having(self, *columns: str) -> tuple[str, ...]:
        """The columns that a record must have to count in a statistic of these."""
        return tuple(sorted(set(columns))) if self.counts_apart else ()

    def number(self, name: str) -> Number:
        """The declared column of numbers."""
        found: Number = find(self.columns, name, Number)
        return found


@dataclass(frozen=True)
class Query(ABC):
    """A statistic; see its subclasses. ``share`` is its part of the privacy, beside the others'."""

    _: KW_ONLY
    share: float = 1.0

    needs_number: ClassVar[bool] = True
    """Whether it means something only beside the number of records; counts do by themselves."""

    def __post_init__(self) -> None:
        share = arguments.real("share", self.share, at_least=0.001, at_most=1000)
        object.__setattr__(self, "share", share)

    @property
    def name(self) -> str:
        """In tables: ``mean``."""
        return type(self).__name__.lower()

    @property
    @abstractmethod
    def about(self) -> str:
        """The columns that it is of, for people."""

    @abstractmethod
    def parts(self, terms: Terms) -> tuple[Part, ...]:
        """The sums that it needs; InvalidArgumentError for columns of a wrong kind."""

    def places(self, terms: Terms) -> tuple[str, ...]:
        """What its values are at, such as bins: one for each of them."""
        return ("",)

    @abstractmethod
    def values(self, sums: Sums, terms: Terms) -> Floats:
        """Its values, shape ``(..., num_groups, num_places)``; not finite where there is none."""

    def sampling_variance(self, sums: Sums, terms: Terms) -> Floats | None:
        """Of the values, as estimates of a larger population's; None where it is not known."""
        return None

    def rounding(self, sums: Sums, terms: Terms, steps: Mapping[Part, float]) -> Floats:
        """How far rounding to the grid can move each value, where a step is so long."""
        return np.zeros(())

    def support(self, sums: Sums, terms: Terms) -> Floats:
        """How many records each value rests on, shape ``(..., num_groups, 1 or num_places)``."""
        found: Floats = sums[self.parts(terms)[0]].sum(axis=-1, keepdims=True)
        return found


@dataclass(frozen=True)
class Count(Query):
    """The number of records. Exact where there is no noise."""

    needs_number: ClassVar[bool] = False

    @property
    def about(self) -> str:
        """All columns alike."""
        return ""

    def parts(self, terms: Terms) -> tuple[Part, ...]:
        """The number of records."""
        return (Counted(()),)

    def values(self, sums: Sums, terms: Terms) -> Floats:
        """The number itself."""
        return sums[Counted(())]


@dataclass(frozen=True)
class _OfNumber(Query):
    """A statistic of one column of numbers."""

    column: str

    @property
    def about(self) -> str:
        """The column."""
        return self.column

    def parts(self, terms: Terms) -> tuple[Part, ...]:
        """How many values there are, and their sum."""
        column, having = terms.number(self.column), terms.having(self.column)
        return Counted(having), Summed(column, having)


@dataclass(frozen=True)
class Sum(_OfNumber):
    """The sum of a column, over records that have a value."""

    needs_number: ClassVar[bool] = False

    def values(self, sums: Sums, terms: Terms) -> Floats:
        """From the sum of (x - centre) / half."""
        column = terms.number(self.column)
        counted, summed = self.parts(terms)
        return column.centre * sums[counted] + column.half * sums[summed]

    def rounding(self, sums: Sums, terms: Terms, steps: Mapping[Part, float]) -> Floats:
        """Half a step for each record."""
        counted, summed = self.parts(terms)
        half = terms.number(self.column).half
        return half * HALF_STEP * steps[summed] * np.maximum(sums[counted], 0)


@dataclass(frozen=True)
class Mean(_OfNumber):
    """The mean of a column, over records that have a value.

    Its interval includes sampling where the study asks for the column's ``Variance`` too.
    """

    def values(self, sums: Sums, terms: Terms) -> Floats:
        """Of centred values, moved back."""
        column = terms.number(self.column)
        counted, summed = self.parts(terms)
        return column.centre + column.half * _divided(sums[summed], sums[counted])

    def sampling_variance(self, sums: Sums, terms: Terms) -> Floats | None:
        """The variance over the number of records."""
        variance = Variance(self.column)
        counted, _, squares = variance.parts(terms)
        if squares not in sums:
            return None
        return _divided(np.maximum(variance.values(sums, terms), 0), sums[counted])

    def rounding(self, sums: Sums, terms: Terms, steps: Mapping[Part, float]) -> Floats:
        """Half a step."""
        return np.array(terms.number(self.column).half * HALF_STEP * steps[self.parts(terms)[1]])


@dataclass(frozen=True)
class Covariance(Query):
    """The covariance of two columns, over records that have both; divided by one less than these.

    Its interval is about the noise alone.
    """

    first: str
    second: str

    @property
    def about(self) -> str:
        """Both columns."""
        return f"{self.first}, {self.second}"

    def parts(self, terms: Terms) -> tuple[Part, ...]:
        """Numbers, sums and products."""
        first, second = terms.number(self.first), terms.number(self.second)
        if self.first == self.second:
            raise InvalidArgumentError(
                f"Covariance of {self.first!r} with itself: ask for its Variance"
            )
        having = terms.having(self.first, self.second)
        low, high = sorted((first, second), key=lambda column: column.name)
        counted, product = Counted(having), Product(low, high, having)
        return counted, Summed(first, having), Summed(second, having), product

    def values(self, sums: Sums, terms: Terms) -> Floats:
        """From means of centred values and of their products."""
        counted, first, second, product = (sums[part] for part in self.parts(terms))
        of_products = _divided(product, counted)
        centred = of_products - _divided(first, counted) * _divided(second, counted)
        return self._unit(terms) * _divided(counted, counted - 1) * centred

    def rounding(self, sums: Sums, terms: Terms, steps: Mapping[Part, float]) -> Floats:
        """Of a product, and of each mean times the other, which is at most 1."""
        counted, *others = self.parts(terms)
        first, second, product = (HALF_STEP * steps[part] for part in others)
        of_all = product + first + second + first * second
        return self._unit(terms) * _divided(sums[counted], sums[counted] - 1) * of_all

    def _unit(self, terms: Terms) -> float:
        return terms.number(self.first).half * terms.number(self.second).half


@dataclass(frozen=True)
class Variance(_OfNumber):
    """The variance of a column, over records that have a value; divided by one less than these.

    Its interval is about the noise alone.
    """

    def parts(self, terms: Terms) -> tuple[Part, ...]:
        """Numbers, sums and squares."""
        column, having = terms.number(self.column), terms.having(self.column)
        return Counted(having), Summed(column, having), Product(column, column, having)

    def values(self, sums: Sums, terms: Terms) -> Floats:
        """From the means of centred values and of their squares."""
        counted, summed, squares = (sums[part] for part in self.parts(terms))
        centred = _divided(squares, counted) - _divided(summed, counted) ** 2
        return terms.number(self.column).half ** 2 * _divided(counted, counted - 1) * centred

    def rounding(self, sums: Sums, terms: Terms, steps: Mapping[Part, float]) -> Floats:
        """As of ``Covariance``."""
        counted, summed, squares = self.parts(terms)
        of_mean, of_square = HALF_STEP * steps[summed], HALF_STEP * steps[squares]
        of_all = of_square + 2 * of_mean + of_mean**2
        unit = terms.number(self.column).half ** 2
        return unit * _divided(sums[counted], sums[counted] - 1) * of_all


@dataclass(frozen=True)
class _OfBins(Query):
    """A statistic of a column's bins."""

    column: str
    bins: int | Sequence[float]

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.bins, (int, np.integer)):
            number = arguments.count("bins", self.bins, at_least=1, at_most=_MAX_BINS)
            object.__setattr__(self, "bins", number)
        else:
            object.__setattr__(self, "bins", increasing("bins", self.bins))

    @property
    def about(self) -> str:
        """The column."""
        return self.column

    def binned(self, terms: Terms) -> Binned:
        """The bins as a part; InvalidArgumentError if they do not cover the column's range."""
        column = terms.number(self.column)
        if isinstance(self.bins, int):
            edges = tuple(np.linspace(column.low, column.high, self.bins + 1).tolist())
        else:
            edges = tuple(self.bins)
            if (edges[0], edges[-1]) != (column.low, column.high):
                raise InvalidArgumentError(
                    f"bins of {self.column!r} go from {edges[0]:g} to {edges[-1]:g}; they must "
                    f"cover its range, {column.low:g} to {column.high:g}, so that nobody is lost"
                )
        return Binned(column, edges)

    def parts(self, terms: Terms) -> tuple[Part, ...]:
        """The bins."""
        return (self.binned(terms),)


@dataclass(frozen=True)
class Histogram(_OfBins):
    """How many records lie in each bin of a column. Exact where there is no noise.

    Args:
        column: of numbers.
        bins: how many of equal width, or their edges, from the low to the high of the column. A bin
            has its lower edge, and the last one its upper edge too.
        share: as for all statistics.
    """

    needs_number: ClassVar[bool] = False

    def places(self, terms: Terms) -> tuple[str, ...]:
        """The bins, as intervals."""
        edges = self.binned(terms).edges
        ends = [")"] * (len(edges) - 2) + ["]"]
        pairs = zip(pairwise(edges), ends, strict=True)
        return tuple(f"[{low:g}, {high:g}{end}" for (low, high), end in pairs)

    def values(self, sums: Sums, terms: Terms) -> Floats:
        """The numbers themselves."""
        return sums[self.binned(terms)]


@dataclass(frozen=True)
class Quantiles(_OfBins):
    """Quantiles of a column, from its bins: each lies in the bin that has the sample's quantile.

    A sample's quantile at p is its smallest value with at least a part p of the records at or below
    it. What is told is a place within the same bin, as if values were spread evenly there: wrong by
    the width of the bin at most, and the result says how much that is. Asking for a ``Histogram``
    of the same bins too costs no privacy.

    Args:
        column: of numbers.
        bins: as for ``Histogram``.
        probabilities: each in (0, 1); increasing.
        share: as for all statistics.
    """

    probabilities: Sequence[float] = (0.25, 0.5, 0.75)

    def __post_init__(self) -> None:
        super().__post_init__()
        found = increasing("probabilities", self.probabilities, at_least=1)
        if not 0 < found[0] <= found[-1] < 1:
            raise InvalidArgumentError("probabilities must be above 0 and below 1")
        object.__setattr__(self, "probabilities", found)

    def places(self, terms: Terms) -> tuple[str, ...]:
        """The probabilities."""
        return tuple(f"{each:g}" for each in self.probabilities)

    def values(self, sums: Sums, terms: Terms) -> Floats:
        """Within the first bin up to which there are enough records."""
        at, low, width, counts = self._found(sums, terms)
        before = np.where(at > 0, np.take_along_axis(counts, np.maximum(at - 1, 0), axis=-1), 0)
        inside = np.take_along_axis(counts, at, axis=-1) - before
        wanted = np.array(self.probabilities) * counts[..., -1:] - before
        found = low + width * np.clip(_divided(wanted, inside), 0, 1)
        return np.where(counts[..., -1:] > 0, found, math.nan)

    def sampling_variance(self, sums: Sums, terms: Terms) -> Floats | None:
        """The usual limit of a sample's quantile: p (1 - p) / n over the density squared."""
        at, _, width, counts = self._found(sums, terms)
        number = counts[..., -1:]
        density = np.take_along_axis(np.diff(counts, axis=-1, prepend=0), at, axis=-1)
        p = np.array(self.probabilities)
        found: Floats = p * (1 - p) * number * _divided(width, density) ** 2
        return found

    def rounding(self, sums: Sums, terms: Terms, steps: Mapping[Part, float]) -> Floats:
        """The width of the bin."""
        return self._found(sums, terms)[2]

    def _found(self, sums: Sums, terms: Terms) -> tuple[Any, Floats, Floats, Floats]:
        """Of each quantile the bin, its lower edge and width; the numbers up to each bin's end.

        Noise makes numbers of records negative; those up to an end never decrease.
        """
        part = self.binned(terms)
        counts = np.maximum.accumulate(np.cumsum(sums[part], axis=-1), axis=-1)
        wanted = np.array(self.probabilities) * counts[..., -1:]
        at = (counts[..., None, :] >= wanted[..., :, None] - 1e-9).argmax(axis=-1)
        edges = np.array(part.edges)
        return at, edges[at], edges[at + 1] - edges[at], counts


def increasing(name: str, values: object, *, at_least: int = 2) -> tuple[float, ...]:
    """Numbers that increase, as a tuple."""
    given: Any = values.tolist() if isinstance(values, np.ndarray) else values
    found = tuple(arguments.real(f"each of {name}", each) for each in arguments.items(name, given))
    if not at_least <= len(found) <= _MAX_BINS or any(b <= a for a, b in pairwise(found)):
        raise InvalidArgumentError(
            f"{name} must be {at_least} to {_MAX_BINS} numbers, each above the one before"
        )
    return found


def _divided(numerator: Floats, denominator: Floats) -> Floats:
    """The quotient; NaN or infinite where there is none."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found: Floats = np.divide(numerator, denominator)
    return found
