"""Two hundred million samples of each distribution against its exact probabilities.

Every p-value is of one look at the same samples; one below ALPHA fails. Each is uniform if the
sampler is right: some test here fails with probability ALPHA times their number, about 1e-4.
SIZE samples show a scale that is wrong by 0.03 %. The table that the test prints (pytest -s) is in
docs/noise.md.
"""

import math

import numpy as np
import pytest
import scipy.stats
from exact_noise import MIN_EXPECTED, Exact, p_of_fit, strip_width
from veilsum import noise

ALPHA = 1e-6
SIZE = 200_000_000
FAST_SIZE = 2_000_000
CHUNK = 2_000_000
NUM_BINS = 512
SCALES = [0.3, 0.7, 1.0, 2.5, 5.3, 7.9999, 16.0, 1000.7, 131072.0, 524287.9, 2.0e6]
KINDS = ["gaussian", "laplace"]
LOW_BITS = 4


class Tally:
    """What is counted of one distribution, chunk by chunk."""

    def __init__(self, kind, scale):
        self.kind, self.scale = kind, scale
        self.exact = Exact(kind, scale)
        # Bins of half a strip, so that a wrong strip cannot hide.
        self.shift = max(0, strip_width(kind, scale).bit_length() - 2)
        # Classes of pairs: quarters of the magnitude up to two scales and beyond, with a sign.
        self.pair_shift = max(0, math.ceil(math.log2(scale)) - 1)
        self.size = 0
        self.bins = np.zeros(NUM_BINS + 1, dtype=np.int64)
        self.signs = np.zeros(2, dtype=np.int64)
        self.low_bits = np.zeros(1 << LOW_BITS, dtype=np.int64)
        self.pairs = np.zeros(64, dtype=np.int64)
        self.total = 0
        self.squares = 0.0
        self.far = 0

    def add(self, sample):
        magnitudes = np.abs(sample)
        self.size += len(sample)
        clipped = np.minimum(magnitudes >> self.shift, NUM_BINS)
        self.bins += np.bincount(clipped, minlength=NUM_BINS + 1)
        self.signs += np.count_nonzero(sample > 0), np.count_nonzero(sample < 0)
        self.low_bits += np.bincount(sample & 15, minlength=16)
        classes = np.minimum(magnitudes >> self.pair_shift, 3) + 4 * (sample < 0)
        self.pairs += np.bincount(8 * classes[:-1] + classes[1:], minlength=64)
        self.total += int(sample.sum())
        self.squares += float(np.square(sample / self.scale).sum())
        self.far += int(np.count_nonzero(magnitudes >= self.far_from()))

    def far_from(self):
        """Beyond six standard deviations; for Laplace, twelve scales."""
        return math.ceil((6 if self.kind == "gaussian" else 12) * self.scale)

    def p_values(self):
        found = {
            "magnitudes": self.p_of_magnitudes(),
            "signs": scipy.stats.binomtest(int(self.signs[0]), int(self.signs.sum())).pvalue,
            "mean": self.p_of_mean(),
            "variance": self.p_of_variance(),
            "tail": p_of_count(self.far, self.size, self.exact.tail(self.far_from())),
            "pairs": self.p_of_pairs(),
        }
        if self.scale > 300:
            found["low bits"] = p_of_fit(self.low_bits, self.exact.residues())
        return {name: float(p) for name, p in found.items()}

    def p_of_magnitudes(self):
        width = 1 << self.shift
        counts, masses, count, mass = [], [], 0, 0.0
        remaining = self.size
        for i in range(NUM_BINS):
            weight = 2 * self.exact.weight(i * width, (i + 1) * width) - (1 if i == 0 else 0)
            mass += float(weight / self.exact.total)
            count += int(self.bins[i])
            left = self.exact.tail((i + 1) * width)
            if left * self.size < MIN_EXPECTED:
                break
            if mass * self.size >= MIN_EXPECTED:
                counts.append(count)
                masses.append(mass)
                remaining -= count
                count, mass = 0, 0.0
        return p_of_fit([*counts, remaining], [*masses, 1 - sum(masses)])

    def p_of_mean(self):
        variance, _ = self.exact.moments()
        return 2 * scipy.stats.norm.sf(abs(self.total) / math.sqrt(variance * self.size))

    def p_of_variance(self):
        variance, kurtosis = self.exact.moments()
        ratio = self.squares * self.scale**2 / self.size / variance
        return 2 * scipy.stats.norm.sf(abs(ratio - 1) / math.sqrt((kurtosis - 1) / self.size))

    def p_of_pairs(self):
        table = self.pairs.reshape(8, 8)
        keep = table.sum(axis=0) > 1000
        return scipy.stats.chi2_contingency(table[np.ix_(keep, keep)]).pvalue


def p_of_count(count, size, probability):
    """Two-sided, for a count that may be expected to be nought."""
    below = scipy.stats.binom.cdf(count, size, probability)
    above = scipy.stats.binom.sf(count - 1, size, probability)
    return min(1.0, 2 * min(below, above))


def tally_of(kind, scale, size, drawn_scale=None):
    draw = getattr(noise, f"discrete_{kind}")
    tally = Tally(kind, scale)
    out = np.empty(CHUNK, dtype=np.int64)
    while tally.size < size:
        tally.add(draw(scale if drawn_scale is None else drawn_scale, out=out))
    return tally


def check(kind, scale, size):
    p_values = tally_of(kind, scale, size).p_values()
    print(f"{kind} {scale:g}: " + ", ".join(f"{name} {p:.2g}" for name, p in p_values.items()))
    assert min(p_values.values()) > ALPHA, p_values


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", SCALES)
def test_samples_pass_every_look(kind, scale):
    check(kind, scale, FAST_SIZE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", SCALES)
def test_many_samples_pass_every_look(kind, scale):
    check(kind, scale, SIZE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1.0, 1000.7, 2.0e6])
def test_a_wrong_scale_is_seen(kind, scale):
    found = tally_of(kind, scale, FAST_SIZE, drawn_scale=scale * 1.01).p_values()
    assert found["magnitudes"] < ALPHA
    assert found["variance"] < ALPHA
