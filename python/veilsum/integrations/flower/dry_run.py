"""One training of an app's ClientApp, in this process, of which nothing is sent or charged."""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomllib
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.config import flatten_dict
from numpy.typing import NDArray

from veilsum.durable import read_file
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.integrations.flower.client import AppCall, SecureMod
from veilsum.integrations.flower.records import named_arrays, record_of

__all__ = ["App", "Trained", "dry_run", "load_app"]

_PROJECT = "pyproject.toml"
_MAX_BYTES = 1 << 20
_NODE = 1


class App(NamedTuple):
    """A ClientApp, its mod of veilsum's if it has one, and its configuration of a run."""

    client: ClientApp
    mod: SecureMod | None
    run_config: dict[str, Any]


class Trained(NamedTuple):
    """What came of a training: the model, and the number of examples if the app tells it."""

    model: dict[str, NDArray[np.generic]]
    num_examples: object | None


def load_app(folder: Path) -> App:
    """The ClientApp that ``flwr run FOLDER`` would send to the nodes. Runs the app's own code.

    Raises:
        MalformedDataError: the folder is no app's.
        InvalidArgumentError: its ClientApp cannot be loaded.
    """
    file = folder / _PROJECT
    text = read_file(file, max_bytes=_MAX_BYTES, what="an app's pyproject.toml")
    try:
        app = tomllib.loads(text.decode())["tool"]["flwr"]["app"]
        module, _, attributes = app["components"]["clientapp"].partition(":")
        run_config = dict(flatten_dict(app.get("config")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedDataError(f"{file} is no Flower app's: {error!r}") from None
    sys.path.insert(0, os.path.abspath(folder))
    try:
        with _printing_aside():
            client: Any = importlib.import_module(module)
        for attribute in attributes.split("."):
            client = getattr(client, attribute)
    # Whatever the app's own code raises.
    except Exception as error:
        raise InvalidArgumentError(
            f"the ClientApp {module}:{attributes} cannot be loaded: {error!r}"
        ) from error
    if not isinstance(client, ClientApp):
        raise InvalidArgumentError(f"{module}:{attributes} is no ClientApp")
    # No public name has an app's mods; where it has none by this one, the app has none of ours.
    mods = [mod for mod in getattr(client, "_mods", ()) if isinstance(mod, SecureMod)]
    return App(client, mods[0] if mods else None, run_config)


def dry_run(
    app: App,
    model: Mapping[str, NDArray[Any]],
    *,
    node_config: Mapping[str, Any],
    run_config: Mapping[str, Any],
    train_config: Mapping[str, Any],
) -> Trained:
    """Have the app train one round, as at a node, without encryption, and give what it replies.

    Raises:
        InvalidArgumentError: the app fails, or replies with an error.
        ProtocolError: its reply has no model.
    """
    _be_a_task()
    config = ConfigRecord({"server-round": 1, **train_config})
    content = RecordDict({"arrays": record_of(model), "config": config})
    message = Message(content, dst_node_id=_NODE, message_type="train")
    context = Context(1, _NODE, dict(node_config), RecordDict(), app.run_config | dict(run_config))
    try:
        with _passing_through(), _printing_aside():
            reply = app.client(message, context)
    # Whatever the app's own code raises.
    except Exception as error:
        raise InvalidArgumentError(f"the app fails in training: {error!r}") from error
    if reply.has_error():
        raise InvalidArgumentError(f"the app replies with an error: {reply.error.reason}")
    key = "num-examples" if app.mod is None else app.mod.weighted_by_key
    counts = [record[key] for record in reply.content.metric_records.values() if key in record]
    return Trained(named_arrays(reply.content), counts[0] if len(counts) == 1 else None)


@contextlib.contextmanager
def _passing_through() -> Iterator[None]:
    """Have mods of ours do nothing, for as long as this lasts and in this process alone.

    With them the training would be a contribution, which is made once and charged.
    """

    def through(mod: SecureMod, message: Message, context: Context, call_next: AppCall) -> Message:
        return call_next(message, context)

    before = SecureMod.__call__
    setattr(SecureMod, "__call__", through)  # noqa: B010
    try:
        yield
    finally:
        setattr(SecureMod, "__call__", before)  # noqa: B010


def _printing_aside() -> contextlib.redirect_stdout[Any]:
    """What an app prints is none of the answer to whoever asked for a check."""
    return contextlib.redirect_stdout(sys.stderr)


def _be_a_task() -> None:
    """From Flower 1.42 on, only a process that knows which task it runs may make messages."""
    with contextlib.suppress(ImportError):
        from flwr.supercore.task_identity import TaskIdentity

        TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = _NODE
