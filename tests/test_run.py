"""`./run`: its help is whole, and it refuses what it does not know."""

import re
import subprocess
from pathlib import Path

import pytest

from bench.__main__ import MODES

ROOT = Path(__file__).resolve().parent.parent
NOXFILE = (ROOT / "noxfile.py").read_text()
sessions = re.findall(r"^@nox\.session.*\ndef (\w+)", NOXFILE, re.MULTILINE)


def run_help():
    command = [str(ROOT / "run"), "help"]
    bare = {"PATH": "/usr/bin:/bin"}  # It needs no Python.
    return subprocess.run(command, env=bare, check=True, capture_output=True, text=True).stdout


def test_help_is_the_docstring_of_the_tasks():
    assert run_help() == NOXFILE.split('"""')[1]


@pytest.mark.parametrize("task", sessions)
def test_help_names_every_task(task):
    assert f"\n./run {task} " in run_help()


@pytest.mark.parametrize("mode", [*MODES, "kernels", "documents"])
def test_help_names_every_benchmark(mode):
    lines = [line for line in run_help().splitlines() if line.startswith("./run bench")]
    assert any(f"--{mode}" in line.split() for line in lines)


def test_unknown_command_is_refused_with_the_help():
    done = subprocess.run([str(ROOT / "run"), "tset"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"{run_help()}\nThere is no command 'tset'.\n"
