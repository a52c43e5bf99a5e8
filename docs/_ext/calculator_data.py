"""What the calculator of docs/calculator.md does not compute: strengths of rings, seconds measured.

Both are taken from bench/results when the site is made.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results"
_ROUNDS = "scale-amd-epyc.json"


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx call this."""
    app.connect("build-finished", write_data)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_data(app: Sphinx, error: Exception | None) -> None:
    """Write the data beside the scripts that read it."""
    if error is None:
        path = Path(app.outdir) / "_static" / "calculator_data.js"
        path.write_text(f"const DATA = {json.dumps(data())};\n", encoding="utf-8")


def data() -> dict[str, Any]:
    """Of rings ``[log_dim, modulus_bits, core_svp, matzov]``, rounded down; of rounds, figures."""
    estimates = json.loads((_RESULTS / "mask_security.json").read_text())["estimates"]
    rounds = json.loads((_RESULTS / _ROUNDS).read_text())
    return {
        "strengths": [
            [
                int(math.log2(each["ring_dim"])),
                each["log2_q"],
                math.floor(each["core_svp"] * 10) / 10,
                math.floor(each["matzov"] * 10) / 10,
            ]
            for each in sorted(estimates, key=lambda each: (each["ring_dim"], each["log2_q"]))
        ],
        "machine": rounds["machine"]["processor"],
        "date": rounds["machine"]["date"],
        "keyBits": rounds["settings"]["key_bits"],
        "points": [
            {
                "method": point["method"],
                "dim": point["dim"],
                "clients": point["num_contributors"],
                "seconds": point["seconds"],
            }
            for point in rounds["points"]
            if point["method"].startswith("veilsum")
        ],
    }
