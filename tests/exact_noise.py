"""The distributions of veilsum.noise, computed with mpmath to about 25 digits."""

from functools import cache

import mpmath
import numpy as np
import scipy.stats

MIN_EXPECTED = 25

mpmath.mp.dps = 30


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

    def tail(self, begin):
        """P(|Z| >= begin), 0 < begin."""
        return float(2 * self.weight(begin, None) / self.total)

    def moments(self):
        """The variance, and the fourth moment over the variance squared. From scale 0.3 on."""
        if self.kind == "laplace":
            q = mpmath.exp(-1 / self.scale)
            variance = 2 * q / (1 - q) ** 2
            return float(variance), float(6 + 1 / variance)
        if self.is_large:  # Those of the continuous normal, to hundreds of digits.
            return float(self.scale**2), 3.0
        terms = [(z, self.one(z)) for z in range(1, int(60 * self.scale) + 2)]
        variance = 2 * mpmath.fsum(z**2 * mass for z, mass in terms) / self.total
        fourth = 2 * mpmath.fsum(z**4 * mass for z, mass in terms) / self.total
        return float(variance), float(fourth / variance**2)

    def residues(self):
        """The probabilities of z modulo 16, for a wide distribution."""
        if self.kind == "gaussian":
            return np.full(16, 1 / 16)  # To 1e-18.
        # The sum of q^|z| over z = r mod 16 is (q^r + q^(16 - r)) / (1 - q^16) for 0 <= r < 16.
        scale = float(self.scale)
        q, r = np.exp(-1 / scale), np.arange(16)
        masses = (1 - q) / (1 + q) * (q**r + q ** (16 - r)) / -np.expm1(-16 / scale)
        return masses / masses.sum()


def p_of_fit(counts, probabilities):
    """Of chi-square."""
    counts, probabilities = np.asarray(counts), np.asarray(probabilities)
    expected = counts.sum() * probabilities
    return scipy.stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1)


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
