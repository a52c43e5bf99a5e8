"""Every kernel gives the same bytes for the same inputs and randomness, and those of the reference.

Each runs in a process of its own, because a process keeps the kernel it began with.
"""

import functools
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import engine_steps
import pytest
import veilsum as vs

KERNELS = ("portable", "avx2", "ifma")
FAST_KEYS = (*engine_steps.TOY_KEYS, "2048")
SLOW_KEYS = tuple(name for name in engine_steps.KEYS if name not in FAST_KEYS)

every_kernel = pytest.mark.parametrize("kernel", KERNELS)
every_key = pytest.mark.parametrize(
    "name", [*FAST_KEYS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_KEYS)]
)


@functools.cache
def digests_here(name):
    return engine_steps.digests(name)


def digests_of(kernel, names):
    """Those that a process with that kernel finds."""
    if kernel not in ("portable", *vs.cpu()["features"]):
        pytest.skip(f"this processor does not run the {kernel} kernel")
    result = subprocess.run(
        [sys.executable, engine_steps.__file__, *names],
        env={**os.environ, "VEILSUM_ISA": kernel, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["kernel"] == kernel
    return report["digests"]


@every_kernel
def test_kernels_agree_to_the_byte(kernel):
    assert digests_of(kernel, FAST_KEYS) == {name: digests_here(name) for name in FAST_KEYS}


@pytest.mark.slow
@every_kernel
def test_kernels_agree_to_the_byte_on_large_keys(kernel):
    assert digests_of(kernel, SLOW_KEYS) == {name: digests_here(name) for name in SLOW_KEYS}


@every_key
def test_steps_match_the_reference(name):
    steps = engine_steps.run(name)
    expected = engine_steps.expected(name)
    assert steps.keys() - {"accumulator"} == expected.keys()
    for step, values in expected.items():
        flat = steps[step].to_ints()
        assert flat == values, step


def test_available_kernels_are_tested():
    assert vs.cpu()["kernel"] in KERNELS


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").exists() or platform.machine() != "x86_64",
    reason="Linux tells its own finding of x86-64 processors there",
)
def test_features_are_those_that_the_system_found():
    flags = set(Path("/proc/cpuinfo").read_text().split())
    needed = {
        "avx2": {"avx2"},
        "fma": {"fma"},
        "avx512": {"avx512f", "avx512bw", "avx512vl"},
        "ifma": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vbmi", "avx512ifma"},
        "aes": {"aes"},
        "vaes": {"avx2", "vaes"},
    }
    there = [name for name, names in needed.items() if names <= flags]
    assert vs.cpu()["features"] == there
