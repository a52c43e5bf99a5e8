"""Batches of encrypted floats: ciphertexts of integers with one public scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum import _core, arguments
from veilsum.errors import CapacityError, InvalidArgumentError, MalformedDataError
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.encrypted import Encrypted
from veilsum.paillier.float_message import ENCRYPTED_FLOATS
from veilsum.paillier.float_operands import (
    FloatLike,
    Operand,
    divisors,
    exact_bound,
    exactly,
    factors,
    read_numbers,
    sparse_factors,
    to_unit,
)
from veilsum.paillier.groups import MOST_GROUPS, largest_group, read_groups, read_where
from veilsum.paillier.linear_only import NO_PRODUCT, LinearOnly
from veilsum.paillier.plaintexts import PlaintextLike, Shape, to_plaintexts
from veilsum.paillier.scale import (
    MAX_ERROR_EXPONENT,
    MAX_UNIT_EXPONENT,
    ZERO,
    Ceiling,
    Scale,
    power_of_two,
)
from veilsum.paillier.sparse import is_sparse
from veilsum.wire import BytesLike

if TYPE_CHECKING:
    from veilsum.paillier.public_key import PublicKey

__all__ = ["EncryptedFloats"]

_Product: TypeAlias = Callable[[Ciphertexts, PlaintextLike], Ciphertexts]

_RECIPROCAL_BITS = 53


class EncryptedFloats(LinearOnly):
    """A vector or matrix of encrypted floats under one key. Immutable.

    What is encrypted are integers; each stands for itself times :attr:`unit`. Arithmetic is exact
    but for roundings, and :attr:`error` is the most that the values can be off: ``x + y``,
    ``x - 0.5``, ``-x``, ``0.25 * x``, ``x / 3``, ``W @ x``, ``x @ W``, ``x.dot(w)``,
    ``x.sum(axis=0)``, ``x.mean()``, ``x.group_sum(groups, 3)``. Plain operands are numbers, lists,
    or arrays of integers or of floats up to float64, and broadcast as in numpy. Integers count
    exactly. Floats that are added are rounded to the unit; floats that multiply keep the bits of
    their type, from the largest magnitude among them on.

    Public, beside shape and key: unit, :attr:`bound` and :attr:`error`. They tell nothing of what
    is encrypted, and of plain operands only the largest magnitude, rounded up to a power of two.
    Nothing overflows: a result that the key has no room for is refused before it is made. Results
    are not rerandomised, as those of ``Ciphertexts`` are not.

    Made by ``PublicKey.encrypt_floats``, ``from_bytes`` or ``from_ciphertexts``.
    """

    __slots__ = ("_ciphertexts", "_scale")

    def __init__(self, ciphertexts: Ciphertexts, scale: Scale) -> None:
        arguments.instance("ciphertexts", ciphertexts, Ciphertexts)
        if not isinstance(scale, Scale):
            raise TypeError(
                "make EncryptedFloats with PublicKey.encrypt_floats, from_bytes or from_ciphertexts"
            )
        self._ciphertexts = ciphertexts
        self._scale = scale.within(ciphertexts.public_key.n)

    @classmethod
    def from_ciphertexts(
        cls, ciphertexts: Ciphertexts, *, bound: float | Fraction, unit_exponent: int = 0
    ) -> EncryptedFloats:
        """Take over integers that were encrypted, as exact multiples of a unit.

        Args:
            ciphertexts: of integers m, each of which stands for ``m * 2**unit_exponent``.
            bound: the largest magnitude that any value can have, not the largest there is. A
                value beyond it makes results wrong unseen where they wrap around modulo n, and
                is refused at decryption where they do not.
            unit_exponent: from -2**20 to 2**20; 0 for integers as they are.

        Raises:
            InvalidArgumentError: a bound or an exponent out of range.
            CapacityError: the key has no room for such a bound.
        """
        arguments.instance("ciphertexts", ciphertexts, Ciphertexts)
        exponent = arguments.integer("unit_exponent", unit_exponent)
        if abs(exponent) > MAX_UNIT_EXPONENT:
            raise InvalidArgumentError(
                f"unit_exponent is {arguments.text_of(exponent)}; it must be from -2**20 to 2**20"
            )
        most = exact_bound(bound) / power_of_two(exponent)
        return cls(ciphertexts, Scale(exponent, math.ceil(most), ZERO))

    # ---- what it is ----

    @property
    def ciphertexts(self) -> Ciphertexts:
        """The integers, encrypted. To open them with a shared key: :meth:`decode`."""
        return self._ciphertexts

    @property
    def public_key(self) -> PublicKey:
        """The key these were encrypted under."""
        return self._ciphertexts.public_key

    @property
    def unit_exponent(self) -> int:
        """An integer m inside stands for ``m * 2**unit_exponent``."""
        return self._scale.exponent

    @property
    def unit(self) -> Fraction:
        """``2**unit_exponent``: what all values are multiples of."""
        return power_of_two(self._scale.exponent)

    @property
    def bound(self) -> Fraction:
        """No value has a larger magnitude, if all who encrypted kept to theirs."""
        return self._scale.bound * self.unit

    @property
    def error(self) -> Fraction:
        """No value is farther from the exact result of the same arithmetic on the very numbers.

        Rounding, of what was encrypted and of plain operands, is all that is in it; that of
        decryption to the nearest float64 comes on top. Rounded up where it would take more than 63
        bits.
        """
        return self._scale.error.to_fraction()

    @property
    def shape(self) -> Shape:
        """``(size,)`` or ``(rows, columns)``."""
        return self._ciphertexts.shape

    @property
    def ndim(self) -> int:
        """1 or 2."""
        return self._ciphertexts.ndim

    @property
    def size(self) -> int:
        """How many values there are."""
        return self._ciphertexts.size

    def __len__(self) -> int:
        return len(self._ciphertexts)

    def __repr__(self) -> str:
        scale = self._scale
        error = f"2**{scale.error.log2}" if scale.error.mantissa else "0"
        return (
            f"<EncryptedFloats: shape {self.shape}, unit 2**{scale.exponent}, "
            f"|x| <= 2**{scale.largest.log2}, error <= {error}, {self.public_key.key_bits}-bit key>"
        )

    def _is_same(self, other: EncryptedFloats) -> bool:
        return self._scale == other._scale and self._ciphertexts == other._ciphertexts

    # ---- bytes and floats ----

    def to_bytes(self) -> bytes:
        """The wire form: the scale, then the ciphertexts' (docs/wire-format.md)."""
        scale = self._scale
        message = SimpleNamespace(
            unit_exponent=scale.exponent,
            bound=scale.bound,
            error_mantissa=scale.error.mantissa,
            error_exponent=scale.error.exponent,
            ciphertexts=self._ciphertexts,
        )
        return ENCRYPTED_FLOATS.write(message)

    @classmethod
    def from_bytes(cls, data: BytesLike, public_key: PublicKey) -> EncryptedFloats:
        """Read what someone else sent. Its bound and error are what the sender claims.

        Raises:
            MalformedDataError: not the wire format, or no scale (docs/validation.md, EF rules).
            KeyMismatchError, InvalidCiphertextError: as ``Ciphertexts.from_bytes``.
        """
        found = ENCRYPTED_FLOATS.read(data)
        error = Ceiling(found["error_mantissa"], found["error_exponent"])
        if abs(found["unit_exponent"]) > MAX_UNIT_EXPONENT:
            raise MalformedDataError("EF1: the exponent of the unit is not from -2^20 to 2^20")
        normal = Ceiling.of(error.mantissa, error.exponent)
        if error != normal or abs(error.exponent) > MAX_ERROR_EXPONENT:
            raise MalformedDataError(
                "EF3: an error has an odd mantissa below 2^63 and an exponent from -2^21 to 2^21, "
                "or is 0"
            )
        ciphertexts = Ciphertexts.from_bytes(found["ciphertexts"], public_key)
        try:
            return cls(ciphertexts, Scale(found["unit_exponent"], found["bound"], error))
        except CapacityError as problem:
            raise MalformedDataError(f"EF2: {problem}") from problem

    def decode(self, plaintexts: PlaintextLike | _core.Plaintexts) -> NDArray[np.float64]:
        """The floats that the integers in :attr:`ciphertexts` stand for, once those are opened.

        Each is the float64 nearest to the integer times :attr:`unit`. ``SecretKey.decrypt_floats``
        does both. With a shared key: ``x.decode(key.combine(x.ciphertexts, partials, ...))``.

        Args:
            plaintexts: what decrypting ``x.ciphertexts`` gave, nested as it is or flat.

        Raises:
            InvalidCiphertextError: an integer beyond the bound: whoever stated bound and scale, or
                made the ciphertexts, did not keep to them.
            CapacityError: a value beyond every float64.
            InvalidArgumentError, TypeError: of another shape, or no integers.
        """
        native, shape = to_plaintexts(plaintexts)
        if shape != self.shape and shape != (self.size,):
            raise InvalidArgumentError(
                f"plaintexts of shape {shape} are not those of floats of shape {self.shape}"
            )
        scale = self._scale
        return _core.plaintexts_to_floats(native, scale.exponent, scale.bound).reshape(self.shape)

    def __reduce__(self) -> tuple[Any, ...]:
        return EncryptedFloats.from_bytes, (self.to_bytes(), self.public_key)

    # ---- sums ----

    def __add__(self, other: EncryptedFloats | FloatLike) -> EncryptedFloats:
        if isinstance(other, EncryptedFloats):
            exponent = min(self.unit_exponent, other.unit_exponent)
            scale = self._of_unit(exponent).plus(other._of_unit(exponent))
            scale.within(self.public_key.n)
            return self._made(scale, self._refined(exponent) + other._refined(exponent))
        array = read_numbers("what is added", other)
        is_float = array.dtype.kind == "f"
        exponent = self.unit_exponent if is_float else min(self.unit_exponent, 0)
        own = self._of_unit(exponent)
        numbers, added = to_unit("what is added", array, exponent)
        scale = own.plus(added).within(self.public_key.n)
        return self._made(scale, self._refined(exponent) + numbers)

    __radd__ = __add__

    def __sub__(self, other: EncryptedFloats | FloatLike) -> EncryptedFloats:
        return self + (-other) if isinstance(other, EncryptedFloats) else -(-self + other)

    def __rsub__(self, other: FloatLike) -> EncryptedFloats:
        return -self + other

    def __neg__(self) -> EncryptedFloats:
        return self._made(self._scale, -self._ciphertexts)

    def sum(self, axis: int | None = None) -> EncryptedFloats:
        """Add up along an axis, or everything. A full sum is a batch of one, shape ``(1,)``.

        Raises:
            InvalidArgumentError: no such axis.
            CapacityError: the key has no room for the sum.
        """
        scale = self._scale.of_sum(self._count(axis)).within(self.public_key.n)
        return self._made(scale, self._ciphertexts.sum(axis))

    def group_sum(
        self, groups: ArrayLike, num_groups: int, *, where: ArrayLike | None = None
    ) -> EncryptedFloats:
        """Add up the rows of each group, as ``Ciphertexts.group_sum``, whose arguments these are.

        The bound of the result, and so its repr, tells how many rows the largest group has.

        Raises:
            TypeError, InvalidArgumentError: as ``Ciphertexts.group_sum``.
            CapacityError: the key has no room for the sum of the largest group.
        """
        count = arguments.count("num_groups", num_groups, at_least=1, at_most=MOST_GROUPS)
        labels = read_groups(groups, self.shape)
        counted = read_where(where, labels.shape)
        scale = self._scale.of_sum(largest_group(labels, counted, count))
        scale.within(self.public_key.n)
        # What was read, so that bound and sum are of the same rows.
        rows = counted.view(np.bool_) if counted.size else None
        return self._made(scale, self._ciphertexts.group_sum(labels, count, where=rows))

    def mean(self, axis: int | None = None) -> EncryptedFloats:
        """The sum along an axis, or of everything, times 1 divided by the number of addends.

        That factor is rounded to 53 bits, but for powers of two, and in the error.

        Raises:
            InvalidArgumentError: no such axis, or nothing along it.
            CapacityError: the key has no room for it.
        """
        count = self._count(axis)
        if count == 0:
            raise InvalidArgumentError("there is no mean of no values")
        zeros = (count & -count).bit_length() - 1
        odd = count >> zeros
        if odd == 1:
            return self.sum(axis)._halved(zeros)
        shift = _RECIPROCAL_BITS - 1 + odd.bit_length()
        factor = exactly(((1 << shift) + odd // 2) // odd, -shift, Ceiling(1, -shift - 1))
        return self.sum(axis)._times(factor, Ciphertexts.multiply_vartime)._halved(zeros)

    # ---- products ----

    def __mul__(self, scalars: FloatLike) -> EncryptedFloats:
        """Multiply by plain numbers, in time that depends on their shape and type only."""
        return self.multiply(scalars)

    __rmul__ = __mul__

    def multiply(self, scalars: FloatLike, *, precision: float | None = None) -> EncryptedFloats:
        """``x * scalars``, with floats rounded to a precision: fewer bits take less room and time.

        Args:
            scalars: plain numbers. Integers stay exact.
            precision: absolute, above 0, rounded down to a power of two. Public. Default: all bits
                of the type of float, from the largest magnitude on.

        Raises:
            TypeError: what is encrypted, bools, complex numbers, long doubles, masked arrays.
            InvalidArgumentError: not finite, or shapes that do not fit.
            CapacityError: the key has no room for the product.
        """
        array = _factors_of(scalars)
        return self._times(factors("a factor", array, precision), Ciphertexts.__mul__)

    def multiply_vartime(
        self, scalars: FloatLike, *, precision: float | None = None
    ) -> EncryptedFloats:
        """As :meth:`multiply`, faster for non-negative ones; its time shows if any is negative."""
        array = _factors_of(scalars)
        return self._times(factors("a factor", array, precision), Ciphertexts.multiply_vartime)

    def __truediv__(self, scalars: FloatLike) -> EncryptedFloats:
        """Multiply by 1 divided by plain numbers, which is rounded as a float64: see the error.

        Raises:
            InvalidArgumentError: division by 0, by what is not finite, or by integers beyond 2**53.
        """
        return self._times(divisors("a divisor", _factors_of(scalars)), Ciphertexts.__mul__)

    def __rmatmul__(self, matrix: FloatLike) -> EncryptedFloats:
        """``W @ x`` as in numpy; the dot product of two vectors is a batch of one.

        Its time depends on the shapes and on the longest integer that the numbers in W become.
        """
        return self._product(matrix, self._count(0), Ciphertexts.__rmatmul__)

    def __matmul__(self, matrix: FloatLike) -> EncryptedFloats:
        """``x @ W`` as in numpy. Time as for ``W @ x``.

        W may be a scipy.sparse matrix or array, as for ``Ciphertexts``: where entries are stored
        is no secret then. The bound tells how many the fullest column has.
        """
        if is_sparse(matrix):
            entries, factor = sparse_factors("the matrix", matrix)
            scale = self._scale.times(factor).within(self.public_key.n)
            return self._made(scale, self._ciphertexts @ entries)
        return self._product(matrix, self.shape[-1], Ciphertexts.__matmul__)

    def dot(self, numbers: FloatLike, *, precision: float | None = None) -> EncryptedFloats:
        """``x @ numbers``, with floats rounded to a precision as in :meth:`multiply`.

        Of two vectors the dot product, as a batch of one.
        """
        return self._product(numbers, self.shape[-1], Ciphertexts.__matmul__, precision)

    def matrix_product_vartime(
        self, matrix: FloatLike, *, precision: float | None = None
    ) -> EncryptedFloats:
        """As ``W @ x`` for a W that is no secret: its time depends on the numbers.

        ``precision`` is that of :meth:`multiply`.
        """
        multiply = Ciphertexts.matrix_product_vartime
        return self._product(matrix, self._count(0), multiply, precision)

    def rerandomise(self) -> EncryptedFloats:
        """The same values under fresh randomness: unlinkable to these. Costs an encryption."""
        return self._made(self._scale, self._ciphertexts.rerandomise())

    # ---- parts ----

    def __getitem__(self, key: Any) -> EncryptedFloats:
        """Values at numpy indices: ints, slices, arrays. A single one is a batch of one.

        Raises:
            IndexError, TypeError, InvalidArgumentError: as indexing ``Ciphertexts`` does.
        """
        return self._made(self._scale, self._ciphertexts[key])

    def reshape(self, *shape: int | Sequence[int]) -> EncryptedFloats:
        """The same values, row by row, in another shape: ``x.reshape(2, -1)``. No arithmetic.

        Raises:
            TypeError, InvalidArgumentError: as ``Ciphertexts.reshape``.
        """
        return self._made(self._scale, self._ciphertexts.reshape(*shape))

    @staticmethod
    def concatenate(parts: Sequence[EncryptedFloats]) -> EncryptedFloats:
        """Join along the first axis, in the finest unit of the parts.

        Raises:
            KeyMismatchError: parts under different keys.
            InvalidArgumentError: no parts, or shapes that do not fit.
            CapacityError: the key has no room for the largest bound in the finest unit.
        """
        if isinstance(parts, EncryptedFloats):
            raise TypeError("parts must be a list of EncryptedFloats, not EncryptedFloats")
        batches = arguments.items("parts", parts)
        if not batches:
            raise InvalidArgumentError("there is nothing to concatenate")
        for batch in batches:
            arguments.instance("each part", batch, EncryptedFloats)
        exponent = min(batch.unit_exponent for batch in batches)
        scale = batches[0]._of_unit(exponent)
        for batch in batches[1:]:
            scale = scale.joined(batch._of_unit(exponent))
        scale.within(batches[0].public_key.n)
        refined = [batch._refined(exponent) for batch in batches]
        return batches[0]._made(scale, Ciphertexts.concatenate(refined))

    # ---- inside ----

    def _made(self, scale: Scale, ciphertexts: Ciphertexts) -> EncryptedFloats:
        return EncryptedFloats(ciphertexts, scale)

    def _of_unit(self, exponent: int) -> Scale:
        """The scale in a finer unit; refused before a bound of many megabytes is made."""
        shift = self.unit_exponent - exponent
        if shift > self.public_key.key_bits:
            Scale(exponent, self.public_key.n, ZERO).within(self.public_key.n)
        return self._scale.of_unit(exponent)

    def _refined(self, exponent: int) -> Ciphertexts:
        """The ciphertexts in a finer unit, for which the key has room. The factor is public."""
        shift = self.unit_exponent - exponent
        return self._ciphertexts.multiply_vartime(1 << shift) if shift else self._ciphertexts

    def _halved(self, times: int) -> EncryptedFloats:
        return self._made(self._scale.halved(times), self._ciphertexts)

    def _times(self, operand: Operand, multiply: _Product) -> EncryptedFloats:
        numbers, factor = operand
        scale = self._scale.times(factor).within(self.public_key.n)
        return self._made(scale, multiply(self._ciphertexts, numbers))

    def _product(
        self, matrix: FloatLike, terms: int, multiply: _Product, precision: float | None = None
    ) -> EncryptedFloats:
        numbers, factor = factors("the matrix", _factors_of(matrix), precision)
        scale = self._scale.times(factor).of_sum(terms).within(self.public_key.n)
        return self._made(scale, multiply(self._ciphertexts, numbers))

    def _count(self, axis: int | None) -> int:
        """How many values are added up along an axis; those of all where there is no such axis."""
        if axis is None:
            return self.size
        position = arguments.integer("axis", axis)
        is_one = -self.ndim <= position < self.ndim
        return self.shape[position] if is_one else self.size


def _factors_of(numbers: Any) -> NDArray[Any]:
    if isinstance(numbers, Encrypted):
        raise TypeError(NO_PRODUCT)
    return read_numbers("what multiplies", numbers)
