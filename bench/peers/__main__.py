"""``./run bench --peers | --quick | --memory``."""

from __future__ import annotations

import argparse

import veilsum as vs
from rich.console import Console

from peers import chart, machine, run
from peers.chart_noise import plot_noise
from peers.compare import SECTIONS, Comparison
from peers.memory import measure_memory
from peers.report import print_report
from peers.results import Results


def main() -> None:
    """Measure, print, and write JSON and charts."""
    options = parse()
    results = run.begin(Results, options)
    with run.measuring(results) as progress:
        if options.peers or options.quick:
            Comparison(results, options, vs.cpu()["kernel"], progress).run()
        if options.memory:
            results.memory = measure_memory(key_bits=max(options.key_bits), progress=progress)
    console = run.wide_console()
    print_report(console, results)
    write(results, options, console)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="./run bench", description="veilsum side by side with other libraries."
    )
    add = parser.add_argument
    add("--peers", action="store_true", help="beside all libraries; installs them on first use")
    add("--quick", action="store_true", help="veilsum and phe alone, in under two minutes")
    add("--memory", action="store_true", help="the memory of an aggregator")
    add(
        "--only",
        nargs="+",
        choices=SECTIONS,
        default=SECTIONS,
        help="not all of --peers or --quick",
    )
    run.add_file_options(parser)
    add("--key-bits", type=int, nargs="+", default=[2048, 3072], metavar="BITS")
    add("--rounds", type=int, metavar="N", help="samples of everything")
    add("--seconds", type=float, metavar="S", help="seconds of one sample")
    run.add_peers_python(parser)
    options = parser.parse_args()
    if not (options.peers or options.quick or options.memory):
        parser.error("name one of --peers, --quick and --memory")
    if options.peers and options.quick:
        parser.error("--peers and --quick are two sizes of one thing: name one of them")
    run.check_key_bits(parser, options.key_bits)
    options.rounds = options.rounds or (5 if options.peers else 3)
    options.seconds = options.seconds or (0.3 if options.peers else 0.1)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return options


def write(results: Results, options: argparse.Namespace, console: Console) -> None:
    """JSON and charts, and where they are."""
    kind = "peers" if options.peers else "quick" if options.quick else "memory"
    stem = f"{kind}-{machine.slug()}"
    paths = [run.write_json(results.to_dict(), options, stem)]
    for num_threads in sorted({timing.row.num_threads for timing in results.timings}):
        paths.append(options.out / f"{stem}-{num_threads}-threads.png")
        chart.plot_operations(results, num_threads, paths[-1])
    if results.updates:
        paths.append(options.out / f"{stem}-update.png")
        chart.plot_updates(results, paths[-1])
    if results.noise:
        paths.append(options.out / f"{stem}-noise.png")
        plot_noise(results, paths[-1])
    if results.memory:
        paths.append(options.out / f"memory-{machine.slug()}.png")
        chart.plot_memory(results, paths[-1])
    run.tell_written(console, results, paths)


if __name__ == "__main__":
    run.run_program(main)
