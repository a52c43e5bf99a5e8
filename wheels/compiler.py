"""Compilers for old systems: Clang as PyPI's ziglang has it, with the stubs of any glibc."""

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
    """A kind of processor that wheels are made for, by its name in Linux."""

    name: str

    @staticmethod
    def of_this_machine() -> "Target":
        """The kind of processor of this machine."""
        return Target(platform.machine())

    @property
    def platform_tag(self) -> str:
        """The end of a wheel's name."""
        return f"manylinux_{GLIBC.replace('.', '_')}_{self.name}"

    def compiler(self) -> dict[str, str]:
        """Programs by the names that configure and CMake know them by.

        Each is a short script: a variable that holds several words is not understood everywhere.
        """
        folder = BUILD / self.name / "compiler"
        folder.mkdir(parents=True, exist_ok=True)
        triple = f"-target {self.name}-linux-gnu.{GLIBC} "
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
