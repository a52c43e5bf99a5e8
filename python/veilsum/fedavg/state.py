"""A run between two rounds: what commits together, whole or not at all."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from veilsum.fedavg.clients import SelectorState
from veilsum.fedavg.history import History
from veilsum.fedavg.parameters import Model
from veilsum.fedavg.spending import Spending

__all__ = ["Attempt", "RunState"]


@dataclass(frozen=True)
class Attempt:
    """A round that was begun: its number is taken, whatever becomes of it.

    Attributes:
        number: that it was announced with; never used again.
        round_id: that clients' ledgers know it by.
        invited: the names of the clients that were chosen.
        asked: those of them that had budget left, and were asked to train.
        selector: the state after they were chosen.
    """

    number: int
    round_id: bytes
    invited: tuple[str, ...]
    asked: tuple[str, ...]
    selector: SelectorState


@dataclass(frozen=True)
class RunState:
    """Model, optimiser, history, numbers and spending after a whole round. Never changed.

    Attributes:
        num_clients: that the run has, asked or not.
        model: the parameters.
        velocity: of the server's momentum, one value for each of the model.
        history: of the rounds that ended.
        spending: of all contributions that were sent, also in rounds that never ended.
        selector: what the next choice of clients depends on.
        last_number: the largest number that a round was announced with.
        chosen: the clients of a round that was begun and never ended, who are asked again.
    """

    num_clients: int
    model: Model
    velocity: NDArray[np.float64]
    history: History
    selector: SelectorState
    spending: Spending = field(default_factory=Spending)
    last_number: int = 0
    chosen: tuple[str, ...] | None = None

    @classmethod
    def new(
        cls, num_clients: int, model: Model, selector: SelectorState, lower_is_better: bool
    ) -> "RunState":
        """Before the first round."""
        velocity = np.zeros(sum(array.size for array in model))
        history = History(lower_is_better=lower_is_better)
        return cls(num_clients, model, velocity, history, selector)
