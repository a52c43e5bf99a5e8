"""What every benchmark result carries besides the time: kernel, compiler and commit."""

import subprocess
from pathlib import Path

import veilsum

ROOT = Path(__file__).resolve().parent.parent


def first_line(*command):
    """What a command says first, or "unknown"."""
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return (result.stdout.splitlines() or ["unknown"])[0]


def pytest_benchmark_update_machine_info(machine_info):
    """Add to the machine (CPU model and cores are there already) how veilsum runs on it."""
    cpu = getattr(veilsum, "cpu", None)
    machine_info["veilsum"] = cpu() if cpu else "unknown"
    machine_info["compiler"] = first_line("c++", "--version")
    machine_info["commit"] = first_line("git", "describe", "--always", "--dirty")
