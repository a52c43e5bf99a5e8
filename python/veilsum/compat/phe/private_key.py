"""Private keys of python-paillier's form, and rings of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from veilsum import _core, arguments
from veilsum.compat.phe.encoding import EncodedNumber
from veilsum.compat.phe.encrypted_number import (
    EncryptedNumber,
    PaillierPublicKey,
    batch_of,
    joined,
    require_same_key,
)
from veilsum.compat.phe.small_keys import MIN_KEY_BITS
from veilsum.errors import InvalidKeyError
from veilsum.system import thread_count

__all__ = ["PaillierPrivateKey", "PaillierPrivateKeyring"]


class PaillierPrivateKey:
    """The primes of a public key, which decrypt.

    They are kept in memory of the core that is wiped. ``p``, ``q`` and what follows from them are
    computed when asked for, as Python ints, which nobody wipes; so is a pickle. ``public_key``
    encrypts faster from then on: whoever has the primes knows of which form they are.

    Args:
        public_key: the key that they belong to.
        p: a prime.
        q: another one, of about equal size unless the key is small.

    Raises:
        TypeError: not a key, or not ints.
        InvalidKeyError: they do not make the key, or break a rule of docs/validation.md.
    """

    public_key: PaillierPublicKey
    _native: _core.SecretKey  # For batches.
    _single: _core.SecretKey  # For one number at a time, with the kernel that is made for that.

    def __init__(self, public_key: PaillierPublicKey, p: int, q: int) -> None:
        key = arguments.instance("public_key", public_key, PaillierPublicKey)
        p, q = arguments.integer("p", p), arguments.integer("q", q)
        if p < 0 or q < 0 or p * q != key._n:
            raise InvalidKeyError("SK4: p and q do not make the public key: n is not p*q")
        make = (
            _core.SecretKey.hazmat_from_primes
            if key._native.key_bits < MIN_KEY_BITS
            else _core.SecretKey.from_primes
        )
        self._fill(key, make(p, q))

    @classmethod
    def _of(cls, native: _core.SecretKey) -> PaillierPrivateKey:
        self = object.__new__(cls)
        self._fill(PaillierPublicKey._of(native.public_key), native)
        return self

    def _fill(self, public_key: PaillierPublicKey, native: _core.SecretKey) -> None:
        self.public_key = public_key
        self._native = native
        self._single = native.one_by_one()
        public_key._set_native(native.public_key)

    @staticmethod
    def from_totient(public_key: PaillierPublicKey, totient: int) -> PaillierPrivateKey:
        """The private key from ``(p - 1)*(q - 1)``.

        Raises:
            TypeError: not a key, or not an int.
            InvalidKeyError: that is not the totient of the public key.
        """
        n = arguments.instance("public_key", public_key, PaillierPublicKey)._n
        total = n + 1 - arguments.integer("totient", totient)  # p + q
        square = total * total - 4 * n  # (p - q)**2
        difference = math.isqrt(max(square, 0))
        p, q = (total - difference) // 2, (total + difference) // 2
        if square <= 0 or p <= 1 or p * q != n:
            raise InvalidKeyError("SK4: that is not the totient of the public key")
        return PaillierPrivateKey(public_key, p, q)

    # ---- decryption ----

    def decrypt(self, encrypted_number: EncryptedNumber) -> int | float:
        """The number: an int where the exponent is not below 0, else the nearest float.

        Raises:
            TypeError: not an EncryptedNumber.
            KeyMismatchError: encrypted under another key.
            CapacityError: it is too large: an overflow, or no float. It is an OverflowError.
            InternalError: the result failed its self-check and was discarded.
        """
        return self.decrypt_encoded(encrypted_number).decode()

    def decrypt_encoded(
        self,
        encrypted_number: EncryptedNumber,
        Encoding: type[EncodedNumber] | None = None,  # noqa: N803
    ) -> EncodedNumber:
        """The number as an ``Encoding``, EncodedNumber unless another class is given.

        Raises:
            TypeError, KeyMismatchError, InternalError: as :meth:`decrypt`.
        """
        arguments.instance("encrypted_number", encrypted_number, EncryptedNumber)
        require_same_key(self.public_key, encrypted_number.public_key)
        kind = EncodedNumber if Encoding is None else Encoding
        residue = self._residue(encrypted_number._native)
        return kind(self.public_key, residue, encrypted_number.exponent)

    def raw_decrypt(self, ciphertext: int) -> int:
        """What a ciphertext holds, from 0 to n - 1.

        Raises:
            TypeError: not an int.
            InvalidCiphertextError: no ciphertext under this key.
            InternalError: as :meth:`decrypt`.
        """
        value = arguments.integer("ciphertext", ciphertext)
        return self._residue(_core.Ciphertexts.from_ints([value], (1,), self._single.public_key))

    def decrypt_batch(
        self, numbers: Iterable[EncryptedNumber], *, num_threads: int | None = None
    ) -> list[int | float]:
        """``[self.decrypt(number) for number in numbers]`` in one call of the core.

        phe has no such method.

        Args:
            numbers: a list, a vector of numpy or another iterable.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.

        Raises:
            TypeError, KeyMismatchError, CapacityError, InternalError: as :meth:`decrypt`.
        """
        encrypted = batch_of("numbers", numbers)
        for number in encrypted:
            arguments.instance("each number", number, EncryptedNumber)
            require_same_key(self.public_key, number.public_key)
        if not encrypted:
            return []
        native = joined(encrypted)
        opened = _core.plaintexts_to_list(self._native.decrypt(native, thread_count(num_threads)))
        key = self.public_key
        return [
            EncodedNumber(key, m % key._n, number.exponent).decode()
            for m, number in zip(opened, encrypted, strict=True)
        ]

    def _residue(self, native: _core.Ciphertexts) -> int:
        return _core.plaintexts_to_list(self._single.decrypt(native))[0] % self.public_key._n

    # ---- what phe shows of a key; none of it is constant time ----

    @property
    def p(self) -> int:
        """The smaller prime. Secret."""
        return self._primes()[0]

    @property
    def q(self) -> int:
        """The larger prime. Secret."""
        return self._primes()[1]

    @property
    def psquare(self) -> int:
        """P squared. Secret."""
        return self.p**2

    @property
    def qsquare(self) -> int:
        """Q squared. Secret."""
        return self.q**2

    @property
    def p_inverse(self) -> int:
        """The inverse of p modulo q. Secret."""
        p, q = self._primes()
        return pow(p, -1, q)

    @property
    def hp(self) -> int:
        """h(p) of Paillier's paper. Secret."""
        p, q = self._primes()
        return pow(-q, -1, p)

    @property
    def hq(self) -> int:
        """h(q) of Paillier's paper. Secret."""
        p, q = self._primes()
        return pow(-p, -1, q)

    def h_function(self, x: int, xsquare: int) -> int:
        """The function h of Paillier's paper, for a prime and its square."""
        return pow(self.l_function(pow(self.public_key.g, x - 1, xsquare), x), -1, x)

    def l_function(self, x: int, p: int) -> int:
        """The function L of Paillier's paper: ``(x - 1)/p``."""
        return (x - 1) // p

    def crt(self, mp: int, mq: int) -> int:
        """The number below n that is mp modulo p and mq modulo q."""
        p, q = self._primes()
        return mp + (mq - mp) * pow(p, -1, q) % q * p

    def _primes(self) -> tuple[int, int]:
        secret = self._native.to_secret_bytes()
        half = len(secret) // 2
        first, second = (int.from_bytes(part, "little") for part in (secret[:half], secret[half:]))
        secret[:] = bytes(len(secret))
        return min(first, second), max(first, second)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PaillierPrivateKey):
            return NotImplemented
        return self.public_key == other.public_key  # A modulus has one pair of primes.

    def __hash__(self) -> int:
        return hash(("private", self.public_key))

    def __repr__(self) -> str:
        return f"<PaillierPrivateKey for {self.public_key!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return PaillierPrivateKey, (self.public_key, *self._primes())


