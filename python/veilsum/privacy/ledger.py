"""The durable record of the privacy a contributor has spent."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

from veilsum import arguments
from veilsum.codec import SlotCodec
from veilsum.durable import Database, DurableFile, MemoryDatabase
from veilsum.errors import (
    BudgetExhaustedError,
    InvalidArgumentError,
    LedgerError,
    PolicyRefusedError,
)
from veilsum.privacy import ledger_store
from veilsum.privacy.gaussian_dp import gaussian_epsilon
from veilsum.privacy.mechanisms import (
    AgreedNoise,
    GaussianNoise,
    LaplaceNoise,
    RecordNoise,
    Unit,
)
from veilsum.wire import as_bytes

__all__ = ["Ledger", "Spent"]


@dataclass(frozen=True)
class Spent:
    """What a ledger's contributions cost together: (epsilon, delta), and how many there were."""

    epsilon: float
    delta: float
    num_contributions: int


class Ledger:
    """What one contributor has spent of its privacy budget, across runs and restarts.

    A charge is on the disk before ``charge`` returns, so whoever sends only afterwards never sends
    what is not recorded, whatever crashes. A ledger is a SQLite file; several processes may share
    it. One with ``delta = 0`` takes Laplace noise, any other Gaussian noise. Its ``unit`` is what
    the budget is of: all that the contributor has, or each record of it (``RecordNoise``). A
    contributor whose data are in two ledgers has spent the sum of their epsilons and deltas.

    What it cannot see: that the file was put back to an older copy. Keep it where only its owner
    writes.
    """

    def __init__(self, database: Database) -> None:
        """Not for callers: use ``create``, ``open`` or ``in_memory``."""
        kinds: tuple[type[Database], ...] = (DurableFile, MemoryDatabase)
        self._database = arguments.instance("database", database, kinds)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        epsilon: float,
        delta: float = 0.0,
        unit: Unit = "contribution",
    ) -> "Ledger":
        """Make a ledger with a budget, readable by its owner only.

        Args:
            path: where; nothing may be there yet.
            epsilon: most that may ever be spent, positive.
            delta: in (0, 1) for Gaussian noise, 0 for Laplace noise.
            unit: what the budget is of: ``"record"`` for ``RecordNoise`` alone.

        Raises:
            FileExistsError: there is something already: a budget is not given twice.
            InvalidArgumentError: the budget is outside its range.
        """
        budget = _budget(epsilon, delta, unit)
        path = arguments.path("path", path)
        return cls(ledger_store.create_file(path, budget))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Ledger":
        """Go on with a ledger that was made before.

        Raises:
            LedgerError: there is no ledger at ``path``, or the file is another thing. A missing
                ledger is never made anew: that would forget what was spent.
        """
        path = arguments.path("path", path)
        if not os.path.exists(path):
            raise LedgerError(
                f"there is no ledger at {path}. If these data never contributed before, make one "
                "with Ledger.create; otherwise see docs/operations.md: a budget whose record is "
                "lost counts as spent"
            )
        ledger = cls(ledger_store.open_file(path))
        ledger.spent  # noqa: B018  Reads every table, so a damaged file is refused here.
        return ledger

    @classmethod
    def in_memory(
        cls, *, epsilon: float, delta: float = 0.0, unit: Unit = "contribution"
    ) -> "Ledger":
        """A ledger that ends with the process: for simulations."""
        return cls(ledger_store.in_memory(_budget(epsilon, delta, unit)))

    @property
    def budget(self) -> tuple[float, float]:
        """The (epsilon, delta) that may be spent."""
        with self._book() as book:
            epsilon, delta, _ = book.budget()
        return epsilon, delta

    @property
    def unit(self) -> Unit:
        """What the budget is of: a contribution, or a record."""
        with self._book() as book:
            return book.budget().unit

    @property
    def spent(self) -> Spent:
        """What was spent so far."""
        with self._book() as book:
            delta = book.budget().delta
            costs = book.costs()
        return Spent(_epsilon(math.fsum(costs), delta), delta, len(costs))

    @property
    def remaining(self) -> float:
        """The epsilon that is left: the budget's less what was spent.

        It is 0 where less than a millionth of the budget is left, as rounding leaves it. Under
        Gaussian noise epsilons do not add up, so it may buy more rounds than it seems to; ``check``
        tells of the next one.
        """
        return _left(self.budget[0], self.spent.epsilon)

    def has(self, round_id: bytes) -> bool:
        """Whether a contribution to this round was charged."""
        return self.commitment(round_id) is not None

    def commitment(self, round_id: bytes) -> bytes | None:
        """What was charged in this round, as ``charge`` was told; None if nothing was."""
        round_id = as_bytes(round_id, "round_id")
        with self._book() as book:
            return book.commitment(round_id)

    def check(self, round_id: bytes, *, noise: AgreedNoise, codec: SlotCodec) -> None:
        """Refuse what ``charge`` would refuse of a new contribution; nothing is recorded.

        To be asked before training, which may take hours. Errors as ``charge``.
        """
        self._charge(round_id, noise, codec, commitment=None)

    def charge(
        self, round_id: bytes, *, noise: AgreedNoise, codec: SlotCodec, commitment: bytes = b""
    ) -> None:
        """Record one contribution, durably, before it is sent. An error records nothing.

        Args:
            round_id: names the round.
            noise: what the contribution carries.
            codec: fitted to it.
            commitment: names the contribution itself. The same one again is charged once: it may be
                sent again. Without a name nothing is known to be the same.

        Raises:
            PolicyRefusedError: something else was charged in this round, by whomever: two
                contributions of the same data in one sum would tell more than both their costs.
            BudgetExhaustedError: the contribution would cost more than is left.
            InvalidArgumentError: the noise is of the other kind than the ledger's, or does not fit
                the codec.
            LedgerError: the file cannot be read or written.
        """
        self._charge(round_id, noise, codec, commitment=as_bytes(commitment, "commitment"))

    @contextmanager
    def _book(self) -> Iterator[ledger_store.Book]:
        with self._database.transaction() as connection:
            yield ledger_store.Book(connection, self._database.name)

    def _charge(
        self, round_id: bytes, noise: AgreedNoise, codec: SlotCodec, *, commitment: bytes | None
    ) -> None:
        """Charge the contribution, or see whether one could be where it has no name yet."""
        round_id = as_bytes(round_id, "round_id")
        arguments.instance("noise", noise, (GaussianNoise, LaplaceNoise, RecordNoise))
        noise.check_fits(codec)
        cost = noise.round_cost(codec)
        with self._book() as book:
            epsilon, delta, unit = book.budget()
            self._check_kind(noise, delta, unit)
            charged = book.commitment(round_id)
            if charged is not None:
                if charged and charged == commitment:
                    return
                raise PolicyRefusedError(
                    f"the ledger {self._database.name} has a contribution to this round; a second "
                    "one is never sent"
                )
            costs = book.costs()
            before, after = (_epsilon(math.fsum(c), delta) for c in (costs, [*costs, cost]))
            if after > epsilon:
                raise BudgetExhaustedError(
                    f"a contribution would bring the privacy spent from epsilon {before:.4g} to "
                    f"{after:.4g}. The budget of the ledger {self._database.name} is epsilon "
                    f"{epsilon:.4g} at delta {delta:g}, of which {_left(epsilon, before):.4g} "
                    f"is left after {len(costs)} contributions. Nothing was charged"
                )
            if commitment is not None:
                book.add(round_id, commitment, cost)

    def _check_kind(self, noise: AgreedNoise, delta: float, unit: Unit) -> None:
        if noise.unit != unit:
            raise InvalidArgumentError(
                f"the ledger {self._database.name} counts what is spent of each {unit}, and the "
                f"noise protects each {noise.unit}: their costs do not add up. Keep a ledger of "
                f"its own for it: Ledger.create(path, ..., unit={noise.unit!r})"
            )
        if noise.delta > 0 and delta == 0:
            raise InvalidArgumentError(
                f"the ledger {self._database.name} has a delta of 0, which Gaussian noise cannot "
                "keep; make a ledger with a delta"
            )
        if isinstance(noise, LaplaceNoise) and delta > 0:
            raise InvalidArgumentError(
                f"the ledger {self._database.name} adds up Gaussian noise; keep Laplace noise in "
                "one with delta = 0"
            )

    def __repr__(self) -> str:
        return f"<Ledger: {self._database.name}>"


def _epsilon(cost: float, delta: float) -> float:
    return gaussian_epsilon(math.sqrt(cost), delta) if delta > 0 else cost


def _left(budget: float, spent: float) -> float:
    # What calibration leaves by rounding to the safe side is nothing to speak of.
    return budget - spent if budget - spent > 1e-6 * budget else 0.0


def _budget(epsilon: float, delta: float, unit: Unit) -> ledger_store.Budget:
    return ledger_store.Budget(
        arguments.real("epsilon", epsilon, above=0),
        arguments.real("delta", delta, at_least=0, below=1),
        arguments.choice("unit", unit, get_args(Unit)),
    )
