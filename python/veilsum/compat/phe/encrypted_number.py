"""Public keys of python-paillier's form, and the numbers that they encrypt."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

from veilsum import _core, arguments
from veilsum.compat.phe.encoding import EncodedNumber, factor_to, plain_number
from veilsum.compat.phe.small_keys import MIN_KEY_BITS, require_key_bits
from veilsum.errors import CapacityError, InvalidArgumentError, KeyMismatchError
from veilsum.system import thread_count

__all__ = ["EncryptedNumber", "PaillierPublicKey", "require_encoding", "require_same_key"]

_ONE = (1,)  # The shape of what one number is.
_FEW = 16  # Fewer are not worth the table that the kernel of batches makes for a key.


class PaillierPublicKey:
    """A modulus that numbers are encrypted under. Safe to share and pickle.

    Args:
        n: the modulus. Nothing else is known of it, so encryption takes r**n; keys of
            ``generate_paillier_keypair``, and those that a PaillierPrivateKey was made for, encrypt
            many times faster.

    Attributes:
        max_int: the largest absolute value of an encoded number, a third of n. It can be raised;
            fewer overflows are then found.

    Raises:
        TypeError: n is not an int.
        InvalidKeyError: even, above 16384 bits, or below 2047 while small keys are not allowed.
    """

    max_int: int
    _n: int
    _native: _core.PublicKey  # For batches.
    _single: _core.PublicKey  # For one number at a time, with the kernel that is made for that.

    def __init__(self, n: int) -> None:
        modulus = arguments.integer("n", n)
        require_key_bits(modulus.bit_length())
        if modulus.bit_length() < MIN_KEY_BITS:
            self._fill(_core.PublicKey.hazmat_from_modulus(modulus))
        else:
            self._fill(_core.PublicKey.from_modulus(modulus))

    @classmethod
    def _of(cls, native: _core.PublicKey) -> PaillierPublicKey:
        self = object.__new__(cls)
        self._fill(native)
        return self

    def _fill(self, native: _core.PublicKey) -> None:
        self._set_native(native)
        self._n = native.n
        self.max_int = self._n // 3 - 1

    def _set_native(self, native: _core.PublicKey) -> None:
        self._native = native
        self._single = native.one_by_one()

    @property
    def n(self) -> int:
        """The modulus."""
        return self._n

    @property
    def g(self) -> int:
        """The generator, n + 1."""
        return self._n + 1

    @property
    def nsquare(self) -> int:
        """N squared, which ciphertexts are counted modulo."""
        return self._n * self._n

    def get_random_lt_n(self) -> int:
        """A random number from 1 to n - 1, of the operating system's generator."""
        return secrets.randbelow(self._n - 1) + 1

    def encrypt(
        self, value: Any, precision: float | None = None, r_value: int | None = None
    ) -> EncryptedNumber:
        """Encrypt a number.

        Args:
            value: an int or float, Python's or numpy's, or an EncodedNumber.
            precision: as for :meth:`EncodedNumber.encode`.
            r_value: chosen randomness, for test vectors: whoever knows it reads the number.

        Raises:
            TypeError, InvalidArgumentError, CapacityError: as :meth:`EncodedNumber.encode`.
            InvalidArgumentError: r_value is no unit modulo n.
            KeyMismatchError: a number that was encoded for another key.
        """
        if not isinstance(value, EncodedNumber):
            value = EncodedNumber.encode(self, value, precision)
        return self.encrypt_encoded(value, r_value)

    def encrypt_encoded(
        self, encoding: EncodedNumber, r_value: int | None = None
    ) -> EncryptedNumber:
        """Encrypt a number that is encoded already. Errors are those of :meth:`encrypt`."""
        arguments.instance("encoding", encoding, EncodedNumber)
        plaintexts = _plaintexts(require_encoding(encoding, self), self._n)
        native = self._encrypt(plaintexts, r_value)
        return EncryptedNumber._of(self, native, encoding.exponent, r_value is None)

    def raw_encrypt(self, plaintext: int, r_value: int | None = None) -> int:
        """The ciphertext of an integer modulo n, as an int.

        Raises:
            TypeError: plaintext is not an int.
            InvalidArgumentError: r_value is no unit modulo n.
        """
        message = arguments.integer("plaintext", plaintext) % self._n
        return self._encrypt(_plaintexts(message, self._n), r_value).to_ints()[0]

    def encrypt_batch(
        self,
        values: Iterable[Any],
        precision: float | None = None,
        *,
        num_threads: int | None = None,
    ) -> list[EncryptedNumber]:
        """``[self.encrypt(value, precision) for value in values]`` in one call of the core.

        phe has no such method. It takes a list, a vector of numpy or another iterable.

        Args:
            values: as for :meth:`encrypt`, in any number.
            precision: of all of them. Without one, the exponents of floats tell their sizes.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.

        Raises:
            TypeError, InvalidArgumentError, CapacityError, KeyMismatchError: as :meth:`encrypt`;
                nothing is encrypted then.
        """
        encoded = [
            value
            if isinstance(value, EncodedNumber)
            else EncodedNumber.encode(self, value, precision)
            for value in batch_of("values", values)
        ]
        if not encoded:
            return []
        residues = [_centred(require_encoding(number, self), self._n) for number in encoded]
        key = self._native if len(residues) >= _FEW else self._single
        native = key.encrypt(
            _core.plaintexts_from_list(residues),
            (len(residues),),
            None,
            thread_count(num_threads),
        )
        make = EncryptedNumber._of
        return [
            make(self, one, number.exponent, True)
            for one, number in zip(native.under(self._single).split(), encoded, strict=True)
        ]

    def _encrypt(self, plaintexts: _core.Plaintexts, r_value: int | None) -> _core.Ciphertexts:
        if r_value is None:
            return self._single.encrypt(plaintexts, _ONE)
        r = arguments.integer("r_value", r_value) % self._n
        return _core.encrypt_with_randomisers(self._single, plaintexts, [r], _ONE)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PaillierPublicKey):
            return NotImplemented
        return self._n == other._n

    def __hash__(self) -> int:
        return hash(self._n)

    def __repr__(self) -> str:
        return f"<PaillierPublicKey {abs(hash(self)):x}>"

    def __reduce__(self) -> tuple[Any, ...]:
        state = {"max_int": self.max_int}
        if self._native.key_bits < MIN_KEY_BITS:
            return PaillierPublicKey, (self._n,), state
        return _read_public_key, (self._native.to_bytes(),), state


