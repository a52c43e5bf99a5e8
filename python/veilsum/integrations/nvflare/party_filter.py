"""A site's part: encrypts what leaves it, and helps to open sums if it holds the key or a share."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import FLMetaKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable

from veilsum import arguments
from veilsum.errors import (
    BudgetExhaustedError,
    InvalidArgumentError,
    PolicyRefusedError,
    ProtocolError,
)
from veilsum.identity import Role
from veilsum.integrations.federation_file import renewed
from veilsum.integrations.model_vector import ModelVector
from veilsum.integrations.nvflare.messages import (
    CONTRIBUTION,
    FEDERATION,
    OPEN_TOPIC,
    ROUND,
    SPENT,
)
from veilsum.integrations.nvflare.opening import Answers
from veilsum.integrations.nvflare.site_filter import Outgoing, Received, SiteFilter, check_logs
from veilsum.integrations.site_party import site_passphrase, site_path
from veilsum.integrations.summed_metrics import DEFAULT_SHARE, MetricRanges, SummedMetrics
from veilsum.integrations.weights import WeightsByCount
from veilsum.machine_key import MachineKey
from veilsum.secure_sum import Announcement, Contributor, KeyHolder, PartyFolder

__all__ = ["PartyFilter"]


@dataclass(frozen=True)
class _Received(Received):
    """A round: the task, its announcement, and the model, hashed before a trainer saw it."""

    announcement: bytes = b""
    model_hash: bytes = b""
    layout: ModelVector | None = None


class PartyFilter(SiteFilter):
    """Everything that veilsum does at a site: an output filter of the training task.

    It takes the difference that training made, clips it, adds the noise that was agreed, encrypts
    it, proves it, and lets nothing else out: no sample count, no metrics, no other entry of the
    result. If the party holds the key or a share of it, it also answers the server's questions
    when a round is opened. All that goes wrong leaves this site out of the round, with the reason
    in its log, and never sends anything in clear.

    What would be refused after training, for its privacy budget or any other reason, is refused
    before: the trainer does not run. A contribution that was made to the round before is sent
    again, and nothing is trained. At a site that sends its logs to the server no trainer is started
    at all: an exception of training may tell of the data. Set ``"allow_log_streaming": false`` in
    the site's ``local/resources.json``.

    Put it into a site's own ``privacy.json``, in both filter chains, and no job can leave it out.

    Args:
        party: the party's folder, as ``veilsum join`` made it; ``{site}`` stands for the site's
            name, which is the party's name in the federation too.
        passphrase_file: the file with the folder's passphrase, ``{site}`` as above. If None,
            the environment variable ``VEILSUM_PASSPHRASE_FILE`` names it.
        max_samples: the number of steps or samples (``NUM_STEPS_CURRENT_ROUND`` in the result's
            meta) that has weight 1, for means weighted by a number that nobody sees; public, and
            the same at every site. If None, every site counts the same.
        min_samples: the fewest that a site may have trained on, but for none at all, which weighs
            nothing; as public. The federation is dealt for weights that differ by
            ``max_samples / min_samples`` (``veilsum deal --weight-spread``).
        metrics: which of the result's metrics are summed with the difference, under encryption, and
            the lowest and the highest value of each: ``{"accuracy": (0, 1)}``. A value beyond its
            range counts as its end, and the site's log says so; one that is missing, NaN or
            infinite leaves the site out of the round. The same at the server and at every site, or
            a site refuses; the federation is dealt for so many values more.
        metrics_share: how much of the federation's norm bound is for them, if it has one; the
            update keeps ``sqrt(1 - metrics_share**2)`` of an L2 norm.
        metrics_in_clear: names of metrics that leave unencrypted instead, for each site.
        leave_out: entries of the model that are not summed, as for ``ModelVector``; the same at the
            server and at every site.
        num_threads: as for ``Codec.encrypt``.

    Raises:
        TypeError, InvalidArgumentError: an argument of another type, or out of range.
    """

    def __init__(
        self,
        party: str,
        passphrase_file: str | None = None,
        max_samples: int | None = None,
        min_samples: int = 1,
        metrics: MetricRanges | None = None,
        metrics_share: float = DEFAULT_SHARE,
        metrics_in_clear: Sequence[str] = (),
        leave_out: Sequence[str] = (),
        num_threads: int | None = None,
    ) -> None:
        super().__init__()
        if passphrase_file is not None:
            passphrase_file = arguments.path("passphrase_file", passphrase_file)
        if num_threads is not None:
            num_threads = arguments.count("num_threads", num_threads, at_least=1)
        # NVFlare writes a job's configuration from attributes that are called as the arguments.
        self.party = arguments.path("party", party)
        self.passphrase_file = passphrase_file
        self.max_samples = max_samples
        self.min_samples = min_samples
        self._summed = SummedMetrics(metrics, share=metrics_share)
        self.metrics = {name: list(pair) for name, pair in self._summed.ranges.items()}
        self.metrics_share = self._summed.share
        self.metrics_in_clear = arguments.names("metrics_in_clear", metrics_in_clear)
        if both := sorted(self.metrics.keys() & set(self.metrics_in_clear)):
            raise InvalidArgumentError(
                f"the metric {both[0]!r} is declared to be summed and to leave in clear: choose one"
            )
        self.leave_out = arguments.names("leave_out", leave_out)
        self.num_threads = num_threads
        self._weights = WeightsByCount(max_samples, min_samples, "samples")
        self._lock = threading.Lock()
        self._folder: PartyFolder | None = None
        self._passphrase: bytes | MachineKey = b""
        self._contributor: Contributor | None = None
        self._key_holder: KeyHolder | None = None
        self._told_of_metrics = False

    # ---- the round, as it comes in ----

    def _before_training(self, task: Shareable, fl_ctx: FLContext) -> _Received:
        """The task, hashed now: a trainer may write into the arrays. Errors: it is refused."""
        check_logs(fl_ctx)
        announcement = task.get_header(ROUND)
        if not isinstance(announcement, bytes):
            raise ProtocolError(
                "the server announced no round with this task: its job needs the aggregator "
                "veilsum.integrations.nvflare.SecureAggregator"
            )
        self._renew(announcement, task.get_header(FEDERATION), fl_ctx)
        layout = ModelVector(from_shareable(task).data, leave_out=self.leave_out)
        received_hash = layout.hash
        announced = Announcement.from_bytes(announcement).descriptor
        self._summed.check_announced(announced.model_hash, received_hash)
        model_hash = self._summed.bind(received_hash)
        contributor = self._as_contributor(fl_ctx)
        federation = self._open(fl_ctx).federation
        self._summed.check(layout.dim, federation.codec)
        self._weights.check(federation.codec, federation.noise)
        frames = contributor.before_training(announcement, model_hash=model_hash)
        answer = None if frames is None else _contribution(b"".join(frames))
        return _Received(task, answer, announcement, model_hash, layout)

    # ---- what goes out ----

    def _outgoing(self, shareable: Shareable, received: Any, fl_ctx: FLContext) -> Outgoing:
        dxo = from_shareable(shareable)
        if dxo.data_kind != DataKind.WEIGHT_DIFF:
            raise ProtocolError(
                f"training returned {dxo.data_kind}, not a difference; give the recipe "
                "params_transfer_type=TransferType.DIFF"
            )
        assert received.layout is not None  # There is one where there is no answer.
        delta, weight = received.layout.flatten(dxo.data), self._weight(dxo)
        found = dxo.get_meta_prop(FLMetaKey.INITIAL_METRICS)
        found = found if isinstance(found, Mapping) else {}
        in_clear = self._in_clear(found, fl_ctx)  # Before anything is charged.
        codec = self._open(fl_ctx).federation.codec
        vector = self._summed.vector(delta, found, weight=weight, codec=codec)
        message = self._as_contributor(fl_ctx).contribute(
            received.announcement,
            vector,
            model_hash=received.model_hash,
            weight=weight,
            num_threads=self.num_threads,
        )
        return _contribution(message, in_clear)

    def _refusal(self, error: Exception) -> Outgoing:
        """Nothing, or that the privacy budget is spent."""
        return Outgoing({SPENT: True} if isinstance(error, BudgetExhaustedError) else {})

    def _weight(self, dxo: DXO) -> float:
        if self._weights.most is None:
            return 1.0
        count = dxo.get_meta_prop(FLMetaKey.NUM_STEPS_CURRENT_ROUND)
        if count is None:
            raise InvalidArgumentError(
                "max_samples is given, and training did not say how many samples it used: send "
                'FLModel(..., meta={"NUM_STEPS_CURRENT_ROUND": number})'
            )
        return self._weights.weight(count, name=FLMetaKey.NUM_STEPS_CURRENT_ROUND)

    def _in_clear(self, found: Mapping[str, Any], fl_ctx: FLContext) -> dict[str, float]:
        """The metrics that leave by name; the first time, the log says which stay."""
        kept = sorted(str(n) for n in found if n not in {*self.metrics, *self.metrics_in_clear})
        if kept and not self._told_of_metrics:
            self._told_of_metrics = True
            self.log_info(
                fl_ctx,
                f"metrics stay at this site: {', '.join(kept)}; PartyFilter(metrics={{name: "
                "(lowest, highest)}) sums them under encryption",
            )
        return {name: float(found[name]) for name in self.metrics_in_clear if name in found}

    # ---- the party ----

    def _start(self, fl_ctx: FLContext) -> None:
        folder = self._open(fl_ctx)
        if Role.CONTRIBUTOR in folder.roles:
            self._as_contributor(fl_ctx)
        if Role.HOLDER in folder.roles:
            self._as_holder(fl_ctx)
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
            self._passphrase = site_passphrase(self.passphrase_file, site)
            self._folder = folder
        return self._folder

    def _renew(self, announcement: bytes, signed: object, fl_ctx: FLContext) -> None:
        """Go on with the server's federation, if the party's dealer signed it as a renewal."""
        servers = Announcement.from_bytes(announcement).descriptor.federation_hash
        with self._lock:
            joined = self._open(fl_ctx)
            folder = renewed(joined, servers, signed)
            if folder is not joined:
                self._folder, self._contributor, self._key_holder = folder, None, None
                self.log_info(fl_ctx, "this site goes on with what its dealer renewed")

    def _as_contributor(self, fl_ctx: FLContext) -> Contributor:
        with self._lock:
            if self._contributor is None:
                folder = self._open(fl_ctx)
                self._contributor = folder.contributor(passphrase=self._passphrase)
            return self._contributor

    def _as_holder(self, fl_ctx: FLContext) -> KeyHolder:
        with self._lock:
            if self._key_holder is None:
                folder = self._open(fl_ctx)
                self._key_holder = folder.key_holder(passphrase=self._passphrase)
            return self._key_holder


def _contribution(message: bytes, metrics: Mapping[str, float] | None = None) -> Outgoing:
    return Outgoing({CONTRIBUTION: np.frombuffer(message, np.uint8)}, metrics or {})
