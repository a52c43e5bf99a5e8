"""Numbers as integers modulo n and an exponent, as python-paillier has them."""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from veilsum import arguments
from veilsum.errors import CapacityError, InvalidArgumentError

if TYPE_CHECKING:
    from veilsum.compat.phe.encrypted_number import PaillierPublicKey

__all__ = ["EncodedNumber"]

Encoded = TypeVar("Encoded", bound="EncodedNumber")

_MAX_EXPONENT = 1 << 20  # Of what is decoded to an int: a number of a megabyte.
_LEAST_FLOAT_BITS = 1100  # Nothing below 2**-1100 is nearer to any float than to 0.


class EncodedNumber:
    """``encoding * BASE**exponent``, its sign kept modulo n. Nothing here is encrypted.

    A subclass with another ``BASE`` and ``LOG2_BASE`` encodes in that base. An EncryptedNumber does
    not know in which base its exponent counts: give ``decrypt_encoded`` the same class.

    Args:
        public_key: whose n the encoding is counted modulo.
        encoding: an int from 0 to n - 1; above n/2 for numbers below 0.
        exponent: an int.

    Attributes:
        public_key: as given.
        encoding: as given; who changes it is not checked before :meth:`decode`.
        exponent: as given. It is public wherever the number goes.

    Raises:
        TypeError: encoding or exponent is not an int.
    """

    BASE: ClassVar[int] = 16
    LOG2_BASE: ClassVar[float] = 4.0
    FLOAT_MANTISSA_BITS: ClassVar[int] = sys.float_info.mant_dig

    def __init__(self, public_key: PaillierPublicKey, encoding: int, exponent: int) -> None:
        self.public_key = public_key
        self.encoding = (
            encoding if type(encoding) is int else arguments.integer("encoding", encoding)
        )
        self.exponent = (
            exponent if type(exponent) is int else arguments.integer("exponent", exponent)
        )

    @classmethod
    def encode(
        cls: type[Encoded],
        public_key: PaillierPublicKey,
        scalar: Any,
        precision: float | None = None,
        max_exponent: int | None = None,
    ) -> Encoded:
        """Encode a number: ints with exponent 0, floats exactly.

        Args:
            public_key: the key; the number must lie within its ``max_int``.
            scalar: an int or a float, Python's or numpy's; with a precision also a Fraction or a
                Decimal.
            precision: an absolute error that may be made. The exponent is then phe's, the floor of
                the precision's logarithm in floats: the largest with ``BASE**exponent <=
                precision``, or one less or more where the precision is within rounding of such a
                power. It tells nothing of the number.
            max_exponent: the exponent is at most this.

        Raises:
            TypeError: not such a number.
            InvalidArgumentError: beyond ``max_int``, NaN, or a precision that is not above 0.
            CapacityError: infinite. It is an OverflowError.
        """
        number = plain_number(scalar)
        if precision is not None:
            bound = arguments.real("precision", precision, above=0)
            exponent = math.floor(math.log(bound, cls.BASE))
        elif isinstance(number, int):
            exponent = 0
        elif isinstance(number, float):
            _require_finite(number)
            last_bit = math.frexp(number)[1] - cls.FLOAT_MANTISSA_BITS
            exponent = math.floor(last_bit / cls.LOG2_BASE)
        else:
            raise TypeError(f"give precision= with a {type(scalar).__name__}: it has none itself")
        if max_exponent is not None:
            exponent = min(exponent, arguments.integer("max_exponent", max_exponent))
        mantissa = _in_units(number, cls.BASE, exponent, public_key.n)
        if abs(mantissa) > public_key.max_int:
            raise InvalidArgumentError(
                f"with the exponent {exponent} the number is beyond max_int of this key: give a "
                "larger precision= or take a longer key"
            )
        return cls(public_key, mantissa % public_key.n, exponent)

    def decode(self) -> int | float:
        """The number: an int where the exponent is not below 0, else the nearest float.

        Raises:
            InvalidArgumentError: the encoding is no residue modulo n.
            CapacityError: it lies in the third of the range that no number has, so a sum was too
                large; or the number is larger than every float. It is an OverflowError.
        """
        mantissa = self._signed()
        exponent = self.exponent
        if exponent >= 0:
            if exponent > _MAX_EXPONENT:
                raise CapacityError(f"an exponent of {arguments.text_of(exponent)} is no number's")
            return mantissa * int(self.BASE**exponent)
        if _least_bits(self.BASE, -exponent) > mantissa.bit_length() + _LEAST_FLOAT_BITS:
            return math.copysign(0.0, mantissa)
        try:
            return mantissa / int(self.BASE**-exponent)
        except OverflowError:
            raise CapacityError("the number is larger than every float") from None

    def decrease_exponent_to(self: Encoded, new_exp: int) -> Encoded:
        """The same number with a lower exponent.

        Raises:
            InvalidArgumentError: the exponent is lower already.
            CapacityError: with that exponent the number does not fit the key.
        """
        factor = factor_to(self.exponent, new_exp, self.BASE, self.public_key.n)
        mantissa = self._signed() * factor
        if abs(mantissa) > self.public_key.max_int:
            raise CapacityError(f"the number does not fit the key with the exponent {new_exp}")
        return self.__class__(self.public_key, mantissa % self.public_key.n, new_exp)

    def _signed(self) -> int:
        n, max_int = self.public_key.n, self.public_key.max_int
        if not -max_int <= self.encoding < n:
            raise InvalidArgumentError("the encoding is no residue modulo n: it was changed")
        if self.encoding <= max_int:
            return self.encoding
        if self.encoding < n - max_int:
            raise CapacityError(
                "overflow: the encoding lies in the third of the range that no number has"
            )
        return self.encoding - n


