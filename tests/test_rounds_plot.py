"""The plot of a run's rounds."""

import subprocess
import sys

import pytest
from veilsum.errors import MissingExtraError
from veilsum.integrations.rounds_plot import plot_rounds


def rounds(number):
    return [
        {
            "server_round": i + 1,
            "invited": ["a", "b", "c"],
            "contributors": [] if i == 2 else ["a", "b"],
            "abandoned": "too few" if i == 2 else None,
            "seconds": {"train": 3.0, "add": 0.1} | ({} if i == 2 else {"open": 1.0, "step": 0.1}),
            "num_bytes": {"contributions": 10**6, "requests": 10**5} if i else {},
        }
        for i in range(number)
    ]


@pytest.mark.parametrize("number", [1, 4])
def test_the_plot_is_a_picture_that_replaces_the_last_one(tmp_path, number):
    path = tmp_path / "rounds.png"
    path.write_bytes(b"an older one")
    plot_rounds(rounds(number), path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n")
    assert [found.name for found in tmp_path.iterdir()] == ["rounds.png"]


def test_what_is_no_history_is_no_picture(tmp_path):
    with pytest.raises(KeyError):
        plot_rounds([{"server_round": 1}], tmp_path / "rounds.png")
    assert list(tmp_path.iterdir()) == []


def test_the_plot_without_its_library_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'veilsum\[plot\]'"):
        plot_rounds(rounds(1), tmp_path / "rounds.png")


def test_the_library_is_loaded_for_a_plot_only():
    code = "import sys, veilsum.integrations.rounds_plot; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
