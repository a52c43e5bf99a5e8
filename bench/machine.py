"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def first_line(*command: str) -> str:
    """What a command says first, or "unknown"."""
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return (result.stdout.splitlines() or ["unknown"])[0]


def built_with() -> dict[str, str]:
    """The compiler found here, which built veilsum, and the commit it was built from."""
    return {
        "compiler": first_line("c++", "--version"),
        "commit": first_line("git", "describe", "--always", "--dirty"),
    }


def processor() -> str:
    """The processor's name, with its family and model where the name alone says little."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.*)$", text, re.MULTILINE))
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    name = " ".join(fields["model name"].split())
    if "cpu family" in fields and "model" in fields:
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return name


def num_processors() -> int:
    """The processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe(cpu: dict[str, Any]) -> dict[str, Any]:
    """All of it; ``cpu`` is what ``veilsum.cpu()`` says."""
    return {
        "processor": processor(),
        "num_processors": num_processors(),
        "veilsum": cpu,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "load_average": os.getloadavg()[0],
        **built_with(),
    }


def slug() -> str:
    """The processor's name as part of a file name."""
    name = re.sub(r"\((R|TM|family.*)\)", "", processor())
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
