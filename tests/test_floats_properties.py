"""Encrypted floats against exact rationals: within their error and bound, or refused by name."""

import operator
from fractions import Fraction

import numpy as np
import scipy.sparse
import veilsum as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from veilsum import hazmat

KEY = hazmat.secret_key(2**521 - 1, 2**607 - 1)
SMALL = hazmat.secret_key(2**61 - 1, 2**89 - 1)

anything = st.floats(allow_nan=False, allow_infinity=False)
odd = st.sampled_from(
    [0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, 1.7976931348623157e308, 1e300, 0.5, 0.1, 2.0**-60]
)
moderate = st.floats(-1e6, 1e6)
numbers = st.one_of(moderate, moderate, st.integers(-1000, 1000), anything, odd)
integers = st.one_of(st.integers(-5, 5), st.integers(-(2**70), 2**70))
factors = st.one_of(st.floats(-4, 4), st.floats(-4, 4), st.integers(-9, 9), integers, anything, odd)
precisions = st.one_of(st.floats(1e-12, 4.0), st.floats(1e-300, 1e300), st.sampled_from([1e-9]))
KINDS = (np.float16, np.float32, np.float64, np.int8, np.int64, object)


@st.composite
def arrays(draw, shape):
    """Of one of the types that operands may have, or a list of mixed ones."""
    kind = draw(st.sampled_from([*KINDS, None]))
    size = int(np.prod(shape))
    if kind is None:
        flat = draw(st.lists(st.one_of(factors), min_size=size, max_size=size))
        return np.array(flat, dtype=object).reshape(shape).tolist() if size else np.zeros(shape)
    if kind is object:
        flat = draw(st.lists(integers, min_size=size, max_size=size))
        return np.array(flat, dtype=object).reshape(shape)
    if np.dtype(kind).kind == "i":
        flat = draw(st.lists(st.integers(-100, 100), min_size=size, max_size=size))
        return np.array(flat, dtype=kind).reshape(shape)
    width = np.dtype(kind).itemsize * 8
    one = st.floats(width=width, allow_nan=False, allow_infinity=False)
    near = st.floats(-2, 2, width=width)
    flat = draw(st.lists(st.one_of(near, near, one), min_size=size, max_size=size))
    return np.array(flat, dtype=kind).reshape(shape)


def exact(values):
    """An array of fractions."""
    array = np.array(values, dtype=object)
    flat = [
        Fraction(int(v)) if isinstance(v, (int, np.integer)) else Fraction(float(v))
        for v in array.reshape(-1).tolist()
    ]
    found = np.empty(len(flat), dtype=object)
    found[:] = flat
    return found.reshape(array.shape)


def held(key, x):
    """The values that the integers stand for."""
    return exact_ints(key.decrypt(x.ciphertexts)) * x.unit


def exact_ints(values):
    return np.array(values, dtype=object) * Fraction(1)


def check(key, x, truth):
    assert x.shape == (truth.shape or (1,))
    found = held(key, x).reshape(-1).tolist()
    for value, wanted in zip(found, truth.reshape(-1).tolist(), strict=True):
        assert abs(value - wanted) <= x.error
        assert abs(value) <= x.bound
    nearest = []
    for value in found:
        try:
            nearest.append(float(value))
        except OverflowError:
            nearest.append(None)
    try:
        opened = key.decrypt_floats(x)
    except vs.CapacityError:
        assert None in nearest
    else:
        assert opened.shape == x.shape
        assert opened.dtype == np.float64
        assert opened.reshape(-1).tolist() == nearest


def flat_sum(truth, axis):
    return np.asarray(truth.sum(axis=axis), dtype=object)


