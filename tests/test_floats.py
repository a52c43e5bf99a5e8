"""EncryptedFloats: values, shapes, what is public, room, opening, bytes."""

import copy
import pickle
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import veilsum as vs
from known_keys import known_key
from shared_keys import shared_key
from veilsum import hazmat
from veilsum.paillier.float_message import ENCRYPTED_FLOATS
from veilsum.paillier.float_operands import factors, quantised
from veilsum.wire import WireKind, wire_kind

KEY = known_key(2048)
PK, SK = KEY.public, KEY.secret
SMALL = hazmat.secret_key(2**61 - 1, 2**89 - 1)
X = PK.encrypt_floats([0.5, -1.25, 3.0])
V = np.array([0.5, -1.25, 3.0])
M = np.array([[0.5, -1.25, 3.0], [1.0, 2.0, -4.0]])
XM = SK.encrypt_floats(M)
UNIT = 2.0**-30  # Of a precision of 1e-9.


def same(x, wanted):
    found = SK.decrypt_floats(x)
    assert found.dtype == np.float64
    assert np.array_equal(found, np.atleast_1d(np.asarray(wanted, np.float64)))
    return True


# ---- values and shapes ----


def test_floats_come_back():
    for values in (V, M, M[:0], np.zeros((0, 3)), [1, -2], [[1, 2.5]], V.astype(np.float16)):
        for key in (PK, SK):
            x = key.encrypt_floats(values)
            assert isinstance(x, vs.EncryptedFloats)
            assert (x.shape, x.ndim) == (np.shape(values), np.ndim(values))
            assert (x.size, len(x)) == (np.size(values), len(values))
            assert same(x, values)
    for number in (1.5, 3, np.float32(-0.25), np.int8(-3), np.array(0.5)):
        assert same(PK.encrypt_floats(number), [float(number)])


def test_a_pool_and_threads_serve_floats_too():
    pool = PK.precompute(3)
    assert same(PK.encrypt_floats(V, pool=pool, num_threads=1, progress=lambda *_: None), V)
    assert len(pool) == 0
    with pytest.raises(vs.PoolExhaustedError):
        PK.encrypt_floats(V, pool=pool)


def test_arithmetic_is_that_of_numpy():
    w, rows = np.array([0.5, -2.0, 0.25]), np.array([[1.5, 0.0, -2.0], [0.25, 1.0, 4.0]])
    assert same(0.25 * X + 1.5, 0.25 * V + 1.5)
    assert same(X + w, V + w)
    assert same(w - X, w - V)
    assert same(X - 2, V - 2)
    assert same(-X, -V)
    assert same(X + X - 2 * X, np.zeros(3))
    assert same(X / 4.0, V / 4)
    assert same(X / [2, 4, 8], V / [2, 4, 8])
    assert same(XM * w, M * w)
    assert same(X + M, V + M)
    assert same(X * M, V * M)
    assert same(rows @ X, rows @ V)
    assert same(X.matrix_product_vartime(rows), rows @ V)
    assert same(X @ rows.T, V @ rows.T)
    assert same(XM @ rows.T, M @ rows.T)
    assert same(rows.T @ XM, rows.T @ M)
    assert same(X.dot(w), V @ w)
    assert same(w @ X, V @ w)
    assert same(X.sum(), V.sum())
    assert same(XM.sum(axis=0), M.sum(axis=0))
    assert same(XM.sum(axis=-1), M.sum(axis=1))
    assert same(XM.mean(axis=0), M.mean(axis=0))
    assert same(X.multiply_vartime([1, 2, 3]), V * [1, 2, 3])
    assert same(np.float64(0.5) * X, V / 2)
    assert same(X[::-1], V[::-1])
    assert same(XM[:, 1], M[:, 1])
    assert same(X[[True, False, True]], V[[0, 2]])
    assert same(X[1], [V[1]])
    assert same(X.rerandomise(), V)
    assert same(sum([X, X]), 2 * V)
    assert np.allclose(SK.decrypt_floats(XM.mean(axis=1)), M.mean(axis=1), rtol=0, atol=1e-9)
    assert np.allclose(SK.decrypt_floats(X / 3), V / 3, rtol=0, atol=1e-9)


