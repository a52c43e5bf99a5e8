"""How a run of a benchmark begins and ends, whatever it measures."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import veilsum as vs
from rich.console import Console

from peers import machine
from peers.measure import Progress
from peers.report import WIDTH
from peers.results import Run

_FILES = ("out", "json", "peers_python")
_AnyRun = TypeVar("_AnyRun", bound=Run)


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Where files go."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the JSON goes")
    parser.add_argument(
        "--out", type=Path, default=Path("bench-results"), metavar="DIR", help="where files go"
    )


def add_peers_python(parser: argparse.ArgumentParser) -> None:
    """What the peers run in."""
    parser.add_argument(
        "--peers-python", default=sys.executable, metavar="PYTHON", help="the peers' Python"
    )


def check_key_bits(parser: argparse.ArgumentParser, key_bits: Sequence[int]) -> None:
    """Ends the program if no key has one of these sizes."""
    if any(bits % 2 or not 2048 <= bits <= 16384 for bits in key_bits):
        parser.error("--key-bits must be even and from 2048 to 16384")


def begin(
    kind: type[_AnyRun], options: argparse.Namespace, *, leave_out: Sequence[str] = ()
) -> _AnyRun:
    """A run that knows where it runs, and how: with all options but these.

    Makes the folders that are written to: before the minutes of measuring.
    """
    for folder in (options.out, options.json.parent if options.json else options.out):
        folder.mkdir(parents=True, exist_ok=True)
    settings = {
        name: value if isinstance(value, (int, float, list, tuple)) else str(value)
        for name, value in vars(options).items()
        if name not in (*_FILES, *leave_out)
    }
    return kind(machine.describe(dict(vs.cpu())), settings)


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


def wide_console() -> Console:
    """For tables: where there is no terminal, as wide as they are."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def write_json(data: Mapping[str, Any], options: argparse.Namespace, stem: str) -> Path:
    """Write it to where the options say; returns where that is."""
    path: Path = options.json or options.out / f"{stem}.json"
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return path


def tell_written(console: Console, run: Run, paths: Sequence[Path]) -> None:
    """The last line: how long it took, and where everything is."""
    names = ", ".join(os.path.relpath(path) for path in paths)
    seconds = run.settings["run_seconds"]
    console.print(f"\n{seconds} s. Written: {names}", highlight=False, soft_wrap=True)


def run_program(main: Callable[[], None], *expected: type[Exception]) -> None:
    """Run a program: Ctrl-C ends it quietly, an expected error with a line."""
    mistakes: tuple[type[Exception], ...] = (vs.VeilsumError, OSError, *expected)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except mistakes as error:
        sys.exit(f"./run bench: {error}")