def step(draw, key, x, truth):
    """One operation on both; the encrypted one is a call, so that a refusal changes nothing."""
    name = draw(st.sampled_from(OPERATIONS))
    match name:
        case "add" | "sub" | "rsub":
            y = draw(st.one_of(numbers, arrays(truth.shape), arrays((1,))))
            apply = {"add": operator.add, "sub": operator.sub}.get(name, lambda a, b: b - a)
            return lambda: apply(x, y), lambda: apply(truth, exact(y))
        case "add_encrypted" | "sub_encrypted":
            values = draw(
                st.lists(st.floats(-8, 8), min_size=truth.shape[-1], max_size=truth.shape[-1])
            )
            precision = draw(precisions)
            apply = operator.add if name == "add_encrypted" else operator.sub

            def on_ciphertexts():
                other = np.broadcast_to(values, truth.shape)
                return apply(x, key.encrypt_floats(other, precision=precision, bound=8))

            return on_ciphertexts, lambda: apply(truth, exact(np.broadcast_to(values, truth.shape)))
        case "mul" | "vartime":
            w = draw(st.one_of(factors, arrays(truth.shape), arrays((1,))))
            if name == "vartime":
                return lambda: x.multiply_vartime(w), lambda: truth * exact(w)
            return lambda: w * x if isinstance(w, (int, float)) else x * w, lambda: truth * exact(w)
        case "precise":
            w, precision = draw(st.one_of(factors, arrays(truth.shape))), draw(precisions)
            return lambda: x.multiply(w, precision=precision), lambda: truth * exact(w)
        case "div":
            w = draw(st.one_of(factors, arrays(truth.shape)))
            return lambda: x / w, lambda: truth / exact(w)
        case "neg":
            return lambda: -x, lambda: -truth
        case "matrix":
            w = draw(arrays((draw(st.integers(1, 3)), truth.shape[0])))
            return lambda: x.matrix_product_vartime(w), lambda: exact(w) @ truth
        case "left":
            w = draw(arrays((draw(st.integers(1, 3)), truth.shape[0])))
            return lambda: np.asarray(w) @ x if isinstance(w, np.ndarray) else w @ x, (
                lambda: exact(w) @ truth
            )
        case "right":
            w = draw(arrays((truth.shape[-1], draw(st.integers(1, 3)))))
            return lambda: x @ w, lambda: truth @ exact(w)
        case "dot":
            w = draw(arrays((truth.shape[-1],)))
            precision = draw(st.one_of(st.none(), precisions))
            return (
                lambda: x.dot(w, precision=precision),
                lambda: np.atleast_1d(np.asarray(truth @ exact(w))),
            )
        case "sparse":
            w = draw(arrays((truth.shape[-1], 2)))
            dense = np.array(w)
            if dense.dtype.kind == "O" or dense.dtype == np.float16:  # Scipy takes neither.
                dense = dense.astype(np.float64)
            return lambda: x @ scipy.sparse.csr_array(dense), lambda: truth @ exact(dense)
        case "add_sum":
            return lambda: x + x.sum(), lambda: truth + truth.sum()
        case "mean":
            axis = draw(st.sampled_from([None, *range(truth.ndim)]))
            count = truth.size if axis is None else truth.shape[axis]
            return (
                lambda: x.mean(axis),
                lambda: np.atleast_1d(flat_sum(truth, axis) / Fraction(count)),
            )
        case "sum":
            axis = draw(st.sampled_from([None, *range(truth.ndim)]))
            return lambda: x.sum(axis), lambda: np.atleast_1d(flat_sum(truth, axis))
        case "reverse":
            return lambda: x[::-1], lambda: truth[::-1]
        case "travel":
            return (
                lambda: vs.EncryptedFloats.from_bytes(x.to_bytes(), x.public_key),
                lambda: truth,
            )
        case "rerandomise":
            return x.rerandomise, lambda: truth
        case _:
            ones, precision = np.ones(truth.shape), draw(precisions)
            return (
                lambda: vs.EncryptedFloats.concatenate(
                    [x, key.encrypt_floats(ones, precision=precision, bound=2)]
                )[: len(x) + 1],
                lambda: np.concatenate([truth, exact(np.ones(truth.shape))])[: len(truth) + 1],
            )


OPERATIONS = (
    *("add", "sub", "rsub", "add_encrypted", "sub_encrypted", "mul", "vartime", "precise", "div"),
    *(
        "neg",
        "sparse",
        "matrix",
        "left",
        "right",
        "dot",
        "add_sum",
        "mean",
        "sum",
        "reverse",
        "travel",
    ),
    *("rerandomise", "concatenate"),
)
shapes = st.sampled_from([(1,), (2,), (3,), (1, 2), (2, 2), (3, 1)])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chains_stay_within_error_and_bound_or_are_refused(data):
    run_chain(data, KEY, data.draw(st.sampled_from([1e-9, 1e-3, 2.0**-40, 4.0])), 2.0**64)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chains_under_a_small_key_are_refused_before_they_wrap(data):
    run_chain(data, SMALL, data.draw(st.sampled_from([1e-3, 2.0**-10, 1.0])), 2.0**20)


def run_chain(data, key, precision, bound):
    shape = data.draw(shapes)
    size = int(np.prod(shape))
    values = data.draw(st.lists(st.floats(-100, 100), min_size=size, max_size=size))
    x = key.encrypt_floats(np.reshape(values, shape), precision=precision, bound=bound)
    truth = exact(np.reshape(values, shape))
    check(key, x, truth)
    for _ in range(data.draw(st.integers(5, 30))):
        encrypted, plain = step(data.draw, key, x, truth)
        try:
            x_next = encrypted()
        except vs.CapacityError:
            continue
        except vs.InvalidArgumentError as error:
            if "divisor" not in str(error) and "beyond 2**53" not in str(error):
                raise
            continue
        x, truth = x_next, plain()
        check(key, x, truth)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(anything, odd, moderate), min_size=1, max_size=4),
    st.floats(5e-324, 1.7e308),
)
def test_what_is_encrypted_is_the_nearest_multiple_of_the_unit(values, precision):
    bound = max(map(abs, values)) or 1.0
    try:
        x = KEY.encrypt_floats(values, precision=precision, bound=bound)
    except vs.CapacityError:
        assert 2 * Fraction(bound) / Fraction(precision) > KEY.public_key.n // 4
        return
    assert x.unit <= precision < 2 * x.unit
    for m, value in zip(KEY.decrypt(x.ciphertexts), values, strict=True):
        assert m == round(Fraction(value) / x.unit)
    assert x.bound - x.unit < bound <= x.bound
    assert x.error == x.unit / 2
