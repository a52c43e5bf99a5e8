"""Sums of groups equal the products of their ciphertexts; what is no group is refused."""

import functools
import os
import random
import subprocess
import sys
from math import gcd

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from reference import paillier as reference
from veilsum import hazmat

KEY = known_key(2048)
TOY = hazmat.secret_key(1000003, 999983)
TOY_N = TOY.public_key.n
RNG = np.random.default_rng(int(os.environ.get("VEILSUM_TEST_SEED", "5")))


@functools.cache
def toy_batch(num_rows, num_columns=None):
    """Ciphertexts whose exponent is that of a sum, and their integers."""
    rng = random.Random(num_rows)
    units = [u for u in (rng.randrange(1, TOY_N**2) for _ in range(2 * num_rows + 8))]
    units = [u for u in units if gcd(u, TOY_N) == 1]
    shape = (num_rows,) if num_columns is None else (num_rows, num_columns)
    size = int(np.prod(shape))
    values = [units[i % len(units)] for i in range(size)]
    flat = vs.Ciphertexts.from_ints(values, TOY.public_key) if size else empty(TOY)
    total = flat + flat
    doubled = [reference.add(x, x, TOY_N) for x in values]
    return total[np.arange(size).reshape(shape)], np.array(doubled, object).reshape(shape)


def empty(secret):
    return secret.public_key.encrypt([0])[[]]


def product(values, n=TOY_N):
    return functools.reduce(lambda a, b: reference.add(a, b, n), values)


def assert_sums(result, integers, groups, num_groups, where=None, key=TOY):
    """Group by group: the product of its ciphertexts, or an encryption of 0 that shows nothing."""
    assert result.shape == (num_groups, *integers.shape[1:])
    found = np.array(result.to_ints(), object).reshape(result.shape)
    opened = np.array(key.decrypt(result)).reshape(result.shape)
    counts = np.ones(len(integers), bool) if where is None else np.asarray(where)
    for group in range(num_groups):
        members = integers[(np.asarray(groups) == group) & counts]
        for column in np.ndindex(integers.shape[1:]):
            if len(members):
                expected = product([x[column] if column else x for x in members])
                assert found[(group, *column)] == expected, (group, column)
            else:
                assert opened[(group, *column)] == 0
                assert found[(group, *column)] != 1


# Around lanes of 4 and 8, lists of 256 terms, and pieces of 4096 labels.
@pytest.mark.parametrize("num_rows", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 255, 256, 257, 1031, 4099])
@pytest.mark.parametrize("num_groups", [1, 2, 7, 40])
def test_groups_of_a_vector(num_rows, num_groups):
    c, integers = toy_batch(num_rows)
    groups = RNG.integers(0, num_groups, num_rows)
    assert_sums(c.group_sum(groups, num_groups), integers, groups, num_groups)


