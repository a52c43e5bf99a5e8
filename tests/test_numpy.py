"""Numpy beside what is encrypted: operators work, functions say what to call instead."""

import io
import warnings

import numpy as np
import pytest
import scipy.sparse
import veilsum as vs
from known_keys import known_key

KEY = known_key(2048)
CODEC = vs.Codec(3, clip=1.0, value_bits=16, max_addends=4)
C = KEY.public.encrypt([10, 20, 30])
VECTOR = CODEC.encrypt(np.ones(3), key=KEY.public)
BOTH = pytest.mark.parametrize("x", [C, VECTOR], ids=["Ciphertexts", "EncryptedVector"])

# What a user of numpy tries, and the right call that the error has to name.
HINTS = {
    lambda x: np.sum(x): "c.sum(",
    lambda x: np.mean(x): "divide",
    lambda x: np.average(x): "divide",
    lambda x: np.dot(np.eye(3, dtype=int), x): "W @ c",
    lambda x: np.dot(x, [1, 2, 3]): "W @ c",
    lambda x: np.einsum("i,i", x, [1, 2, 3]): "W @ c",
    lambda x: np.concatenate([x, x]): "Ciphertexts.concatenate",
    lambda x: np.stack([x, x]): "Ciphertexts.concatenate",
    lambda x: np.vstack([x, x]): "Ciphertexts.concatenate",
    lambda x: np.append(x, x): "Ciphertexts.concatenate",
    lambda x: np.array(x): "c.sum(axis=0)",
    lambda x: np.array(x, dtype=object): "c.to_ints()",
    lambda x: np.asarray(x): "c.sum(axis=0)",
    lambda x: np.asarray([x, x]): "Ciphertexts.concatenate",
    lambda x: np.array([x, x]): "Ciphertexts.concatenate",
    lambda x: np.sum([x, x]): "c.sum(axis=0)",
    lambda x: np.mean([x, x], axis=0): "c.sum(axis=0)",
    lambda x: np.savez(io.BytesIO(), c=x): "c.to_bytes()",
    lambda x: np.save(io.BytesIO(), x): "c.to_bytes()",
    lambda x: np.take(x, [0]): "c[",
    lambda x: np.reshape(x, (3, 1)): "c.reshape(",
    lambda x: np.ravel(x): "c.reshape(-1)",
    lambda x: np.bincount([0, 1, 1], x): "c.group_sum(",
    lambda x: np.transpose(x): "c[",
    lambda x: np.cumsum(x): "slices",
    lambda x: np.shape(x): "c.shape",
    lambda x: np.array_equal(x, x): "decrypt",
    lambda x: scipy.sparse.eye(3, dtype=int, format="csr") @ x: "c @ S.T",
    lambda x: scipy.sparse.eye_array(3, dtype=int, format="csc") @ x: "c @ S.T",
    lambda x: scipy.sparse.eye_array(3, dtype=int, format="coo") @ x: "c @ S.T",
    lambda x: scipy.sparse.eye(3, dtype=int, format="csr").dot(x): "c @ S.T",
}
VECTOR_HINTS = {
    lambda v: np.mean([v, v]): "v + w",
    lambda v: np.mean(v): ".mean()",
    lambda v: np.sum(v): "sum([v, w])",
    lambda v: np.sum([v, v]): "sum([v, w])",
    lambda v: np.add.reduce([v, v]): "sum([v, w])",
    lambda v: np.array(v): "codec.decrypt",
    lambda v: np.savez(io.BytesIO(), v=v): "v.to_bytes()",
}


@pytest.mark.parametrize("call", [*HINTS])
def test_functions_of_numpy_name_the_right_call(call):
    with pytest.raises(TypeError) as caught:
        call(C)
    assert HINTS[call] in str(caught.value)


@pytest.mark.parametrize("call", [*VECTOR_HINTS])
def test_functions_of_numpy_name_the_right_call_for_vectors(call):
    with pytest.raises(TypeError) as caught:
        call(VECTOR)
    assert VECTOR_HINTS[call] in str(caught.value)


