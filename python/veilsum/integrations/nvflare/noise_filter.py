"""A site's part where nothing is encrypted: exact noise on its update, charged to its ledger."""

import hashlib
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants

from veilsum import arguments
from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError, PolicyRefusedError, ProtocolError
from veilsum.integrations.model_vector import ModelVector
from veilsum.integrations.nvflare.site_filter import Outgoing, Received, SiteFilter, check_logs
from veilsum.integrations.sent_updates import SentUpdates
from veilsum.integrations.site_party import site_path
from veilsum.privacy import Adjacency, GaussianNoise, LaplaceNoise, Ledger, Noise
from veilsum.secure_sum.clipping import log_clipping

__all__ = ["NoiseFilter"]

_NAME_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class _Training(Received):
    """A task to train: its model, copied before a trainer saw it, and what its round is called."""

    layout: ModelVector
    codec: SlotCodec
    round_id: bytes


class NoiseFilter(SiteFilter):
    """Local differential privacy, exact: an output filter of the training task.

    It takes the change that training made, clips it, adds discrete noise to its integers, charges
    the site's privacy ledger on the disk, and only then lets it go. The server sees each site's
    noised update. One site's noise protects that site alone, so it trusts nobody, and a mean of n
    sites has the noise of all n: to have the noise of one, encrypt (``PartyFilter``).

    All sites count alike, and nothing else leaves: no sample count, no metrics, no other entry of
    the result. Entries that are not summed leave as the server sent them. A training script may
    return the whole model or its difference; what leaves is of the same kind, in the model's own
    shapes and dtypes.

    Once the budget is spent the site trains no more. An update that was charged is kept, and sent
    again as it was, if the task comes again; no second noise is ever drawn for it. All that goes
    wrong leaves this site out of the round, with the reason in its log. As with ``PartyFilter``, a
    site that sends its logs to the server trains nothing.

    Put it into a site's own ``privacy.json``, in both filter chains, and no job can leave it out,
    nor name another ledger or weaker noise.

    Args:
        ledger: the file of the site's privacy ledger, ``{site}`` stands for the site's name. The
            site makes it once, with the budget that it grants: ``veilsum.privacy.Ledger.create``.
            The update that was sent last is kept beside it, in a folder that ends in ``.sent``.
        epsilon: of all ``rounds`` together, positive.
        delta: in (0, 1) for Gaussian noise, 0 for Laplace noise.
        rounds: how many updates a site may send with this goal.
        norm_bound: largest norm of an update, in model units, L2 with Gaussian noise and L1 with
            Laplace noise: longer ones shrink.
        clip: largest value in an update, in model units. If None, the norm bound.
        value_bits: precision of a value, as for ``Codec``.
        adjacency: ``"zero-out"`` or ``"replace-one"``, as for ``GaussianNoise``.
        leave_out: entries of the model that do not leave, as for ``ModelVector``.
        num_threads: as for ``Codec.encrypt``.
        simulation: in NVFlare's simulator, a ledger that ends with the process, in the place of
            ``ledger``. It is refused everywhere else.

    Raises:
        TypeError, InvalidArgumentError: an argument of another type, or out of range.
    """

    def __init__(
        self,
        ledger: str | None = None,
        *,
        epsilon: float,
        delta: float,
        rounds: int,
        norm_bound: float,
        clip: float | None = None,
        value_bits: int = 16,
        adjacency: Adjacency = "zero-out",
        leave_out: Sequence[str] = (),
        num_threads: int | None = None,
        simulation: bool = False,
    ) -> None:
        super().__init__()
        # NVFlare writes a job's configuration from attributes that are called as the arguments.
        self.simulation = arguments.flag("simulation", simulation)
        if (ledger is None) != self.simulation:
            raise InvalidArgumentError(
                "give the file of the site's ledger, or simulation=True in NVFlare's simulator"
            )
        self.ledger = None if ledger is None else arguments.path("ledger", ledger)
        self.epsilon = arguments.real("epsilon", epsilon, above=0)
        self.delta = arguments.real("delta", delta, at_least=0, below=1)
        self.rounds = arguments.count("rounds", rounds, at_least=1)
        self.norm_bound = arguments.real("norm_bound", norm_bound, above=0)
        self.clip = None if clip is None else arguments.real("clip", clip, above=0)
        self.value_bits = arguments.count("value_bits", value_bits, at_least=2, at_most=40)
        self.adjacency: Adjacency = adjacency
        self.leave_out = arguments.names("leave_out", leave_out)
        if num_threads is not None:
            num_threads = arguments.count("num_threads", num_threads, at_least=1)
        self.num_threads = num_threads
        self._noise = self._goal()
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._sent: SentUpdates | None = None

    def _goal(self) -> Noise:
        # Weights are all 1, so they tell nothing and need no noise.
        if self.delta == 0:
            return LaplaceNoise(
                epsilon=self.epsilon,
                rounds=self.rounds,
                norm_bound=self.norm_bound,
                adjacency=self.adjacency,
                weighted=False,
            )
        return GaussianNoise(
            epsilon=self.epsilon,
            delta=self.delta,
            rounds=self.rounds,
            norm_bound=self.norm_bound,
            honest_contributors=1,
            adjacency=self.adjacency,
            weighted=False,
        )

    # ---- the task, as it comes in ----

    def _start(self, fl_ctx: FLContext) -> None:
        self._open(fl_ctx)

    def _before_training(self, task: Shareable, fl_ctx: FLContext) -> Received:
        check_logs(fl_ctx)
        dxo = from_shareable(task)
        if dxo.data_kind != DataKind.WEIGHTS:
            raise ProtocolError(f"the task has {dxo.data_kind}, not the weights of a model")
        layout = ModelVector(dxo.data, leave_out=self.leave_out)
        layout = ModelVector(_copied(layout.model), leave_out=self.leave_out)
        ledger = self._open(fl_ctx)
        round_id = _round_id(fl_ctx, task, layout)
        again = self._sent_before(ledger, round_id)
        if again is not None:
            return Received(task, again)
        codec = self._noise.fit(
            SlotCodec(
                layout.dim,
                clip=self.norm_bound if self.clip is None else self.clip,
                value_bits=self.value_bits,
                max_addends=1,
            )
        )
        ledger.check(round_id, noise=self._noise, codec=codec)
        return _Training(task=task, layout=layout, codec=codec, round_id=round_id)

    # ---- what goes out ----

    def _outgoing(self, shareable: Shareable, received: Any, fl_ctx: FLContext) -> Outgoing:
        dxo, layout = from_shareable(shareable), received.layout
        ledger = self._open(fl_ctx)
        step = self._noised(_change(dxo, layout), received.codec, fl_ctx)
        is_whole = dxo.data_kind == DataKind.WEIGHTS
        arrays = layout.shifted(step) if is_whole else _difference(dxo, layout, step)
        outgoing = Outgoing(arrays, kind=dxo.data_kind)
        # In this order: what is charged can be sent again, whatever crashes; what is sent is
        # charged.
        name = secrets.token_bytes(_NAME_BYTES)
        if self._sent is not None:
            facts = {"kind": outgoing.kind, "round": received.round_id.hex()}
            self._sent.keep(name, facts, outgoing.data)
        ledger.charge(received.round_id, noise=self._noise, codec=received.codec, commitment=name)
        if self._sent is not None:
            self._sent.drop_others(name)
        self._tell(ledger, fl_ctx)
        return outgoing

    def _noised(
        self, change: NDArray[np.floating], codec: SlotCodec, fl_ctx: FLContext
    ) -> NDArray[np.float64]:
        slots, report = codec.quantise(change, noise=self._noise, num_threads=self.num_threads)
        log_clipping(fl_ctx.get_identity_name(), report, codec)
        return codec.dequantise(slots, num_addends=1, num_threads=self.num_threads).values

    def _sent_before(self, ledger: Ledger, round_id: bytes) -> Outgoing | None:
        """The update that the ledger names for this round, if it was kept."""
        name = ledger.commitment(round_id)
        found = self._sent.find(name) if name and self._sent is not None else None
        if found is None:
            return None  # If something was charged all the same, the ledger refuses another.
        facts, arrays = found
        is_it = facts.get("round") == round_id.hex()
        return Outgoing(arrays, kind=str(facts.get("kind"))) if is_it else None

    def _tell(self, ledger: Ledger, fl_ctx: FLContext) -> None:
        spent, (epsilon, _) = ledger.spent, ledger.budget
        self.log_info(
            fl_ctx,
            f"a noised update leaves: {spent.num_contributions} so far have spent epsilon "
            f"{spent.epsilon:.4g} of {epsilon:.4g}",
        )

    # ---- the ledger ----

    def _open(self, fl_ctx: FLContext) -> Ledger:
        with self._lock:
            if self._ledger is None:
                if self.ledger is None:
                    self._ledger = self._simulated(fl_ctx)
                else:
                    path = site_path(self.ledger, fl_ctx.get_identity_name())
                    self._ledger = Ledger.open(path)
                    self._sent = SentUpdates(f"{path}.sent")
            return self._ledger

    def _simulated(self, fl_ctx: FLContext) -> Ledger:
        if not fl_ctx.get_prop(FLContextKey.SIMULATE_MODE, False):
            raise PolicyRefusedError(
                "simulation=True outside of NVFlare's simulator: its ledger would forget what was "
                "spent. Give this site's own (ledger=...)"
            )
        self.log_warning(
            fl_ctx,
            "SIMULATION: this site's privacy ledger ends with its process, and no budget is kept",
            fire_event=False,
        )
        return Ledger.in_memory(epsilon=self.epsilon, delta=self.delta)


