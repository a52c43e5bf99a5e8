"""What EncryptedFloats refuse, and what the errors say to do instead."""

import decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
import veilsum as vs
from known_keys import known_key

KEY = known_key(2048)
PK, SK = KEY.public, KEY.secret
V = np.array([0.5, -1.25, 3.0])
X = PK.encrypt_floats(V)
XM = SK.encrypt_floats([[0.5, -1.25, 3.0], [1.0, 2.0, -4.0]])


@pytest.mark.parametrize(
    ("values", "error", "hint"),
    [
        ([1.0, np.nan], vs.InvalidArgumentError, "finite"),
        (np.array([np.inf], np.float16), vs.InvalidArgumentError, "finite"),
        ([2.0**64, 2.0**65], vs.InvalidArgumentError, "bound="),
        ([-(2.0**64) - 4096], vs.InvalidArgumentError, "bound="),
        ([2**53 + 1], vs.InvalidArgumentError, "2\\*\\*53"),
        ([2**53 + 1, 0.5], vs.InvalidArgumentError, "2\\*\\*53"),
        ([10**400, 0.5], vs.InvalidArgumentError, "2\\*\\*53"),
        (np.array([2**60]), vs.InvalidArgumentError, "2\\*\\*53"),
        ([[1.0], [1.0, 2.0]], TypeError, "list"),
        (np.zeros((1, 1, 1)), vs.InvalidArgumentError, "two dimensions"),
        ([True], TypeError, "bool"),
        (np.array([True]), TypeError, "bool"),
        ([1.0, True], TypeError, "bool"),
        (True, TypeError, "bool"),
        ([1.0, None], TypeError, "NoneType"),
        ([1.0, "2"], TypeError, "str"),
        ("1.0", TypeError, "str"),
        (None, TypeError, "NoneType"),
        ([1j], TypeError, "complex"),
        (np.array([1j]), TypeError, "complex"),
        ([Fraction(1, 2)], TypeError, "Fraction"),
        ([decimal.Decimal(1)], TypeError, "Decimal"),
        (np.array([0.5], dtype=object), TypeError, "float"),
        (np.array([0.5], dtype=np.longdouble), TypeError, "longdouble|float128|float96"),
        ([np.longdouble(0.5)], TypeError, "longdouble"),
        (np.ma.array([1.0], mask=[True]), TypeError, "masked"),
        ([np.ma.array([1.0], mask=[True])], TypeError, "masked"),
        (scipy.sparse.eye(2), TypeError, "dia"),
        (X, TypeError, "encrypted"),
        (X.ciphertexts, TypeError, "encrypted"),
    ],
)
def test_what_is_no_float_is_refused_by_name(values, error, hint):
    with pytest.raises(error, match=hint):
        PK.encrypt_floats(values)
    if hint != "bound=" and not (error is vs.InvalidArgumentError and "53" in hint):
        if not isinstance(values, vs.EncryptedFloats):
            with pytest.raises((error, TypeError)):
                _ = X + values
        with pytest.raises(TypeError if hint == "encrypted" else error):
            X.multiply(values)


def test_parameters_are_checked():
    for name in ("precision", "bound"):
        for value in (0, -1.0, np.nan, np.inf):
            with pytest.raises(vs.InvalidArgumentError, match=name):
                PK.encrypt_floats(V, **{name: value})
        for value in ("1", None, True):
            with pytest.raises(TypeError, match=name):
                PK.encrypt_floats(V, **{name: value})
    with pytest.raises(vs.InvalidArgumentError, match="precision"):
        X.multiply(0.5, precision=0)
    for bound in (0, -1, np.nan, np.inf, Fraction(0), Fraction(-1, 3)):
        with pytest.raises(vs.InvalidArgumentError, match="bound"):
            vs.EncryptedFloats.from_ciphertexts(X.ciphertexts, bound=bound)
    with pytest.raises(TypeError, match="Ciphertexts"):
        vs.EncryptedFloats.from_ciphertexts(X, bound=1)
    with pytest.raises(TypeError, match="encrypt_floats"):
        vs.EncryptedFloats(X.ciphertexts, 1)
    with pytest.raises(TypeError, match="Ciphertexts"):
        vs.EncryptedFloats(1, X._scale)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: X * X, "plain numbers"),
        (lambda: X @ X, "plain numbers"),
        (lambda: X.dot(X), "plain numbers"),
        (lambda: X / X, "plain numbers"),
        (lambda: 1.0 / X, "plain numbers"),
        (lambda: X * X.ciphertexts, "plain numbers"),
        (lambda: X + X.ciphertexts, "its own kind"),
        (lambda: X < X, "compared"),
        (lambda: X >= 0.5, "compared"),
        (lambda: 0.5 > X, "compared"),
        (lambda: X == 0.5, "compared"),
        (lambda: abs(X), "decrypt_floats"),
        (lambda: X**2, "decrypt_floats"),
        (lambda: X // 2, "decrypt_floats"),
        (lambda: X % 2, "decrypt_floats"),
        (lambda: round(X), "decrypt_floats"),
        (lambda: float(X), "decrypt_floats"),
        (lambda: int(X), "decrypt_floats"),
        (lambda: bool(X), "truth"),
        (lambda: hash(X), "unhashable"),
        (lambda: np.array(X), "decrypt_floats"),
        (lambda: np.mean(X), "x.mean"),
        (lambda: np.dot(V, X), "W @ x"),
        (lambda: np.concatenate([X, X]), "EncryptedFloats.concatenate"),
        (lambda: np.save("nowhere", X), "x.to_bytes"),
        (lambda: np.shape(X), "x.shape"),
        (lambda: np.reshape(X, (3, 1)), "x.reshape"),
        (lambda: np.bincount(X), "group_sum"),
        (lambda: vs.EncryptedFloats.concatenate(X), "list"),
        (lambda: vs.EncryptedFloats.concatenate([X, V]), "EncryptedFloats"),
        (lambda: "a" * X, "str"),
    ],
)
def test_what_paillier_cannot_do_is_refused_with_what_to_do(call, hint):
    with pytest.raises(TypeError, match=hint):
        call()


