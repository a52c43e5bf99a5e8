"""Federated averaging in one process: choose clients, train, sum, step, evaluate."""

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum.errors import InvalidArgumentError, VeilsumError
from veilsum.fedavg.clients import Client, Selection, Selector
from veilsum.fedavg.founding import DealtKey
from veilsum.fedavg.history import History, Meter, RoundRecord
from veilsum.fedavg.parameters import Model, difference, shifted, to_model
from veilsum.fedavg.parties import Parties, Trust
from veilsum.fedavg.progress import ProgressBar, Silence
from veilsum.fedavg.spending import Spending
from veilsum.fedavg.sums import RoundSum
from veilsum.keys import SecretKey
from veilsum.privacy import Ledger, Noise
from veilsum.vector import Codec

__all__ = ["FedAvg", "Weighting"]

Weighting = Literal["samples", "uniform"]

_log = logging.getLogger("veilsum.fedavg")


class FedAvg:
    """Federated averaging (McMahan et al. 2017) of which the server sees nothing but sums.

    Each round a fraction of the clients train the current model on their own data. Each one's
    change is clipped, weighted, quantised, given noise if asked, and encrypted; only the sum is
    opened, and its mean moves the model. All parties are played in this process, one after
    another, with the messages that would travel between machines.

    A client that raises, returns nonsense or has no privacy budget left is left out of the round.
    A round with fewer than ``min_contributors`` is abandoned: the model stays, the run goes on.

    Args:
        initial: the model to start from, a list of float arrays.
        clients: at least one ``Client``.
        codec: how changes become integers; ``dim`` is the number of values of the model. Needed
            unless ``trust`` is ``"clear"``.
        trust: who can open sums: ``"threshold"`` (4 of 5 share holders together, none alone),
            ``"authority"`` (a party that holds the key and has no data), ``"shared"`` (every
            client), or ``"clear"`` for no encryption at all: with a codec the
            same integers summed in the clear, without one ordinary averaging of floats.
        key: the secret key, which ``"threshold"`` shares out 4 of 5; or what ``deal_shares`` gave.
            The default makes a new one of ``key_bits``; with safe primes, for ``"threshold"``, that
            takes seconds to a minute.
        key_bits: 2048, 3072 (128-bit security) or 4096.
        fraction: of the clients asked each round, in (0, 1].
        selection: ``"random"``, or ``"shuffled"`` to ask everyone equally often.
        local_epochs: passes over its data that a client makes in a round.
        weighting: ``"samples"`` weighs clients by their number of samples, capped at
            ``max_samples``; nobody sees the numbers. ``"uniform"`` weighs all alike.
        max_samples: the number of samples that has weight 1; public. The default, the largest of
            all clients, tells that one number.
        noise: privacy noise that every client adds; the codec is fitted to it.
        ledger_for: gives each client's ledger by its name, for budgets that outlive the process;
            by default a client has the noise's own epsilon and delta, in memory.
        server_lr: what the mean change is multiplied by.
        momentum: of the server, in [0, 1).
        min_contributors: fewest contributions that are opened; by default what the noise assumes
            to be honest, at least 2 if encrypted.
        evaluate: called with the model; returns its accuracy, or any figure of merit.
        evaluate_every: rounds between evaluations; the last round of a run is always evaluated.
        seed: of the choice of clients, for repeatable experiments; with one, no privacy is claimed
            from the choice. Keys and noise have no seed.
        num_threads: of encryption; default: all processors, or ``VEILSUM_NUM_THREADS``.
        progress: show a bar on the terminal (needs the extra ``cli``).

    Raises:
        TypeError, InvalidArgumentError: arguments that are wrong or do not fit together.
        MissingExtraError: ``progress`` without the package it needs.
    """

    def __init__(
        self,
        initial: Sequence[ArrayLike],
        clients: Sequence[Client],
        *,
        codec: Codec | None = None,
        trust: Trust = "authority",
        key: SecretKey | DealtKey | None = None,
        key_bits: int = 3072,
        fraction: float = 0.1,
        selection: Selection = "random",
        local_epochs: int = 1,
        weighting: Weighting = "samples",
        max_samples: int | None = None,
        noise: Noise | None = None,
        ledger_for: Callable[[str], Ledger] | None = None,
        server_lr: float = 1.0,
        momentum: float = 0.0,
        min_contributors: int | None = None,
        evaluate: Callable[[Model], float] | None = None,
        evaluate_every: int = 1,
        seed: int | None = None,
        num_threads: int | None = None,
        progress: bool = False,
    ) -> None:
        self._model = to_model(initial)
        dim = sum(array.size for array in self._model)
        self._clients = _named(clients)
        self._weights = _weights(self._clients, weighting, max_samples)
        if codec is not None:
            codec = codec.for_weight_spread(_spread(self._weights))
        if noise is not None and not noise.weighted and weighting != "uniform":
            raise InvalidArgumentError(
                "this noise does not hide weights; use weighting='uniform', or weighted=True"
            )
        if not 0 <= momentum < 1:
            raise InvalidArgumentError(f"momentum is {momentum}; it must lie in [0, 1)")
        if local_epochs < 1 or evaluate_every < 1:
            raise InvalidArgumentError("local_epochs and evaluate_every are at least 1")
        self._selector = Selector(
            list(self._clients), fraction=fraction, selection=selection, seed=seed
        )
        self._parties = Parties(
            list(self._clients),
            dim=dim,
            num_per_round=self._selector.num_per_round,
            trust=trust,
            codec=codec,
            noise=noise,
            key=key,
            key_bits=key_bits,
            min_contributors=min_contributors,
            ledger_for=ledger_for,
            num_threads=num_threads,
        )
        self._spending = Spending(noise, self._parties.codec, self._selector.secret_sampling)
        self._local_epochs = local_epochs
        self._server_lr = server_lr
        self._momentum = momentum
        self._velocity = np.zeros(dim)
        self._evaluate = evaluate
        self._evaluate_every = evaluate_every
        self._progress = ProgressBar() if progress else Silence()
        self._run_id = secrets.token_bytes(16)
        self._history = History()

    @property
    def model(self) -> Model:
        """A copy of the current model."""
        return [array.copy() for array in self._model]

    @property
    def history(self) -> History:
        """All rounds so far."""
        return self._history

    @property
    def codec(self) -> Codec | None:
        """The codec in use: the one given, fitted to the noise."""
        return self._parties.codec

    def run(self, rounds: int, *, until: float | None = None) -> History:
        """Run this many more rounds and return the history of all.

        With ``until`` it ends as soon as an evaluation reaches this accuracy.

        An interrupt ends it between two states: the model and the history are those of the last
        whole round, and ``run`` can go on from there.
        """
        with self._progress.running(rounds * self._selector.num_per_round):
            for remaining in range(rounds, 0, -1):
                record = self._run_round(last=remaining == 1)
                self._history.rounds.append(record)
                self._progress.round_done(record)
                if until is not None and record.accuracy is not None and record.accuracy >= until:
                    break
        return self._history

    def _run_round(self, *, last: bool) -> RoundRecord:
        number = len(self._history.rounds) + 1
        invited = self._selector.next_round()
        meter = Meter()
        meter.traffic("broadcast", len(invited) * sum(array.nbytes for array in self._model))
        total = self._parties.round_sum(
            self._run_id, number, model=self._model, invited=invited, meter=meter
        )
        contributors, failures = self._collect(total, invited, number, meter)
        if failures:
            self._spending.incomplete()
        abandoned = None
        try:
            opened = total.finish()
            self._spending.opened(contributors)
            mean = opened.mean()
        except VeilsumError as error:
            abandoned = str(error)
            _log.warning("round %d abandoned: %s", number, error)
        else:
            with meter.phase("step"):
                self._velocity = self._momentum * self._velocity + mean
                self._model = shifted(self._model, self._server_lr * self._velocity)
        record = RoundRecord(
            round_number=number,
            num_invited=len(invited),
            num_contributors=0 if abandoned else len(contributors),
            failures=failures,
            abandoned=abandoned,
            accuracy=self._accuracy(meter, wanted=last or number % self._evaluate_every == 0),
            seconds=meter.seconds,
            num_bytes=meter.num_bytes,
            epsilon_honest_server=self._spending.honest_server,
            epsilon_colluding=self._spending.colluding,
            epsilon_honest_server_sampled=self._spending.honest_server_sampled,
        )
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

    def _collect(
        self, total: RoundSum, invited: list[str], number: int, meter: Meter
    ) -> tuple[list[str], dict[str, str]]:
        contributors: list[str] = []
        failures: dict[str, str] = {}
        for name in invited:
            try:
                delta = self._train(name, meter)
                total.add(name, delta, self._weights[name])
            # Whatever goes wrong at a client is that client's failure and not the round's.
            except Exception as error:
                failures[name] = f"{type(error).__name__}: {error}"
                _log.warning("round %d: %s is left out: %s", number, name, failures[name])
                _log.debug("the failure of %s", name, exc_info=True)
            else:
                contributors.append(name)
                self._spending.sent(name)
            self._progress.client_done()
        return contributors, failures

    def _train(self, name: str, meter: Meter) -> NDArray[np.floating]:
        with meter.phase("train"):
            trained = self._clients[name].train(self.model, self._local_epochs)
            return difference(trained, self._model)

    def _accuracy(self, meter: Meter, *, wanted: bool) -> float | None:
        if self._evaluate is None or not wanted:
            return None
        with meter.phase("evaluate"):
            return float(self._evaluate(self.model))


def _named(clients: Sequence[Client]) -> dict[str, Client]:
    if not clients:
        raise InvalidArgumentError("there are no clients")
    digits = len(str(len(clients) - 1))
    return {f"client-{i:0{digits}d}": client for i, client in enumerate(clients)}


def _weights(
    clients: dict[str, Client], weighting: Weighting, max_samples: int | None
) -> dict[str, float]:
    if weighting not in ("samples", "uniform"):
        raise InvalidArgumentError(f"weighting is {weighting!r}; it must be 'samples' or 'uniform'")
    if weighting == "uniform":
        return dict.fromkeys(clients, 1.0)
    counts = {name: client.num_samples for name, client in clients.items()}
    cap = max(counts.values()) if max_samples is None else max_samples
    if cap < 1 or min(counts.values()) < 0:
        raise InvalidArgumentError("clients need samples, and max_samples must be at least 1")
    return {name: min(count, cap) / cap for name, count in counts.items()}


def _spread(weights: dict[str, float]) -> float:
    """The largest that a weight can be, over the smallest of a client that has samples."""
    return 1 / min((weight for weight in weights.values() if weight > 0), default=1.0)
