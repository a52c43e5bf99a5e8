"""`./run`: its help is whole, and it refuses what it does not know."""

import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from nox.command import CommandFailed

import noxfile
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
    assert re.search(rf"^\./run {task}\b", run_help(), re.MULTILINE)


@pytest.mark.parametrize("mode", [*MODES, "kernels", "documents"])
def test_help_names_every_benchmark(mode):
    lines = [line for line in run_help().splitlines() if line.startswith("./run bench")]
    assert any(f"--{mode}" in line.split() for line in lines)


def test_unknown_command_is_refused_with_the_help():
    done = subprocess.run([str(ROOT / "run"), "tset"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"{run_help()}\nThere is no command 'tset'.\n"


@pytest.mark.parametrize("broken", [(), ("Python",), ("flower",), ("Python", "nvflare")])
def test_what_the_tests_of_frameworks_say_is_told_whatever_fails(monkeypatch, capfd, broken):
    def tests_of(framework):
        code = f"print('this is {framework}'); raise SystemExit({int(framework in broken)})"
        return [sys.executable, "-c", code], None

    def launch(session, *command):
        if "Python" in broken:
            raise CommandFailed

    def error(why):
        raise RuntimeError(why)

    monkeypatch.setattr(noxfile, "set_up_framework", lambda session, framework: True)
    monkeypatch.setattr(noxfile, "framework_tests", lambda framework, _: tests_of(framework))
    monkeypatch.setattr(noxfile, "launch", launch)
    named = re.escape(", ".join(broken))
    with pytest.raises(RuntimeError, match=f": {named}$") if broken else nullcontext():
        noxfile.run_python_tests(SimpleNamespace(error=error))
    assert capfd.readouterr().out == "this is flower\nthis is nvflare\n"


@pytest.mark.parametrize("has_ifma", [True, False])
@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ("", "dev python"),
        ("-k codec", "dev pytest"),
        ("--flower", "flower"),
        ("--asan", "asan"),
        ("--clang --asan", "asan clang"),
        ("--ctime", "ctime ctime-ifma"),
        ("--all", "asan clang ctime ctime-ifma dev slow pytest flower nvflare"),
        ("--all -k codec", "dev slow pytest"),
        ("--all --nvflare", "nvflare"),
    ],
)
def test_flags_choose_what_is_tested(monkeypatch, arguments, runs, has_ifma):
    done = []

    def launch(session, program, *command):
        done.append("pytest" if "pytest" in command else "slow")

    monkeypatch.setattr(noxfile, "build_extension", lambda session: None)
    monkeypatch.setattr(noxfile, "find_clang", lambda sanitizers: "clang++")
    monkeypatch.setattr(noxfile, "has_ifma", lambda: has_ifma)
    monkeypatch.setattr(noxfile, "launch", launch)
    monkeypatch.setattr(noxfile, "run_cpp_tests", lambda session, preset, *_: done.append(preset))
    monkeypatch.setattr(noxfile, "run_constant_time_check", lambda session: done.append("ctime"))
    monkeypatch.setattr(
        noxfile, "run_framework_tests", lambda session, framework, _: done.append(framework)
    )
    monkeypatch.setattr(noxfile, "run_python_tests", lambda session: done.append("python"))
    noxfile.test(SimpleNamespace(posargs=arguments.split()))
    assert done == [run for run in runs.split() if has_ifma or run != "ctime-ifma"]