# They ask nothing of what they are given, take no array, or do something else altogether.
NO_ARRAY_FUNCTIONS = {
    *("isscalar", "iterable", "issubdtype", "isdtype", "get_array_wrap", "typename"),
    *("info", "test", "show_config", "show_runtime", "get_include", "printoptions", "seterrcall"),
    *("set_printoptions", "setbufsize", "seterr", "bmat", "from_dlpack", "isfortran"),
    "multi_dot",
}


def works(function, argument):
    try:
        function(argument)
    except Exception:
        return False
    return True


def functions_of_arrays():
    """Public functions of numpy, each with what to put in its one array's place: x, or lists."""
    values = [[1.0, 2.0], [3.0, 5.0]]
    for module in (np, np.linalg, np.fft, np.emath):
        for name in sorted(set(dir(module)) - NO_ARRAY_FUNCTIONS):
            function = getattr(module, name)
            if name.startswith("_") or isinstance(function, type) or not callable(function):
                continue
            if works(function, np.array(values)):
                yield f"{module.__name__}.{name}(x)", function, lambda x: x
            if works(function, values):
                yield f"{module.__name__}.{name}([x, x])", function, lambda x: [x, x]
                yield f"{module.__name__}.{name}([[x]])", function, lambda x: [[x]]


@BOTH
@pytest.mark.filterwarnings("ignore")
def test_no_function_of_numpy_takes_what_is_encrypted_for_an_array(x):
    calls = list(functions_of_arrays())
    assert len(calls) > 300
    for name, function, argument in calls:
        try:
            result = function(argument(x))
        except TypeError:
            continue
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
        else:
            raise AssertionError(f"{name} gave {result!r}")


@BOTH
def test_what_is_encrypted_offers_no_buffer(x):
    for view in (memoryview, np.frombuffer, bytes, bytearray):
        with pytest.raises(TypeError):
            view(x)
    with pytest.raises(TypeError):
        memoryview(C._native)


def test_operators_with_numpy_on_either_side_still_work():
    w = np.array([[1, 2, 3], [0, -1, 0]])
    for result, opened in (
        (w @ C, [140, -20]),
        (C @ w.T, [140, -20]),
        (np.int64(3) * C, [30, 60, 90]),
        (C * np.uint8(2), [20, 40, 60]),
        (np.arange(3) + C, [10, 21, 32]),
        (C - np.arange(3), [10, 19, 28]),
        (np.arange(3) - C, [-10, -19, -28]),
        (np.array([2]) * C, [20, 40, 60]),
        (np.ones((2, 3), int) + C, [[11, 21, 31]] * 2),
        (C[np.array([True, False, True])], [10, 30]),
        (sum([C, C]), [20, 40, 60]),
    ):
        assert KEY.secret.decrypt(result) == opened


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c * 1.1,
        lambda c: 1.1 * c,
        lambda c: c * np.float32(2),
        lambda c: c * [1.5, 2, 3],
        lambda c: c * np.array([1.0, 2.0, 3.0]),
        lambda c: c.multiply_vartime(0.5),
        lambda c: np.eye(3) @ c,
        lambda c: [[0.5, 1, 2]] @ c,
        lambda c: c @ np.ones(3),
        lambda c: c.matrix_product_vartime(np.eye(3)),
        lambda c: c / 3,
        lambda c: c / 2.5,
        lambda c: c // 10,
    ],
)
def test_scaling_by_a_fraction_names_the_cure(call):
    with pytest.raises(TypeError, match="multiply by integers: scale them first"):
        call(C)


def test_adding_floats_names_both_cures():
    for wrong in (1.5, np.float64(1), [1.5, 1, 2], np.ones(3)):
        for call in (lambda x: C + x, lambda x: C - x, lambda x: x + C):
            with pytest.raises(TypeError, match=r"integers.*Codec encrypts vectors of floats"):
                call(wrong)


