"""Samples against the exact distributions, computed with mpmath.

Each comparison is wrong with probability ALPHA if the sampler is right. SIZE samples show a scale
that is wrong by 1 % in their variance and by 2 % in any bin test; SLOW_SIZE samples show 0.4 %.
"""

from functools import cache

import mpmath
import numpy as np
import pytest
import scipy.stats
from veilsum import noise

ALPHA = 1e-9
SIZE = 1_000_000
SLOW_SIZE = 20_000_000
MIN_EXPECTED = 25
# 0.3 to 7.9 have one-integer strips; 16, 262144 and 2**40 start a strip size, 7.9999 and 524287.9
# end one; from 2**19 (Gaussian) and 2**18 (Laplace) on the wide stream layout is used.
SCALES = [0.3, 0.7, 1.0, 2.5, 3.9, 7.9999, 16.0, 1000.7, 262144.0, 524287.9, 2.0e6, 2.0**40]
KINDS = ["gaussian", "laplace"]

mpmath.mp.dps = 30


def draw(kind, scale, size, **options):
    return getattr(noise, f"discrete_{kind}")(scale, size, **options)


def strip_width(kind, scale):
    """The sampler's strip width: test bins line up with it, so a wrong strip cannot hide."""
    per_scale = 4 if kind == "gaussian" else 2
    width = 1
    while scale / (2 * width) >= per_scale:
        width *= 2
    return width


class Exact:
    """The target distribution, to about 25 digits."""

    def __init__(self, kind, scale):
        self.kind = kind
        self.scale = mpmath.mpf(scale)
        self.is_large = scale > 30
        # Only 0 < sum < infinity matters: beyond 45 Laplace scales the mass is below 1e-19.
        self.total = 2 * self.weight(0, None) - 1

    def one(self, z):
        """exp(-phi(z))."""
        z = mpmath.mpf(z)
        if self.kind == "gaussian":
            return mpmath.exp(-(z**2) / (2 * self.scale**2))
        return mpmath.exp(-z / self.scale)

    def weight(self, begin, end):
        """The sum of exp(-phi) over begin <= z < end, 0 <= begin; end None is infinity."""
        if self.kind == "laplace":
            far = 0 if end is None else self.one(end)
            return (self.one(begin) - far) / -mpmath.expm1(-1 / self.scale)
        if not self.is_large:
            last = int(60 * self.scale) + 2 if end is None else end
            return mpmath.fsum(self.one(z) for z in range(begin, last))
        # Euler-Maclaurin; the next term is below 1e-3 / scale**5.
        root = self.scale * mpmath.sqrt(2)
        far = 0 if end is None else mpmath.erfc(end / root)
        integral = self.scale * mpmath.sqrt(mpmath.pi / 2) * (mpmath.erfc(begin / root) - far)
        ends = [(begin, 1)] if end is None else [(begin, 1), (end, -1)]
        for z, sign in ends:
            slope = -mpmath.mpf(z) / self.scale**2
            first = slope * self.one(z)
            third = (slope**3 - 3 * slope / self.scale**2) * self.one(z)
            integral += sign * (self.one(z) / 2 - first / 12 + third / 720)
        return integral


@cache
def bins(kind, scale, size):
    """Borders of |z| (half-strip bins, merged while too little is expected) and probabilities.

    Bin 0 is z = 0 alone where that is expected often enough; the last bin is the tail.
    """
    exact = Exact(kind, scale)
    step = max(1, strip_width(kind, scale) // 2)
    borders, masses = [0], []
    edges = [1, *range(step, 200 * step, step)] if step > 1 else list(range(1, 200))
    remaining = mpmath.mpf(1)
    for edge in edges:
        fold = exact.weight(borders[-1], edge) * 2 / exact.total
        if borders[-1] == 0:
            fold -= 1 / exact.total
        if fold * size >= MIN_EXPECTED and (remaining - fold) * size >= MIN_EXPECTED:
            borders.append(edge)
            masses.append(fold)
            remaining -= fold
    masses.append(remaining)
    assert len(masses) >= 2
    return np.array(borders[1:], dtype=np.int64), np.array([float(mass) for mass in masses])


def assert_fits(counts, probabilities):
    expected = counts.sum() * probabilities
    chi2 = ((counts - expected) ** 2 / expected).sum()
    p_value = scipy.stats.chi2.sf(chi2, len(counts) - 1)
    assert p_value > ALPHA, f"chi2 = {chi2:.1f} with {len(counts) - 1} degrees of freedom"


def check_magnitudes(kind, scale, size):
    borders, masses = bins(kind, scale, size)
    sample = np.abs(draw(kind, scale, size))
    assert_fits(
        np.bincount(np.searchsorted(borders, sample, side="right"), minlength=len(masses)), masses
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", SCALES)
def test_magnitudes_follow_the_exact_distribution(kind, scale):
    check_magnitudes(kind, scale, SIZE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", SCALES)
def test_magnitudes_follow_the_exact_distribution_closely(kind, scale):
    check_magnitudes(kind, scale, SLOW_SIZE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 2.0])
def test_small_scales_follow_the_exact_pmf_sign_by_sign(kind, scale):
    exact = Exact(kind, scale)
    reach = 0
    while exact.one(reach + 1) / exact.total * SIZE >= MIN_EXPECTED:
        reach += 1
    masses = [float(exact.one(abs(z)) / exact.total) for z in range(-reach, reach + 1)]
    beyond = 1 - sum(masses)
    sample = np.clip(draw(kind, scale, SIZE, dtype=np.int32), -reach - 1, reach + 1)
    counts = np.bincount(sample + reach + 1, minlength=2 * reach + 3)
    # Both ends in one bin: it may hold little, but no more than its share with some leeway.
    assert scipy.stats.binom.sf(counts[0] + counts[-1] - 1, SIZE, beyond) > ALPHA
    assert_fits(counts[1:-1], np.array(masses) / sum(masses))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1.0, 5.3, 1000.7, 2.0**40])
