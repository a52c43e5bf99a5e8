"""Our samples and OpenDP's, an exact sampler of another construction, are of one distribution.

OpenDP draws a hundred thousand samples a second; `./run test --all` installs it.
"""

import numpy as np
import pytest
import scipy.stats
from veilsum import noise

dp = pytest.importorskip("opendp.prelude")

pytestmark = pytest.mark.slow

ALPHA = 1e-6
SIZE = 300_000
MIN_COUNT = 50
SCALES = [0.5, 1.0, 5.3, 1000.7, 131072.0]


def opendp_samples(kind, scale):
    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if kind == "gaussian":
        measure = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=scale)
    else:
        measure = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=scale)
    return np.array(measure(np.zeros(SIZE, np.int64)), dtype=np.int64)


def p_value(mine, theirs):
    """Chi-square of two samples over bins of like size; single integers where scales are small."""
    both = np.concatenate([mine, theirs])
    borders = np.unique(np.quantile(both, np.linspace(0, 1, 101)).astype(np.int64))
    counts = np.array(
        [
            np.bincount(np.searchsorted(borders, sample), minlength=len(borders) + 1)
            for sample in (mine, theirs)
        ]
    )
    kept = counts.sum(axis=0) >= MIN_COUNT
    return scipy.stats.chi2_contingency(counts[:, kept]).pvalue


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
@pytest.mark.parametrize("scale", SCALES)
def test_samples_agree_with_those_of_opendp(kind, scale):
    theirs = opendp_samples(kind, scale)
    draw = getattr(noise, f"discrete_{kind}")
    assert p_value(draw(scale, SIZE), theirs) > ALPHA
    assert p_value(draw(scale * 1.05, SIZE), theirs) < ALPHA  # That the test would see it.
