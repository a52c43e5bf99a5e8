"""The layout rules of test_layout.py find planted mistakes."""

import subprocess

import pytest
import test_layout as layout


def plant(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "mistake"),
    [
        ("cpp/veilsum/base/a.hpp", '#include "veilsum/rng/csprng.hpp"', "base may not include rng"),
        ("cpp/veilsum/rng/a.cpp", '#include "veilsum/bigint/b.hpp"', "rng may not include bigint"),
        ("cpp/veilsum/codec/a.cpp", '  # include "veilsum/paillier/keys.hpp"', "codec may not"),
        ("cpp/veilsum/noise/a.cpp", '#include "veilsum/bigint/b.hpp"', "noise may not include"),
        ("cpp/veilsum/paillier/a.cpp", "#include <veilsum/noise/n.hpp>", "paillier may not"),
        ("cpp/veilsum/base/a.cpp", "#include <pybind11/pybind11.h>", "knows no Python"),
        ("cpp/veilsum/base/a.cpp", "#include <Python.h>", "knows no Python"),
        ("cpp/veilsum/base/a.cpp", '#include "secret.hpp"', "path from cpp/"),
        ("cpp/veilsum/extra/a.cpp", "#include <vector>", "not in CPP_ARROWS"),
        ("src/a.cpp", "#include <gmp.h>", "no arithmetic"),
    ],
)
def test_wrong_include_is_found(tmp_path, name, text, mistake):
    plant(tmp_path, name, text + "\n")
    assert [mistake in found for found in layout.cpp_mistakes(tmp_path)] == [True]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cpp/veilsum/paillier/a.cpp", '#include "veilsum/base/wire.hpp"\n#include <gmp.h>\n'),
        ("cpp/veilsum/codec/a.cpp", '#include "veilsum/rng/uniform.hpp"\n#include <vector>\n'),
        ("src/a.cpp", '#include "errors.hpp"\n#include "veilsum/noise/laplace.hpp"\n'),
    ],
)
def test_right_include_is_accepted(tmp_path, name, text):
    plant(tmp_path, name, text)
    assert list(layout.cpp_mistakes(tmp_path)) == []


def test_long_file_and_empty_folder_name_are_found(tmp_path):
    plant(tmp_path, "cpp/veilsum/base/long.cpp", "\n" * 501)
    plant(tmp_path, "tests/utils/a.py", "")
    long, named = layout.size_and_folder_mistakes(tmp_path)
    assert "long.cpp: 501 lines" in long
    assert "called utils" in named


def test_unbuilt_file_is_found(tmp_path):
    plant(tmp_path, "CMakeLists.txt", "add_library(veilsum cpp/veilsum/base/a.cpp)")
    plant(tmp_path, "cpp/veilsum/base/a.cpp", "")
    plant(tmp_path, "src/b.cpp", "")
    assert list(layout.unbuilt_files(tmp_path)) == ["src/b.cpp: not in CMakeLists.txt"]


def test_own_header_included_late_is_found(tmp_path):
    plant(tmp_path, "cpp/veilsum/base/a.hpp", "")
    plant(tmp_path, "cpp/veilsum/base/a.cpp", '#include <map>\n#include "veilsum/base/a.hpp"\n')
    plant(tmp_path, "cpp/veilsum/base/b.hpp", "")
    plant(tmp_path, "cpp/veilsum/base/b.cpp", '#include "veilsum/base/b.hpp"\n#include <map>\n')
    late = list(layout.sources_that_include_late(tmp_path))
    assert late == ["cpp/veilsum/base/a.cpp: include a.hpp first"]


def test_header_that_needs_others_is_found(tmp_path):
    good = plant(tmp_path, "good.hpp", "#pragma once\n#include <vector>\nstd::vector<int> f();\n")
    bad = plant(tmp_path, "bad.hpp", "#pragma once\nstd::vector<int> f();\n")
    assert layout.headers_that_need_others([good]) == []
    assert len(layout.headers_that_need_others([good, bad])) == 1


@pytest.mark.parametrize(
    ("source", "is_good"),
    [
        ("namespace { int f() { return 1; } }\nextern const T kTable; const T kTable{&f};", True),
        ("int f() { return 1; }\nextern const T kTable; const T kTable{&f};", False),
        ("inline int f() { return 1; }\nextern const T kTable; const T kTable{&f};", False),
        ("int f() { return 1; }", False),
        ("", False),
    ],
)
def test_kernel_rule_finds_second_symbol(tmp_path, source, is_good):
    path = plant(tmp_path, "mul_ifma.cpp", "struct T { int (*f)(); };\n" + source + "\n")
    assert layout.KERNEL_FILE.search(path.name)
    built = tmp_path / "mul_ifma.cpp.o"
    command = [*layout.compiler(), "-std=c++20", "-c", path, "-o", built]
    subprocess.run(command, check=True)
    assert (list(layout.kernel_mistakes(path.name, built)) == []) is is_good