def _read_public_key(wire: bytes) -> PaillierPublicKey:
    return PaillierPublicKey._of(_core.PublicKey.from_bytes(wire))


class EncryptedNumber:
    """An encrypted number times a public power of 16. Add, subtract, and scale by plain numbers.

    ``+`` and ``-`` take EncryptedNumbers under the same key, EncodedNumbers and plain numbers,
    ``*`` the last two, ``/`` plain numbers. ``==`` asks whether two are one object. Ciphertexts are
    computed in constant time, but for the bit length of a scalar; plain numbers are encoded by
    Python, which is not.

    Args:
        public_key: the key.
        ciphertext: an int, as phe has them.
        exponent: an int; the number is what is encrypted times ``16**exponent``.

    Attributes:
        public_key: as given.
        exponent: as given.

    Raises:
        TypeError: not a key, or not ints.
        InvalidCiphertextError: the integer is no ciphertext: 0, not below n**2, or no unit.
    """

    public_key: PaillierPublicKey
    exponent: int
    _native: _core.Ciphertexts
    __is_obfuscated: bool

    def __init__(self, public_key: PaillierPublicKey, ciphertext: int, exponent: int = 0) -> None:
        self.public_key = arguments.instance("public_key", public_key, PaillierPublicKey)
        value = arguments.integer("ciphertext", ciphertext)
        self._native = _core.Ciphertexts.from_ints([value], _ONE, public_key._single)
        self.exponent = arguments.integer("exponent", exponent)
        self.__is_obfuscated = False

    @classmethod
    def _of(
        cls,
        public_key: PaillierPublicKey,
        native: _core.Ciphertexts,
        exponent: int,
        is_obfuscated: bool = False,
    ) -> EncryptedNumber:
        self = object.__new__(cls)
        self.public_key = public_key
        self._native = native
        self.exponent = exponent
        self.__is_obfuscated = is_obfuscated
        return self

    def ciphertext(self, be_secure: bool = True) -> int:
        """The ciphertext as an int.

        Args:
            be_secure: make it unlinkable to what it was computed from first, where that was not
                done. Whoever gets one computed with ``False`` may find out scalars and addends.
        """
        if be_secure and not self.__is_obfuscated:
            self.obfuscate()
        return self._native.to_ints()[0]

    def obfuscate(self) -> None:
        """Put a fresh randomiser in place of this one: the same number in another ciphertext."""
        self._native = self._native.rerandomise()
        self.__is_obfuscated = True

    def decrease_exponent_to(self, new_exp: int) -> EncryptedNumber:
        """The same number with a lower exponent.

        What is encrypted grows. Only decryption can tell that it is too large, and does so for two
        thirds of all that is.

        Raises:
            InvalidArgumentError: the exponent is lower already, or no number fits the new one.
        """
        exponent = arguments.integer("new_exp", new_exp)
        factor = factor_to(self.exponent, exponent, EncodedNumber.BASE, self.public_key._n)
        if factor > self.public_key.max_int:
            raise InvalidArgumentError(
                f"no number that is not 0 fits the key with the exponent {exponent}"
            )
        native = self._native
        if factor != 1:  # Exponents are public.
            native = native.multiply_vartime(_core.plaintexts_from_list([factor]))
        return EncryptedNumber._of(self.public_key, native, exponent)

    def __add__(self, other: Any) -> EncryptedNumber:
        if isinstance(other, EncryptedNumber):
            left, right = self._aligned_with(other)
            return EncryptedNumber._of(
                self.public_key, left._native.add(right._native), left.exponent
            )
        if isinstance(other, np.ndarray):
            return NotImplemented  # Which adds to each of its elements.
        return self._plus(self._encoded_addend(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> EncryptedNumber:
        if isinstance(other, EncryptedNumber):
            left, right = self._aligned_with(other)
            return EncryptedNumber._of(
                self.public_key, left._native.subtract(right._native), left.exponent
            )
        if isinstance(other, np.ndarray):
            return NotImplemented
        encoded = self._encoded_addend(other)
        residue = require_encoding(encoded, self.public_key)
        minus = type(encoded)(encoded.public_key, -residue % self.public_key._n, encoded.exponent)
        return self._plus(minus)

    def __rsub__(self, other: Any) -> EncryptedNumber:
        if isinstance(other, np.ndarray):
            return NotImplemented
        minus = EncryptedNumber._of(self.public_key, self._native.negate(), self.exponent)
        return minus.__add__(other)

    def __mul__(self, other: Any) -> EncryptedNumber:
        if isinstance(other, EncryptedNumber):
            raise NotImplementedError(
                "two encrypted numbers cannot be multiplied: Paillier encryption only adds"
            )
        if isinstance(other, np.ndarray):
            return NotImplemented
        key = self.public_key
        encoded = other if isinstance(other, EncodedNumber) else EncodedNumber.encode(key, other)
        residue = require_encoding(encoded, key)
        exponent = self.exponent + encoded.exponent
        if residue == 0:  # A product would be the ciphertext 1, which all the world can read.
            return encryption_of_zero(key, exponent)
        native = self._native.multiply(_plaintexts(residue, key._n))
        return EncryptedNumber._of(key, native, exponent)

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> EncryptedNumber:
        if isinstance(scalar, np.ndarray):
            return NotImplemented
        if isinstance(scalar, EncryptedNumber | EncodedNumber):
            raise TypeError(f"an encrypted number cannot be divided by {type(scalar).__name__}")
        number = plain_number(scalar)
        if number != number or number in (float("inf"), -float("inf")):
            raise InvalidArgumentError(f"an encrypted number cannot be divided by {number}")
        inverse = float(1 / number)
        if abs(inverse) < 2.0**-1022:
            raise CapacityError("1/scalar is below what floats hold: multiply by an EncodedNumber")
        return self * inverse

    def _plus(self, encoded: EncodedNumber) -> EncryptedNumber:
        key, number = self.public_key, self
        residue = require_encoding(encoded, key)
        if encoded.exponent != self.exponent and encoded.BASE != EncodedNumber.BASE:
            raise InvalidArgumentError(
                f"the exponents {self.exponent} and {encoded.exponent} count in other bases: "
                "encode with the same exponent (max_exponent=)"
            )
        if encoded.exponent > self.exponent:
            residue = encoded.decrease_exponent_to(self.exponent).encoding
        elif encoded.exponent < self.exponent:
            number = self.decrease_exponent_to(encoded.exponent)
        native = number._native.add_plaintexts(_plaintexts(residue, key._n))
        return EncryptedNumber._of(key, native, number.exponent)

    def _encoded_addend(self, other: Any) -> EncodedNumber:
        if isinstance(other, EncodedNumber):
            return other
        return EncodedNumber.encode(self.public_key, other, max_exponent=self.exponent)

    def _aligned_with(self, other: EncryptedNumber) -> tuple[EncryptedNumber, EncryptedNumber]:
        require_same_key(self.public_key, other.public_key)
        if self.exponent == other.exponent:
            return self, other
        if self.exponent > other.exponent:
            return self.decrease_exponent_to(other.exponent), other
        return self, other.decrease_exponent_to(self.exponent)

    def __copy__(self) -> EncryptedNumber:
        return EncryptedNumber._of(
            self.public_key, self._native, self.exponent, self.__is_obfuscated
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> EncryptedNumber:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle leaves this process: it has what `ciphertext` gives, not what was computed.
        return _read_number, (self.public_key, self.ciphertext(), self.exponent)


def _read_number(public_key: PaillierPublicKey, ciphertext: int, exponent: int) -> EncryptedNumber:
    read = EncryptedNumber(public_key, ciphertext, exponent)
    return EncryptedNumber._of(public_key, read._native, read.exponent, True)


def encryption_of_zero(public_key: PaillierPublicKey, exponent: int) -> EncryptedNumber:
    """A fresh one."""
    native = public_key._single.encrypt(_core.plaintexts_from_list([0]), _ONE)
    return EncryptedNumber._of(public_key, native, exponent, True)


def require_same_key(ours: PaillierPublicKey, theirs: PaillierPublicKey) -> None:
    """KeyMismatchError unless both have one modulus."""
    if ours is not theirs and ours != theirs:
        raise KeyMismatchError("the numbers belong to different keys")


def require_encoding(encoded: EncodedNumber, public_key: PaillierPublicKey) -> int:
    """What was encoded, from 0 to n - 1.

    Raises:
        KeyMismatchError: for another key.
        InvalidArgumentError: no residue modulo n.
    """
    require_same_key(public_key, encoded.public_key)
    if not 0 <= encoded.encoding < public_key._n:
        raise InvalidArgumentError("the encoding is not from 0 to n - 1")
    return encoded.encoding


def joined(numbers: list[EncryptedNumber]) -> _core.Ciphertexts:
    """The ciphertexts of numbers under one key as a batch."""
    native = _core.Ciphertexts.concatenate([number._native for number in numbers])
    return native.under(numbers[0].public_key._native)


def batch_of(name: str, values: Iterable[Any]) -> list[Any]:
    """What a list or a vector holds; a vector of numpy as Python numbers, which are faster."""
    arguments.refuse_masked(name, values)
    if isinstance(values, (Mapping, Set)):
        raise TypeError(f"{name} must be in an order: a list, not {type(values).__name__}")
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "mM":
            raise TypeError(f"{name} must be numbers, not {values.dtype}")
        if values.ndim != 1:
            raise InvalidArgumentError(f"{name} must have one dimension, not {values.ndim}")
        return list(values.tolist())
    return arguments.items(name, values)


def _centred(residue: int, n: int) -> int:
    return residue - n if residue > n >> 1 else residue


def _plaintexts(residue: int, n: int) -> _core.Plaintexts:
    return _core.plaintexts_from_list([_centred(residue, n)])
