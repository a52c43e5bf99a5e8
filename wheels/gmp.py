"""GMP for the wheels: Debian's source package, built as a shared library that users can replace."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import urllib.request
from pathlib import Path

from wheels import BUILD
from wheels.compiler import Target, zig_version

VERSION = "6.3.0"
# Debian's and Ubuntu's archives have the same file: GMP as published, without its manual.
ARCHIVE_PATH = "pool/main/g/gmp/gmp_6.3.0+dfsg.orig.tar.xz"
SHA256 = "bd2966e6d277f79328e894a5a9f3ba3fbf2ed2be81def5f48623e30c23fb1572"
LICENCES = ("COPYING", "COPYING.LESSERv3", "COPYINGv2", "COPYINGv3")
LICENCE_EXPRESSION = "LGPL-3.0-or-later OR GPL-2.0-or-later"
_HOSTS = {"gnu": "pc-linux-gnu", "musl": "pc-linux-musl", "macos": "apple-darwin"}
# configure asks for a makefile of the manual that Debian left out.
NO_MANUAL = "all install check clean:\n\t@:\n"


def source_archive() -> Path:
    """The archive of sources, from this machine's Debian mirror unless it is there already.

    Raises:
        ValueError: what the mirror has is not what is pinned here.
    """
    archive = BUILD / Path(ARCHIVE_PATH).name
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(f"{mirror()}/{ARCHIVE_PATH}", timeout=180) as answer:
            check(content := answer.read())
        archive.write_bytes(content)
    check(archive.read_bytes())
    return archive


def mirror() -> str:
    """The archive of packages that apt is set up to use, or VEILSUM_DEBIAN_MIRROR."""
    if named := os.environ.get("VEILSUM_DEBIAN_MIRROR"):
        return named.rstrip("/")
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    targets = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    usual = [uri for uri in targets if "security" not in uri and uri.startswith("http")]
    if not usual:
        raise ValueError("apt has no mirror here: name one in VEILSUM_DEBIAN_MIRROR")
    return usual[0].rstrip("/")


def check(content: bytes) -> None:
    """Refuse everything but the archive that is pinned."""
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(f"{ARCHIVE_PATH} has the SHA-256 {found} and must have {SHA256}")


def unpack(archive: Path, folder: Path) -> Path:
    """The sources, in a folder of their own in this one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(archive) as sources:
        # Pythons before 3.10.12 and 3.11.4 have none, newer ones ask for it: the archive is pinned.
        if hasattr(tarfile, "data_filter"):
            sources.extraction_filter = tarfile.data_filter
        sources.extractall(folder)
    (source,) = folder.iterdir()
    (source / "doc").mkdir(exist_ok=True)
    (source / "doc" / "Makefile.in").write_text(NO_MANUAL)
    return source


def build(target: Target) -> Path:
    """The folder with lib, include and licences, built unless it is there already."""
    home = BUILD / target.name / "gmp"
    prefix = home / "prefix"
    stamp = prefix / "built"
    state = f"{SHA256} {zig_version()} {Path(__file__).read_text()}"
    if stamp.exists() and stamp.read_text() == state:
        return prefix
    here = Target.of_this_machine()
    tools = target.compiler() | {"CC_FOR_BUILD": here.compiler()["CC"]}
    del tools["CXX"]
    # With a vendor: else configure looks which processor this machine has.
    host = f"{target.processor}-{_HOSTS[target.system]}"
    machines: tuple[str, ...] = (f"--build={here.processor}-pc-linux-gnu", f"--host={host}")
    if target.system == "macos":  # This machine's nm does not know its objects.
        machines += ("--disable-assembly",)
    is_shared = target.system == "gnu"  # Elsewhere it is for tests that run without its system.
    install(prefix, home, tools, machines, is_shared, serves_all=target.processor == "x86_64")
    stamp.write_text(state)
    return prefix


def install(
    prefix: Path,
    home: Path,
    tools: dict[str, str],
    machines: tuple[str, ...] = (),
    is_shared: bool = True,
    *,
    serves_all: bool,
) -> None:
    """Build the library and install it, with its licences.

    Args:
        prefix: where it is installed; what was there is removed.
        home: where sources and the log of the build lie.
        tools: compilers, by the names that configure knows.
        machines: what configure is told of the machines that build and run it.
        is_shared: a shared library, or an archive.
        serves_all: the library has the code of many processors and chooses when it is loaded;
            GMP can do so on x86-64.

    Raises:
        RuntimeError: it does not build.
    """
    source = unpack(source_archive(), home / "source")
    shutil.rmtree(prefix, ignore_errors=True)
    kinds = ("shared", "static") if is_shared else ("static", "shared")
    options = [f"--enable-{kinds[0]}", f"--disable-{kinds[1]}", f"--prefix={prefix}"]
    if serves_all:
        options.append("--enable-fat")
    flags = {"CFLAGS": f"-O2 -g0 -fPIC -ffile-prefix-map={source}=gmp", "LDFLAGS": "-Wl,-s"}
    words = [f"{name}={value}" for name, value in (tools | flags).items()]
    num_jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count()))
    log = home / "build.log"
    with log.open("w") as output:
        for command in (
            ["./configure", *machines, *options, *words],
            ["make", "-j", num_jobs],
            ["make", "install"],
        ):
            done = subprocess.run(command, cwd=source, stdout=output, stderr=output)
            if done.returncode != 0:
                raise RuntimeError(f"GMP does not build: {' '.join(command[:2])}; see {log}")
    (prefix / "licences").mkdir()
    for name in LICENCES:
        shutil.copy(source / name, prefix / "licences" / name)
