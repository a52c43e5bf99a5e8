"""Hazardous material: for tests and research only. Nothing in veilsum imports this module.

Keys from chosen primes of any size, encryption with chosen randomness, shares by any policy and
their combination unproved: each can void every promise the rest of the library makes.
"""

from collections.abc import Sequence
from typing import Any

from veilsum import _core
from veilsum.ciphertexts import Ciphertexts, to_native_key
from veilsum.keys import PublicKey, SecretKey
from veilsum.plaintexts import PlaintextLike, to_plaintexts
from veilsum.threshold import KeyShare, PartialDecryption, ThresholdKey, wrap_dealt

__all__ = ["combine", "deal_shares", "encrypt", "secret_key"]


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


def combine(key: ThresholdKey, partials: Sequence[PartialDecryption]) -> list[Any]:
    """Combine all of these partial decryptions, without a look at proofs or the threshold.

    Raises:
        InvalidArgumentError: they are not of the same ciphertexts by different holders.
        ProofError: they are too few, or wrong.
    """
    natives = [partial._native for partial in partials]
    return _core.plaintexts_to_list(_core.combine_unproved(key._native, natives))
