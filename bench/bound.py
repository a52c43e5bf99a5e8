"""``./run bench --bound``: what Python and threads add to the kernels.

Sets each operation's processor time through Python beside the time of its multiplications, which
``veilsum_bench`` measures just before; then two threads beside two processes on a core each. The
clock of a processor differs from one minute to the next, so that a per cent or two means nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import veilsum as vs

from bench.machine import ROOT
from bench.records import Run

NUM_VALUES = 4096
NUM_ADDENDS = 1024
KEY_BITS = (2048, 3072)
NUM_ROUNDS = 7

Times = dict[tuple[str, int], float]


def measure_bound(run: Run, options: argparse.Namespace, progress: Callable[[str], object]) -> None:
    """All of it."""
    progress("the kernels")
    times = _kernel_benchmark(run)
    first, *more = cores = sorted(os.sched_getaffinity(0))[:2]
    progress("operations")
    for name, bits, seconds in _answer(_start("operations", {first})):
        run.add(
            "operations",
            operation=name,
            key_bits=bits,
            microseconds=1e6 * seconds,
            kernel_microseconds=1e6 * kernel_seconds(name, bits, times),
        )
    if more:
        progress("threads")
        threads = _answer(_start("encrypt", set(cores), num_threads=2))
        processes = [_start("encrypt", {core}) for core in cores]
        run.add("workers", name="two threads", per_second=threads)
        run.add("workers", name="two processes", per_second=sum(map(_answer, processes)))


def _kernel_benchmark(run: Run) -> Times:
    """Seconds of each kernel operation; its share of the madd52 rate in per cent is noted."""
    command = [str(ROOT / "build/release/veilsum_bench"), "--csv"]
    core = min(os.sched_getaffinity(0))
    lines = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    ).stdout.splitlines()
    times: Times = {}
    for line in lines:
        name, bits, nanoseconds, share = line.rsplit(",", 3)
        times[name, int(bits)] = 1e-9 * float(nanoseconds)
        if float(share):
            run.add("madd52_shares", operation=name, bits=int(bits), percent=float(share))
    return times


def kernel_seconds(operation: str, bits: int, times: Times) -> float:
    """What the multiplications of an operation take by themselves."""
    half = bits // 2
    power = "fixed base, per bit"
    plain = times["add a plaintext", bits]
    return {
        "encrypt": times[power, bits] * half + plain,
        "encrypt, key owner": 2 * times[power, half] * half + 4 * times["multiply", bits] + plain,
        "encrypt, pool": plain,
        "decrypt": 2 * times["power, per bit", half] * half,
        "add": times["multiply", bits],
        f"sum of {NUM_ADDENDS}": times["multiply in a product", bits],
    }[operation]


# ---- in a process of its own ----


def operations(num_values: int = NUM_VALUES) -> list[tuple[str, int, float]]:
    """Median processor seconds a value of each operation."""
    return [
        (name, bits, statistics.median(_times(call, time.process_time)) / count)
        for bits in KEY_BITS
        for name, call, count in _calls(bits, num_values)
    ]


def _calls(bits: int, num_values: int) -> list[tuple[str, Callable[[], object], int]]:
    """Operation, a call of it, and of how many values."""
    sk = vs.generate_key(bits)
    pk = sk.public_key
    values = np.arange(num_values)
    pool = pk.precompute((NUM_ROUNDS + 1) * num_values)
    c = pk.encrypt(values)
    few = c[:512]
    matrix = c[np.arange(8 * NUM_ADDENDS).reshape(NUM_ADDENDS, 8) % num_values]
    return [
        ("encrypt", lambda: pk.encrypt(values), num_values),
        ("encrypt, key owner", lambda: sk.encrypt(values), num_values),
        ("encrypt, pool", lambda: pk.encrypt(values, pool=pool), num_values),
        ("decrypt", lambda: sk.decrypt_plaintexts(few), len(few)),
        ("add", lambda: [c + c for _ in range(20)], 20 * num_values),
        (
            f"sum of {NUM_ADDENDS}",
            lambda: [matrix.sum(axis=0) for _ in range(4)],
            4 * matrix.size,
        ),
    ]


def encrypt(num_values: int = 4 * NUM_VALUES) -> float:
    """Encryptions a second of the clock, the best of some rounds."""
    pk = vs.generate_key(2048).public_key
    values = np.arange(num_values)
    return num_values / min(_times(lambda: pk.encrypt(values), time.perf_counter))


def _times(function: Callable[[], object], clock: Callable[[], float]) -> list[float]:
    function()
    times = []
    for _ in range(NUM_ROUNDS):
        start = clock()
        function()
        times.append(clock() - start)
    return times


def _start(name: str, cores: set[int], *, num_threads: int = 1) -> subprocess.Popen[str]:
    """One of these functions, on some cores."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.bound", name],
        cwd=ROOT,
        env=os.environ | {"VEILSUM_NUM_THREADS": str(num_threads)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def _answer(process: subprocess.Popen[str]) -> Any:
    output = process.communicate()[0]
    if process.returncode != 0:
        raise SystemExit(f"the measurement failed: {process.args}")
    return json.loads(output)


if __name__ == "__main__":
    print(json.dumps({"operations": operations, "encrypt": encrypt}[sys.argv[1]]()))
