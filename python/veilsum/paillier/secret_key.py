"""Paillier keys: generate, decrypt, save. The public half: ``public_key``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum import _core, arguments
from veilsum.errors import InvalidArgumentError, InvalidKeyError
from veilsum.keyfile import SavedSecret
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.float_operands import FloatLike, quantised
from veilsum.paillier.floats import EncryptedFloats
from veilsum.paillier.plaintexts import PlaintextLike, to_lists, to_plaintexts
from veilsum.paillier.public_key import PublicKey, RandomiserPool
from veilsum.system import Progress, thread_count, watcher
from veilsum.wire import WireKind

__all__ = ["PublicKey", "RandomiserPool", "SecretKey", "generate_key"]

_MIN_KEY_BITS, _MAX_KEY_BITS = 2047, 16384  # Rule PK1.
_MIN_NEW_KEY_BITS = 2048  # Rule SK5.


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
    bits = arguments.integer("key_bits", key_bits)
    if not _MIN_NEW_KEY_BITS <= bits <= _MAX_KEY_BITS or bits % 2 != 0:
        raise InvalidArgumentError(
            f"key_bits is {arguments.text_of(bits)}; it must be even, from {_MIN_NEW_KEY_BITS} to "
            f"{_MAX_KEY_BITS}, and 3072 is the usual choice; for tests hazmat.secret_key(p, q) "
            "makes smaller keys"
        )
    return SecretKey(
        _core.generate_key(
            bits, arguments.flag("safe_primes", safe_primes), thread_count(num_threads)
        )
    )


class SecretKey(SavedSecret):
    """The secret half of a Paillier key: decrypts, and encrypts faster than the public half.

    It shows nothing of itself, cannot be pickled and is wiped from memory when dropped. Keep it
    with :meth:`save`.
    """

    __slots__ = ("_native", "_public_key")
    SUFFIX = "key"
    _KIND = WireKind.KEY_FILE
    _WHAT = "a secret key"

    def __init__(self, native: _core.SecretKey) -> None:
        if not isinstance(native, _core.SecretKey):
            raise TypeError("make a SecretKey with generate_key, SecretKey.load or from_primes")
        self._native = native
        self._public_key = PublicKey(native.public_key)

    @classmethod
    def from_primes(cls, p: int, q: int) -> SecretKey:
        """The secret key of another Paillier library, from its primes (docs/interop.md).

        Its public half has the form that the primes allow: encryption is as fast as with keys
        made here if p = q = 3 (mod 4) and gcd(p - 1, q - 1) = 2.

        Args:
            p: a prime.
            q: another one, of about equal size.

        Raises:
            InvalidKeyError: names the rule of docs/validation.md that failed.
        """
        return cls(
            _core.SecretKey.from_primes(arguments.integer("p", p), arguments.integer("q", q))
        )

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
            plaintexts, shape or (1,), thread_count(num_threads), watcher(progress)
        )
        return Ciphertexts(native, self._public_key)

    def encrypt_floats(
        self,
        values: FloatLike,
        *,
        precision: float = 1e-9,
        bound: float = 2.0**64,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> EncryptedFloats:
        """As ``PublicKey.encrypt_floats``, faster."""
        numbers, scale = quantised(values, precision=precision, bound=bound)
        scale.within(self._public_key.n)
        ciphertexts = self.encrypt(numbers, num_threads=num_threads, progress=progress)
        return EncryptedFloats(ciphertexts, scale)

    def decrypt_floats(
        self,
        floats: EncryptedFloats,
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float64]:
        """Decrypt to a float64 array of the same shape, each value the nearest there is.

        ``decrypt(floats.ciphertexts)`` gives the exact integers, in units of ``floats.unit``.

        Raises:
            InvalidCiphertextError: a value beyond ``floats.bound``: whoever stated it, or made the
                ciphertexts, did not keep to it.
            CapacityError: a value beyond every float64.
            KeyMismatchError, InternalError: as ``decrypt``.
        """
        arguments.instance("floats", floats, EncryptedFloats)
        return floats.decode(
            self.decrypt_plaintexts(floats.ciphertexts, num_threads=num_threads, progress=progress)
        )

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
        arguments.instance("ciphertexts", ciphertexts, Ciphertexts)
        return self._native.decrypt(
            ciphertexts._native, thread_count(num_threads), watcher(progress)
        )

    def _to_secret(self) -> bytearray:
        if self._public_key.key_bits < _MIN_KEY_BITS:
            raise InvalidArgumentError(
                f"a key of {self._public_key.key_bits} bits is for tests and is not saved"
            )
        return self._native.to_secret_bytes()

    def _to_public(self) -> bytes:
        return self._public_key.to_bytes()

    @classmethod
    def _from_parts(cls, secret: bytearray, public: bytes) -> SecretKey:
        key = cls(_core.SecretKey.from_secret_bytes(secret))
        if public != key.public_key.to_bytes():
            raise InvalidKeyError("SK4: the secret primes in the file do not make its public key")
        return key

    def __repr__(self) -> str:
        return f"<SecretKey: {self._public_key.key_bits} bits>"
