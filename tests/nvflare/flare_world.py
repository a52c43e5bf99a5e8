"""NVFlare's objects around a filter or an aggregator, without its processes; for tests only."""

import numpy as np
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from veilsum.integrations.nvflare import PartyFilter, SecureAggregator
from veilsum.integrations.nvflare.messages import CONTRIBUTION

WEIGHTS = np.zeros((65, 10), np.float32)


class Engine:
    """Passes questions on to the handlers of sites, as the server's engine does."""

    def __init__(self):
        self.handlers = {}
        self.away = set()
        self.events = []

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
    fl_ctx.set_prop(ReservedKey.RUN_ABORT_SIGNAL, Signal(), private=True, sticky=False)
    return fl_ctx


class SiteProcess:
    """A site whose filter has started."""

    def __init__(self, folder, name, **options):
        self.name = name
        self.engine = Engine()
        self.filter = PartyFilter(
            str(folder / "parties" / "{site}"), str(folder / "passphrase"), **options
        )
        self.log = []
        self.filter.log_error = lambda fl_ctx, message, fire_event=True: self.log.append(message)
        self.filter.handle_event(EventType.START_RUN, context(self.engine, name))

    def answer(self, task, result):
        """What leaves the site for a result of its training."""
        fl_ctx = context(self.engine, self.name)
        fl_ctx.set_prop(FLContextKey.TASK_DATA, task, private=True, sticky=False)
        self.filter.handle_event(EventType.BEFORE_TASK_EXECUTION, fl_ctx)
        return self.filter.process(result, fl_ctx)


class ServerProcess:
    """A server whose aggregator has started."""

    def __init__(self, folder, sites=(), **options):
        self.engine = ServerEngine({site.name: site.engine for site in sites})
        self.aggregator = SecureAggregator(
            str(folder / "federation.veil"),
            (folder / "federation.hash").read_text().strip(),
            str(folder / "rounds"),
            **options,
        )
        self.log = []
        for level in ("info", "warning", "error"):
            setattr(self.aggregator, level, self.log.append)
        self.panics = []
        self.aggregator.system_panic = lambda reason, fl_ctx: self.panics.append(reason)
        self.aggregator.handle_event(EventType.START_RUN, context(self.engine, "server"))

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
