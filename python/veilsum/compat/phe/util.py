"""The number theory of ``phe.util``. None of it is constant time."""

from __future__ import annotations

import base64
import math
import secrets
from binascii import hexlify, unhexlify

from veilsum import _core, arguments
from veilsum.errors import InvalidArgumentError

__all__ = [
    "base64_to_int",
    "base64url_decode",
    "base64url_encode",
    "extended_euclidean_algorithm",
    "first_primes",
    "getprimeover",
    "hexlify",
    "improved_i_sqrt",
    "int_to_base64",
    "invert",
    "is_prime",
    "isqrt",
    "miller_rabin",
    "mulmod",
    "powmod",
    "unhexlify",
]

#: phe has these as they are set where it finds gmpy2 and PyCrypto. Nothing here asks.
HAVE_GMP = True
HAVE_CRYPTO = False

_MAX_PRIME_BITS = 16384
_SIEVE_END = 17864  # Just above the 2048th prime.


def powmod(a: int, b: int, c: int) -> int:
    """``a**b % c``."""
    return pow(a, b, c)


def mulmod(a: int, b: int, c: int) -> int:
    """``a*b % c``."""
    return a * b % c


def extended_euclidean_algorithm(a: int, b: int) -> tuple[int, int, int]:
    """``(r, s, t)`` with ``r == s*a + t*b``, r the greatest common divisor."""
    (r, s, t), (next_r, next_s, next_t) = (a, 1, 0), (b, 0, 1)
    while next_r:
        quotient = r // next_r
        (r, s, t), (next_r, next_s, next_t) = (
            (next_r, next_s, next_t),
            (r - quotient * next_r, s - quotient * next_s, t - quotient * next_t),
        )
    return (r, s, t) if r >= 0 else (-r, -s, -t)


def invert(a: int, b: int) -> int:
    """X with ``a*x % b == 1``.

    Raises:
        ZeroDivisionError: there is none.
    """
    try:
        return pow(a, -1, b)
    except ValueError:
        raise ZeroDivisionError("invert() no inverse exists") from None


def is_prime(n: int, mr_rounds: int = 25) -> bool:
    """Whether n is prime: the test that the core's keys pass, whatever ``mr_rounds`` says.

    That is Baillie-PSW, exact below 2**64, and 16 rounds of Miller-Rabin with random bases.

    Raises:
        TypeError: not an int.
        InvalidArgumentError: n is above 16384 bits.
    """
    number = arguments.integer("n", n)
    arguments.count("mr_rounds", mr_rounds)
    if number.bit_length() > _MAX_PRIME_BITS:
        raise InvalidArgumentError(f"n has more than {_MAX_PRIME_BITS} bits")
    return number > 1 and _core.is_probable_prime(number)


def miller_rabin(n: int, k: int) -> bool:
    """Whether n passes k rounds of the Miller-Rabin test with random bases.

    A composite n passes each with probability 1/4 at most.

    Raises:
        TypeError: not ints.
        InvalidArgumentError: n is below 4, or k below 1.
    """
    number = arguments.integer("n", n)
    rounds = arguments.count("k", k, at_least=1)
    if number < 4:
        raise InvalidArgumentError(f"n is {number}; it must be above 3")
    if number % 2 == 0:
        return False
    num_halvings = ((number - 1) & -(number - 1)).bit_length() - 1
    odd = (number - 1) >> num_halvings
    for _ in range(rounds):
        x = pow(secrets.randbelow(number - 3) + 2, odd, number)
        passed = x in (1, number - 1)
        for _ in range(num_halvings - 1):
            x = x * x % number
            passed = passed or x == number - 1
        if not passed:
            return False
    return True


def getprimeover(N: int) -> int:  # noqa: N803
    """A random prime of exactly N bits, from the operating system's generator.

    Raises:
        TypeError: not an int.
        InvalidArgumentError: N is below 1 or above 16384.
    """
    bits = arguments.count("N", N, at_least=1, at_most=_MAX_PRIME_BITS)
    if bits == 1:
        return 2  # As phe has it; no prime has one bit.
    while True:
        candidate = secrets.randbits(bits) | 1 << (bits - 1) | 1
        if _core.is_probable_prime(candidate):
            return candidate


def isqrt(N: int) -> int:  # noqa: N803
    """The integer part of the square root.

    Raises:
        ValueError: N is below 0.
    """
    return math.isqrt(N)


def improved_i_sqrt(n: int) -> int:
    """As :func:`isqrt`."""
    return math.isqrt(n)


def base64url_encode(payload: bytes | str) -> str:
    """Text in the URL-safe alphabet, without padding."""
    data = payload.encode() if isinstance(payload, str) else payload
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url_decode(payload: str) -> bytes:
    """What :func:`base64url_encode` was given.

    Raises:
        ValueError: not such text.
    """
    text = payload.encode("ascii")
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def int_to_base64(source: int) -> str:
    """An int above 0, big-endian, as base64url.

    Raises:
        AssertionError: it is not above 0.
    """
    if source <= 0:
        raise AssertionError("only ints above 0 have this form")
    return base64url_encode(source.to_bytes((source.bit_length() + 7) // 8, "big"))


def base64_to_int(source: str) -> int:
    """What :func:`int_to_base64` was given.

    Raises:
        ValueError: not such text, or none.
    """
    data = base64url_decode(source)
    if not data:
        raise InvalidArgumentError("there is no number in an empty text")
    return int.from_bytes(data, "big")


def _sieve(end: int) -> list[int]:
    is_left = bytearray([0, 0]) + bytearray([1]) * (end - 2)
    for i in range(2, math.isqrt(end) + 1):
        if is_left[i]:
            is_left[i * i :: i] = bytes(len(range(i * i, end, i)))
    return [i for i, left in enumerate(is_left) if left]


#: The first 2048 primes.
first_primes = _sieve(_SIEVE_END)
