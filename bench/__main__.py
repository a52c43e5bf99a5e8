"""``./run bench``: starts the benchmarks that its flags ask for.

Without one of these flags pytest runs the benchmarks of this folder, with all other arguments:

--quick, --peers, --memory            operations, beside other libraries
--federation, --frameworks, --scale   whole rounds
--documents                           write the tables of the documents
--kernels                             the C++ benchmarks of each kernel
--bound                               what Python and threads add to the kernels
--timing                              whether the time of a call tells how large its noise is

All but --kernels take --help. `./run help` says more about each.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PROGRAM_OF_FLAG = {
    "--quick": "peers",
    "--peers": "peers",
    "--memory": "peers",
    "--federation": "rounds",
    "--frameworks": "rounds",
    "--scale": "rounds",
    "--documents": "rounds",
    "--kernels": "kernels",
    "--bound": "bound",
    "--timing": "noise_timing",
}
OWN_FLAGS = {"--kernels", "--bound", "--timing"}  # Each names a program; it has no such option.


def main(arguments: list[str]) -> None:
    """Run the one program that the flags name."""
    programs = {PROGRAM_OF_FLAG[word] for word in arguments if word in PROGRAM_OF_FLAG}
    rest = [word for word in arguments if word not in OWN_FLAGS]
    if len(programs) > 1:
        flags = [word for word in arguments if word in PROGRAM_OF_FLAG]
        sys.exit(f"./run bench: {' and '.join(flags)} are different benchmarks: name one of them")
    if not programs and {"-h", "--help"} & set(arguments):
        print(__doc__)
    elif not programs:
        sys.exit(run_pytest(rest))
    elif programs == {"kernels"}:
        run_kernels(rest)
    else:
        run_program(programs.pop(), rest)


def run_pytest(arguments: list[str]) -> int:
    """The benchmarks of this folder; builds what changed in C++ before pytest hides the errors."""
    subprocess.run([sys.executable, "-c", "import veilsum._core"], check=True)
    return pytest.main(["bench", "--benchmark-only", *arguments])


def run_kernels(arguments: list[str]) -> None:
    """The benchmarks in C++."""
    build_kernels()
    program = str(ROOT / "build" / "release" / "veilsum_bench")
    os.execv(program, [program, *arguments])


def run_program(name: str, arguments: list[str]) -> None:
    """A module of this folder, with its own command line."""
    if name == "bound" and not {"-h", "--help"} & set(arguments):
        build_kernels()
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def build_kernels() -> None:
    """veilsum_bench, as users get its kernels."""
    configure = ["cmake", "--preset", "release", "--log-level=WARNING"]
    subprocess.run(configure, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    build = ["cmake", "--build", "--preset", "release", "--target", "veilsum_bench"]
    subprocess.run(build, cwd=ROOT, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