@pytest.mark.parametrize("kind", ["all in the last", "one each", "skewed", "sorted", "of two"])
def test_groups_of_unequal_sizes(kind):
    num_rows, num_groups = 700, 900
    c, integers = toy_batch(num_rows)
    groups = {
        "all in the last": np.full(num_rows, num_groups - 1),
        "one each": RNG.permutation(num_groups)[:num_rows],
        "skewed": np.minimum(RNG.geometric(0.3, num_rows) - 1, num_groups - 1),
        "sorted": np.sort(RNG.integers(0, 3, num_rows)),
        "of two": np.repeat(np.arange(num_rows // 2), 2),
    }[kind]
    assert_sums(c.group_sum(groups, num_groups), integers, groups, num_groups)


@pytest.mark.parametrize("shape", [(1, 1), (9, 3), (300, 5), (40, 9), (0, 3), (5, 0)])
def test_groups_of_a_matrix(shape):
    c, integers = toy_batch(*shape)
    groups = RNG.integers(0, 6, shape[0])
    result = c.group_sum(groups, 6)
    assert result.shape == (6, shape[1])
    if shape[1]:
        assert_sums(result, integers, groups, 6)


@pytest.mark.parametrize("num_groupings", [1, 2, 10])
def test_groupings_are_the_columns_one_by_one(num_groupings):
    c, integers = toy_batch(333)
    groups = RNG.integers(0, 32, (333, num_groupings))
    where = RNG.random((333, num_groupings)) < 0.7
    result = c.group_sum(groups, 32, where=where)
    assert result.shape == (num_groupings, 32)
    for f in range(num_groupings):
        assert_sums(result[f], integers, groups[:, f], 32, where[:, f])


def test_no_groupings_give_no_sums():
    c, _ = toy_batch(9)
    assert c.group_sum(np.zeros((9, 0), int), 4).shape == (0, 4)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_where_leaves_rows_out(share):
    c, integers = toy_batch(257)
    groups, where = RNG.integers(0, 5, 257), RNG.random(257) < share
    assert_sums(c.group_sum(groups, 5, where=where), integers, groups, 5, where)
    both = c.group_sum(np.stack([groups, groups], axis=1), 5, where=where)
    for f in range(2):
        assert_sums(both[f], integers, groups, 5, where)


def test_what_is_left_out_may_have_no_group():
    c, integers = toy_batch(9)
    groups = np.array([0, -1, 2, 99, 1, -(2**63), 2, 2**63 - 1, 0])
    where = (groups >= 0) & (groups < 3)
    assert_sums(c.group_sum(groups, 3, where=where), integers, groups, 3, where)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64, ">i4", "list"])
def test_groups_of_any_integers(dtype):
    c, integers = toy_batch(31)
    groups = [i % 5 for i in range(31)]
    given = groups if dtype == "list" else np.array(groups, dtype)
    assert_sums(c.group_sum(given, 5, where=[True] * 31), integers, groups, 5)
    strided = np.repeat(np.array(groups), 3)[::3]
    assert_sums(c.group_sum(strided, np.int16(5)), integers, groups, 5)


def test_a_batch_of_any_exponent():
    c, _ = toy_batch(31)
    groups = [i % 3 for i in range(31)]
    for batch in (c, c.sum() + c, -(c + c), c * 3, np.eye(31, dtype=int) @ c):
        integers = np.array(batch.to_ints(), object)
        assert_sums(batch.group_sum(groups, 3), integers, groups, 3)


def test_groups_under_a_real_key_open_to_the_histogram():
    values = RNG.integers(-1000, 1000, 300)
    groups = RNG.integers(0, 16, (300, 3))
    c = KEY.secret.encrypt(values)
    result = KEY.secret.decrypt_int64(c.group_sum(groups, 16))
    expected = [[values[groups[:, f] == g].sum() for g in range(16)] for f in range(3)]
    assert result.tolist() == expected
    of_modulus = vs.Ciphertexts.from_bytes(c.to_bytes(), KEY.classic).group_sum(groups[:, 0], 16)
    assert KEY.secret.decrypt(of_modulus) == expected[0]


def test_empty_groups_are_fresh():
    c, _ = toy_batch(9)
    results = [c.group_sum([0] * 9, 40).to_ints()[1:] for _ in range(2)]
    assert len({*results[0], *results[1]}) == 78
    assert TOY.decrypt(vs.Ciphertexts.from_ints(results[0], TOY.public_key)) == [0] * 39


def test_threads_and_kernels_give_the_same_sums():
    """In processes of their own, which read the number of threads once."""
    script = """
import hashlib, numpy as np, veilsum as vs
from veilsum import hazmat
key = hazmat.secret_key((1 << 89) - 1, (1 << 521) - 1)
c = hazmat.encrypt(key.public_key, list(range(1, 3001)), [i + 2 for i in range(3000)])
groups = np.random.default_rng(1).geometric(0.2, (3000, 2)) % 11
total = c.group_sum(groups, 11)
print(hashlib.sha256(total.to_bytes()).hexdigest(), key.decrypt(total)[0][:3])
"""
    found = set()
    for threads in ("1", "2", "5"):
        for kernel in {"portable", vs.cpu()["kernel"]}:
            environment = {
                **os.environ,
                "VEILSUM_NUM_THREADS": threads,
                "VEILSUM_ISA": kernel,
            }
            command = [sys.executable, "-c", script]
            ran = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert ran.returncode == 0, ran.stderr
            found.add(ran.stdout)
    assert len(found) == 1


