"""A library in a process of its own, and in a virtual environment of its own, made once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from typing import Any, TypeVar

from bench.libraries import Library
from bench.machine import ROOT

HOME = ROOT / ".venv-peers"
_INSTALL_SECONDS = 600
_ANSWER_SECONDS = 300  # pypaillier needs a minute or two for a key of safe primes.

W = TypeVar("W", bound="Worker")


class LibraryError(Exception):
    """The library cannot be had here, or failed; the message says why, in one line."""


def interpreter(requirements: tuple[str, ...], base: str = sys.executable) -> str:
    """The Python that has these packages, after installing them if need be.

    Every set of packages has its own environment: libraries disagree about what they depend on.
    Nothing is compiled; where a project offers nothing built for this Python, it is missing.

    Raises:
        LibraryError: pip or venv failed.
    """
    if not requirements:
        return sys.executable
    folder = HOME / re.split("[<>=]", requirements[0])[0]
    python, stamp = folder / "bin" / "python", folder / "installed"
    state = "\n".join([output_of([base, "-c", "import sys; print(sys.version)"]), *requirements])
    if python.exists() and stamp.exists() and stamp.read_text() == state:
        return str(python)
    output_of([base, "-m", "venv", "--clear", "--without-pip", str(folder)])
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    output_of([*pip, "install", "--quiet", "--only-binary", ":all:", *requirements])
    stamp.write_text(state)
    return str(python)


def output_of(command: list[str]) -> str:
    """What a command of an installation says.

    Raises:
        LibraryError: it cannot be started, failed, or took more than ten minutes.
    """
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise LibraryError(f"took more than {_INSTALL_SECONDS} s to install") from None
    except OSError as error:
        raise LibraryError(f"{command[0]}: {error.strerror}") from None
    if result.returncode:
        raise LibraryError(_reason(result.stderr))
    return result.stdout


def _reason(messages: str) -> str:
    """The last line of pip's that says what is wrong."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["installing failed without a message"])[-1]


class Worker:
    """A :mod:`bench.worker` at the other end of two pipes. Closed when left as a context."""

    def __init__(
        self,
        library: Library,
        python: str,
        *,
        key_bits: int = 0,
        num_threads: int = 1,
        timeout_seconds: int = _ANSWER_SECONDS,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self.library = library
        environment = {
            "PYTHONPATH": str(ROOT),
            "RUST_BACKTRACE": "0",
            "VEILSUM_NUM_THREADS": str(num_threads),
        }
        if num_threads == 1:
            environment |= {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
        self._messages = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [python, "-m", "bench.worker", library.adapter, str(key_bits), str(num_threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            env=os.environ | library.environment | environment,
            text=True,
        )

    def __enter__(self: W) -> W:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._messages.close()

    def ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Raises:
            LibraryError: the library raised, crashed, or did not answer in time.
        """
        self.send(request, **arguments)
        return self.receive()

    def send(self, request: str, **arguments: Any) -> None:
        """Send a request; the answer must be received before the next one."""
        assert self._process.stdin is not None
        try:
            print(json.dumps([request, arguments]), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass  # receive tells why.

    def receive(self) -> dict[str, Any]:
        """Wait for the answer; see :meth:`ask`."""
        assert self._process.stdout is not None
        timer = threading.Timer(self._timeout_seconds, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timed_out = not timer.is_alive()
        timer.cancel()
        if timed_out:
            raise LibraryError(f"no answer for {self._timeout_seconds} s")
        if not line:
            raise LibraryError(f"stopped: {self._last_message()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LibraryError(answer["error"])
        return answer

    def _last_message(self) -> str:
        self._process.wait()
        self._messages.seek(0)
        lines = self._messages.read().split("\n")
        return next((line for line in reversed(lines) if line.strip()), "without a message")
