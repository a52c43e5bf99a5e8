"""Compilers for other systems: Clang as PyPI's ziglang has it, with the libraries of each."""

import importlib.metadata
import importlib.util
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from wheels import BUILD

GLIBC = "2.28"
_TOOLS = {"CC": "cc", "CXX": "c++", "AR": "ar", "RANLIB": "ranlib"}


@dataclass(frozen=True)
class Target:
    """What something is built for.

    Attributes:
        processor: its name in Linux.
        system: ``gnu`` or ``musl``, the C library of a Linux, or ``macos``.
    """

    processor: str
    system: str = "gnu"

    @staticmethod
    def of_this_machine() -> "Target":
        """This machine's kind, as wheels are built for it."""
        return Target(platform.machine())

    @property
    def name(self) -> str:
        """Of its folder, and of it in messages."""
        return f"{self.processor}-{self.system}"

    @property
    def triple(self) -> str:
        """Its name for ziglang."""
        names = {"gnu": f"linux-gnu.{GLIBC}", "musl": "linux-musl", "macos": "macos"}
        return f"{self.processor}-{names[self.system]}"

    @property
    def platform_tag(self) -> str:
        """The end of a wheel's name."""
        return f"manylinux_{GLIBC.replace('.', '_')}_{self.processor}"

    def compiler(self) -> dict[str, str]:
        """Programs by the names that configure and CMake know them by.

        Each is a short script: a variable that holds several words is not understood everywhere.
        """
        folder = BUILD / self.name / "compiler"
        folder.mkdir(parents=True, exist_ok=True)
        triple = f"-target {self.triple} "
        for tool in _TOOLS.values():
            options = triple if tool.startswith("c") else ""
            script = folder / tool
            text = (
                f"#!/bin/sh\n# ziglang {zig_version()}\n"
                f'exec "{zig_folder() / "zig"}" {tool} {options}"$@"\n'
            )
            # A compiler cache takes a script that was written again for another compiler.
            if not script.exists() or script.read_text() != text:
                script.write_text(text)
                script.chmod(0o755)
        return {name: str(folder / tool) for name, tool in _TOOLS.items()}


def zig_folder() -> Path:
    """Where ziglang is installed.

    Raises:
        ModuleNotFoundError: it is not.
    """
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("ziglang is not installed here: ./run wheel installs it")
    return Path(spec.origin).parent


def zig_version() -> str:
    """The version of ziglang."""
    return importlib.metadata.version("ziglang")


def libcxx_version() -> str:
    """The version of the C++ standard library that is linked into what this compiler builds."""
    config = (zig_folder() / "lib" / "libcxx" / "include" / "__config").read_text()
    number = re.search(r"define _LIBCPP_VERSION (\d\d)(\d\d)(\d\d)$", config, re.MULTILINE)
    if number is None:
        raise ValueError("ziglang's libc++ does not say its version where it used to")
    return ".".join(str(int(part)) for part in number.groups())
