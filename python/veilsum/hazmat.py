"""Hazardous material: for tests and research only. Nothing in veilsum imports this module.

Keys from chosen primes of any size, and encryption with chosen randomness: either can void every
promise the rest of the library makes.
"""

from collections.abc import Sequence

from veilsum import _core
from veilsum.ciphertexts import Ciphertexts, to_native_key
from veilsum.keys import PublicKey, SecretKey
from veilsum.plaintexts import PlaintextLike, to_plaintexts

__all__ = ["encrypt", "secret_key"]


def secret_key(p: int, q: int) -> SecretKey:
    """A key from two distinct odd primes of any size with ``gcd(p*q, (p-1)*(q-1)) == 1``.

    Raises:
        InvalidKeyError: names the rule of docs/validation.md that failed.
    """
    return SecretKey(_core.SecretKey.from_primes(p, q))


def encrypt(public_key: PublicKey, m: PlaintextLike, r: int | Sequence[int]) -> Ciphertexts:
    """Classic encryption ``(1 + n)**m * r**n mod n**2`` with the randomness given.

    Args:
        public_key: the key.
        m: plaintexts as for ``PublicKey.encrypt``.
        r: one unit modulo n for each plaintext, in row-major order.

    Raises:
        InvalidArgumentError: r is not a unit, or there are not as many as plaintexts.
    """
    plaintexts, shape = to_plaintexts(m)
    randomisers = [r] if isinstance(r, int) else list(r)
    native = _core.encrypt_with_randomisers(
        to_native_key(public_key), plaintexts, randomisers, shape or (1,)
    )
    return Ciphertexts(native, public_key)
