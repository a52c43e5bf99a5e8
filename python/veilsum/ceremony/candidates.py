"""Candidates for the primes of a key, and which of them small primes divide.

A candidate is p = first_prime + class_modulus * (sum of a summand for each set). It is sieved in
the residues: for each small prime r the holders open ``p * u`` and ``(p - 1) * v`` modulo r with
random u and v that nobody knows, and drop p where one is 0. What is opened of a candidate that is
kept is then uniform, but for being no 0; of r candidates that r does not divide, one is lost to
u = 0, and one to v.

The residues of all candidates are made at once: numbers of 16-bit digits times the digits' weights
modulo each r, exact in double precision, since 2**16 * r * (number of digits) is below 2**53.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from veilsum.ceremony.sharing import Seeds, lagrange_factor, unaware_factor

__all__ = ["Candidates", "products_of", "survivors"]

_DIGIT_BITS = 16


class Candidates:
    """A batch of candidates as one holder knows them: the summands of the sets it is not in.

    Args:
        seeds: of the holder.
        purpose: which batch, of p or of q. Each p and each q belongs to one n only.
        count: how many.
    """

    def __init__(self, seeds: Seeds, purpose: str, count: int) -> None:
        shape = seeds.shape
        self._seeds = seeds
        self._purpose = purpose
        self._rows = list(range(count))
        self.summands = {
            number: seeds.integers(number, f"{purpose}/summands", shape.summand_bound, count)
            for number in shape.aware(seeds.holder)
        }

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drop the others. All holders drop the same."""
        rows = np.flatnonzero(kept)
        self._rows = [self._rows[i] for i in rows]
        self.summands = {a: [row[i] for i in rows] for a, row in self.summands.items()}

    def __len__(self) -> int:
        return len(self._rows)

    def shares(self, modulus: int) -> list[int]:
        """Of the candidates, of degree f, modulo a number without divisors up to l."""
        shape = self._seeds.shape
        return [
            (shape.first_prime + shape.class_modulus * share) % modulus
            for share in self._seeds.shares(self.summands, modulus)
        ]

    def residues(self, primes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The shares modulo each of the primes: shape (count, number of primes)."""
        shape = self._seeds.shape
        total = np.zeros((len(self), len(primes)), np.int64)
        for number, factors in self._factors(primes).items():
            total += _residues(self.summands[number], primes) * factors % primes
        total = total % primes * _modulo(shape.class_modulus, primes)
        return (total + _modulo(shape.first_prime, primes)) % primes

    def sieve_shares(self, primes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of ``p * u`` and ``(p - 1) * v`` modulo each prime: shape (2, count, number of primes).

        They are of degree 2f, with a sharing of zero in each, and drawn anew for each range of
        primes, which is sieved once.
        """
        residues = self.residues(primes)
        holder, degree = self._seeds.holder, self._seeds.shape.max_colluding
        sieved = np.empty((2, *residues.shape), np.int64)
        for k, values in enumerate((residues, residues - 1)):
            masks, zeros = np.zeros_like(residues), np.zeros_like(residues)
            for number, factors in self._factors(primes).items():
                purpose = f"{self._purpose}/sieve {primes[0]} to {primes[-1]}/{k}"
                draw = self._seeds.residues
                masks += draw(number, f"{purpose}/mask", primes, len(self)) * factors
                for j in range(1, degree + 1):
                    drawn = draw(number, f"{purpose}/zero {j}", primes, len(self))
                    zeros += drawn * (factors * _modulo(holder**j, primes) % primes)
            sieved[k] = (values * (masks % primes) + zeros) % primes
        return sieved

    def _factors(self, primes: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
        """By set, the polynomial L_A at this holder, modulo each prime."""
        sets, holder = self._seeds.shape.unaware, self._seeds.holder
        return {
            number: np.array([unaware_factor(sets[number], holder, r) for r in primes.tolist()])
            for number in self.summands
        }


def _modulo(number: int, primes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([number % r for r in primes.tolist()], np.int64)


def _residues(numbers: list[int], primes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers modulo each prime."""
    num_digits = -(-max((number.bit_length() for number in numbers), default=1) // _DIGIT_BITS)
    size = num_digits * _DIGIT_BITS // 8
    data = b"".join(number.to_bytes(size, "little") for number in numbers)
    digits = np.frombuffer(data, "<u2").reshape(len(numbers), num_digits).astype(np.float64)
    weights = np.empty((num_digits, len(primes)), np.float64)
    weight = np.ones(len(primes), np.int64)
    for row in weights:
        row[:] = weight
        weight = (weight << _DIGIT_BITS) % primes
    return (digits @ weights).astype(np.int64) % primes


def products_of(
    shares: Mapping[int, NDArray[np.int64]], primes: NDArray[np.int64], degree: int
) -> NDArray[np.int64]:
    """What holders' shares of that degree open modulo each prime, in the shape of a share."""
    holders = sorted(shares)[: degree + 1]
    total = np.zeros_like(shares[holders[0]])
    for i in holders:
        factors = [lagrange_factor(i, holders, 0, r) for r in primes.tolist()]
        total = (total + shares[i] * np.array(factors)) % primes
    return total


def survivors(products: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which candidates no prime sieves out: of opened products, shape (2, count, primes)."""
    kept: NDArray[np.bool_] = np.all(products != 0, axis=(0, 2))
    return kept
