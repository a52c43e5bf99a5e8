"""c @ S for scipy.sparse matrices and arrays: as with the dense matrix, and refused as it is."""

import functools
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
import veilsum as vs
from veilsum import hazmat
from veilsum.paillier import sparse

TOY = hazmat.secret_key((1 << 89) - 1, (1 << 107) - 1)
RNG = np.random.default_rng(7)

FORMS = [f"{form}_{kind}" for form in ("csr", "csc", "coo") for kind in ("array", "matrix")]


def dense(shape, share, low=-(2**31), high=2**31):
    matrix = RNG.integers(low, high, shape)
    return np.where(RNG.random(shape) < share, matrix, 0)


@functools.cache
def batch(*shape):
    values = np.random.default_rng(1).integers(-1000, 1000, shape)
    return TOY.encrypt(values), values


def opened(c):
    """The integers, exactly."""
    return np.array(TOY.decrypt(c), object).reshape(c.shape)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_products_are_those_of_the_dense_matrix(form, share):
    for shape in ((9, 5), (1, 7), (40, 1), (30, 30)):
        matrix = dense(shape, share)
        for c, x in (batch(shape[0]), batch(3, shape[0])):
            result = c @ getattr(scipy.sparse, form)(matrix)
            expected = x.astype(object) @ matrix.astype(object)
            assert result.shape == expected.shape
            assert np.array_equal(opened(result), expected)


def test_empty_matrices_and_no_columns():
    c, _ = batch(9)
    assert (c @ scipy.sparse.csr_array((9, 0), dtype=int)).shape == (0,)
    assert (batch(3, 9)[0] @ scipy.sparse.csr_array((9, 0), dtype=int)).shape == (3, 0)
    nothing = c @ scipy.sparse.csr_array((9, 4), dtype=int)
    assert TOY.decrypt(nothing) == [0] * 4
    assert (
        len({*nothing.to_ints(), *(c @ scipy.sparse.csr_array((9, 4), dtype=int)).to_ints()}) == 8
    )
    assert TOY.decrypt(c[:0] @ scipy.sparse.csr_array((0, 2), dtype=int)) == [0, 0]


def test_pieces_give_what_one_piece_gives(monkeypatch):
    matrix = dense((30, 11), 0.5)
    (c, x), (d, y) = batch(30), batch(2, 30)
    whole = c @ scipy.sparse.csr_array(matrix)
    assert np.array_equal(opened(whole), x.astype(object) @ matrix.astype(object))
    for size in (1, 2, 7, 100):
        monkeypatch.setattr(sparse, "_ENTRIES_PER_PIECE", size)
        assert c @ scipy.sparse.csc_array(matrix) == whole
        product = opened(d @ scipy.sparse.coo_array(matrix))
        assert np.array_equal(product, y.astype(object) @ matrix.astype(object))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_entries_of_any_integers(dtype):
    limits = np.iinfo(dtype)
    matrix = np.array([[limits.max, 0], [0, limits.min], [1, 2]], dtype)
    c, x = batch(3)
    assert np.array_equal(
        opened(c @ scipy.sparse.csr_array(matrix)), x.astype(object) @ matrix.astype(object)
    )


def test_entries_stored_twice_add_up_and_stored_zeros_change_nothing():
    c, x = batch(3)
    twice = scipy.sparse.coo_array(([5, 7, 0], ([1, 1, 2], [0, 0, 1])), shape=(3, 2))
    assert TOY.decrypt(c @ twice) == [12 * x[1], 0]
    assert twice.nnz == 3


@pytest.mark.parametrize("dtype", [float, np.float32, complex, bool])
def test_entries_that_are_no_integers_are_refused(dtype):
    cure = "" if dtype is bool else "scale them first"
    with pytest.raises(TypeError, match=f"integers.*{cure}"):
        batch(3)[0] @ scipy.sparse.eye_array(3, dtype=dtype, format="csr")


@pytest.mark.parametrize("shape", [(4, 3), (2, 3), (0, 3)])
def test_shapes_that_do_not_fit_are_refused(shape):
    with pytest.raises(vs.InvalidArgumentError, match="does not fit 3 rows"):
        batch(3)[0] @ scipy.sparse.csr_array(shape, dtype=int)


def test_too_many_columns_and_vectors_are_refused_by_name():
    with pytest.raises(vs.InvalidArgumentError, match=r"at most 2\*\*20 columns"):
        batch(3)[0] @ scipy.sparse.csr_array((3, 2**20 + 1), dtype=int)
    with pytest.raises(vs.InvalidArgumentError, match="does not fit"):
        batch(3)[0] @ scipy.sparse.coo_array(np.array([1, 0, 2]))


@pytest.mark.parametrize("place", ["row", "col"])
@pytest.mark.parametrize("index", [-1, 3])
def test_entries_outside_the_matrix_are_refused(place, index):
    matrix = scipy.sparse.coo_array(np.eye(3, dtype=int))
    getattr(matrix, place)[1] = index
    with pytest.raises(vs.InvalidArgumentError, match="outside it"):
        batch(3)[0] @ matrix


def test_scalars_beyond_the_key_are_refused():
    key = hazmat.secret_key(1009, 1013)
    with pytest.raises(vs.InvalidArgumentError, match="outside"):
        key.encrypt([1, 2]) @ scipy.sparse.csr_array(np.array([[1], [2**40]]))


def test_the_matrix_on_the_left_names_the_transposed():
    matrix = scipy.sparse.csr_array(np.array([[1, 2, 0]]))
    c, x = batch(3)
    with pytest.raises(TypeError, match=r"c @ S\.T"):
        matrix @ c
    assert TOY.decrypt(c @ matrix.T) == (matrix @ x).tolist()


def test_veilsum_does_not_import_scipy():
    code = """
import sys, veilsum as vs
from veilsum import hazmat
c = hazmat.secret_key(5, 7).encrypt([1])
c @ [[2]]
assert "scipy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pieces_of_a_matrix_are_as_small_as_those_of_a_vector(monkeypatch):
    taken = []
    take = vs.Ciphertexts._take

    def counted(self, positions, shape):
        taken.append(positions.size)
        return take(self, positions, shape)

    monkeypatch.setattr(vs.Ciphertexts, "_take", counted)
    monkeypatch.setattr(sparse, "_ENTRIES_PER_PIECE", 12)
    matrix = scipy.sparse.csr_array(np.arange(1, 21).reshape(4, 5))
    values = np.arange(24).reshape(6, 4)
    product = TOY.encrypt(values) @ matrix
    assert TOY.decrypt(product) == (values @ matrix.toarray()).tolist()
    assert max(taken) <= max(12 + 6, values.size, product.size)
