"""A virtual environment for each library, made once."""

from __future__ import annotations

import re
import subprocess
import sys

from peers.machine import ROOT

HOME = ROOT / ".venv-peers"
_TIMEOUT_SECONDS = 600


class NotInstallableError(Exception):
    """The library cannot be had here; the message says why, in one line."""


def interpreter(requirements: tuple[str, ...], base: str = sys.executable) -> str:
    """The Python that has these packages, after installing them if need be.

    Every set of packages has its own environment: libraries disagree about what they depend on.
    Nothing is compiled; where a project offers nothing built for this Python, it is missing.

    Raises:
        NotInstallableError: pip or venv failed.
    """
    if not requirements:
        return sys.executable
    folder = HOME / re.split("[<>=]", requirements[0])[0]
    python, stamp = folder / "bin" / "python", folder / "installed"
    state = "\n".join([_run([base, "-c", "import sys; print(sys.version)"]), *requirements])
    if python.exists() and stamp.exists() and stamp.read_text() == state:
        return str(python)
    _run([base, "-m", "venv", "--clear", "--without-pip", str(folder)])
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", "--only-binary", ":all:", *requirements])
    stamp.write_text(state)
    return str(python)


def _run(command: list[str]) -> str:
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotInstallableError(f"took more than {_TIMEOUT_SECONDS} s to install") from None
    except OSError as error:
        raise NotInstallableError(f"{command[0]}: {error.strerror}") from None
    if result.returncode:
        raise NotInstallableError(_reason(result.stderr))
    return result.stdout


def _reason(messages: str) -> str:
    """The last line of pip's that says what is wrong."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["installing failed without a message"])[-1]
