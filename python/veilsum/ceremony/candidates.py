"""Candidates for the primes of a key, and which of them small primes divide.

A candidate is p = first_prime + class_modulus * (sum of a summand for each set). It is sieved in
the residues: for each small prime r the holders open ``p * u`` and ``(p - 1) * v`` modulo r with
random u and v that nobody knows. A 0 tells that r divides, or that u or v is 0: it is opened once
more with another u and v, and p is dropped where that is 0 too. What is opened of a candidate that
is kept is a 0 perhaps, and then uniform but for being no 0.

The residues of all candidates are made at once, as numbers of 16-bit digits times the digits'
weights modulo each r, exact in double precision. A mask modulo each of some primes is one number,
128 bits longer than their product.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from veilsum.ceremony.sharing import (
    Seeds,
    inverse_scale,
    lagrange_factor,
    scaled_factor,
    unaware_factor,
)
from veilsum.errors import ProtocolError

__all__ = ["Candidates", "products_of"]

_DIGIT_BITS = 16
_SPARE_BITS = 128
_ROWS_AT_ONCE = 2048  # Some ten megabytes of digits in double precision.


class Candidates:
    """A batch of candidates as one holder knows them: the summands of the sets it is not in.

    Args:
        seeds: of the holder.
        purpose: which batch, of p or of q. Each p and each q belongs to one n only.
        count: how many.
    """

    def __init__(self, seeds: Seeds, purpose: str, count: int) -> None:
        self._seeds = seeds
        self._purpose = purpose
        bits = seeds.shape.summand_bits
        self._numbers = seeds.shape.aware(seeds.holder)
        drawn = [seeds.digits(a, f"{purpose}/summands", bits, count) for a in self._numbers]
        self._digits = np.stack(drawn, axis=1)

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drop the others. All holders drop the same."""
        self._digits = self._digits[kept]

    def __len__(self) -> int:
        return len(self._digits)

    def summands(self, row: int) -> dict[int, int]:
        """Of one candidate, by the number of the set."""
        return dict(zip(self._numbers, self._row(row), strict=True))

    def shares(self, modulus: int) -> list[int]:
        """Of the candidates, of degree f, modulo a number without divisors up to l."""
        shape, holder = self._seeds.shape, self._seeds.holder
        factors = [
            scaled_factor(shape.unaware[a], holder, shape.num_holders) for a in self._numbers
        ]
        step = shape.class_modulus * inverse_scale(shape.num_holders, modulus) % modulus
        return [
            (shape.first_prime + step * sum(map(operator.mul, self._row(row), factors))) % modulus
            for row in range(len(self))
        ]

    def sieve_shares(
        self, primes: NDArray[np.int64], attempt: int, rows: NDArray[np.intp]
    ) -> NDArray[np.int64]:
        """Of ``p * u`` and ``(p - 1) * v`` modulo each prime: shape (2, number of rows, primes).

        They are of degree 2f, with a sharing of zero in each. Masks and zeros are drawn anew for
        each range of primes and each attempt, which is made once.
        """
        shape, holder, degree = (
            self._seeds.shape,
            self._seeds.holder,
            self._seeds.shape.max_colluding,
        )
        factors = np.array(
            [
                [unaware_factor(shape.unaware[a], holder, r) for r in primes.tolist()]
                for a in self._numbers
            ],
            np.int64,
        )
        values = _residues(
            self._digits[rows], factors * _modulo(shape.class_modulus, primes), primes
        )
        values = (values + _modulo(shape.first_prime, primes)) % primes
        at_power = [_modulo(holder**j, primes) for j in range(1, degree + 1)]
        zero_factors = np.concatenate([factors * power % primes for power in at_power])
        sieved = np.empty((2, *values.shape), np.int64)
        for k in (0, 1):
            purpose = f"{self._purpose}/sieve {primes[0]} to {primes[-1]}/{attempt}/{k}"
            masks = _residues(self._drawn(f"{purpose}/mask", primes, len(rows)), factors, primes)
            zeros = np.concatenate(
                [
                    self._drawn(f"{purpose}/zero {j}", primes, len(rows))
                    for j in range(1, degree + 1)
                ],
                axis=1,
            )
            zero = _residues(zeros, zero_factors, primes)
            sieved[k] = ((values - k) * masks + zero) % primes
        return sieved

    def _row(self, row: int) -> list[int]:
        data = self._digits[row].astype("<u2").tobytes()
        size = len(data) // len(self._numbers)
        return [
            int.from_bytes(data[first : first + size], "little")
            for first in range(0, len(data), size)
        ]

    def _drawn(self, purpose: str, primes: NDArray[np.int64], count: int) -> NDArray[np.uint16]:
        """A number for each set, uniform modulo each prime: shape (count, sets, digits)."""
        bits = math.prod(primes.tolist()).bit_length() + _SPARE_BITS
        drawn = [self._seeds.digits(a, purpose, bits, count) for a in self._numbers]
        return np.stack(drawn, axis=1)


def _modulo(number: int, primes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([number % r for r in primes.tolist()], np.int64)


def _residues(
    numbers: NDArray[np.uint16], factors: NDArray[np.int64], primes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Sums of numbers times factors, modulo each prime: shape (count, number of primes).

    Args:
        numbers: in digits, shape (count, terms, number of digits). A sum is exact: terms and digits
            are together below 2**21, and primes below 2**16.
        factors: shape (terms, number of primes), of numbers below 2**47.
        primes: modulo which.
    """
    count, terms, num_digits = numbers.shape
    weights = np.empty((terms, num_digits, len(primes)), np.float64)
    weight = factors % primes
    for digit in range(num_digits):
        weights[:, digit] = weight
        weight = (weight << _DIGIT_BITS) % primes
    flat = weights.reshape(terms * num_digits, len(primes))
    found = np.empty((count, len(primes)), np.int64)
    for first in range(0, count, _ROWS_AT_ONCE):
        some = numbers[first : first + _ROWS_AT_ONCE].reshape(-1, terms * num_digits)
        found[first : first + _ROWS_AT_ONCE] = some.astype(np.float64) @ flat
    return found % primes


def products_of(
    shares: Mapping[int, NDArray[np.int64]], primes: NDArray[np.int64], degree: int
) -> NDArray[np.int64]:
    """What all holders' shares of that degree open modulo each prime, in the shape of a share.

    Raises:
        ProtocolError: they do not lie on polynomials of that degree: somebody changed a share.
    """
    first = sorted(shares)[: degree + 1]
    for i in sorted(shares)[degree + 1 :]:
        if not np.array_equal(_interpolated(shares, first, i, primes), shares[i] % primes):
            raise ProtocolError(
                f"the shares of the holders are not of degree {degree}: one of them is wrong"
            )
    return _interpolated(shares, first, 0, primes)


def _interpolated(
    shares: Mapping[int, NDArray[np.int64]], holders: list[int], at: int, primes: NDArray[np.int64]
) -> NDArray[np.int64]:
    total = np.zeros_like(shares[holders[0]])
    for i in holders:
        factors = [lagrange_factor(i, holders, at, r) for r in primes.tolist()]
        total = (total + shares[i] * np.array(factors)) % primes
    return total
