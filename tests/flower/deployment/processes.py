"""Programs that a test starts, and everything that they start in turn: found again and ended."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

MARK = "VEILSUM_TEST_DEPLOYMENT"


class ProcessFailedError(RuntimeError):
    """A program ended, or said nothing in time; with the end of its log."""


class Processes:
    """Starts programs with logs in files; at the end no process of theirs is left.

    Programs of Flower start others in sessions of their own, and those outlive a SIGKILL of the
    first. All carry a mark in their environment, by which they are found.
    """

    def __init__(self, logs, environment):
        self._logs = Path(logs)
        self._logs.mkdir()
        self._mark = secrets.token_hex(16)
        self._environment = {**environment, MARK: self._mark}
        self._running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end_all()

    def start(self, name, command, *, cwd, environment=None):
        """Start a program; its output goes to the log of this name."""
        with open(self.log_path(name), "ab") as log:
            self._running[name] = subprocess.Popen(
                [str(word) for word in command],
                cwd=cwd,
                env={**self._environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, name, timeout):
        """The exit code of a program that should end by itself."""
        try:
            return self._running[name].wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProcessFailedError(self._report(name, f"ran longer than {timeout} s")) from None

    def wait_for(self, name, condition, timeout):
        """Wait until ``condition()`` while the program runs; return what it gave."""
        end = time.monotonic() + timeout
        while not (found := condition()):
            if self._running[name].poll() is not None:
                raise ProcessFailedError(self._report(name, "ended"))
            if time.monotonic() > end:
                raise ProcessFailedError(self._report(name, f"was not there after {timeout} s"))
            time.sleep(0.1)
        return found

    def log_path(self, name):
        return self._logs / f"{name}.log"

    def log(self, name):
        return self.log_path(name).read_text(errors="replace")

    def find(self, word, *, under=None):
        """Ids of processes with this word in their command line; only those of one program."""
        root = None if under is None else self._running[under].pid
        found = []
        for pid in self._marked():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if any(word in os.fsdecode(part) for part in words) and (
                    root is None or root in _ancestors(pid)
                ):
                    found.append(pid)
        return found

    def kill(self, name):
        """SIGKILL to the program and to all that it started, as when a machine loses power."""
        program = self._running.pop(name)
        # Its children first: without it nobody could tell whose they were.
        for pid in self._marked():
            if program.pid in _ancestors(pid):
                _send(pid, signal.SIGKILL)
        program.kill()
        program.wait()

    def end_all(self):
        """SIGTERM, the last one first; then SIGKILL to whatever is left."""
        for program in reversed(self._running.values()):
            if program.poll() is None:
                program.terminate()
        end = time.monotonic() + 5
        for program in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(max(0.1, end - time.monotonic()))
        while left := self._marked():
            assert time.monotonic() < end + 30, f"processes {left} do not end"
            for pid in left:
                _send(pid, signal.SIGKILL)
            time.sleep(0.05)
        for program in self._running.values():
            program.wait()
        self._running.clear()

    def all_logs(self):
        """The ends of all logs, for the report of a failure."""
        paths = sorted(self._logs.glob("*.log"))
        return "\n".join(f"==== {path.name}\n{_tail(path)}" for path in paths)

    def _report(self, name, what):
        return f"{name} {what}:\n{_tail(self.log_path(name))}"

    def _marked(self):
        """Ids of all processes with the mark that have not ended."""
        wanted = os.fsencode(f"{MARK}={self._mark}")
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):  # It may have ended, or be somebody else's.
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return found


def free_ports(count):
    """Ports of 127.0.0.1 on which nothing listened a moment ago."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ancestors(pid):
    """The process and its parents, itself first."""
    chain = []
    while pid > 1:
        chain.append(pid)
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        pid = int(status.rpartition(")")[2].split()[1])
    return chain


def _send(pid, which):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, which)


def _tail(path, num_lines=40):
    return "\n".join(path.read_text(errors="replace").splitlines()[-num_lines:])
