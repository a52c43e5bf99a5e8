"""``veilsum privacy``: its figures, its JSON, its plot, and what it says of mistakes."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from test_cli import run
from typer.testing import CliRunner
from veilsum.cli import app
from veilsum.cli.plan import Goal, meaning, plan, trust_levels
from veilsum.cli.plot import curves

PAGE = Path(__file__).resolve().parent.parent / "docs" / "privacy-cli.md"
USUAL = ("--dim", "100000", "--contributors", "100", "--epsilon", "1")


def privacy(*arguments):
    return CliRunner().invoke(app, ["privacy", *USUAL, *arguments])


def figures(*arguments):
    result = privacy("--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def goal(**changes):
    usual = {
        "dim": 5000,
        "contributors": 40,
        "epsilon": 2.0,
        "delta": 1e-6,
        "rounds": 3,
        "noise": "gaussian",
        "norm_bound": 1.0,
        "clip": 0.5,
        "honest": 20,
        "fraction": 1.0,
        "adjacency": "zero-out",
        "weighted": True,
        "value_bits": 16,
        "key_bits": 2048,
    }
    return Goal(**(usual | changes))


def test_the_usual_case_is_told_in_words():
    result = privacy()
    assert result.exit_code == 0
    for words in (
        "Gaussian noise for epsilon 1 at delta 1e-06",
        "1 round of 100 contributors, 100,000 values",
        "teaches next to nothing",
        "ciphertexts",
        "below 2^-64",
        "the server and 50 contributors",
        "whoever sees results only",
        "nobody",
        "half",
        "everyone",
    ):
        assert words in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_page_shows_what_the_command_prints():
    pytest.importorskip("dp_accounting")
    command, shown = re.search(
        r"^```console\n\$ veilsum ([^\n]*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    ).groups()
    printed = CliRunner().invoke(app, command.split()).stdout
    assert [line.rstrip() for line in printed.rstrip().splitlines()] == shown.rstrip().splitlines()


def test_json_has_every_figure_and_only_these():
    found = figures("--rounds", "20", "--fraction", "0.1", "--honest", "30", "--uniform")
    assert set(found) == {
        "veilsum",
        "settings",
        "noise",
        "ciphertexts",
        "weights",
        "epsilon",
        "trust",
    }
    assert set(found["noise"]) == {
        "parameter_grid_steps",
        "standard_deviation_grid_steps",
        "standard_deviation",
        "noise_per_value_of_mean",
        "relative_error",
        "signal_to_noise",
        "meaning",
    }
    assert set(found["ciphertexts"]) == {
        "slot_bits",
        "scheme",
        "mask_bits",
        "num_opened_bytes",
        "num_ciphertexts",
        "num_bytes",
        "num_bytes_for_weights",
        "overflow_probability",
    }
    assert found["weights"] == {
        "noise_of_weight": 0.0,
        "no_mean_probability": 0.0,
        "noise_for_weights": 1.0,
    }
    assert set(found["epsilon"]) == {"colluding", "honest_server", "honest_server_sampled"}
    assert found["settings"]["population"] == 1000
    assert found["settings"]["weighted"] is False
    assert [level["honest_contributors"] for level in found["trust"]] == [1, 50, 100]
    epsilon = found["epsilon"]
    assert epsilon["honest_server"] < epsilon["colluding"] <= 1
    assert math.isclose(epsilon["colluding"], 1, rel_tol=1e-6)
    assert found["ciphertexts"]["overflow_probability"] == 2.0**-64


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_the_figures_are_those_of_the_library(kind):
    chosen = goal(noise=kind, honest=20 if kind == "gaussian" else 1)
    found = plan(chosen)
    common = {"epsilon": 2.0, "rounds": 3, "norm_bound": 1.0}
    noise: Any
    if kind == "gaussian":
        noise = vs.privacy.GaussianNoise(**common, delta=1e-6, honest_contributors=20)
    else:
        noise = vs.privacy.LaplaceNoise(**common)
    codec = noise.fit(vs.Codec(5000, clip=0.5, value_bits=16, max_addends=40))
    assert found.parameter == (noise.sigma if kind == "gaussian" else noise.scale)(codec)
    assert found.deviation_model == noise.standard_deviation(codec) / codec.scale
    assert found.expected == vs.privacy.forecast(noise, codec, num_contributors=40, key_bits=2048)
    key = known_key(2048).secret.public_key
    vector = codec.encrypt(np.zeros(5000), key=key, context=b"a sum")
    assert found.size.scheme == vector.scheme
    assert found.size.num_ciphertexts - len(vector.ciphertexts) in (0, 1)
    assert found.size.num_opened_bytes == found.size.num_ciphertexts * 512
    assert -512 <= len(vector.to_bytes()) - found.size.num_bytes < 300


def test_amplification_is_shown_for_those_who_do_not_know_who_took_part():
    pytest.importorskip("dp_accounting")
    found = figures("--rounds", "20", "--fraction", "0.1")
    assert found["epsilon"]["honest_server_sampled"] < found["epsilon"]["honest_server"]
    assert figures("--rounds", "20")["epsilon"]["honest_server_sampled"] is None
    result = privacy("--rounds", "20", "--fraction", "0.1")
    assert "and not who took part" in " ".join(result.stdout.split())


def test_without_the_extra_its_line_says_how_to_get_it():
    result = run("privacy", *USUAL, "--fraction", "0.1", hidden=("dp_accounting",))
    assert result.returncode == 0, result.stderr
    assert "pip install 'veilsum[accounting]'" in " ".join(result.stdout.split())


def test_trust_costs_noise():
    nobody, half, everyone = trust_levels(goal())
    assert [level.goal.honest for level in (nobody, half, everyone)] == [1, 20, 40]
    assert math.isclose(nobody.parameter / everyone.parameter, math.sqrt(40), rel_tol=1e-3)
    assert nobody.expected.signal_to_noise < half.expected.signal_to_noise
    for level in (nobody, half, everyone):
        assert math.isclose(level.expected.epsilon_colluding, 2.0, rel_tol=1e-6)
    assert len(trust_levels(goal(contributors=1, honest=1))) == 1
    assert [level.goal.honest for level in trust_levels(goal(noise="laplace", honest=1))] == [1]


def test_signal_to_noise_has_words():
    words = [meaning(value) for value in (0.01, 0.5, 5.0, 50.0)]
    assert len(set(words)) == 4


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_the_plot_marks_the_chosen_point(kind, tmp_path):
    path = tmp_path / "privacy.png"
    result = privacy("--noise", kind, "--plot", str(path))
    assert result.exit_code == 0, result.output
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in "".join(result.stdout.split())
    chosen = goal(noise=kind, honest=20 if kind == "gaussian" else 1)
    found = curves(chosen)
    assert any("Laplace" in label for label in found)
    assert any("20 of 40 honest" in label for label in found)
    ours = next(points for label, points in found.items() if label.lower().startswith(kind))
    middle = dict(ours)[chosen.epsilon]
    assert math.isclose(middle, plan(chosen).relative_error, rel_tol=1e-9)
    for points in found.values():
        errors = [error for _, error in points]
        assert errors == sorted(errors, reverse=True)
        assert len(points) == 41


def test_json_and_plot_go_together(tmp_path):
    result = privacy("--json", "--plot", str(tmp_path / "a.png"))
    assert json.loads(result.stdout)
    assert "a.png" in result.stderr


def test_without_matplotlib_the_plot_names_the_extra(tmp_path):
    path = str(tmp_path / "a.png")
    result = run("privacy", *USUAL, "--plot", path, hidden=("matplotlib",))
    assert result.returncode == 2
    assert result.stderr.strip().count("\n") == 0
    assert "pip install 'veilsum[plot]'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dim", "0"], "dim"),
        (["--contributors", "0"], "contributors"),
        (["--epsilon", "-1"], "epsilon"),
        (["--epsilon", "nan"], "epsilon"),
        (["--delta", "0"], "delta"),
        (["--delta", "1"], "delta"),
        (["--rounds", "0"], "rounds"),
        (["--norm-bound", "inf"], "--norm-bound is"),
        (["--clip", "0"], "clip"),
        (["--honest", "101"], "honest"),
        (["--honest", "0"], "honest"),
        (["--fraction", "0"], "fraction"),
        (["--fraction", "1.5"], "fraction"),
        (["--noise", "laplace", "--honest", "2"], "leave --honest out"),
        (["--noise", "laplace", "--delta", "1e-9"], "leave --delta out"),
        (["--value-bits", "40", "--epsilon", "1e-9"], "fewer --value-bits"),
        (["--value-bits", "99"], "--value-bits is"),
        (["--key-bits", "5"], "key"),
        (["--plot", "/there/is/no/such/folder/a.png"], "No such file"),
        (["--plot", "a.nonsense"], ".png"),
    ],
)
def test_mistakes_get_one_line_that_names_them(arguments, message):
    result = privacy(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("veilsum privacy: ")
    assert result.stderr.count("\n") == 1


def test_a_word_for_a_number_is_refused():
    result = CliRunner().invoke(app, ["privacy", "--dim", "many"])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
