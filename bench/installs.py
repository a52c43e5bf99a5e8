"""What it takes to have a library: bytes to download, bytes on disk, seconds to import."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench.machine import ROOT
from bench.process import HOME, output_of
from bench.records import OURS, Run

# What is installed, and what is imported.
PACKAGES = {
    "numpy": "numpy",
    OURS: "veilsum",
    "phe": "phe",
    "gmpy2": "gmpy2",
    "tenseal": "tenseal",
    "cryptography": "cryptography.hazmat.primitives.ciphers.aead",
}
_IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
_SIZE = """
import json
from importlib.metadata import distribution
dist = distribution("{}")
files = {{path for file in dist.files if (path := dist.locate_file(file)).is_file()}}
print(json.dumps([dist.version, sum(path.stat().st_size for path in files)]))
"""


def measure_installs(
    run: Run, options: argparse.Namespace, progress: Callable[[str], object]
) -> None:
    """The wheel of this Python in dist/ beside others from PyPI, in one environment.

    Raises:
        ValueError: there is no such wheel in dist/.
        LibraryError: pip or venv failed.
    """
    home = HOME / "installs"
    wheels = home / "wheels"
    wheel = wheel_of_this_python(ROOT / "dist")
    shutil.rmtree(home, ignore_errors=True)
    progress("downloading")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    others = [name for name in PACKAGES if name != OURS]
    # Not cached: a package that has no wheel would show the one that pip built of it.
    only = ("--only-binary", ":all:", "--no-cache-dir")
    output_of([*pip, "download", "--no-deps", *only, "--dest", str(wheels), *others])
    shutil.copy(wheel, wheels)
    progress("installing")
    output_of([sys.executable, "-m", "venv", "--without-pip", str(home / "environment")])
    python = str(home / "environment" / "bin" / "python")
    files = sorted(wheels.glob("*.whl"))
    output_of([*pip, "--python", python, "install", *map(str, files)])
    for name in PACKAGES:
        [file] = [path for path in files if path.name.startswith(f"{name}-")]
        version, installed = json.loads(output_of([python, "-I", "-c", _SIZE.format(name)]))
        what = {"library": name, "version": version, "wheel_bytes": file.stat().st_size}
        run.add("installs", **what, installed_bytes=installed, seconds=[])
    for done in range(options.rounds + 1):
        progress(f"importing, {done} of {options.rounds}")
        for record in run.all("installs"):
            code = _IMPORT.format(PACKAGES[record["library"]])
            seconds = float(output_of([python, "-I", "-c", code]))
            if done:  # The first time Python compiles, and the system reads from the disk.
                record["seconds"].append(seconds)


def wheel_of_this_python(folder: Path) -> Path:
    """The newest wheel in there that this Python can have.

    Raises:
        ValueError: there is none.
    """
    tag = f"cp3{sys.version_info.minor}"
    wheels = list(folder.glob(f"veilsum-*-{tag}-{tag}-*.whl"))
    if not wheels:
        raise ValueError(f"no wheel for {tag} in dist/: make it first, by ./run wheel")
    return max(wheels, key=lambda path: path.stat().st_mtime)
