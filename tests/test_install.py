"""Users can build against veilsum: as a CMake package, and as a Python package from its sdist."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command, cwd):
    result = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_cmake_package_serves_a_cpp_program(tmp_path):
    build = ROOT / "build" / "dev"
    if not (build / "libveilsum.a").exists():
        pytest.skip("build/dev does not exist; ./run test makes it")
    prefix, consumer = tmp_path / "prefix", tmp_path / "consumer"
    run("cmake", "--install", build, "--prefix", prefix, cwd=tmp_path)
    headers = {path.relative_to(ROOT / "cpp") for path in ROOT.glob("cpp/**/*.hpp")}
    assert {path.relative_to(prefix / "include") for path in prefix.rglob("*.hpp")} == headers

    shutil.copytree(ROOT / "examples" / "cpp", consumer)
    run("cmake", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", "-B", "build", cwd=consumer)
    run("cmake", "--build", "build", cwd=consumer)
    output = run("build/private_sum", cwd=consumer)
    assert output == "sum 0.750, weight 3, mean 0.250\n"


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
