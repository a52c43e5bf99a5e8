"""NVFlare's objects around a filter or an aggregator, without its processes; for tests only."""

import numpy as np
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import FilterKey, FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.apis.utils.event import fire_event_to_components
from nvflare.apis.utils.task_utils import apply_filters
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.private.fed.client.client_runner import ClientRunner, TaskRouter
from veilsum.integrations.nvflare import PartyFilter, SecureAggregator
from veilsum.integrations.nvflare.messages import CONTRIBUTION

WEIGHTS = np.zeros((65, 10), np.float32)


class Engine:
    """Passes questions on to the handlers of sites, as the server's engine does."""

    def __init__(self):
        self.handlers = {}
        self.away = set()
        self.events = []
        self.components = {}

    def get_all_components(self):
        return self.components

    def get_component(self, component_id):
        return self.components.get(component_id)

    def register_aux_message_handler(self, topic, message_handle_func):
        if topic in self.handlers:
            raise ValueError("as NVFlare")
        self.handlers[topic] = message_handle_func

    def fire_event(self, event_type, fl_ctx):
        self.events.append((event_type, fl_ctx.get_prop(FLContextKey.EVENT_DATA)))


class ServerEngine(Engine):
    """``sites``: their engines by name."""

    def __init__(self, sites):
        super().__init__()
        self.sites = sites
        self.asked = []
        self.changed = {}

    def get_clients(self):
        return [type("Client", (), {"name": name}) for name in self.sites]

    def new_context(self):
        return self

    def __enter__(self):
        return context(self, "server")

    def __exit__(self, *exception):
        pass

    def send_aux_request(self, targets, topic, request, timeout, fl_ctx):
        (name,) = targets
        self.asked.append((name, request))
        handler = self.sites[name].handlers.get(topic)
        if name in self.away or handler is None:
            return {}
        reply = handler(topic=topic, request=request, fl_ctx=fl_ctx)
        return {name: self.changed.get(name, lambda answer: answer)(reply)}


def context(engine, name):
    fl_ctx = FLContext()
    fl_ctx.set_prop(ReservedKey.ENGINE, engine, private=True, sticky=False)
    fl_ctx.set_prop(ReservedKey.IDENTITY_NAME, name, private=False, sticky=False)
    fl_ctx.set_prop(ReservedKey.RUN_NUM, "job-1", private=False, sticky=False)
    fl_ctx.set_prop(ReservedKey.RUN_ABORT_SIGNAL, Signal(), private=True, sticky=False)
    return fl_ctx


class Trainer(Executor):
    """Trains, and counts how often; as NVFlare's, it starts its script with the run."""

    def __init__(self, result):
        super().__init__()
        self.result = result
        self.num_tasks = 0
        self.has_started = False

    def handle_event(self, event_type, fl_ctx):
        self.has_started |= event_type == EventType.START_RUN

    def execute(self, task_name, shareable, fl_ctx, abort_signal):
        self.num_tasks += 1
        return self.result


class Runner(ClientRunner):
    """NVFlare's own way from a task to its result, with an executor and a filter for the result."""

    def __init__(self, trainer, filters):
        self.task_router = TaskRouter()
        self.task_router.add_executor(["*"], trainer)
        self.task_result_filters = {f"train{FilterKey.DELIMITER}{FilterKey.OUT}": filters}


class SiteProcess:
    """A site whose filter has started."""

    def __init__(self, folder, name, **options):
        self.name = name
        self.engine = Engine()
        self.filter = self.made_filter(folder, options)
        self.log, self.infos = [], []
        self.filter.log_error = lambda fl_ctx, message, fire_event=True: self.log.append(message)
        self.filter.log_info = lambda fl_ctx, message: self.infos.append(message)
        self.trainer = Trainer(None)
        self.runner = Runner(self.trainer, [self.filter])
        self.start()

    def made_filter(self, folder, options):
        return PartyFilter(
            str(folder / "parties" / "{site}"), str(folder / "passphrase"), **options
        )

    def start(self):
        """The run starts: NVFlare tells each component of it, in this order."""
        for event in (EventType.ABOUT_TO_START_RUN, EventType.START_RUN):
            fire_event_to_components(event, [self.trainer, self.filter], self.context())

    def context(self, task_name="train"):
        fl_ctx = context(self.engine, self.name)
        fl_ctx.set_prop(FLContextKey.RUNNER, self.runner, private=True, sticky=False)
        fl_ctx.set_prop(FLContextKey.TASK_NAME, task_name, private=True, sticky=False)
        return fl_ctx

    def answer(self, task, result, task_name="train"):
        """What leaves the site for a result of its training."""
        self.trainer.result = result
        fl_ctx = self.context(task_name)
        fl_ctx.set_prop(FLContextKey.TASK_DATA, task, private=True, sticky=False)
        self.filter.handle_event(EventType.BEFORE_TASK_EXECUTION, fl_ctx)
        executor = self.runner.find_executor(task_name)
        found = executor.execute(task_name, task, fl_ctx, Signal())
        filters = self.runner.task_result_filters
        return apply_filters("task_result_filters", found, fl_ctx, filters, task_name, "out")


class ServerProcess:
    """A server whose aggregator has started."""

    def __init__(self, folder, sites=(), **options):
        self.engine = ServerEngine({site.name: site.engine for site in sites})
        self.aggregator = SecureAggregator(
            str(folder / "federation.veil"),
            (folder / "federation.hash").read_text().strip(),
            str(folder / "rounds"),
            str(folder / "server.identity"),
            str(folder / "passphrase"),
            **options,
        )
        self.log = []
        for level in ("info", "warning", "error"):
            setattr(self.aggregator, level, self.log.append)
        self.panics = []
        self.aggregator.system_panic = lambda reason, fl_ctx: self.panics.append(reason)
        self.aggregator.handle_event(EventType.START_RUN, context(self.engine, "server"))

    def begin_round(self):
        """What comes before a task is sent: the server looks whether holders are there."""
        fl_ctx = context(self.engine, "server")
        self.aggregator.handle_event(AppEventType.ROUND_STARTED, fl_ctx)

    def task(self, weights=WEIGHTS, data_kind=DataKind.WEIGHTS, number=0):
        """A training task as it is sent."""
        model = weights if isinstance(weights, dict) else {"numpy_key": weights}
        task = DXO(data_kind, data=model).to_shareable()
        task.set_header(AppConstants.CURRENT_ROUND, number)
        fl_ctx = context(self.engine, "server")
        fl_ctx.set_prop(AppConstants.TRAIN_SHAREABLE, task, private=True, sticky=False)
        self.aggregator.handle_event(AppEventType.BEFORE_TRAIN_TASK, fl_ctx)
        return task


def trained(change, *, kind=DataKind.WEIGHT_DIFF, meta=None, **more):
    """A result of training: a difference that is the same everywhere."""
    data = {"numpy_key": np.full((65, 10), change, np.float32), **more}
    result = DXO(kind, data=data, meta=meta or {}).to_shareable()
    result.set_header("trainer_note", "not for the server")
    result["also"] = "not for the server"
    return result


def contribution(answer):
    """The contribution in what left a site; None if it is none."""
    assert isinstance(answer, Shareable)
    return answer["DXO"]["data"].get(CONTRIBUTION)
