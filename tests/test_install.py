"""Users can build against veilsum: as a CMake package, by pkg-config, and as a Python package."""

import functools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command, cwd, **variables):
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Where the library is installed for C++ programs."""
    build = ROOT / "build" / "dev"
    if not (build / "libveilsum.a").exists():
        pytest.skip("build/dev does not exist; ./run test makes it")
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", build, "--prefix", prefix, cwd=ROOT)
    return prefix


def test_installed_headers_are_those_of_the_readme(prefix):
    table = (ROOT / "cpp" / "README.md").read_text().partition("## What a program includes")[2]
    listed = re.findall(r"^\| `(.+\.hpp)` \| .+ \|$", table.partition("\n## ")[0], re.MULTILINE)
    include = prefix / "include" / "veilsum"
    installed = {path.relative_to(include).as_posix() for path in include.rglob("*")}
    assert {name for name in installed if "." in name} == set(listed)
    assert len(listed) == len(set(listed)) > 0


def test_installed_headers_stand_alone(prefix):
    headers = sorted(prefix.rglob("*.hpp"))
    # Nothing else is on the path: what a header includes is installed, or a system's.
    flags = ["-std=c++20", "-fsyntax-only", "-w", "-I", prefix / "include", "-x", "c++"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert len(list(pool.map(lambda h: run("c++", *flags, h, cwd=prefix), headers))) > 0


def test_cmake_package_serves_a_cpp_program(prefix, tmp_path):
    consumer = tmp_path / "consumer"
    shutil.copytree(ROOT / "examples" / "cpp", consumer)
    run("cmake", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", "-B", "build", cwd=consumer)
    run("cmake", "--build", "build", cwd=consumer)
    output = run("build/private_sum", cwd=consumer)
    assert output == "sum 0.750, weight 3, mean 0.250\n"
    output = run("build/masked_sum", cwd=consumer)
    assert re.fullmatch(r"sum 6000, \d{3} bits\n", output)


def test_pkg_config_serves_a_cpp_program(prefix, tmp_path):
    # An installed tree may be moved: paths in the file start at the file.
    moved = tmp_path / "moved"
    shutil.copytree(prefix, moved)
    (file,) = moved.rglob("veilsum.pc")
    pkgconf = [sys.executable, "-m", "pkgconf", "veilsum"]
    # That of PyPI does not look where Debian has the file of GMP.
    system = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "", "pkgconfig")
    ask = functools.partial(run, *pkgconf, cwd=tmp_path, PKG_CONFIG_PATH=f"{file.parent}:{system}")
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert ask("--modversion").strip() == version[1]
    flags = ask("--cflags", "--libs").split()
    source = ROOT / "examples" / "cpp" / "private_sum.cpp"
    run("c++", "-std=c++20", source, *flags, "-o", "private_sum", cwd=tmp_path)
    assert run("./private_sum", cwd=tmp_path) == "sum 0.750, weight 3, mean 0.250\n"


@pytest.mark.slow
def test_sdist_installs_into_a_clean_venv(tmp_path):
    code = f"from scikit_build_core.build import build_sdist; print(build_sdist({str(tmp_path)!r}))"
    sdist = tmp_path / run(sys.executable, "-c", code, cwd=ROOT).split()[-1]
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "CMakeLists.txt", "cpp/veilsum/base/wire.hpp", "src/core.cpp"} <= names
    assert not [name for name in names if name.startswith((".venv", "build/", ".ci"))]

    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", sdist, cwd=tmp_path)
    where = run(python, "-c", "import veilsum._core as core; print(core.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path)
    site_packages = Path(where.strip()).parent.parent
    assert (site_packages / "veilsum" / "py.typed").exists()
    assert not list(site_packages.rglob("*.hpp"))
    assert list(site_packages.glob("veilsum-*.dist-info/licenses/LICENSE"))
