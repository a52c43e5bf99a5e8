"""The tables of docs/masks.md, from what :mod:`bench.mask_security` found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from math import ceil, log2, prod, sqrt

import gmpy2

from bench.records import Record, Run
from bench.tables import Cell, Table

SIGMA = 6.4
NUM_ROUNDS = 10_000  # As many sums as the rule counts on.
AT_LEAST = 128.0
NUM_PRIMES = {2048: 1, 4096: 2}
NUM_ADDENDS = (10, 100, 1_000, 10_000)
# The largest magnitude of a summed slot, for one addend, by what is summed.
VALUES = {"16-bit values": 2**15 - 1, "20-bit values": 2**19 - 1}


@dataclass(frozen=True)
class Shape:
    """How sums of slots up to a magnitude lie in the coefficients of a ring."""

    ring_dim: int
    digits: int
    slack: int
    prime_bits: int

    @property
    def log2_q(self) -> int:
        return NUM_PRIMES[self.ring_dim] * self.prime_bits


def loss(num_addends: int) -> float:
    """What the argument takes off an estimate, in bits."""
    return log2(num_addends * NUM_ROUNDS)


def largest_primes(ring_dim: int, prime_bits: int) -> Iterator[int]:
    """Those that have a root of order 2 ring_dim, from below 2^prime_bits down."""
    step = 2 * ring_dim
    yield from filter(gmpy2.is_prime, range(2**prime_bits - step + 1, step, -step))


def shape(ring_dim: int, digits: int, max_sum: int, num_addends: int) -> Shape:
    """The one with the smallest Q that has room for sums up to max_sum and for their errors."""
    base = 2 * (max_sum + -(-max_sum // 64)) + 1
    slack = 1 + ceil(log2(16 * SIGMA * sqrt(num_addends)))
    num_primes = NUM_PRIMES[ring_dim]
    for prime_bits in count(ceil((digits * log2(base) + slack) / num_primes)):
        primes = list(islice(largest_primes(ring_dim, prime_bits), num_primes))
        if len(primes) == num_primes and prod(primes) >= base**digits << slack:
            return Shape(ring_dim, digits, slack, prime_bits)
    raise AssertionError("there is always a larger prime")


def chosen(run: Run, ring_dim: int, max_sum: int, num_addends: int) -> tuple[Shape, Record] | None:
    """The most digits that core-SVP allows, or else MATZOV; None if it allows not even one."""
    for model in ("core_svp", "matzov"):
        for digits in (4, 3, 2, 1):
            found = shape(ring_dim, digits, max_sum, num_addends)
            bits = run.one("estimates", ring_dim=ring_dim, log2_q=found.log2_q)
            if bits and bits[model] - loss(num_addends) >= AT_LEAST:
                return found, bits
    return None


def shapes_table(run: Run) -> Table:
    """What the rule takes for some sums."""
    rows: list[list[Cell]] = []
    for values, max_value in VALUES.items():
        for num_addends in NUM_ADDENDS:
            for ring_dim in NUM_PRIMES:
                cells: list[Cell] = [f"{num_addends:,} addends of {values}", str(ring_dim)]
                found = chosen(run, ring_dim, num_addends * max_value, num_addends)
                cells += ["none", *[None] * 8] if found is None else _cells(*found, num_addends)
                rows.append(cells)
    columns = ["sum", "N", "primes", "digits", "slack", "bits a value"]
    columns += ["MATZOV", "BDGL16", "core-SVP", "MATZOV, left", "core-SVP, left"]
    return Table("Bits of security", columns, rows)


def _cells(found: Shape, bits: Record, num_addends: int) -> list[Cell]:
    primes = f"{NUM_PRIMES[found.ring_dim]} x {found.prime_bits} bits"
    rate = f"{found.log2_q / found.digits:.1f}"
    return [
        *(primes, str(found.digits), str(found.slack), rate),
        *(f"{bits[model]:.0f}" for model in ("matzov", "bdgl16", "core_svp")),
        *(f"{bits[model] - loss(num_addends):.0f}" for model in ("matzov", "core_svp")),
    ]


def limits_table(run: Run) -> Table:
    """The largest Q for which enough is left."""
    rows: list[list[Cell]] = []
    for ring_dim in NUM_PRIMES:
        for num_addends in NUM_ADDENDS:
            largest = [
                max(
                    point["log2_q"]
                    for point in run.all("estimates", ring_dim=ring_dim)
                    if point[model] - loss(num_addends) >= AT_LEAST
                )
                for model in ("core_svp", "matzov")
            ]
            cells = [f"{num_addends:,}", f"{loss(num_addends):.1f}", *map(str, largest)]
            rows.append([str(ring_dim), *cells])
    columns = ["N", "addends", "bits lost", "log2 Q by core-SVP", "log2 Q by MATZOV"]
    return Table("The largest Q that leaves 128 bits", columns, rows)
