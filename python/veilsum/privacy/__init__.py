"""Differential privacy: how much noise a goal needs, and what has been spent of it.

    >>> import veilsum as vs
    >>> noise = vs.privacy.LaplaceNoise(epsilon=1.0, rounds=1, norm_bound=1.0)
    >>> codec = noise.fit(vs.Codec(10, clip=1.0, value_bits=16, max_addends=100))
    >>> vector = codec.encrypt(delta, key=key, noise=noise)  # doctest: +SKIP

What is protected, against whom, and why the formulas hold: docs/privacy.md.
"""

from veilsum.privacy.accounting import accounting_available, pld_epsilon, rdp_epsilon
from veilsum.privacy.forecast import Forecast, forecast
from veilsum.privacy.gaussian_dp import gaussian_delta, gaussian_epsilon, gaussian_mu
from veilsum.privacy.ledger import Ledger, Spent
from veilsum.privacy.mechanisms import (
    Adjacency,
    AgreedNoise,
    GaussianNoise,
    LaplaceNoise,
    Noise,
    RecordNoise,
    Unit,
)
from veilsum.privacy.sampling import FixedSizeSampling, PoissonSampling, Sampling
from veilsum.privacy.wire import read_noise, write_noise
from veilsum.privacy.zcdp import zcdp_epsilon, zcdp_of_sum

__all__ = [
    "Adjacency",
    "AgreedNoise",
    "FixedSizeSampling",
    "Forecast",
    "GaussianNoise",
    "LaplaceNoise",
    "Ledger",
    "Noise",
    "PoissonSampling",
    "RecordNoise",
    "Sampling",
    "Spent",
    "Unit",
    "accounting_available",
    "forecast",
    "gaussian_delta",
    "gaussian_epsilon",
    "gaussian_mu",
    "pld_epsilon",
    "rdp_epsilon",
    "read_noise",
    "write_noise",
    "zcdp_epsilon",
    "zcdp_of_sum",
]
