"""What every benchmark result carries besides the time: kernel, compiler and commit."""

import os

# Every figure is for one core unless this was set otherwise. Read when veilsum first uses it.
os.environ.setdefault("VEILSUM_NUM_THREADS", "1")

import veilsum

from bench.machine import built_with


def pytest_benchmark_update_machine_info(machine_info):
    """Add to the machine (CPU model and cores are there already) how veilsum runs on it."""
    machine_info["veilsum"] = veilsum.cpu()
    machine_info |= built_with()
