"""The tasks of this project; each sets up by itself all it needs.

./run demo [--rounds N] [--json FILE] [...]
    Train MNIST by federated averaging: plain, encrypted, with privacy noise. Prints a table,
    writes plots. ./run demo --help lists the options.
./run test [--all] [--asan | --clang | --ctime | --flower | --nvflare] [pytest arguments]
./run test --platforms [aarch64 | musl | macos]
    Build and run the C++ tests, the Python tests, and those of each framework in an environment of
    its own, .venv-flower and .venv-nvflare. --flower and --nvflare run one framework's alone;
    --asan the C++ tests alone, under AddressSanitizer and UndefinedBehaviorSanitizer, and --clang
    the same, built by Clang; --ctime looks whether time depends on a secret, with valgrind and, for
    the IFMA kernel, Clang's MemorySanitizer. --all adds all these and the slow tests. With pytest
    arguments and none of these, no framework's tests run.
    --platforms builds for other systems: the C++ tests on aarch64, run by QEMU, and with musl; for
    macOS all is compiled and nothing runs. --all leaves these out.
./run fuzz [--minutes M] [--keep] [TARGET...]
    Fuzz the readers of bytes from outside for M minutes, 30 if not given: core (C++, with Clang's
    libFuzzer), one of ./run fuzz --list (Python, with atheris), rounds (whole rounds); all of them
    if none is named. --keep adds what reached new code to tests/fuzz/corpus.
./run lint [--fix]
    Formatting, ruff, mypy, import-linter, stubtest, clang-format and codespell. --fix repairs what
    it can.
./run docs
    The site of the documents and of the public names, into build/site: with every link and table
    checked, and nothing fetched over the network by whoever reads it. A warning is an error.
./run bench [pytest-benchmark arguments]
    What --quick leaves out, with pytest.
./run bench --quick | --peers | --memory [--json FILE] [--out DIR] [...]
    Every operation, a whole model update and noise, as tables, JSON and charts: --quick beside phe
    and numpy, in under two minutes; --peers beside other libraries, which it installs into
    .venv-peers; --memory for the memory of an aggregator. ./run bench --quick --help lists the
    options, such as --only noise.
./run bench --kernels
    The C++ benchmarks of each kernel, beside what the processor could do at best.
./run bench --bound [--json FILE]
    What Python and threads add to the kernels.
./run bench --timing [--seconds S] [--json FILE] [--out DIR]
    Whether the time of a call tells how large its noise is, beside numpy and OpenDP: minutes.
./run bench --federation [--measured N] [--json FILE] [--out DIR] [...]
    A secure sum of 100 contributors, a million values each: seconds and bytes of every phase of
    every party, beside Flower's SecAgg+ and TenSEAL's CKKS. Ten minutes.
    ./run bench --federation --help lists the options.
./run bench --frameworks [--json FILE] [--out DIR]
    One round in Flower, plain and with SecAgg+, with NVFlare's CKKS and with veilsum: seconds and
    bytes of client, server and holders. Ten minutes.
./run bench --scale [--dim N] [--contributors N] [--key-bits BITS] [--json FILE] [--out DIR]
    The same without frameworks, by length of model and number of clients, up to so many of both,
    with the memory of an aggregator. Twenty minutes; less with smaller bounds.
./run bench --installs
    Bytes of the wheel in dist/ and the time of its import, beside other libraries from PyPI.
./run bench --documents
    Write the tables of the documents from the JSON in bench/results and the declared messages.
./run wheel [--python MINOR] [--arch x86_64 | aarch64] [--twice]
    Build wheels into dist/, with GMP in them, for each CPython that is here (--python 12: for 3.12
    alone), and try each in an environment of its own. --twice builds each again and compares the
    bytes. docs/installing.md tells what wheels have.
./run help
    This text.

Paths in arguments start at the root of the repository.
--yes      with any command: may install missing system packages with sudo
PYTHON=…   the Python (3.10 or newer) that .venv is made from; python3 if not set
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).parent
PYTHON = sys.executable  # Of .venv, which `run` makes: the extension is built once, in there.
FRAMEWORKS = ("flower", "nvflare")
CLANGS = ("clang++", *(f"clang++-{version}" for version in range(20, 13, -1)))
# What libFuzzer, which has a main of its own, calls.
READER = 'extern "C" int LLVMFuzzerTestOneInput(const char*, decltype(sizeof 0)) { return 0; }'
IS_QUIET = not sys.stderr.isatty() or bool(os.environ.get("NO_COLOR") or os.environ.get("CI"))

nox.options.sessions = ["lint", "test"]
logging.getLogger("nox").setLevel(logging.ERROR)  # The last line is that of the task itself.


def say(text: str) -> None:
    """Tell what happens next."""
    print(text if IS_QUIET else f"\033[1m{text}\033[0m", file=sys.stderr, flush=True)


def launch(session: nox.Session, *command: str | Path) -> None:
    """Run a program that talks to whoever called `run`, and that Ctrl-C gives time to end."""
    session.run(*command, stderr=None, interrupt_timeout=None)


def output_of(session: nox.Session, *command: str) -> str:
    """What a program says, which is shown only if it fails."""
    return str(session.run(*command, silent=True))


def split(session: nox.Session, *flags: str) -> tuple[set[str], list[str]]:
    """Which of these flags were given, and all other arguments."""
    given = session.posargs
    return {word for word in given if word in flags}, [word for word in given if word not in flags]


def build_extension(session: nox.Session) -> None:
    """Importing veilsum rebuilds what changed; here, compiler errors are shown as they are."""
    launch(session, PYTHON, "-c", "import veilsum._core")


def build_cpp(session: nox.Session, preset: str, compiler: str | None = None) -> None:
    """Configure and build a preset of CMakePresets.json."""
    env = {"CXX": compiler} if compiler else None
    session.run("cmake", "--preset", preset, "--log-level=WARNING", env=env, silent=True)
    launch(session, "cmake", "--build", "--preset", preset)


def run_cpp_tests(session: nox.Session, preset: str, compiler: str | None = None) -> None:
    """Build and run the C++ tests of a preset."""
    say(f"C++ tests, preset {preset}")
    build_cpp(session, preset, compiler)
    run_ctest(session, "--preset", preset)


def run_constant_time_check(session: nox.Session) -> None:
    """Watch, with valgrind, the library as the extension in .venv has it."""
    say("Constant time, with valgrind")
    build_extension(session)
    home = "build/editable"
    session.run("cmake", "-DVEILSUM_CTIME=valgrind", "--log-level=WARNING", home, silent=True)
    launch(session, "cmake", "--build", home, "--target", "veilsum_ctime")
    run_ctest(session, "--test-dir", home, "--verbose")


def run_ctest(session: nox.Session, *which: str) -> None:
    """Run the C++ tests of a build: progress on a terminal, elsewhere what became of them."""
    command = ["ctest", *which, "--parallel", str(os.cpu_count())]
    if sys.stdout.isatty():
        launch(session, *command, "--progress")
    else:
        lines = output_of(session, *command).splitlines()
        told = [line for line in lines if re.search(r"tests passed|\(Skipped\)$", line)]
        print(*told, sep="\n", flush=True)


def run_checks(session: nox.Session, flags: Iterable[str]) -> None:
    """What `./run test` does to the C++ code besides building it as `dev` and testing that."""
    if "--asan" in flags:
        run_cpp_tests(session, "asan")
    if "--clang" in flags:
        run_cpp_tests(session, "clang", clang_with(session, "address"))
    if "--ctime" in flags:
        run_constant_time_check(session)
        if has_ifma():
            run_cpp_tests(session, "ctime-ifma", clang_with(session, "memory"))
        else:
            say("Not run: preset ctime-ifma, since this processor has no AVX-512 IFMA")


def clang_with(session: nox.Session, sanitizer: str) -> str:
    """A Clang that has this; without one, the task ends."""
    clang = find_clang(sanitizer)
    if clang is None:
        session.error(
            "needs Clang 14 or newer with its sanitizers (Debian: clang, libclang-rt-dev)"
        )
    return clang


def has_ifma() -> bool:
    """Whether the kernel that valgrind does not know can run here."""
    processor = Path("/proc/cpuinfo")
    return processor.exists() and "avx512ifma" in processor.read_text()


def set_up_framework(session: nox.Session, framework: str) -> bool:
    """Have veilsum's wheel in an environment with this framework; False where it cannot be had."""
    if framework == "flower" and sys.version_info < (3, 11):
        say(f"Not run: Flower needs Python 3.11 or newer, and this is {sys.version.split()[0]}")
        return False
    home = ROOT / f".venv-{framework}"
    python = home / "bin" / "python"
    stamp = home / "veilsum-state"
    state = f"{sys.version}\n{(ROOT / 'pyproject.toml').read_text()}"
    pip: tuple[str | Path, ...] = (PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check")
    if not stamp.exists() or stamp.read_text() != state:
        say(f"Installing {framework} into {home.name}")
        launch(session, PYTHON, "-m", "venv", "--clear", "--without-pip", home)
        launch(session, *pip, "--python", python, "install", "--group", framework)
        stamp.write_text(state)
    say(f"Building veilsum's wheel for {home.name}")
    wheels = ROOT / "build" / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    build = ("--no-build-isolation", "--config-settings=build-dir=build/editable")
    launch(session, *pip, "wheel", *build, "--no-deps", ".", "--wheel-dir", wheels)
    pip += ("--python", python, "install", "--no-deps", "--force-reinstall")
    launch(session, *pip, *wheels.glob("*.whl"))
    return True


def framework_tests(
    framework: str, arguments: Iterable[str]
) -> tuple[list[str | Path], dict[str, str]]:
    """The command that runs the tests of one integration, and its environment."""
    python = ROOT / f".venv-{framework}" / "bin" / "python"
    tests = f"tests/{framework}"
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    command: list[str | Path] = [python, "-m", "pytest", "--confcutdir", tests, tests, *arguments]
    return command, os.environ | {"PATH": path}


def framework_tests_done(framework: str) -> subprocess.CompletedProcess[str]:
    """What these tests said, when they are over."""
    command, env = framework_tests(framework, ())
    both = subprocess.STDOUT
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=both, text=True)


