"""`./run test` needs nothing but git and python3: what else it calls, `run` installs.

A bare Debian is the judge. Here it is a list of what such a machine has, and all names of programs
that tests, examples, benchmarks and scripts have in them.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from called_commands import in_python, in_shell

ROOT = Path(__file__).resolve().parent.parent
BARE = {
    line
    for line in (ROOT / "tests" / "bare_debian.txt").read_text().splitlines()
    if not line.startswith("#")
}
RUN = (ROOT / "run").read_text()
PROJECT = (ROOT / "pyproject.toml").read_text()

# What the packages that `run` installs bring, with those they depend on.
SYSTEM = {
    "clang": {"clang++"},
    "g++": {"c++", "g++", "nm", "objdump"},
    "m4": {"m4"},
    "make": {"make"},
    "openssl": {"openssl"},
    "openssh-client": {"ssh-keygen"},
    "qemu-user": {"qemu-aarch64"},
    "valgrind": {"valgrind"},
}
# What the packages of pyproject.toml put into the environments that `run` makes.
ENVIRONMENT = {
    "cmake": {"cmake", "ctest"},
    "clang-format": {"clang-format"},
    "import-linter": {"lint-imports"},
    "mypy": {"mypy"},
    "ruff": {"ruff"},
    "codespell": {"codespell"},
    "flwr": {"flwr", "flower-superlink", "flower-supernode"},
    "veilsum": {"veilsum"},
}
WHY_ALLOWED = {
    "node": "tests of the site's calculator are skipped without it",
    "no-such-python": "a test that it is missing",
    "pip": "a line of a README for its reader, which the test of the README leaves out",
    "python": "of a worker in a test that starts no process",
    "sudo": "run looks whether it is there",
}


def called():
    """All programs that are called by name outside of the package, which calls none."""
    folders = ("bench", "examples", "tests", "wheels")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    files.append(ROOT / "noxfile.py")
    found = in_python({path.with_suffix("").as_posix(): path.read_text() for path in files})
    scripts = [ROOT / "run", ROOT / ".ci" / "run", *(ROOT / "examples").rglob("*.sh")]
    for script in scripts:
        found |= in_shell(script.read_text())
    for page in (ROOT / "examples").rglob("README.md"):
        found |= in_shell("".join(re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.M | re.S)))
    return found


def test_everything_that_is_called_is_there_or_is_installed():
    brought = set().union(*SYSTEM.values(), *ENVIRONMENT.values())
    found = called()
    assert {"git", "nm", "sh", "openssl"} <= found
    missing = found - BARE - brought
    assert missing - set(WHY_ALLOWED) == set(), "run must install it, or a test do without it"
    assert set(WHY_ALLOWED) - missing == set(), "nothing calls it any more, or it is there"


@pytest.mark.parametrize("package", SYSTEM)
def test_what_brings_programs_is_what_run_installs(package):
    begin = RUN.index("missing_packages() {")
    function = RUN[begin : RUN.index("\n}\n", begin)]
    assert package in " ".join(re.findall(r"echo (.+)$", function, re.MULTILINE)).split()


@pytest.mark.parametrize("package", ENVIRONMENT)
def test_what_environments_have_is_in_pyproject(package):
    assert re.search(rf"^(name = )?\s*\[?.*\"{re.escape(package)}\b", PROJECT, re.MULTILINE)


def test_scripts_for_continuous_integration_call_nothing_else():
    assert in_shell((ROOT / ".ci" / "run").read_text()) <= BARE


# ---- the list of what is there ----


def debian_packages():
    """What each installed package depends on, and which are always there."""
    form = "${Package}\t${Essential}\t${Priority}\t${Depends}, ${Pre-Depends}\t${Provides}\n"
    query = ["dpkg-query", "--show", f"--showformat={form}"]
    rows = subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()
    depends, always = {}, {"apt", "git", "python3"}
    for name, essential, priority, needed, _ in (row.split("\t") for row in rows):
        depends[name] = set(re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", needed))
        if essential == "yes" or priority == "required":
            always.add(name)
    return depends, always


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="not a Debian")
def test_list_of_programs_has_none_of_a_package_that_is_not_always_there():
    depends, packages = debian_packages()
    while more := set().union(*(depends.get(name, set()) for name in packages)) - packages:
        packages |= more
    listing = subprocess.run(
        ["dpkg-query", "--listfiles", *sorted(packages & set(depends))],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = {os.path.realpath(line) for line in listing.splitlines() if "bin/" in line}
    here = {name: shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin") for name in BARE}
    others = {name for name, path in here.items() if path and os.path.realpath(path) not in files}
    # Of several packages that have a program, as awk, this machine may have chosen another.
    chosen = {name for name in others if os.path.islink(here[name])}
    chosen = {name for name in chosen if os.readlink(here[name]).startswith("/etc/alternatives/")}
    assert others - chosen == set()


# ---- what is found ----


@pytest.mark.parametrize(
    "text",
    [
        'subprocess.run(["tool", "-x"])',
        'subprocess.Popen(args=("tool", path))',
        'subprocess.run("tool -x | sort", shell=True)',
        'os.system("cd /tmp && tool -x")',
        'shutil.which("tool")',
        'command = ["tool"]\ncommand += ["-x"]\nsubprocess.run(command)',
        'def f():\n    line: list = ["tool", "-x"]\n    subprocess.run([str(w) for w in line])',
        'subprocess.run(["tool", *rest] if x else ["sort"])',
        'subprocess.run(["tool"] + rest)',
        'subprocess.run([*map(str, ["tool", 1])])',
        'subprocess.run(["sh", "-c", "sort x; tool"])',
        'for name in ("sort", "tool"):\n    shutil.which(name)',
        'def run(*command, cwd):\n    subprocess.run(command)\nrun("tool", "-x", cwd=x)',
        'def g(words):\n    subprocess.run(words)\ndef f(line):\n    g([*line])\nf(["tool"])',
        "class P:\n    def start(self, name, line):\n        subprocess.run(line)\n"
        'p.start("x", ["tool"])',
        'def f(*, line):\n    subprocess.run(line)\nf(line=["tool"])',
    ],
)
def test_commands_in_python_are_found(text):
    assert "tool" in in_python({"file": text})


def test_commands_that_another_file_starts_are_found_and_namesakes_are_not():
    starts = "def run(*words):\n    subprocess.run(words)"
    calls = 'from starts import run\nrun("tool")'
    assert in_python({"starts": starts, "calls": calls}) == {"tool"}
    assert in_python({"starts": starts, "other": "def run(x): pass\nrun('tool')"}) == set()


@pytest.mark.parametrize(
    "text",
    [
        "tool -x",
        "A=1 tool",
        "if ! tool; then sort; fi",
        "sort x | tool >/dev/null 2>&1",
        "sort && tool",
        'x="$(tool -x)"',
        "x=$(sort $(tool))",
        "case $1 in\n    a | b) tool ;;\nesac",
        "for x in a b; do tool; done",
        "(cd x && exec tool) &",
        "command -v tool",
        "f() { tool; }\nf",
        "cat <<END\nother things\nEND\ntool",
        "sort 'it''s' \"don't\"\ntool",
    ],
)
def test_commands_in_shell_are_found(text):
    assert "tool" in in_shell(text)


def test_words_in_shell_that_are_no_commands_are_not_found():
    text = """
f() { sort tool; }   # tool
f tool; echo "tool; tool" 'tool; tool' $((tool + 1)) "${x:-tool}"
case tool in tool | tool:x) x=tool ;; esac
case x in
    tool | tool | tool:x) x=tool ;;
esac
for tool in tool; do sort <tool; done
cat <<'END'
tool
END
"""
    assert in_shell(text) == {"sort", "cat"}