def test_groups_are_added_up():
    values = np.array([0.5, -1.0, 2.0, 4.25])
    x = SK.encrypt_floats(values, bound=8)
    groups = np.array([[0, 1], [2, 1], [0, 1], [2, 0]])
    assert same(x.group_sum(groups[:, 0], 4), [2.5, 0, 3.25, 0])
    assert same(x.group_sum(groups, 3), [[2.5, 0, 3.25], [4.25, 1.5, 0]])
    assert same(
        x.group_sum(groups, 3, where=[True, False, True, False]), [[2.5, 0, 0], [0, 2.5, 0]]
    )
    assert same(x.reshape(2, -1).group_sum([1, 1], 2), [[0, 0], [2.5, 3.25]])
    assert x.group_sum(groups[:, 0], 4).bound == 16
    assert x.group_sum(groups, 3).error == 3 * x.error
    assert x.group_sum([-1, 1, 0, 5], 6, where=[False, False, True, False]).bound == 8
    assert same(x[:0].group_sum([], 2), [0, 0])
    for groups in ([0, 1, 2, 6], [0, 1, 2, -1], [0, 1], [[[0]]]):
        with pytest.raises(vs.InvalidArgumentError):
            x.group_sum(groups, 6)
    for groups in ([0.0, 1.0, 0.0, 1.0], X):
        with pytest.raises(TypeError):
            x.group_sum(groups, 2)


def test_sparse_matrices_multiply():
    dense = np.array([[0.5, 0.0], [0.0, -0.25], [2.0, 0.0]])
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_matrix):
        assert same(X @ kind(dense), V @ dense)
        assert same(XM @ kind(dense.astype(np.float32)), M @ dense)
        assert same(X @ kind((4 * dense).astype(np.int8)), V @ (4 * dense))
    twice = scipy.sparse.coo_array(([0.5, 0.25, 1.5], ([0, 0, 1], [0, 0, 0])), shape=(3, 1))
    assert same(X @ twice, V @ twice.toarray())
    assert twice.data.tolist() == [0.5, 0.25, 1.5]
    assert (X @ twice).bound == 3 * 2 * X.bound
    assert same(X @ scipy.sparse.csr_array((3, 2)), [0, 0])
    for wrong in (scipy.sparse.eye_array(3) * np.nan, scipy.sparse.eye_array(2)):
        with pytest.raises(vs.InvalidArgumentError):
            _ = X @ wrong
    for wrong in (scipy.sparse.eye_array(3) * 1j, scipy.sparse.eye_array(3, dtype=bool)):
        with pytest.raises(TypeError):
            _ = X @ wrong
    with pytest.raises(TypeError, match=r"x @ S\.T"):
        _ = scipy.sparse.eye_array(3) @ X


def test_reshape_keeps_order_and_scale():
    for twin in (XM.reshape(3, 2), XM.reshape((-1, 2)), XM.reshape(3, -1)):
        assert same(twin, M.reshape(3, 2))
        assert (twin.unit, twin.bound, twin.error) == (XM.unit, XM.bound, XM.error)
    with pytest.raises(vs.InvalidArgumentError):
        XM.reshape(4, 2)


def test_operands_of_two_units_meet_in_the_finer_one():
    coarse, fine = SK.encrypt_floats(V, precision=0.25), SK.encrypt_floats(V, precision=1e-12)
    for x in (coarse + fine, fine + coarse, fine - coarse):
        assert x.unit == fine.unit
        assert x.error == fine.error + coarse.error
    assert same(coarse + fine, 2 * V)
    joined = vs.EncryptedFloats.concatenate([coarse, fine, XM[0]])
    assert same(joined, [*V, *V, *V])
    assert (joined.unit, joined.error) == (fine.unit, coarse.error)
    coarsest = SK.encrypt_floats([1024.0], precision=64)
    assert same(coarsest + 3, [1027])  # Integers stay exact.
    assert same(coarsest + 3.0, [1024])  # Floats are rounded to the unit.
    assert (coarsest + 3.0).error == 64


def test_lists_of_big_integers_are_exact():
    big = 2**200 + 1
    product = X.ciphertexts.public_key.encrypt([1])
    x = vs.EncryptedFloats.from_ciphertexts(product, bound=1) * [big]
    assert SK.decrypt(x.ciphertexts) == [big]
    assert x.error == 0


# ---- what is public ----


def test_the_scale_tells_nothing_of_what_is_encrypted():
    others = [PK.encrypt_floats(values) for values in (V, [0, 0, 0], [2.0**64, -1e-30, 1e10])]
    scales = {(x.unit, x.bound, x.error) for x in others}
    assert scales == {(Fraction(1, 2**30), 2**64, Fraction(1, 2**31))}


@pytest.mark.parametrize(
    "apply",
    [
        lambda w: X + w,
        lambda w: X - w,
        lambda w: X * w,
        lambda w: X / (1 / w),
        lambda w: X.multiply(w, precision=1e-3),
        lambda w: X @ w,
    ],
)
def test_a_result_shows_the_magnitude_of_an_operand_by_powers_of_two_only(apply):
    def scale(*values):
        x = apply(np.array(values))
        return x.unit, x.bound, x.error

    assert scale(0.75, 0.7, -0.6) == scale(1.0, 1.0, 1.0) == scale(-1.0, 0.6, 0.999)
    assert scale(1.0, 1.0, 1.0) != scale(1.01, 1.01, 1.01)


