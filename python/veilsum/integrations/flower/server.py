"""The server's part: a strategy of Flower's whose server sees sums only."""

import logging
import os
from collections.abc import Callable, Collection, Iterable
from typing import cast

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg, Result, Strategy
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, NotEnoughSharesError, ProtocolError, VeilsumError
from veilsum.fedavg.history import Meter
from veilsum.integrations.aggregator_identity import aggregator_identity
from veilsum.integrations.budgets import Budgets
from veilsum.integrations.federation_file import agreed_in, parse_hash, read_signed, shown
from veilsum.integrations.flower.artefacts import finished
from veilsum.integrations.flower.kept_run import KeptRun
from veilsum.integrations.flower.nodes import ContributorGrid, Nodes
from veilsum.integrations.flower.opening import NodeHolders
from veilsum.integrations.flower.optimiser import (
    check_suitable,
    optimiser_state,
    restore_optimiser,
    step,
)
from veilsum.integrations.flower.records import (
    RECORD,
    announcement,
    named_arrays,
    record_of,
    same_layout,
)
from veilsum.integrations.flower.round_line import line_of
from veilsum.integrations.flower.rounds import Round, SumRecord, check_progress
from veilsum.integrations.flower.simulation import simulated_federation
from veilsum.integrations.model_vector import ModelVector
from veilsum.integrations.openers import Openers
from veilsum.integrations.opening import await_holders, open_sum
from veilsum.integrations.simulation import Simulation
from veilsum.integrations.summed_metrics import DEFAULT_SHARE, MetricRanges, SummedMetrics
from veilsum.secure_sum import Federation, Identity, Transcript

