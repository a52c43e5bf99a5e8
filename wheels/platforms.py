"""``python -m wheels.platforms``: the core on platforms that this machine is not.

``./run test --platforms`` calls it. All is built by ziglang:

- Linux on aarch64: the C++ tests, run by QEMU. With musl, so that they need nothing of a system.
- Linux with musl on this processor: the C++ tests, run as they are.
- macOS on arm64: the core and the extension are compiled and linked; nothing runs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pybind11

from wheels import BUILD, ROOT, gmp
from wheels.compiler import Target


@dataclass(frozen=True)
class Platform:
    """One of them.

    Attributes:
        target: what it is for the compiler.
        system: its name in CMake.
        processor: its processor's name in CMake.
        emulator: runs its programs here; empty if this machine does.
        runs: whether its programs can run here at all.
    """

    target: Target
    system: str = "Linux"
    processor: str = ""
    emulator: tuple[str, ...] = ()
    runs: bool = True


HERE = Target.of_this_machine().processor
PLATFORMS = {
    "aarch64": Platform(Target("aarch64", "musl"), processor="aarch64", emulator=("qemu-aarch64",)),
    "musl": Platform(Target(HERE, "musl"), processor=HERE),
    "macos": Platform(Target("aarch64", "macos"), "Darwin", "arm64", runs=False),
}


def say(text: str) -> None:
    """Tell what happens next."""
    print(text, file=sys.stderr, flush=True)


def doctest() -> Path:
    """A folder that has doctest alone: the headers around it are those of this machine's system.

    Raises:
        FileNotFoundError: doctest is not installed here.
    """
    prefix = BUILD / "doctest"
    header = Path("/usr/include/doctest")
    cmake = next(Path("/usr/lib").glob("**/cmake/doctest"), None)
    if cmake is None:
        raise FileNotFoundError("doctest is not installed here (Debian: doctest-dev)")
    shutil.copytree(header, prefix / "include" / "doctest", dirs_exist_ok=True)
    shutil.copytree(cmake, prefix / "lib" / "cmake" / "doctest", dirs_exist_ok=True)
    return prefix


def python_headers() -> dict[str, str]:
    """Those of this Python serve: nothing that its extension uses differs on 64-bit systems."""
    include = Path(sysconfig.get_path("include"))
    headers = BUILD / "python-headers"
    shutil.rmtree(headers, ignore_errors=True)
    shutil.copytree(include, headers)
    # Debian's own pyconfig.h looks for this one, in a Linux alone.
    true = include.parent / f"{HERE}-linux-gnu" / include.name / "pyconfig.h"
    if true.exists():
        shutil.copy(true, headers / "pyconfig.h")
    return {
        "Python_INCLUDE_DIR": str(headers),
        "PYTHON_MODULE_EXTENSION": ".cpython.so",
        "pybind11_DIR": pybind11.get_cmake_dir(),
    }


def build(platform: Platform) -> Path:
    """Configure and build; what runs here has the tests, the others the extension."""
    target = platform.target
    tools = target.compiler()
    folder = BUILD / target.name / "tests"
    defines = {
        "CMAKE_SYSTEM_NAME": platform.system,
        "CMAKE_SYSTEM_PROCESSOR": platform.processor,
        "CMAKE_CXX_COMPILER": tools["CXX"],
        "CMAKE_AR": tools["AR"],
        "CMAKE_RANLIB": tools["RANLIB"],
        "CMAKE_BUILD_TYPE": "RelWithDebInfo",
        "CMAKE_CXX_FLAGS_RELWITHDEBINFO": "-O2",  # With assertions.
        "VEILSUM_WERROR": "ON",
        "GMP_ROOT": str(gmp.build(target)),
    }
    if platform.runs:
        defines |= {"VEILSUM_TESTS": "ON", "doctest_ROOT": str(doctest())}
        defines["CMAKE_CROSSCOMPILING_EMULATOR"] = ";".join(platform.emulator)
    else:
        defines |= {"VEILSUM_PYTHON": "ON"} | python_headers()
    options = [f"-D{name}={value}" for name, value in defines.items()]
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", *options]
    subprocess.run([*configure, "--log-level=WARNING"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(folder)], check=True)
    return folder


def main() -> None:
    """Build for each, and run the tests where that can be."""
    parser = argparse.ArgumentParser(prog="./run test --platforms", description=__doc__)
    known = ", ".join(PLATFORMS)
    parser.add_argument("names", nargs="*", metavar="PLATFORM", help=f"{known}; default: all")
    names = parser.parse_args().names
    if unknown := set(names) - set(PLATFORMS):
        parser.error(f"{', '.join(map(repr, sorted(unknown)))}: the platforms are {known}")
    for name in names or PLATFORMS:
        platform = PLATFORMS[name]
        say(f"C++ for {platform.target.triple}")
        folder = build(platform)
        if platform.runs:
            jobs = str(os.cpu_count())
            command = ["ctest", "--test-dir", str(folder), "--parallel", jobs]
            subprocess.run([*command, "--output-on-failure", "--progress"], check=True)


if __name__ == "__main__":
    main()
