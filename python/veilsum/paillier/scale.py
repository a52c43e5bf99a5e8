"""The public scale of encrypted floats: unit, bound and error, and what arithmetic makes of them.

All of it is exact or rounded up, in integers: nothing here is a float.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from veilsum.errors import CapacityError

__all__ = ["MAX_ERROR_EXPONENT", "MAX_UNIT_EXPONENT", "ZERO", "Ceiling", "Scale", "power_of_two"]

MAX_UNIT_EXPONENT = 1 << 20
MAX_ERROR_EXPONENT = 1 << 21
_MANTISSA_BITS = 63

_CURES = (
    "state a smaller bound= or a coarser precision= when encrypting, multiply fewer times or by "
    "numbers of fewer bits (x.multiply(w, precision=...)), decrypt and encrypt again in between, "
    "or take a longer key"
)


@dataclass(frozen=True)
class Ceiling:
    """``mantissa * 2**exponent``, at or above what it stands for. Arithmetic rounds up.

    The mantissa is odd and below 2**63, or all is 0.
    """

    mantissa: int
    exponent: int

    @classmethod
    def of(cls, mantissa: int, exponent: int) -> Ceiling:
        """The least one that is not below ``mantissa * 2**exponent``, of a mantissa from 0 on."""
        excess = max(mantissa.bit_length() - _MANTISSA_BITS, 0)
        mantissa = -(-mantissa >> excess)
        if mantissa == 0:
            return ZERO
        zeros = (mantissa & -mantissa).bit_length() - 1
        return cls(mantissa >> zeros, exponent + excess + zeros)

    def __add__(self, other: Ceiling) -> Ceiling:
        if self.mantissa == 0 or other.mantissa == 0:
            return other if self.mantissa == 0 else self
        low = min(self.exponent, other.exponent)
        left = self.mantissa << (self.exponent - low)
        return Ceiling.of(left + (other.mantissa << (other.exponent - low)), low)

    def __mul__(self, other: Ceiling) -> Ceiling:
        return Ceiling.of(self.mantissa * other.mantissa, self.exponent + other.exponent)

    @property
    def log2(self) -> int:
        """The least k of ``2**k`` that is not below it; 0 for 0."""
        return (self.mantissa - 1).bit_length() + self.exponent if self.mantissa else 0

    def to_fraction(self) -> Fraction:
        """The same number."""
        return self.mantissa * power_of_two(self.exponent)


ZERO = Ceiling(0, 0)


@dataclass(frozen=True, repr=False)  # Of the bound Python would write all digits.
class Scale:
    """How integers stand for floats, known to everybody who has the ciphertexts.

    An integer ``m`` stands for ``m * 2**exponent``. ``bound``, at least 1, is what ``abs(m)`` never
    exceeds, and ``error`` what the value never differs by from the exact real result.
    """

    exponent: int
    bound: int
    error: Ceiling

    @property
    def largest(self) -> Ceiling:
        """The bound of the values themselves."""
        return Ceiling.of(self.bound, self.exponent)

    def of_unit(self, exponent: int) -> Scale:
        """The scale of the same values in a unit that is as fine or finer."""
        return Scale(exponent, self.bound << (self.exponent - exponent), self.error)

    def plus(self, other: Scale) -> Scale:
        """Of a sum. Both have one unit."""
        return Scale(self.exponent, self.bound + other.bound, self.error + other.error)

    def times(self, other: Scale) -> Scale:
        """Of a product with plain values, whose own error is their rounding.

        With held values x and w, each off by its error: |x w - exact| <= |x| err(w) + err(x)
        (|w| + err(w)).
        """
        error = self.largest * other.error + self.error * (other.largest + other.error)
        return Scale(self.exponent + other.exponent, self.bound * other.bound, error)

    def of_sum(self, count: int) -> Scale:
        """Of a sum of so many values."""
        count = max(count, 1)
        return replace(self, bound=self.bound * count, error=self.error * Ceiling.of(count, 0))

    def halved(self, times: int) -> Scale:
        """Of the same integers, each of which stands for less: nothing is computed."""
        error = self.error * Ceiling(1, -times)
        return Scale(self.exponent - times, self.bound, error)

    def joined(self, other: Scale) -> Scale:
        """Of values of both. Both have one unit."""
        errors = self.error, other.error
        worse = max(errors, key=Ceiling.to_fraction)
        return Scale(self.exponent, max(self.bound, other.bound), worse)

    def within(self, n: int) -> Scale:
        """Itself, if plaintexts under a modulus n have room for it.

        Raises:
            CapacityError: they have not, or a unit or an error is beyond what is carried.
        """
        if self.bound > (n - 1) // 2:
            needed, room = self.bound.bit_length(), n.bit_length() - 1
            raise CapacityError(
                f"the values may need {max(needed, room + 1)} bits, and plaintexts under a key of "
                f"{n.bit_length()} bits have {room}: {_CURES}"
            )
        for what, exponent, most in (
            ("unit", self.exponent, MAX_UNIT_EXPONENT),
            ("error", self.error.exponent, MAX_ERROR_EXPONENT),
        ):
            if abs(exponent) > most:
                raise CapacityError(
                    f"the result would have a {what} of 2**{exponent}, which lies beyond "
                    f"2**{most} and its inverse: {_CURES}"
                )
        return self


def power_of_two(exponent: int) -> Fraction:
    """``2**exponent``, exactly."""
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)