def test_shapes_keys_and_divisors_are_checked():
    other = known_key("2048-other").public.encrypt_floats(V)
    for call in (lambda: X + other, lambda: vs.EncryptedFloats.concatenate([X, other])):
        with pytest.raises(vs.KeyMismatchError):
            call()
    with pytest.raises(vs.KeyMismatchError):
        SK.decrypt_floats(other)
    for call in (
        lambda: X - [1.0, 2.0],
        lambda: X * [1, 2],
        lambda: X @ [1.0, 2.0],
        lambda: [1.0] @ X,
        lambda: X.sum(axis=1),
        lambda: X.mean(axis=-2),
        lambda: X[:0].mean(),
        lambda: X + np.zeros((2, 2, 3)),
        lambda: vs.EncryptedFloats.concatenate([]),
        lambda: vs.EncryptedFloats.concatenate([X, XM]),
        lambda: X / 0,
        lambda: X / [1.0, 0.0, 2.0],
        lambda: X / 5e-324,
        lambda: X / np.inf,
        lambda: X / (2**53 + 1),
        lambda: X * np.nan,
    ):
        with pytest.raises(vs.InvalidArgumentError):
            call()
    with pytest.raises(IndexError):
        _ = X[3]


def test_refusals_show_nothing_of_what_was_to_be_encrypted():
    with pytest.raises(vs.InvalidArgumentError) as caught:
        PK.encrypt_floats([123456.789], bound=10)
    assert "123" not in str(caught.value)


def test_groups_beyond_all_results_are_refused_before_anything_is_counted():
    with pytest.raises(vs.InvalidArgumentError, match="2\\*\\*24"):
        X.group_sum(np.zeros((3, 2**11), np.int64), 2**20)


def test_groups_are_read_once():
    class Changing:
        """Other groups at each look: a bound of one row for a sum of three is no bound."""

        looks = 0

        def __array__(self, dtype=None, copy=None):
            self.looks += 1
            return np.array([0, 1, 2] if self.looks == 1 else [0, 0, 0])

    tight = SK.encrypt_floats([1.0, 1.0, 1.0], bound=1)
    total = tight.group_sum(Changing(), 3)
    assert SK.decrypt_floats(total).max() <= total.bound


@pytest.mark.parametrize("kind", ["M8[ns]", "m8[ns]"])
def test_dates_in_lists_are_no_numbers(kind):
    dates = [np.array([5, 7], kind)]
    integers = PK.encrypt([[1, 2]])
    for call in (
        lambda: XM[:, :2] * dates,
        lambda: integers * dates,
        lambda: PK.encrypt(dates),
        lambda: PK.encrypt_floats(dates),
        lambda: PK.encrypt([np.array(5, kind)[()]]),
    ):
        with pytest.raises(TypeError):
            call()


def test_a_fraction_below_a_power_of_two_is_rounded_down():
    just_below = Fraction(2**60 - 1, 2**60)
    assert PK.encrypt_floats([1.5], precision=just_below).unit == Fraction(1, 2)
    assert PK.encrypt_floats([1.5], precision=Fraction(1)).unit == 1
    with pytest.raises(TypeError, match="bound"):
        vs.EncryptedFloats.from_ciphertexts(PK.encrypt([1]), bound=np.longdouble(2))
