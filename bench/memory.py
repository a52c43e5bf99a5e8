"""The memory of an aggregator: a sum over many contributors, in a process of its own."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import veilsum as vs

from bench.libraries import Library
from bench.process import Worker
from bench.records import Record, Run
from bench.workload import CLIP, VALUE_BITS, Pipeline, make_update

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
            Path(folder, "key").write_bytes(public_key.to_bytes())
            Path(folder, "contribution").write_bytes(contribution)
            library = Library("veilsum", f"{__name__}:Aggregator")
            with Worker(library, sys.executable) as worker:
                answer = worker.ask(
                    "call", method="aggregate", folder=folder, counts=list(num_contributors)
                )
        what = {"key_bits": key_bits, "dim": dim, "contribution_bytes": len(contribution)}
        for found in answer["found"]:
            run.add("memory", **what, **found)


class Aggregator(Pipeline):
    """In the other process."""

    def aggregate(self, folder: str, counts: list[int]) -> dict[str, list[Record]]:
        """Add up one contribution's bytes at a time, checked, then dropped, as often as told."""
        public_key = vs.PublicKey.from_bytes(Path(folder, "key").read_bytes())
        baseline, found = peak_bytes(), []
        accumulator: Any = None
        start = time.perf_counter()
        for done in range(1, max(counts) + 1):
            data = Path(folder, "contribution").read_bytes()
            vector = vs.EncryptedVector.from_bytes(data, public_key)
            accumulator = accumulator or vs.Accumulator(vector.codec, key=public_key)
            accumulator.add(vector)
            if done in counts:
                record = {
                    "num_contributors": done,
                    "peak_bytes": peak_bytes(),
                    "baseline_bytes": baseline,
                    "seconds_per_contributor": (time.perf_counter() - start) / done,
                }
                found.append(record)
        return {"found": found}


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
