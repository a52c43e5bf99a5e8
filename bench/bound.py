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
from pathlib import Path
from typing import Any

from peers import machine
from rich.console import Console
from rich.table import Table

NUM_VALUES = 4096
NUM_ADDENDS = 1024
KEY_BITS = (2048, 3072)
NUM_ROUNDS = 7

Times = dict[tuple[str, int], float]


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(prog="./run bench --bound", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the JSON goes")
    parser.add_argument("--worker", choices=["operations", "encrypt"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker == "operations":
        print(json.dumps(measure_operations()))
        return
    if options.worker == "encrypt":
        print(json.dumps(encryptions_per_second()))
        return

    import veilsum as vs

    results: dict[str, Any] = machine.describe(dict(vs.cpu()))
    kernel_times, shares = kernel_benchmark()
    measured = run_worker("operations", cores={min(os.sched_getaffinity(0))}, num_threads=1)
    results["operations"] = [
        {
            "operation": name,
            "key_bits": bits,
            "microseconds": 1e6 * whole,
            "kernel_microseconds": 1e6 * kernel_seconds(name, bits, kernel_times),
        }
        for name, bits, whole in measured
    ]
    results["madd52_shares"] = [
        {"operation": name, "bits": bits, "percent": share}
        for (name, bits), share in shares.items()
        if share
    ]
    results["threads"] = threads_beside_processes()
    show(results)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def kernel_benchmark() -> tuple[Times, Times]:
    """Seconds of each kernel operation, and its share of the madd52 rate in per cent."""
    command = [str(machine.ROOT / "build/release/veilsum_bench"), "--csv"]
    core = min(os.sched_getaffinity(0))
    lines = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    ).stdout.splitlines()
    times: Times = {}
    shares: Times = {}
    for line in lines:
        name, bits, nanoseconds, share = line.rsplit(",", 3)
        times[name, int(bits)] = 1e-9 * float(nanoseconds)
        shares[name, int(bits)] = float(share)
    return times, shares


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


def measure_operations() -> list[tuple[str, int, float]]:
    """Median processor seconds a value of each operation; runs in a process of its own."""
    return [
        (name, bits, seconds)
        for bits in KEY_BITS
        for name, seconds in measure_operations_of(bits).items()
    ]


def measure_operations_of(bits: int) -> dict[str, float]:
    """The same for one key."""
    import numpy as np
    import veilsum as vs

    sk = vs.generate_key(bits)
    pk = sk.public_key
    values = np.arange(NUM_VALUES)
    pool = pk.precompute((NUM_ROUNDS + 1) * NUM_VALUES)
    c = pk.encrypt(values)
    few = c[:512]
    matrix = c[np.arange(8 * NUM_ADDENDS).reshape(NUM_ADDENDS, 8) % NUM_VALUES]
    return {
        "encrypt": seconds(lambda: pk.encrypt(values)) / NUM_VALUES,
        "encrypt, key owner": seconds(lambda: sk.encrypt(values)) / NUM_VALUES,
        "encrypt, pool": seconds(lambda: pk.encrypt(values, pool=pool)) / NUM_VALUES,
        "decrypt": seconds(lambda: sk.decrypt_plaintexts(few)) / len(few),
        "add": seconds(lambda: c + c, repeat=20) / NUM_VALUES,
        f"sum of {NUM_ADDENDS}": seconds(lambda: matrix.sum(axis=0), repeat=4) / matrix.size,
    }


def seconds(function: Callable[[], object], repeat: int = 1) -> float:
    """Median processor time of a call."""
    function()
    times = []
    for _ in range(NUM_ROUNDS):
        start = time.process_time()
        for _ in range(repeat):
            function()
        times.append(time.process_time() - start)
    return statistics.median(times) / repeat


def encryptions_per_second() -> float:
    """Of the clock, the best of some rounds; runs in a process of its own."""
    import numpy as np
    import veilsum as vs

    pk = vs.generate_key(2048).public_key
    values = np.arange(4 * NUM_VALUES)
    pk.encrypt(values[:8])
    best = float("inf")
    for _ in range(NUM_ROUNDS):
        start = time.perf_counter()
        pk.encrypt(values)
        best = min(best, time.perf_counter() - start)
    return len(values) / best


def threads_beside_processes() -> dict[str, float] | None:
    """Encryptions a second by two threads, and by two processes pinned to a core each."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        return None
    threads = run_worker("encrypt", cores=set(cores), num_threads=2)
    processes = [start_worker("encrypt", cores={core}, num_threads=1) for core in cores]
    together = sum(json.loads(process.communicate()[0]) for process in processes)
    return {"two threads": threads, "two processes": together}


def start_worker(name: str, *, cores: set[int], num_threads: int) -> subprocess.Popen[str]:
    """This file again, on some cores."""
    return subprocess.Popen(
        [sys.executable, __file__, "--worker", name],
        env=os.environ | {"VEILSUM_NUM_THREADS": str(num_threads)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def run_worker(name: str, *, cores: set[int], num_threads: int) -> Any:
    """What such a process finds."""
    process = start_worker(name, cores=cores, num_threads=num_threads)
    output = process.communicate()[0]
    if process.returncode != 0:
        raise SystemExit(f"the measurement of {name} failed")
    return json.loads(output)


def show(results: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console()
    console.print(f"{results['processor']}, kernel {results['veilsum']['kernel']}")
    table = Table("operation", "key bits", "us a value", "its kernel, us", "ratio")
    for row in results["operations"]:
        whole, inside = row["microseconds"], row["kernel_microseconds"]
        table.add_row(
            row["operation"],
            str(row["key_bits"]),
            f"{whole:.2f}",
            f"{inside:.2f}",
            f"{whole / inside:.2f}",
        )
    console.print(table)
    if results["madd52_shares"]:
        table = Table("kernel operation", "bits", "% of the madd52 rate")
        for row in results["madd52_shares"]:
            table.add_row(row["operation"], str(row["bits"]), f"{row['percent']:.1f}")
        console.print(table)
    if results["threads"] is not None:
        threads, processes = results["threads"].values()
        console.print(
            f"encryptions a second at 2048 bits: {threads:,.0f} by two threads, {processes:,.0f} "
            f"by two processes: {100 * threads / processes:.1f} %"
        )


if __name__ == "__main__":
    main()
