"""Paillier keys: generate, encrypt, decrypt, save."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from veilsum import _core, keyfile
from veilsum.ciphertexts import Ciphertexts
from veilsum.errors import InvalidArgumentError
from veilsum.plaintexts import PlaintextLike, to_lists, to_plaintexts
from veilsum.proofs import PlaintextProof
from veilsum.system import thread_count
from veilsum.wire import BytesLike, as_bytes

__all__ = ["PublicKey", "RandomiserPool", "SecretKey", "generate_key"]

Progress = Callable[[int, int], object]

_MIN_KEY_BITS = 2047  # Rule PK1.


def generate_key(
    key_bits: int = 3072, *, safe_primes: bool = False, num_threads: int | None = None
) -> SecretKey:
    """Make a new secret key.

    Args:
        key_bits: size of the modulus; 2048, 3072 (128-bit security, the default) or 4096 are usual,
            even sizes from 2048 to 16384 are allowed.
        safe_primes: make p and q safe primes, as shared (threshold) keys need. Takes a few
            seconds at 3072 bits.
        num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.

    Raises:
        InvalidArgumentError: a size that is not allowed.
        EntropyError: the operating system gave no randomness.
    """
    key_bits = operator.index(key_bits)
    if not 0 <= key_bits < 1 << 32:
        raise InvalidArgumentError(f"key_bits is {key_bits}; 3072 is the usual choice")
    return SecretKey(_core.generate_key(key_bits, safe_primes, thread_count(num_threads)))


class PublicKey:
    """The public half of a Paillier key: encrypts, and cannot decrypt. Safe to share and pickle."""

    __slots__ = ("_native",)

    def __init__(self, native: _core.PublicKey) -> None:
        if not isinstance(native, _core.PublicKey):
            raise TypeError("make a PublicKey with from_bytes, from_modulus or generate_key")
        self._native = native

    @property
    def n(self) -> int:
        """The modulus."""
        return self._native.n

    @property
    def key_bits(self) -> int:
        """The size of the modulus in bits."""
        return self._native.key_bits

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that name the key: SHAKE256 of its wire form."""
        return self._native.fingerprint

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md)."""
        return self._native.to_bytes()

    @classmethod
    def from_bytes(cls, data: BytesLike) -> PublicKey:
        """Read a key that someone else sent. Make sure that it is theirs: compare fingerprints.

        Raises:
            MalformedDataError: not the wire format.
            InvalidKeyError: names the rule of docs/validation.md that failed.
        """
        return cls(_core.PublicKey.from_bytes(as_bytes(data)))

    @classmethod
    def from_modulus(cls, n: int) -> PublicKey:
        """A key of another library, known by its modulus only.

        Encryption then uses classic randomisers r**n, which are slower than ours: nothing is known
        of the primes.

        Raises:
            InvalidKeyError: even, or not of 2047 to 16384 bits.
        """
        return cls(_core.PublicKey.from_modulus(n))

    def encrypt(
        self,
        values: PlaintextLike | _core.Plaintexts,
        *,
        pool: RandomiserPool | None = None,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Ciphertexts:
        """Encrypt integers in ``(-n/2, n/2)``.

        Args:
            values: an int, a list or nested list of ints, or an integer array; one or two
                dimensions. A single int gives a batch of one.
            pool: randomisers from :meth:`precompute`; encryption then costs next to nothing.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.
            progress: called as ``progress(done, total)`` about ten times a second.

        Raises:
            TypeError: floats, bools or anything that is not an integer.
            InvalidArgumentError: a value out of range, or more than two dimensions.
            KeyMismatchError, PoolExhaustedError: the pool belongs to another key, or is used up.
        """
        native_pool = _native_pool(pool)
        plaintexts, shape = to_plaintexts(values)
        native = self._native.encrypt(
            plaintexts, shape or (1,), native_pool, thread_count(num_threads), progress
        )
        return Ciphertexts(native, self)

    def encrypt_and_prove(
        self,
        values: PlaintextLike | _core.Plaintexts,
        *,
        context: BytesLike,
        first: int = 0,
        chunk: int = 512,
        pool: RandomiserPool | None = None,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> tuple[Ciphertexts, PlaintextProof]:
        """Encrypt, and prove that whoever did it knows the plaintexts.

        Args:
            values: as for :meth:`encrypt`, at least one.
            context: what the proof is for, such as a round and a contributor. Whoever checks it
                must say the same.
            first: the position of the first value in a larger batch that goes out in pieces.
            chunk: how many ciphertexts share a proof, up to 2**20.
            pool: randomisers from :meth:`precompute` with ``for_proofs``.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.
            progress: called as ``progress(done, total)`` about ten times a second.

        Raises:
            InvalidArgumentError: as :meth:`encrypt`; nothing to encrypt, a position below 0, a
                chunk that is not from 1 to 2**20, or a pool that is not for proofs.
            TypeError, KeyMismatchError, PoolExhaustedError: as :meth:`encrypt`.
        """
        native_pool = _native_pool(pool)
        first, chunk = operator.index(first), operator.index(chunk)
        if not 0 <= first < 1 << 63 or not 0 <= chunk < 1 << 63:
            raise InvalidArgumentError(f"there is no position {first}, or no chunk of {chunk}")
        plaintexts, shape = to_plaintexts(values)
        ciphertexts, proof = _core.encrypt_and_prove(
            self._native,
            plaintexts,
            shape or (1,),
            native_pool,
            as_bytes(context),
            first,
            chunk,
            thread_count(num_threads),
            progress,
        )
        return Ciphertexts(ciphertexts, self), PlaintextProof(proof)

    def precompute(
        self,
        count: int,
        *,
        for_proofs: bool = False,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> RandomiserPool:
        """Make randomisers ahead of time, for ``encrypt(..., pool=...)``.

        Args:
            count: how many. Each takes as much memory as a ciphertext.
            for_proofs: also keep what they are made of, which ``encrypt_and_prove`` needs: a
                quarter more memory, or half for keys of other libraries.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.
            progress: called as ``progress(done, total)`` about ten times a second.

        Raises:
            InvalidArgumentError: a count below 1 or above 2**40.
        """
        count = operator.index(count)
        if not 1 <= count <= 1 << 40:
            raise InvalidArgumentError(f"count must be from 1 to 2**40, not {count}")
        return RandomiserPool(
            _core.RandomiserPool(
                self._native, count, bool(for_proofs), thread_count(num_threads), progress
            )
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PublicKey):
            return NotImplemented
        return self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<PublicKey: {self.key_bits} bits, {self.fingerprint.hex()[:16]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return PublicKey.from_bytes, (self.to_bytes(),)


def _native_pool(pool: RandomiserPool | None) -> _core.RandomiserPool | None:
    if pool is not None and not isinstance(pool, RandomiserPool):
        raise TypeError(f"pool must be a RandomiserPool, not {type(pool).__name__}")
    return None if pool is None else pool._native


class RandomiserPool:
    """Randomisers made ahead of time; each is used once. ``len`` tells how many are left.

    A pool works in the process that made it only, and cannot be copied, pickled or saved: a
    randomiser used twice would reveal the difference of two plaintexts.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _core.RandomiserPool) -> None:
        if not isinstance(native, _core.RandomiserPool):
            raise TypeError("make a RandomiserPool with PublicKey.precompute")
        self._native = native

    def __len__(self) -> int:
        return self._native.remaining

    def __bool__(self) -> bool:
        return True  # An empty pool is still a pool: `if pool` must not mean "without one".

    def __repr__(self) -> str:
        return f"<RandomiserPool: {len(self)} left>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a randomiser pool cannot be pickled or copied: each is used once")