def test_error_is_what_the_roundings_add_up_to():
    half = Fraction(1, 2**31)
    assert X.error == (-X).error == X[1].error == (X + 3).error == half
    assert (X + X).error == X.sum().error * Fraction(2, 3) == 2 * half
    assert (X + 0.5).error == (X + 0.0).error == 2 * half
    assert (X * 3).error == 4 * half  # Times the next power of two.
    assert (X * 0.75).error == half  # One float is exact.
    rounded = half + 2**64 * Fraction(1, 2**54)
    assert rounded <= (X * [0.75, 0.5, 0.5]).error <= rounded + Fraction(1, 2**50)
    assert X.sum().bound == 3 * 2**64
    assert (X * 3).bound == 2**66
    assert (X / 4).bound == 2**62
    assert XM.mean(axis=0).error == half


def test_precision_of_a_factor_takes_less_room():
    w = [0.7, -0.3, 0.1]
    rough = X.multiply(w, precision=1e-3)
    assert rough.unit == X.unit / 1024
    assert np.abs(SK.decrypt_floats(rough) - V * w).max() <= float(rough.error)
    for product in (X.dot(w, precision=1e-3), X.matrix_product_vartime([w], precision=1e-3)):
        assert product.unit == X.unit / 1024
        assert 0 <= product.error - 3 * rough.error < Fraction(1, 2**6)  # Rounded up.
        assert abs(SK.decrypt_floats(product)[0] - V @ w) <= 3 * 4 / 2048
    assert (X * w).unit == X.unit / 2**53
    assert (X * np.array(w, np.float32)).unit == X.unit / 2**24
    assert (X * np.array(w, np.float16)).unit == X.unit / 2**11


def test_repr_tells_shape_and_scale_only():
    assert repr(X * 3) == (
        "<EncryptedFloats: shape (3,), unit 2**-30, |x| <= 2**66, error <= 2**-29, 2048-bit key>"
    )
    exact = vs.EncryptedFloats.from_ciphertexts(PK.encrypt([1]), bound=5)
    assert "error <= 0" in repr(exact)


# ---- room ----


def test_what_the_key_has_no_room_for_is_refused_before_it_is_made():
    x = SMALL.encrypt_floats([1.0, 2.0], precision=2.0**-10, bound=2.0**100)
    for call in (
        lambda: x * 2.0**40,
        lambda: x + 2**149,
        lambda: x + 2.0**149,
        lambda: x * [1.0, 0.5],
        lambda: x @ [1.5, 0.5],
        lambda: (x * 2**38).sum(),
        lambda: x + SMALL.encrypt_floats([1.0, 1.0], precision=2.0**-60, bound=1.0),
        lambda: vs.EncryptedFloats.concatenate(
            [x, SMALL.encrypt_floats([1.0], precision=2.0**-60, bound=1.0)]
        ),
        lambda: SMALL.encrypt_floats([1.0], bound=2.0**130),
        lambda: vs.EncryptedFloats.from_ciphertexts(x.ciphertexts, bound=2.0**160),
    ):
        with pytest.raises(vs.CapacityError, match=r"bits.*bound=.*precision=.*decrypt") as caught:
            call()
        assert isinstance(caught.value, OverflowError)


def test_the_last_integer_that_fits_is_taken_and_one_more_is_not():
    most = (SMALL.public_key.n - 1) // 2
    x = vs.EncryptedFloats.from_ciphertexts(SMALL.encrypt([most, -most]), bound=most)
    assert SMALL.decrypt_floats(x).tolist() == [float(most), -float(most)]
    with pytest.raises(vs.CapacityError):
        vs.EncryptedFloats.from_ciphertexts(SMALL.encrypt([1]), bound=most + 1)
    with pytest.raises(vs.CapacityError):
        _ = x + 1


def test_units_have_limits():
    far, tiny = -(2**20), Fraction(1, 2 ** (2**20))
    x = vs.EncryptedFloats.from_ciphertexts(PK.encrypt([1]), bound=32 * tiny, unit_exponent=far + 5)
    x = x.multiply(1.0, precision=2.0**-5)
    with pytest.raises(vs.CapacityError, match="unit"):
        x.multiply(1.0, precision=0.5)
    x = vs.EncryptedFloats.from_ciphertexts(PK.encrypt([1]), bound=tiny, unit_exponent=far)
    for call in (lambda: X + x, lambda: vs.EncryptedFloats.concatenate([X, x]), lambda: x + 1.0):
        with pytest.raises(vs.CapacityError, match="bits"):
            call()
    assert SK.decrypt_floats(x).tolist() == [0.0]
    huge = vs.EncryptedFloats.from_ciphertexts(PK.encrypt([1]), bound=2**2000, unit_exponent=1023)
    assert SK.decrypt_floats(huge).tolist() == [2.0**1023]
    with pytest.raises(vs.CapacityError, match="float64"):
        SK.decrypt_floats(huge + huge)
    for exponent in (2**20 + 1, -(2**20) - 1, 10**400):
        with pytest.raises(vs.InvalidArgumentError, match="unit_exponent"):
            vs.EncryptedFloats.from_ciphertexts(PK.encrypt([1]), bound=1, unit_exponent=exponent)


