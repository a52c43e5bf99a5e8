"""Ciphertexts in other shapes: reshape and boolean indices, by numpy's rules."""

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key

KEY = known_key(2048)
VALUES = np.arange(12)
C = KEY.secret.encrypt(VALUES)


@pytest.mark.parametrize(
    "shape",
    [(12,), (3, 4), (4, 3), (12, 1), (1, 12), (-1,), (3, -1), (-1, 6), (np.int32(2), np.uint8(6))],
)
def test_reshape_is_that_of_numpy(shape):
    for batch, values in ((C, VALUES), (C.reshape(6, 2), VALUES.reshape(6, 2))):
        for result in (batch.reshape(*shape), batch.reshape(shape), batch.reshape(list(shape))):
            assert result.shape == values.reshape(shape).shape
            assert result.reshape(-1) == C
    assert KEY.secret.decrypt(C.reshape(3, -1)) == VALUES.reshape(3, -1).tolist()


def test_reshape_of_a_sum_and_of_nothing():
    total = C + C
    assert KEY.secret.decrypt(total.reshape(2, 6)) == (2 * VALUES).reshape(2, 6).tolist()
    assert C[:0].reshape(0, 5).shape == (0, 5)
    assert C[:0].reshape(5, -1).shape == (5, 0)


@pytest.mark.parametrize(
    "shape",
    [(5,), (3, 5), (-1, -1), (-2, 6), (5, -1), (0, -1), (-12, -1), (2**70,), (2**63, 2**63)],
)
def test_a_reshape_that_does_not_fit_is_refused(shape):
    with pytest.raises(
        vs.InvalidArgumentError, match=r"12 ciphertexts do not fit the shape|at most 2"
    ):
        C.reshape(*shape)


@pytest.mark.parametrize("shape", [(), (2, 3, 2), (1, 1, 12), ((),)])
def test_a_reshape_to_other_dimensions_is_refused(shape):
    with pytest.raises(vs.InvalidArgumentError, match="one or two lengths"):
        C.reshape(*shape)


@pytest.mark.parametrize("shape", [(12.0,), (True, 12), ("12",), (None,), ([3, 4.0],), ([[12]],)])
def test_lengths_are_ints(shape):
    with pytest.raises(TypeError, match="shape"):
        C.reshape(*shape)


def test_boolean_indices_are_those_of_numpy():
    matrix, values = C.reshape(3, 4), VALUES.reshape(3, 4)
    rows, columns = np.array([True, False, True]), np.array([False, True, True, True])
    for index in (
        rows,
        values > 4,
        (rows, slice(None)),
        (slice(None), columns),
        (rows, 1),
        (1, columns),
        np.ix_(rows, columns),
        (rows, [0, 1]),
        rows.tolist(),
        np.zeros((3, 4), bool),
    ):
        expected = values[index]
        assert matrix[index].shape == expected.shape
        assert np.array(KEY.secret.decrypt(matrix[index])).tolist() == expected.tolist()
    assert KEY.secret.decrypt(C[VALUES % 3 == 0]) == [0, 3, 6, 9]


@pytest.mark.parametrize(
    "index", [np.ones(11, bool), np.ones(13, bool), np.ones((3, 4), bool), [True] * 5]
)
def test_boolean_indices_of_another_length_are_refused(index):
    with pytest.raises(IndexError):
        C[index]


@pytest.mark.parametrize(
    ("left", "right"),
    [((1, 1), (1,)), ((1, 1), (3,)), ((1, 1), (2, 3)), ((1,), (3, 1)), ((1,), (4,))],
)
def test_a_sum_with_one_number_has_numpys_shape(left, right):
    a, b = np.ones(left, np.int64), np.arange(np.prod(right)).reshape(right)
    for x, y in ((a, b), (b, a)):
        found = KEY.secret.encrypt(x) + KEY.secret.encrypt(y)
        assert found.shape == (x + y).shape
        assert KEY.secret.decrypt(found) == (x + y).tolist()
        assert (KEY.secret.encrypt(x) - KEY.secret.encrypt(y)).shape == (x + y).shape
