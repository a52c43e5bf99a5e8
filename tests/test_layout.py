"""The house plan holds: arrows between layers, light imports, small files, lonely kernels.

Each rule is a function that returns what breaks it, so that it is also run on planted mistakes.
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pybind11
import pytest

ROOT = Path(__file__).resolve().parent.parent

# ---- the arrows; a new layer gets a line here, and docs/design.md a word ----

CPP_ARROWS = {
    "base": set(),
    "rng": {"base"},
    "bigint": {"rng"},
    "paillier": {"bigint"},
    "codec": {"bigint"},
    "noise": {"rng"},
    "lattice": {"noise"},
}

MAX_LINES = 500  # One concept a file is the rule; a length is a symptom.
CODE_FOLDERS = ("cpp", "src", "python", "tests", "bench", "examples", "wheels")
FORBIDDEN_FOLDERS = {"utils", "util", "common", "impl", "helpers", "misc"}
IS_ARM = platform.machine() in {"aarch64", "arm64"}
KERNEL_FILE = re.compile(r"_armv8\.cpp$" if IS_ARM else r"_(ifma|avx2|avx512|aesni)\.cpp$")


def below(arrows, name):
    """Everything reachable along the arrows from name, and name itself."""
    found = {name}
    for target in arrows[name]:
        found |= below(arrows, target)
    return found


def code_files(root, *suffixes):
    for folder in CODE_FOLDERS:
        yield from (path for path in sorted((root / folder).rglob("*")) if path.suffix in suffixes)


# ---- C++ ----


def includes(path):
    return re.findall(r'^\s*#\s*include\s*([<"][^>"]+[>"])', path.read_text(), re.MULTILINE)


def cpp_mistakes(root):
    core = root / "cpp" / "veilsum"
    for path in code_files(root, ".cpp", ".hpp"):
        name = path.relative_to(root)
        for include in includes(path):
            target = include[1:-1]
            if path.is_relative_to(core):
                layer = path.relative_to(core).parts[0]
                if layer not in CPP_ARROWS:
                    yield f"{name}: {layer} is not in CPP_ARROWS"
                    break
                if re.match(r"pybind11/|Python\.h", target):
                    yield f"{name}: includes {target}; the core knows no Python"
                if include.startswith('"') and not target.startswith("veilsum/"):
                    yield f'{name}: includes "{target}"; write the path from cpp/'
                if target.startswith("veilsum/"):
                    other = target.split("/")[1]
                    if other not in below(CPP_ARROWS, layer):
                        yield f"{name}: {layer} may not include {other}"
            if path.is_relative_to(root / "src") and re.match(r"gmp(xx)?\.h$", target):
                yield f"{name}: includes {target}; src/ has no arithmetic"


def unbuilt_files(root):
    build = (root / "CMakeLists.txt").read_text()
    for path in code_files(root, ".cpp"):
        name = path.relative_to(root).as_posix()
        if name.startswith(("cpp/", "src/", "tests/cpp/")) and name not in build:
            yield f"{name}: not in CMakeLists.txt"


# ---- Python; test_arrows.py has the arrows ----


# What takes long to import, and is not needed to encrypt.
HEAVY = (
    *("cryptography", "dp_accounting", "scipy", "sqlite3", "importlib.metadata", "numpy.ma"),
    *("typer", "rich", "matplotlib", "tempfile", "asyncio", "email", "json"),
    *("veilsum.hazmat", "veilsum.integrations", "veilsum.cli", "veilsum.fedavg"),
    *("veilsum.privacy", "veilsum.secure_sum", "veilsum.identity", "veilsum.noise"),
)


def loaded_by(statement):
    """The modules that it loads besides those that numpy and the start of Python do."""
    code = f"""
