"""One library in a process of its own, with an interpreter that may have nothing but the library.

The parent writes a request a line on standard input, JSON, and reads one answer a line. Only one
worker computes at a time; the others wait, so that they take turns on an otherwise equal machine.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np

from bench.draws import DRAWS
from bench.floats import check_floats
from bench.operations import OPERATIONS, Call, check
from bench.workload import make_update


class Session:
    """What a worker does for its parent; one method a request."""

    def __init__(self, adapter_path: str, key_bits: int, num_threads: int) -> None:
        module, _, name = adapter_path.partition(":")
        adapter_class = getattr(importlib.import_module(module), name)
        self._adapter = adapter_class(key_bits, num_threads)
        self._call: Call
        self._batch = 0
        self._update: Any = None

    def describe(self) -> dict[str, Any]:
        """The library's versions, its kernel, and what else there is to say of it."""
        versions = {name: version(name) for name in self._adapter.packages}
        return {"versions": versions, "kernel": self._adapter.kernel(), **self._adapter.nature()}

    def ready(self, operation: str, seconds: float) -> dict[str, Any]:
        """Make operands for calls of about ``seconds``, if there can be as many."""
        wanted = OPERATIONS[operation]
        try:
            self._bind(operation, wanted.smallest_batch)
            check(self._adapter, self._call)  # Also the warm-up: tables are made here.
        except NotImplementedError:
            return {"batch": 0}
        operand = self._call.prepare()
        start = time.perf_counter()
        self._call.run(operand)
        fitting = int(self._batch * seconds / (time.perf_counter() - start))
        batch = min(wanted.largest_batch, max(wanted.smallest_batch, fitting))
        if batch > wanted.step:
            batch -= batch % wanted.step
        if batch != self._batch:
            self._bind(operation, batch)
        return {"batch": batch}

    def ready_to_draw(self, draw: str) -> dict[str, Any]:
        """Make what a call draws into, see that it draws what it should, and warm up."""
        wanted = DRAWS[draw]
        self._batch = self._adapter.num_samples(wanted)
        try:
            sampler = self._adapter.sampler(wanted, self._batch)
        except NotImplementedError:
            return {"batch": 0}
        self._adapter.check(wanted, sampler())
        self._call = Call(lambda _: sampler(), [])
        return {"batch": self._batch}

    def ready_for_floats(self, operation: str) -> dict[str, Any]:
        """Make operands, and see that the library computes what it should."""
        self._call = check_floats(self._adapter, operation)
        self._batch = 1  # One vector.
        return {"batch": 1}

    def _bind(self, operation: str, batch: int) -> None:
        self._call = OPERATIONS[operation].bind(self._adapter, batch)
        self._batch = batch

    def sample(self, seconds: float) -> dict[str, Any]:
        """Call again and again for about ``seconds``; preparing does not count, but must end."""
        wall = processor = 0.0
        num_calls = 0
        start = time.perf_counter()
        while wall < seconds and (not num_calls or time.perf_counter() - start < 3 * seconds):
            operand = self._call.prepare()
            wall_start, processor_start = time.perf_counter(), time.process_time()
            result = self._call.run(operand)
            processor += time.process_time() - processor_start
            wall += time.perf_counter() - wall_start
            num_calls += 1
            del result  # Freed before the clock starts again.
        num_values = num_calls * self._batch
        return {"seconds": wall / num_values, "processor_seconds": processor / num_values}

    def time_calls(self, draw: str, count: int, num_calls: int, seconds: float) -> dict[str, Any]:
        """The time of each of many calls, and the mean magnitude of the noise each drew."""
        sampler = self._adapter.sampler(DRAWS[draw], count)
        sampler()
        nanoseconds: list[int] = []
        magnitudes: list[float] = []
        gc.disable()
        end = time.perf_counter() + seconds
        while len(nanoseconds) < num_calls and time.perf_counter() < end:
            start = time.perf_counter_ns()
            samples = sampler()
            nanoseconds.append(time.perf_counter_ns() - start)
            magnitudes.append(float(np.abs(samples).mean()))
        gc.enable()
        return {"nanoseconds": nanoseconds, "magnitudes": magnitudes}

    def update(self, dim: int) -> dict[str, Any]:
        """Workload W once."""
        if self._update is None:
            self._update = make_update(dim)
        return self._adapter.run(self._update, time.perf_counter)

    def call(self, method: str, **arguments: Any) -> Any:
        """What only some adapters do, such as a round of federated averaging."""
        return getattr(self._adapter, method)(**arguments)


def main() -> None:
    """Answer requests until standard input ends."""
    adapter_path, key_bits, num_threads = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # Libraries print: they shall not disturb the answers.
    if num_threads == "1" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    session = None
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            if session is None:
                session = Session(adapter_path, int(key_bits), int(num_threads))
            answer = getattr(session, name)(**arguments)
        except BaseException as error:  # A panic in Rust is no Exception.
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
