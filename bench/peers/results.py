"""What was measured: plain data that goes to tables, charts and JSON alike."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

from peers.libraries import NUMPY_NOISE, random_bytes_of

FORMAT = 1


@dataclass(frozen=True)
class Row:
    """One library with one key size and number of threads."""

    library: str
    scheme: str
    key_bits: int
    num_threads: int
    is_ours: bool
    kernel: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    packing: dict[str, float] = field(default_factory=dict)  # As adapter.Packing.
    quality: dict[str, Any] = field(default_factory=dict)  # Of noise, as draws.Quality.


@dataclass
class Timing:
    """One operation of a row: seconds a ciphertext (or noise sample), one figure a round."""

    row: Row
    operation: str
    batch: int
    samples: list[float] = field(default_factory=list)
    processor_samples: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Ciphertexts (or noise samples) a second, from the median."""
        return 1 / statistics.median(self.samples)


@dataclass
class Update:
    """Workload W through a row: seconds of each phase, one sample a round."""

    row: Row
    dim: int
    samples: dict[str, list[float]]
    num_bytes: int
    max_error: float

    def median(self, phase: str) -> float:
        """Seconds of a phase."""
        return statistics.median(self.samples[phase])


@dataclass(frozen=True)
class Memory:
    """Bytes of an aggregator: its highest ever, and before the first contribution came."""

    key_bits: int
    dim: int
    num_contributors: int
    peak_bytes: int
    baseline_bytes: int
    contribution_bytes: int
    seconds_per_contributor: float


@dataclass
class Run:
    """What is known of any run: where and how it ran, and what it could not measure."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    missing: dict[str, str] = field(default_factory=dict)  # What is not here: why.


@dataclass
class Results(Run):
    """Everything one run found."""

    rows: list[Row] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    noise: list[Timing] = field(default_factory=list)  # The operation is a name of draws.DRAWS.
    memory: list[Memory] = field(default_factory=list)

    def rows_of(self, key_bits: int, num_threads: int) -> list[Row]:
        """The rows of one table."""
        wanted = (key_bits, num_threads)
        return [row for row in self.rows if (row.key_bits, row.num_threads) == wanted]

    def timing(self, row: Row, operation: str) -> Timing | None:
        """What was measured of an operation, if anything."""
        found = (t for t in self.timings if t.row is row and t.operation == operation)
        return next(found, None)

    def our_row(self, row: Row) -> Row | None:
        """veilsum on its fastest kernel, under the same conditions as ``row``."""
        rows = self.rows_of(row.key_bits, row.num_threads)
        return next((candidate for candidate in rows if candidate.is_ours), None)

    def ratio(self, row: Row, operation: str) -> float | None:
        """How many times as fast as ``row`` veilsum's fastest kernel is, by medians."""
        ours, theirs = self.our_row(row), self.timing(row, operation)
        timing = self.timing(ours, operation) if ours and ours is not row else None
        return timing.per_second / theirs.per_second if timing and theirs else None

    def noise_timing(self, library: str, num_threads: int, draw: str) -> Timing | None:
        """What was measured of a distribution, if anything."""
        wanted = (library, num_threads, draw)
        found = (t for t in self.noise if (t.row.library, t.row.num_threads, t.operation) == wanted)
        return next(found, None)

    def noise_ratio(self, timing: Timing) -> float | None:
        """How many times as fast as numpy's fastest generator on one thread, by medians."""
        base = self.noise_timing(NUMPY_NOISE, 1, timing.operation)
        return timing.per_second / base.per_second if base else None

    def our_noise_ratio(self, timing: Timing) -> float | None:
        """How many times as fast veilsum's first row is, with as many threads, by medians."""
        wanted = (timing.row.num_threads, timing.operation)
        same = (t for t in self.noise if (t.row.num_threads, t.operation) == wanted)
        ours = next((t for t in same if t.row.is_ours), None)
        return ours.per_second / timing.per_second if ours and not timing.row.is_ours else None

    def bytes_ratio(self, timing: Timing) -> float | None:
        """How many times as long as drawing the random bytes of its samples alone, by medians."""
        alone = self.noise_timing(random_bytes_of(timing.row.library), 1, timing.operation)
        if not alone or not timing.row.is_ours or timing.row.num_threads != 1 or alone is timing:
            return None
        return alone.per_second / timing.per_second

    def to_dict(self) -> dict[str, Any]:
        """For JSON: samples, and what the tables say of them."""
        return {
            "format": FORMAT,
            "machine": self.machine,
            "settings": self.settings,
            "missing": self.missing,
            "rows": [asdict(row) for row in self.rows],
            "operations": [self._operation(timing) for timing in self.timings],
            "workload_w": [
                {
                    **_names(update.row),
                    "dim": update.dim,
                    "seconds": {name: _spread(s) for name, s in update.samples.items()},
                    "bytes": update.num_bytes,
                    "max_error": update.max_error,
                }
                for update in self.updates
            ],
            "noise": [self._noise(timing) for timing in self.noise],
            "memory": [asdict(memory) for memory in self.memory],
        }

    def _operation(self, timing: Timing) -> dict[str, Any]:
        return {
            **_names(timing.row),
            "operation": timing.operation,
            "per_second": timing.per_second,
            "veilsum_ratio": self.ratio(timing.row, timing.operation),
            "batch": timing.batch,
            "seconds": _spread(timing.samples),
            "processor_seconds": _spread(timing.processor_samples),
        }

    def _noise(self, timing: Timing) -> dict[str, Any]:
        return {
            "library": timing.row.library,
            "versions": timing.row.versions,
            "kernel": timing.row.kernel,
            "threads": timing.row.num_threads,
            **timing.row.quality,
            "distribution": timing.operation,
            "batch": timing.batch,
            "per_second": timing.per_second,
            "numpy_ratio": self.noise_ratio(timing),
            "veilsum_ratio": self.our_noise_ratio(timing),
            "random_bytes_ratio": self.bytes_ratio(timing),
            "seconds": _spread(timing.samples),
            "processor_seconds": _spread(timing.processor_samples),
        }


def _names(row: Row) -> dict[str, Any]:
    return {"library": row.library, "key_bits": row.key_bits, "threads": row.num_threads}


def _spread(samples: list[float]) -> dict[str, Any]:
    return {
        "median": statistics.median(samples),
        "min": min(samples),
        "max": max(samples),
        "rounds": len(samples),
        "samples": samples,
    }
