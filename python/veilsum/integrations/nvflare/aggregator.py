"""The server's part: announces rounds, adds what sites send, and asks the holders for the sum."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.aggregators.model_aggregator import ModelAggregator
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType

from veilsum.errors import InvalidArgumentError, ProtocolError, VeilsumError
from veilsum.integrations.model_vector import ModelVector
from veilsum.integrations.nvflare.messages import CONTRIBUTION, ROUND
from veilsum.integrations.nvflare.opening import SiteHolders, aux_questions
from veilsum.integrations.opening import open_sum
from veilsum.integrations.run_folder import RunFolder
from veilsum.secure_sum import Aggregator, Federation, RoundDescriptor

__all__ = ["SecureAggregator"]


@dataclass(frozen=True)
class _Round:
    """The round that sites are at work on."""

    number: int
    aggregator: Aggregator
    layout: ModelVector


class SecureAggregator(ModelAggregator):
    """Adds encrypted differences; holds no key and no share. For NVFlare's FedAvg recipes.

    A round's sum is opened by the sites that hold the key or shares of it; then the global model
    moves by the mean, in float64, each array rounded once to its own dtype: what
    ``veilsum.FedAvg`` does with the same contributions, bit for bit. A round with too few
    contributions, or too few holders, leaves the model as it was.

    Args:
        federation: the dealer's file, ``federation.veil``, on the server's disk.
        federation_hash: its hash in hexadecimal, as ``veilsum deal`` printed it.
        store: a folder on the server's disk for the run: it must stay from job to job, for no
            round of a federation may have the number of another.
        leave_out: entries of the model that are not summed, as for ``ModelVector``; the same at the
            server and at every site.
        max_abandoned: after so many rounds in a row that were not opened, the job ends.
        answer_seconds: how long a holder may take for one request.
        wait_seconds: how long an opening waits when too few holders are there, or answer.
        max_request_bytes: about how long a request to a holder may be.
        num_threads: for checking, adding and combining.
    """

    expected_data_kind = DataKind.WEIGHT_DIFF

    def __init__(
        self,
        federation: str,
        federation_hash: str,
        store: str,
        leave_out: Sequence[str] = (),
        max_abandoned: int = 3,
        answer_seconds: float = 300.0,
        wait_seconds: float = 900.0,
        max_request_bytes: int = 64 << 20,
        num_threads: int | None = None,
    ) -> None:
        super().__init__()
        # NVFlare writes a job's configuration from attributes that are called as the arguments.
        self.federation = federation
        self.federation_hash = federation_hash
        self.store = store
        self.leave_out = list(leave_out)
        self.max_abandoned = max_abandoned
        self.answer_seconds = answer_seconds
        self.wait_seconds = wait_seconds
        self.max_request_bytes = max_request_bytes
        self.num_threads = num_threads
        self._lock = threading.RLock()
        self._agreed: Federation | None = None
        self._run: RunFolder | None = None
        self._round: _Round | None = None
        self._num_abandoned = 0

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """NVFlare's events: the start of a run, and a task that is about to be sent."""
        super().handle_event(event_type, fl_ctx)
        try:
            if event_type == EventType.START_RUN:
                self._start()
            elif event_type == AppEventType.BEFORE_TRAIN_TASK:
                task = fl_ctx.get_prop(AppConstants.TRAIN_SHAREABLE)
                if isinstance(task, Shareable):
                    self._announce(task)
        except (VeilsumError, OSError, TypeError, ValueError) as error:
            self.system_panic(f"{type(error).__name__}: {error}", fl_ctx)

    def accept_model(self, model: FLModel) -> None:
        """Add one site's contribution.

        Raises:
            ProtocolError, SignatureError, ProofError, ...: as ``Aggregator.receive``; NVFlare logs
                it and goes on without that site.
        """
        with self._lock:
            if self._round is None:
                raise ProtocolError("a contribution came, and no round was announced")
            message = (model.params or {}).get(CONTRIBUTION)
            if not isinstance(message, np.ndarray) or message.dtype != np.uint8:
                raise ProtocolError(
                    f"the result of {model.meta.get('client_name', 'a site')} is no contribution: "
                    "is veilsum.integrations.nvflare.PartyFilter its output filter?"
                )
            name = self._round.aggregator.receive(np.ascontiguousarray(message).data)
        self.info(f"added the contribution of {name}")

    def accept(self, shareable: Shareable, fl_ctx: FLContext) -> bool:
        """The same, for controllers that ask whether it was accepted."""
        try:
            return bool(super().accept(shareable, fl_ctx))
        except VeilsumError as error:
            self.warning(f"a contribution is refused: {type(error).__name__}: {error}")
            return False

    def aggregate_model(self) -> FLModel:
        """Open the round, and return the global model after it."""
        with self._lock:
            announced, run = self._round, self._run
            if announced is None or run is None:
                raise ProtocolError("no round was announced, so there is no sum")
            self._round = None
            ask = aux_questions(self.fl_ctx)
            try:
                opened = open_sum(
                    announced.aggregator,
                    SiteHolders(ask, log=self.warning, answer_seconds=self.answer_seconds),
                    federation=self._federation(),
                    max_request_bytes=self.max_request_bytes,
                    wait_seconds=self.wait_seconds,
                    log=self.warning,
                    stopped=self._stopped,
                )
                params = announced.layout.shifted(opened.sum.mean())
            except VeilsumError as error:
                run.erase(announced.number)
                self._abandon(error)
                params = announced.layout.model
            else:
                self._num_abandoned = 0
                run.keep_transcript(announced.number, opened.transcript)
                run.erase(announced.number)
                self.info(
                    f"round {announced.number} is open: {len(opened.contributors)} contributions"
                )
        return FLModel(params_type=ParamsType.FULL, params=params)

    def reset_stats(self) -> None:
        """Forget the round before."""
        with self._lock:
            self._round = None

    def _start(self) -> None:
        try:
            pin = bytes.fromhex(self.federation_hash)
        except ValueError:
            raise InvalidArgumentError(
                "federation_hash must be the 64 hexadecimal digits that `veilsum deal` printed"
            ) from None
        signed = Path(self.federation).read_bytes()
        self._agreed = Federation.from_signed(signed, expected_hash=pin)
        self._run = RunFolder(self.store, self._agreed)

    def _announce(self, task: Shareable) -> None:
        """Announce a new round with a task, unless the task has its round already."""
        with self._lock:
            if task.get_header(ROUND) is not None:
                return
            if self._run is None:
                raise ProtocolError("the run did not start")
            dxo = from_shareable(task)
            if dxo.data_kind != DataKind.WEIGHTS:
                raise ProtocolError(f"the task has {dxo.data_kind}, not the weights of a model")
            federation, layout = self._federation(), self._layout(dxo)
            if layout.dim != federation.codec.dim:
                raise InvalidArgumentError(
                    f"the model has {layout.dim} values to average, and the federation was dealt "
                    f"for {federation.codec.dim}: deal with --dim {layout.dim}"
                )
            number, store = self._run.new_round()
            descriptor = RoundDescriptor(
                federation_hash=federation.hash,
                run_id=self._run.run_id,
                round_number=number,
                model_hash=layout.hash,
                invited=tuple(party.name for party in federation.contributors),
            )
            aggregator = Aggregator(
                federation, descriptor, store=store, num_threads=self.num_threads
            )
            self._round = _Round(number, aggregator, layout)
            task.set_header(ROUND, descriptor.to_bytes())

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
        if self._num_abandoned >= self.max_abandoned:
            raise ProtocolError(
                f"{self._num_abandoned} rounds in a row were abandoned, the last because: {error}"
            ) from error

    def _federation(self) -> Federation:
        if self._agreed is None:
            raise ProtocolError("the run did not start, so there is no federation")
        return self._agreed

    def _stopped(self) -> bool:
        signal = self.fl_ctx.get_run_abort_signal()
        return bool(signal is not None and signal.triggered)