def _round_id(fl_ctx: FLContext, task: Shareable, layout: ModelVector) -> bytes:
    """What the ledger knows a round by: the job, its number, and the model that it starts from.

    A server that asks for another model under the same number asks for another update, which is
    charged; one that asks for the same again gets the same.
    """
    number = task.get_header(AppConstants.CURRENT_ROUND)
    number = 0 if number is None else arguments.count("the number of the round", number)
    job = str(fl_ctx.get_job_id()).encode()
    parts = (len(job).to_bytes(8, "big"), job, number.to_bytes(8, "big"), layout.hash)
    return hashlib.sha256(b"veilsum/noise-filter/1" + b"".join(parts)).digest()


def _copied(model: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A model that no trainer can write into.

    What leaves is made from it: with arrays that training has changed, clear weights would leave.
    """
    return {name: np.array(value) for name, value in model.items()}


def _change(dxo: DXO, layout: ModelVector) -> NDArray[np.floating]:
    """What training changed, as the vector of the model."""
    if dxo.data_kind == DataKind.WEIGHT_DIFF:
        return layout.flatten(dxo.data)
    if dxo.data_kind != DataKind.WEIGHTS:
        raise ProtocolError(
            f"training returned {dxo.data_kind}, and not the weights of a model or a difference"
        )
    before, after = layout.flatten(layout.model), layout.flatten(dxo.data)
    return after.astype(np.float64) - before


def _difference(
    dxo: DXO, layout: ModelVector, step: NDArray[np.float64]
) -> Mapping[str, NDArray[Any]]:
    """The step, by the names that training returned; no change of what is not summed."""
    parts = layout.unflatten(step)
    found = dict[str, NDArray[Any]]()
    for name in dxo.data:
        like = layout.model[name]
        with np.errstate(over="ignore"):
            found[name] = np.asarray(parts[name], like.dtype) if name in parts else _none_of(like)
        if not np.isfinite(found[name]).all():
            raise InvalidArgumentError(
                f"with its noise the entry {name!r} has values that are no finite {like.dtype}: "
                "take a smaller norm_bound, a larger epsilon or a wider dtype"
            )
    return found


def _none_of(like: NDArray[Any]) -> NDArray[Any]:
    return np.zeros(like.shape, like.dtype)
