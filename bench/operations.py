"""The operations that are timed, on operands made for one library."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.adapter import Adapter

NUM_ADDENDS = 1024  # Of the sum; a batch of it has this many ciphertexts for each position.
NUM_GROUPINGS, NUM_GROUPS = 10, 32  # Of sums of groups, as a tree adds: features and their bins.
# Ciphertexts that are in one group of each grouping: at least, and where a sample has the time.
NUM_GROUPED, MOST_GROUPED = 2048, 100_000
NUM_DISTINCT = 128  # Batches repeat so many ciphertexts: slow libraries take minutes for more.


@dataclass
class Call:
    """One call of an operation: ``run(prepare())``, of which only ``run`` is timed."""

    run: Callable[[Any], Any]
    expected: list[int]
    decrypts: bool = False  # The result is decrypted already.
    prepare: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Operation:
    """``bind(adapter, count)`` makes the call for a batch of ``count`` ciphertexts."""

    title: str
    bind: Callable[[Adapter, int], Call]
    smallest_batch: int = 16
    largest_batch: int = 4096
    step: int = 64  # Larger batches are multiples of it: whole groups of lanes.


def _values(count: int) -> list[int]:
    generator = random.Random(1)
    distinct = [generator.randrange(-(2**15), 2**15) for _ in range(NUM_DISTINCT)]
    return [distinct[i % NUM_DISTINCT] for i in range(count)]


@functools.lru_cache(maxsize=1)
def _distinct_ciphertexts(adapter: Adapter) -> Any:
    return adapter.encrypt(adapter.plaintexts(_values(NUM_DISTINCT)))


def _ciphertexts(adapter: Adapter, count: int) -> tuple[list[int], Any]:
    """Integers, and a batch of their ciphertexts."""
    return _values(count), adapter.repeat(_distinct_ciphertexts(adapter), count)


def _encrypting(method: str) -> Callable[[Adapter, int], Call]:
    def bind(adapter: Adapter, count: int) -> Call:
        values = _values(count)
        plaintexts = adapter.plaintexts(values)
        return Call(lambda _: getattr(adapter, method)(plaintexts), values)

    return bind


def _encrypt_from_pool(adapter: Adapter, count: int) -> Call:
    values = _values(count)
    plaintexts = adapter.plaintexts(values)
    return Call(
        lambda pool: adapter.encrypt_from_pool(plaintexts, pool),
        values,
        prepare=lambda: adapter.make_pool(count),
    )


def _decrypt(adapter: Adapter, count: int) -> Call:
    values, batch = _ciphertexts(adapter, count)
    return Call(lambda _: adapter.decrypt(batch), values, decrypts=True)


def _add(adapter: Adapter, count: int) -> Call:
    values, batch = _ciphertexts(adapter, count)
    return Call(lambda _: adapter.add(batch, batch), [2 * value for value in values])


def _sum(adapter: Adapter, count: int) -> Call:
    values, batch = _ciphertexts(adapter, count)
    rows = adapter.rows(batch, NUM_ADDENDS)
    num_columns = count // NUM_ADDENDS
    totals = [sum(values[column::num_columns]) for column in range(num_columns)]
    return Call(lambda _: adapter.sum_rows(rows), totals)


def _group_sum(adapter: Adapter, count: int) -> Call:
    values, batch = _ciphertexts(adapter, count // NUM_GROUPINGS)
    groups = np.random.default_rng(3).integers(0, NUM_GROUPS, (len(values), NUM_GROUPINGS))
    groups[:NUM_GROUPS] = np.arange(NUM_GROUPS)[:, None]
    totals = [np.bincount(column, values, NUM_GROUPS).astype(int).tolist() for column in groups.T]
    operand = adapter.groups(groups, NUM_GROUPS)
    return Call(
        lambda _: adapter.group_sum(batch, operand, NUM_GROUPS),
        [total for grouping in totals for total in grouping],
    )


def _multiply(adapter: Adapter, count: int) -> Call:
    values, batch = _ciphertexts(adapter, count)
    generator = random.Random(2)
    scalars = [generator.randrange(2**30, 2**31) for _ in range(count)]
    plaintexts = adapter.plaintexts(scalars)
    products = [value * scalar for value, scalar in zip(values, scalars, strict=True)]
    return Call(lambda _: adapter.multiply(batch, plaintexts), products)


OPERATIONS = {
    "encrypt": Operation("encrypt, public key", _encrypting("encrypt")),
    "encrypt_owner": Operation("encrypt, key owner", _encrypting("encrypt_owner")),
    "encrypt_pool": Operation("encrypt, from a pool", _encrypt_from_pool, largest_batch=1024),
    "decrypt": Operation("decrypt", _decrypt),
    "add": Operation("add two", _add),
    "sum": Operation(f"sum of {NUM_ADDENDS:,}", _sum, 8 * NUM_ADDENDS, 8 * NUM_ADDENDS),
    "group_sum": Operation(
        f"sums of {NUM_GROUPS} groups",
        _group_sum,
        NUM_GROUPINGS * NUM_GROUPED,
        NUM_GROUPINGS * MOST_GROUPED,
        64 * NUM_GROUPINGS,
    ),
    "multiply": Operation("times 31 bits", _multiply),
}


def check(adapter: Adapter, call: Call) -> None:
    """Run once and see that the library computes what it should: ValueError if not."""
    result = call.run(call.prepare())
    found = adapter.ints(result if call.decrypts else adapter.decrypt(result))
    if found != call.expected:
        raise ValueError("wrong results: they do not decrypt to what they should")