def run_framework_tests(session: nox.Session, framework: str, arguments: Iterable[str]) -> None:
    """The tests of one integration, with veilsum's wheel in that framework's environment."""
    if set_up_framework(session, framework):
        say(f"Tests with {framework}")
        command, env = framework_tests(framework, arguments)
        session.run(*command, env=env, stderr=None, interrupt_timeout=None)


def run_python_tests(session: nox.Session) -> None:
    """Python's tests on all processors. Beside them, as they mostly wait, those of frameworks."""
    ready = [framework for framework in FRAMEWORKS if set_up_framework(session, framework)]
    say("Python tests")
    # Each process may want a gigabyte, and the longest test is soon what the others wait for.
    spread = ("-n", str(min(os.cpu_count() or 1, 8)), "--dist", "worksteal")
    failed = []
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        beside = [pool.submit(framework_tests_done, framework) for framework in ready]
        try:
            launch(session, PYTHON, "-m", "pytest", *spread)
        except CommandFailed:
            failed.append("Python")
        for framework, future in zip(ready, beside, strict=True):
            done = future.result()
            say(f"Tests with {framework}")
            print(done.stdout, end="", flush=True)
            if done.returncode != 0:
                failed.append(framework)
    finally:
        pool.shutdown(cancel_futures=True)
    if failed:
        session.error(f"tests failed: {', '.join(failed)}")


