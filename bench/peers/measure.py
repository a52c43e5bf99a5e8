"""Rounds in which every library has its turn, so that a busy machine troubles all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

from peers.libraries import Library
from peers.operations import OPERATIONS
from peers.process import WorkerError
from peers.results import Results, Row, Timing, Update
from peers.workload import PHASES

Progress = Callable[[str], object]
Start = Callable[[Library, int, int], "Asked"]  # Library, key_bits, num_threads.


class Asked(Protocol):
    """A worker, or what stands in for one in the tests."""

    library: Library

    def send(self, request: str, **arguments: Any) -> None: ...
    def receive(self) -> dict[str, Any]: ...
    def ask(self, request: str, **arguments: Any) -> dict[str, Any]: ...
    def __enter__(self) -> Asked: ...
    def __exit__(self, *exception: object) -> None: ...


def measure_operations(
    results: Results,
    libraries: Sequence[Library],
    start: Start,
    *,
    key_bits: int,
    num_threads: int,
    num_rounds: int,
    seconds: float,
    progress: Progress,
) -> None:
    """Time every operation of every library with one key size and number of threads."""
    where = f"{key_bits} bits, {threads(num_threads)}"
    with ExitStack() as stack:
        progress(f"{where}: making keys")
        cases = [(library, key_bits) for library in libraries]
        workers = _start_all(stack, results, cases, start, num_threads)
        results.rows += [row for _, row in workers]
        for name, operation in OPERATIONS.items():
            progress(f"{where}: {operation.title}")
            timings = []
            for worker, row in workers:
                batch = _ask(results, worker, "ready", operation=name, seconds=seconds)
                if batch and batch["batch"]:
                    timings.append((worker, Timing(row, name, batch["batch"])))
            results.timings += _take_turns(results, timings, num_rounds, seconds)


def measure_noise(
    results: Results,
    libraries: Sequence[Library],
    start: Start,
    *,
    draws: Sequence[str],
    num_threads: int,
    num_rounds: int,
    seconds: float,
    progress: Progress,
) -> None:
    """Time the drawing of noise by every library with one number of threads."""
    with ExitStack() as stack:
        cases = [(library, 0) for library in libraries]
        workers = _start_all(stack, results, cases, start, num_threads)
        for name in draws:
            progress(f"noise, {threads(num_threads)}: {name}")
            timings = []
            for worker, row in workers:
                batch = _ask(results, worker, "ready_to_draw", draw=name)
                if batch and batch["batch"]:
                    timings.append((worker, Timing(row, name, batch["batch"])))
            results.noise += _take_turns(results, timings, num_rounds, seconds)


def _take_turns(
    results: Results, timings: list[tuple[Asked, Timing]], num_rounds: int, seconds: float
) -> list[Timing]:
    """Fill in what is ready to be sampled. Those that never answered are left out."""
    for turn in range(num_rounds):
        for position in range(len(timings)):  # Nobody always comes after the same one.
            worker, timing = timings[(position + turn) % len(timings)]
            sample = _ask(results, worker, "sample", seconds=seconds)
            if sample:
                timing.samples.append(sample["seconds"])
                timing.processor_samples.append(sample["processor_seconds"])
    return [timing for _, timing in timings if timing.samples]


def measure_updates(
    results: Results,
    cases: Sequence[tuple[Library, int]],
    start: Start,
    *,
    num_threads: int,
    num_rounds: int,
    dim: int,
    progress: Progress,
) -> None:
    """Workload W through every library, with the key size beside it."""
    with ExitStack() as stack:
        progress(f"workload W, {threads(num_threads)}")
        workers = _start_all(stack, results, cases, start, num_threads)
        found: dict[int, Update] = {}
        for _ in range(num_rounds):
            for position, (worker, row) in enumerate(workers):
                answer = _ask(results, worker, "update", dim=dim)
                if answer is None:
                    continue
                update = found.setdefault(
                    position, Update(row, dim, {phase: [] for phase in PHASES}, 0, 0.0)
                )
                for phase in PHASES:
                    update.samples[phase].append(answer["seconds"][phase])
                update.num_bytes = answer["num_bytes"]
                update.max_error = max(update.max_error, answer["max_error"])
        results.updates += found.values()


def threads(count: int) -> str:
    """In words."""
    return "one thread" if count == 1 else f"{count} threads"


def _start_all(
    stack: ExitStack,
    results: Results,
    cases: Sequence[tuple[Library, int]],
    start: Start,
    num_threads: int,
) -> list[tuple[Asked, Row]]:
    """The libraries that work here. They make their keys at the same time: that is not timed."""
    workers = [
        (stack.enter_context(start(library, key_bits, num_threads)), key_bits)
        for library, key_bits in cases
    ]
    for worker, _ in workers:
        worker.send("describe")
    found = []
    for worker, key_bits in workers:
        library = worker.library
        try:
            answer = worker.receive()
        except WorkerError as error:
            results.missing[library.name] = str(error)
            continue
        row = Row(library.name, library.scheme, key_bits, num_threads, library.is_ours, **answer)
        found.append((worker, row))
    return found


def _ask(results: Results, worker: Asked, request: str, **arguments: Any) -> dict[str, Any] | None:
    """The answer, or None, with the reason noted: the others go on."""
    try:
        return worker.ask(request, **arguments)
    except WorkerError as error:
        what = arguments.get("operation") or arguments.get("draw") or request
        results.missing[f"{worker.library.name}: {what}"] = str(error)
        return None
