"""The demo as a user starts it, on a few tiny images."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Ten classes of 8 x 8 images that a softmax can tell apart."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(5)
    classes = random.integers(0, 200, (10, 8, 8))
    for prefix, size in (("train", 400), ("t10k", 100)):
        labels = np.arange(size) % 10
        pixels = np.clip(classes[labels] + random.integers(-40, 40, (size, 8, 8)), 0, 255)
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", pixels)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return folder


def demo(*arguments):
    command = [sys.executable, "-m", "veilsum", "demo", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_the_demo_prints_a_table_and_writes_plots_and_json(images, tmp_path):
    arguments = ["--data-dir", images, "--rounds", 2, "--clients", 20, "--key-bits", 2048]
    where = ["--out", tmp_path / "plots", "--json", tmp_path / "all.json"]
    result = demo(*arguments, *where, "--trust", "contributors")
    assert result.returncode == 0, result.stderr
    for name in ("2NN mixed, encrypted", "softmax, encrypted, Gaussian", "even/odd, plain"):
        assert name in result.stdout
    for plot in ("accuracy.png", "privacy.png"):
        assert (tmp_path / "plots" / plot).read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "all.json").read_text())
    results = {r["name"]: r for r in found["results"]}
    plain, encrypted = results["2NN mixed, plain"], results["2NN mixed, encrypted"]
    assert abs(plain["accuracy"] - encrypted["accuracy"]) < 0.1
    assert encrypted["trust"] == "contributors"
    assert encrypted["num_parameters"] == 64 * 200 + 200 + 200 * 200 + 200 + 200 * 10 + 10
    noisy = results["softmax, encrypted, Gaussian"]["history"][-1]
    assert 0 < noisy["epsilon_honest_server"] <= noisy["epsilon_colluding"] <= 4.0
    assert [t["points"][0][0] for t in found["trade_offs"]] == [0.5, 1.0, 1.0]


def test_key_holders_open_unless_told_otherwise(images, tmp_path):
    arguments = ["--data-dir", images, "--rounds", 1, "--clients", 10, "--key-bits", 2048]
    result = demo(*arguments, "--only", "encrypted", "--out", tmp_path, "--json", "-")
    assert result.returncode == 0, result.stderr
    [trained] = json.loads(result.stdout)["results"]
    assert trained["trust"] == "threshold"


def test_json_alone_goes_to_standard_output(images, tmp_path):
    arguments = ["--data-dir", images, "--rounds", 1, "--clients", 10, "--only", "plain"]
    result = demo(*arguments, "--out", tmp_path, "--json", "-")
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)["results"]) == 2
    assert "accuracy" in result.stderr


def test_mistakes_get_one_line(images, tmp_path):
    for arguments, message in [
        (["--data-dir", tmp_path / "nowhere"], "nowhere"),
        (["--data-dir", images, "--clients", 100_000], "100000"),
        (["--data-dir", images, "--only", "plain", "--epsilon", "no"], "--epsilon"),
        (["--data-dir", images, "--key-bits", 1024], "2048"),
    ]:
        result = demo(*arguments, "--out", tmp_path)
        assert result.returncode != 0
        assert message in result.stderr
        assert "Traceback" not in result.stderr


def test_help_lists_the_options():
    text = demo("--help").stdout
    for option in ("--rounds", "--clients", "--key-bits", "--epsilon", "--trust", "--json"):
        assert option in text
