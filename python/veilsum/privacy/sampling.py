"""How contributors are chosen, where the choice itself is secret from whoever sees the results."""

from dataclasses import dataclass
from typing import TypeAlias

from veilsum import arguments
from veilsum.errors import InvalidArgumentError

__all__ = ["FixedSizeSampling", "PoissonSampling", "Sampling"]


@dataclass(frozen=True, kw_only=True)
class FixedSizeSampling:
    """``sample_size`` of ``population`` contributors, all such sets equally likely, every round.

    Independent of other rounds and of all data; everyone chosen contributes. That is what
    ``FedAvg`` does with a ``fraction`` below 1 and ``selection="random"``.

    Raises:
        InvalidArgumentError: the sample is empty or larger than the population.
    """

    population: int
    sample_size: int

    def __post_init__(self) -> None:
        _read_counts(self, "population", "sample_size")
        if self.sample_size > self.population:
            raise InvalidArgumentError(
                f"sample_size is {self.sample_size}; it must be at most the population of "
                f"{self.population}"
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
        InvalidArgumentError: a number is outside its range.
    """

    population: int
    probability: float
    min_contributors: int = 1

    def __post_init__(self) -> None:
        _read_counts(self, "population", "min_contributors")
        if self.min_contributors > self.population:
            raise InvalidArgumentError(
                f"min_contributors is {self.min_contributors}; it must be at most the population "
                f"of {self.population}"
            )
        probability = arguments.real("probability", self.probability, above=0, at_most=1)
        object.__setattr__(self, "probability", probability)


Sampling: TypeAlias = FixedSizeSampling | PoissonSampling
"""Who of all contributors takes part in a round."""


def _read_counts(sampling: Sampling, *names: str) -> None:
    for name in names:
        number = arguments.count(name, getattr(sampling, name), at_least=1)
        object.__setattr__(sampling, name, number)
