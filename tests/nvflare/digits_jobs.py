"""The example's job, run in NVFlare's simulator; for tests only."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import train
import veilsum as vs
from deal import CODEC, SITES

HERE = Path(__file__).parent
EXAMPLE = HERE.parent.parent / "examples" / "06_nvflare"
MAX_SAMPLES = 600  # as in job_digits.py


@dataclass(frozen=True)
class FinishedJob:
    """A job that ran in a folder that ``deal`` made."""

    folder: Path
    log: str
    messages: list
    has_failed: bool = False

    @property
    def server_workspace(self):
        return self.folder / "workspace" / "digits" / "server"

    @property
    def model(self):
        return np.load(self.server_workspace / "simulate_job" / "models" / "server.npy")


class SiteLostError(Exception):
    """NVFlare 2.9.0's simulator gives two sites the same port now and then, and waits for ever.

    Or it never connects to a site that it has started.
    """


_LOST = "Communication error with client"
_NUM_ATTEMPTS = 3
_JOB_SECONDS = 150  # It takes some 20.
_CAPTURE = "VEILSUM_TEST_CAPTURE"


def run_job(folder, *, script=HERE / "job_digits.py", options=(), variables=None, may_fail=False):
    """Run it in a process of its own, as users do, and write down the keys of all messages.

    ``variables``: of the environment, besides; ``may_fail``: a job that ends with an error is
    returned too.
    """
    pristine = folder.with_name(f"{folder.name}-before-the-job")
    shutil.rmtree(pristine, ignore_errors=True)
    shutil.copytree(folder, pristine)
    for attempt in range(1, _NUM_ATTEMPTS + 1):
        try:
            return _run_job(folder, script, options, variables or {}, may_fail)
        except SiteLostError:
            if attempt == _NUM_ATTEMPTS:
                raise
            shutil.rmtree(folder)
            shutil.copytree(pristine, folder)


def _run_job(folder, script, options, variables, may_fail):
    capture = folder / "capture.jsonl"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE / "capture"), str(EXAMPLE)]),
        _CAPTURE: str(capture),
        "VEILSUM_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, script, folder, *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    is_late = threading.Event()

    def end_late_job():
        is_late.set()
        end_job(capture)

    watchdog = threading.Timer(_JOB_SECONDS, end_late_job)
    watchdog.start()
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if _LOST in line:
                raise SiteLostError(line)
        process.wait()
    finally:
        watchdog.cancel()
        end_job(capture)
        process.wait()
        process.stdout.close()
    log = "".join(lines)
    if is_late.is_set():
        raise SiteLostError(f"not over after {_JOB_SECONDS} s: {log[-2000:]}")
    has_failed = process.returncode != 0
    assert may_fail or not has_failed, log[-5000:]
    messages = [json.loads(line) for line in capture.read_text().splitlines()]
    return FinishedJob(folder, log, messages, has_failed)


def end_job(capture):
    """End what is left of a job: all processes that were told to write to this file.

    The simulator and its sites make sessions of their own, and outlive their parents.
    """
    told = f"{_CAPTURE}={capture}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            # A process may be gone by now, or be another user's.
            with suppress(OSError):
                if told in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)


class Site:
    """A site of the example as a client of veilsum.FedAvg, which may fail in some rounds."""

    def __init__(self, name, *, fails_from=None):
        self._samples, self._labels = train.share(name)
        self._fails_from = fails_from
        self._round = 0

    @property
    def num_samples(self):
        return len(self._samples)

    def train(self, model, epochs):
        self._round += 1
        if self._fails_from is not None and self._round >= self._fails_from:
            raise RuntimeError("as in the job")
        return [train.trained(model[0], self._samples, self._labels)]


def in_process_model(key, *, rounds=3, fails_from=None):
    """What veilsum.FedAvg makes of the same sites. ``fails_from``: rounds by names of sites."""
    loop = vs.FedAvg(
        [np.zeros((65, 10), np.float32)],
        [Site(name, fails_from=(fails_from or {}).get(name)) for name in SITES],
        codec=CODEC,
        trust="threshold",
        key=key,
        fraction=1.0,
        max_samples=MAX_SAMPLES,
    )
    history = loop.run(rounds)
    assert not any(record.abandoned for record in history.rounds)
    return loop.model[0]


def files_that_hold(folder, secret):
    """The files below a folder in which these bytes are."""
    assert len(secret) >= 16, "so few bytes are anywhere"
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert files
    return [path for path in files if secret in path.read_bytes()]
