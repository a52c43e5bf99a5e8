"""The memory of an aggregator: a sum over many contributors, in a process of its own.

Run as a program it is that aggregator: it reads the key and one contribution from files, adds the
contribution as often as told, and prints its highest memory on the way.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import veilsum as vs

from bench.machine import ROOT
from bench.records import Run
from bench.workload import CLIP, VALUE_BITS, make_update

DIMS = (125_000, 250_000, 500_000, 1_000_000)
NUM_CONTRIBUTORS = (1, 10, 100, 1000)


def measure_memory(
    run: Run,
    *,
    key_bits: int,
    progress: Callable[[str], object],
    dims: Sequence[int] = DIMS,
    num_contributors: Sequence[int] = NUM_CONTRIBUTORS,
) -> None:
    """A fresh aggregator for each dim, observed at each number of contributors."""
    public_key = vs.generate_key(key_bits).public_key
    for dim in dims:
        progress(f"memory: {dim:,} values, up to {max(num_contributors):,} contributors")
        codec = vs.Codec(dim, clip=CLIP, value_bits=VALUE_BITS, max_addends=max(num_contributors))
        contribution = codec.encrypt(make_update(dim), key=public_key).to_bytes()
        with tempfile.TemporaryDirectory() as folder:
            key_path, contribution_path = Path(folder, "key"), Path(folder, "contribution")
            key_path.write_bytes(public_key.to_bytes())
            contribution_path.write_bytes(contribution)
            counts = [str(count) for count in num_contributors]
            output = subprocess.run(
                [sys.executable, "-m", "bench.memory", key_path, contribution_path, *counts],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        what = {"key_bits": key_bits, "dim": dim, "contribution_bytes": len(contribution)}
        for line in map(json.loads, output.splitlines()):
            run.add("memory", **what, **line)


def peak_bytes() -> int:
    """The most memory this process ever had resident.

    Linux passes getrusage's figure on from whoever started the process; VmHWM starts afresh.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def aggregate(key_path: str, contribution_path: str, counts: list[int]) -> None:
    """Add up, as an aggregator does: one contribution's bytes at a time, checked, then dropped."""
    public_key = vs.PublicKey.from_bytes(Path(key_path).read_bytes())
    baseline = peak_bytes()
    accumulator: Any = None
    start = time.perf_counter()
    for done in range(1, max(counts) + 1):
        vector = vs.EncryptedVector.from_bytes(Path(contribution_path).read_bytes(), public_key)
        accumulator = accumulator or vs.Accumulator(vector.codec, key=public_key)
        accumulator.add(vector)
        if done in counts:
            seconds = (time.perf_counter() - start) / done
            line = {
                "num_contributors": done,
                "peak_bytes": peak_bytes(),
                "baseline_bytes": baseline,
                "seconds_per_contributor": seconds,
            }
            print(json.dumps(line))


if __name__ == "__main__":
    aggregate(sys.argv[1], sys.argv[2], [int(count) for count in sys.argv[3:]])
