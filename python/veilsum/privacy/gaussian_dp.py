"""The privacy of Gaussian noise, exactly: mu-Gaussian differential privacy.

A mechanism is mu-GDP if telling two neighbouring data sets apart is never easier than telling
N(0, 1) from N(mu, 1). Gaussian noise of standard deviation sigma on a query of L2 sensitivity
Delta is mu-GDP with mu = Delta / sigma, and adaptive composition adds squares: mu^2 is what a
ledger adds up. Nothing is lost on the way, so mu -> (epsilon, delta) below is an equality.

Sources: B. Balle, Y.-X. Wang, "Improving the Gaussian Mechanism for Differential Privacy", 2018,
https://arxiv.org/abs/1805.06530, Theorem 8; J. Dong, A. Roth, W. Su, "Gaussian Differential
Privacy", 2019, https://arxiv.org/abs/1905.02383, Corollaries 2.13 and 3.3.
"""

import math
from collections.abc import Callable
from functools import lru_cache

from veilsum import arguments

__all__ = ["gaussian_delta", "gaussian_epsilon", "gaussian_mu"]

# Bisections end after the 53 bits of a double and the exponents of any sensible argument.
_NUM_HALVINGS = 200
# Rounding in log Phi moves a result by less than 1e-11 of itself; answers lean 1e-9 to the safe
# side.
_SAFETY = 1e-9


def gaussian_delta(mu: float, epsilon: float) -> float:
    """The least delta for which mu-GDP implies (epsilon, delta)-DP.

    Args:
        mu: at least 0, which is perfect privacy.
        epsilon: at least 0.

    Raises:
        InvalidArgumentError: an argument is outside its range; NaN and infinity always are.
    """
    mu = arguments.real("mu", mu, at_least=0)
    return math.exp(_log_delta(mu, arguments.real("epsilon", epsilon, at_least=0)))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """An upper bound, tight to nine digits, of the epsilon of mu-GDP at this delta.

    Args:
        mu: at least 0, which is perfect privacy.
        delta: above 0 and below 1.

    Returns:
        Epsilon; infinite if no float is as large.

    Raises:
        InvalidArgumentError: an argument is outside its range; NaN and infinity always are.
    """
    mu = arguments.real("mu", mu, at_least=0)
    return _epsilon(mu, arguments.real("delta", delta, above=0, below=1))


@lru_cache(maxsize=1024)
def _epsilon(mu: float, delta: float) -> float:
    """A millisecond, which each of a simulation's many ledgers would spend on the same numbers."""
    log_delta = math.log(delta)
    if _log_delta(mu, 0.0) <= log_delta:
        return 0.0
    # The bound of zero-concentrated DP with rho = mu^2 / 2 (Bun and Steinke 2016) holds.
    enough = mu * mu / 2 + mu * math.sqrt(-2 * log_delta)
    return _boundary(enough, 0.0, lambda e: _log_delta(mu, e) <= log_delta) * (1 + _SAFETY)


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The largest mu, up to nine digits and from below, whose epsilon at delta is ``epsilon``.

    Args:
        epsilon: at least 0.
        delta: above 0 and below 1.

    Raises:
        InvalidArgumentError: an argument is outside its range; NaN and infinity always are.
    """
    target = arguments.real("epsilon", epsilon, at_least=0) * (1 - 2 * _SAFETY)
    log_delta = math.log(arguments.real("delta", delta, above=0, below=1))
    low, high = 0.0, 1.0
    while _log_delta(high, target) <= log_delta:
        low, high = high, 2 * high
    return _boundary(low, high, lambda mu: _log_delta(mu, target) <= log_delta)


def _log_delta(mu: float, epsilon: float) -> float:
    """The logarithm of delta: delta itself may be below the smallest float."""
    if mu == 0:
        return -math.inf
    log_first = _log_normal_cdf(mu / 2 - epsilon / mu)
    log_second = epsilon + _log_normal_cdf(-mu / 2 - epsilon / mu)
    left = -math.expm1(min(0.0, log_second - log_first))
    return log_first + math.log(left) if left > 0 else -math.inf


def _boundary(inside: float, outside: float, holds: Callable[[float], bool]) -> float:
    """The last point, from ``inside`` towards ``outside``, at which ``holds`` was seen to hold."""
    for _ in range(_NUM_HALVINGS):
        middle = (inside + outside) / 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside


def _log_normal_cdf(x: float) -> float:
    """Log Phi(x), to 1e-11 relative everywhere: Phi itself underflows below -38."""
    if x > -30:
        return math.log(0.5 * math.erfc(-x / math.sqrt(2)))
    # Abramowitz and Stegun 26.2.12; the next term is below 2e-12.
    y = 1 / (x * x)
    series = -y * (1 - 3 * y * (1 - 5 * y * (1 - 7 * y)))
    return -x * x / 2 - math.log(-x) - 0.5 * math.log(2 * math.pi) + math.log1p(series)