# ---- equality and truth ----


@BOTH
def test_truth_value_of_what_is_encrypted_is_an_error(x):
    for call in (bool, lambda x: not x, lambda x: x or None, lambda x: [1 for _ in [0] if x]):
        with pytest.raises(TypeError, match="is not None"):
            call(x)


@BOTH
def test_comparing_with_plain_values_is_an_error(x):
    for other in (5, 0, 1.5, "x", [1], (1, 2, 3), np.arange(3), np.int64(3), object(), KEY.public):
        for call in (
            lambda a, b: a == b,
            lambda a, b: b == a,
            lambda a, b: a != b,
            lambda a, b: b != a,
        ):
            with pytest.raises(TypeError, match="is not None"):
                call(x, other)
    with pytest.raises(TypeError, match="is not None"):
        _ = x == (VECTOR if x is C else C)


@BOTH
def test_none_is_another_thing(x):
    assert not (x == None)  # noqa: E711
    assert not (None == x)  # noqa: E711
    assert x != None  # noqa: E711
    assert x not in [None]


@BOTH
def test_what_is_encrypted_has_no_hash(x):
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)


def test_equal_ciphertexts_are_the_same_ciphertexts():
    twin = vs.Ciphertexts.from_bytes(C.to_bytes(), KEY.public)
    assert twin == C
    assert not twin != C
    assert C + C - C == C
    assert KEY.public.encrypt([10, 20, 30]) != C
    assert C[:2] != C
    assert C[None, :] != C
    assert known_key("2048-other").public.encrypt([10, 20, 30]) != C


def test_equal_vectors_have_equal_ciphertexts_codecs_and_addends():
    twin = vs.EncryptedVector.from_bytes(VECTOR.to_bytes(), KEY.public)
    assert twin == VECTOR
    assert VECTOR + VECTOR == twin + twin
    assert CODEC.encrypt(np.ones(3), key=KEY.public) != VECTOR
    assert vs.EncryptedVector(VECTOR.ciphertexts, CODEC, num_addends=2) != VECTOR
    other = vs.Codec(3, clip=2.0, value_bits=16, max_addends=4)
    assert vs.EncryptedVector(VECTOR.ciphertexts, other) != VECTOR


# ---- sums of nothing ----


def decrypted(c):
    return KEY.secret.decrypt(c)


def test_sums_of_nothing_are_fresh_encryptions_of_zero():
    nothing = KEY.public.encrypt(np.zeros((0, 5), int))
    columns = KEY.public.encrypt(np.zeros((4, 0), int))
    for total, opened in (
        (lambda: C[[]].sum(), [0]),
        (lambda: C[[]].sum(axis=0), [0]),
        (lambda: nothing.sum(), [0]),
        (lambda: nothing.sum(axis=0), [0] * 5),
        (lambda: nothing.sum(axis=1), []),
        (lambda: columns.sum(axis=1), [0] * 4),
        (lambda: columns.sum(axis=0), []),
        (lambda: np.zeros((3, 0), int) @ C[[]], [0] * 3),
        (lambda: np.zeros(0, int) @ C[[]], [0]),
        (lambda: np.zeros((3, 0), int) @ nothing, [[0] * 5] * 3),
        (lambda: np.zeros(0, int) @ nothing, [0] * 5),
        (lambda: np.zeros((0, 3), int) @ C, []),
        (lambda: np.zeros((2, 4), int) @ columns, [[], []]),
        (lambda: C[[]] @ np.zeros((0, 2), int), [0, 0]),
        (lambda: columns @ np.zeros((0, 2), int), [[0, 0]] * 4),
        (lambda: C[[]].matrix_product_vartime(np.zeros((2, 0), int)), [0, 0]),
    ):
        first, second = total(), total()
        assert decrypted(first) == opened
        assert first.shape == np.shape(opened) or not opened or not opened[0]
        ints = np.array(first.to_ints(), dtype=object).reshape(-1).tolist()
        more = np.array(second.to_ints(), dtype=object).reshape(-1).tolist()
        assert len(set(ints + more)) == 2 * len(ints), "a sum of nothing shows itself"
        assert 1 not in ints
        assert vs.Ciphertexts.from_bytes(first.to_bytes(), KEY.public) == first


