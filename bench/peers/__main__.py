"""``./run bench --peers | --quick | --memory``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import veilsum as vs
from rich.console import Console

from peers import chart, machine
from peers.chart_noise import plot_noise
from peers.compare import SECTIONS, Comparison
from peers.measure import Progress
from peers.memory import measure_memory
from peers.report import WIDTH, print_report
from peers.results import Results


def main() -> None:
    """Measure, print, and write JSON and charts."""
    options = parse()
    # Checked before the minutes of measuring.
    for folder in (options.out, options.json.parent if options.json else options.out):
        folder.mkdir(parents=True, exist_ok=True)
    cpu = vs.cpu()
    settings = {
        name: value if isinstance(value, (int, float, list, tuple)) else str(value)
        for name, value in vars(options).items()
        if name not in ("out", "json", "peers_python")
    }
    results = Results(machine.describe(dict(cpu)), settings)
    start = time.monotonic()
    with progress_line() as progress:
        if options.peers or options.quick:
            Comparison(results, options, cpu["kernel"], progress).run()
        if options.memory:
            results.memory = measure_memory(key_bits=max(options.key_bits), progress=progress)
    results.settings["run_seconds"] = round(time.monotonic() - start)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
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
    add("--json", type=Path, metavar="FILE", help="where the JSON goes")
    add("--out", type=Path, default=Path("bench-results"), metavar="DIR", help="where files go")
    add("--key-bits", type=int, nargs="+", default=[2048, 3072], metavar="BITS")
    add("--rounds", type=int, metavar="N", help="samples of everything")
    add("--seconds", type=float, metavar="S", help="seconds of one sample")
    add("--peers-python", default=sys.executable, metavar="PYTHON", help="the peers' Python")
    options = parser.parse_args()
    if not (options.peers or options.quick or options.memory):
        parser.error("name one of --peers, --quick and --memory")
    if options.peers and options.quick:
        parser.error("--peers and --quick are two sizes of one thing: name one of them")
    if any(bits % 2 or not 2048 <= bits <= 16384 for bits in options.key_bits):
        parser.error("--key-bits must be even and from 2048 to 16384")
    options.rounds = options.rounds or (5 if options.peers else 3)
    options.seconds = options.seconds or (0.3 if options.peers else 0.1)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return options


def write(results: Results, options: argparse.Namespace, console: Console) -> None:
    """JSON and charts, and where they are."""
    kind = "peers" if options.peers else "quick" if options.quick else "memory"
    stem = options.out / f"{kind}-{machine.slug()}"
    json_path = options.json or stem.with_suffix(".json")
    json_path.write_text(json.dumps(results.to_dict(), indent=1) + "\n", encoding="utf-8")
    paths = [json_path]
    for num_threads in sorted({timing.row.num_threads for timing in results.timings}):
        paths.append(options.out / f"{stem.name}-{num_threads}-threads.png")
        chart.plot_operations(results, num_threads, paths[-1])
    if results.updates:
        paths.append(options.out / f"{stem.name}-update.png")
        chart.plot_updates(results, paths[-1])
    if results.noise:
        paths.append(options.out / f"{stem.name}-noise.png")
        plot_noise(results, paths[-1])
    if results.memory:
        paths.append(options.out / f"memory-{machine.slug()}.png")
        chart.plot_memory(results, paths[-1])
    names = ", ".join(os.path.relpath(path) for path in paths)
    seconds = results.settings["run_seconds"]
    console.print(f"\n{seconds} s. Written: {names}", highlight=False, soft_wrap=True)


@contextlib.contextmanager
def progress_line() -> Iterator[Progress]:
    """Shows what is going on: one changing line on a terminal, else a line for each step."""
    console = Console(stderr=True)
    if not console.is_terminal:
        start = time.monotonic()
        yield lambda step: console.print(
            f"{time.monotonic() - start:4.0f} s  {step}", highlight=False, soft_wrap=True
        )
        return
    with console.status("") as status:
        yield status.update


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (vs.VeilsumError, OSError) as error:
        sys.exit(f"./run bench: {error}")
