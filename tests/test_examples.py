"""The numbered examples run, and print what they promise."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

PRINTS = {
    "01_secure_sum.py": "sum of 3 vectors",
    "02_threshold.py": "sum of ada, bob, cyd: [-0.4",
    "03_fedavg_numpy.py": "authority: accuracy",
    "04_noise_and_budget.py": "of which 0 is left after 2 contributions",
    "08_relays.py": "sum of ada, bob, cyd, dan, eve",
    "12_https_round.py": "over HTTPS, the mean of 5: 0.0300",
    "07_pytorch_cnn.py": "round 4: accuracy 0.9",
}
NEEDS = {"07_pytorch_cnn.py": ("sklearn", "torch")}


@pytest.mark.parametrize("name", PRINTS)
def test_example_runs(name):
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module)
    result = subprocess.run(
        [sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert PRINTS[name] in result.stdout


def test_every_numbered_script_is_run():
    scripts = {path.name for path in EXAMPLES.glob("[0-9]*.py")}
    assert scripts == set(PRINTS)