def test_scalars_outside_the_range_of_plaintexts_are_refused():
    half = KEY.n // 2
    for scalar in (half + 1, -half - 1, KEY.n, 2**4000, -(2**4000), 2**20000):
        for call in (
            lambda k: C * k,
            lambda k: k * C,
            lambda k: C * [1, k, 2],
            lambda k: C.multiply_vartime(k),
            lambda k: [[1, 2, k]] @ C,
            lambda k: C @ [1, 2, k],
            lambda k: C.matrix_product_vartime([[1, 2, k]]),
            lambda k: C + k,
        ):
            with pytest.raises(vs.InvalidArgumentError, match=r"outside \(-n/2, n/2\)"):
                call(scalar)
    one = KEY.public.encrypt([1])
    assert decrypted(one * half) == [half]
    assert decrypted([[-half]] @ one) == [-half]


# ---- masks ----


def masked(values=(1, 2, 3), mask=(0, 1, 0), dtype=int):
    return np.ma.masked_array(np.array(values, dtype), mask=mask)


def test_masked_integers_are_refused_wherever_integers_go():
    zero_d = np.ma.masked_array(5, mask=True)
    for values in (
        masked(),
        masked(dtype=np.uint8),
        masked(dtype=object),
        masked(mask=(0, 0, 0)),
        [masked(), masked()],
        [1, zero_d, 3],
        [[1, 2, zero_d]],
        np.array([1, None, 3], dtype=object),
        masked()[1],
        np.ma.masked,
        [1, 2, np.ma.masked],
    ):
        for call in (
            KEY.public.encrypt,
            KEY.secret.encrypt,
            lambda x: C + x,
            lambda x: C * x,
            lambda x: x * C,
            lambda x: C @ x,
            lambda x: vs.Ciphertexts.from_ints(x, KEY.public),
            lambda x: KEY.public.encrypt_and_prove(x, context=b""),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with pytest.raises(TypeError, match=r"mask|integer|must be"):
                    call(values)
    assert decrypted(KEY.public.encrypt(masked().compressed())) == [1, 3]
    assert decrypted(KEY.public.encrypt(masked().filled(0))) == [1, 0, 3]


def test_masked_indices_are_refused():
    hidden = np.ma.masked_array([0, 1], mask=[False, True])
    chosen = np.ma.masked_array([True, False, True], mask=[False, False, True])
    matrix = C[None]
    for take in (
        lambda: C[hidden],
        lambda: C[chosen],
        lambda: C[hidden[0:1]],
        lambda: C[[0, np.ma.masked_array(1, mask=True)]],
        lambda: matrix[0, hidden],
        lambda: matrix[:, chosen],
    ):
        with pytest.raises(TypeError, match="mask"):
            take()
    assert decrypted(C[hidden.compressed()]) == [10]
    assert decrypted(C[chosen.filled(False)]) == [10]


def test_products_of_encrypted_numbers_are_refused_with_what_there_is():
    for product in (
        lambda: C * C,
        lambda: C @ C,
        lambda: C.multiply_vartime(C),
        lambda: C.matrix_product_vartime(C),
        lambda: C * VECTOR,
        lambda: C + VECTOR,
        lambda: KEY.public.encrypt(C),
    ):
        with pytest.raises(TypeError, match="multiplied by plain integers"):
            product()


def test_bytes_and_text_are_no_lists_of_integers():
    for values in (b"ab", bytearray(b"ab"), memoryview(b"ab"), "12", ""):
        for call in (KEY.public.encrypt, lambda x: C * x, lambda x: C + x):
            with pytest.raises(TypeError, match="expected integers"):
                call(values)
