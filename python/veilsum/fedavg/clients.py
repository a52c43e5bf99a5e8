"""What a client is to the round loop, and who takes part in which round."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike

from veilsum import arguments
from veilsum.fedavg.parameters import Model
from veilsum.privacy import FixedSizeSampling

__all__ = ["Client", "Selection", "Selector", "SelectorState"]

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


@dataclass(frozen=True)
class SelectorState:
    """Where a selector is: what the next choice depends on.

    Attributes:
        generator: state of the seeded generator, as numpy gives it; None without a seed.
        waiting: with turns, who has not been asked since the last shuffle.
    """

    generator: dict[str, Any] | None
    waiting: tuple[str, ...] = ()


class Selector:
    """Chooses the clients of each round.

    ``"random"``: every round anew, without replacement, as McMahan et al. 2017. ``"shuffled"``: in
    a random order that is gone through before it is shuffled again, so that in R rounds nobody is
    asked more than ``ceil(R * fraction)`` times (one more where rounds cross the end of an order):
    what a privacy budget wants.

    Without a seed the choice comes from the operating system's generator, and nobody can repeat it.
    A selector keeps nothing: whoever takes the same state again gets the same seeded choice.
    """

    def __init__(
        self, names: Sequence[str], *, fraction: float, selection: Selection, seed: int | None
    ) -> None:
        fraction = arguments.real("fraction", fraction, above=0, at_most=1)
        self._selection = arguments.choice("selection", selection, get_args(Selection))
        self._names = list(names)
        self._seed = None if seed is None else arguments.count("seed", seed)
        self.num_per_round = max(1, round(fraction * len(self._names)))

    @property
    def start(self) -> SelectorState:
        """Before the first round."""
        if self._seed is None:
            return SelectorState(None)
        return SelectorState(dict(np.random.default_rng(self._seed).bit_generator.state))

    @property
    def secret_sampling(self) -> FixedSizeSampling | None:
        """What the choice is to those who do not see it; None where they could know more.

        They could if a seed may be known, if clients take turns (a round then tells of the next),
        and if everyone is asked.
        """
        population = len(self._names)
        is_known = self._seed is not None or self._selection != "random"
        if is_known or self.num_per_round == population:
            return None
        return FixedSizeSampling(population=population, sample_size=self.num_per_round)

    def choose(self, state: SelectorState) -> tuple[tuple[str, ...], SelectorState]:
        """The names of the next round's clients, sorted, and the state after."""
        order = _Order(state.generator)
        waiting = list(state.waiting)
        if self._selection == "random":
            chosen = order.shuffled(self._names)[: self.num_per_round]
        else:
            chosen, waiting = waiting[: self.num_per_round], waiting[self.num_per_round :]
            missing = self.num_per_round - len(chosen)
            if missing > 0:
                names = order.shuffled(self._names)
                # Who is in this round already waits with the rest.
                last = set(chosen)
                fresh = [name for name in names if name not in last][:missing]
                first = set(fresh)
                waiting = [name for name in names if name not in first]
                chosen += fresh
        return tuple(sorted(chosen)), SelectorState(order.state, tuple(waiting))


class _Order:
    """Random orders, from a seeded generator at some state or from the operating system's."""

    def __init__(self, state: dict[str, Any] | None) -> None:
        self._seeded = None
        if state is not None:
            self._seeded = np.random.default_rng()
            self._seeded.bit_generator.state = state

    @property
    def state(self) -> dict[str, Any] | None:
        return None if self._seeded is None else dict(self._seeded.bit_generator.state)

    def shuffled(self, names: Sequence[str]) -> list[str]:
        if self._seeded is None:
            return random.SystemRandom().sample(names, len(names))
        return [names[i] for i in self._seeded.permutation(len(names))]
