"""``./run bench --frameworks``: a round of federated averaging in each framework, by party."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from peers.install import NotInstallableError, interpreter
from peers.libraries import Library
from peers.machine import ROOT

from rounds.results import Results
from rounds.workload_w import FLOWER, QUIET, Progress, add_peer

NUM_CLIENTS = 10
NVFLARE = ("nvflare>=2.9", "tenseal>=0.3.16", "numpy")
_ADAPTERS = "rounds.adapters"


def methods(num_clients: int) -> list[tuple[Library, dict[str, int]]]:
    """Each with the arguments of its round, besides dim and num_clients."""

    def flower(name: str, adapter: str) -> Library:
        return Library(name, f"{_ADAPTERS}.{adapter}", "", FLOWER, QUIET)

    nvflare = Library("NVFlare, CKKS", f"{_ADAPTERS}.nvflare:Ckks", "", NVFLARE)
    return [
        (flower("Flower, plain FedAvg", "flower:Plain"), {}),
        (flower("Flower, SecAgg+", "flower:SecAggPlus"), {"num_shares": num_clients}),
        (nvflare, {}),
        (flower("veilsum in Flower, authority", "flower_veilsum:Authority"), {}),
        (flower("veilsum in Flower, threshold", "flower_veilsum:Threshold"), {}),
    ]


def measure_frameworks(results: Results, options: argparse.Namespace, progress: Progress) -> None:
    """One method after another, each in a process of its own, on one core."""
    ready: set[str] = set()
    for library, more in methods(options.contributors):
        progress(f"{library.name}: {options.contributors} clients")
        if library.is_ours:
            try:
                python = interpreter(library.requirements, options.peers_python)
                if python not in ready:
                    install_veilsum(python)
                    ready.add(python)
            except (NotInstallableError, subprocess.CalledProcessError) as error:
                results.missing[library.name] = str(error)
                continue
        size = {"dim": options.dim, "num_clients": options.contributors, **more}
        add_peer(
            results,
            library,
            options.peers_python,
            size,
            options.contributors,
            options.contributors,
            key_bits=options.key_bits[0] if library.is_ours else 0,
        )


def install_veilsum(python: str) -> None:
    """veilsum as it is here, into another environment."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        wheel = [*pip, "wheel", "--no-build-isolation", "--no-deps", ".", "--wheel-dir", folder]
        subprocess.run([*wheel, "--config-settings=build-dir=build/editable"], check=True, cwd=ROOT)
        [built] = map(str, Path(folder).glob("*.whl"))
        target = [*pip, "--python", python, "install", "--force-reinstall", "--no-deps", built]
        subprocess.run(target, check=True)
