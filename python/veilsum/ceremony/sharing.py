"""Secrets that holders share without a message, from seeds that all but a few of them know.

A secret is a sum of summands, one for each set A of f holders, drawn from a seed that all holders
but those of A know. With the polynomial L_A of degree f that is 1 at 0 and 0 at each holder of A,
holder i's share is the sum of ``summand_A * L_A(i)``: Shamir's sharing, to which each holder needs
only the summands that it knows. Any f holders lack one summand, that of their own set.

Source: R. Cramer, I. Damgard, Y. Ishai, "Share conversion, pseudorandom secret-sharing and
applications to secure computation", TCC 2005, sections 3 and 4.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from veilsum.ceremony.shape import CeremonyShape
from veilsum.errors import ProtocolError

__all__ = [
    "SEED_BYTES",
    "Seeds",
    "interpolated",
    "inverse_scale",
    "lagrange_factor",
    "opened",
    "parts",
    "scaled_factor",
    "unaware_factor",
]

SEED_BYTES = 32
_SPARE_BITS = 128  # A number drawn modulo a bound is that close to uniform, in bits.


class Seeds:
    """What one holder knows: a seed for each set that it is not in. Wiped by :meth:`wipe`.

    Args:
        shape: of the ceremony.
        holder: 1 to l.
        seeds: by the number of the set in ``shape.unaware``, 32 bytes each.
        context: what the numbers are drawn for; others come for any other, such as another attempt.
    """

    def __init__(
        self, shape: CeremonyShape, holder: int, seeds: Mapping[int, bytes], context: bytes
    ) -> None:
        if sorted(seeds) != shape.aware(holder):
            raise ProtocolError(f"holder {holder} needs the seeds of all sets that it is not in")
        self.shape = shape
        self.holder = holder
        self._context = context
        self._seeds = {number: bytearray(seed) for number, seed in seeds.items()}

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("seeds are not pickled")

    def __repr__(self) -> str:
        return f"Seeds(of holder {self.holder})"

    def wipe(self) -> None:
        """Forget them all; nothing can be drawn afterwards."""
        for seed in self._seeds.values():
            seed[:] = bytes(len(seed))
        self._seeds.clear()

    def stream(self, number: int, purpose: str, size: int) -> bytes:
        """So many bytes of a set's seed for a purpose.

        SHAKE256, keyed by a prefix of fixed length, gives a key for each purpose, and AES-256 in
        counter mode under that key the bytes.
        """
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        name = purpose.encode()
        key = hashlib.shake_256(b"veilsum/ceremony/1" + self._seeds[number])
        for part in (self._context, name):
            key.update(len(part).to_bytes(8, "little") + part)
        cipher = Cipher(algorithms.AES(key.digest(32)), modes.CTR(bytes(16)))
        return cipher.encryptor().update(bytes(size))

    def digits(self, number: int, purpose: str, bits: int, count: int) -> NDArray[np.uint16]:
        """Uniform numbers of so many bits: shape (count, digits of 16 bits, the lowest first)."""
        num_digits = -(-bits // 16)
        data = self.stream(number, purpose, 2 * num_digits * count)
        drawn = np.frombuffer(data, "<u2").astype(np.uint16).reshape(count, num_digits)
        drawn[:, -1] &= (1 << bits - 16 * (num_digits - 1)) - 1
        return drawn

    def integers(self, number: int, purpose: str, bound: int, count: int) -> list[int]:
        """Numbers from 0 below ``bound``, uniform up to 2**-128."""
        size = (bound.bit_length() + _SPARE_BITS + 7) // 8
        data = self.stream(number, purpose, size * count)
        return [
            int.from_bytes(data[first : first + size], "little") % bound
            for first in range(0, size * count, size)
        ]

    def shares(self, summands: Mapping[int, Sequence[int]], modulus: int) -> list[int]:
        """This holder's shares, modulo a number without divisors up to l, of sums of summands."""
        shape = self.shape
        factors = [
            scaled_factor(shape.unaware[number], self.holder, shape.num_holders)
            for number in summands
        ]
        scale = inverse_scale(shape.num_holders, modulus)
        return [
            sum(map(operator.mul, column, factors)) * scale % modulus
            for column in zip(*summands.values(), strict=True)
        ]

    def random_shares(self, purpose: str, modulus: int, count: int) -> list[int]:
        """Shares of degree f of numbers that nobody knows, uniform modulo the modulus."""
        drawn = {number: self.integers(number, purpose, modulus, count) for number in self._seeds}
        return self.shares(drawn, modulus)

    def zero_shares(self, purpose: str, modulus: int, count: int, degree: int) -> list[int]:
        """Shares of zeros, otherwise uniform among polynomials of that degree, f or more.

        Added to those of a number before it is opened, they hide all but its value, if its
        polynomial has that degree or less.
        """
        rest = degree - self.shape.max_colluding
        powers = [self.holder**k for k in range(1, rest + 1)]
        drawn = {}
        for number in self._seeds:
            flat = self.integers(number, purpose, modulus, count * rest)
            drawn[number] = [
                sum(a * x for a, x in zip(flat[i * rest : (i + 1) * rest], powers, strict=True))
                for i in range(count)
            ]
        return self.shares(drawn, modulus)


