"""The privacy loss of one round of Gaussian noise whose contributors are a secret random choice.

As distributions of dp-accounting, which composes them. The argument behind the curves is in
docs/privacy.md, "Amplification by sampling".
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError, MissingExtraError
from veilsum.privacy.mechanisms import GaussianNoise, Noise
from veilsum.privacy.sampling import FixedSizeSampling, Sampling

__all__ = ["distance_to_others", "load_dp_accounting", "round_losses", "round_mus"]

_Reals: TypeAlias = NDArray[np.float64]
_Curve: TypeAlias = Callable[[_Reals], _Reals]

# Every delta is raised by this part of itself: more than floats lose for mu of _LEAST_MU and up.
_SAFETY = 1e-6
_LEAST_MU = 1e-6
_MIN_POINTS, _MAX_POINTS = 2**12, 2**18
# Some sixteen times as many sizes of a Poisson sample are likely, at some milliseconds each.
_MOST_SPREAD = 256


def load_dp_accounting() -> Any:
    """The package dp_accounting, at the first call that needs it.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        import dp_accounting
    except ImportError:
        raise MissingExtraError(
            "this accounting needs the package dp-accounting: pip install 'veilsum[accounting]'"
        ) from None
    return dp_accounting


@lru_cache(maxsize=16)
def round_losses(
    noise: GaussianNoise, codec: SlotCodec, sampling: Sampling, tail: float
) -> tuple[Any, ...]:
    """Distributions of the privacy loss of one round, in both directions."""
    parts = [
        (share, *round_mus(noise, codec, size), size) for share, size in _sizes(sampling, tail)
    ]
    # Sizes so rare that they were left out count as lost; those that are not opened reveal nothing.
    lost = max(0.0, _opened(sampling) - math.fsum(share for share, *_ in parts))

    def curve(*, towards_data: bool) -> _Curve:
        def deltas(epsilons: _Reals) -> _Reals:
            total = np.full(epsilons.shape, lost)
            for share, near, far, size in parts:
                other = near if towards_data else far
                total += share * _amplified(epsilons, near, other, size / sampling.population)
            return total

        return deltas

    there, back = curve(towards_data=False), curve(towards_data=True)
    if noise.adjacency == "replace-one":  # near is far: both directions are the same
        return (_discretised(there, there, tail),)
    return _discretised(there, back, tail), _discretised(back, there, tail)


def distance_to_others(noise: Noise, codec: SlotCodec) -> float:
    """How far another contributor's data may be, as a multiple of the noise's own sensitivity.

    Where one contributor is not chosen another is, with data of its own. So the sensitivity of
    replace-one counts in a secret choice, whatever the adjacency.
    """
    other = replace(noise, adjacency="replace-one")
    return other.sensitivity(codec) / noise.sensitivity(codec)


def round_mus(noise: GaussianNoise, codec: SlotCodec, size: int) -> tuple[float, float]:
    """Mu of one known round of ``size``: to the other world, and to another contributor."""
    near = math.sqrt(noise.round_cost(codec, honest_contributors=size))
    return near, near * distance_to_others(noise, codec)


def _amplified(epsilons: _Reals, near: float, far: float, probability: float) -> _Reals:
    """Delta at each epsilon >= 0 of one round of which the choice is secret: an upper bound.

    Advanced joint convexity (Balle, Barthe and Gaboardi 2018, https://arxiv.org/abs/1807.01647,
    Theorem 2): with alpha = e^epsilon, alpha' = 1 + (alpha - 1) / q and beta = alpha / alpha',
    delta = q * [(1 - beta) * delta'(far) + beta * delta'(near)] at log alpha'.
    """
    # epsilon + log((1 - (1 - q) e^-epsilon) / q) = log alpha', with no overflow and exact at any q
    known = epsilons - math.log(probability)
    known += np.log(probability - (1 - probability) * np.expm1(-epsilons))
    beta = np.exp(epsilons - known)
    mixed = (1 - beta) * _gaussian_deltas(far, known) + beta * _gaussian_deltas(near, known)
    return np.asarray(probability * mixed)


def _gaussian_deltas(mu: float, epsilons: _Reals) -> _Reals:
    """``gaussian_delta`` of many epsilons, never below it."""
    from scipy.special import log_ndtr

    mu = max(mu, _LEAST_MU)
    first = log_ndtr(mu / 2 - epsilons / mu)
    second = epsilons + log_ndtr(-mu / 2 - epsilons / mu)
    return np.asarray(-np.exp(first) * np.expm1(np.minimum(0.0, second - first)) * (1 + _SAFETY))


def _discretised(there: _Curve, back: _Curve, tail: float) -> Any:
    """The privacy loss distribution above these curves of delta, on a grid.

    ``there`` bounds delta for epsilon >= 0. What ``back`` says of the reverse direction bounds it
    below 0: delta(-epsilon) = 1 - e^-epsilon + e^-epsilon * back(epsilon).
    """
    dp = load_dp_accounting()
    top = max(_reach(there, tail), _reach(back, tail))
    # There is an advantage of about 0.4 standard deviations of the loss at epsilon = 0.
    advantage = float(there(np.zeros(1))[0])
    num_points = min(max(math.ceil(8 * top / advantage), _MIN_POINTS), _MAX_POINTS)
    interval = top / num_points
    above = np.arange(num_points + 1, dtype=np.float64) * interval
    below = above[:0:-1]
    deltas = np.concatenate(
        [-np.expm1(-below) + np.exp(-below) * back(below), np.maximum(there(above), 0.0)]
    )
    # Falling as the exact ones do: rounding may not turn the curve up.
    deltas = np.maximum.accumulate(np.minimum(deltas, 1.0)[::-1])[::-1]
    loss = dp.pld.pld_pmf.create_pmf_pessimistic_connect_dots_fixed_gap(
        interval, -num_points, num_points, deltas
    )
    return dp.pld.privacy_loss_distribution.PrivacyLossDistribution(loss)


def _reach(curve: _Curve, tail: float) -> float:
    """An epsilon at which the curve is at most ``tail``, or as low as it gets."""
    epsilon = 2.0**-20
    while epsilon < 2.0**20 and float(curve(np.array([epsilon]))[0]) > tail:
        epsilon *= 1.25
    return epsilon


def _opened(sampling: Sampling) -> float:
    """How likely a round is to be opened."""
    if isinstance(sampling, FixedSizeSampling):
        return 1.0
    from scipy.stats import binom

    law = binom(sampling.population, sampling.probability)
    return float(law.sf(sampling.min_contributors - 1))


def _sizes(sampling: Sampling, tail: float) -> list[tuple[float, int]]:
    """How likely each number of contributors is, for all that are opened and not too rare."""
    if isinstance(sampling, FixedSizeSampling):
        return [(1.0, sampling.sample_size)]
    from scipy.stats import binom

    spread = math.sqrt(sampling.population * sampling.probability * (1 - sampling.probability))
    if spread > _MOST_SPREAD:
        raise InvalidArgumentError(
            f"the numbers of contributors that PoissonSampling gives have a standard deviation of "
            f"{spread:.0f}; this method looks at each of them, and takes at most {_MOST_SPREAD}. "
            "FixedSizeSampling of about as many has no such limit"
        )
    law = binom(sampling.population, sampling.probability)
    low = max(int(law.ppf(tail / 4)), sampling.min_contributors)
    high = max(int(law.isf(tail / 4)), low)
    sizes = range(low, high + 1)
    return [(float(law.pmf(size)), size) for size in sizes]