__all__ = ["SecureStrategy"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own

_NUM_CONTRIBUTORS = "num-contributors"

EvaluateFn = Callable[[int, ArrayRecord], MetricRecord | None]


class SecureStrategy(Strategy):
    """Wraps FedAvg, FedProx, FedAvgM, FedAdam, FedYogi or FedAdagrad.

    Nodes run a ``SecureClientApp``. The wrapped strategy chooses nodes and configures them as
    always, and is then given the opened mean as if one node had replied: its server optimiser works
    unchanged. The mean moves the model in float64, each array rounded once to its own dtype, which
    it keeps; what is no float stays. That is what ``veilsum.FedAvg`` does with the same
    contributions, bit for bit.

    A round with fewer contributions than the federation opens is abandoned: the model stays, the
    run goes on. After ``max_abandoned`` of them in a row, or when so many nodes have spent their
    privacy budget that no sum can be opened any more, ``start`` raises RunEndedError, whose
    ``history`` is that below; ``arrays`` has the model.
    Nobody is asked to train before enough holders are there to open the sum; if they do not come,
    or answer, ``start`` raises NotEnoughSharesError, and a round that was begun waits in the store.

    A federation answers one run. With the same store ``start`` goes on where the run was, also
    within a round; nothing is opened twice, and a node that is asked for a round again sends the
    contribution that it made before.

    Args:
        strategy: the one to wrap.
        federation: the dealer's file, ``federation.veil``, on the server's disk; or the agreement.
        store: a folder on the server's disk for the run. It must stay: no round of a federation may
            have the number of another.
        identity: of the federation's aggregator: the server's identity file, made by ``veilsum
            enrol``, or the ``Identity``. It signs the announcements; nodes answer no other.
        passphrase_file: where the passphrase of that file is; None for the file that
            ``VEILSUM_PASSPHRASE_FILE`` names.
        federation_hash: pins the file, in hexadecimal, as ``veilsum deal`` printed it. Parties pin
            their own; here it finds a wrong file early.
        metrics: which metrics of training are summed with the updates, under encryption, and the
            lowest and the highest value of each; as at the nodes, which refuse other ones. Their
            weighted means are in ``history`` and in the result's ``train_metrics_clientapp``.
        metrics_share: as at the nodes.
        evaluate: let nodes evaluate the model, and see the metrics that their apps name
            (``SecureClientApp(evaluation_metrics=...)``). Those are not encrypted.
        max_message_bytes: about how long a request to a holder may be.
        wait_seconds: how long to wait, before a round and in its opening, when too few holders are
            there, or answer.
        max_abandoned: after so many rounds in a row without a sum the run ends.
        num_threads: for checking, adding and combining.
        artefacts: a folder for what people look at: ``history.json``, a ``SumRecord`` of every
            round of every start; ``rounds.png``, if matplotlib is installed; copies of the
            transcripts. None for the store, which has the transcripts; of a simulation nothing is
            kept then. A folder of its own for each run.
        simulation: instead of ``federation``, ``store`` and ``identity``: True, or a ``Simulation``
            with other than the usual numbers, makes throw-away parties for the nodes of a
            simulation on this machine when it starts. Rounds then cost what they will cost, and
            protect nothing.

    Attributes:
        history: a ``SumRecord`` of each round since this object was made.

    Raises:
        TypeError: an argument of another type.
        InvalidArgumentError: a strategy that needs single updates, or is none of FedAvg's kind; a
            number out of range; an identity that is not the aggregator's.
        PassphraseError: the passphrase is missing, or another one.
        ProtocolError: the store, or the artefacts, are of another federation.
        OSError: the folder of the artefacts cannot be made or written into.
        PolicyRefusedError, SignatureError, MalformedDataError: as ``Federation.from_signed``.
    """

    def __init__(
        self,
        strategy: FedAvg,
        *,
        federation: Federation | str | os.PathLike[str] | None = None,
        store: str | os.PathLike[str] | None = None,
        identity: Identity | str | os.PathLike[str] | None = None,
        passphrase_file: str | os.PathLike[str] | None = None,
        federation_hash: str | None = None,
        metrics: MetricRanges | None = None,
        metrics_share: float = DEFAULT_SHARE,
        evaluate: bool = False,
        max_message_bytes: int = 64 << 20,
        wait_seconds: float = 300.0,
        max_abandoned: int = 3,
        num_threads: int | None = None,
        artefacts: str | os.PathLike[str] | None = None,
        simulation: Simulation | bool = False,
    ) -> None:
        check_suitable(strategy)
        if num_threads is not None:
            num_threads = arguments.count("num_threads", num_threads, at_least=1)
        self.history: list[SumRecord] = []
        self._strategy = strategy
        self._metrics = SummedMetrics(metrics, share=metrics_share)
        if _NUM_CONTRIBUTORS in self._metrics.ranges:
            raise InvalidArgumentError(f"a metric is called {_NUM_CONTRIBUTORS!r}; rename it")
        self._evaluate = arguments.flag("evaluate", evaluate)
        self._max_message_bytes = arguments.count(
            "max_message_bytes", max_message_bytes, at_least=1
        )
        self._wait_seconds = arguments.real("wait_seconds", wait_seconds, at_least=0)
        self._max_abandoned = arguments.count("max_abandoned", max_abandoned, at_least=1)
        self._num_threads = num_threads
        self._artefacts_folder = (
            None if artefacts is None else arguments.path("artefacts", artefacts)
        )
        self._kept_run: KeptRun | None = None
        self._timeout = 3600.0
        self._num_rounds = 0
        self._grid: Grid | None = None
        self._round: Round | None = None
        self._asked: dict[int, Message] = {}
        arguments.instance("simulation", simulation, (Simulation, bool))
        self._simulation = Simulation() if simulation is True else simulation or None
        given = {"federation": federation, "store": store, "identity": identity}
        if self._simulation is not None:
            given |= {"passphrase_file": passphrase_file, "federation_hash": federation_hash}
            if extra := [name for name, value in given.items() if value is not None]:
                raise InvalidArgumentError(
                    f"a simulation makes its own federation: leave out {', '.join(extra)}"
                )
            return
        if federation is None or store is None or identity is None:
            missing = [name for name, value in given.items() if value is None]
            raise TypeError(
                f"missing: {', '.join(missing)}; or simulation=True, for throw-away parties"
            )
        self._join(federation, store, identity, passphrase_file, federation_hash)

    def _join(
        self,
        federation: Federation | str | os.PathLike[str],
        store: str | os.PathLike[str],
        identity: Identity | str | os.PathLike[str],
        passphrase_file: str | os.PathLike[str] | None = None,
        federation_hash: str | None = None,
    ) -> None:
        """Be the aggregator of a federation, with the run that its store has."""
        signed: bytes | None = None
        if not isinstance(federation, Federation):
            pin = None if federation_hash is None else parse_hash(federation_hash)
            signed = read_signed(federation)
            federation = agreed_in(signed, expected_hash=pin)
        self._federation = federation
        self._identity = aggregator_identity(identity, passphrase_file, federation)
        self._nodes = Nodes(federation, signed)
        self._budgets = Budgets(federation)
        self._openers = Openers(federation)
        self._kept_run = KeptRun(store, federation, self._artefacts_folder)

    @property
    def arrays(self) -> ArrayRecord:
        """The model after the last round that is done, as the store has it."""
        return record_of(self._kept.done.model)

    def summary(self) -> None:
        """Log what is agreed on, and the wrapped strategy."""
        agreed = self._federation
        _log.info(
            "secure sums: federation %s, %s key of %d bits, %d contributors, %d of them at least "
            "in a sum. No node's own metrics of training leave it; evaluation by nodes is %s "
            "(evaluate)",
            shown(agreed.hash),
            agreed.trust,
            agreed.public_key.key_bits,
            len(agreed.contributors),
            agreed.fewest,
            "on" if self._evaluate else "off",
        )
        if self._metrics:
            count = len(agreed.contributors)
            _log.info(self._metrics.described(agreed.codec, agreed.noise, num_contributors=count))
        self._strategy.summary()

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: EvaluateFn | None = None,
    ) -> Result:
        """As ``Strategy.start``; rounds that the store has done already are not done again.

        Raises:
            InvalidArgumentError: another model than the run's, or than the federation was dealt
                for.
            NotEnoughSharesError: too few holders are there to open a sum.
            RunEndedError: too few contributors are left that have any privacy budget, or several
                rounds in a row had no sum.
            StoreInUseError: another ServerApp is at work with this store.
        """
        num_rounds = self._num_rounds = arguments.count("num_rounds", num_rounds)
        self._timeout = arguments.real("timeout", timeout, above=0)
        initial = named_arrays(RecordDict({"arrays": initial_arrays}))
        dim = ModelVector(initial).dim
        configs = (train_config, evaluate_config, evaluate_fn)
        if self._simulation is None:
            with self._kept.in_use():
                return self._run(grid, initial, dim, num_rounds, timeout, *configs)
        with simulated_federation(grid, dim + len(self._metrics), self._simulation) as parties:
            self._join(
                parties.federation_file,
                parties.path / "store",
                parties.identity_file,
                passphrase_file=parties.key_file,
            )
            return self._run(grid, initial, dim, num_rounds, timeout, *configs)

    def _run(
        self,
        grid: Grid,
        initial: dict[str, NDArray[np.generic]],
        dim: int,
        num_rounds: int,
        timeout: float,
        train_config: ConfigRecord | None,
        evaluate_config: ConfigRecord | None,
        evaluate_fn: EvaluateFn | None,
    ) -> Result:
        self._metrics.check(dim, self._federation.codec)
        done = self._kept.begin(initial)
        if not same_layout(initial, done.model):
            raise InvalidArgumentError(
                "the store has a run of another model: names, dtypes or shapes differ"
            )
        restore_optimiser(self._strategy, done.optimiser)
        # Flower counts the rounds of each start from 1. Everyone else is told their number in the
        # run, num_done + 1, which ``num_rounds`` counts and by which FedAdam corrects its moments.
        # The federation's number cannot stand for it: that is never given twice, whatever becomes
        # of the model. In ``veilsum.FedAvg`` one number is both: its run ends with its process.
        offset = done.num_done
        if offset >= max(num_rounds, 1):
            _log.warning(finished(offset, self._kept.state, self._kept.artefacts))
        elif offset > 0:
            _log.info("the run goes on after round %d, to round %d", offset, num_rounds)
        arrays = record_of(done.model)
        try:
            result = super().start(
                grid,
                arrays,
                num_rounds=max(0, num_rounds - offset),
                timeout=timeout,
                train_config=train_config,
                evaluate_config=evaluate_config,
                evaluate_fn=evaluate_fn and (lambda number, a: evaluate_fn(number + offset, a)),
            )
        finally:
            if self._simulation is None or self._artefacts_folder is not None:
                self._kept.artefacts.finish()
            else:
                _log.info(
                    "SIMULATION: nothing of it is kept; SecureStrategy(..., artefacts=folder) "
                    "keeps its history, plot and transcripts"
                )
        if not result.arrays:
            result.arrays = arrays
        for metrics in (
            result.train_metrics_clientapp,
            result.evaluate_metrics_clientapp,
            result.evaluate_metrics_serverapp,
        ):
            renumbered = {number + offset: record for number, record in metrics.items()}
            metrics.clear()
            metrics.update(renumbered)
        return result

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """The wrapped strategy's messages, with the announcement of the round."""
        self._grid, done = grid, self._kept.done
        self._nodes.update(grid, timeout=self._timeout)
        self._budgets.reached_at(self._nodes.contributors())
        messages = list(
            self._strategy.configure_train(
                done.num_done + 1, arrays, config, self._view(grid, without=self._budgets.spent)
            )
        )
        if not messages:
            raise InvalidArgumentError("the wrapped strategy asks no node to train")
        there = await_holders(
            self._holders(Meter()),
            federation=self._federation,
            wait_seconds=self._wait_seconds,
            log=_log.warning,
        )
        chosen = {message.metadata.dst_node_id: message for message in messages}
        online = self._nodes.contributors()
        self._round = current = Round(
            self._federation,
            self._identity,
            self._kept.state,
            after=done.round_number,
            model=named_arrays(RecordDict({"arrays": arrays})),
            metrics=self._metrics,
            invited=[name for name, node in online.items() if node in chosen],
            opener=lambda number: self._openers.choose(number, there),
            num_threads=self._num_threads,
        )
        self._asked = {}
        waiting = sorted((online[name], name) for name in current.waiting & set(online))
        for node, name in waiting:
            message = chosen.get(node, messages[0])
            content = RecordDict(dict(message.content))
            content[RECORD] = announcement(current.announcement(name))
            kind = message.metadata.message_type
            self._asked[node] = Message(content, dst_node_id=node, message_type=kind)
        return list(self._asked.values())

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Add the contributions, have the sum opened, and let the wrapped strategy step.

        Raises:
            NotEnoughSharesError: too few holders are there; the round waits in the store. Where a
                round has one opener, it is abandoned instead, and the next names another.
        """
        if self._round is None or self._grid is None:
            raise ProtocolError("no round was announced, so there is no sum")
        current, self._round = self._round, None
        meter, aggregator = current.meter, current.aggregator
        failures, spent = current.receive(replies, asked=self._asked, shown=self._nodes.shown)
        self._nodes.update(self._grid, timeout=self._timeout)
        places = self._nodes.contributors()
        for name, node in places.items():
            if node in spent:
                self._budgets.told(name, by=node)
        self._budgets.reached_at(places)
        self._budgets.contributed(aggregator.contributors)
        number_in_run = self._kept.done.num_done + 1
        try:
            with meter.phase("open"):
                opened = open_sum(
                    aggregator,
                    self._holders(meter),
                    federation=self._federation,
                    max_request_bytes=self._max_message_bytes,
                    wait_seconds=self._wait_seconds,
                    log=_log.warning,
                )
            with meter.phase("step"):
                update, means = self._metrics.split(opened.sum, self._federation.codec)
                model = step(
                    self._strategy,
                    current.model,
                    update,
                    server_round=number_in_run,
                )
        except VeilsumError as error:
            lacks_answers = isinstance(error, NotEnoughSharesError)
            if lacks_answers and not self._openers.did_not_open(current.descriptor):
                raise NotEnoughSharesError(
                    f"{error}. The contributions are kept: start the ServerApp with the same store "
                    "when they are back"
                ) from error
            if aggregator.must_finish:  # It stays in the store: holders refuse what leaves it out.
                raise
            record = current.record(number_in_run, failures=failures, abandoned=str(error))
            # A void round was opened: those that follow name it. Of one that was begun and is given
            # up the opener may remember the model.
            transcript = aggregator.transcript()
            if transcript.link is not None or aggregator.has_begun:
                self._kept.state.keep_transcript(current.number, transcript, used=False)
            self._end(record, current.model)
        else:
            transcript = Transcript.from_bytes(opened.transcript)
            record = current.record(
                number_in_run,
                failures=failures,
                contributors=opened.contributors,
                transcript=transcript,
                metrics=means,
            )
            self._kept.state.keep_transcript(current.number, transcript)
            self._end(record, model)
        finally:
            current.close()
        if record.abandoned is not None:
            self._budgets.check(self.history)
            check_progress(self.history, max_abandoned=self._max_abandoned)
            return None, None
        return record_of(model), MetricRecord(
            {_NUM_CONTRIBUTORS: len(record.contributors), **record.metrics}
        )

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """The wrapped strategy's messages; none unless ``evaluate``."""
        if not self._evaluate:
            return []
        number = self._kept.done.num_done
        return list(self._strategy.configure_evaluate(number, arrays, config, self._view(grid)))

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """What the wrapped strategy makes of them."""
        if not self._evaluate:
            return None
        return self._strategy.aggregate_evaluate(self._kept.done.num_done, replies)

    def _view(self, grid: Grid, *, without: Collection[str] = ()) -> Grid:
        strategy = self._strategy
        view = ContributorGrid(
            grid,
            self._nodes,
            timeout=self._timeout,
            spent=without,
            min_available=max(strategy.min_available_nodes, strategy.min_train_nodes),
        )
        return cast(Grid, view)

    def _holders(self, meter: Meter) -> NodeHolders:
        assert self._grid is not None  # A round has one.
        return NodeHolders(self._nodes, self._grid, answer_seconds=self._timeout, meter=meter)

    def _end(self, record: SumRecord, model: dict[str, NDArray[np.generic]]) -> None:
        self._kept.end(record, model, optimiser_state(self._strategy))
        self.history.append(record)
        level = logging.INFO if record.abandoned is None else logging.WARNING
        _log.log(level, line_of(record, self._num_rounds))

    @property
    def _kept(self) -> KeptRun:
        if self._kept_run is None:
            raise ProtocolError("a secure strategy is run by its start method")
        return self._kept_run
