"""A run as it goes: round after round, each of them a transaction."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, RunEndedError, VeilsumError
from veilsum.fedavg.checkpoint import Checkpoint
from veilsum.fedavg.clients import Client, Selector
from veilsum.fedavg.company import Company
from veilsum.fedavg.history import Meter, RoundRecord
from veilsum.fedavg.parameters import Model, difference, shifted
from veilsum.fedavg.parties import Parties
from veilsum.fedavg.settings import Settings
from veilsum.fedavg.spending import Accountant
from veilsum.fedavg.state import Attempt, RunState
from veilsum.fedavg.sums import RoundSum
from veilsum.opened_sum import Sum

__all__ = ["TrainingRun"]

_log = logging.getLogger("veilsum.fedavg")


class TrainingRun:
    """The machine behind ``FedAvg``.

    Args:
        settings: of the run.
        company: clients and the like.
        state: to go on from; None for a new run of ``initial``.
        initial: the model to start from.
        attempt: a round that another process had begun.

    Attributes:
        state: after the last whole round.
        checkpoint: where the run is kept; None if it is not.
    """

    def __init__(
        self,
        settings: Settings,
        company: Company,
        *,
        state: RunState | None = None,
        initial: Model | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        self.settings = settings
        self._company = company
        self._clients = _named(company.clients)
        self._weights = _weights(self._clients, settings)
        self.selector = Selector(
            list(self._clients),
            fraction=settings.fraction,
            selection=settings.selection,
            seed=settings.seed,
        )
        if state is None:
            state = RunState.new(
                len(self._clients), initial or [], self.selector.start, settings.lower_is_better
            )
        if state.num_clients != len(self._clients):
            raise InvalidArgumentError(
                f"the run has {state.num_clients} clients, not {len(self._clients)}; give the "
                "same ones, in the same order"
            )
        asked = () if attempt is None else attempt.asked
        # Ledgers in memory ended with their process: nobody knows who sent in its last round.
        self._assumed = asked if company.ledger_for is None else ()
        self.parties = Parties(
            list(self._clients),
            settings,
            company,
            dim=len(state.velocity),
            num_per_round=self.selector.num_per_round,
            spread=_spread(self._weights),
            num_sent=state.spending.sent(self._assumed).num_sent,
        )
        self._accountant = Accountant(
            settings.noise, self.parties.codec, self.selector.secret_sampling
        )
        self._run_id = secrets.token_bytes(16)
        self._attempt = attempt
        self.state = state
        self.checkpoint: Checkpoint | None = None

    @property
    def num_clients(self) -> int:
        """How many there are."""
        return len(self._clients)

    # ---- one round ----

    def run_round(self, *, last: bool) -> RoundRecord:
        """One more round, whose record is the last of the history when this returns.

        Raises:
            RunEndedError: too few clients have budget left. Nobody was asked.
        """
        self.settle()
        state = self.state
        number = state.last_number + 1
        if state.chosen is not None:
            invited, selector = state.chosen, state.selector
        else:
            invited, selector = self.selector.choose(state.selector)
        meter = Meter()
        total = self.parties.round_sum(
            self._run_id, number, model=state.model, invited=invited, meter=meter
        )
        failures = self._refusals(total, invited)
        asked = tuple(name for name in invited if name not in failures)
        self._begin(Attempt(number, total.round_id, invited, asked, selector))
        contributors: list[str] = []
        if len(asked) >= self.parties.min_contributors:
            meter.traffic("broadcast", len(invited) * sum(a.nbytes for a in state.model))
            contributors = self._collect(total, asked, failures, number, meter)
        after, record = self._ended(
            state, number, invited, asked, contributors, failures, total, meter
        )
        after = replace(after, selector=selector, last_number=number, chosen=None)
        self._commit(after)
        # From here on the round is over, whatever evaluate does.
        is_due = last or len(after.history) % self.settings.evaluate_every == 0
        if self._company.evaluate is not None and is_due:
            with meter.phase("evaluate"):
                accuracy = _metric(self._company.evaluate(_copied(after.model)))
            record = replace(record, accuracy=accuracy, seconds=dict(meter.seconds))
            rounds = [*after.history.rounds[:-1], record]
            self._commit(replace(after, history=replace(after.history, rounds=rounds)))
        _log.info(
            "round %d: %d of %d contributed, accuracy %s, %.2f s, %d bytes up",
            number,
            record.num_contributors,
            record.num_invited,
            "-" if record.accuracy is None else f"{record.accuracy:.4f}",
            sum(meter.seconds.values()),
            meter.num_bytes.get("contributions", 0),
        )
        return record

    def _refusals(self, total: RoundSum, invited: Sequence[str]) -> dict[str, str]:
        """Why some of those invited will not contribute, asked before anybody trains."""
        failures = {}
        for name in invited:
            try:
                total.check(name)
            except VeilsumError as error:
                failures[name] = _told(error)
        fewest = self.parties.min_contributors
        if len(invited) - len(failures) < fewest and self.parties.num_able() < fewest:
            raise RunEndedError(
                f"the run is over after {len(self.state.history)} rounds: a round takes {fewest} "
                f"contributions, and {self.parties.num_able()} of {len(self._clients)} clients "
                f"have budget left for one. {next(iter(failures.values()))}",
                self.state.history,
            )
        for name, why in failures.items():
            _log.warning("%s is not asked to train: %s", name, why)
        return failures

    def _collect(
        self,
        total: RoundSum,
        asked: Sequence[str],
        failures: dict[str, str],
        number: int,
        meter: Meter,
    ) -> list[str]:
        """Who contributed; why the others did not is added to ``failures``."""
        contributors: list[str] = []
        for name in asked:
            try:
                delta = self._train(name, meter)
                total.add(name, delta, self._weights[name])
            # Whatever goes wrong at a client is that client's failure and not the round's.
            except Exception as error:
                failures[name] = _told(error)
                _log.warning("round %d: %s is left out: %s", number, name, failures[name])
                _log.debug("the failure of %s", name, exc_info=True)
            else:
                contributors.append(name)
            self._company.progress.client_done()
        return contributors

    def _train(self, name: str, meter: Meter) -> NDArray[np.floating]:
        with meter.phase("train"):
            trained = self._clients[name].train(
                _copied(self.state.model), self.settings.local_epochs
            )
            return difference(trained, self.state.model)

    def _ended(
        self,
        state: RunState,
        number: int,
        invited: Sequence[str],
        asked: Sequence[str],
        contributors: list[str],
        failures: dict[str, str],
        total: RoundSum,
        meter: Meter,
    ) -> tuple[RunState, RoundRecord]:
        """The state after the round, and its record; nothing is kept yet."""
        spending = state.spending.sent(self._charged(asked, total.round_id))
        if failures:
            spending = spending.incomplete()
        model, velocity, abandoned = state.model, state.velocity, None
        opened: Sum | None = None
        try:
            opened = total.finish()
            spending = self._accountant.opened(spending, contributors)
            mean = opened.mean()
            with meter.phase("step"):
                model, velocity = self._stepped(state, mean)
        except VeilsumError as error:
            abandoned = str(error)
            if failures and opened is None:
                abandoned += f". {len(failures)} were left out: {next(iter(failures.values()))}"
            _log.warning("round %d abandoned: %s", number, abandoned)
        applied = None if abandoned else opened
        record = RoundRecord(
            round_number=number,
            num_invited=len(invited),
            num_contributors=0 if abandoned else len(contributors),
            failures=failures,
            abandoned=abandoned,
            accuracy=None,
            seconds=dict(meter.seconds),
            num_bytes=dict(meter.num_bytes),
            epsilon_honest_server=self._accountant.honest_server(spending),
            epsilon_colluding=self._accountant.colluding(spending),
            epsilon_honest_server_sampled=self._accountant.honest_server_sampled(spending),
            mean_error_bound=None if applied is None else applied.mean_error_bound(),
            noise_per_value=None if applied is None else self._accountant.noise_of_mean(applied),
            clipped=self._clipped(total, contributors),
        )
        history = replace(state.history, rounds=[*state.history.rounds, record])
        after = replace(state, model=model, velocity=velocity, history=history, spending=spending)
        return after, record

    def _stepped(
        self, state: RunState, mean: NDArray[np.float64]
    ) -> tuple[Model, NDArray[np.float64]]:
        """Model and momentum after a step; InvalidArgumentError if they leave their range."""
        with np.errstate(over="ignore", invalid="ignore"):
            velocity = self.settings.momentum * state.velocity + mean
            return shifted(state.model, self.settings.server_lr * velocity), velocity

    def _charged(self, asked: Sequence[str], round_id: bytes) -> list[str]:
        """Whose ledgers say that they sent something in the round; nobody's without noise.

        Who was asked and has no ledger any more to say so counts as having sent.
        """
        found = []
        for name in asked:
            ledger = self.parties.ledger(name)
            if ledger is None:
                continue
            try:
                has_sent = ledger.has(round_id)
            except VeilsumError as error:
                _log.warning("%s counts as having sent: %s", name, error)
                has_sent = True
            if has_sent:
                found.append(name)
        return found

    def _clipped(self, total: RoundSum, contributors: Sequence[str]) -> dict[str, float] | None:
        if not self.settings.report_clipping:
            return None
        parts = {name: total.clipped(name) for name in contributors}
        return {name: part for name, part in parts.items() if part is not None}

    # ---- what survives ----

    def _begin(self, attempt: Attempt) -> None:
        """Have the round's number taken, before anybody is asked."""
        self._attempt = attempt
        if self.checkpoint is not None:
            self.checkpoint.begin(attempt)

    def _commit(self, state: RunState) -> None:
        """The state after a round, on the disk and then here: one assignment, so never half."""
        if self.checkpoint is not None:
            self.checkpoint.save(self.settings, state)
        self.state = state

    def settle(self) -> None:
        """Count what was sent in a round that never ended, and leave its number behind.

        Its sum may have been opened before whatever stopped it: it counts as if it was.
        """
        state, attempt = self.state, self._attempt
        if attempt is None or attempt.number <= state.last_number:
            return
        sent = self._assumed or self._charged(attempt.asked, attempt.round_id)
        spending = state.spending.sent(sent)
        if len(sent) >= self.parties.min_contributors:
            # Clients who are in two sums are no plain sample.
            spending = self._accountant.opened(spending, sent).incomplete()
        interrupted = [*state.history.interrupted, attempt.number]
        self._commit(
            replace(
                state,
                history=replace(state.history, interrupted=interrupted),
                spending=spending,
                selector=attempt.selector,
                last_number=attempt.number,
                chosen=attempt.invited,
            )
        )
        self._assumed = ()


