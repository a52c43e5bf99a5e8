"""From two candidates to a modulus n that is known to be a product of two primes.

Nobody sees p or q. ``n`` is opened as the product of their shares in a field in which it cannot
wrap; whether it has small divisors anybody sees. Whether both are prime holders find out by powers:
p = q = 3 modulo 4, so for g with Jacobi symbol 1 modulo n

    g^((n + 1 - p - q) / 4) = 1 or -1  (mod n)

holds for all g if both are primes, and else for at most half of them; or for all g of an n that
``gcd(n, p + q - 1)`` tells. The exponent is public but for multiples of ``class_modulus / 4``, one
for each set, and each power is computed by one holder of those that know it.

Source: D. Boneh, M. Franklin, "Efficient generation of shared RSA keys", CRYPTO 1997, sections 2
and 3 (Journal of the ACM 48, 2001).
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterable

from veilsum import _core
from veilsum.ceremony.candidates import Candidates
from veilsum.ceremony.shape import CeremonyShape, odd_primes

__all__ = [
    "base_of",
    "exponents_of",
    "field_above",
    "is_possible",
    "jacobi",
    "open_field",
    "passes",
    "powers_of",
    "public_exponent",
    "screening_base",
    "sets_of",
    "with_small_divisors",
]

# Of known primes 2**k - 1; up to what a key of 16,384 bits asks for.
_MERSENNE_EXPONENTS = (
    *(61, 89, 107, 127, 521, 607, 1279, 2203, 2281, 3217, 4253, 4423, 9689, 9941, 11213, 19937),
    *(21701, 23209, 44497),
)
_TRIAL_END = 1 << 17
_SCREENING_END = 1 << 11
_SECURITY_BITS = 64


def field_above(bits: int) -> int:
    """A prime above all numbers of so many bits: the next that is 2**k - 1.

    Its divisors are its own, so Shamir's sharing has all the points it needs.
    """
    return (1 << next(k for k in _MERSENNE_EXPONENTS if k > bits)) - 1


def open_field(shape: CeremonyShape) -> int:
    """In which n is opened: 64 bits longer, so that a wrong share is no number of n's length."""
    return field_above(shape.key_bits + _SECURITY_BITS)


@functools.cache
def _small_primes() -> int:
    return math.prod(odd_primes(_TRIAL_END))


def with_small_divisors(moduli: list[int]) -> list[bool]:
    """Of each public n, far above these, whether an odd prime below 2**17 divides it."""
    return _core.have_common_divisor(moduli, _small_primes())


def is_possible(n: int, shape: CeremonyShape) -> bool:
    """Whether an opened n can be a key's: its length, that it is odd and no square."""
    return n.bit_length() == shape.key_bits and n % 2 == 1 and math.isqrt(n) ** 2 != n


def jacobi(a: int, n: int) -> int:
    """The Jacobi symbol of public numbers; n is odd and positive.

    Source: Menezes, van Oorschot, Vanstone, Handbook of Applied Cryptography, algorithm 2.149.
    """
    a, result = a % n, 1
    while a:
        twos = (a & -a).bit_length() - 1
        a >>= twos
        if twos % 2 and n % 8 in (3, 5):
            result = -result
        if a % 4 == n % 4 == 3:
            result = -result
        a, n = n % a, a
    return result if n == 1 else 0


@functools.cache
def _screening_primes() -> list[int]:
    return odd_primes(_SCREENING_END)


def screening_base(n: int) -> int:
    """The g of the first test, of many n: the least odd prime with Jacobi symbol 1, quickly found.

    Whoever can choose n can prepare for it; the tests that decide have hashed bases.
    """
    base = next((r for r in _screening_primes() if jacobi(r, n) == 1), None)
    return base_of(n, 0) if base is None else base


def base_of(n: int, number: int) -> int:
    """Test ``number``'s g, which everybody hashes: a number below n with Jacobi symbol 1."""
    size = (n.bit_length() + 128 + 7) // 8
    for attempt in range(1 << 16):
        text = b"veilsum/ceremony/base/1" + number.to_bytes(8, "little")
        text += attempt.to_bytes(8, "little") + n.to_bytes(n.bit_length() // 8 + 1, "little")
        g = int.from_bytes(hashlib.shake_256(text).digest(size), "little") % n
        if g > 1 and jacobi(g, n) == 1:
            return g
    raise AssertionError("half of all numbers have the Jacobi symbol 1")


def exponents_of(p: Candidates, q: Candidates, row: int, shape: CeremonyShape) -> dict[int, int]:
    """A holder's exponents of the n in a row, by set: its summands' part of (p + q) / 4."""
    step, of_q = shape.class_modulus // 4, q.summands(row)
    return {number: step * (x + of_q[number]) for number, x in p.summands(row).items()}


def public_exponent(n: int, shape: CeremonyShape) -> int:
    """Of the test: what is left of it are the exponents of all sets, to be taken away."""
    return (n + 1 - 2 * shape.first_prime) // 4


def powers_of(bases: list[int], exponents: list[int], moduli: list[int], bits: int) -> list[int]:
    """Powers with exponents of up to so many bits, in time that does not depend on them."""
    return _core.pow_moduli(bases, exponents, moduli, bits)


def sets_of(holder: int, shape: CeremonyShape) -> list[int]:
    """The sets whose powers this holder computes alone: those that nobody before it knows."""
    return [
        number
        for number, unaware in enumerate(shape.unaware)
        if holder == min(set(range(1, shape.num_holders + 1)) - set(unaware))
    ]


def passes(n: int, public: int, powers: Iterable[int]) -> bool:
    """Whether one test is that of a product of two primes.

    Args:
        n: what is tested.
        public: its base to the public exponent.
        powers: its base to the exponents of all sets, or products of such.
    """
    product = math.prod(powers) % n
    return public in (product, n - product)
