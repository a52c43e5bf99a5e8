"""Hazardous material: for tests and research only. Nothing in veilsum imports this module.

Keys from chosen primes of any size, encryption with chosen randomness, shares by any policy and
their combination unproved, the random bytes of chosen keys: each can void every promise the rest of
the library makes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum import _core, arguments
from veilsum.errors import InvalidArgumentError
from veilsum.paillier.ciphertexts import Ciphertexts, to_native_key
from veilsum.paillier.plaintexts import PlaintextLike, to_object_array, to_plaintexts
from veilsum.paillier.public_key import PublicKey
from veilsum.paillier.secret_key import SecretKey
from veilsum.paillier.threshold import KeyShare, PartialDecryption, ThresholdKey, wrap_dealt

__all__ = [
    "allow_small_phe_keys",
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
    return SecretKey(
        _core.SecretKey.hazmat_from_primes(arguments.integer("p", p), arguments.integer("q", q))
    )


def allow_small_phe_keys() -> None:
    """Let ``veilsum.compat.phe`` make keys of any size from here on, in this process.

    What such a key encrypts, anyone can read who factors its modulus, and below 2047 bits that is
    too easy. For the tests of programs that were written for python-paillier.
    """
    from veilsum.compat.phe import small_keys  # Here: few need it.

    small_keys._allow()


def encrypt(public_key: PublicKey, m: PlaintextLike, r: int | Sequence[int]) -> Ciphertexts:
    """Classic encryption ``(1 + n)**m * r**n mod n**2`` with the randomness given.

    Args:
        public_key: the key.
        m: plaintexts as for ``PublicKey.encrypt``.
        r: one unit modulo n for each plaintext, in row-major order.

    Raises:
        InvalidArgumentError: r is not a unit, or there are not as many as plaintexts.
    """
    native_key = to_native_key(public_key)
    plaintexts, shape = to_plaintexts(m)
    randomisers = to_object_array(r, "r is a unit modulo n").reshape(-1).tolist()
    native = _core.encrypt_with_randomisers(native_key, plaintexts, randomisers, shape or (1,))
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
    return wrap_dealt(
        _core.deal_shares_unchecked(
            arguments.instance("key", key, SecretKey)._native,
            arguments.count("num_holders", num_holders),
            arguments.count("threshold", threshold),
            0,
        )
    )


def combine(
    key: ThresholdKey, ciphertexts: Ciphertexts, partials: Sequence[PartialDecryption]
) -> list[Any]:
    """Combine all of these partial decryptions, without a look at proofs or the threshold.

    Raises:
        InvalidArgumentError: they are not of all of the ciphertexts by different holders.
        ProofError: they are too few, or wrong.
    """
    natives = [
        arguments.instance("each partial", partial, PartialDecryption)._native
        for partial in arguments.items("partials", partials)
    ]
    return _core.plaintexts_to_list(
        _core.combine_unproved(
            arguments.instance("key", key, ThresholdKey)._native,
            arguments.instance("ciphertexts", ciphertexts, Ciphertexts)._native,
            natives,
        )
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
    if not arguments.instance("name", name, str).isascii():
        raise InvalidArgumentError(f"there is no keystream {arguments.text_of(name)}")
    return _core.keystream(
        name,
        arguments.instance("key", key, bytes),
        arguments.count("size", size, at_most=_MAX_KEYSTREAM_BYTES),
        arguments.instance("start", start, bytes),
    )


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


def _check_writable_bytes(out: object) -> None:
    if not isinstance(out, np.ndarray) or out.dtype != np.uint8:
        raise TypeError("out must be a numpy array of dtype uint8")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise InvalidArgumentError("out must be C-contiguous and writable")
