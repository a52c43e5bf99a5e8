"""The server's part: announces rounds, adds what sites send, and asks the holders for the sum."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.aggregators.model_aggregator import ModelAggregator
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.app_common.utils.fl_model_utils import FLModelUtils

from veilsum import arguments
from veilsum.errors import (
    MalformedDataError,
    NotEnoughSharesError,
    PolicyRefusedError,
    ProtocolError,
    RunEndedError,
    VeilsumError,
)
from veilsum.integrations.aggregator_identity import aggregator_identity
from veilsum.integrations.budgets import Budgets
from veilsum.integrations.federation_file import agreed_in, parse_hash, read_signed
from veilsum.integrations.model_vector import ModelVector
from veilsum.integrations.nvflare.messages import CONTRIBUTION, FEDERATION, ROUND, SPENT
from veilsum.integrations.nvflare.model_selection import tell_model_selector
from veilsum.integrations.nvflare.opening import SiteHolders, aux_questions
from veilsum.integrations.openers import Openers
from veilsum.integrations.opening import await_holders, open_sum
from veilsum.integrations.run_folder import RunFolder
from veilsum.integrations.summed_metrics import DEFAULT_SHARE, MetricRanges, SummedMetrics
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Federation,
    FolderStore,
    Identity,
    Invitations,
    RoundDescriptor,
    Transcript,
)
from veilsum.secure_sum.announcement import announced_in

__all__ = ["SecureAggregator"]


@dataclass(frozen=True)
class _Round:
    """The round that sites are at work on."""

    number: int
    store: FolderStore
    aggregator: Aggregator
    layout: ModelVector


@dataclass(frozen=True)
class _Run:
    """What stays the same in a job."""

    federation: Federation
    signed: bytes
    identity: Identity
    folder: RunFolder
    budgets: Budgets
    openers: Openers


class SecureAggregator(ModelAggregator):
    """Adds encrypted differences; holds no key and no share. For NVFlare's FedAvg recipes.

    A round's sum is opened by the sites that hold the key or shares of it; then the global model
    moves by the mean, in float64, each array rounded once to its own dtype: what
    ``veilsum.FedAvg`` does with the same contributions, bit for bit. A round with too few
    contributions, or too few holders, leaves the model as it was. Where every contributor has the
    key, each round names one who opens it, and another one after one that did not.

    Nobody is asked to train before enough holders are there to open the sum. The job ends, and says
    why, if they do not come, or if so many sites have spent their privacy budget that no sum can be
    opened any more.

    Args:
        federation: the dealer's file, ``federation.veil``, on the server's disk.
        federation_hash: its hash in hexadecimal, as ``veilsum deal`` printed it.
        identity: the server's identity file, made by ``veilsum enrol``: the federation's
            aggregator, who signs the announcements; sites answer no other.
        store: a folder on the server's disk for the run: it must stay from job to job, for no
            round of a federation may have the number of another.
        passphrase_file: where the passphrase of the identity is; None for the file that
            ``VEILSUM_PASSPHRASE_FILE`` names. ``{site}`` stands for ``server``.
        leave_out: entries of the model that are not summed, as for ``ModelVector``; the same at the
            server and at every site.
        metrics: which metrics are summed with the differences, under encryption, and the lowest and
            the highest value of each; as at every site (``PartyFilter(metrics=...)``), which
            refuses other ones. Their weighted means are the ``metrics`` of the aggregated model:
            for ``stop_cond``, ``MetricsArtifactWriter`` and the job's ``IntimeModelSelector``.
        metrics_share: as at every site.
        max_abandoned: after so many rounds in a row that were not opened, the job ends.
        answer_seconds: how long a holder may take for one request.
        wait_seconds: how long to wait, before a round and in its opening, when too few holders are
            there, or answer.
        max_request_bytes: about how long a request to a holder may be.
        num_threads: for checking, adding and combining.

    Raises:
        TypeError, InvalidArgumentError: an argument of another type, or out of range.
    """

    expected_data_kind = DataKind.WEIGHT_DIFF

    def __init__(
        self,
        federation: str,
        federation_hash: str,
        store: str,
        identity: str,
        passphrase_file: str | None = None,
        leave_out: Sequence[str] = (),
        metrics: MetricRanges | None = None,
        metrics_share: float = DEFAULT_SHARE,
        max_abandoned: int = 3,
        answer_seconds: float = 300.0,
        wait_seconds: float = 900.0,
        max_request_bytes: int = 64 << 20,
        num_threads: int | None = None,
    ) -> None:
        super().__init__()
        if num_threads is not None:
            num_threads = arguments.count("num_threads", num_threads, at_least=1)
        # NVFlare writes a job's configuration from attributes that are called as the arguments. It
        # warns of 64 hexadecimal digits, which may be a secret; this hash is public, and says so.
        self.federation = arguments.path("federation", federation)
        self.federation_hash = f"sha256:{parse_hash(federation_hash).hex()}"
        self.store = arguments.path("store", store)
        self.identity = arguments.path("identity", identity)
        self.passphrase_file = (
            None if passphrase_file is None else arguments.path("passphrase_file", passphrase_file)
        )
        self.leave_out = arguments.names("leave_out", leave_out)
        self._summed = SummedMetrics(metrics, share=metrics_share)
        self.metrics = {name: list(pair) for name, pair in self._summed.ranges.items()}
        self.metrics_share = self._summed.share
        self.max_abandoned = arguments.count("max_abandoned", max_abandoned, at_least=1)
        self.answer_seconds = arguments.real("answer_seconds", answer_seconds, above=0)
        self.wait_seconds = arguments.real("wait_seconds", wait_seconds, at_least=0)
        self.max_request_bytes = arguments.count("max_request_bytes", max_request_bytes, at_least=1)
        self.num_threads = num_threads
        self._lock = threading.RLock()
        self._run: _Run | None = None
        self._round: _Round | None = None
        self._present: set[str] = set()
        self._num_abandoned = 0
        self._has_ended = False

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """NVFlare's events: of a run, of a round, and of a task that is about to be sent."""
        super().handle_event(event_type, fl_ctx)
        try:
            if event_type == EventType.START_RUN:
                self._start()
            elif event_type == AppEventType.ROUND_STARTED:
                self._await_holders(fl_ctx)
            elif event_type == AppEventType.BEFORE_TRAIN_TASK:
                task = fl_ctx.get_prop(AppConstants.TRAIN_SHAREABLE)
                if isinstance(task, Shareable):
                    self._announce(task)
            elif event_type == EventType.END_RUN:
                self.reset_stats()
        except (VeilsumError, OSError, TypeError, ValueError) as error:
            self._has_ended = True
            self.system_panic(f"{type(error).__name__}: {error}", fl_ctx)

    def accept_model(self, model: FLModel) -> None:
        """Add one site's contribution.

        Raises:
            PolicyRefusedError: the site says that its privacy budget is spent; NVFlare logs it.
            ProtocolError, SignatureError, ProofError, ...: as ``Aggregator.receive``; NVFlare logs
                it and goes on without that site.
        """
        with self._lock:
            if self._round is None:
                raise ProtocolError("a contribution came, and no round was announced")
            budgets, site = self._started().budgets, model.meta.get("client_name", "a site")
            params = model.params or {}
            if params.get(SPENT) is True:
                budgets.told(site)
                raise PolicyRefusedError(
                    f"{site} contributes no more: the privacy that was agreed on is spent"
                )
            message = params.get(CONTRIBUTION)
            if not isinstance(message, np.ndarray) or message.dtype != np.uint8:
                raise ProtocolError(
                    f"the result of {site} is no contribution: "
                    "is veilsum.integrations.nvflare.PartyFilter its output filter?"
                )
            name = self._round.aggregator.receive(np.ascontiguousarray(message).data)
            budgets.contributed([name])
        self.info(f"added the contribution of {name}")

    def accept(self, shareable: Shareable, fl_ctx: FLContext) -> bool:
        """The same, for controllers that ask whether it was accepted.

        They do not say whose result it is, so nobody's budget counts as spent by it.
        """
        self.fl_ctx = fl_ctx
        try:
            model = FLModelUtils.from_shareable(shareable, fl_ctx)
            model.meta.pop("client_name", None)
            self.accept_model(model)
            return True
        except VeilsumError as error:
            self.warning(f"a contribution is refused: {type(error).__name__}: {error}")
            return False

    def aggregate_model(self) -> FLModel:
        """Open the round, and return the global model after it."""
        metrics: dict[str, float] = {}
        with self._lock:
            announced, run = self._round, self._started()
            if announced is None:
                raise ProtocolError("no round was announced, so there is no sum")
            try:
                opened = open_sum(
                    announced.aggregator,
                    self._holders(self.fl_ctx),
                    federation=run.federation,
                    max_request_bytes=self.max_request_bytes,
                    wait_seconds=self.wait_seconds,
                    log=self.warning,
                    stopped=lambda: _is_stopped(self.fl_ctx),
                )
                update, means = self._summed.split(opened.sum, run.federation.codec)
                params = announced.layout.shifted(update)
            except VeilsumError as error:
                # A void round was opened: those that follow name it.
                transcript = announced.aggregator.transcript()
                if isinstance(error, NotEnoughSharesError):
                    run.openers.did_not_open(transcript.descriptor)
                if transcript.link is not None:
                    run.folder.keep_transcript(announced.number, transcript, used=False)
                self.reset_stats()
                self._abandon(error)
                params = announced.layout.model
            else:
                self._num_abandoned, metrics = 0, means
                transcript = Transcript.from_bytes(opened.transcript)
                run.folder.keep_transcript(announced.number, transcript)
                self.reset_stats()
                self.info(
                    f"round {announced.number} is open: {len(opened.contributors)} contributions"
                )
        if metrics:
            tell_model_selector(metrics, self.fl_ctx)
        return FLModel(params_type=ParamsType.FULL, params=params, metrics=metrics or None)

    def reset_stats(self) -> None:
        """End the round: its ciphertexts are erased, its number stays taken.

        One that holders may have begun to open is kept: it is finished before another round.
        """
        with self._lock:
            if self._round is not None and self._run is not None:
                aggregator = self._round.aggregator
                if not aggregator.has_begun or aggregator.num_missing_chunks == 0:
                    self._run.folder.erase(self._round.number)
                self._round.store.close()
            self._round = None

    def _start(self) -> None:
        expected = parse_hash(self.federation_hash)
        signed = read_signed(self.federation)
        federation = agreed_in(signed, expected_hash=expected)
        folder = RunFolder(self.store, federation)
        folder.erase_ended()  # Of jobs that died. No job goes on with a round of another one.
        identity = aggregator_identity(self.identity, self.passphrase_file, federation)
        budgets, openers = Budgets(federation), Openers(federation)
        if self._summed:
            count = len(federation.contributors)
            given = federation.codec, federation.noise
            self.info(self._summed.described(*given, num_contributors=count))
        self._run = _Run(federation, signed, identity, folder, budgets, openers)

    def _await_holders(self, fl_ctx: FLContext) -> None:
        """Before a round: wait for as many holders as open a sum."""
        there = await_holders(
            self._holders(fl_ctx),
            federation=self._started().federation,
            wait_seconds=self.wait_seconds,
            log=self.warning,
            stopped=lambda: _is_stopped(fl_ctx),
        )
        with self._lock:
            self._present = there
        self._finish_begun(fl_ctx)

    def _finish_begun(self, fl_ctx: FLContext) -> None:
        """Open what was begun in an earlier round, or by a job that died.

        Holders of shares demand it; whoever has the whole key is asked once more, and the round is
        then given up. Its sum comes too late for the model.
        """
        run = self._started()
        begun = run.folder.begun()
        if begun is None:
            return
        number, store = begun
        try:
            announced = announced_in(store)
            if announced is None:
                raise MalformedDataError(
                    f"round {number} was begun, and its announcement is no longer in "
                    f"{run.folder.path}: restore the folder from a copy"
                )
            aggregator = self._aggregator(run, *announced, store)
            try:
                open_sum(
                    aggregator,
                    self._holders(fl_ctx),
                    federation=run.federation,
                    max_request_bytes=self.max_request_bytes,
                    wait_seconds=self.wait_seconds if run.federation.num_locks else 0.0,
                    log=self.warning,
                    stopped=lambda: _is_stopped(fl_ctx),
                )
            except VeilsumError:
                if aggregator.must_finish:
                    raise
            run.folder.keep_transcript(number, aggregator.transcript(), used=False)
            run.folder.erase(number)
        finally:
            store.close()
        self.warning(
            f"round {number}, which holders had begun to open, is over; its sum comes too late for "
            "the model, and is not used"
        )

    def _aggregator(
        self, run: _Run, descriptor: RoundDescriptor, invited: Invitations, store: FolderStore
    ) -> Aggregator:
        return Aggregator(
            run.federation,
            run.identity,
            descriptor,
            invited=invited,
            chain=run.folder.chain,
            store=store,
            num_threads=self.num_threads,
        )

    def _holders(self, fl_ctx: FLContext) -> SiteHolders:
        return SiteHolders(
            aux_questions(fl_ctx, log=self.info),
            log=self.warning,
            answer_seconds=self.answer_seconds,
        )

    def _announce(self, task: Shareable) -> None:
        """Announce a new round with a task, unless the task has its round already."""
        with self._lock:
            if self._has_ended or task.get_header(ROUND) is not None:
                return
            run, dxo = self._started(), from_shareable(task)
            if dxo.data_kind != DataKind.WEIGHTS:
                raise ProtocolError(f"the task has {dxo.data_kind}, not the weights of a model")
            layout = self._layout(dxo)
            self._summed.check(layout.dim, run.federation.codec)
            asked = self._summed.bind(layout.hash)
            number, store = run.folder.new_round()
            invited = Invitations.of(party.name for party in run.federation.contributors)
            descriptor = RoundDescriptor.signed(
                run.identity,
                federation_hash=run.federation.hash,
                round_number=number,
                model_hash=asked,
                invited=invited,
                after=run.folder.chain.end,
                repeat=run.folder.repeats(asked),
                opener=run.openers.choose(number, self._present),
            )
            aggregator = self._aggregator(run, descriptor, invited, store)
            self._round = _Round(number, store, aggregator, layout)
            # One task goes to all sites, so with the list of all. Which links a site has seen
            # nobody here knows; some 200 bytes a round.
            announcement = Announcement.of(descriptor, invited, run.folder.chain)
            task.set_header(ROUND, announcement.to_bytes())
            task.set_header(FEDERATION, run.signed)

    def _layout(self, dxo: DXO) -> ModelVector:
        for name, value in dxo.data.items():
            if not isinstance(value, (np.ndarray, np.generic)):
                raise TypeError(
                    f"the entry {name!r} of the model is a {type(value).__name__}, not an array; "
                    "give the recipe server_expected_format=ExchangeFormat.NUMPY"
                )
        return ModelVector(dxo.data, leave_out=self.leave_out)

    def _abandon(self, error: VeilsumError) -> None:
        self._num_abandoned += 1
        self.error(f"the round is abandoned, the model stays: {type(error).__name__}: {error}")
        self._started().budgets.check()
        if self._num_abandoned >= self.max_abandoned:
            raise RunEndedError(
                f"the run ends: {self._num_abandoned} rounds in a row were abandoned, the last "
                f"because: {error}"
            ) from error

    def _started(self) -> _Run:
        if self._run is None:
            raise ProtocolError("the run did not start, so there is no federation")
        return self._run


def _is_stopped(fl_ctx: FLContext) -> bool:
    signal = fl_ctx.get_run_abort_signal()
    return bool(signal is not None and signal.triggered)
