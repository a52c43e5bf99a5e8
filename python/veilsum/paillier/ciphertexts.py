"""Batches of Paillier ciphertexts and their arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum import _core, arguments
from veilsum.errors import InvalidArgumentError
from veilsum.paillier.encrypted import Encrypted
from veilsum.paillier.groups import MOST_GROUPS, read_groups, read_where
from veilsum.paillier.plaintexts import (
    PlaintextLike,
    Plaintexts,
    Shape,
    nested,
    read_lengths,
    read_shape,
    to_object_array,
    to_plaintexts,
)
from veilsum.paillier.sparse import is_sparse, sparse_product
from veilsum.wire import BytesLike, as_bytes

if TYPE_CHECKING:
    from veilsum.paillier.public_key import PublicKey

__all__ = ["Ciphertexts", "to_native_key"]

# What to do with floats instead.
_SCALE = "multiply by integers: scale them first, and divide what is decrypted"
_ADD = "add integers, scaled as what was encrypted; a Codec encrypts vectors of floats"
_MOST_KEY_BITS = 16384

LEAST_BITS, MOST_BITS = 2, 64  # Of a packed number.


class Ciphertexts(Encrypted):
    """A vector or matrix of Paillier ciphertexts under one key. Immutable.

    Arithmetic acts on the plaintexts inside: ``c + d``, ``c - d``, ``-c``, ``c + 7``,
    ``c * [1, -2, 3]``, ``c.sum(axis=0)``, ``W @ c``, ``c @ W``. Plain operands are integers within
    ``(-n/2, n/2)``, lists or integer arrays of them, and broadcast as in numpy; what their results
    exceed of that wraps around modulo n. Numpy's functions take no ciphertexts, and say what to
    call instead. Operands are under one key: one modulus, in whichever form each key has it.

    Results are not rerandomised: whoever knows the operands recognises ``c - c``, ``0 * c`` or
    which scalar was used. Call :meth:`rerandomise` before they leave if that matters.

    Made by ``PublicKey.encrypt``, ``from_bytes`` or ``from_ints``.
    """

    __slots__ = ("_native", "_public_key")
    _IN_PLACE_OF_NUMPY: ClassVar = {
        "": "call its own operators and methods (c + d, c * 3, c.sum(axis=0), W @ c, c[::2], "
        "Ciphertexts.concatenate([c, d])); c.to_ints() and c.to_bytes() show the ciphertexts "
        "themselves; with a scipy.sparse matrix S write c @ S, and c @ S.T for S @ c",
        **dict.fromkeys(("sum", "nansum"), "call c.sum(axis=0) or c.sum()"),
        **dict.fromkeys(("bincount", "histogram"), "call c.group_sum(groups, num_groups)"),
        **dict.fromkeys(("mean", "average"), "decrypt c.sum(), and divide it by len(c)"),
        **dict.fromkeys(("cumsum", "diff"), "add and subtract slices: c[1:] - c[:-1]"),
        **dict.fromkeys(("dot", "inner", "vdot", "tensordot", "einsum", "matmul"), "write W @ c"),
        **dict.fromkeys(
            ("concatenate", "append", "hstack", "vstack", "stack", "column_stack"),
            "call Ciphertexts.concatenate([c, d]), which joins along the first axis",
        ),
        **dict.fromkeys(
            ("save", "savez", "savez_compressed", "savetxt"),
            "write c.to_bytes() to a file, which Ciphertexts.from_bytes reads",
        ),
        **dict.fromkeys(
            ("take", "compress", "roll", "flip", "repeat", "tile", "transpose"),
            "index it as an array: c[::-1], c[[0, 0, 2]], c[mask], c[:, None]",
        ),
        **dict.fromkeys(
            ("reshape", "ravel", "atleast_1d", "atleast_2d", "expand_dims", "squeeze"),
            "call c.reshape(rows, columns), or c.reshape(-1)",
        ),
        **dict.fromkeys(("array_equal", "array_equiv", "allclose", "isclose"), "decrypt first"),
        "shape": "ask for c.shape",
        "ndim": "ask for c.ndim",
        "size": "ask for c.size",
    }

    def __init__(self, native: _core.Ciphertexts, public_key: PublicKey) -> None:
        if not isinstance(native, _core.Ciphertexts):
            raise TypeError("make Ciphertexts with PublicKey.encrypt, from_bytes or from_ints")
        to_native_key(public_key)
        self._native = native
        self._public_key = public_key

    # ---- what it is ----

    @property
    def public_key(self) -> PublicKey:
        """The key these were encrypted under."""
        return self._public_key

    @property
    def shape(self) -> Shape:
        """``(size,)`` or ``(rows, columns)``."""
        return self._native.shape

    @property
    def ndim(self) -> int:
        """1 or 2."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many ciphertexts there are."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<Ciphertexts: shape {self.shape}, {self._public_key.key_bits}-bit key>"

    def _is_same(self, other: Ciphertexts) -> bool:
        return self._native.is_same(other._native)

    # ---- bytes and integers ----

    def to_bytes(self) -> bytes:
        """The wire form: a header and ``key_bits / 4`` bytes a ciphertext (docs/wire-format.md)."""
        return self._native.to_bytes()

    @classmethod
    def from_bytes(cls, data: BytesLike, public_key: PublicKey) -> Ciphertexts:
        """Read ciphertexts that someone else sent.

        Raises:
            MalformedDataError: not the wire format.
            KeyMismatchError: made under a key with another modulus.
            InvalidCiphertextError: a value that is no ciphertext (docs/validation.md, CT rules).
        """
        native_key = to_native_key(public_key)
        return cls(_core.Ciphertexts.from_bytes(as_bytes(data), native_key), public_key)

    def to_ints(self) -> list[Any]:
        """The ciphertexts as integers modulo n**2, nested as the shape is.

        This is the form of other Paillier libraries and of ISO/IEC 18033-6.
        """
        return nested(self._native.to_ints(), self.shape)

    @classmethod
    def from_ints(
        cls, values: Sequence[int] | Sequence[Sequence[int]], public_key: PublicKey
    ) -> Ciphertexts:
        """Take over ciphertexts of another Paillier library: integers modulo n**2.

        Which libraries write such integers: docs/interop.md.

        Raises:
            InvalidCiphertextError: not in ``[1, n**2)`` or not a unit modulo n.
            InvalidArgumentError: more than two dimensions.
        """
        native_key = to_native_key(public_key)
        array = to_object_array(values, "ciphertexts of other libraries are integers modulo n**2")
        shape = array.shape or (1,)
        flat = array.reshape(-1).tolist()
        return cls(_core.Ciphertexts.from_ints(flat, shape, native_key), public_key)

    def __reduce__(self) -> tuple[Any, ...]:
        return Ciphertexts.from_bytes, (self.to_bytes(), self._public_key)

    # ---- arithmetic ----

    def __add__(self, other: Ciphertexts | PlaintextLike) -> Ciphertexts:
        if isinstance(other, Ciphertexts):
            return self._wrap(self._native.add(other._native))
        batch, plaintexts = self._align(other)
        return self._wrap(batch.add_plaintexts(plaintexts))

    __radd__ = __add__

    def __sub__(self, other: Ciphertexts | PlaintextLike) -> Ciphertexts:
        if isinstance(other, Ciphertexts):
            return self._wrap(self._native.subtract(other._native))
        return -(-self + other)

    def __rsub__(self, other: PlaintextLike) -> Ciphertexts:
        return -self + other

    def __neg__(self) -> Ciphertexts:
        return self._wrap(self._native.negate())

    def __mul__(self, scalars: PlaintextLike) -> Ciphertexts:
        """Multiply by plain integers, in time that depends on the longest of them only."""
        batch, plaintexts = self._align(scalars, _SCALE)
        return self._wrap(batch.multiply(plaintexts))

    __rmul__ = __mul__

    def multiply_vartime(self, scalars: PlaintextLike) -> Ciphertexts:
        """As ``c * scalars``, faster for non-negative ones; its time shows if any is negative."""
        batch, plaintexts = self._align(scalars, _SCALE)
        return self._wrap(batch.multiply_vartime(plaintexts))

    def __truediv__(self, divisor: object) -> NoReturn:
        raise TypeError(f"Ciphertexts cannot be divided; {_SCALE}")

    __floordiv__ = __truediv__

    def __rmatmul__(self, matrix: PlaintextLike) -> Ciphertexts:
        """``W @ c`` as in numpy; the dot product of two vectors is a batch of one.

        Its time depends on the shapes and on the longest integer in W only.

        Cost: about one multiplication for four bits of each integer, once W has some rows.
        """
        plaintexts, shape = to_plaintexts(matrix, cure=_SCALE)
        _require_fitting(shape, self.shape)
        return self._matrix_product(plaintexts, shape, self._native.matrix_product)

    def __matmul__(self, matrix: PlaintextLike) -> Ciphertexts:
        """``c @ W`` as in numpy. Time and cost as for ``W @ c``.

        W may be a scipy.sparse matrix or array of integers, of at most 2**20 columns: what is not
        stored costs nothing, and an empty column an encryption. Where entries are stored is no
        secret then, of which column how many; the entries themselves are, but for the longest. Each
        costs what it costs in ``c * k``.
        """
        if is_sparse(matrix):
            return sparse_product(self._transposed(), matrix, _SCALE)._transposed()
        plaintexts, shape = to_plaintexts(matrix, transposed=True, cure=_SCALE)
        _require_fitting(self.shape, shape[::-1])
        turned = self._transposed()
        product = turned._matrix_product(plaintexts, shape, turned._native.matrix_product)
        return product._transposed()

    def matrix_product_vartime(self, matrix: PlaintextLike) -> Ciphertexts:
        """As ``W @ c`` for a W that is no secret: its time depends on the integers."""
        plaintexts, shape = to_plaintexts(matrix, cure=_SCALE)
        _require_fitting(shape, self.shape)
        return self._matrix_product(plaintexts, shape, self._native.matrix_product_vartime)

    def sum(self, axis: int | None = None) -> Ciphertexts:
        """Add up along an axis, or everything. A full sum is a batch of one, shape ``(1,)``.

        A sum of no ciphertexts is a fresh encryption of 0.

        Raises:
            InvalidArgumentError: no such axis.
        """
        if axis is None:
            return self._wrap(self._native.sum(None))
        position = arguments.integer("axis", axis)
        if not -self.ndim <= position < self.ndim:
            raise InvalidArgumentError(
                f"axis {arguments.text_of(position)} is out of range for shape {self.shape}"
            )
        return self._wrap(self._native.sum(position % self.ndim))

    def group_sum(
        self,
        groups: ArrayLike,
        num_groups: int,
        *,
        where: ArrayLike | None = None,
    ) -> Ciphertexts:
        """Add up the rows of each group, as a histogram does; several groupings at once.

        Costs one multiplication for each row that counts, little more than as many terms of
        ``sum()``, and an encryption for each group that is empty.

        Whoever adds knows ``groups`` and ``where``: they are no secret of the ciphertexts, and time
        and memory tell the sizes of groups. A group that adds one row alone gives that row's
        ciphertext again: :meth:`rerandomise` the result before it leaves if that matters.

        Args:
            groups: integers in ``[0, num_groups)``, one for each row: shape ``(len(c),)``. For a
                vector of ciphertexts also ``(len(c), F)``: F groupings of the same ciphertexts.
            num_groups: how many groups there are, at most 2**20.
            where: bools in the shape of ``groups``, or ``(len(c),)`` for all groupings: False
                leaves a row out, and what its group is is not looked at.

        Returns:
            Of a vector the shape ``(num_groups,)``, or ``(F, num_groups)`` of F groupings; of a
            matrix ``(num_groups, columns)``. A group of no rows is a fresh encryption of 0.

        Raises:
            TypeError: ``groups`` are no integers, or ``where`` no bools; or masked.
            InvalidArgumentError: a group outside its range, a wrong shape, groupings of a matrix,
                or more than 2**24 results.
        """
        labels = read_groups(groups, self.shape)
        counts = read_where(where, labels.shape)
        count = arguments.count("num_groups", num_groups, at_least=1, at_most=MOST_GROUPS)
        num_groupings = labels.shape[1] if labels.ndim == 2 else 1
        shape = (*labels.shape[1:], count, *self.shape[1:])
        native = self._native.group_sum(
            labels.reshape(-1), counts.reshape(-1), num_groupings, count, shape
        )
        return self._wrap(native)

    def pack(self, bits: int) -> Ciphertexts:
        """Many numbers in each ciphertext, row by row: fewer to send, and to decrypt.

        Pack sums, once all is added: numbers must lie in ``[-2**(bits-1), 2**(bits-1))``. What they
        are cannot be checked, and a number out of range changes its neighbours, unseen. Packed
        batches of equal shapes still add up, while their sums are in range.

        Costs ``bits`` squarings and two multiplications a number; a 2048-bit ciphertext takes 63
        numbers of 32 bits.

        Args:
            bits: of a number and its sign, 2 to 64.

        Returns:
            A vector of as few ciphertexts as hold them, which :meth:`unpack` reads once decrypted.

        Raises:
            InvalidArgumentError: bits out of range, or more than a plaintext of this key has.
        """
        count = arguments.count("bits", bits, at_least=LEAST_BITS, at_most=MOST_BITS)
        return self._wrap(self._native.pack(count))

    @staticmethod
    def unpack(
        values: PlaintextLike | Plaintexts, bits: int, shape: int | Sequence[int]
    ) -> NDArray[np.int64]:
        """The numbers of a packed batch, in an array of the shape that was packed.

        Args:
            values: what the packed ciphertexts decrypted to, all of them in their order: ints, or
                what ``decrypt_plaintexts`` or ``open_plaintexts`` gave.
            bits: as for :meth:`pack`.
            shape: of what was packed.

        Raises:
            TypeError: values that are no integers.
            CapacityError: a value that is no sum of so many numbers: some were out of range, or
                ``bits`` or the shape differ. Numbers out of range, and a shape of some more or
                fewer numbers for as many values, may go unseen: pass what was packed.
            InvalidArgumentError: more numbers than so many values can have, or values without a
                number; bits or shape out of range.
        """
        count = arguments.count("bits", bits, at_least=LEAST_BITS, at_most=MOST_BITS)
        lengths = read_lengths(shape if isinstance(shape, Sequence) else (shape,))
        plaintexts, given = to_plaintexts(values)
        if len(given) > 1:
            raise InvalidArgumentError(f"values must be a vector, not of shape {given}")
        if min(lengths) < 0:
            raise InvalidArgumentError(f"the shape {lengths} has a negative length")
        size = arguments.count("the size of the shape", math.prod(lengths), at_most=2**40)
        per_value = -(-size // max(1, len(plaintexts)))
        if per_value * count > _MOST_KEY_BITS:
            raise InvalidArgumentError(
                f"{len(plaintexts)} values of packed numbers cannot have {size} of {count} bits"
            )
        return _core.Ciphertexts.unpack(plaintexts, count, size).reshape(lengths)

    def rerandomise(self) -> Ciphertexts:
        """The same plaintexts under fresh randomness: unlinkable to these. Costs an encryption."""
        return self._wrap(self._native.rerandomise())

    # ---- parts ----

    def __getitem__(self, key: Any) -> Ciphertexts:
        """Ciphertexts at numpy indices: ints, slices, arrays. A single one is a batch of one.

        Raises:
            IndexError: no such position.
            TypeError: an index with a mask, which numpy would not look at.
            InvalidArgumentError: a ragged index, or a result of more than two dimensions.
        """
        arguments.refuse_masked("the index", key)
        try:
            positions = np.arange(self.size).reshape(self.shape)[key]
        except ValueError as error:
            raise InvalidArgumentError(f"not an index: {error}") from None
        except OverflowError as error:
            raise IndexError(f"there is no such position: {error}") from None
        return self._take(np.asarray(positions), positions.shape or (1,))

    def reshape(self, *shape: int | Sequence[int]) -> Ciphertexts:
        """The same ciphertexts, row by row, in another shape: ``c.reshape(2, -1)``. No arithmetic.

        Args:
            shape: one or two lengths, as numbers or as a tuple; -1 stands for what is left.

        Raises:
            TypeError: lengths that are no ints.
            InvalidArgumentError: three dimensions or none, or not as many ciphertexts.
        """
        return self._take(np.arange(self.size), read_shape(shape, self.size))

    @staticmethod
    def concatenate(parts: Sequence[Ciphertexts]) -> Ciphertexts:
        """Join along the first axis.

        Raises:
            KeyMismatchError: parts under different keys.
            InvalidArgumentError: no parts, or shapes that do not fit.
        """
        if isinstance(parts, Ciphertexts):
            raise TypeError("parts must be a list of Ciphertexts, not Ciphertexts")
        batches = arguments.items("parts", parts)
        if not batches:
            raise InvalidArgumentError("there is nothing to concatenate")
        for batch in batches:
            arguments.instance("each part", batch, Ciphertexts)
        native = _core.Ciphertexts.concatenate([batch._native for batch in batches])
        return batches[0]._wrap(native)

    # ---- inside ----

    def _wrap(self, native: _core.Ciphertexts) -> Ciphertexts:
        return Ciphertexts(native, self._public_key)

    def _take(self, positions: NDArray[np.int64], shape: Shape) -> Ciphertexts:
        flat = np.ascontiguousarray(positions).reshape(-1)
        return self._wrap(self._native.take(flat, shape))

    def _transposed(self) -> Ciphertexts:
        if self.ndim == 1:
            return self
        positions = np.arange(self.size).reshape(self.shape).T
        return self._take(positions, positions.shape)

    def _matrix_product(
        self,
        plaintexts: _core.Plaintexts,
        shape: Shape,
        multiply: Callable[[_core.Plaintexts, int], _core.Ciphertexts],
    ) -> Ciphertexts:
        product = self._wrap(multiply(plaintexts, shape[0] if len(shape) == 2 else 1))
        return product[0] if len(shape) < self.ndim else product

    def _align(
        self, values: PlaintextLike, cure: str = _ADD
    ) -> tuple[_core.Ciphertexts, _core.Plaintexts]:
        """The batch and the plaintexts, broadcast to one shape where they differ."""
        plaintexts, shape = to_plaintexts(values, cure=cure)
        if shape in ((), (1,), self.shape):
            return self._native, plaintexts
        try:
            common = np.broadcast_shapes(shape, self.shape)
        except ValueError:
            raise InvalidArgumentError(
                f"plaintexts of shape {shape} do not fit ciphertexts of shape {self.shape}"
            ) from None
        plaintexts, _ = to_plaintexts(values, common)
        if common == self.shape:
            return self._native, plaintexts
        positions = np.broadcast_to(np.arange(self.size).reshape(self.shape), common)
        return self._take(positions, common)._native, plaintexts


def _require_fitting(left: Shape, right: Shape) -> None:
    if not left or not right or left[-1] != right[0]:
        raise InvalidArgumentError(f"shapes {left} and {right} do not fit a matrix product")


def to_native_key(public_key: PublicKey) -> _core.PublicKey:
    """The core's key inside a PublicKey; TypeError for anything else."""
    native = getattr(public_key, "_native", None)
    if not isinstance(native, _core.PublicKey):
        raise TypeError(f"public_key must be a PublicKey, not {type(public_key).__name__}")
    return native
