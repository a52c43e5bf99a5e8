"""``./run bench --federation | --frameworks | --scale | --documents``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import veilsum as vs
from peers import machine
from peers.__main__ import progress_line
from peers.report import WIDTH, machine_lines
from rich.console import Console

from rounds import chart
from rounds.documents import write_documents
from rounds.frameworks import measure_frameworks
from rounds.results import Results
from rounds.scale import measure_scale
from rounds.tables import (
    ciphertext_table,
    conclusions,
    how_many,
    methods_table,
    phases_table,
    scale_table,
)
from rounds.workload_w import measure_workload

MEASUREMENTS = {
    "federation": measure_workload,
    "frameworks": measure_frameworks,
    "scale": measure_scale,
}


def main() -> None:
    """Measure, print, and write JSON and charts."""
    options = parse()
    if options.documents:
        for path in write_documents():
            print(f"Written: {os.path.relpath(path)}")
        return
    for folder in (options.out, options.json.parent if options.json else options.out):
        folder.mkdir(parents=True, exist_ok=True)
    settings = {
        name: value if isinstance(value, (int, float, list)) else str(value)
        for name, value in vars(options).items()
        if name not in ("out", "json", "peers_python", "documents", *MEASUREMENTS)
    }
    results = Results(machine.describe(dict(vs.cpu())), settings)
    start = time.monotonic()
    stay_on_one_core()
    with progress_line() as progress:
        MEASUREMENTS[options.kind](results, options, progress)
    results.settings["run_seconds"] = round(time.monotonic() - start)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    print_results(console, results)
    write(results, options, console)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="./run bench", description="Whole rounds, by party and phase."
    )
    add = parser.add_argument
    add("--federation", action="store_true", help="workload W through the secure sum: minutes")
    add("--frameworks", action="store_true", help="a round in Flower and in NVFlare: minutes")
    add("--scale", action="store_true", help="by length of model and number of clients: minutes")
    add("--documents", action="store_true", help="write the tables of documents from the results")
    add("--dim", type=int, metavar="N", help="values of the model; of --scale, the most")
    add("--contributors", type=int, metavar="N", help="as many are reported; not for --scale")
    add("--measured", type=int, default=3, metavar="N", help="as many of them are played")
    add("--key-bits", type=int, nargs="+", metavar="BITS", help="--federation takes several")
    add("--json", type=Path, metavar="FILE", help="where the JSON goes")
    add("--out", type=Path, default=Path("bench-results"), metavar="DIR", help="where files go")
    add("--peers-python", default=sys.executable, metavar="PYTHON", help="the peers' Python")
    options = parser.parse_args()
    names = [name for name in (*MEASUREMENTS, "documents") if getattr(options, name)]
    if len(names) != 1:
        parser.error("name one of --federation, --frameworks, --scale and --documents")
    options.kind = names[0]
    options.dim = options.dim or (10_000_000 if options.scale else 1_000_000)
    options.contributors = options.contributors or (10 if options.frameworks else 100)
    options.key_bits = options.key_bits or ([3072, 2048] if options.federation else [3072])
    if options.federation and not 2 <= options.measured <= options.contributors:
        parser.error("--measured must be from 2 to --contributors")
    if any(bits % 2 or not 2048 <= bits <= 16384 for bits in options.key_bits):
        parser.error("--key-bits must be even and from 2048 to 16384")
    return options


def stay_on_one_core() -> None:
    """So that what runs here is what one core does."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def print_results(console: Console, results: Results) -> None:
    """Everything that a run found, and on what."""
    console.print()
    for line in machine_lines(results):  # type: ignore[arg-type]
        console.print(line, highlight=False, soft_wrap=True)
    for power in results.powers:
        console.print(phases_table(results, power.key_bits).for_terminal())
    if results.powers:
        console.print(how_many(results), highlight=False)
    if results.methods:
        console.print(methods_table(results).for_terminal())
    if results.points:
        console.print(scale_table(results).for_terminal())
    if results.powers:
        console.print(ciphertext_table(results).for_terminal())
    for line in conclusions(results):
        console.print(line, highlight=False, soft_wrap=True)
    for name, reason in results.missing.items():
        console.print(f"Not available: {name}: {reason}", markup=False, soft_wrap=True)


def write(results: Results, options: argparse.Namespace, console: Console) -> None:
    """JSON and charts, and where they are."""
    stem = f"{options.kind}-{machine.slug()}"
    paths = [options.json or options.out / f"{stem}.json", options.out / f"{stem}.png"]
    paths[0].write_text(json.dumps(results.to_dict(), indent=1) + "\n", encoding="utf-8")
    what = f"one round of {options.dim:,} values and {options.contributors} clients"
    if results.points:
        chart.plot_scale(results, paths[1])
    else:
        chart.plot_methods(results, what, paths[1])
    names = ", ".join(os.path.relpath(path) for path in paths)
    seconds = results.settings["run_seconds"]
    console.print(f"\n{seconds} s. Written: {names}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (vs.VeilsumError, OSError, ValueError) as error:
        sys.exit(f"./run bench: {error}")
