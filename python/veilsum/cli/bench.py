"""``veilsum bench``: how fast veilsum is on this machine, in a few seconds."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from veilsum import arguments
from veilsum.cli.keygen import clock, make_key
from veilsum.cli.layout import print_table
from veilsum.cli.speeds import Speed, cipher_speeds, noise_speeds, phe_is_here
from veilsum.cli.terms import check_key_bits
from veilsum.cli.words import one_line
from veilsum.system import cpu

__all__ = ["bench"]


def bench(
    bits: Annotated[int, typer.Option(help="Size of the key's modulus, in bits.")] = 2048,
    seconds: Annotated[
        float, typer.Option(help="How long each figure is measured, at most 60.")
    ] = 0.5,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how fast veilsum is here, beside python-paillier and numpy.

    A quick look, in a few seconds. python-paillier is measured where it is installed. Both take one
    thread; veilsum takes one too with VEILSUM_NUM_THREADS=1.
    """
    with one_line("bench"):
        check_key_bits(bits)
        arguments.real("--seconds", seconds, above=0, at_most=60)
        machine = cpu()
        key = make_key(bits, safe_primes=False)
        with clock("Measuring"):
            speeds = [*cipher_speeds(key, seconds), *noise_speeds(seconds)]
    if json_output:
        found = {
            "kernel": machine["kernel"],
            "rng": machine["rng"],
            "num_threads": machine["num_threads"],
            "key_bits": bits,
            "seconds": seconds,
            "speeds": [_as_json(speed) for speed in speeds],
        }
        typer.echo(json.dumps(found, indent=2))
        return
    console = Console(highlight=False)
    threads = machine["num_threads"]
    console.print(
        f"A second, with a key of {bits} bits, on kernel {machine['kernel']}, "
        f"{'1 thread' if threads == 1 else f'{threads} threads'}:"
    )
    headers = ("operation", "veilsum", "other", "times as\nfast", "which is")
    rows = [
        (
            speed.what,
            _rounded(speed.veilsum),
            "-" if speed.other is None else _rounded(speed.other),
            "-" if speed.times is None else _rounded(speed.times),
            _OTHERS[speed.other_name],
        )
        for speed in speeds
    ]
    print_table(console, headers, rows, right=headers[1:4])
    if not phe_is_here():
        console.print("To see python-paillier beside veilsum: pip install phe gmpy2")


_OTHERS = {"phe": "python-paillier", "numpy": "numpy's floats, not exact, not secure"}


def _as_json(speed: Speed) -> dict[str, Any]:
    return {**asdict(speed), "times": speed.times}


def _rounded(number: float) -> str:
    """To three digits."""
    return f"{float(f'{number:.3g}'):,.0f}" if number >= 100 else f"{number:.3g}"
