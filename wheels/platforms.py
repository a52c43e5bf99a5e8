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
import sysconfig
from pathlib import Path

import pybind11

from wheels import BUILD, ROOT, gmp, say
from wheels.build import debian_inner
from wheels.compiler import Target

HERE = Target.of_this_machine().processor
PLATFORMS = {
    "aarch64": Target("aarch64", "musl"),
    "musl": Target(HERE, "musl"),
    "macos": Target("aarch64", "macos"),
}


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
    true = debian_inner(include) / "pyconfig.h"
    if true.exists():
        shutil.copy(true, headers / "pyconfig.h")
    return {
        "Python_INCLUDE_DIR": str(headers),
        "PYTHON_MODULE_EXTENSION": ".cpython.so",
        "pybind11_DIR": pybind11.get_cmake_dir(),
    }


def build(target: Target) -> Path:
    """Configure and build: the tests, or for macOS, where none can run, the extension."""
    is_macos = target.system == "macos"
    tools = target.compiler()
    folder = BUILD / target.name / "tests"
    defines = {
        "CMAKE_SYSTEM_NAME": "Darwin" if is_macos else "Linux",
        "CMAKE_SYSTEM_PROCESSOR": "arm64" if is_macos else target.processor,
        "CMAKE_CXX_COMPILER": tools["CXX"],
        "CMAKE_AR": tools["AR"],
        "CMAKE_RANLIB": tools["RANLIB"],
        "CMAKE_BUILD_TYPE": "RelWithDebInfo",
        "CMAKE_CXX_FLAGS_RELWITHDEBINFO": "-O2",  # With assertions.
        "VEILSUM_WERROR": "ON",
        "GMP_ROOT": str(gmp.build(target)),
    }
    if is_macos:
        defines |= {"VEILSUM_PYTHON": "ON"} | python_headers()
        defines["CMAKE_MODULE_LINKER_FLAGS"] = "-dynamiclib"  # ziglang makes no bundles.
    else:
        defines |= {"VEILSUM_TESTS": "ON", "doctest_ROOT": str(doctest())}
        emulator = "" if target.processor == HERE else f"qemu-{target.processor}"
        defines["CMAKE_CROSSCOMPILING_EMULATOR"] = emulator
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
        target = PLATFORMS[name]
        say(f"C++ for {target.triple}")
        folder = build(target)
        if target.system != "macos":
            jobs = str(os.cpu_count())
            command = ["ctest", "--test-dir", str(folder), "--parallel", jobs]
            subprocess.run([*command, "--output-on-failure", "--progress"], check=True)


if __name__ == "__main__":
    main()
