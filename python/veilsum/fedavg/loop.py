"""Federated averaging in one process: choose clients, train, sum, step, evaluate."""

import os
from collections.abc import Callable, Sequence

from numpy.typing import ArrayLike

from veilsum import arguments
from veilsum.fedavg.checkpoint import Checkpoint
from veilsum.fedavg.clients import Client, Selection
from veilsum.fedavg.company import Company
from veilsum.fedavg.history import History
from veilsum.fedavg.parameters import Model, to_model
from veilsum.fedavg.progress import ProgressBar, Silence
from veilsum.fedavg.settings import SchemeChoice, Settings, Trust, Weighting
from veilsum.fedavg.training import TrainingRun
from veilsum.one_at_a_time import OneAtATime
from veilsum.paillier.secret_key import SecretKey
from veilsum.privacy import Ledger, Noise
from veilsum.schemes import DealtKey
from veilsum.vector import Codec

__all__ = ["FedAvg"]


class FedAvg:
    """Federated averaging (McMahan et al. 2017) of which the server sees nothing but sums.

    Each round a fraction of the clients train the current model on their own data. Each one's
    change is clipped, weighted, quantised, given noise if asked, and encrypted; only the sum is
    opened, and its mean moves the model. All parties are played in this process, one after
    another, with the messages that would travel between machines.

    A client that raises, returns nonsense or has no privacy budget left is left out of the round;
    budgets are asked before anybody trains. A round with fewer than ``min_contributors`` is
    abandoned: the model stays, the run goes on. When fewer clients than that have budget left, the
    run ends with a RunEndedError.

    A round is one transaction: model, momentum, history, number and spending change together, after
    the sum was opened and before ``evaluate`` runs. Whatever interrupts it, ``run`` goes on from
    the last whole round, with a new number and the same clients; with ``checkpoint`` another
    process does (``FedAvg.resume``).

    Args:
        initial: the model to start from, a list of float arrays.
        clients: at least one ``Client``.
        codec: how changes become integers; ``dim`` is the number of values of the model. Needed
            unless ``trust`` is ``"clear"``. It is fitted to the noise, and to the clients' weights:
            ``weight_bits`` grow with the largest weight over the smallest, which is public.
        trust: who can open sums: ``"threshold"`` (4 of 5 key holders together, none alone),
            ``"authority"`` (a party that holds the key and has no data), ``"contributors"`` (every
            client), or ``"clear"`` for no encryption at all: with a codec the
            same integers summed in the clear, without one ordinary averaging of floats.
        scheme: how changes travel: ``"packed"`` in Paillier ciphertexts, for ``"threshold"``;
            ``"masked"`` behind a lattice mask, whose short secret is under Paillier; or ``"auto"``:
            what is shorter, and masked for the other kinds of trust.
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
        server_lr: what the mean change is multiplied by, positive.
        momentum: of the server, in [0, 1).
        min_contributors: fewest contributions that are opened; by default what the noise assumes
            to be honest, at least 2 if encrypted.
        evaluate: called with the model; returns its accuracy, or its loss.
        lower_is_better: whether ``evaluate`` returns a loss.
        evaluate_every: rounds between evaluations; the last round of a run is always evaluated.
        seed: of the choice of clients, for repeatable experiments; with one, no privacy is claimed
            from the choice. Keys and noise have no seed.
        report_clipping: let the history have the part of its values that was clipped at each
            client, which neither encryption nor noise protects. Clients' logs have it always.
        checkpoint: a folder that is not there yet, where the run is kept after every round, for
            ``FedAvg.resume``. It holds the model and no key.
        num_threads: of encryption; default: all processors, or ``VEILSUM_NUM_THREADS``.
        progress: show a bar on the terminal or in the notebook (needs the extra ``cli``).

    Raises:
        TypeError, InvalidArgumentError: arguments that are wrong or do not fit together.
        FileExistsError: there is something at ``checkpoint``.
        MissingExtraError: ``progress`` without the package it needs.
    """

    def __init__(
        self,
        initial: Sequence[ArrayLike],
        clients: Sequence[Client],
        *,
        codec: Codec | None = None,
        trust: Trust = "authority",
        scheme: SchemeChoice = "auto",
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
        lower_is_better: bool = False,
        evaluate_every: int = 1,
        report_clipping: bool = False,
        seed: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        num_threads: int | None = None,
        progress: bool = False,
    ) -> None:
        model = to_model(initial)
        company = Company(
            clients=clients,
            key=key,
            ledger_for=ledger_for,
            evaluate=evaluate,
            num_threads=num_threads,
            progress=_progress(progress),
        )
        settings = Settings(
            codec=codec,
            trust=trust,
            scheme=scheme,
            key_bits=key_bits,
            fraction=fraction,
            selection=selection,
            local_epochs=local_epochs,
            weighting=weighting,
            max_samples=max_samples,
            noise=noise,
            server_lr=server_lr,
            momentum=momentum,
            min_contributors=min_contributors,
            evaluate_every=evaluate_every,
            lower_is_better=lower_is_better,
            report_clipping=report_clipping,
            seed=seed,
        )
        self._one_at_a_time = OneAtATime("the run")
        self._company = company
        self._run = TrainingRun(settings, company, initial=model)
        if checkpoint is not None:
            self._run.checkpoint = Checkpoint.create(checkpoint, settings, self._run.state)

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        clients: Sequence[Client],
        *,
        key: SecretKey | DealtKey | None = None,
        ledger_for: Callable[[str], Ledger] | None = None,
        evaluate: Callable[[Model], float] | None = None,
        num_threads: int | None = None,
        progress: bool = False,
    ) -> "FedAvg":
        """Go on with a run from its checkpoint, in whatever process, after whatever stopped it.

        Settings are those of the run. With a seed, no noise, and clients who train alike, it ends
        with the model of a run that nothing stopped, bit for bit. A round that was begun is begun
        anew, with a new number and the same clients. Without ``ledger_for`` every client that was
        asked in it counts as having sent, for nobody remembers who had.

        Args:
            path: the folder that was given as ``checkpoint``; it goes on there.
            clients: the same clients, in the same order.
            key: as for ``FedAvg``; the checkpoint has none. A new key is made if none is given.
            ledger_for: as for ``FedAvg``.
            evaluate: as for ``FedAvg``.
            num_threads: as for ``FedAvg``.
            progress: as for ``FedAvg``.

        Raises:
            MalformedDataError: no checkpoint, or a damaged one.
            StoreInUseError: another process goes on with the run.
            InvalidArgumentError: another number of clients than the run has.
        """
        company = Company(
            clients=clients,
            key=key,
            ledger_for=ledger_for,
            evaluate=evaluate,
            num_threads=num_threads,
            progress=_progress(progress),
        )
        checkpoint, settings, state, attempt = Checkpoint.open(path)
        loop = cls.__new__(cls)
        loop._one_at_a_time = OneAtATime("the run")
        loop._company = company
        loop._run = TrainingRun(settings, company, state=state, attempt=attempt)
        loop._run.checkpoint = checkpoint
        loop._run.settle()
        return loop

    @property
    def model(self) -> Model:
        """A copy of the current model."""
        return [array.copy() for array in self._run.state.model]

    @property
    def history(self) -> History:
        """All rounds so far."""
        return self._run.state.history

    @property
    def codec(self) -> Codec | None:
        """The codec in use: the one given, fitted to the weights and the noise."""
        return self._run.parties.codec

    def __repr__(self) -> str:
        run = self._run
        return (
            f"<FedAvg: {run.num_clients} clients, trust {run.settings.trust!r}, "
            f"{len(self.history)} rounds done>"
        )

    def run(self, rounds: int, *, until: float | None = None) -> History:
        """Run this many more rounds and return the history of all.

        With ``until`` it ends as soon as an evaluation is at least as good: this accuracy or more,
        or this loss or less where ``lower_is_better``.

        An interrupt, or an error of ``evaluate``, ends it between two states: the model and the
        history are those of the last whole round, and ``run`` can go on from there.

        Raises:
            RunEndedError: too few clients have budget left for another round. It carries the
                history, and nobody was asked to train.
            ConcurrentUseError: it is running already, in another thread or around this call.
            TypeError, InvalidArgumentError: ``evaluate`` returned no number.
        """
        rounds = arguments.count("rounds", rounds)
        if until is not None:
            until = arguments.real("until", until)
        progress = self._company.progress
        with self._one_at_a_time, progress.running(rounds * self._run.selector.num_per_round):
            for remaining in range(rounds, 0, -1):
                record = self._run.run_round(last=remaining == 1)
                progress.round_done(record)
                if until is None or record.accuracy is None:
                    continue
                if self.history.reaches(record.accuracy, until):
                    break
        return self.history


def _progress(wanted: bool) -> Silence:
    return ProgressBar() if arguments.flag("progress", wanted) else Silence()
