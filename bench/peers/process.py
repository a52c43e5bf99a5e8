"""The parent's side of a worker."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from typing import Any

from peers.libraries import Library
from peers.machine import ROOT

_TIMEOUT_SECONDS = 300  # pypaillier needs a minute or two for a key of safe primes.


class WorkerError(Exception):
    """The library failed; the message says how, in one line."""


class Worker:
    """A library running in its own process. Closed when left as a context."""

    def __init__(
        self,
        library: Library,
        python: str,
        *,
        key_bits: int,
        num_threads: int,
        timeout_seconds: int = _TIMEOUT_SECONDS,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self.library = library
        self.key_bits = key_bits
        self.num_threads = num_threads
        environment = os.environ | library.environment
        environment["PYTHONPATH"] = str(ROOT / "bench")
        environment["RUST_BACKTRACE"] = "0"
        environment["VEILSUM_NUM_THREADS"] = str(num_threads)
        if num_threads == 1:
            environment |= {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
        self._messages = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [python, "-m", "peers.worker", library.adapter, str(key_bits), str(num_threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            env=environment,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._messages.close()

    def ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Raises:
            WorkerError: the library raised, crashed, or did not answer in time.
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
            raise WorkerError(f"no answer for {self._timeout_seconds} s")
        if not line:
            raise WorkerError(f"stopped: {self._last_message()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _last_message(self) -> str:
        self._process.wait()
        self._messages.seek(0)
        lines = self._messages.read().split("\n")
        return next((line for line in reversed(lines) if line.strip()), "without a message")