def _told(error: Exception) -> str:
    """The error's name and text in one printable line, whatever its class does."""
    try:
        text = str(error)
    except Exception:
        text = "it has no text"
    return f"{type(error).__name__}: {arguments.printable(text)}"


def _metric(value: object) -> float:
    """What ``evaluate`` returned: any number, NaN and infinity included."""
    what = "what evaluate returns"
    is_text = isinstance(value, (bool, np.bool_, str, bytes, bytearray))
    if is_text or np.ndim(cast(Any, value)) > 0:
        raise TypeError(f"{what} must be a number, not {type(value).__name__}")
    try:
        return float(cast(Any, value))
    except (TypeError, ValueError):
        raise TypeError(f"{what} must be a number, not {type(value).__name__}") from None
    except OverflowError:
        raise InvalidArgumentError(f"{what} is beyond every float") from None


def _copied(model: Model) -> Model:
    return [array.copy() for array in model]


def _named(clients: Sequence[Client]) -> dict[str, Client]:
    if not arguments.instance("clients", clients, (list, tuple)):
        raise InvalidArgumentError("there are no clients")
    for client in clients:
        if not callable(getattr(client, "train", None)):
            raise TypeError(
                f"clients have a method train(model, epochs); {type(client).__name__} has none"
            )
    digits = len(str(len(clients) - 1))
    return {f"client-{i:0{digits}d}": client for i, client in enumerate(clients)}


def _weights(clients: Mapping[str, Client], settings: Settings) -> dict[str, float]:
    if settings.weighting == "uniform":
        return dict.fromkeys(clients, 1.0)
    counts = {}
    for name, client in clients.items():
        if not hasattr(client, "num_samples"):
            raise TypeError(f"{name} has no num_samples; weighting='uniform' does without")
        counts[name] = arguments.count(f"num_samples of {name}", client.num_samples)
    cap = max(counts.values()) if settings.max_samples is None else settings.max_samples
    if cap < 1:
        raise InvalidArgumentError("no client has samples")
    return {name: min(count, cap) / cap for name, count in counts.items()}


def _spread(weights: Mapping[str, float]) -> float:
    """The largest that a weight can be, over the smallest of a client that has samples."""
    return 1 / min((weight for weight in weights.values() if weight > 0), default=1.0)
