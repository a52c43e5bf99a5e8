"""What `./run wheel` makes of a built extension: the same bytes, licences, a bill of materials.

Building one takes minutes and is the task itself, which tries each wheel that it makes.
"""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from wheels import archive, build, gmp, parts, platforms, sbom
from wheels.compiler import GLIBC, Target
from wheels.parts import Part
from wheels.platforms import PLATFORMS

ROOT = Path(__file__).resolve().parent.parent
INFO = "veilsum-1.2.3.dist-info"
NAME = "veilsum-1.2.3-cp311-cp311-manylinux_2_28_x86_64.whl"
METADATA = """Metadata-Version: 2.4
Name: veilsum
Version: 1.2.3
License-Expression: Apache-2.0
License-File: LICENSE
Requires-Python: >=3.10

# veilsum

License-File: not a field, but a line of the page
"""
FILES = {
    "veilsum/__init__.py": b"",
    "veilsum/_core.cpython-311-x86_64-linux-gnu.so": b"machine code",
    "veilsum.libs/libgmp-0a1b2c3d.so.10.5.0": b"more of it",
    f"{INFO}/METADATA": METADATA.encode(),
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\n",
    f"{INFO}/RECORD": b"of another wheel",
}


@pytest.fixture
def two_parts(tmp_path):
    (tmp_path / "COPYING").write_text("copy it")
    (tmp_path / "LICENSE").write_text("use it")
    copying, license_ = tmp_path / "COPYING", tmp_path / "LICENSE"
    return [
        Part("gmp", "6.3.0", "A OR B", "pkg:x/gmp@6.3.0", {"gmp/COPYING": copying}, False),
        Part("inner", "2", "MIT", "pkg:x/inner@2", {"inner/LICENSE": license_}, True),
    ]


# ---- the file ----


def test_same_files_are_the_same_bytes_in_any_order(tmp_path):
    archive.write(tmp_path / "a.whl", FILES, 1_700_000_000)
    archive.write(tmp_path / "b.whl", dict(reversed(FILES.items())), 1_700_000_000)
    assert (tmp_path / "a.whl").read_bytes() == (tmp_path / "b.whl").read_bytes()
    archive.write(tmp_path / "b.whl", FILES, 1_700_000_002)
    assert (tmp_path / "a.whl").read_bytes() != (tmp_path / "b.whl").read_bytes()


def test_record_has_the_hash_of_every_file(tmp_path):
    archive.write(tmp_path / NAME, FILES, 0)
    files = archive.read(tmp_path / NAME)
    rows = [line.split(",") for line in files[f"{INFO}/RECORD"].decode().splitlines()]
    assert {name for name, _, _ in rows} == set(FILES)
    for name, digest, size in rows:
        if name == f"{INFO}/RECORD":
            assert (digest, size) == ("", "")
            continue
        expected = base64.urlsafe_b64encode(hashlib.sha256(FILES[name]).digest()).decode()
        assert (digest, size) == (f"sha256={expected.rstrip('=')}", str(len(FILES[name])))


def test_libraries_can_be_executed_and_metadata_comes_last(tmp_path):
    archive.write(tmp_path / NAME, FILES, 0)
    with zipfile.ZipFile(tmp_path / NAME) as wheel:
        entries = wheel.infolist()
    executable = {entry.filename for entry in entries if entry.external_attr >> 16 & 0o111}
    assert executable == {name for name in FILES if ".so" in name}
    is_info = [entry.filename.startswith(INFO) for entry in entries]
    assert is_info == sorted(is_info)


# ---- licences ----


def test_licences_of_all_parts_are_in_the_wheel(two_parts):
    files = archive.complete(FILES, NAME, two_parts)
    assert files[f"{INFO}/licenses/gmp/COPYING"] == b"copy it"
    assert files[f"{INFO}/licenses/inner/LICENSE"] == b"use it"
    head, _, page = files[f"{INFO}/METADATA"].decode().partition("\n\n")
    assert "\nLicense-Expression: Apache-2.0 AND (A OR B) AND MIT\n" in head
    listed = re.findall(r"^License-File: (.+)$", head, re.MULTILINE)
    assert listed == ["LICENSE", "gmp/COPYING", "inner/LICENSE"]
    assert page == METADATA.partition("\n\n")[2]


@pytest.mark.parametrize("field", ["License-Expression", "License-File"])
def test_metadata_without_a_licence_is_refused(field):
    metadata = METADATA.replace(f"{field}:", "Keywords:", 1)
    with pytest.raises(ValueError, match="License-Expression"):
        archive.with_licences(metadata, "MIT", ["LICENSE"])


def test_own_licence_is_that_of_the_project():
    project = (ROOT / "pyproject.toml").read_text()
    assert f'\nlicense = "{parts.OWN_LICENCE}"\n' in project


# ---- bill of materials ----


