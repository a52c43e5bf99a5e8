"""The search for n: batches of candidates are sieved, multiplied and tested until one n is left."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from veilsum.ceremony import modulus
from veilsum.ceremony.candidates import Candidates, products_of
from veilsum.ceremony.holder import Holder, Step, Steps
from veilsum.ceremony.messages import Numbers
from veilsum.ceremony.sharing import Seeds, opened
from veilsum.errors import MalformedDataError, ProtocolError

__all__ = ["NUM_TESTS", "Modulus", "find_modulus"]

NUM_TESTS = 64  # Of which one n that is not a product of two primes passes each with 1/4 at most.
# Where a stage of the sieve ends, in primes: most candidates are gone before the long ones.
_STAGE_ENDS = (6, 30)
# Candidates of a batch, by bits of n: a key takes two or three batches.
_BATCHES = ((128, 128), (512, 1024), (1024, 4096), (2048, 12288))
_LARGEST_BATCH = 16384


@dataclass(frozen=True)
class Modulus:
    """An n that passed every test, and its candidates, one each.

    Attributes:
        n: their product, if no holder forced what was opened.
        p, q: as this holder knows them.
    """

    n: int
    p: Candidates
    q: Candidates

    def sum_share(self, field: int) -> int:
        """This holder's share of p + q, of degree f."""
        return (self.p.shares(field)[0] + self.q.shares(field)[0]) % field

    def phi_share(self, field: int) -> int:
        """This holder's share of (p - 1)(q - 1), of degree f."""
        return (self.n + 1 - self.sum_share(field)) % field


def find_modulus(holder: Holder, seeds: Seeds) -> Steps[Modulus]:
    """A modulus that is a product of two primes, unless holders forced what was opened.

    Raises:
        ProtocolError: somebody sent what cannot be; it names whom it can.
    """
    for batch in itertools.count(1):
        pair = yield from _sieved(holder, seeds, batch)
        moduli = yield from _multiplied(holder, seeds, pair, batch)
        passing = yield from _screened(holder, pair, moduli, batch)
        for row in passing:
            if (yield from _is_product_of_primes(holder, pair, row, moduli[row], batch)):
                p, q = pair
                chosen = np.arange(len(p)) == row
                p.keep(chosen)
                q.keep(chosen)
                return Modulus(moduli[row], p, q)
    raise AssertionError("there are infinitely many batches")


def batch_size(key_bits: int) -> int:
    """How many candidates of p, and of q, are drawn at a time."""
    return next((size for most, size in _BATCHES if key_bits <= most), _LARGEST_BATCH)


_Pair = tuple[Candidates, Candidates]


def _sieved(holder: Holder, seeds: Seeds, batch: int) -> Steps[_Pair]:
    """Candidates of p and of q, as many, which no small prime divides; nor p - 1 and q - 1."""
    primes = np.array(seeds.shape.sieved, np.int64)
    size = batch_size(seeds.shape.key_bits)
    pair = (Candidates(seeds, f"p/{batch}", size), Candidates(seeds, f"q/{batch}", size))
    for some in np.split(primes, [k for k in _STAGE_ENDS if k < len(primes)]):
        yield from _sieve(holder, pair, some, f"sieve {batch} to {some[-1]}")
    count = min(map(len, pair))
    for candidates in pair:
        candidates.keep(np.arange(len(candidates)) < count)
    return pair


def _sieve(holder: Holder, pair: _Pair, primes: NDArray[np.int64], name: str) -> Steps[None]:
    """Drop what these primes divide: what opens as 0 twice."""
    everything = [np.arange(len(candidates)) for candidates in pair]
    found = yield from _open_products(holder, pair, primes, 0, everything, name)
    zeros = [products == 0 for products in found]
    rows = [np.flatnonzero(some.any(axis=(0, 2))) for some in zeros]
    again = yield from _open_products(
        holder,
        pair,
        primes,
        1,
        rows,
        f"{name}, again",
        [z[:, r] for z, r in zip(zeros, rows, strict=True)],
    )
    for candidates, zero, some, twice in zip(pair, zeros, rows, again, strict=True):
        kept = np.ones(len(candidates), np.bool_)
        kept[some] = ~(zero[:, some] & (twice == 0)).any(axis=(0, 2))
        candidates.keep(kept)


def _open_products(
    holder: Holder,
    pair: _Pair,
    primes: NDArray[np.int64],
    attempt: int,
    rows: Sequence[NDArray[np.intp]],
    name: str,
    places: Sequence[NDArray[np.bool_]] | None = None,
) -> Steps[list[NDArray[np.int64]]]:
    """What the sieve opens of some rows: all of them, or where ``places`` says."""
    shapes = [(2, len(some), len(primes)) for some in rows]
    if places is None:
        places = [np.ones(shape, np.bool_) for shape in shapes]
    own = [
        c.sieve_shares(primes, attempt, some)[place]
        for c, some, place in zip(pair, rows, places, strict=True)
    ]
    said = yield Step(name, np.concatenate(own).astype("<u2").tobytes())
    bounds = np.concatenate([np.broadcast_to(primes, place.shape)[place] for place in places])
    shares = holder.read(said, partial(_read_residues, bounds=bounds))
    ends = np.cumsum([place.sum() for place in places])[:-1]
    found = []
    for k, place in enumerate(places):
        spread = {}
        for i, values in shares.items():
            spread[i] = np.zeros(place.shape, np.int64)
            spread[i][place] = np.split(values, ends)[k]
        found.append(products_of(spread, primes, 2 * holder.terms.shape.max_colluding))
    return found


