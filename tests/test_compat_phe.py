"""veilsum.compat.phe computes what phe computes, one by one and in batches."""

import operator
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from pathlib import Path

import numpy as np
import phe_keys
import pytest
import veilsum as vs
from hypothesis import given
from hypothesis import strategies as st
from known_keys import known_key
from phe import paillier as theirs
from phe_keys import pair_of_keys
from test_readme import python_blocks
from veilsum.compat import phe
from veilsum.compat.phe import paillier

PAGE = Path(__file__).resolve().parent.parent / "docs" / "phe.md"
keys = phe_keys.keys
NUMBERS = [0, 1, -1, 3.25, -2.5e-9, 0.1, 1e30, -(2**200), 5e-324, 123456789]


@pytest.fixture(scope="module")
def their_keys():
    """The same key in phe."""
    known = known_key(2048)
    public = theirs.PaillierPublicKey(known.n)
    return public, theirs.PaillierPrivateKey(public, known.p, known.q)


def cases():
    """Numbers of every kind, with and without a precision."""
    for number in NUMBERS:
        yield number, None
    for number in (0, 7, -7, 0.1, -2.5, 2.5, 3.5, 1e-9):
        for precision in (100, 1, 0.5, 1e-3, 1 / 16, 1e-20):
            yield number, precision


# ---- with phe ----


def test_encodings_are_those_of_phe(keys, their_keys):
    for number, precision in cases():
        ours = phe.EncodedNumber.encode(keys[0], number, precision)
        other = theirs.EncodedNumber.encode(their_keys[0], number, precision)
        assert (ours.encoding, ours.exponent) == (other.encoding, other.exponent)
        decoded = ours.decode()
        assert decoded == other.decode()
        assert type(decoded) is type(other.decode())


def test_numbers_are_decrypted_by_the_other(keys, their_keys):
    for number in NUMBERS:
        ours, other = keys[0].encrypt(number), their_keys[0].encrypt(number)
        to_them = theirs.EncryptedNumber(their_keys[0], ours.ciphertext(), ours.exponent)
        assert their_keys[1].decrypt(to_them) == number
        to_us = paillier.EncryptedNumber(keys[0], other.ciphertext(), other.exponent)
        assert keys[1].decrypt(to_us) == number


def results(a, b, scalar):
    return [a + b, a - b, a + scalar, scalar - a, a * scalar, b * scalar - a, a / 8, a * 0 + b]


def test_arithmetic_ends_in_the_numbers_and_exponents_of_phe(keys, their_keys):
    for x, y, scalar in [(3, -4, 5), (0.1, 7, -2.5), (1e-9, 1e9, 3), (-3.5, 0.25, -1)]:
        ours = results(keys[0].encrypt(x), keys[0].encrypt(y), scalar)
        other = results(their_keys[0].encrypt(x), their_keys[0].encrypt(y), scalar)
        for mine, other_one in zip(ours, other, strict=True):
            assert mine.exponent == other_one.exponent
            assert keys[1].decrypt(mine) == their_keys[1].decrypt(other_one)


def test_a_chosen_randomiser_gives_the_ciphertext_of_phe(keys, their_keys):
    for r in (1, 2, 12345, keys[0].n + 2):
        assert keys[0].raw_encrypt(77, r) == their_keys[0].raw_encrypt(77, r)


def test_private_keys_show_what_those_of_phe_do(keys, their_keys):
    for name in ("p", "q", "psquare", "qsquare", "p_inverse", "hp", "hq"):
        assert getattr(keys[1], name) == getattr(their_keys[1], name)
    p = keys[1].p
    assert keys[1].h_function(p, p * p) == keys[1].hp
    assert keys[1].crt(12, 34) == their_keys[1].crt(12, 34)
    for name in ("n", "g", "nsquare", "max_int"):
        assert getattr(keys[0], name) == getattr(their_keys[0], name)


def test_totients_are_taken(keys):
    private = keys[1]
    totient = (private.p - 1) * (private.q - 1)
    assert paillier.PaillierPrivateKey.from_totient(keys[0], totient) == private
    for wrong in (totient + 2, 0, -1, 1, keys[0].n, 10**5000):
        with pytest.raises(vs.InvalidKeyError, match="totient"):
            paillier.PaillierPrivateKey.from_totient(keys[0], wrong)


# ---- exact ----

floats = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e60, max_value=1e60)
# A product of two numbers smaller than these may have so low an exponent that no sum with it fits.
floats = floats.filter(lambda number: number == 0 or abs(number) > 1e-100)
scalars = st.one_of(st.integers(-(2**90), 2**90), floats)


