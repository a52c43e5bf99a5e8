"""Every operation equals the reference in Python ints: all key sizes, batch sizes, edge values.

The arithmetic on ciphertexts is deterministic, so most comparisons are of whole ciphertexts.
"""

import functools
import itertools
import random
from typing import Any

import numpy as np
import pytest
import veilsum as vs
from known_keys import KEY_BITS, known_key
from reference import paillier as reference

SMALL = (1, 7, 8, 9)  # around the eight lanes of a vector kernel
CASES: list[Any] = [(bits, size) for bits in (2048, 3072) for size in SMALL]
CASES += [(4096, 1), (4096, 9), *(pytest.param(4096, n, marks=pytest.mark.slow) for n in (7, 8))]
CASES += [(2048, 1000)]
CASES += [pytest.param(bits, 1000, marks=pytest.mark.slow) for bits in (3072, 4096)]
SAMPLE = 2  # how many of a batch are decrypted; all, where decryption is what is tested

every_case = pytest.mark.parametrize(("bits", "size"), CASES)
small_case = pytest.mark.parametrize(
    ("bits", "size"),
    [
        pytest.param(bits, size, marks=[pytest.mark.slow] if size == 1000 or bits == 4096 else [])
        for bits in KEY_BITS
        for size in (*SMALL, 1000)
        if bits == 2048 or size < 1000
    ],
)
every_size = pytest.mark.parametrize("bits", KEY_BITS)


def edges(n):
    half = (n - 1) // 2
    ones = (1 << (n.bit_length() - 2)) - 1
    words = [2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**64 + 1, 2**128 - 1]
    return [half, -half, 0, 1, -1, ones, -ones, *words, *(-word for word in words)]


