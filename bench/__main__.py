"""The modes of ``./run bench``, each of which measures, prints, and writes JSON and charts.

Without a mode pytest-benchmark runs the benchmarks of this folder, with all other arguments.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import veilsum as vs
from rich.console import Console

from bench import machine
from bench.bound import build_kernels, measure_bound
from bench.charts import write_charts
from bench.compare import SECTIONS, Progress, compare
from bench.documents import write_documents
from bench.installs import measure_installs
from bench.memory import measure_memory
from bench.process import LibraryError
from bench.records import Run
from bench.report import WIDTH, print_report
from bench.rounds import measure_federation, measure_frameworks, measure_scale
from bench.timing import measure_timing

Measure = Callable[[Run, argparse.Namespace, Progress], None]


def _memory(run: Run, options: argparse.Namespace, progress: Progress) -> None:
    measure_memory(run, key_bits=max(options.key_bits), progress=progress)


_COMPARISON = {"key_bits": [2048, 3072], "only": SECTIONS, "peers_python": sys.executable}
_ROUND = {"contributors": 100, "measured": 3, "dim": 1_000_000, "peers_python": sys.executable}
# What each mode does, what it is, and which options it has unless told otherwise.
MODES: dict[str, tuple[Measure, str, dict[str, object]]] = {
    "quick": (
        compare,
        "veilsum beside phe and numpy, in under two minutes",
        _COMPARISON | {"rounds": 3, "seconds": 0.1},
    ),
    "peers": (
        compare,
        "beside all libraries; installs them on first use",
        _COMPARISON | {"rounds": 5, "seconds": 0.3},
    ),
    "memory": (_memory, "the memory of an aggregator", {"key_bits": [2048, 3072]}),
    "federation": (
        measure_federation,
        "workload W through the secure sum: minutes",
        _ROUND | {"key_bits": [3072, 2048]},
    ),
    "frameworks": (
        measure_frameworks,
        "a round in Flower and in NVFlare: minutes",
        _ROUND | {"contributors": 10, "key_bits": [3072]},
    ),
    "scale": (
        measure_scale,
        "rounds by length of model, up to --dim, and of clients, up to --contributors: 20 minutes",
        {
            "dim": 10_000_000,
            "contributors": 10_000,
            "key_bits": [3072],
            "peers_python": sys.executable,
        },
    ),
    "timing": (
        measure_timing,
        "whether the time of a call tells how large its noise is: minutes",
        {"seconds": 10.0, "peers_python": sys.executable},
    ),
    "installs": (
        measure_installs,
        "the size of our wheel and the time of its import beside other libraries",
        {"rounds": 21},
    ),
    "bound": (
        measure_bound,
        "what Python and threads add to the kernels",
        {"key_bits": [2048, 3072]},
    ),
}


def main(arguments: list[str]) -> None:
    """Measure, print, and write, or bring the documents up to date."""
    if arguments[:1] == ["--kernels"]:
        _become(build_kernels(), *arguments[1:])
    if not {"--help", "-h", "--documents", *(f"--{mode}" for mode in MODES)} & set(arguments):
        _become(sys.executable, "-m", "pytest", "bench", "--benchmark-only", *arguments)
    options, modes = parse(arguments)
    if options.documents:
        for path in write_documents():
            print(f"Written: {os.path.relpath(path)}")
        return
    stem = f"{modes[0]}-{machine.slug()}"
    json_path = options.json or options.out / f"{stem}.json"
    for folder in (options.out, json_path.parent):  # Before the minutes of measuring.
        folder.mkdir(parents=True, exist_ok=True)
    settings = {name: value for name, value in vars(options).items() if value is not None}
    for name in ("out", "json", "peers_python", "documents", "kernels", *MODES):
        settings.pop(name, None)
    run = Run(machine.describe(dict(vs.cpu())), {"modes": modes, **settings})
    if {"federation", "frameworks", "scale"} & set(modes):
        _stay_on_one_core()
    with measuring(run) as progress:
        for mode in modes:
            MODES[mode][0](run, options, progress)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    print_report(console, run)
    run.write(json_path)
    names = map(os.path.relpath, [json_path, *write_charts(run, options.out / stem)])
    console.print(
        f"\n{run.settings['run_seconds']} s. Written: {', '.join(names)}",
        highlight=False,
        soft_wrap=True,
    )


def _become(program: str, *arguments: str) -> NoReturn:
    os.execv(program, [program, *arguments])


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The command line; the options have what the modes have of themselves."""
    parser = argparse.ArgumentParser(
        prog="./run bench", description="veilsum beside other libraries, and whole rounds."
    )
    add = parser.add_argument
    for mode, (_, what, _) in MODES.items():
        add(f"--{mode}", action="store_true", help=what)
    add("--kernels", action="store_true", help="the C++ benchmarks of each kernel; stands first")
    add("--documents", action="store_true", help="write the tables of documents")
    add("--json", type=Path, metavar="FILE", help="where the JSON goes")
    add("--out", type=Path, default=Path("bench-results"), metavar="DIR", help="where files go")
    add("--key-bits", type=int, nargs="+", metavar="BITS", help="sizes of keys")
    add("--peers-python", metavar="PYTHON", help="what the peers run in")
    add("--only", nargs="+", choices=SECTIONS, help="not all of --peers or --quick")
    add("--rounds", type=int, metavar="N", help="samples of everything")
    add("--seconds", type=float, metavar="S", help="of one sample; with --timing, of each case")
    add("--dim", type=int, metavar="N", help="values of the model; of --scale, the most")
    add("--contributors", type=int, metavar="N", help="as many are reported; of --scale, the most")
    add("--measured", type=int, metavar="N", help="as many of them are played")
    options = parser.parse_args(arguments)
    modes = [mode for mode in MODES if getattr(options, mode)]
    if len([*modes, *["documents"] * options.documents]) != 1 and modes not in (
        ["quick", "memory"],
        ["peers", "memory"],
    ):
        parser.error("name one mode; only --quick or --peers can have --memory with it")
    known = {name: value for mode in reversed(modes) for name, value in MODES[mode][2].items()}
    everything = {name for _, _, more in MODES.values() for name in more}
    for name in everything:
        given = getattr(options, name)
        if given is not None and name not in known:
            parser.error(f"--{name.replace('_', '-')} is not for this mode")
        setattr(options, name, known.get(name) if given is None else given)
    if any(bits % 2 or not 2048 <= bits <= 16384 for bits in options.key_bits or []):
        parser.error("--key-bits must be even and from 2048 to 16384")
    for name in ("rounds", "seconds", "dim", "contributors"):
        if (value := getattr(options, name)) is not None and not 0 < value < float("inf"):
            parser.error(f"--{name} must be positive")
    if options.scale and options.contributors < 2:
        parser.error("--contributors must be 2 or more")
    if options.federation and not 2 <= options.measured <= options.contributors:
        parser.error("--measured must be from 2 to --contributors")
    return options, modes


@contextlib.contextmanager
def measuring(run: Run) -> Iterator[Progress]:
    """Shows what is going on, and takes the time of it all.

    One changing line on a terminal, else a line for each step.
    """
    console = Console(stderr=True)
    start = time.monotonic()
    if console.is_terminal:
        with console.status("") as status:
            yield status.update
    else:
        yield lambda step: console.print(
            f"{time.monotonic() - start:4.0f} s  {step}", highlight=False, soft_wrap=True
        )
    run.settings["run_seconds"] = round(time.monotonic() - start)


def _stay_on_one_core() -> None:
    """So that what runs here is what one core does."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    except (vs.VeilsumError, LibraryError, OSError, ValueError) as error:
        sys.exit(f"./run bench: {error}")
