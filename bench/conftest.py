"""What every benchmark result carries besides the time: kernel, compiler and commit."""

import os

# Every figure is for one core unless this was set otherwise. Read when veilsum first uses it.
os.environ.setdefault("VEILSUM_NUM_THREADS", "1")

import pytest
import veilsum
from peers.machine import built_with


def pytest_benchmark_update_machine_info(machine_info):
    """Add to the machine (CPU model and cores are there already) how veilsum runs on it."""
    machine_info["veilsum"] = veilsum.cpu()
    machine_info |= built_with()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    """How many times as fast as phe each way is, for every group that has phe in it."""
    session = getattr(config, "_benchmarksession", None)
    medians: dict[str, dict[str, float]] = {}
    for result in getattr(session, "benchmarks", []):
        name = result.name.removeprefix("test_").partition("[")[0]
        medians.setdefault(result.group, {})[name] = result.stats.median
    lines = []
    for group, times in medians.items():
        peer = next((name for name in times if name.endswith("_phe")), None)
        for name, median in times.items():
            if peer and name != peer:
                lines.append(f"{group}: {name} is {times[peer] / median:.1f} times as fast as phe")
    if lines:
        terminalreporter.section("veilsum beside phe with gmpy2, ratio of medians")
        for line in lines:
            terminalreporter.write_line(line)