@nox.session(venv_backend="none")
def test(session: nox.Session) -> None:
    """C++ tests, Python tests and those of each framework."""
    names = {f"--{framework}": framework for framework in FRAMEWORKS}
    flags, arguments = split(
        session, "--all", "--asan", "--clang", "--ctime", "--platforms", *names
    )
    if "--platforms" in flags:
        launch(session, PYTHON, "-m", "wheels.platforms", *arguments)
        return
    frameworks = [framework for flag, framework in names.items() if flag in flags]
    checks = flags - {"--all", *names}
    if flags == {"--all"} and not arguments:
        run_checks(session, {"--asan", "--clang", "--ctime"})
    if checks:
        run_checks(session, checks)
        return
    if not frameworks:
        run_cpp_tests(session, "dev")
        if "--all" in flags:
            launch(session, "build/dev/veilsum_tests", "--no-skip", "--test-case=slow:*")
    build_extension(session)
    if not frameworks and not arguments and "--all" not in flags:
        run_python_tests(session)
        return
    # The slow tests of the frameworks start servers, which must answer in time: one after another.
    everything = ["-m", ""] if "--all" in flags else []
    if not frameworks:
        say("Python tests")
        launch(session, PYTHON, "-m", "pytest", *everything, *arguments)
        frameworks = [] if arguments else list(FRAMEWORKS)
    for framework in frameworks:
        run_framework_tests(session, framework, [*everything, *arguments])


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Formatting, types, imports, stubs and spelling."""
    flags, _ = split(session, "--fix")
    build_extension(session)
    folders = ("bench", "cpp", "examples", "src", "tests")
    cpp = [path for folder in folders for path in (ROOT / folder).rglob("*.[ch]pp")]
    if "--fix" in flags:
        launch(session, "ruff", "check", "--fix-only", "--quiet", ".")
        launch(session, "ruff", "format", "--quiet", ".")
        launch(session, "clang-format", "-i", *cpp)
        session.run("codespell", "--write-changes", stderr=None, success_codes=range(256))
    # The tests of each framework have modules of the same names, conftest for one.
    mypy_tests = ("mypy", "--config-file", "tests/mypy.ini")
    settings = ("--mypy-config-file", "pyproject.toml")
    stubtest = ("-m", "mypy.stubtest", *settings, "--allowlist", "tests/stubtest_allowlist.txt")
    checks: dict[str, tuple[str | Path, ...]] = {
        "ruff format": ("ruff", "format", "--check", "."),
        "ruff check": ("ruff", "check", "."),
        "mypy": ("mypy", "python", "examples", "bench", "wheels", "noxfile.py"),
        "mypy, docs": ("mypy", "docs/conf.py", "docs/_ext"),
        "mypy, tests": (*mypy_tests, "--exclude", "^tests/(flower|nvflare)/", "tests"),
        **{f"mypy, tests/{name}": (*mypy_tests, f"tests/{name}") for name in FRAMEWORKS},
        "import-linter": ("lint-imports", "--no-logo"),
        "stubtest": (PYTHON, *stubtest, "veilsum._core"),
        "clang-format": ("clang-format", "--dry-run", "-Werror", *cpp),
        "codespell": ("codespell",),
    }
    failed = []
    for name, command in checks.items():  # All of them, so that one run reports everything.
        say(name)
        try:
            launch(session, *command)
        except CommandFailed:
            failed.append(name)
    if failed:
        session.error(f"not clean: {', '.join(failed)}. ./run lint --fix repairs some of it")
    say("All clean.")


def find_clang(sanitizers: str) -> str | None:
    """A Clang that has these."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    code = READER if "fuzzer" in sanitizers else "int main() {}"
    link = ("-x", "c++", f"-fsanitize={sanitizers}", "-", "-o", str(build / "has-sanitizers"))
    for clang in (os.environ.get("CXX"), *CLANGS):
        if clang and shutil.which(clang.split()[0]):
            command = [*clang.split(), *link]
            if subprocess.run(command, input=code, text=True, capture_output=True).returncode == 0:
                return clang
    return None


