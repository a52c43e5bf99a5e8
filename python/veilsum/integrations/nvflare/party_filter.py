"""A site's part: encrypts what leaves it, and helps to open sums if it holds the key or a share."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.filter import Filter, FilterChainType, FilterContextKey
from nvflare.apis.fl_constant import FLContextKey, FLMetaKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable

from veilsum.errors import InvalidArgumentError, PolicyRefusedError, ProtocolError
from veilsum.identity import Role
from veilsum.integrations.model_vector import ModelVector
from veilsum.integrations.nvflare.messages import CONTRIBUTION, OPEN_TOPIC, ROUND, result
from veilsum.integrations.nvflare.opening import Answers
from veilsum.integrations.site_party import read_passphrase, site_path
from veilsum.secure_sum import Contributor, PartyFolder, ShareHolder

__all__ = ["PartyFilter"]

_RECEIVED = "veilsum_received"
_DONE = "veilsum_done"


@dataclass(frozen=True)
class _Received:
    """What the server sent with a task, as it was before any code of the job saw it."""

    task: Shareable
    announcement: bytes
    model_hash: bytes
    layout: ModelVector


class PartyFilter(Filter):
    """Everything that veilsum does at a site: an output filter of the training task.

    It takes the difference that training made, clips it, adds the noise that was agreed, encrypts
    it, proves it, and lets nothing else out: no sample count, no metrics, no other entry of the
    result. If the party holds the key or a share of it, it also answers the server's questions
    when a round is opened. All that goes wrong leaves this site out of the round, with the reason
    in its log, and never sends anything in clear.

    Put it into a site's own ``privacy.json``, in both filter chains, and no job can leave it out.

    Args:
        party: the party's folder, as ``veilsum join`` made it; ``{site}`` stands for the site's
            name, which is the party's name in the federation too.
        passphrase_file: the file with the folder's passphrase, ``{site}`` as above. If None,
            the environment variable ``VEILSUM_PASSPHRASE_FILE`` names it.
        max_samples: the number of steps or samples (``NUM_STEPS_CURRENT_ROUND`` in the result's
            meta) that has weight 1, for means weighted by a number that nobody sees; public, and
            the same at every site. If None, every site counts the same.
        metrics: names of metrics that do leave in clear, for NVFlare's model selection.
        leave_out: entries of the model that are not summed, as for ``ModelVector``; the same at the
            server and at every site.
        num_threads: as for ``Codec.encrypt``.
    """

    def __init__(
        self,
        party: str,
        passphrase_file: str | None = None,
        max_samples: int | None = None,
        metrics: Sequence[str] = (),
        leave_out: Sequence[str] = (),
        num_threads: int | None = None,
    ) -> None:
        super().__init__()
        if max_samples is not None and max_samples < 1:
            raise InvalidArgumentError(f"max_samples is {max_samples}; it must be at least 1")
        # NVFlare writes a job's configuration from attributes that are called as the arguments.
        self.party = party
        self.passphrase_file = passphrase_file
        self.max_samples = max_samples
        self.metrics = list(metrics)
        self.leave_out = list(leave_out)
        self.num_threads = num_threads
        self._lock = threading.Lock()
        self._folder: PartyFolder | None = None
        self._passphrase = b""
        self._contributor: Contributor | None = None
        self._share_holder: ShareHolder | None = None

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """NVFlare's events: at the start of a run, and before a task is given to the trainer."""
        if event_type == EventType.START_RUN:
            self._start(fl_ctx)
        elif event_type == EventType.BEFORE_TASK_EXECUTION:
            self._receive(fl_ctx.get_prop(FLContextKey.TASK_DATA), fl_ctx)

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Replace a result by the contribution; or by nothing, if there is none to make."""
        if getattr(self, FilterContextKey.CHAIN_TYPE, "") == FilterChainType.TASK_DATA_CHAIN:
            self._receive(shareable, fl_ctx)
            return shareable
        if fl_ctx.get_prop(_DONE) is shareable:
            return shareable  # Of this filter in the site's own policy, which comes first.
        received = fl_ctx.get_prop(_RECEIVED)
        task = received.task if isinstance(received, _Received) else None
        try:
            data, metrics = self._contribution(shareable, received, fl_ctx)
        # Whatever went wrong: an exception would end the whole job, a result that is let through
        # would be in clear. NVFlare passes over a result without data.
        except Exception as error:
            self.log_error(
                fl_ctx, f"left out of this round: {type(error).__name__}: {error}", fire_event=False
            )
            data, metrics = {}, {}
        answer = result(data, task, metrics)
        fl_ctx.set_prop(_DONE, answer, private=True, sticky=False)
        return answer

    # ---- the round, as it comes in ----

    def _receive(self, task: object, fl_ctx: FLContext) -> None:
        """Keep what is needed of a task, hashed now: a trainer may write into the arrays."""
        if not isinstance(task, Shareable) or fl_ctx.get_prop(_RECEIVED) is not None:
            return
        announcement = task.get_header(ROUND)
        if not isinstance(announcement, bytes):
            return
        try:
            layout = ModelVector(from_shareable(task).data, leave_out=self.leave_out)
            received = _Received(task, announcement, layout.hash, layout)
        except Exception as error:
            self.log_error(fl_ctx, f"the model of the task: {error}", fire_event=False)
            return
        fl_ctx.set_prop(_RECEIVED, received, private=True, sticky=False)

    # ---- what goes out ----

    def _contribution(
        self, shareable: Shareable, received: object, fl_ctx: FLContext
    ) -> tuple[dict[str, object], dict[str, float]]:
        code = shareable.get_return_code()
        if code != ReturnCode.OK:
            raise ProtocolError(f"training ended with {code}")
        if not isinstance(received, _Received):
            raise ProtocolError(
                "the server announced no round with this task: its job needs the aggregator "
                "veilsum.integrations.nvflare.SecureAggregator"
            )
        dxo = from_shareable(shareable)
        if dxo.data_kind != DataKind.WEIGHT_DIFF:
            raise ProtocolError(
                f"training returned {dxo.data_kind}, not a difference; give the recipe "
                "params_transfer_type=TransferType.DIFF"
            )
        delta = received.layout.flatten(dxo.data)
        message = self._as_contributor(fl_ctx).contribute(
            received.announcement,
            delta,
            model_hash=received.model_hash,
            weight=self._weight(dxo),
            num_threads=self.num_threads,
        )
        return {CONTRIBUTION: np.frombuffer(message, np.uint8)}, self._metrics(dxo)

    def _weight(self, dxo: DXO) -> float:
        if self.max_samples is None:
            return 1.0
        count = dxo.get_meta_prop(FLMetaKey.NUM_STEPS_CURRENT_ROUND)
        if count is None:
            raise InvalidArgumentError(
                "max_samples is given, and training did not say how many samples it used: send "
                'FLModel(..., meta={"NUM_STEPS_CURRENT_ROUND": number})'
            )
        return min(float(count), self.max_samples) / self.max_samples

    def _metrics(self, dxo: DXO) -> dict[str, float]:
        found = dxo.get_meta_prop(FLMetaKey.INITIAL_METRICS)
        if not isinstance(found, Mapping):
            return {}
        return {name: float(found[name]) for name in self.metrics if name in found}

    # ---- the party ----

    def _start(self, fl_ctx: FLContext) -> None:
        try:
            folder = self._open(fl_ctx)
            if Role.CONTRIBUTOR in folder.roles:
                self._as_contributor(fl_ctx)
            if Role.HOLDER in folder.roles:
                self._as_holder(fl_ctx)
        except Exception as error:
            self.log_error(
                fl_ctx,
                f"this site cannot take part: {type(error).__name__}: {error}",
                fire_event=False,
            )
            return
        if Role.HOLDER in folder.roles:
            answers = Answers(
                lambda: self._as_holder(fl_ctx),
                log=lambda message: self.log_error(fl_ctx, message, fire_event=False),
                num_threads=self.num_threads,
            )
            try:
                fl_ctx.get_engine().register_aux_message_handler(OPEN_TOPIC, answers)
            except ValueError:
                self.log_info(fl_ctx, "another filter of this site answers as the holder")

    def _open(self, fl_ctx: FLContext) -> PartyFolder:
        if self._folder is None:
            site = fl_ctx.get_identity_name()
            folder = PartyFolder(site_path(self.party, site))
            if folder.enrolment.name != site:
                raise PolicyRefusedError(
                    f"the folder is of the party {folder.enrolment.name}, and this site is {site}; "
                    "parties are enrolled under the names of their sites"
                )
            self._passphrase = read_passphrase(self.passphrase_file, site)
            self._folder = folder
        return self._folder

    def _as_contributor(self, fl_ctx: FLContext) -> Contributor:
        with self._lock:
            if self._contributor is None:
                folder = self._open(fl_ctx)
                self._contributor = folder.contributor(passphrase=self._passphrase)
            return self._contributor

    def _as_holder(self, fl_ctx: FLContext) -> ShareHolder:
        with self._lock:
            if self._share_holder is None:
                folder = self._open(fl_ctx)
                self._share_holder = folder.share_holder(passphrase=self._passphrase)
            return self._share_holder
