"""Whether a site sends its logs to the server, as NVFlare 2.9 does unless it is told otherwise.

An exception of a trainer may tell of the data, and NVFlare writes it into the site's logs.
"""

import json
from collections.abc import Iterator
from typing import Any

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.workspace import Workspace
from nvflare.app_common.logging.constants import is_log_streaming_allowed
from nvflare.app_common.logging.job_log_streamer import JobLogStreamer
from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent

from veilsum.durable import read_file

__all__ = ["log_stream"]

_SITE_STREAMER = "SiteLogStreamer"
_LOG_EVENTS = {value for name, value in vars(EventType).items() if name.endswith("_LOG_AVAILABLE")}
_MAX_RESOURCES_BYTES = 1 << 24
_CURE = 'set "allow_log_streaming": false in local/resources.json of this site'


def log_stream(fl_ctx: FLContext) -> str | None:
    """What sends this site's logs to the server, and the cure; None if nothing does.

    To be asked in a site's job process. What a job's own code sends is not found.
    """
    components = [*fl_ctx.get_engine().get_all_components().values()]
    for component in components:
        if isinstance(component, ConvertToFedEvent):
            if not _LOG_EVENTS.isdisjoint(component.events_to_convert):
                return "the job's ConvertToFedEvent sends log events: take them out of the job"
    if not is_log_streaming_allowed(fl_ctx):
        return None
    if any(isinstance(component, JobLogStreamer) for component in components):
        return f"a JobLogStreamer, of the job or put into it by this site: {_CURE}"
    if any(_SITE_STREAMER in str(path) for path in _site_paths(fl_ctx)):
        return f"this site's {_SITE_STREAMER}: {_CURE}"
    return None


def _site_paths(fl_ctx: FLContext) -> Iterator[Any]:
    """The classes of the components that the site itself has, whatever the job has."""
    workspace = fl_ctx.get_prop(FLContextKey.WORKSPACE_OBJECT)
    if not isinstance(workspace, Workspace):
        return
    path = workspace.get_resources_file_path()
    if not path:
        return
    text = read_file(path, max_bytes=_MAX_RESOURCES_BYTES, what="a site's resources.json")
    for component in json.loads(text).get("components", ()):
        yield component.get("path")
