"""``./run bench --bound``: what Python and threads add to the kernels.

Sets each operation's processor time through Python beside the time of its multiplications, which
``veilsum_bench`` measures just before; then two threads beside two processes on a core each. The
clock of a processor differs from one minute to the next, so that a per cent or two means nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

import veilsum as vs

from bench import libraries
from bench.compare import Turns
from bench.libraries import Library
from bench.machine import ROOT
from bench.process import Worker
from bench.records import Run

NUM_ROUNDS = 7
SECONDS = 0.3  # Of one sample.

Times = dict[tuple[str, int], float]


def measure_bound(run: Run, options: argparse.Namespace, progress: Callable[[str], object]) -> None:
    """All of it."""
    cores = sorted(os.sched_getaffinity(0))[-2:]
    progress("the kernels")
    with _on(cores[-1:]):  # Where workers of one thread are.
        command = [build_kernels(), "--csv"]
        lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    ours, found = libraries.ours(vs.cpu()["kernel"])[0], Run({}, {})
    for key_bits in options.key_bits:
        turns = Turns(found, _start, progress, NUM_ROUNDS, SECONDS)
        turns.operations([ours], key_bits, 1)
    beside_kernels(run, lines, found)
    if len(cores) > 1:
        progress("threads")
        for name, groups in (
            ("two threads", [cores]),
            ("two processes", [[core] for core in cores]),
        ):
            run.add("workers", name=name, per_second=encryptions_per_second(ours, groups))


def _start(library: Library, key_bits: int, num_threads: int) -> Worker:
    return Worker(library, sys.executable, key_bits=key_bits, num_threads=num_threads)


def build_kernels() -> str:
    """The benchmarks in C++, with kernels as users get them."""
    configure = ["cmake", "--preset", "release", "--log-level=WARNING"]
    subprocess.run(configure, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    build = ["cmake", "--build", "--preset", "release", "--target", "veilsum_bench"]
    subprocess.run(build, cwd=ROOT, check=True)
    return str(ROOT / "build" / "release" / "veilsum_bench")


@contextmanager
def _on(cores: Iterable[int]) -> Iterator[None]:
    """What is started now is on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def beside_kernels(run: Run, lines: str, found: Run) -> None:
    """Note each operation beside its multiplications, and kernels beside the multiply-add.

    Args:
        run: gets it.
        lines: what ``veilsum_bench --csv`` printed.
        found: the timings of the operations.
    """
    times: Times = {}
    for line in lines.splitlines():
        name, bits, nanoseconds, share = line.rsplit(",", 3)
        times[name, int(bits)] = 1e-3 * float(nanoseconds)
        if float(share):
            run.add("madd52_shares", operation=name, bits=int(bits), percent=float(share))
    for timing in found.all("timings"):
        kernels = kernel_microseconds(timing["key_bits"], times)
        if timing["operation"] in kernels:
            run.add(
                "operations",
                operation=timing["operation"],
                key_bits=timing["key_bits"],
                microseconds=1e6 * median(timing["processor_seconds"]),
                kernel_microseconds=kernels[timing["operation"]],
            )


def kernel_microseconds(bits: int, times: Times) -> dict[str, float]:
    """What the multiplications of each operation take by themselves."""
    half = bits // 2
    power = "fixed base, per bit"
    multiply, plain = times["multiply", bits], times["add a plaintext", bits]
    return {
        "encrypt": times[power, bits] * half + plain,
        "encrypt_owner": 2 * times[power, half] * half + 4 * multiply + plain,
        "encrypt_pool": plain,
        "decrypt": 2 * times["power, per bit", half] * half,
        "add": multiply,
        "sum": times["multiply in a product", bits],
        "group_sum": times["multiply in a product", bits],
    }


def encryptions_per_second(ours: Library, groups: Iterable[list[int]]) -> float:
    """Of all processes together, each on its cores: the most of some rounds."""
    most = 0.0
    with ExitStack() as stack:
        workers = []
        for cores in groups:
            with _on(cores):
                workers.append(stack.enter_context(_start(ours, 2048, len(cores))))
        for worker in workers:
            worker.ask("ready", operation="encrypt", seconds=SECONDS)
        for _ in range(NUM_ROUNDS):
            for worker in workers:
                worker.send("sample", seconds=SECONDS)
            most = max(most, sum(1 / worker.receive()["seconds"] for worker in workers))
    return most
