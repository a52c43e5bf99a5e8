"""One run of a benchmark: where it ran, and records of what it measured. Its JSON is the same.

A record is a dict of names and figures; what was measured several times has all its samples. Kinds:

- libraries: one library with one key size (0: none) and number of threads; its versions and nature
- timings: seconds of one ciphertext, or of one sample of noise, for one operation of a library
- updates: workload W through a library: seconds by phase, bytes, the largest error
- memory: bytes of an aggregator: its highest ever, and before the first contribution came
- methods: one way to sum, and what each of its parties did; see :mod:`bench.parties`
- powers: the yardstick of partial decryption, gmpy2's power of one ciphertext, in seconds
- points: one method at one size: seconds and bytes of one party, by role
- correlations: of the time of a call with the size of its noise
- installs: of a library, bytes of its wheel and of what it is on disk, seconds to import it
- operations, madd52_shares, workers: what Python and threads add to the kernels
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

FORMAT = 2

Record = dict[str, Any]


@dataclass
class Run:
    """Everything that one run found. ``missing`` says of what is not here why."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    missing: dict[str, str] = field(default_factory=dict)
    records: dict[str, list[Record]] = field(default_factory=dict)

    def add(self, kind: str, **record: Any) -> Record:
        """Note a record."""
        self.records.setdefault(kind, []).append(record)
        return record

    def all(self, kind: str, **wanted: Any) -> list[Record]:
        """The records that have these values, in the order measured."""
        return [
            record
            for record in self.records.get(kind, [])
            if all(record[name] == value for name, value in wanted.items())
        ]

    def one(self, kind: str, **wanted: Any) -> Record | None:
        """The first of them, if there is one."""
        return next(iter(self.all(kind, **wanted)), None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        head = {"format": FORMAT, "machine": self.machine, "settings": self.settings}
        return {**head, "missing": self.missing, **self.records}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Run:
        """What ``to_dict`` gave; ValueError of another format."""
        if data.get("format") != FORMAT:
            raise ValueError(f"format {data.get('format')} is not {FORMAT}")
        head = ("machine", "settings", "missing")
        records = {name: data[name] for name in data if name not in ("format", *head)}
        return cls(data["machine"], data["settings"], data["missing"], records)

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Run:
    """A run that was written."""
    return Run.from_dict(json.loads(path.read_text(encoding="utf-8")))


# ---- libraries and what they were timed at ----

OURS = "veilsum"


def is_ours(record: Record) -> bool:
    """Whether it is of veilsum."""
    return bool(record["library"].startswith(OURS))


def same_library(record: Record) -> dict[str, Any]:
    """What tells the library of a record, with its key size and threads."""
    return {name: record[name] for name in ("library", "key_bits", "threads")}


def per_second(timing: Record) -> float:
    """Ciphertexts, or samples of noise, a second, from the median."""
    return 1 / median(timing["seconds"])


def times_as_fast(timing: Record | None, base: Record | None) -> float | None:
    """How many times as fast it is as another one, by medians."""
    return per_second(timing) / per_second(base) if timing and base else None


def first_of_ours(run: Run, timing: Record) -> Record | None:
    """veilsum on its fastest kernel, at the same under the same conditions; not itself."""
    wanted = {name: timing[name] for name in ("key_bits", "threads", "operation")}
    ours = next(filter(is_ours, run.all("timings", **wanted)), None)
    return None if ours is timing else ours


def name_of(run: Run, record: Record) -> str:
    """A library with its version, as in the first column."""
    library = run.one("libraries", **same_library(record)) or {"versions": {}}
    versions = [version for name, version in library["versions"].items() if name != "gmpy2"]
    if is_ours(record) or not versions:
        return str(record["library"])
    name, space, remark = record["library"].partition(" (")
    return f"{name} {versions[0]}{space}{remark}"


def threads(count: int) -> str:
    """In words."""
    return "one thread" if count == 1 else f"{count} threads"
