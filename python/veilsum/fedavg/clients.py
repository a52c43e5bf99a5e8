"""What a client is to the round loop, and who takes part in which round."""

import random
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from veilsum.errors import InvalidArgumentError
from veilsum.fedavg.parameters import Model
from veilsum.privacy import FixedSizeSampling

__all__ = ["Client", "Selection", "Selector"]

Selection = Literal["random", "shuffled"]


class Client(Protocol):
    """Somebody with data: anything with these two members."""

    @property
    def num_samples(self) -> int:
        """How many samples it trains on. Only a capped share of it is sent, and encrypted."""

    def train(self, model: Model, epochs: int) -> Sequence[ArrayLike]:
        """The model after ``epochs`` passes over this client's data, as new or changed arrays.

        ``model`` is the client's own copy. An exception leaves the client out of the round.
        """


class Selector:
    """Chooses the clients of each round.

    ``"random"``: every round anew, without replacement, as McMahan et al. 2017. ``"shuffled"``: in
    a random order that is gone through before it is shuffled again, so that in R rounds nobody is
    asked more than ``ceil(R * fraction)`` times (one more where rounds cross the end of an order):
    what a privacy budget wants.

    Without a seed the choice comes from the operating system's generator, and nobody can repeat it.
    """

    def __init__(
        self, names: Sequence[str], *, fraction: float, selection: Selection, seed: int | None
    ) -> None:
        if not 0 < fraction <= 1:
            raise InvalidArgumentError(f"fraction is {fraction}; it must lie in (0, 1]")
        if selection not in ("random", "shuffled"):
            raise InvalidArgumentError(
                f"selection is {selection!r}; it must be 'random' or 'shuffled'"
            )
        self._names = list(names)
        self.num_per_round = max(1, round(fraction * len(self._names)))
        self._selection = selection
        self._seeded = None if seed is None else np.random.default_rng(seed)
        self._waiting: list[str] = []

    @property
    def secret_sampling(self) -> FixedSizeSampling | None:
        """What the choice is to those who do not see it; None where they could know more.

        They could if a seed may be known, if clients take turns (a round then tells of the next),
        and if everyone is asked.
        """
        population = len(self._names)
        if self._seeded or self._selection != "random" or self.num_per_round == population:
            return None
        return FixedSizeSampling(population=population, sample_size=self.num_per_round)

    def next_round(self) -> list[str]:
        """The names of the next round's clients, sorted."""
        if self._selection == "random":
            chosen = self._shuffled(self._names)[: self.num_per_round]
        else:
            chosen = self._waiting[: self.num_per_round]
            self._waiting = self._waiting[self.num_per_round :]
            missing = self.num_per_round - len(chosen)
            if missing > 0:
                order = self._shuffled(self._names)
                # Who is in this round already waits with the rest.
                fresh = [name for name in order if name not in chosen][:missing]
                self._waiting = [name for name in order if name not in fresh]
                chosen += fresh
        return sorted(chosen)

    def _shuffled(self, names: Sequence[str]) -> list[str]:
        if self._seeded is None:
            return random.SystemRandom().sample(names, len(names))
        return [names[i] for i in self._seeded.permutation(len(names))]