@given(x=scalars, y=scalars, scalar=scalars)
def test_results_are_exact(x, y, scalar):
    """What is encrypted is the exact rational number; only the last step rounds to a float."""
    public, private = pair_of_keys()
    a, b = public.encrypt(x), public.encrypt(y)
    exact_x, exact_y, exact_s = Fraction(x), Fraction(y), Fraction(scalar)
    for encrypted, exact in [
        (a, exact_x),
        (a + b, exact_x + exact_y),
        (a - b, exact_x - exact_y),
        (a + scalar, exact_x + exact_s),
        (scalar - a, exact_s - exact_x),
        (a * scalar, exact_x * exact_s),
        (a * scalar + b, exact_x * exact_s + exact_y),
    ]:
        encoded = private.decrypt_encoded(encrypted)
        n = public.n
        mantissa = encoding if (encoding := encoded.encoding) < n // 2 else encoding - n
        assert mantissa * Fraction(16) ** encoded.exponent == exact
        assert private.decrypt(encrypted) == (int(exact) if encoded.exponent >= 0 else float(exact))


@given(number=floats, precision=st.floats(1e-30, 1e30))
def test_a_precision_bounds_the_error(number, precision):
    encoded = phe.EncodedNumber.encode(pair_of_keys()[0], number, precision)
    unit = Fraction(16) ** encoded.exponent
    assert unit <= Fraction(precision) * (1 + Fraction(1, 10**12))
    n, e = pair_of_keys()[0].n, encoded.encoding
    assert abs((e if e < n // 2 else e - n) * unit - Fraction(number)) <= unit / 2


# ---- batches ----


def test_batches_are_the_loops(keys):
    public, private = keys
    for values in (
        NUMBERS,
        NUMBERS * 2,
        [1, 2, 3],
        [0.5],
        np.array([1.5, -2.0]),
        np.array([3, 4], np.int8),
    ):
        batch = public.encrypt_batch(values)
        loop = [public.encrypt(value) for value in values]
        assert [number.exponent for number in batch] == [number.exponent for number in loop]
        assert private.decrypt_batch(batch) == [private.decrypt(number) for number in loop]
        weights = [3, -0.5, 0, 7, 1, 2**80, -1e-5, 8, 9, 10] * 2
        weights = weights[: len(batch)]
        pairs = list(zip(weights, batch, strict=True))
        for at_once, one_by_one in [
            (paillier.sum_batch(batch), reduce(operator.add, batch)),
            (
                paillier.dot_batch(weights, batch),
                reduce(operator.add, [weight * number for weight, number in pairs]),
            ),
        ]:
            found, expected = private.decrypt_encoded(at_once), private.decrypt_encoded(one_by_one)
            assert (found.encoding, found.exponent) == (expected.encoding, expected.exponent)


def test_batches_take_a_precision_and_encoded_numbers(keys):
    public, private = keys
    batch = public.encrypt_batch([0.1, 100, phe.EncodedNumber(public, 7, -1)], precision=0.5)
    assert [number.exponent for number in batch] == [-1, -1, -1]
    assert private.decrypt_batch(np.array(batch)) == [0.125, 100, 7 / 16]
    assert public.encrypt_batch([]) == private.decrypt_batch([]) == []


# ---- numbers of numpy ----

KINDS = [np.int8, np.uint8, np.int64, np.uint64, np.float16, np.float32, np.float64, np.bool_]


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_scalars_are_numbers(keys, kind):
    public, private = keys
    number, value = public.encrypt(7), kind(1)
    assert private.decrypt(public.encrypt(value)) == 1
    assert private.decrypt(number + value) == private.decrypt(value + number) == 8
    assert private.decrypt(number - value) == 6
    assert private.decrypt(value - number) == -6
    assert private.decrypt(number * value) == private.decrypt(value * number) == 7
    assert private.decrypt(number / value) == 7


def test_numpy_arrays_go_element_by_element(keys):
    public, private = keys
    number, array = public.encrypt(7), np.array([1.0, -2.5])
    for found, expected in [
        (number + array, 7 + array),
        (array + number, 7 + array),
        (number - array, 7 - array),
        (array - number, array - 7),
        (number * array, 7 * array),
        (number / array, 7 / array),
    ]:
        assert [private.decrypt(x) for x in found] == pytest.approx(expected.tolist())
    numbers = [public.encrypt(x) for x in (1, 2)]
    assert private.decrypt(np.dot(numbers, array)) == -4
    assert private.decrypt(np.mean(numbers)) == 1.5
    assert private.decrypt(sum(numbers)) == 3


def test_fractions_and_decimals_need_a_precision(keys):
    public, private = keys
    for value in (Fraction(3, 2), Decimal("1.5")):
        with pytest.raises(TypeError, match="precision="):
            public.encrypt(value)
        assert private.decrypt(public.encrypt(value, precision=0.1)) == 1.5
    with pytest.raises(TypeError):
        public.encrypt(Decimal("NaN"), precision=1)


# ---- the page ----


def test_examples_of_the_page_run():
    blocks = list(python_blocks(PAGE.read_text()))
    assert blocks
    names = {"__name__": "phe_page"}
    for line, code in blocks:
        exec(compile("\n" * line + code, str(PAGE), "exec"), names)
