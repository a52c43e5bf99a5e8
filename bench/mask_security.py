"""How hard the lattice problem behind masked sums is, by Albrecht's public estimator.

No part of ``./run bench``, since it needs Sage and takes half an hour. In a fresh environment:

    pip install passagemath-symbolics passagemath-plot
    git clone https://github.com/malb/lattice-estimator
    python -m bench.mask_security lattice-estimator

The problem is plain LWE of dimension N, modulo 2^log2_q, with secret and errors of width 3.2, and
as many samples as an attacker wants. docs/masks.md says why it is this one.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import subprocess
import sys
import time
from math import log2
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.records import Run, read

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results" / "mask_security.json"

WIDTH = 3.2  # Half of what is drawn: what is left of it once a sum of secrets is known.
LOG2_Q = {2048: range(24, 57), 4096: range(48, 113, 2)}  # One prime, or two of one length.
# What a short vector of a lattice of dimension beta costs, by the estimator's names.
MODELS = {"matzov": "MATZOV", "bdgl16": "BDGL16", "core_svp": "ADPS16"}
ATTACKS = {"usvp": "primal_usvp", "bdd": "primal_bdd", "dual_hybrid": "dual_hybrid"}


def load_estimator(folder: Path) -> ModuleType:
    """The estimator, on Sage or on the two parts of it that it uses."""
    try:
        importlib.import_module("sage.all")
    except ModuleNotFoundError:
        whole = ModuleType("sage.all")
        for part in ("symbolics", "plot"):
            names = vars(importlib.import_module(f"sage.all__sagemath_{part}"))
            vars(whole).update({name: names[name] for name in names if not name.startswith("__")})
        sys.modules["sage.all"] = whole
    sys.path.insert(0, str(folder))
    return importlib.import_module("estimator")


def estimates(estimator: Any, ring_dim: int, log2_q: int) -> dict[str, dict[str, float]]:
    """The bits of each attack, by what a short vector costs."""
    gaussian = estimator.ND.DiscreteGaussian(WIDTH)
    sage = importlib.import_module("sage.all")
    problem = estimator.LWE.Parameters(
        n=ring_dim,
        q=sage.RR(2) ** log2_q,  # An integer's logarithm would be a symbol, which is slow.
        Xs=gaussian,
        Xe=gaussian,
        m=sage.oo,
    )
    costs = importlib.import_module("estimator.reduction").RC

    def bits(model: str, attack: str) -> float:
        cost = getattr(estimator.LWE, attack)(problem, red_cost_model=getattr(costs, model))
        return round(log2(cost["rop"]), 2)

    return {
        model: {attack: bits(MODELS[model], call) for attack, call in ATTACKS.items()}
        for model in MODELS
    }


def add_point(run: Run, ring_dim: int, log2_q: int, bits: dict[str, dict[str, float]]) -> None:
    """Note the least of each model, and all attacks."""
    least = {model: min(attacks.values()) for model, attacks in bits.items()}
    run.add("estimates", ring_dim=ring_dim, log2_q=log2_q, **least, attacks=bits)
    run.records["estimates"].sort(key=lambda point: (point["ring_dim"], point["log2_q"]))


def settings(folder: Path) -> dict[str, Any]:
    """What the estimates depend on."""
    commit = subprocess.run(
        ["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    sage = next(
        f"{found.metadata['Name']} {found.version}"
        for name in ("sagemath-standard", "passagemath-symbolics")
        for found in importlib.metadata.distributions(name=name)
    )
    return {"lattice_estimator": commit.stdout.strip(), "sage": sage, "width": WIDTH}


def main(arguments: list[str]) -> None:
    """Estimate what is not in the file yet, and write the file after each point."""
    parser = argparse.ArgumentParser(prog="python -m bench.mask_security", description=__doc__)
    parser.add_argument("estimator", type=Path, help="the folder of the estimator, a git clone")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args(arguments)
    wanted = settings(options.estimator)
    machine = {"python": sys.version.split()[0], "date": time.strftime("%Y-%m-%d")}
    run = read(options.json) if options.json.exists() else Run(machine, wanted)
    if run.settings != wanted:
        parser.error(f"{options.json} is of {json.dumps(run.settings)}; move it away")
    estimator = load_estimator(options.estimator)
    for ring_dim, logarithms in LOG2_Q.items():
        for log2_q in logarithms:
            if not run.one("estimates", ring_dim=ring_dim, log2_q=log2_q):
                add_point(run, ring_dim, log2_q, estimates(estimator, ring_dim, log2_q))
                run.write(options.json)
                print(f"N = {ring_dim}, log2 Q = {log2_q}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
