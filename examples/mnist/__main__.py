"""The demo: MNIST learned together, plain, encrypted, and with privacy noise.

Run it with ``./run demo``; ``./run demo --help`` lists the options.
"""

from __future__ import annotations

import json
import logging
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
import veilsum as vs
from rich.console import Console

from . import story
from .data import load
from .plots import plot_accuracy, plot_trade_off
from .report import WIDTH_OF_ONE_TABLE, as_json, print_table


class Trust(str, Enum):
    """Who can open the sums."""

    threshold = "threshold"
    authority = "authority"
    contributors = "contributors"


class Part(str, Enum):
    """A piece of the demo."""

    plain = "plain"
    encrypted = "encrypted"
    gaussian = "gaussian"
    laplace = "laplace"


def demo(
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Rounds of each training, instead of the demo's own."),
    ] = None,
    clients: Annotated[int, typer.Option(min=2, help="Clients of the large model.")] = 100,
    key_bits: Annotated[
        int, typer.Option(min=2048, help="2048 is faster, 3072 has 128-bit security.")
    ] = 3072,
    epsilon: Annotated[
        float, typer.Option(min=1e-3, help="Privacy of the noisy trainings, for a client's life.")
    ] = 4.0,
    trust: Annotated[
        Trust,
        typer.Option(
            help="Who opens sums: 4 of 5 key holders, a separate authority, or every client."
        ),
    ] = Trust.threshold,
    only: Annotated[
        list[Part] | None, typer.Option(help="Only this part; may be given several times.")
    ] = None,
    two_digits: Annotated[
        bool, typer.Option("--two-digits", help="Encrypt the training on two-digit clients too.")
    ] = False,
    target: Annotated[
        float | None, typer.Option(min=0, max=1, help="Stop at this test accuracy.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="IDX files of MNIST or a look-alike (Fashion-MNIST).")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the plots.")] = Path("demo-results"),
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Also write everything to this file; - prints it."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of data order and choice of clients.")] = 1,
    log: Annotated[bool, typer.Option("--log", help="Log each round.")] = False,
) -> None:
    """Train MNIST by federated averaging: plain, encrypted, and with privacy noise.

    Prints a table and writes plots. All parties run in this process, one after another.
    """
    logging.basicConfig(level=logging.INFO if log else logging.ERROR, format="%(message)s")
    # With JSON on the standard output, people read the rest on the other one.
    console = Console(stderr=json_file == Path("-"))
    if not console.is_terminal:
        console = Console(stderr=json_file == Path("-"), width=WIDTH_OF_ONE_TABLE)
    dataset = load(data_dir)
    console.print(f"[bold]Data[/] {dataset.name}: {len(dataset.train_labels):,} training images")
    settings = story.Settings(
        rounds=rounds,
        clients=clients,
        key_bits=key_bits,
        epsilon=epsilon,
        trust=trust.value,
        target=target,
        two_digits=two_digits,
        seed=seed,
    )
    teller = story.Story(dataset, console, settings)
    for part in list(Part) if only is None else list(dict.fromkeys(only)):
        getattr(teller, part.value)()
    console.print()
    print_table(console, teller.results)
    for remark in teller.remarks:
        console.print(f"[dim]*[/] {remark}")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    if teller.accuracy_plot:
        plot_accuracy(teller.accuracy_plot, out / "accuracy.png")
        written.append(out / "accuracy.png")
    if teller.trade_offs:
        plot_trade_off(teller.trade_offs, out / "privacy.png")
        written.append(out / "privacy.png")
    if json_file is not None:
        found = as_json(teller.results, teller.trade_offs, dataset.name, settings)
        text = json.dumps(found, indent=2)
        if json_file == Path("-"):
            print(text)
        else:
            json_file.write_text(text + "\n", encoding="utf-8")
            written.append(json_file)
    console.print("Written: " + ", ".join(str(path) for path in written))


def main() -> None:
    """Run, and turn errors that a person can mend into one line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(demo)
    try:
        app(prog_name="veilsum demo")
    except (vs.VeilsumError, ValueError, OSError) as error:
        raise SystemExit(f"veilsum demo: {error}") from None


if __name__ == "__main__":
    main()