# ---- what is refused ----


@pytest.mark.parametrize("group", [-1, 4, 2**31, 2**32, 2**63 - 1, -(2**63), np.uint64(2**63)])
def test_a_group_that_there_is_not_is_refused(group):
    c, _ = toy_batch(9)
    groups = np.zeros(9, type(group) if isinstance(group, np.generic) else np.int64)
    groups[7] = group
    with pytest.raises(
        vs.InvalidArgumentError, match="group of row 7 must be at least 0 and below"
    ):
        c.group_sum(groups, 4)
    with pytest.raises(vs.InvalidArgumentError, match="row 7 in grouping 1"):
        c.group_sum(np.stack([np.zeros_like(groups), groups], axis=1), 4)


@pytest.mark.parametrize(
    ("groups", "where"),
    [
        (np.zeros(9), None),
        ([0.0] * 9, None),
        ([True] * 9, None),
        (["a"] * 9, None),
        (np.zeros(9, object), None),
        (np.ma.masked_array(np.zeros(9, int), mask=[1] * 9), None),
        (None, None),
        (np.zeros(9, int), np.ones(9, int)),
        (np.zeros(9, int), [1.0] * 9),
        (np.zeros(9, int), np.ma.masked_array(np.ones(9, bool), mask=[1] * 9)),
    ],
)
def test_what_is_no_group_is_a_type_error(groups, where):
    c, _ = toy_batch(9)
    with pytest.raises(TypeError, match=r"groups|where"):
        c.group_sum(groups, 4, where=where)


@pytest.mark.parametrize(
    ("groups", "where", "message"),
    [
        (np.zeros(8, int), None, "groups have the shape"),
        (np.zeros((1, 9), int), None, "groups have the shape"),
        (np.zeros((9, 1, 1), int), None, "groups have the shape"),
        (np.int64(0), None, "groups have the shape"),
        ([], None, "groups have the shape"),
        ([[0], [0, 1]], None, "must form an array"),
        (np.zeros(9, int), np.ones(8, bool), "where has the shape"),
        (np.zeros(9, int), np.ones((9, 1), bool), "where has the shape"),
        (np.zeros((9, 2), int), np.ones((9, 3), bool), "where has the shape"),
        (np.zeros((9, 2), int), np.ones((2, 9), bool), "where has the shape"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(groups, where, message):
    c, _ = toy_batch(9)
    with pytest.raises(vs.InvalidArgumentError, match=message):
        c.group_sum(groups, 4, where=where)


def test_groupings_of_a_matrix_are_refused_by_name():
    c, _ = toy_batch(9, 3)
    with pytest.raises(vs.InvalidArgumentError, match=r"three dimensions.*groups\[:, f\]"):
        c.group_sum(np.zeros((9, 2), int), 4)


def test_numbers_of_groups_have_bounds():
    c, _ = toy_batch(9)
    for wrong in (0, -1, 2**20 + 1, 2**70):
        with pytest.raises(vs.InvalidArgumentError, match="num_groups"):
            c.group_sum([0] * 9, wrong)
    for wrong in (1.0, True, None, "4"):
        with pytest.raises(TypeError, match="num_groups"):
            c.group_sum([0] * 9, wrong)
    with pytest.raises(vs.InvalidArgumentError, match=r"at most 2\^24 ciphertexts"):
        c.group_sum(np.zeros((9, 17), int), 2**20)
    with pytest.raises(vs.InvalidArgumentError, match=r"at most 2\^24 ciphertexts"):
        empty(TOY).group_sum(np.zeros((0, 2**40), int), 2)
    with pytest.raises(TypeError):
        c.group_sum([0] * 9, 4, None)


@pytest.mark.parametrize(
    "call",
    [lambda c: np.bincount(c), lambda c: np.histogram(c), lambda c: np.bincount([0] * 9, c)],
)
def test_numpy_names_group_sum(call):
    with pytest.raises(TypeError, match="group_sum"):
        call(toy_batch(9)[0])
