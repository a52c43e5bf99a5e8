"""The bounds of docs/kernels.md close: exact fractions at the worst case, and the formulas played.

Notation as there: n odd, R > 16n, a number modulo n^2 is x0 + x1*n. Digits are bounded in units of
n, the second digit w of a chain in units of R.
"""

import itertools
import random
import re
from fractions import Fraction
from pathlib import Path

import pytest

BIGINT = Path(__file__).resolve().parent.parent / "cpp" / "veilsum" / "bigint"

X0, X1 = Fraction("1.4"), Fraction("2.5")  # digits between operations
P, W = Fraction("1.1"), Fraction("2.6")  # of a chain: first digits in units of n, w in units of R
RHO = Fraction(1, 16)  # n/R; every bound grows with it
SMALLEST_N = 3
MAX_KEY_BITS = 16384
SMALLEST_WINDOW = 6


def constant(file, name):
    return int(re.search(rf"{name} = (\d+);", (BIGINT / file).read_text())[1])


@pytest.fixture(params=["ifma", "avx2"])
def simd(request):
    """(radix in bits, limbs in a block, products a column holds) of a vector kernel."""
    file = f"kernel_{request.param}.cpp"
    return tuple(constant(file, name) for name in ("kRadixBits", "kBlock", "kMaxProducts"))


def test_spare_bits_make_r_sixteen_times_n():
    assert Fraction(1, 1 << constant("steps_simd.hpp", "kSpareBits")) == RHO


# ---- digits, as fractions ----


def reduced(T):
    """A bound of (T + q*n)/R in units of n, from one of T in units of R*n, as q < R."""
    return T + 1


def test_product_and_square_keep_their_bounds():
    assert reduced(X0 * X0 * RHO) < Fraction("1.13") < X0
    # U = x0*y1 + x1*y0 + R - q is at most the products and R; R/R = 1 goes with the -1 of n - 1.
    assert reduced(2 * X0 * X1 * RHO) + 1 < Fraction("2.44") < X1
    # 2*x0 of a square, x0 and x1 have h limbs.
    assert max(2 * X0, X1) * RHO < 1


def test_adding_a_plaintext_keeps_the_bounds():
    m = reduced(RHO)  # m*R from m < n and R^2 mod n < n
    assert reduced(m * RHO) + 1 < X1  # x0*m + x1, x canonical


def test_canonical_digits_are_few_subtractions_away():
    assert X0 < 2
    # x1 takes in the n that x0 loses.
    assert X1 + Fraction(1, SMALLEST_N) < 3


def test_chain_keeps_its_bounds():
    p = reduced(RHO)  # from two entries below n
    assert p < P
    assert reduced(P * p * RHO) < P  # t*p
    # w' = (w*p + t*c(q1) + t + q'*n)/R + c(t) + c(q2) + (2 - 2R mod n); the constant is at most 2n.
    assert RHO * (W * p + P + 1) + 2 + 2 * RHO < W
    # The part of w above h limbs, times a limb of p, is less than one limb at p's top.
    assert int(W) * P * RHO < 1


def test_chain_ends_within_the_bounds_of_digits(simd):
    radix, block, _ = simd
    # As many entries as a column of L holds, and the smallest R.
    L = reduced(Fraction(1 << (64 - radix), 1 << radix * block))
    # w < 2.6R counts 2.6 after the division by R, whatever n is.
    assert reduced(P * L * RHO) + W / SMALLEST_N < X1
    assert P < X0


# ---- columns ----


def test_columns_hold_their_products(simd):
    radix, block, max_products = simd
    limb = (1 << radix) - 1
    # A product adds a low and a high half to a column, or, where it fits, all of it.
    product = 2 * limb if 2 * radix > 64 else limb * limb
    few_limbs_and_carries = 8 * limb + (2 << (64 - radix))
    assert max_products * product + few_limbs_and_carries < 1 << 64
    # What relief leaves counts as one product; a row brings three to U.
    assert (1 << radix) + (1 << (64 - radix)) <= product
    rows = (max_products - 1) // (3 * block) * block
    assert rows > 0
    assert 3 * rows + 1 <= max_products


def test_columns_hold_the_sum_of_a_chain(simd):
    radix = simd[0]
    # A row for each window of an exponent of half the key's length, made odd.
    num_rows = (MAX_KEY_BITS // 2 + SMALLEST_WINDOW - 1) // SMALLEST_WINDOW | 1
    assert num_rows * ((1 << radix) - 1) < 1 << 64


# ---- the formulas, played on integers ----


class Digits:
    """The operations of engine_simd.hpp and chains_simd.hpp, on one number."""

    def __init__(self, n):
        self.n = n
        self.R = 1 << (16 * n).bit_length()
        self.k = -pow(n, -1, self.R) % self.R
        self.constant = 2 * (self.n - self.R % self.n) + 2

    def reduce(self, T):
        q = T * self.k % self.R
        assert (T + q * self.n) % self.R == 0
        return (T + q * self.n) // self.R, q

    def complement(self, x):
        assert 0 <= x < self.R
        return self.R - 1 - x

    def product(self, x, y):
        t, q = self.reduce(x[0] * y[0])
        u, _ = self.reduce(x[0] * y[1] + x[1] * y[0] + self.complement(q) + 1)
        return t, u + self.n - 1

    def chain_step(self, t, w, a0, b0):
        p, q1 = self.reduce(a0 * b0)
        new_t, q2 = self.reduce(t * p)
        u, _ = self.reduce(w * p + t * self.complement(q1) + t + self.complement(t) * self.R)
        return new_t, u + self.complement(q2) + self.constant


MODULI = [3, 5, 15, 35, 77, 127, 1001, 2**61 - 1, 2**89 - 1, (2**61 - 1) * (2**31 - 1)]


def values_below(bound, rng):
    """Zero, the largest, and some between."""
    largest = -(-bound.numerator // bound.denominator) - 1
    return [0, largest, *(rng.randint(0, largest) for _ in range(3))]


@pytest.mark.parametrize("n", MODULI)
def test_product_is_right_and_within_bounds(n):
    d = Digits(n)
    rng = random.Random(n)
    r_inverse = pow(d.R, -1, n * n)
    digits = list(itertools.product(values_below(X0 * n, rng), values_below(X1 * n, rng)))
    for x, y in itertools.product(digits, repeat=2):
        t, u = d.product(x, y)
        assert (t + u * n - (x[0] + x[1] * n) * (y[0] + y[1] * n) * r_inverse) % (n * n) == 0
        assert 0 <= t < X0 * n
        assert 0 <= u < X1 * n


@pytest.mark.parametrize("n", MODULI)
def test_chain_step_is_right_and_within_bounds(n):
    d = Digits(n)
    rng = random.Random(n)
    r_inverse = pow(d.R, -1, n * n)

    def number(t, L, w):
        return (t * (1 + L * n) + n * w * r_inverse) % (n * n)

    firsts = values_below(P * n, rng)
    seconds = values_below(W * d.R, rng)
    entries = values_below(Fraction(n), rng)
    for t, w, a0, b0 in itertools.product(firsts, seconds, entries, entries):
        new_t, new_w = d.chain_step(t, w, a0, b0)
        L, la, lb = (rng.randrange(n) for _ in range(3))
        pair = a0 * (1 + la * n) * b0 * (1 + lb * n)
        expected = number(t, L, w) * pair * r_inverse**2 % (n * n)
        assert number(new_t, L + la + lb, new_w) == expected
        assert 0 <= new_t < P * n
        assert 0 <= new_w < W * d.R
