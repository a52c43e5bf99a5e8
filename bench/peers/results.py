"""What was measured: plain data that goes to tables, charts and JSON alike."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

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


@dataclass
class Timing:
    """One operation of a row: seconds a ciphertext, one sample a round."""

    row: Row
    operation: str
    batch: int
    samples: list[float] = field(default_factory=list)
    processor_samples: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Ciphertexts a second, from the median."""
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
class Results:
    """Everything one run found."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # Library: why it is not here.

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