def plain_number(value: Any) -> int | float | Fraction:
    """A Python number that is exactly the one given.

    Raises:
        TypeError: not a real number, or a long double, which may be no float.
    """
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (np.integer, np.bool_)):
        return int(value)
    if isinstance(value, (np.float16, np.float32)):
        return float(value)
    if isinstance(value, Rational):
        return Fraction(value)
    if isinstance(value, Decimal) and value.is_finite():
        return Fraction(value)
    raise TypeError(f"expected an int or a float, not {type(value).__name__}")


def factor_to(exponent: int, new_exponent: int, base: int, n: int) -> int:
    """``base**(exponent - new_exponent)``, or an error before a number that n cannot hold.

    Raises:
        InvalidArgumentError: the exponent is lower already, or the factor is above n.
    """
    steps = exponent - arguments.integer("new_exp", new_exponent)
    if steps < 0:
        raise InvalidArgumentError(
            f"an exponent of {arguments.text_of(exponent)} cannot be raised to "
            f"{arguments.text_of(new_exponent)}: that takes the private key"
        )
    if _least_bits(base, steps) > n.bit_length():
        raise InvalidArgumentError(
            f"the exponents {arguments.text_of(exponent)} and {arguments.text_of(new_exponent)} "
            "are further apart than the key holds: encrypt with the same precision="
        )
    return int(base**steps)


def _least_bits(base: int, steps: int) -> int:
    """Bits that base**steps has at least, without computing it."""
    return (base.bit_length() - 1) * steps


def _require_finite(number: float) -> None:
    if math.isnan(number):
        raise InvalidArgumentError("NaN cannot be encrypted")
    if math.isinf(number):
        raise CapacityError("an infinite number cannot be encrypted")


def _in_units(number: int | float | Fraction, base: int, exponent: int, n: int) -> int:
    """The integer nearest to ``number / base**exponent``, even where two are; or one beyond n."""
    if exponent == 0 and isinstance(number, int):
        return number
    if isinstance(number, float):
        _require_finite(number)
    above, below = number.as_integer_ratio()
    if exponent < 0:
        # Beyond n whatever it is; the power would only take memory.
        if above and _least_bits(base, -exponent) > n.bit_length() + below.bit_length():
            return n
        above = above * base**-exponent if above else 0
    elif exponent > 0:
        if _least_bits(base, exponent) > above.bit_length() + 1:
            return 0
        below *= base**exponent
    if below == 1:
        return above
    quotient, rest = divmod(above, below)
    return quotient + (2 * rest > below or (2 * rest == below and quotient % 2 == 1))
