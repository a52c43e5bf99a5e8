"""A plan in words for people, and as JSON for scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

import veilsum
from veilsum.cli.layout import print_pairs, print_table
from veilsum.cli.plan import Plan, meaning

__all__ = ["as_json", "print_plan"]


def print_plan(console: Console, plan: Plan, levels: Sequence[Plan]) -> None:
    """The figures, the two columns of epsilon, and what trust would change."""
    goal, expected, size = plan.goal, plan.expected, plan.size
    kind = "Gaussian" if goal.noise == "gaussian" else "Laplace"
    at_delta = f" at delta {goal.delta:g}" if goal.noise == "gaussian" else ""
    console.print(
        f"[bold]{kind} noise for epsilon {goal.epsilon:g}{at_delta}[/]\n"
        f"[dim]{_rounds(goal.rounds)} of {goal.contributors:,} contributors, {goal.dim:,} values\n"
        f"{'L2' if goal.noise == 'gaussian' else 'L1'} norm of an update at most "
        f"{goal.norm_bound:g}, {goal.value_bits} bits a value, "
        f"weights {'hidden' if goal.weighted else 'all 1'}, {goal.adjacency}[/]\n"
    )
    name = "sigma" if goal.noise == "gaussian" else "scale"
    figures = (
        (
            "each contributor adds",
            f"{name} {_steps(plan.parameter)} grid steps; {plan.deviation_model:.3g} model units "
            "in every value",
        ),
        ("noise of the mean", f"{expected.noise_per_value:.3g} model units in every value"),
        (
            "signal to noise",
            f"at most {expected.signal_to_noise:.3g}; {meaning(expected.signal_to_noise)}",
        ),
        (
            "slots",
            f"{expected.slot_bits} bits, {_travel(plan)}",
        ),
        (
            "a contributor sends",
            f"{_size(size.num_bytes)} a round, with {size.num_ciphertexts:,} "
            f"ciphertext{'s' if size.num_ciphertexts > 1 else ''} of a {goal.key_bits}-bit key; "
            f"{_size(size.num_opened_bytes)} of it to a holder",
        ),
        *_weights(plan),
        (
            "a slot overflows",
            f"with a chance below 2^{math.log2(expected.overflow_probability):.0f} a sum",
        ),
    )
    print_pairs(console, figures)
    console.print(f"\n[bold]Epsilon[/] after {_rounds(goal.rounds)}, against")
    _print_epsilons(console, plan)
    _print_levels(console, plan, levels)


def _weights(plan: Plan) -> list[tuple[str, str]]:
    """What it costs to hide weights, if they are hidden."""
    expected = plan.expected
    if not plan.goal.weighted:
        return []
    words = (
        f"noise is {expected.noise_for_weights - 1:.1%} larger than with --uniform; the total "
        f"weight is off by {expected.noise_of_weight:.1%}, and {expected.no_mean_probability:.1%} "
        "of the sums have no mean for it"
    )
    if expected.num_bytes_for_weights:
        words += f"; {_size(expected.num_bytes_for_weights)} are for weights that differ"
    return [("hidden weights", words)]


def _print_epsilons(console: Console, plan: Plan) -> None:
    goal, expected = plan.goal, plan.expected
    epsilons: list[tuple[str, str]] = []
    others = goal.contributors - goal.honest
    if goal.noise == "laplace":
        colluding = "the server and all other contributors together"
    elif others:
        colluding = f"the server and {others:,} contributors (all but {goal.honest:,} honest ones)"
    else:
        colluding = "the server and nobody else: all contributors are taken to be honest"
    epsilons.append((f"{expected.epsilon_colluding:.4g}", colluding))
    epsilons.append((f"{expected.epsilon_honest_server:.4g}", "whoever sees results only"))
    sampled = expected.epsilon_honest_server_sampled
    if sampled is not None:
        epsilons.append(
            (
                f"{sampled:.4g}",
                "whoever sees results only, and not who took part "
                f"({goal.contributors:,} of {goal.population:,} at random)",
            )
        )
    elif goal.population > goal.contributors:
        why = escape(plan.why_not_sampled or "")
        epsilons.append(("?", f"whoever sees results only, and not who took part: {why}"))
    print_pairs(console, [(f"{epsilon:>8}", words) for epsilon, words in epsilons], right=True)


def _print_levels(console: Console, plan: Plan, levels: Sequence[Plan]) -> None:
    if plan.goal.noise == "laplace":
        console.print(
            "\n[bold]Trust[/]: every contributor adds all of the noise, so nobody need be trusted: "
            "whether one, half or all are honest makes no difference."
        )
        return
    console.print(f"\n[bold]Trust[/]: the noise for the same epsilon {plan.goal.epsilon:g} if")
    numbers = ("honest", "sigma", "signal to\nnoise", "sent", "epsilon:\ncollude", "results\nonly")
    rows = [
        (
            f"{level.goal.honest:,}",
            _trusted(level.goal.honest, level.goal.contributors),
            _steps(level.parameter),
            f"{level.expected.signal_to_noise:.3g}",
            _size(level.size.num_bytes),
            f"{level.expected.epsilon_colluding:.4g}",
            f"{level.expected.epsilon_honest_server:.4g}",
        )
        for level in levels
    ]
    print_table(console, (numbers[0], "you trust", *numbers[1:]), rows, right=numbers)


def as_json(plan: Plan, levels: Sequence[Plan]) -> dict[str, Any]:
    """Everything that is printed, and the settings it came from."""
    return {
        "veilsum": veilsum.__version__,
        "settings": asdict(plan.goal)
        | {"population": plan.goal.population}
        | ({"delta": 0.0} if plan.goal.noise == "laplace" else {}),
        **_figures(plan),
        "trust": [
            {"honest_contributors": level.goal.honest, **_figures(level)} for level in levels
        ],
    }


def _figures(plan: Plan) -> dict[str, Any]:
    expected = plan.expected
    return {
        "noise": {
            "parameter_grid_steps": plan.parameter,
            "standard_deviation_grid_steps": plan.deviation,
            "standard_deviation": plan.deviation_model,
            "noise_per_value_of_mean": expected.noise_per_value,
            "relative_error": plan.relative_error,
            "signal_to_noise": expected.signal_to_noise,
            "meaning": meaning(expected.signal_to_noise),
        },
        "ciphertexts": {
            "slot_bits": expected.slot_bits,
            "scheme": plan.size.scheme,
            "mask_bits": None if plan.size.strength is None else list(plan.size.strength),
            "num_ciphertexts": plan.size.num_ciphertexts,
            "num_bytes": plan.size.num_bytes,
            "num_opened_bytes": plan.size.num_opened_bytes,
            "num_bytes_for_weights": expected.num_bytes_for_weights,
            "overflow_probability": expected.overflow_probability,
        },
        "weights": {
            "noise_of_weight": expected.noise_of_weight,
            "no_mean_probability": expected.no_mean_probability,
            "noise_for_weights": expected.noise_for_weights,
        },
        "epsilon": {
            "colluding": expected.epsilon_colluding,
            "honest_server": expected.epsilon_honest_server,
            "honest_server_sampled": expected.epsilon_honest_server_sampled,
        },
    }


def _trusted(honest: int, contributors: int) -> str:
    if honest == 1:
        return "nobody"
    return "everyone" if honest == contributors else "half"


def _steps(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"


def _rounds(rounds: int) -> str:
    return "1 round" if rounds == 1 else f"{rounds:,} rounds"


def _travel(plan: Plan) -> str:
    """How slots travel under a shared key."""
    if plan.size.strength is None:
        return "packed in ciphertexts"
    core_svp, matzov = plan.size.strength
    return f"masked: {core_svp:.0f} bits of strength by core-SVP, {matzov:.0f} by MATZOV's model"


def _size(num_bytes: int) -> str:
    if num_bytes < 1e6:
        return f"{num_bytes / 1e3:.1f} kB"
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes < 1e9 else f"{num_bytes / 1e9:.1f} GB"