import sys, numpy
before = set(sys.modules)
import veilsum
{statement}
print(*set(sys.modules) - before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def heavy(modules):
    return sorted(
        module
        for module in modules
        if any(module == name or module.startswith(f"{name}.") for name in HEAVY)
    )


# ---- files ----


def size_and_folder_mistakes(root):
    for path in code_files(root, ".cpp", ".hpp", ".py"):  # A stub is as long as its module.
        name = path.relative_to(root)
        if (num_lines := len(path.read_text().splitlines())) > MAX_LINES:
            yield f"{name}: {num_lines} lines, more than {MAX_LINES}"
        for folder in FORBIDDEN_FOLDERS.intersection(name.parts[:-1]):
            yield f"{name}: a folder called {folder} says nothing about what is in it"


# ---- kernel files: one table, or the linker may pick their AVX code for everyone ----


def output_of(*command):
    """What a tool of binutils says. Debian's g++ and clang bring them; others may not."""
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here, a tool of binutils")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported_symbols(object_file):
    """(type, name) of what a linker sees of an object file, weak symbols too."""
    listing = output_of("nm", "--defined-only", "--extern-only", object_file)
    return [tuple(line.split()[1:3]) for line in listing.splitlines() if line.strip()]


def kernel_mistakes(name, object_file):
    symbols = exported_symbols(object_file)
    if len(symbols) != 1 or symbols[0][0] not in "RD":
        shown = ", ".join(f"{symbol} ({kind})" for kind, symbol in symbols)
        yield f"{name}: exports {shown or 'nothing'}; it may export one const table"


def disassembly(object_file):
    return output_of("objdump", "--disassemble", "--no-show-raw-insn", object_file)


def secrets_on_the_stack(name, object_file):
    """Vectors that AES code keeps on the stack: they may hold keys, and nobody wipes them."""
    for line in disassembly(object_file).splitlines():
        if re.search(r"mm\d+.*\(%r[sb]p|\(%r[sb]p.*mm\d+|\b[qv]\d+.*\[sp", line):
            yield f"{name}: {line.strip()}"


def frame_sizes(object_file, function):
    """Bytes of stack that functions of that name take."""
    for body in re.split(r"^\w+ <", disassembly(object_file), flags=re.MULTILINE)[1:]:
        if function in body.partition(">:")[0]:
            yield sum(int(size, 16) for size in re.findall(r"sub +\$0x([0-9a-f]{1,6}),%rsp", body))


def compiler():
    for command in (os.environ.get("CXX", ""), "c++", "g++", "clang++"):
        if command and shutil.which(shlex.split(command)[0]):
            return shlex.split(command)
    pytest.skip("no C++ compiler")


def include_flags():
    """For cpp/, and for the pybind11 and Python headers that src/ needs."""
    folders = [ROOT / "cpp", pybind11.get_include(), sysconfig.get_path("include")]
    return [f"-isystem{folder}" for folder in folders]


def sources_that_include_late(root):
    """A source that includes its own header first proves, built, that the header stands alone."""
    for path in code_files(root, ".cpp"):
        own = path.with_suffix(".hpp")
        first = (includes(path) or ["<>"])[0]
        if own.exists() and first[1:-1].rpartition("/")[2] != own.name:
            yield f"{path.relative_to(root)}: include {own.name} first"


def headers_that_need_others(headers):
    command = [*compiler(), "-std=c++20", "-fsyntax-only", "-w", *include_flags(), "-x", "c++"]

    def check(header):
        result = subprocess.run([*command, header], capture_output=True, text=True)
        return f"{header}: {result.stderr}" if result.returncode else None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [mistake for mistake in pool.map(check, headers) if mistake]


# ---- the rules hold here ----


def test_cpp_arrows_point_down():
    assert list(cpp_mistakes(ROOT)) == []


def test_the_simd_concept_asks_for_what_engines_take():
    """A member that a template uses and its concept does not name is a contract in prose again."""
    bigint = ROOT / "cpp" / "veilsum" / "bigint"

    def members(*names):
        code = "".join((bigint / f"{name}.hpp").read_text() for name in names)
        return set(re.findall(r"\bS::(?:template )?(\w+)", code))

    used = members(
        "columns",
        "steps_simd",
        "digits_simd",
        "chains_simd",
        "engine_simd",
        "engine_simd_modulo_n",
        "pow_moduli_simd",
    )
    assert {"mul_low", "kBlock"} <= used
    assert used == members("simd")


def test_every_cpp_file_is_built():
    assert list(unbuilt_files(ROOT)) == []


def test_import_veilsum_is_light():
    modules = loaded_by("")
    assert {name for name in modules if name.startswith("veilsum")} == {"veilsum", "veilsum.errors"}
    assert heavy(modules) == []


@pytest.mark.parametrize("use", ["veilsum.Codec", "veilsum.PublicKey", "veilsum.cpu()"])
def test_the_first_use_loads_nothing_heavy(use):
    modules = loaded_by(use)
    assert "veilsum._core" in modules
    assert heavy(modules) == []


def test_files_are_small_and_folders_are_named():
    assert list(size_and_folder_mistakes(ROOT)) == []


def test_sources_include_their_own_header_first():
    assert list(sources_that_include_late(ROOT)) == []


@pytest.mark.slow
def test_headers_without_source_stand_alone():
    headers = [path for path in code_files(ROOT, ".hpp") if not path.with_suffix(".cpp").exists()]
    assert headers_that_need_others(headers) == []


@pytest.mark.slow
def test_all_headers_stand_alone():
    assert headers_that_need_others(list(code_files(ROOT, ".hpp"))) == []


def built_kernels():
    kernels = [path for path in ROOT.glob("cpp/**/*.cpp") if KERNEL_FILE.search(path.name)]
    objects = {path: list(ROOT.glob(f"build/dev/**/{path.name}.o")) for path in kernels}
    if kernels and not any(objects.values()):
        pytest.skip("build/dev does not exist; ./run test makes it")
    for path, found in objects.items():
        assert len(found) == 1, f"{path.name} has {len(found)} object files"
        yield path.name, found[0]


def test_kernel_files_export_one_table():
    for name, object_file in built_kernels():
        assert list(kernel_mistakes(name, object_file)) == []


def test_aes_keeps_nothing_on_the_stack():
    for name, object_file in built_kernels():
        if name.startswith("aes_ctr_"):
            assert list(secrets_on_the_stack(name, object_file)) == []


def test_chacha20_keeps_no_more_on_the_stack_than_is_wiped():
    wiped = int(
        re.search(
            r"kWipedStackBytes = (\d+)", (ROOT / "cpp/veilsum/base/secret.hpp").read_text()
        ).group(1)
    )
    for name, object_file in built_kernels():
        if name.startswith("chacha20_"):
            assert [size for size in frame_sizes(object_file, "batch") if size > wiped - 128] == []
