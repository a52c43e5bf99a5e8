"""Samples against the exact distributions, computed with mpmath.

Each comparison is wrong with probability ALPHA if the sampler is right. SIZE samples show a scale
that is wrong by 1 % in their variance and by 2 % in any bin test. test_noise_long.py draws more.
"""

import numpy as np
import pytest
import scipy.stats
from exact_noise import MIN_EXPECTED, Exact, bins, p_of_fit, strip_width
from veilsum import noise

ALPHA = 1e-9
SIZE = 1_000_000
# 0.3 to 7.9 have one-integer strips; 16, 262144 and 2**40 start a strip size, 7.9999 and 524287.9
# end one; from 2**19 (Gaussian) and 2**18 (Laplace) on the wide stream layout is used.
SCALES = [0.3, 0.7, 1.0, 2.5, 3.9, 7.9999, 16.0, 1000.7, 262144.0, 524287.9, 2.0e6, 2.0**40]
KINDS = ["gaussian", "laplace"]


def draw(kind, scale, size, **options):
    return getattr(noise, f"discrete_{kind}")(scale, size, **options)


def assert_fits(counts, probabilities):
    p_value = p_of_fit(counts, probabilities)
    assert p_value > ALPHA, f"chi2 over {len(counts)} bins has p = {p_value:.2g}"


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
    variance, kurtosis = Exact(kind, scale).moments()
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
    assert_fits(low, Exact(kind, scale).residues())
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