# ---- opening ----


def test_decryption_is_the_nearest_float():
    ints = [2**53 + 1, 2**54 + 2, 2**54 + 6, 2**100 + 2**47, -(2**53) - 3, 0, 1]
    for exponent in (-1100, -1074, -60, 0, 500):
        x = vs.EncryptedFloats.from_ciphertexts(
            PK.encrypt(ints), bound=2**101 * Fraction(2) ** exponent, unit_exponent=exponent
        )
        wanted = [float(m * Fraction(2) ** exponent) for m in ints]
        assert SK.decrypt_floats(x).tolist() == wanted


def test_a_value_beyond_its_bound_is_refused():
    liar = vs.EncryptedFloats.from_ciphertexts(PK.encrypt([3, 4]), bound=3)
    with pytest.raises(vs.InvalidCiphertextError, match=r"value 1 .*bound"):
        SK.decrypt_floats(liar)
    assert SK.decrypt_floats(liar[0]).tolist() == [3.0]


def test_shared_keys_open_by_decode():
    shared = shared_key()
    x = shared.key.public_key.encrypt_floats(M) * 0.5
    context = b"floats"
    partials = [share.decrypt(x.ciphertexts, context=context) for share in shared.shares]
    opened = shared.key.combine(x.ciphertexts, partials, context=context)
    assert np.array_equal(x.decode(opened), M * 0.5)


def test_decode_takes_the_integers_of_this_shape():
    ints = SK.decrypt(XM.ciphertexts)
    for given in (
        ints,
        np.array(ints),
        SK.decrypt_plaintexts(XM.ciphertexts),
        [*ints[0], *ints[1]],
    ):
        assert np.array_equal(XM.decode(given), M)
    for wrong in (ints[0], [ints[0]], ints[0] * 3, 5):
        with pytest.raises(vs.InvalidArgumentError, match="shape"):
            XM.decode(wrong)
    with pytest.raises(TypeError):
        XM.decode(M)
    with pytest.raises(TypeError, match="EncryptedFloats"):
        SK.decrypt_floats(XM.ciphertexts)
    with pytest.raises(TypeError, match="Ciphertexts"):
        SK.decrypt(XM)


# ---- equal, copied, sent ----


def test_equal_are_the_same_ciphertexts_at_the_same_scale():
    assert X == vs.EncryptedFloats.from_bytes(X.to_bytes(), PK)
    assert X != X.rerandomise()
    assert X != vs.EncryptedFloats.from_ciphertexts(X.ciphertexts, bound=1)
    assert (X == None) is False  # noqa: E711


def test_they_travel():
    for x in (X, XM, X * 0.1, X / 3, (X * 2.0**-1074), X[:0], X * 2**500):
        data = x.to_bytes()
        assert wire_kind(data) is WireKind.ENCRYPTED_FLOATS
        for twin in (
            vs.EncryptedFloats.from_bytes(data, PK),
            vs.EncryptedFloats.from_bytes(memoryview(data), PK),
            pickle.loads(pickle.dumps(x)),
            copy.deepcopy(x),
        ):
            assert twin == x
            assert (twin.unit, twin.bound, twin.error) == (x.unit, x.bound, x.error)
            assert twin.to_bytes() == data
        assert ENCRYPTED_FLOATS.read(data)["ciphertexts"] == x.ciphertexts.to_bytes()


def test_as_many_products_fit_as_the_page_says():
    page = (Path(__file__).resolve().parent.parent / "docs" / "encrypted-numbers.md").read_text()
    rows = re.findall(r"^\| (\d{4}) \|(( \d+ \|)+)$", page, re.MULTILINE)
    assert len(rows) == 3
    ones = np.ones(1000)
    for bits, cells, _ in rows:
        least = 2 ** (int(bits) - 1) + 1
        columns = (
            (factors("w", ones), 1),
            (factors("w", ones.astype(np.float32)), 1),
            (factors("w", ones.astype(np.float16)), 1),
            (factors("w", ones, 1e-3), 1),
            (factors("w", ones), 1000),
        )
        for cell, ((_, factor), terms) in zip(cells.strip(" |").split("|"), columns, strict=True):
            _, scale = quantised([1.0], precision=1e-9, bound=2.0**64)
            for _ in range(int(cell)):
                scale = scale.times(factor).of_sum(terms).within(least)
            with pytest.raises(vs.CapacityError):
                scale.times(factor).of_sum(terms).within(least)
