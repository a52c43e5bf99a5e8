"""Rounds in which every library has its turn, so that a busy machine troubles all of them alike."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import veilsum as vs

from bench import libraries, machine
from bench.draws import DRAWS, QUICK_DRAWS
from bench.floats import FLOAT_OPERATIONS
from bench.libraries import Library
from bench.operations import OPERATIONS
from bench.process import LibraryError, Worker, interpreter
from bench.records import Record, Run, same_library, threads
from bench.workload import DIM, PHASES

SECTIONS = ("operations", "groups", "floats", "update", "noise")

Progress = Callable[[str], object]
Start = Callable[[Library, int, int], Any]  # Library, key_bits, num_threads: a Worker.


def compare(run: Run, options: argparse.Namespace, progress: Progress) -> None:
    """The sections asked for, of all libraries that can be had here."""
    kernel, quick, pythons = vs.cpu()["kernel"], options.quick, {}

    def available(wanted: Iterable[Library]) -> Iterator[Library]:
        """For those that cannot be had the reason is noted. A quick run installs nothing."""
        for library in wanted:
            if quick and not library.quick:
                continue
            if library.requirements and not quick:
                progress(f"installing {library.name}")
            try:
                pythons[library.name] = (
                    sys.executable
                    if quick
                    else interpreter(library.requirements, options.peers_python)
                )
            except LibraryError as error:
                run.missing[library.name] = str(error)
            else:
                yield library

    def start(library: Library, key_bits: int, num_threads: int) -> Worker:
        python = pythons[library.name]
        return Worker(library, python, key_bits=key_bits, num_threads=num_threads)

    turns = Turns(run, start, progress, options.rounds, options.seconds)
    counts = sorted({1, machine.num_processors()})
    if names := operations_of(options.only):
        everything = list(available([*libraries.ours(kernel), *libraries.PEERS]))
        for count, key_bits in itertools.product(counts, options.key_bits):
            turns.operations(everything, key_bits, count, names)
    if "floats" in options.only:
        cases = [
            (library, key_bits)
            for library in available([*libraries.our_floats(kernel), *libraries.FLOAT_PEERS])
            for key_bits in libraries.FLOAT_KEY_BITS.get(library.name, (2048,))
        ]
        for count in counts if cases else []:  # A quick run has none.
            turns.floats(cases, count)
    if "update" in options.only:  # A quick run takes all threads only.
        cases = [
            (library, key_bits)
            for library in available([*libraries.our_updates(kernel), libraries.CKKS])
            for key_bits in (options.key_bits if library.is_ours else [0])
        ]
        for count in counts[-1:] if quick else counts:
            turns.updates(cases, count, DIM, num_rounds=1 if quick else 3)
    if "noise" in options.only:  # With all threads veilsum's fastest kernel only.
        everything = list(available([*libraries.our_noise(kernel), *libraries.NOISE_PEERS]))
        fastest = [library for library in everything if library.is_ours and library.quick]
        for count in counts[:1] if quick else counts:
            draws = QUICK_DRAWS if quick else tuple(DRAWS)
            turns.noise(everything if count == 1 else fastest, draws, count)


def operations_of(sections: Iterable[str]) -> list[str]:
    """Those of these sections, in their order: sums of groups are a section of their own."""
    section_of = {name: "groups" if name == "group_sum" else "operations" for name in OPERATIONS}
    return [name for name, section in section_of.items() if section in sections]


@dataclass(frozen=True)
class Turns:
    """Measures into a run. ``seconds`` is the time of one sample."""

    run: Run
    start: Start
    progress: Progress
    num_rounds: int
    seconds: float

    def operations(
        self,
        wanted: Sequence[Library],
        key_bits: int,
        num_threads: int,
        names: Iterable[str] = tuple(OPERATIONS),
    ) -> None:
        """Time operations of every library with one key size and number of threads."""
        where = f"{key_bits} bits, {threads(num_threads)}"
        self.progress(f"{where}: making keys")
        with self._workers([(library, key_bits) for library in wanted], num_threads) as workers:
            for name in names:
                self.progress(f"{where}: {OPERATIONS[name].title}")
                self._time(workers, name, "ready", operation=name, seconds=self.seconds)

    def floats(self, cases: Sequence[tuple[Library, int]], num_threads: int) -> None:
        """Time a vector of floats in every library, with the size of key beside it."""
        with self._workers(cases, num_threads) as workers:
            for name, (title, _) in FLOAT_OPERATIONS.items():
                self.progress(f"floats, {threads(num_threads)}: {' '.join(title.split())}")
                self._time(workers, name, "ready_for_floats", operation=name)

    def noise(self, wanted: Sequence[Library], draws: Sequence[str], num_threads: int) -> None:
        """Time the drawing of noise by every library with one number of threads."""
        with self._workers([(library, 0) for library in wanted], num_threads) as workers:
            for name in draws:
                self.progress(f"noise, {threads(num_threads)}: {name}")
                self._time(workers, name, "ready_to_draw", draw=name)

    def updates(
        self, cases: Sequence[tuple[Library, int]], num_threads: int, dim: int, num_rounds: int
    ) -> None:
        """Workload W through every library, with the key size beside it."""
        self.progress(f"workload W, {threads(num_threads)}")
        with self._workers(cases, num_threads) as workers:
            found: dict[int, Record] = {}
            for _, (position, (worker, row)) in itertools.product(
                range(num_rounds), enumerate(workers)
            ):
                answer = self._ask(worker, "update", dim=dim)
                if answer is None:
                    continue
                if position not in found:
                    seconds: dict[str, list[float]] = {phase: [] for phase in PHASES}
                    record = {**same_library(row), "dim": dim, "seconds": seconds, "max_error": 0.0}
                    found[position] = self.run.add("updates", **record)
                update = found[position]
                for phase in PHASES:
                    update["seconds"][phase].append(answer["seconds"][phase])
                update["bytes"] = answer["bytes"]
                update["max_error"] = max(update["max_error"], answer["max_error"])

    def _time(
        self, workers: list[tuple[Any, Record]], name: str, request: str, **more: Any
    ) -> None:
        """Sample those that are ready, in turns. Who never answers is left out."""
        timings = []
        for worker, row in workers:
            ready = self._ask(worker, request, **more)
            if ready and ready["batch"]:
                samples: dict[str, list[float]] = {"seconds": [], "processor_seconds": []}
                timing = {**same_library(row), "operation": name, "batch": ready["batch"]}
                timings.append((worker, timing | samples))
        for turn in range(self.num_rounds):
            for position in range(len(timings)):  # Nobody always comes after the same one.
                worker, timing = timings[(position + turn) % len(timings)]
                for kind, value in (
                    self._ask(worker, "sample", seconds=self.seconds) or {}
                ).items():
                    timing[kind].append(value)
        for _, timing in timings:
            if timing["seconds"]:
                self.run.add("timings", **timing)

    @contextmanager
    def _workers(
        self, cases: Sequence[tuple[Library, int]], num_threads: int
    ) -> Iterator[list[tuple[Any, Record]]]:
        """The libraries that work here, and their records.

        They make their keys at the same time: that is not timed.
        """
        with ExitStack() as stack:
            started = [
                (stack.enter_context(self.start(library, key_bits, num_threads)), key_bits)
                for library, key_bits in cases
            ]
            for worker, _ in started:
                worker.send("describe")
            found = []
            for worker, key_bits in started:
                library = worker.library
                try:
                    answer = worker.receive()
                except LibraryError as error:
                    self.run.missing[library.name] = str(error)
                    continue
                row = self.run.add(
                    "libraries",
                    library=library.name,
                    key_bits=key_bits,
                    threads=num_threads,
                    **answer,
                )
                found.append((worker, row))
            yield found

    def _ask(self, worker: Any, request: str, **arguments: Any) -> dict[str, Any] | None:
        """The answer, or None, with the reason noted: the others go on."""
        try:
            return worker.ask(request, **arguments)
        except LibraryError as error:
            what = arguments.get("operation") or arguments.get("draw") or request
            self.run.missing[f"{worker.library.name}: {what}"] = str(error)
            return None
