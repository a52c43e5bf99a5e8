"""How a site keeps a job's trainer from running, without an error that would end the job."""

from collections.abc import Callable
from typing import Any

from nvflare.apis.fl_constant import FilterKey, FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.utils.task_utils import get_filters
from nvflare.private.privacy_manager import Scope

__all__ = ["answer_instead", "put_to_sleep", "result_filters"]

_ANSWER = "veilsum_answer"


def result_filters(fl_ctx: FLContext) -> list[Any] | None:
    """All filters that the result of this context's task goes through; None if nobody knows."""
    runner = fl_ctx.get_prop(FLContextKey.RUNNER)
    name = fl_ctx.get_prop(FLContextKey.TASK_NAME)
    filters = getattr(runner, "task_result_filters", None)
    if not isinstance(filters, dict) or not isinstance(name, str):
        return None
    return list(get_filters(Scope.TASK_RESULT_FILTERS_NAME, fl_ctx, filters, name, FilterKey.OUT))


def answer_instead(fl_ctx: FLContext) -> None:
    """Have the task of this context answered with nothing, and not by its executor.

    Between the filters of a task's data and its executor nothing can return an answer: NVFlare
    ignores what event handlers raise, and what a filter raises ends the job. So the executor is
    given another ``execute``, which runs the old one for all other tasks.
    """
    runner = fl_ctx.get_prop(FLContextKey.RUNNER)
    executor = runner and runner.find_executor(fl_ctx.get_prop(FLContextKey.TASK_NAME))
    if executor is None:
        return  # No runner of a job's process, as in a test: the result is not let through.
    fl_ctx.set_prop(_ANSWER, make_reply(ReturnCode.OK), private=True, sticky=False)
    if not isinstance(executor.execute, _Execute):
        executor.execute = _Execute(executor.execute)


def put_to_sleep(fl_ctx: FLContext) -> None:
    """Let no trainer of this job start at this site: to be called before the run starts.

    Its executors hear no event and answer every task with nothing.
    """
    runner = fl_ctx.get_prop(FLContextKey.RUNNER)
    for executor in runner.task_router.task_table.values() if runner else ():
        executor.get_event_handlers = dict
        executor.handle_event = lambda event_type, fl_ctx: None
        executor.execute = lambda task_name, shareable, fl_ctx, abort_signal: make_reply(
            ReturnCode.OK
        )


class _Execute:
    """An executor's ``execute``, unless the context has an answer already."""

    def __init__(self, execute: Callable[..., Shareable]) -> None:
        self._execute = execute

    def __call__(
        self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Any
    ) -> Shareable:
        answer = fl_ctx.get_prop(_ANSWER)
        if isinstance(answer, Shareable):
            return answer
        return self._execute(task_name, shareable, fl_ctx, abort_signal)
