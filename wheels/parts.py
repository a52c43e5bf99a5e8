"""What others made and a wheel brings along: names, versions, licences and their texts."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from wheels import compiler, gmp

#: What the sources of veilsum say; pyproject.toml has it too.
OWN_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Part:
    """One of them.

    Attributes:
        name: as a software bill of materials has it.
        version: of what is in the wheel.
        licence: an SPDX expression.
        purl: a package URL.
        texts: the licence's texts, by their names in the wheel.
        is_linked_in: it is in the extension module; otherwise in a file of its own.
    """

    name: str
    version: str
    licence: str
    purl: str
    texts: dict[str, Path]
    is_linked_in: bool


def of_wheel(gmp_prefix: Path, *, has_zig: bool = True) -> list[Part]:
    """The parts of a wheel, in the order in which they are listed.

    Args:
        gmp_prefix: where GMP was installed.
        has_zig: it was built by ziglang, which links the libraries of its compiler in.
    """
    pybind11 = importlib.metadata.version("pybind11")
    parts = [
        Part(
            "gmp",
            gmp.VERSION,
            gmp.LICENCE_EXPRESSION,
            f"pkg:deb/debian/gmp@{gmp.VERSION}%2Bdfsg?arch=source",
            {f"gmp/{name}": gmp_prefix / "licences" / name for name in gmp.LICENCES},
            is_linked_in=False,
        ),
        Part(
            "pybind11",
            pybind11,
            "BSD-3-Clause",
            f"pkg:pypi/pybind11@{pybind11}",
            {"pybind11/LICENSE": licence_of("pybind11")},
            is_linked_in=True,
        ),
    ]
    return parts + (of_zig() if has_zig else [])


def of_zig() -> list[Part]:
    """What ziglang links in: LLVM's library of C++, and its own in the place of libgcc."""
    zig, version = compiler.zig_folder(), compiler.zig_version()
    llvm = compiler.libcxx_version()
    parts = []
    for name in ("libcxx", "libcxxabi", "libunwind"):
        texts = {f"{name}/LICENSE.TXT": zig / "lib" / name / "LICENSE.TXT"}
        licence, purl = "Apache-2.0 WITH LLVM-exception", f"pkg:generic/llvm-{name}@{llvm}"
        parts.append(Part(name, llvm, licence, purl, texts, is_linked_in=True))
    texts = {"compiler-rt/LICENSE": zig / "LICENSE"}
    purl = f"pkg:pypi/ziglang@{version}"
    return [*parts, Part("compiler-rt", version, "MIT", purl, texts, is_linked_in=True)]


def licence_of(distribution: str) -> Path:
    """The licence text of an installed package."""
    files = importlib.metadata.files(distribution) or []
    (text,) = [file for file in files if file.name == "LICENSE" and "licenses" in file.parts]
    return Path(str(text.locate()))


def expression(parts: list[Part]) -> str:
    """The SPDX expression of a wheel with these parts."""
    licences = dict.fromkeys([OWN_LICENCE, *(part.licence for part in parts)])
    return " AND ".join(f"({text})" if " OR " in text else text for text in licences)
