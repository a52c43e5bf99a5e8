"""What is wrong with a node, or with a server, before a run of Flower's finds it."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flwr.app import Context, RecordDict
from flwr.common.config import parse_config_args
from numpy.typing import NDArray

from veilsum.errors import InvalidArgumentError, VeilsumError
from veilsum.integrations.federation_file import agreed_in, read_signed
from veilsum.integrations.flower.dry_run import App, dry_run, load_app
from veilsum.integrations.flower.on_line import check_on_line
from veilsum.integrations.flower.party import named_party
from veilsum.integrations.flower.run_state import CHECKPOINT
from veilsum.integrations.model_vector import ModelVector
from veilsum.integrations.setup_check.party import check_party
from veilsum.integrations.setup_check.server import check_server
from veilsum.integrations.setup_check.update import check_dimension, check_update, check_weights
from veilsum.integrations.setup_check.verdict import Status, Verdict, judged
from veilsum.secure_sum import Federation, PartyFolder

__all__ = ["Models", "check_node", "check_the_server", "parse_config"]


@dataclass(frozen=True)
class Models:
    """What a federation is held against, where it is given.

    Attributes:
        app: the app's folder; its ClientApp is loaded, and run where ``before`` is given too.
        before: a model before training, numpy arrays by name in the order of its record.
        after: the same after it, by the party's own means; None for what the app makes.
        train_config: what the strategy's ``start`` is given by this name.
    """

    app: Path | None = None
    before: Mapping[str, NDArray[Any]] | None = None
    after: Mapping[str, NDArray[Any]] | None = None
    train_config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.after is not None and self.before is None:
            raise InvalidArgumentError("a model after training needs the one before it")


def check_node(
    *,
    node_config: Mapping[str, Any],
    run_config: Mapping[str, Any],
    expected_hash: bytes | None,
    models: Models,
) -> Iterator[Verdict]:
    """All that can be said on a party's machine, one after another. Nothing is sent or charged.

    Args:
        node_config: as the SuperNode has it.
        run_config: what a run will say beside the app's own configuration.
        expected_hash: of the federation, as its dealer told it; None to compare nothing.
        models: what the federation is held against.
    """
    yield _versions()
    app, loaded = None, None
    if models.app is not None:
        app, loaded = _loaded(models.app)
    given = dict(run_config) if app is None else app.run_config | dict(run_config)
    try:
        named = named_party(Context(0, 0, dict(node_config), RecordDict(), given))
        folder = PartyFolder(named.folder)
    except (VeilsumError, OSError, TypeError) as error:
        yield Verdict("party", Status.ERROR, str(error), facts={"error": type(error).__name__})
        if loaded is not None:
            yield loaded
        return
    yield Verdict("named by", Status.OK, named.source, facts={"source": named.source})
    yield from check_party(folder, named.passphrase_file, expected_hash=expected_hash)
    if loaded is not None:
        yield loaded
    yield from _held_against(folder.federation, models, app, node_config, run_config)


def check_the_server(
    federation_file: Path,
    *,
    identity: Path | None,
    passphrase_file: Path | None,
    store: Path | None,
    superlink: str | None,
    expected_hash: bytes | None,
    models: Models,
) -> Iterator[Verdict]:
    """All that can be said on the server, one after another. Nothing is announced or changed.

    Args:
        federation_file: the dealer's, as ``SecureStrategy`` is given it.
        identity: as there; None looks at none.
        passphrase_file: as there.
        store: as there; None looks at none.
        superlink: a name in ``~/.flwr/config.toml``; None asks none who is on line.
        expected_hash: of the federation, as its dealer told it; None to compare nothing.
        models: what the federation is held against; no app is run here.
    """
    yield _versions()
    try:
        federation = agreed_in(read_signed(federation_file), expected_hash=None)
    except (VeilsumError, OSError) as error:
        yield Verdict("federation", Status.ERROR, str(error), facts={"error": type(error).__name__})
        return
    yield from check_server(
        federation,
        identity=identity,
        passphrase_file=passphrase_file,
        store=store,
        checkpoint=CHECKPOINT,
        expected_hash=expected_hash,
    )
    if superlink is not None:
        yield check_on_line(superlink, federation)
    if models.before is not None:
        yield _dimension(federation, models.before)


def parse_config(text: str | None) -> dict[str, Any]:
    """What Flower's programs make of ``key=value key=value``.

    Raises:
        InvalidArgumentError: it is no such text.
    """
    try:
        return dict(parse_config_args(None if text is None else [text]))
    # Flower raises what its readers of TOML and typer do.
    except Exception as error:
        raise InvalidArgumentError(f"{text!r} is no configuration: {error}") from None


def _versions() -> Verdict:
    found = {"flwr": version("flwr"), "veilsum": version("veilsum")}
    found["python"] = ".".join(map(str, sys.version_info[:3]))
    says = ", ".join(f"{name} {number}" for name, number in found.items())
    return Verdict("versions", Status.OK, f"{says}; the same everywhere is safest", facts=found)


def _loaded(folder: Path) -> tuple[App | None, Verdict]:
    try:
        app = load_app(folder)
    except (VeilsumError, OSError) as error:
        return None, Verdict("app", Status.ERROR, str(error))
    if app.mod is not None:
        return app, Verdict("app", Status.OK, "its ClientApp sends contributions alone")
    return app, Verdict(
        "app",
        Status.ERROR,
        "its ClientApp has no SecureMod: it would send its model in the clear",
        "make it a SecureClientApp",
    )


def _held_against(
    federation: Federation,
    models: Models,
    app: App | None,
    node_config: Mapping[str, Any],
    run_config: Mapping[str, Any],
) -> Iterator[Verdict]:
    """The model, an update and the weights."""
    after, count = models.after, None
    if models.before is not None:
        found = _dimension(federation, models.before)
        yield found
        if after is None and app is not None:
            try:
                trained = dry_run(
                    app,
                    models.before,
                    node_config=node_config,
                    run_config=run_config,
                    train_config=models.train_config,
                )
            except (VeilsumError, OSError, TypeError) as error:
                yield Verdict("dry run", Status.ERROR, str(error))
                return
            after, count = trained.model, trained.num_examples
            says = "the app has trained once, and nothing was sent"
            yield Verdict("dry run", Status.OK, says)
        if after is not None and found.status is Status.OK:
            yield from _update(federation, models.before, after)
    if app is not None and app.mod is not None:
        yield check_weights(federation, app.mod.weights, count)


def _dimension(federation: Federation, model: Mapping[str, NDArray[Any]]) -> Verdict:
    return judged("dimension", lambda: check_dimension(federation, ModelVector(model).dim))


def _update(
    federation: Federation,
    before: Mapping[str, NDArray[Any]],
    after: Mapping[str, NDArray[Any]],
) -> Iterator[Verdict]:
    layout = ModelVector(before)
    try:
        update = layout.flatten(after) - layout.flatten(before)
    except (VeilsumError, TypeError) as error:
        yield Verdict("update", Status.ERROR, str(error))
        return
    yield from check_update(federation, update)