def _read_residues(data: bytes, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(data) != 2 * len(bounds):
        raise MalformedDataError("it has another length than its step asks for")
    values = np.frombuffer(data, "<u2").astype(np.int64)
    if (values >= bounds).any():
        raise MalformedDataError("it has a number above its bound")
    return values


def _multiplied(holder: Holder, seeds: Seeds, pair: _Pair, batch: int) -> Steps[list[int]]:
    """Every n of the batch without a small divisor; candidates of the others are dropped."""
    shape = seeds.shape
    field, degree, count = modulus.open_field(shape), 2 * shape.max_colluding, len(pair[0])
    zeros = seeds.zero_shares(f"n/{batch}", field, count, degree)
    factors = (candidates.shares(field) for candidates in pair)
    shares = [(x * y + z) % field for x, y, z in zip(*factors, zeros, strict=True)]
    numbers = Numbers((count, field))
    said = yield Step(f"products {batch}", numbers.pack(shares))
    all_shares = {i: found for i, [found] in holder.read(said, numbers.unpack).items()}
    found = opened(all_shares, degree=degree, modulus=field, holders=holder.all)
    if not all(modulus.is_possible(n, shape) for n in found):
        raise ProtocolError(
            "a product of candidates that was opened is no possible n: some holder's share is wrong"
        )
    divided = np.array(modulus.with_small_divisors(found), np.bool_)
    for candidates in pair:
        candidates.keep(~divided)
    return [n for n, is_divided in zip(found, divided, strict=True) if not is_divided]


def _screened(holder: Holder, pair: _Pair, moduli: list[int], batch: int) -> Steps[list[int]]:
    """The rows whose n passes one test. A holder that lies here loses an n, or wins a false one.

    The holders take turns with the public power: of its n a holder publishes that, divided by its
    own power.
    """
    if not moduli:
        return []
    shape = holder.terms.shape
    bases = [modulus.screening_base(n) for n in moduli]
    sets = modulus.sets_of(holder.number, shape)
    turns = [1 + row % shape.num_holders for row in range(len(moduli))]
    powers = [0] * len(moduli)
    for is_own_turn, bits in ((False, shape.key_bits // 2), (True, shape.key_bits)):
        rows = [row for row, turn in enumerate(turns) if (turn == holder.number) is is_own_turn]
        exponents = []
        for row in rows:
            of_row = modulus.exponents_of(*pair, row, shape)
            own = sum(of_row[a] for a in sets)
            public = modulus.public_exponent(moduli[row], shape)
            exponents.append(public - own if is_own_turn else own)
        some = ([numbers[row] for row in rows] for numbers in (bases, moduli))
        for row, power in zip(
            rows, modulus.powers_of(next(some), exponents, next(some), bits), strict=True
        ):
            powers[row] = power
    numbers = Numbers(*((1, n) for n in moduli))
    said = yield Step(f"test {batch}", numbers.pack(*([x] for x in powers)))
    found = holder.read(said, numbers.unpack)
    return [
        row
        for row, (n, turn) in enumerate(zip(moduli, turns, strict=True))
        if modulus.passes(
            n, found[turn][row][0], [found[i][row][0] for i in holder.all if i != turn]
        )
    ]


def _is_product_of_primes(holder: Holder, pair: _Pair, row: int, n: int, batch: int) -> Steps[bool]:
    """Whether n passes 64 tests, in which all that know an exponent publish its powers.

    Raises:
        ProtocolError: their powers differ; it names them.
    """
    shape = holder.terms.shape
    bases = [modulus.base_of(n, number) for number in range(1, NUM_TESTS + 1)]
    exponents = modulus.exponents_of(*pair, row, shape)
    sets = shape.aware(holder.number)
    flat = [exponents[a] for a in sets for _ in bases]
    powers = modulus.powers_of(bases * len(sets), flat, [n] * len(flat), shape.key_bits // 2)
    numbers = Numbers(*((NUM_TESTS, n) for _ in sets))
    by_set = [powers[k * NUM_TESTS : (k + 1) * NUM_TESTS] for k in range(len(sets))]
    said = yield Step(f"tests {batch}.{row}", numbers.pack(*by_set))
    found = holder.read(said, numbers.unpack)
    agreed = []
    for number, unaware in enumerate(shape.unaware):
        claims = {
            i: tuple(found[i][shape.aware(i).index(number)]) for i in holder.all if i not in unaware
        }
        agreed.append(holder.agreed(claims, "powers that all of them know"))
    exponent = modulus.public_exponent(n, shape)
    public = modulus.powers_of(bases, [exponent] * len(bases), [n] * len(bases), shape.key_bits)
    return all(
        modulus.passes(n, power, [powers[k] for powers in agreed]) for k, power in enumerate(public)
    )
