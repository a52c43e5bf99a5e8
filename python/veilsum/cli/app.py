"""The commands."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

import veilsum
from veilsum.cli.bench import bench
from veilsum.cli.deal import deal
from veilsum.cli.enrol import enrol
from veilsum.cli.flower import flower
from veilsum.cli.inspect import inspect
from veilsum.cli.join import join
from veilsum.cli.keygen import keygen
from veilsum.cli.measure import measure
from veilsum.cli.privacy import privacy
from veilsum.cli.simulate_parties import simulate_parties
from veilsum.cli.stats import stats

__all__ = ["app"]

_EXTRAS = {
    "cli": ("typer", "rich"),
    "plot": ("matplotlib",),
    "accounting": ("dp_accounting",),
}

# Narrower tables of options are cut; plain text is wrapped.
_NARROWEST_TABLE = 72

app = typer.Typer(
    name="veilsum",
    help="Fast, safe private sums for federated learning.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if shutil.get_terminal_size().columns >= _NARROWEST_TABLE else None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"veilsum {veilsum.__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """What belongs to no command."""


def _summary(command: Callable[..., None]) -> str:
    """The first line of its help: a list of commands cuts what it was not given to show."""
    return (command.__doc__ or "").split("\n", maxsplit=1)[0]


# The demo declares its options itself; here they only pass through, --help among them.
@app.command(
    short_help="Train MNIST by federated averaging.",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
)
def demo(context: typer.Context) -> None:
    """Train MNIST by federated averaging: plain, encrypted, and with privacy noise."""
    beside_the_package = Path(veilsum.__file__).parents[2] / "examples"
    candidates = [beside_the_package, Path("examples").absolute()]
    examples = next((c for c in candidates if (c / "mnist" / "__main__.py").exists()), None)
    if examples is None:
        typer.echo(
            "veilsum: the demo is part of the source repository, not of the installed package.\n"
            "Get the repository and run ./run demo in it.",
            err=True,
        )
        raise typer.Exit(1)
    paths = [str(examples), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "mnist", *context.args]
    raise typer.Exit(subprocess.run(command, env=environment).returncode)


def doctor(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Show what veilsum runs on: processor, kernel, threads, optional packages."""
    found: dict[str, Any] = {"version": veilsum.__version__, **veilsum.cpu()}
    for extra, modules in _EXTRAS.items():
        present = all(find_spec(module) for module in modules)
        found[f"extra {extra}"] = "installed" if present else f"pip install 'veilsum[{extra}]'"
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            typer.echo(f"{name:14} {value}")


for command in (
    *(privacy, measure, keygen, enrol, deal, join, simulate_parties, inspect),
    *(doctor, bench),
):
    app.command(command.__name__.replace("_", "-"), short_help=_summary(command))(command)

app.add_typer(flower, name="flower")
app.add_typer(stats, name="stats")