def scaled_factor(unaware: tuple[int, ...], holder: int, num_holders: int) -> int:
    """D * L_A at a holder, a short integer: different numbers up to l divide D = l!."""
    d = math.factorial(num_holders)
    return d // math.prod(unaware) * math.prod(j - holder for j in unaware)


def inverse_scale(num_holders: int, modulus: int) -> int:
    """1 / D modulo a number without divisors up to l."""
    return pow(math.factorial(num_holders), -1, modulus)


def unaware_factor(unaware: Iterable[int], holder: int, modulus: int) -> int:
    """L_A at a holder: the polynomial that is 1 at 0 and 0 at the holders of the set A."""
    unaware = tuple(unaware)
    top = math.prod(j - holder for j in unaware)
    return top * pow(math.prod(unaware), -1, modulus) % modulus


def interpolated(shares: Mapping[int, Sequence[int]], at: int, modulus: int) -> list[int]:
    """The values at a point of the polynomials through the holders' shares, modulo the modulus.

    Args:
        shares: by holder, each as many numbers; their degree is one less than there are holders.
        at: the point; 0 is the secret.
        modulus: without divisors up to l.
    """
    factors = [lagrange_factor(i, shares, at, modulus) for i in shares]
    return [
        sum(factor * x for factor, x in zip(factors, column, strict=True)) % modulus
        for column in zip(*shares.values(), strict=True)
    ]


def parts(shares: Mapping[int, int], modulus: int) -> dict[int, int]:
    """What each holder's share adds to the secret of them all, from 0 below the modulus."""
    return {i: lagrange_factor(i, shares, 0, modulus) * x % modulus for i, x in shares.items()}


def lagrange_factor(holder: int, holders: Iterable[int], at: int, modulus: int) -> int:
    """Lagrange's: the polynomial that is 1 at the holder and 0 at the others, at a point."""
    others = [j for j in holders if j != holder]
    bottom = math.prod(j - holder for j in others)
    return math.prod(j - at for j in others) * pow(bottom, -1, modulus) % modulus


def opened(
    shares: Mapping[int, Sequence[int]], *, degree: int, modulus: int, holders: Collection[int]
) -> list[int]:
    """The secrets of all holders' shares of that degree.

    Raises:
        ProtocolError: shares of a holder are missing, or those of some holders do not lie on one
            polynomial of that degree: somebody changed a share.
    """
    if missing := sorted(set(holders) - set(shares)):
        raise ProtocolError(f"there are no shares of the holders {missing}")
    ordered = sorted(holders)
    first = {holder: shares[holder] for holder in ordered[: degree + 1]}
    for holder in ordered[degree + 1 :]:
        if interpolated(first, holder, modulus) != [x % modulus for x in shares[holder]]:
            raise ProtocolError(
                f"the shares of the holders are not of degree {degree}: one of them is wrong"
            )
    return interpolated(first, 0, modulus)