def test_signs_are_fair_and_moments_right(kind, scale):
    sample = draw(kind, scale, SIZE)
    num_plus, num_minus = np.count_nonzero(sample > 0), np.count_nonzero(sample < 0)
    assert scipy.stats.binomtest(num_plus, num_plus + num_minus).pvalue > ALPHA
    exact = Exact(kind, scale)
    if kind == "gaussian":
        variance, kurtosis = scale**2, 3.0  # To nine digits from sigma = 1 on.
    else:
        q = mpmath.exp(-1 / exact.scale)
        variance = float(2 * q / (1 - q) ** 2)
        kurtosis = 6.0 + 1 / variance
    scaled = sample / np.sqrt(variance)
    num_deviations = scipy.stats.norm.isf(ALPHA / 2)
    assert abs(scaled.mean()) < num_deviations / np.sqrt(SIZE)
    square_deviation = np.sqrt((kurtosis - 1) / SIZE)
    assert abs((scaled**2).mean() - 1) < num_deviations * square_deviation


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [300.0, 1000.7, 2.0e6, 2.0**33 + 0.3, 2.0**40])
def test_low_and_middle_bits_are_uniform(kind, scale):
    # Residues of a distribution this wide are uniform: to 1e-18 for the Gaussian (mod 64), and for
    # Laplace on |z|, whose density falls by a factor exp(-1/scale) a step.
    sample = draw(kind, scale, SIZE)
    low = np.bincount(sample & 15, minlength=16)
    if kind == "laplace":
        # Two-sided: sum over z = r mod 16 of q^|z| is (q^r + q^(16 - r)) / (1 - q^16), 0 < r < 16.
        q = np.exp(-1 / scale)
        residue = np.arange(16)
        masses = (1 - q) / (1 + q) * (q**residue + q ** (16 - residue)) / -np.expm1(-16 / scale)
        assert_fits(low, masses / masses.sum())
    else:
        assert_fits(low, np.full(16, 1 / 16))
    width = strip_width(kind, scale)
    if width >= 2**12:
        # Bits well below the strip width, above the lowest 16: they cross the words of the stream.
        for shift in range(width.bit_length() - 8, 3, -4):
            assert_fits(np.bincount(sample >> shift & 15, minlength=16), np.full(16, 1 / 16))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1.0, 1000.7, 2.0**40])
def test_neighbours_are_independent(kind, scale):
    sample = draw(kind, scale, SIZE)
    _, classes = np.unique(
        np.digitize(sample, np.quantile(sample, np.linspace(0, 1, 9)[1:-1])), return_inverse=True
    )
    for lag in (1, 2, 16):
        table = np.zeros((classes.max() + 1,) * 2)
        np.add.at(table, (classes[:-lag], classes[lag:]), 1)
        assert scipy.stats.chi2_contingency(table).pvalue > ALPHA


@pytest.mark.parametrize("kind", KINDS)
def test_added_noise_has_the_same_distribution(kind):
    scale = 1000.7
    borders, masses = bins(kind, scale, SIZE)
    values = np.full(SIZE, -12_345, dtype=np.int64)
    getattr(noise, f"add_discrete_{kind}")(values, scale)
    magnitudes = np.abs(values + 12_345)
    assert_fits(
        np.bincount(np.searchsorted(borders, magnitudes, side="right"), minlength=len(masses)),
        masses,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1.0, 1000.7, 2.0**40])
def test_these_tests_see_a_wrong_scale(kind, scale):
    borders, masses = bins(kind, scale, SIZE)
    sample = np.abs(draw(kind, scale * 0.98, SIZE))
    counts = np.bincount(np.searchsorted(borders, sample, side="right"), minlength=len(masses))
    with pytest.raises(AssertionError, match="chi2"):
        assert_fits(counts, masses)
