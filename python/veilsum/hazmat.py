"""Hazardous material: for tests and research only. Nothing in veilsum imports this module.

Keys from chosen primes of any size, encryption with chosen randomness, shares by any policy and
their combination unproved, the random bytes of chosen keys: each can void every promise the rest of
the library makes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum import _core
from veilsum.ciphertexts import Ciphertexts, to_native_key
from veilsum.errors import InvalidArgumentError
from veilsum.keys import PublicKey, SecretKey
from veilsum.plaintexts import PlaintextLike, to_plaintexts
from veilsum.threshold import KeyShare, PartialDecryption, ThresholdKey, wrap_dealt

__all__ = [
    "combine",
    "deal_shares",
    "encrypt",
    "keystream",
    "keystreams",
    "random_bytes",
    "secret_key",
]

_MAX_KEYSTREAM_BYTES = 2**30


def secret_key(p: int, q: int) -> SecretKey:
    """A key from two distinct odd primes of any size with ``gcd(p*q, (p-1)*(q-1)) == 1``.

    Raises:
        InvalidKeyError: names the rule of docs/validation.md that failed.
    """
    return SecretKey(_core.SecretKey.hazmat_from_primes(p, q))


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


def deal_shares(
    key: SecretKey, num_holders: int, threshold: int
) -> tuple[ThresholdKey, list[KeyShare]]:
    """Share a key of any size by any ``1 <= threshold <= num_holders <= 64``.

    With a threshold so low, two disjoint sets of holders may open two different sums.

    Raises:
        InvalidArgumentError: no such policy.
        InvalidKeyError: the primes are not safe, or not above the number of holders (SH4).
    """
    if not isinstance(key, SecretKey):
        raise TypeError(f"expected a SecretKey, got {type(key).__name__}")
    return wrap_dealt(_core.deal_shares_unchecked(key._native, num_holders, threshold, 0))


def combine(
    key: ThresholdKey, ciphertexts: Ciphertexts, partials: Sequence[PartialDecryption]
) -> list[Any]:
    """Combine all of these partial decryptions, without a look at proofs or the threshold.

    Raises:
        InvalidArgumentError: they are not of all of the ciphertexts by different holders.
        ProofError: they are too few, or wrong.
    """
    natives = [partial._native for partial in partials]
    return _core.plaintexts_to_list(
        _core.combine_unproved(key._native, ciphertexts._native, natives)
    )


def keystreams() -> list[str]:
    """The names of the keystreams this processor runs, worst first (docs/randomness.md)."""
    return _core.keystream_names()


def keystream(name: str, key: bytes, size: int, *, start: bytes = bytes(16)) -> bytes:
    """The first bytes of a keystream, which are OpenSSL's for the same key and start.

    Args:
        name: one of :func:`keystreams`. ``aes-`` is AES-256 in counter mode, ``chacha20-`` is
            ChaCha20.
        key: 32 bytes.
        size: how many bytes, at most 2**30.
        start: 16 bytes, the first counter block of AES, or the counter and nonce of ChaCha20.

    Raises:
        TypeError: an argument has the wrong type.
        InvalidArgumentError: the processor has no keystream of that name; key or start has another
            length; size is out of range; or the 64 bits that count would wrap (the last 8 bytes of
            an AES start, big-endian; the first 8 of a ChaCha20 start, little-endian).
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    for what, value in (("key", key), ("start", start)):
        if not isinstance(value, bytes):
            raise TypeError(f"{what} must be bytes, not {type(value).__name__}")
    _check_int(size)
    if not 0 <= size <= _MAX_KEYSTREAM_BYTES:
        raise InvalidArgumentError(f"size must be from 0 to 2**30, not {size}")
    return _core.keystream(name, key, int(size), start)


def random_bytes(out: NDArray[np.uint8]) -> None:
    """Fill an array with random bytes, to time the generator that all other functions draw from.

    Args:
        out: uint8, C-contiguous and writable.

    Raises:
        TypeError: out is not a uint8 array.
        InvalidArgumentError: out is read-only or not C-contiguous.
        EntropyError: the operating system gave no randomness.
    """
    _check_writable_bytes(out)
    _core.random_bytes(out)


def _check_int(size: object) -> None:
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
        raise TypeError(f"size must be an int, not {type(size).__name__}")


def _check_writable_bytes(out: object) -> None:
    if not isinstance(out, np.ndarray) or out.dtype != np.uint8:
        raise TypeError("out must be a numpy array of dtype uint8")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise InvalidArgumentError("out must be C-contiguous and writable")
