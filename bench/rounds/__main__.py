"""``./run bench --federation | --frameworks | --scale | --documents``."""

from __future__ import annotations

import argparse
import os

from peers import machine, run
from peers.report import machine_lines
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
    results = run.begin(Results, options, leave_out=("documents", *MEASUREMENTS))
    stay_on_one_core()
    with run.measuring(results) as progress:
        MEASUREMENTS[options.kind](results, options, progress)
    console = run.wide_console()
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
    run.add_file_options(parser)
    run.add_peers_python(parser)
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
    run.check_key_bits(parser, options.key_bits)
    return options


def stay_on_one_core() -> None:
    """So that what runs here is what one core does."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def print_results(console: Console, results: Results) -> None:
    """Everything that a run found, and on what."""
    console.print()
    for line in machine_lines(results):
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
    json_path = run.write_json(results.to_dict(), options, stem)
    chart_path = options.out / f"{stem}.png"
    what = f"one round of {options.dim:,} values and {options.contributors} clients"
    if results.points:
        chart.plot_scale(results, chart_path)
    else:
        chart.plot_methods(results, what, chart_path)
    run.tell_written(console, results, [json_path, chart_path])


if __name__ == "__main__":
    run.run_program(main, ValueError)