def test_bill_names_every_part_and_hashes_every_library(two_parts):
    files = archive.complete(FILES, NAME, two_parts)
    bill = json.loads(files[f"{INFO}/sboms/{sbom.NAME}"])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    component = bill["metadata"]["component"]
    assert (component["name"], component["version"]) == ("veilsum", "1.2.3")
    described = [(part["name"], part["version"]) for part in bill["components"]]
    assert described == [("gmp", "6.3.0"), ("inner", "2")]
    (library,) = bill["components"][0]["components"]
    content = FILES["veilsum.libs/libgmp-0a1b2c3d.so.10.5.0"]
    assert library["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]
    references = {part["bom-ref"] for part in [component, *bill["components"]]}
    assert {entry["ref"] for entry in bill["dependencies"]} == references
    assert set(bill["dependencies"][0]["dependsOn"]) == references - {component["bom-ref"]}


def test_bill_is_the_same_for_the_same_wheel(two_parts):
    bills = [sbom.document("1.2.3", NAME, two_parts, FILES) for _ in range(2)]
    assert bills[0] == bills[1]
    other = sbom.document("1.2.3", NAME.replace("cp311", "cp312"), two_parts, FILES)
    assert json.loads(other)["serialNumber"] != json.loads(bills[0])["serialNumber"]


# ---- GMP ----


def test_another_archive_than_the_pinned_one_is_refused():
    with pytest.raises(ValueError, match=gmp.SHA256):
        gmp.check(b"something else")


def test_sources_are_read_from_the_mirror_that_is_named(monkeypatch):
    monkeypatch.setenv("VEILSUM_DEBIAN_MIRROR", "https://mirror.example/debian/")
    assert gmp.mirror() == "https://mirror.example/debian"


def test_sources_that_are_not_the_pinned_ones_are_not_kept(monkeypatch, tmp_path):
    path = tmp_path / "mirror" / gmp.ARCHIVE_PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    monkeypatch.setenv("VEILSUM_DEBIAN_MIRROR", (tmp_path / "mirror").as_uri())
    monkeypatch.setattr(gmp, "BUILD", tmp_path / "build")
    with pytest.raises(ValueError, match=gmp.SHA256):
        gmp.source_archive()
    assert not [path for path in (tmp_path / "build").rglob("*") if path.is_file()]


@pytest.mark.parametrize("is_old", [False, True])
def test_sources_get_the_makefile_that_is_missing(tmp_path, monkeypatch, is_old):
    if is_old:  # As Debian 12's Python 3.11.2, whose archives take no filter.
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
        extract = tarfile.TarFile.extractall
        monkeypatch.setattr(tarfile.TarFile, "extractall", lambda self, path: extract(self, path))
    content = b"of all"
    with tarfile.open(tmp_path / "gmp.tar", "w") as sources:
        member = tarfile.TarInfo("gmp-6.3.0/configure")
        member.size = len(content)
        sources.addfile(member, io.BytesIO(content))
    source = gmp.unpack(tmp_path / "gmp.tar", tmp_path / "source")
    assert (source / "configure").read_bytes() == content
    assert (source / "doc" / "Makefile.in").read_text() == gmp.NO_MANUAL


# ---- Pythons ----


def test_an_interpreter_of_another_version_is_not_taken(monkeypatch, tmp_path):
    for minor, says in ((11, "cpython 3.11"), (12, "cpython 3.9"), (13, "pypy 3.13")):
        program = tmp_path / f"python3.{minor}"
        program.write_text(f"#!/bin/sh\necho {says}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    found = build.interpreters((11, 12, 13))
    assert found == [build.Interpreter(11, str(tmp_path / "python3.11"))]
    assert found[0].tag == "cp311"


def test_supported_versions_are_those_of_the_package():
    oldest = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert build.MINORS[0] == int(oldest[1])


@pytest.mark.parametrize(("module", "text"), [("wheels", "--twice"), ("wheels.platforms", "musl")])
def test_help_needs_no_compiler(module, text):
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert text in done.stdout


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_debians_inner_header_is_found_alone(tmp_path, processor):
    here = tmp_path / "include" / f"{Target.of_this_machine().processor}-linux-gnu" / "python3.11"
    here.mkdir(parents=True)
    (here / "pyconfig.h").write_text("#define TRUE_ONE")
    (tmp_path / "include" / "stdlib.h").write_text("#error of another system")
    include = tmp_path / "include" / "python3.11"
    folder = build.debian_headers(include, Target(processor), tmp_path / "headers")
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.h")] == [
        f"{processor}-linux-gnu/python3.11/pyconfig.h"
    ]


def test_without_debians_header_there_is_an_empty_folder(tmp_path):
    folder = build.debian_headers(tmp_path / "include", Target("x86_64"), tmp_path / "headers")
    assert folder.is_dir()
    assert not list(folder.iterdir())


# ---- other platforms ----


def test_each_platform_has_a_folder_and_a_compiler_of_its_own():
    targets = [*PLATFORMS.values(), Target.of_this_machine()]
    assert len({target.name for target in targets}) == len({*targets})
    assert Target("aarch64", "musl").triple == "aarch64-linux-musl"
    assert Target("aarch64", "macos").triple == "aarch64-macos"
    assert Target("x86_64").triple == f"x86_64-linux-gnu.{GLIBC}"


def test_platform_tag_names_the_glibc_that_the_compiler_links_to():
    assert Target("aarch64").platform_tag == "manylinux_2_28_aarch64"
    assert Target("aarch64").triple == "aarch64-linux-gnu.2.28"


def test_a_platform_that_there_is_not_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["platforms", "musl", "beos"])
    with pytest.raises(SystemExit, match="2"):
        platforms.main()
    assert "'beos'" in capsys.readouterr().err
