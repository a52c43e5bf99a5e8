"""What every filter of a site does: sees a task before training, and decides what leaves for it."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nvflare.apis.dxo import DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.filter import Filter, FilterChainType, FilterContextKey
from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable

from veilsum.errors import PolicyRefusedError, ProtocolError
from veilsum.integrations.nvflare.messages import result
from veilsum.integrations.nvflare.site_logs import log_stream
from veilsum.integrations.nvflare.trainers import answer_instead, put_to_sleep, result_filters

__all__ = ["Outgoing", "Received", "SiteFilter", "check_logs"]


@dataclass(frozen=True)
class Outgoing:
    """What leaves a site as the result of a task; nothing, where ``data`` is empty."""

    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    kind: str = DataKind.WEIGHT_DIFF


@dataclass(frozen=True)
class Received:
    """What the server sent with a task, as it was before any code of the job saw it.

    ``answer``: what leaves the site in any case, where there is nothing to train.
    """

    task: Shareable
    answer: Outgoing | None = None


class SiteFilter(Filter):
    """An output filter of the training task that looks at the task before anything is trained.

    Whatever goes wrong leaves the site out of the round, with the reason in its log: an exception
    would end the whole job, and a result that is let through would be in clear. What would be
    refused after training is refused before, and the trainer does not run. At a site that sends its
    logs to the server no trainer is started at all.
    """

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """NVFlare's events: around the start of a run, and before a task goes to the trainer."""
        if event_type == EventType.ABOUT_TO_START_RUN:
            try:
                check_logs(fl_ctx)
            except Exception as error:
                put_to_sleep(fl_ctx)
                self._cannot_take_part(error, fl_ctx)
        elif event_type == EventType.START_RUN:
            try:
                self._start(fl_ctx)
            except Exception as error:
                self._cannot_take_part(error, fl_ctx)
        elif event_type == EventType.BEFORE_TASK_EXECUTION:
            self._receive(fl_ctx.get_prop(FLContextKey.TASK_DATA), fl_ctx)

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Replace a result by what may leave; or by nothing, if there is none to make."""
        if getattr(self, FilterContextKey.CHAIN_TYPE, "") == FilterChainType.TASK_DATA_CHAIN:
            self._receive(shareable, fl_ctx)
            return shareable
        if fl_ctx.get_prop(self._key("done")) is shareable:
            return shareable  # Of this filter in the site's own policy, which comes first.
        received = fl_ctx.get_prop(self._key("received"))
        task = received.task if isinstance(received, Received) else None
        try:
            outgoing = self._checked(shareable, received, fl_ctx)
        # Whatever went wrong: NVFlare passes over a result without data.
        except Exception as error:
            outgoing = self._left_out(error, fl_ctx)
        answer = result(outgoing.data, task, outgoing.metrics, kind=outgoing.kind)
        fl_ctx.set_prop(self._key("done"), answer, private=True, sticky=False)
        return answer

    # ---- what each filter does ----

    @abstractmethod
    def _start(self, fl_ctx: FLContext) -> None:
        """The run begins. An error is logged: this site cannot take part."""

    @abstractmethod
    def _before_training(self, task: Shareable, fl_ctx: FLContext) -> Received:
        """Keep what is needed of a task. An error: nothing is trained, and this site left out."""

    @abstractmethod
    def _outgoing(self, shareable: Shareable, received: Any, fl_ctx: FLContext) -> Outgoing:
        """What leaves for a result of training; ``received``: as ``_before_training`` made it."""

    def _refusal(self, error: Exception) -> Outgoing:
        """What leaves the site for an error: nothing, if it is not told otherwise."""
        return Outgoing()

    # ---- the rest is the same ----

    def _receive(self, task: object, fl_ctx: FLContext) -> None:
        """Keep what is needed of a task, and decide whether there is anything to train."""
        if not isinstance(task, Shareable) or fl_ctx.get_prop(self._key("received")) is not None:
            return
        filters = result_filters(fl_ctx)
        if filters is not None and not any(isinstance(f, type(self)) for f in filters):
            return  # A task whose result this job does not filter, such as a validation.
        try:
            received = self._before_training(task, fl_ctx)
        except Exception as error:
            received = Received(task, answer=self._left_out(error, fl_ctx))
        if received.answer is not None:
            answer_instead(fl_ctx)
        fl_ctx.set_prop(self._key("received"), received, private=True, sticky=False)

    def _checked(self, shareable: Shareable, received: object, fl_ctx: FLContext) -> Outgoing:
        if not isinstance(received, Received):
            raise ProtocolError("this task did not come through the filter before it was executed")
        if received.answer is not None:
            return received.answer
        code = shareable.get_return_code()
        if code != ReturnCode.OK:
            raise ProtocolError(f"training ended with {code}")
        return self._outgoing(shareable, received, fl_ctx)

    def _left_out(self, error: Exception, fl_ctx: FLContext) -> Outgoing:
        self.log_error(
            fl_ctx, f"left out of this round: {type(error).__name__}: {error}", fire_event=False
        )
        return self._refusal(error)

    def _cannot_take_part(self, error: Exception, fl_ctx: FLContext) -> None:
        reason = f"this site cannot take part: {type(error).__name__}: {error}"
        self.log_error(fl_ctx, reason, fire_event=False)

    def _key(self, name: str) -> str:
        """Of a property of the task's context: filters of two kinds may stand in one chain."""
        return f"veilsum_{name}_{type(self).__name__}"


def check_logs(fl_ctx: FLContext) -> None:
    """PolicyRefusedError if this site sends its logs to the server."""
    stream = log_stream(fl_ctx)
    if stream is not None:
        raise PolicyRefusedError(
            "this site sends its logs to the server, and with them what an exception of training "
            f"tells of the data, by {stream}"
        )
