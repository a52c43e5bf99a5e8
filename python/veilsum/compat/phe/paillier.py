"""The names of ``phe.paillier``, with sums and dot products of many numbers besides."""

from __future__ import annotations

import math

from veilsum import _core, arguments
from veilsum.compat.phe.batches import dot_batch, sum_batch
from veilsum.compat.phe.encoding import EncodedNumber
from veilsum.compat.phe.encrypted_number import EncryptedNumber, PaillierPublicKey
from veilsum.compat.phe.private_key import PaillierPrivateKey, PaillierPrivateKeyring
from veilsum.compat.phe.small_keys import MIN_KEY_BITS, require_key_bits
from veilsum.compat.phe.util import getprimeover, invert, isqrt, mulmod, powmod

__all__ = [
    "DEFAULT_KEYSIZE",
    "EncodedNumber",
    "EncryptedNumber",
    "PaillierPrivateKey",
    "PaillierPrivateKeyring",
    "PaillierPublicKey",
    "dot_batch",
    "generate_paillier_keypair",
    "getprimeover",
    "invert",
    "isqrt",
    "mulmod",
    "powmod",
    "sum_batch",
]

DEFAULT_KEYSIZE = 3072

_LEAST_BITS, _MOST_BITS = 6, 16384  # 6 bits: 35 = 5 * 7 is the least that there is.


def generate_paillier_keypair(
    private_keyring: PaillierPrivateKeyring | None = None, n_length: int = DEFAULT_KEYSIZE
) -> tuple[PaillierPublicKey, PaillierPrivateKey]:
    """Make a new pair of keys.

    Args:
        private_keyring: where to add the private key.
        n_length: the size of the modulus in bits, up to 16384.

    Raises:
        TypeError: not a keyring, or not an int.
        InvalidKeyError: below 2047 bits while small keys are not allowed.
        InvalidArgumentError: a size that no key has.
        EntropyError: the operating system gave no randomness.
    """
    if private_keyring is not None:
        arguments.instance("private_keyring", private_keyring, PaillierPrivateKeyring)
    bits = arguments.count("n_length", n_length, at_least=_LEAST_BITS, at_most=_MOST_BITS)
    require_key_bits(bits)
    if bits > MIN_KEY_BITS and bits % 2 == 0:
        key = PaillierPrivateKey._of(_core.generate_key(bits, False))
    else:
        p, q = _primes_of(bits)
        key = PaillierPrivateKey(PaillierPublicKey(p * q), p, q)
    if private_keyring is not None:
        private_keyring.add(key)
    return key.public_key, key


def _primes_of(bits: int) -> tuple[int, int]:
    """Two random primes of about equal size whose product has so many bits and is a key."""
    while True:
        p, q = getprimeover((bits + 1) // 2), getprimeover(bits // 2)
        n = p * q
        if p != q and n.bit_length() == bits and math.gcd(n, (p - 1) * (q - 1)) == 1:
            return p, q