class PaillierPrivateKeyring(Mapping[PaillierPublicKey, PaillierPrivateKey]):
    """Private keys by their public keys; decrypts what any of them does.

    Args:
        private_keys: those to begin with.

    Raises:
        TypeError: one is not a PaillierPrivateKey.
    """

    def __init__(self, private_keys: Iterable[PaillierPrivateKey] | None = None) -> None:
        self._keys: dict[PaillierPublicKey, PaillierPrivateKey] = {}
        for key in () if private_keys is None else arguments.items("private_keys", private_keys):
            self.add(key)

    def add(self, private_key: PaillierPrivateKey) -> None:
        """Add a key, in place of an equal one.

        Raises:
            TypeError: not a PaillierPrivateKey.
        """
        key = arguments.instance("private_key", private_key, PaillierPrivateKey)
        self._keys[key.public_key] = key

    def decrypt(self, encrypted_number: EncryptedNumber) -> int | float:
        """As :meth:`PaillierPrivateKey.decrypt`, with the key that it takes.

        Raises:
            KeyError: that key is not here.
        """
        number = arguments.instance("encrypted_number", encrypted_number, EncryptedNumber)
        return self._keys[number.public_key].decrypt(number)

    def __getitem__(self, key: PaillierPublicKey) -> PaillierPrivateKey:
        return self._keys[key]

    def __delitem__(self, public_key: PaillierPublicKey) -> None:
        del self._keys[public_key]

    def __iter__(self) -> Iterator[PaillierPublicKey]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
