"""One run beside other libraries: which of them can be had, then every section in turn."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence

from peers import libraries, machine
from peers.draws import DRAWS, QUICK_DRAWS
from peers.install import NotInstallableError, interpreter
from peers.libraries import Library
from peers.measure import Progress, measure_noise, measure_operations, measure_updates
from peers.process import Worker
from peers.results import Results
from peers.workload import DIM

SECTIONS = ("operations", "update", "noise")


class Comparison:
    """The sections of one run, into one Results. ``kernel`` is veilsum's fastest here."""

    def __init__(
        self, results: Results, options: argparse.Namespace, kernel: str, progress: Progress
    ) -> None:
        self._results = results
        self._options = options
        self._kernel = kernel
        self._progress = progress
        self._pythons: dict[str, str] = {}

    def run(self) -> None:
        """The sections asked for."""
        for section in self._options.only:
            getattr(self, section)()

    def operations(self) -> None:
        """All operations: with one thread, then with all."""
        everything = self._available([*libraries.ours(self._kernel), *libraries.PEERS])
        for num_threads, key_bits in itertools.product(thread_counts(), self._options.key_bits):
            measure_operations(
                self._results,
                everything,
                self._start,
                key_bits=key_bits,
                num_threads=num_threads,
                num_rounds=self._options.rounds,
                seconds=self._options.seconds,
                progress=self._progress,
            )

    def update(self) -> None:
        """Workload W, the same way; a quick run takes all threads only."""
        cases = [
            (library, key_bits)
            for library in self._available([*libraries.our_updates(self._kernel), libraries.CKKS])
            for key_bits in (self._options.key_bits if library.is_ours else [0])
        ]
        for num_threads in thread_counts()[-1 if self._options.quick else 0 :]:
            measure_updates(
                self._results,
                cases,
                self._start,
                num_threads=num_threads,
                num_rounds=1 if self._options.quick else 3,
                dim=DIM,
                progress=self._progress,
            )

    def noise(self) -> None:
        """Everybody's noise with one thread; veilsum's on its fastest kernel with all, too."""
        ours = libraries.our_noise(self._kernel)
        everything = self._available([*ours, *libraries.NOISE_PEERS])
        fastest = [library for library in everything if library.is_ours and library.quick]
        for num_threads in thread_counts()[: 1 if self._options.quick else None]:
            measure_noise(
                self._results,
                everything if num_threads == 1 else fastest,
                self._start,
                draws=QUICK_DRAWS if self._options.quick else tuple(DRAWS),
                num_threads=num_threads,
                num_rounds=self._options.rounds,
                seconds=self._options.seconds,
                progress=self._progress,
            )

    def _available(self, wanted: Sequence[Library]) -> list[Library]:
        """Those that can be had here; for the others the reason is noted."""
        found = []
        for library in wanted:
            if self._options.quick and not library.quick:
                continue
            if library.requirements and not self._options.quick:
                self._progress(f"installing {library.name}")
            try:
                self._pythons[library.name] = self._python_of(library)
            except NotInstallableError as error:
                self._results.missing[library.name] = str(error)
            else:
                found.append(library)
        return found

    def _python_of(self, library: Library) -> str:
        """The interpreter that has the library. A quick run installs nothing."""
        if self._options.quick:
            return sys.executable
        return interpreter(library.requirements, self._options.peers_python)

    def _start(self, library: Library, key_bits: int, num_threads: int) -> Worker:
        python = self._pythons[library.name]
        return Worker(library, python, key_bits=key_bits, num_threads=num_threads)


def thread_counts() -> list[int]:
    """One, and all."""
    return sorted({1, machine.num_processors()})