def plain_values(bits, size, salt):
    """Edge values first, in an order that depends on the case, then random ones of all lengths."""
    n = known_key(bits).n
    rng = random.Random(f"{bits} {size} {salt}")
    values = edges(n)
    rng.shuffle(values)
    for _ in range(max(0, size - len(values))):
        bound = min(n // 2, 1 << rng.randrange(1, bits))
        values.append(rng.randint(-bound, bound))
    return values[:size]


@functools.cache
def batch(bits, size, salt=0):
    """(plaintexts, their ciphertexts, these as integers)."""
    messages = plain_values(bits, size, salt)
    ciphertexts = known_key(bits).secret.encrypt(messages)
    return messages, ciphertexts, ciphertexts.to_ints()


def centred(values, n):
    return [reference.centre(value, n) for value in values]


def assert_opens(ciphertexts, expected, bits):
    """A sample opens to the expected values by veilsum, and one of it by the reference."""
    known = known_key(bits)
    assert len(ciphertexts) == len(expected)
    sample = ciphertexts[-SAMPLE:]
    assert known.secret.decrypt(sample) == expected[-SAMPLE:]
    assert reference.decrypt_crt(sample.to_ints()[-1], known.p, known.q) == expected[-1]


@every_case
def test_public_encrypt_decrypts_in_the_reference(bits, size):
    messages, _, _ = batch(bits, size)
    assert_opens(known_key(bits).public.encrypt(messages), messages, bits)


@every_case
def test_owner_encrypt_decrypts_in_the_reference(bits, size):
    messages, ciphertexts, _ = batch(bits, size)
    assert_opens(ciphertexts, messages, bits)
    assert known_key(bits).secret.decrypt(ciphertexts) == messages


@small_case
def test_pool_encrypt_decrypts_in_the_reference(bits, size):
    messages, _, _ = batch(bits, size)
    public = known_key(bits).public
    pool = public.precompute(size + 1)
    assert_opens(public.encrypt(messages, pool=pool), messages, bits)
    assert len(pool) == 1


@small_case
def test_classic_key_encrypt_decrypts_in_the_reference(bits, size):
    messages, _, _ = batch(bits, size)
    known = known_key(bits)
    ciphertexts = known.classic.encrypt(messages)
    assert len(set(ciphertexts.to_ints())) == size
    assert_opens(vs.Ciphertexts.from_ints(ciphertexts.to_ints(), known.public), messages, bits)
    fresh = ciphertexts.rerandomise()
    assert fresh.to_ints() != ciphertexts.to_ints()
    assert_opens(vs.Ciphertexts.from_ints(fresh.to_ints(), known.public), messages, bits)


@every_size
def test_decrypt_reads_what_the_reference_encrypts(bits):
    known = known_key(bits)
    rng = random.Random(bits)
    messages = edges(known.n)[:2]
    ints = [reference.encrypt(m, rng.randrange(1, known.n), known.n) for m in messages]
    assert known.secret.decrypt(vs.Ciphertexts.from_ints(ints, known.public)) == messages


@every_case
def test_add_and_subtract_match_the_reference(bits, size):
    n = known_key(bits).n
    a, c, c_ints = batch(bits, size)
    b, d, d_ints = batch(bits, size, 1)
    total = c + d
    assert total.to_ints() == [reference.add(x, y, n) for x, y in zip(c_ints, d_ints, strict=True)]
    assert_opens(total, centred((x + y for x, y in zip(a, b, strict=True)), n), bits)
    difference = c - d
    sampled = list(zip(difference.to_ints(), c_ints, d_ints, strict=True))[:20]
    assert all(reference.add(x, z, n) == y for x, y, z in sampled)
    assert_opens(difference, centred((x - y for x, y in zip(a, b, strict=True)), n), bits)
    # A batch of one acts on every element.
    assert (c + d[0]).to_ints()[:20] == [reference.add(x, d_ints[0], n) for x in c_ints[:20]]


@every_case
def test_negate_matches_the_reference(bits, size):
    n = known_key(bits).n
    a, c, c_ints = batch(bits, size)
    negated = -c
    assert all(reference.add(x, y, n) == 1 for x, y in zip(c_ints, negated.to_ints(), strict=True))
    assert_opens(negated, [-x for x in a], bits)


@every_case
def test_plain_addition_matches_the_reference(bits, size):
    n = known_key(bits).n
    a, c, c_ints = batch(bits, size)
    b = plain_values(bits, size, 2)
    pairs = list(zip(c_ints, b, strict=True))
    assert (c + b).to_ints() == [reference.add_plain(x, m, n) for x, m in pairs]
    assert (b + c).to_ints() == (c + b).to_ints()
    assert (c - b).to_ints() == [reference.add_plain(x, -m, n) for x, m in pairs]
    assert_opens(b - c, centred((y - x for x, y in zip(a, b, strict=True)), n), bits)
    assert (c + 7).to_ints() == [reference.add_plain(x, 7, n) for x in c_ints]


@every_case
def test_scalar_multiplication_matches_the_reference(bits, size):
    n = known_key(bits).n
    _, c, c_ints = batch(bits, size)
    rng = random.Random(size)
    short = [rng.randint(-(2**16), 2**16) for _ in range(size)]
    expected = [reference.multiply(x, k, n) for x, k in list(zip(c_ints, short, strict=True))[:20]]
    assert (c * short).to_ints()[:20] == expected
    assert (short * c).to_ints()[:20] == expected
    assert c.multiply_vartime(short).to_ints()[:20] == expected
    positive = [abs(k) for k in short]
    assert c.multiply_vartime(positive).to_ints() == (c * positive).to_ints()
    assert_opens(0 * c, [0] * size, bits)
    assert (c * 1).to_ints() == c_ints


@pytest.mark.parametrize(
    "bits", [2048, *(pytest.param(bits, marks=pytest.mark.slow) for bits in KEY_BITS[1:])]
)
def test_long_scalars_match_the_reference(bits):
    n = known_key(bits).n
    _, c, c_ints = batch(bits, 9)
    scalars = [*edges(n)[:7], n // 3, -(n // 5)]
    for result in (c * scalars, c.multiply_vartime(scalars)):
        pairs = zip(c_ints, scalars, strict=True)
        assert result.to_ints() == [reference.multiply(x, k, n) for x, k in pairs]


@every_size
def test_sums_over_axes_match_the_reference(bits):
    n = known_key(bits).n
    _, c, c_ints = batch(bits, 9)
    matrix = vs.Ciphertexts.from_ints([c_ints[:4], c_ints[4:8]], c.public_key)
    assert matrix.shape == (2, 4)

    def product(values):
        return functools.reduce(lambda x, y: reference.add(x, y, n), values)

    rows = [c_ints[:4], c_ints[4:8]]
    assert matrix.sum(axis=0).to_ints() == [product(pair) for pair in zip(*rows, strict=True)]
    assert matrix.sum(axis=1).to_ints() == matrix.sum(axis=-1).to_ints() == list(map(product, rows))
    assert matrix.sum().to_ints() == [product(c_ints[:8])]
    assert c.sum().to_ints() == c.sum(axis=0).to_ints() == [product(c_ints)]
    assert sum([c, c, c]).to_ints() == [reference.multiply(x, 3, n) for x in c_ints]
    # After additions, elements carry a power of R that a sum must not lose.
    assert (c + c).sum().to_ints() == [reference.multiply(product(c_ints), 2, n)]


def test_sum_of_a_thousand_matches_the_reference():
    n = known_key(2048).n
    a, c, c_ints = batch(2048, 1000)
    expected = functools.reduce(lambda x, y: x * y % (n * n), c_ints)
    assert c.sum().to_ints() == [expected]
    assert_opens(c.sum(), centred([sum(a)], n), 2048)


@every_size
def test_matrix_product_matches_the_reference(bits):
    n = known_key(bits).n
    a, c, c_ints = batch(bits, 7)
    matrix = [[0] * 7, [1, -2, 3, 0, -5, 6, 2**20], list(range(-3, 4))]
    result = np.array(matrix) @ c
    expected = []
    for row in matrix:
        powers = [reference.multiply(x, k, n) for x, k in zip(c_ints, row, strict=True)]
        expected.append(functools.reduce(lambda x, y: reference.add(x, y, n), powers))
    assert result.to_ints() == expected
    assert (np.array(matrix[1]) @ c).to_ints() == (c @ matrix[1]).to_ints() == expected[1:2]
    dots = (sum(x * k for x, k in zip(a, row, strict=True)) for row in matrix)
    assert_opens(result, centred(dots, n), bits)
    assert c.matrix_product_vartime(matrix).to_ints() == expected
    assert c.matrix_product_vartime(np.abs(matrix)) == np.abs(matrix) @ c
    # After additions, elements carry a power of R that products must not lose.
    assert np.array(matrix) @ (c + c) == 2 * (np.array(matrix) @ c)


@pytest.mark.parametrize(
    ("shape", "num_columns"),
    [((2, 3), 1), ((2, 3), 4), ((3,), 4), ((1, 1), 9), ((1, 300), 1), ((40, 2), 3), ((0, 3), 2)],
)
def test_matrix_products_follow_numpy(shape, num_columns):
    known = known_key(2048)
    rng = np.random.default_rng(7)
    weights = rng.integers(-(2**15), 2**15, shape)
    values = rng.integers(-(2**31), 2**31, (shape[-1], num_columns))
    c = known.secret.encrypt(values)
    for matrix in (weights, np.abs(weights), weights.tolist()):
        expected = np.array(matrix, dtype=np.int64).reshape(shape) @ values
        product = np.array(matrix, dtype=np.int64).reshape(shape) @ c
        assert product.shape == expected.shape
        assert known.secret.decrypt_int64(product).tolist() == expected.tolist()
    turned = known.secret.encrypt(values.T)
    assert (
        known.secret.decrypt_int64(turned @ weights.T).tolist() == (values.T @ weights.T).tolist()
    )
    vector = known.secret.encrypt(values[:, 0])
    assert (
        known.secret.decrypt_int64(vector @ weights.T).tolist()
        == np.atleast_1d(values[:, 0] @ weights.T).tolist()
    )


def test_matrix_product_of_extreme_weights_matches_the_reference():
    n = known_key(2048).n
    _, c, c_ints = batch(2048, 9)
    for row in ([-(2**63)] * 9, [2**63 - 1, -(2**63), 0] * 3, edges(n)[:9], [-1] * 9, [0] * 9):
        powers = [reference.multiply(x, k, n) for x, k in zip(c_ints, row, strict=True)]
        expected = [functools.reduce(lambda x, y: reference.add(x, y, n), powers)]
        assert (row @ c).to_ints() == c.matrix_product_vartime(row).to_ints() == expected


def test_matrix_products_of_any_number_of_threads_agree():
    _, c, _ = batch(2048, 1000)
    matrix = np.random.default_rng(1).integers(-(2**15), 2**15, (70, 1000))
    row = matrix[-1]
    product = matrix @ c
    assert product[-1] == row @ c
    assert c.matrix_product_vartime(matrix) == product


@small_case
def test_rerandomise_changes_every_ciphertext_and_no_value(bits, size):
    a, c, c_ints = batch(bits, size)
    fresh = c.rerandomise()
    assert not set(fresh.to_ints()) & set(c_ints)
    assert_opens(fresh, a, bits)


@every_case
def test_slices_and_concatenation_take_the_right_elements(bits, size):
    _, c, c_ints = batch(bits, size)
    doubled = c + c  # another power of R than c
    doubled_ints = doubled.to_ints()
    assert c[1:].to_ints() == c_ints[1:]
    assert c[-1].to_ints() == c_ints[-1:]
    assert doubled[::-1].to_ints() == doubled_ints[::-1]
    assert vs.Ciphertexts.concatenate([c, doubled, c[:1]]).to_ints() == [
        *c_ints,
        *doubled_ints,
        c_ints[0],
    ]
    assert c[[0, 0, -1]].to_ints() == [c_ints[0], c_ints[0], c_ints[-1]]


@every_size
def test_matrix_slices_take_the_right_elements(bits):
    _, c, c_ints = batch(bits, 8)
    table = np.array(c_ints, dtype=object).reshape(2, 4)
    matrix = vs.Ciphertexts.from_ints(table.tolist(), c.public_key)
    for where in itertools.product([0, 1, slice(None), slice(1, None)], [2, slice(None, None, -2)]):
        expected = table[where]
        wanted = expected.tolist() if isinstance(expected, np.ndarray) else [expected]
        assert matrix[where].to_ints() == wanted
    stacked = vs.Ciphertexts.concatenate([matrix, matrix[1:]])
    assert stacked.shape == (3, 4)
    assert stacked.to_ints() == [*table.tolist(), table[1].tolist()]


@every_case
def test_wire_bytes_are_the_digits_of_the_reference(bits, size):
    n = known_key(bits).n
    _, c, c_ints = batch(bits, size)
    for ciphertexts in (c, c + c):
        wire = ciphertexts.to_bytes()
        assert wire == reference.ciphertexts_wire(ciphertexts.to_ints(), (size,), n, is_djn=True)
        back = vs.Ciphertexts.from_bytes(wire, c.public_key)
        assert back.to_ints() == ciphertexts.to_ints()
        assert back == ciphertexts
    assert vs.Ciphertexts.from_ints(c_ints, c.public_key).to_bytes() == c.to_bytes()


@every_size
def test_broadcasting_follows_numpy(bits):
    known = known_key(bits)
    a = np.array([[1, -2, 3], [40, 50, -60]])
    c = known.secret.encrypt(a)

    def opened(ciphertexts):
        return known.secret.decrypt_int64(ciphertexts).tolist()

    row, column = np.array([10, 20, 30], dtype=np.uint8), np.array([[2], [-3]])
    assert opened(c + row) == (a + row).tolist()
    assert opened(c * column) == (a * column).tolist()
    assert opened(column - c) == (column - a).tolist()
    vector = c[0]
    assert opened(vector + column) == (a[0] + column).tolist()
    assert opened(np.int64(-4) * vector) == (-4 * a[0]).tolist()
