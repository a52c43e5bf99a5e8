"""How much room slots need for noise: bounds that a sum's noise exceeds almost never.

A slot that overflows gives a wrong sum, which the opener notices or not; it reveals nothing, since
a ciphertext is a function of the integer sum alone. So this is about correctness: the chance is
below ``OVERFLOW_PROBABILITY`` for a whole vector, by Chernoff's bound and the union over slots.
"""

import math

__all__ = ["OVERFLOW_PROBABILITY", "gaussian_head_room", "laplace_head_room"]

OVERFLOW_PROBABILITY = 2.0**-64


def gaussian_head_room(sigma: float, *, num_addends: int, num_slots: int) -> int:
    """For the sum of ``num_addends`` discrete Gaussians in each slot, in grid steps.

    The discrete Gaussian is sigma^2-subgaussian (Canonne, Kamath and Steinke 2020, Corollary 17).
    """
    exponent = math.log(2 * num_slots / OVERFLOW_PROBABILITY)
    return math.ceil(sigma * math.sqrt(2 * num_addends * exponent))


def laplace_head_room(scale: float, *, num_addends: int, num_slots: int) -> int:
    """For the sum of ``num_addends`` discrete Laplace samples in each slot, in grid steps.

    Chernoff's bound with the exact moment generating function, for the best of many exponents.
    """
    exponent = math.log(2 * num_slots / OVERFLOW_PROBABILITY)
    bounds = (
        scale / u * (num_addends * _log_laplace_mgf(scale, u / scale) + exponent)
        for u in (i / 256 for i in range(1, 256))
    )
    return math.ceil(min(bounds))


def _log_laplace_mgf(scale: float, s: float) -> float:
    """Log E[exp(s * X)] for the discrete Laplace X, 0 < s < 1/scale."""
    return (
        2 * math.log(-math.expm1(-1 / scale))
        - math.log(-math.expm1(s - 1 / scale))
        - math.log(-math.expm1(-s - 1 / scale))
    )
