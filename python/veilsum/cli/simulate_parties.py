"""``veilsum simulate-parties``: everybody of a federation in one folder, to try an app with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from veilsum.cli.files import check_absent, check_writable
from veilsum.cli.keygen import clock
from veilsum.cli.terms import check_key_bits
from veilsum.cli.words import one_line, telling_of
from veilsum.secure_sum.simulated_parties import SimulatedParties

__all__ = ["simulate_parties"]


def simulate_parties(
    number: Annotated[int, typer.Argument(metavar="N", help="How many parties, 2 to 1000.")],
    dim: Annotated[
        int,
        typer.Option(help="Number of values of the model, and one more for each summed metric."),
    ],
    out: Annotated[Path, typer.Option(help="The folder to make; nothing may be there yet.")] = Path(
        "simulated-parties"
    ),
    clip: Annotated[
        float, typer.Option(help="Largest value in an update; larger ones are cut.")
    ] = 1.0,
    value_bits: Annotated[int, typer.Option(help="Precision of a value, in bits.")] = 16,
    weight_spread: Annotated[
        float, typer.Option(help="Largest weight over the smallest. 1 if all weigh alike.")
    ] = 1.0,
    bits: Annotated[int, typer.Option(help="Size of the key's modulus, in bits.")] = 2048,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make throw-away parties for a simulation. They protect nothing.

    One command in the place of enrol, deal and join for everybody, all in one folder, under a key
    that this machine made and knows.
    """
    with one_line("simulate-parties"):
        check_absent(out)
        check_writable(out.absolute().parent)
        with clock("Looking for safe primes: usually seconds, a minute at worst"):
            made = SimulatedParties.make(
                out,
                number,
                dim=dim,
                clip=clip,
                value_bits=value_bits,
                weight_spread=weight_spread,
                key_bits=check_key_bits(bits),
            )
    with telling_of(made.path):
        if json_output:
            found = {
                "folder": str(made.path),
                "federation": str(made.federation_file),
                "identity": str(made.identity_file),
                "machine_key": str(made.key_file),
                "parties": [str(made.party(i)) for i in range(number)],
            }
            typer.echo(json.dumps(found, indent=2))
            return
        typer.echo("SIMULATION ONLY: this folder has every secret of every party.\n")
        typer.echo(f"parties      {made.path}/party-0 to party-{number - 1}")
        typer.echo(f"server       {made.federation_file}, {made.identity_file}")
        typer.echo(f"opened by    {made.key_file}  (set VEILSUM_PASSPHRASE_FILE to it)")
        typer.echo("\nFlower needs none of it: SecureStrategy(FedAvg(...), simulation=True).")
