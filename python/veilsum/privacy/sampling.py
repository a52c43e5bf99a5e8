"""How contributors are chosen, where the choice itself is secret from whoever sees the results."""

import operator
from dataclasses import dataclass
from typing import TypeAlias

from veilsum.errors import InvalidArgumentError

__all__ = ["FixedSizeSampling", "PoissonSampling", "Sampling"]


@dataclass(frozen=True, kw_only=True)
class FixedSizeSampling:
    """``sample_size`` of ``population`` contributors, all such sets equally likely, every round.

    Independent of other rounds and of all data; everyone chosen contributes. That is what
    ``FedAvg`` does with a ``fraction`` below 1 and ``selection="random"``.

    Raises:
        InvalidArgumentError: a sample that is empty or larger than the population.
    """

    population: int
    sample_size: int

    def __post_init__(self) -> None:
        for name in ("population", "sample_size"):
            object.__setattr__(self, name, operator.index(getattr(self, name)))
        if not 1 <= self.sample_size <= self.population:
            raise InvalidArgumentError(
                f"a sample of {self.sample_size} out of {self.population} contributors: it must "
                "have at least 1 and at most all of them"
            )

    @property
    def probability(self) -> float:
        """Of one contributor to be in a round."""
        return self.sample_size / self.population


@dataclass(frozen=True, kw_only=True)
class PoissonSampling:
    """Each of ``population`` contributors with ``probability``, independently, every round.

    Rounds of fewer than ``min_contributors`` are not opened. How many take part need not be secret.

    Raises:
        InvalidArgumentError: a number outside its range.
    """

    population: int
    probability: float
    min_contributors: int = 1

    def __post_init__(self) -> None:
        for name in ("population", "min_contributors"):
            object.__setattr__(self, name, operator.index(getattr(self, name)))
        if not 1 <= self.min_contributors <= self.population:
            raise InvalidArgumentError(
                f"min_contributors is {self.min_contributors}; it must be at least 1 and at most "
                f"the population of {self.population}"
            )
        if not 0 < self.probability <= 1:
            raise InvalidArgumentError(f"probability is {self.probability}; it must lie in (0, 1]")


Sampling: TypeAlias = FixedSizeSampling | PoissonSampling
