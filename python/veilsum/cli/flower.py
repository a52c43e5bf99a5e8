"""``veilsum flower``: what belongs to the integration with Flower."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from veilsum.arguments import printable
from veilsum.cli.model_file import read_model
from veilsum.cli.words import one_line, parse_hash
from veilsum.errors import InvalidArgumentError

if TYPE_CHECKING:
    from veilsum.integrations.setup_check.verdict import Verdict

__all__ = ["flower"]

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}

flower = typer.Typer(
    help="What belongs to the integration with Flower.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@flower.callback()
def program() -> None:
    """What belongs to the integration with Flower."""


@flower.command()
def check(
    party: Annotated[
        Path | None,
        typer.Option(help="A node: its party's folder. If left out, found as the node finds it."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="A node: the run's word for one of party.toml.")
    ] = None,
    node_config: Annotated[
        str | None, typer.Option(help="A node: the --node-config of flower-supernode.")
    ] = None,
    federation: Annotated[
        Path | None, typer.Option(help="The server: federation.veil. It makes this a server.")
    ] = None,
    identity: Annotated[Path | None, typer.Option(help="The server: its identity file.")] = None,
    store: Annotated[Path | None, typer.Option(help="The server: the run's folder.")] = None,
    superlink: Annotated[
        str | None,
        typer.Option(help="The server: a name of ~/.flwr/config.toml; asks who is on line."),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="The file with the passphrase or machine key.")
    ] = None,
    hash_text: Annotated[
        str | None, typer.Option("--hash", help="The federation's hash, as the dealer told it.")
    ] = None,
    before: Annotated[
        Path | None, typer.Option(help="A model before training: .npz, arrays by name.")
    ] = None,
    after: Annotated[
        Path | None, typer.Option(help="A node: the same model after it, for the clip.")
    ] = None,
    app: Annotated[
        Path | None,
        typer.Option(help="A node: the app's folder. With --before it trains once: a dry run."),
    ] = None,
    train_config: Annotated[
        str | None, typer.Option(help="What the strategy sends with the model: lr=0.1.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a node, or the server, before a run does. Nothing is sent, charged or changed.

    One line a check: ok, warning or error, and the cure. Exit code 1: there is an error.
    """
    # Flower takes seconds to import, and may not be there.
    from veilsum.integrations.flower.check import (
        Models,
        check_node,
        check_the_server,
        parse_config,
    )

    with one_line("flower check"):
        expected_hash = None if hash_text is None else parse_hash(hash_text)
        models = Models(
            app=app,
            before=None if before is None else read_model(before),
            after=None if after is None else read_model(after),
            train_config=parse_config(train_config),
        )
        if federation is None:
            given = {"--identity": identity, "--store": store, "--superlink": superlink}
            _refuse(given, "is for a server, which --federation makes it")
            config = parse_config(node_config)
            paths = {"veilsum-party": party, "veilsum-passphrase-file": passphrase_file}
            config |= {key: str(path) for key, path in paths.items() if path is not None}
            verdicts = check_node(
                node_config=config,
                run_config={} if name is None else {"veilsum-party": name},
                expected_hash=expected_hash,
                models=models,
            )
        else:
            given = {"--party": party, "--name": name, "--node-config": node_config}
            _refuse(given | {"--after": after, "--app": app}, "is for a node, not for a server")
            verdicts = check_the_server(
                federation,
                identity=identity,
                passphrase_file=passphrase_file,
                store=store,
                superlink=superlink,
                expected_hash=expected_hash,
                models=models,
            )
    found, console = [], Console(highlight=False)
    for verdict in verdicts:  # As they come: a dry run takes as long as a training.
        found.append(verdict)
        if not json_output:
            _print(console, verdict)
    passed = all(verdict.status.value != "error" for verdict in found)
    if json_output:
        typer.echo(json.dumps({"passed": passed, "checks": [asdict(v) for v in found]}, indent=2))
    if not passed:
        raise typer.Exit(1)


def _refuse(given: Mapping[str, object], why: str) -> None:
    for option, value in given.items():
        if value is not None:
            raise InvalidArgumentError(f"{option} {why}")


def _print(console: Console, verdict: Verdict) -> None:
    status = verdict.status.value
    words = verdict.says + (f": {verdict.cure}" if verdict.cure else "")
    console.print(
        f"[{_COLOURS[status]}]{status:7}[/] [bold]{escape(verdict.check)}[/]: "
        f"{escape(printable(words))}",
        soft_wrap=True,
    )