class SecretKey:
    """The secret half of a Paillier key: decrypts, and encrypts faster than the public half.

    It shows nothing of itself, cannot be pickled and is wiped from memory when dropped. Keep it
    with :meth:`save`.
    """

    __slots__ = ("_native", "_public_key")

    def __init__(self, native: _core.SecretKey) -> None:
        if not isinstance(native, _core.SecretKey):
            raise TypeError("make a SecretKey with generate_key or SecretKey.load")
        self._native = native
        self._public_key = PublicKey(native.public_key)

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public_key

    def encrypt(
        self,
        values: PlaintextLike | _core.Plaintexts,
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Ciphertexts:
        """As ``PublicKey.encrypt``, faster: the key's owner computes with half-size numbers."""
        plaintexts, shape = to_plaintexts(values)
        native = self._native.encrypt(
            plaintexts, shape or (1,), thread_count(num_threads), progress
        )
        return Ciphertexts(native, self._public_key)

    def decrypt(
        self,
        ciphertexts: Ciphertexts,
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> list[Any]:
        """Decrypt to Python ints in ``(-n/2, n/2)``: a list, or a list of lists for a matrix.

        Raises:
            KeyMismatchError: encrypted under another key.
            InternalError: the result failed its self-check and was discarded.
        """
        plaintexts = self.decrypt_plaintexts(
            ciphertexts, num_threads=num_threads, progress=progress
        )
        return to_lists(plaintexts, ciphertexts.shape)

    def decrypt_int64(
        self,
        ciphertexts: Ciphertexts,
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.int64]:
        """Decrypt to an int64 array of the ciphertexts' shape.

        Raises:
            InvalidArgumentError: a value does not fit 64 bits; ``decrypt`` returns any size.
            KeyMismatchError, InternalError: as ``decrypt``.
        """
        plaintexts = self.decrypt_plaintexts(
            ciphertexts, num_threads=num_threads, progress=progress
        )
        return _core.plaintexts_to_int64(plaintexts).reshape(ciphertexts.shape)

    def decrypt_plaintexts(
        self,
        ciphertexts: Ciphertexts,
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> _core.Plaintexts:
        """Decrypt to the opaque Plaintexts that a Codec decodes, without Python ints on the way."""
        if not isinstance(ciphertexts, Ciphertexts):
            raise TypeError(f"expected Ciphertexts, got {type(ciphertexts).__name__}")
        return self._native.decrypt(ciphertexts._native, thread_count(num_threads), progress)

    def save(
        self, path: str | os.PathLike[str], *, passphrase: str | bytes, overwrite: bool = False
    ) -> None:
        """Write the key to a file that only the passphrase opens (scrypt and AES-256-GCM).

        The file appears whole or not at all, readable by its owner only.

        Raises:
            FileExistsError: there is such a file and ``overwrite`` is not set.
            InvalidArgumentError: an empty passphrase, or a key of ``hazmat`` that is too small for
                any reader to accept.
        """
        if self._public_key.key_bits < _MIN_KEY_BITS:
            raise InvalidArgumentError(
                f"a key of {self._public_key.key_bits} bits is for tests and is not saved"
            )
        secret = self._native.to_secret_bytes()
        try:
            data = keyfile.seal(secret, self._public_key.to_bytes(), passphrase)
        finally:
            secret[:] = bytes(len(secret))
        keyfile.write(path, data, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, passphrase: str | bytes) -> SecretKey:
        """Read a key file.

        Raises:
            PassphraseError: a wrong passphrase, or a file that was changed.
            MalformedDataError: not a key file.
            InvalidKeyError: the file's two halves do not belong together.
        """
        secret, public = keyfile.open_sealed(keyfile.read(path), passphrase)
        key = cls(_core.SecretKey.from_secret_bytes(secret))
        keyfile.require_same_key(public, key.public_key.to_bytes())
        return key

    def __repr__(self) -> str:
        return f"<SecretKey: {self._public_key.key_bits} bits>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key cannot be pickled or copied; use save(path, passphrase=...)")
