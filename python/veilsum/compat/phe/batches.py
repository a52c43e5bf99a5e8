"""Sums and weighted sums of many encrypted numbers in one call of the core. phe has none."""

from collections.abc import Iterable
from typing import Any

from veilsum import _core, arguments
from veilsum.compat.phe.encoding import EncodedNumber, factor_to
from veilsum.compat.phe.encrypted_number import (
    EncryptedNumber,
    batch_of,
    encryption_of_zero,
    joined,
    require_encoding,
    require_same_key,
)
from veilsum.errors import InvalidArgumentError

__all__ = ["dot_batch", "sum_batch"]


def sum_batch(numbers: Iterable[EncryptedNumber]) -> EncryptedNumber:
    """All of these added up, as ``functools.reduce(operator.add, numbers)`` does.

    Args:
        numbers: a list, a vector of numpy or another iterable; at least one.

    Raises:
        TypeError: one is not an EncryptedNumber.
        InvalidArgumentError: there is none, or exponents are further apart than the key holds.
        KeyMismatchError: they are under different keys.
    """
    addends = _numbers(numbers)
    exponents = [number.exponent for number in addends]
    least = min(exponents)
    native = joined(addends)
    key = addends[0].public_key
    if max(exponents) == least:
        return EncryptedNumber._of(key, native.sum(None).under(key._single), least)
    factors = [factor_to(exponent, least, EncodedNumber.BASE, key._n) for exponent in exponents]
    _require_factors(factors, key.max_int)
    # Exponents are public, and so are these.
    total = native.matrix_product_vartime(_core.plaintexts_from_list(factors), 1)
    return EncryptedNumber._of(key, total.under(key._single), least)


def dot_batch(scalars: Iterable[Any], numbers: Iterable[EncryptedNumber]) -> EncryptedNumber:
    """The sum of each number times its scalar: ``scalar * number`` for each pair, added up.

    Constant time in the scalars; the largest bit length among them is public.

    Args:
        scalars: plain numbers or EncodedNumbers, as many as there are numbers.
        numbers: a list, a vector of numpy or another iterable; at least one.

    Raises:
        TypeError: one is not a number, or not an EncryptedNumber.
        InvalidArgumentError: as for :func:`sum_batch`; not as many scalars as numbers; or a scalar
            that the key does not hold.
        CapacityError: a scalar is infinite.
        KeyMismatchError: they are under different keys.
    """
    terms = _numbers(numbers)
    key = terms[0].public_key
    encoded = [
        scalar if isinstance(scalar, EncodedNumber) else EncodedNumber.encode(key, scalar)
        for scalar in batch_of("scalars", scalars)
    ]
    if len(encoded) != len(terms):
        raise InvalidArgumentError(f"there are {len(encoded)} scalars and {len(terms)} numbers")
    if not _line_up(encoded, terms):
        raise InvalidArgumentError(
            "scalars of another BASE do not line up: encode all of them with one BASE, to one "
            "exponent, or in base 16"
        )
    residues = [require_encoding(scalar, key) for scalar in encoded]
    exponents = [
        scalar.exponent + number.exponent for scalar, number in zip(encoded, terms, strict=True)
    ]
    least = min(exponents)
    if not any(residues):  # The sum would be the ciphertext 1, which all the world can read.
        return encryption_of_zero(key, least)
    factors = [factor_to(exponent, least, EncodedNumber.BASE, key._n) for exponent in exponents]
    _require_factors(factors, key.max_int)
    n, half = key._n, key._n >> 1
    weights = [
        (residue * factor + half) % n - half
        for residue, factor in zip(residues, factors, strict=True)
    ]
    total = joined(terms).matrix_product(_core.plaintexts_from_list(weights), 1)
    return EncryptedNumber._of(key, total.under(key._single), least)


def _numbers(numbers: Iterable[EncryptedNumber]) -> list[EncryptedNumber]:
    found = [
        arguments.instance("each number", number, EncryptedNumber)
        for number in batch_of("numbers", numbers)
    ]
    if not found:
        raise InvalidArgumentError("there is nothing to add: no key is known for a sum of none")
    for number in found:
        require_same_key(found[0].public_key, number.public_key)
    return found


def _line_up(scalars: list[EncodedNumber], numbers: list[EncryptedNumber]) -> bool:
    """Whether products of these are in one base, or else in one unit."""
    bases = {scalar.BASE for scalar in scalars}
    if bases <= {EncodedNumber.BASE}:
        return True
    units = {scalar.exponent for scalar in scalars}, {number.exponent for number in numbers}
    return len(bases) == 1 and all(len(exponents) == 1 for exponents in units)


def _require_factors(factors: list[int], max_int: int) -> None:
    if max(factors) > max_int:
        raise InvalidArgumentError(
            "the exponents are further apart than the key holds: encrypt with the same precision="
        )