def fuzz_core(session: nox.Session, seconds: int, keep: bool) -> None:
    """The readers in C++, by libFuzzer."""
    clang = find_clang("fuzzer,address")
    if clang is None:
        say(
            "Not run: core wants Clang 14 or newer with libFuzzer and AddressSanitizer"
            " (Debian: clang, libclang-rt-dev)"
        )
        return
    build_cpp(session, "fuzz", clang)
    found = ROOT / "build" / "fuzz" / "core"
    found.mkdir(exist_ok=True)
    program, corpus = "build/fuzz/veilsum_fuzz", "tests/fuzz/corpus/core"
    limits = ("-timeout=5", "-rss_limit_mb=1024", "-malloc_limit_mb=64", "-max_len=8192")
    output = ("-print_final_stats=1", "-artifact_prefix=build/fuzz/")
    folders = (found, corpus, "tests/vectors/wire")
    launch(session, program, f"-max_total_time={seconds}", *limits, *output, *folders)
    if keep:
        launch(session, program, "-merge=1", "-max_len=8192", corpus, found)


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """The readers of bytes from outside, and whole rounds."""
    parser = argparse.ArgumentParser(prog="./run fuzz", description=fuzz.__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="core, rounds, or of --list")
    parser.add_argument("--minutes", type=int, default=30, metavar="M", help="of all together")
    parser.add_argument("--keep", action="store_true", help="what reached new code")
    parser.add_argument("--list", action="store_true", help="the readers in Python")
    options = parser.parse_args(session.posargs)
    build_extension(session)
    program = (PYTHON, "tests/fuzz/fuzz_python.py")
    if options.list:
        launch(session, *program, "--list")
        return
    readers = output_of(session, *program, "--list").split()
    targets = options.targets or ["core", "rounds", *readers]
    # core is ten readers, and a round is many messages.
    shares = [6 if target in ("core", "rounds") else 1 for target in targets]
    for target, share in zip(targets, shares, strict=True):
        seconds = options.minutes * 60 * share // sum(shares)
        say(f"Fuzzing {target} for {seconds} seconds")
        if target == "core":
            fuzz_core(session, seconds, options.keep)
        else:
            keep = ["--keep"] if options.keep else []
            launch(session, *program, target, "--seconds", str(seconds), *keep)


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """The benchmarks; bench/__main__.py knows the flags."""
    build_extension(session)
    launch(session, PYTHON, "-m", "bench", *session.posargs)


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """The site of the documents."""
    if sys.version_info < (3, 11):
        say(f"Not run: Sphinx needs Python 3.11 or newer, and this is {sys.version.split()[0]}")
        return
    build_extension(session)
    site = ROOT / "build" / "site"
    shutil.rmtree(site, ignore_errors=True)
    # Documents are read anew each time: a table may be stale in one that did not change.
    options = ("--fresh-env", "--fail-on-warning", "--quiet", "--jobs", "auto")
    state = ("--conf-dir", "docs", "--doctree-dir", "build/site-state")
    launch(session, PYTHON, "-m", "sphinx", *options, *state, ".", site)
    say(f"Open {(site / 'index.html').relative_to(ROOT)}")


@nox.session(venv_backend="none")
def demo(session: nox.Session) -> None:
    """MNIST by federated averaging."""
    build_extension(session)
    launch(session, "veilsum", "demo", *session.posargs)


@nox.session(venv_backend="none")
def wheel(session: nox.Session) -> None:
    """Wheels; wheels/__main__.py knows the flags."""
    launch(session, PYTHON, "-m", "wheels", *session.posargs)
