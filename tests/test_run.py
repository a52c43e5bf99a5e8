"""`./run`: its help is whole, and the benchmarks are told apart by their flags."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOXFILE = (ROOT / "noxfile.py").read_text()
sessions = re.findall(r"^@nox\.session.*\ndef (\w+)", NOXFILE, re.MULTILINE)


def flags_of_bench():
    text = (ROOT / "bench" / "__main__.py").read_text()
    return re.findall(r'"(--\w+)": "', text)


def run_help():
    command = [str(ROOT / "run"), "help"]
    bare = {"PATH": "/usr/bin:/bin"}  # It needs no Python.
    return subprocess.run(command, env=bare, check=True, capture_output=True, text=True).stdout


def test_help_is_the_docstring_of_the_tasks():
    assert run_help() == NOXFILE.split('"""')[1]


@pytest.mark.parametrize("task", sessions)
def test_help_names_every_task(task):
    assert f"\n./run {task} " in run_help()


@pytest.mark.parametrize("flag", flags_of_bench())
def test_help_names_every_benchmark(flag):
    lines = [line for line in run_help().splitlines() if line.startswith("./run bench")]
    assert any(flag in line.split() for line in lines)


def test_unknown_command_is_refused_with_the_help():
    done = subprocess.run([str(ROOT / "run"), "tset"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"{run_help()}\nThere is no command 'tset'.\n"


def bench(*arguments):
    command = [sys.executable, str(ROOT / "bench"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_flags_of_two_benchmarks_are_refused():
    done = bench("--quick", "--scale")
    assert done.returncode == 1
    assert "--quick and --scale are different benchmarks" in done.stderr


@pytest.mark.parametrize("flag", ["--quick", "--scale", "--bound", "--timing"])
def test_benchmark_has_a_help_of_its_own(flag):
    done = bench(flag, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ./run bench")


def test_benchmarks_have_an_overview():
    done = bench("--help")
    assert done.returncode == 0
    assert all(flag in done.stdout for flag in flags_of_bench())
