"""``veilsum privacy``: what a privacy goal costs, before anybody trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from veilsum.cli.noise_options import USUAL_DELTA, Kind, Neighbours
from veilsum.cli.plan import Goal, plan, trust_levels
from veilsum.cli.plot import check_plot, plot_plan
from veilsum.cli.report import as_json, print_plan
from veilsum.cli.words import one_line
from veilsum.errors import InvalidArgumentError

__all__ = ["privacy"]


_OPTIONS = {
    "clip": "--clip",
    "delta": "--delta",
    "dim": "--dim",
    "epsilon": "--epsilon",
    "max_addends": "--contributors",
    "norm_bound": "--norm-bound",
    "rounds": "--rounds",
    "value_bits": "--value-bits",
}


def privacy(
    dim: Annotated[int, typer.Option(help="Number of values of the model.")],
    contributors: Annotated[int, typer.Option(help="How many contributors are in each sum.")],
    epsilon: Annotated[float, typer.Option(help="The goal after all rounds.")],
    delta: Annotated[
        float | None, typer.Option(help="The goal's delta, for Gaussian noise. If left out: 1e-6.")
    ] = None,
    rounds: Annotated[
        int, typer.Option(help="How many rounds one contributor may take part in.")
    ] = 1,
    noise: Annotated[Kind, typer.Option(help="The kind of noise.")] = Kind.gaussian,
    norm_bound: Annotated[
        float,
        typer.Option(help="Longest update: its L2 norm, or L1 with Laplace noise, in model units."),
    ] = 1.0,
    clip: Annotated[
        float | None, typer.Option(help="Largest value in an update. If left out: the norm bound.")
    ] = None,
    honest: Annotated[
        int | None,
        typer.Option(
            help="How many contributors of a sum are sure to add their noise. If left out: half."
        ),
    ] = None,
    fraction: Annotated[
        float,
        typer.Option(help="Which part of all contributors is chosen at random for each round."),
    ] = 1.0,
    adjacency: Annotated[
        Neighbours,
        typer.Option(
            help="Protect against no data in the place of a contributor's, or any other data."
        ),
    ] = Neighbours.zero_out,
    uniform: Annotated[
        bool, typer.Option("--uniform", help="All weights are 1, so that they need no noise.")
    ] = False,
    weight_spread: Annotated[
        float, typer.Option(help="Largest weight over the smallest; 1 if all weigh alike.")
    ] = 1.0,
    mean_weight: Annotated[
        float, typer.Option(help="Mean of the weights, where the largest is 1.")
    ] = 1.0,
    value_bits: Annotated[int, typer.Option(help="Precision of a value, in bits.")] = 16,
    key_bits: Annotated[int, typer.Option(help="Size of the key's modulus, in bits.")] = 3072,
    plot: Annotated[
        Path | None, typer.Option(help="Also plot epsilon against error into this file.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a privacy goal costs: noise, signal to noise, bytes, and against whom it holds."""
    with one_line("privacy", _OPTIONS):
        if delta is not None and noise is Kind.laplace and plot is None:
            raise InvalidArgumentError(
                "Laplace noise has no delta: leave --delta out, or plot it beside Gaussian noise"
            )
        goal = Goal(
            dim=dim,
            contributors=contributors,
            epsilon=epsilon,
            delta=USUAL_DELTA if delta is None else delta,
            rounds=rounds,
            noise=noise.value,
            norm_bound=norm_bound,
            clip=norm_bound if clip is None else clip,
            honest=_honest(honest, contributors, noise),
            fraction=fraction,
            adjacency=adjacency.value,
            weighted=not uniform,
            value_bits=value_bits,
            key_bits=key_bits,
            weight_spread=weight_spread,
            mean_weight=mean_weight,
        )
        if plot is not None:
            check_plot(plot)
        found, levels = plan(goal), trust_levels(goal)
        if plot is not None:
            plot_plan(found, plot)
    if json_output:
        typer.echo(json.dumps(as_json(found, levels), indent=2))
    else:
        print_plan(Console(highlight=False), found, levels)
    if plot is not None:
        typer.echo(f"Written: {plot}", err=json_output)


def _honest(honest: int | None, contributors: int, noise: Kind) -> int:
    if noise is Kind.laplace:
        if honest not in (None, 1):
            raise InvalidArgumentError(
                "Laplace noise trusts nobody: every contributor adds all of it; leave --honest out"
            )
        return 1
    return max(1, (contributors + 1) // 2) if honest is None else honest
