"""Zero-concentrated differential privacy of discrete Gaussian noise and of sums of it.

rho-zCDP adds up over rounds. It is what the papers on the discrete Gaussian state and what other
accountants take; veilsum's own ledgers use the tighter ``gaussian_dp``.

Sources: C. Canonne, G. Kamath, T. Steinke, "The Discrete Gaussian for Differential Privacy", 2020,
https://arxiv.org/abs/2004.00010, Theorem 14 and Corollary 13; P. Kairouz, Z. Liu, T. Steinke, "The
Distributed Discrete Gaussian Mechanism", 2021, https://arxiv.org/abs/2102.06387, Theorem 1.
"""

import math

from veilsum import arguments

__all__ = ["sum_distance", "zcdp_epsilon", "zcdp_of_sum"]


def sum_distance(sigma: float, num_terms: int) -> float:
    """How far a sum of discrete Gaussians is from a discrete Gaussian, per coordinate.

    An upper bound of abs(log P(z) - log Q(z)) over all integers z, for P the sum of ``num_terms``
    independent discrete Gaussians of parameter ``sigma`` and Q the discrete Gaussian of parameter
    ``sigma * sqrt(num_terms)``.

    Args:
        sigma: at least 1/2, in grid steps.
        num_terms: at least 1.

    Raises:
        InvalidArgumentError: an argument is outside its range; NaN and infinity always are.
    """
    sigma = arguments.real("sigma", sigma, at_least=0.5)
    num_terms = arguments.count("num_terms", num_terms, at_least=1)
    # k / (k + 1) grows with k, so from k = 2 on all terms are below that of 2/3.
    exponent = math.pi**2 * sigma * sigma
    first, others = math.exp(-exponent), math.exp(-exponent * 4 / 3)
    return 10 * (min(num_terms - 1, 1) * first + max(num_terms - 2, 0) * others)


def zcdp_of_sum(sigma: float, num_terms: int, *, sensitivity: float, num_slots: int) -> float:
    """Rho of adding ``num_terms`` discrete Gaussians to each of ``num_slots`` integers.

    Args:
        sigma: parameter of each, at least 1/2, in grid steps.
        num_terms: how many independent ones are in the sum and unknown to the adversary; at
            least 1.
        sensitivity: L2 sensitivity of the integer vector, in grid steps; at least 0.
        num_slots: its length, at least 1.

    Returns:
        Rho; infinite if no float is as large.

    Raises:
        InvalidArgumentError: an argument is outside its range; NaN and infinity always are.
    """
    tau = sum_distance(sigma, num_terms)
    sensitivity = arguments.real("sensitivity", sensitivity, at_least=0)
    num_slots = arguments.count("num_slots", num_slots, at_least=1)
    ratio = sensitivity / (math.sqrt(num_terms) * float(sigma))
    epsilon = min(
        math.sqrt(ratio * ratio + tau * num_slots / 2),
        ratio + tau * math.sqrt(num_slots),
    )
    return epsilon * epsilon / 2


def zcdp_epsilon(rho: float, delta: float) -> float:
    """An epsilon for which rho-zCDP implies (epsilon, delta)-DP.

    Args:
        rho: at least 0, which is perfect privacy.
        delta: above 0 and below 1.

    Returns:
        Epsilon; infinite if no float is as large.

    Raises:
        InvalidArgumentError: an argument is outside its range; NaN and infinity always are.
    """
    rho = arguments.real("rho", rho, at_least=0)
    delta = arguments.real("delta", delta, above=0, below=1)
    if rho == 0:
        return 0.0

    # Every alpha > 1 gives a valid epsilon, so the search need only be good, not perfect.
    def epsilon(log_excess: float) -> float:
        excess = math.exp(log_excess)
        alpha = 1 + excess
        return (
            alpha * rho
            + (-math.log(delta) - math.log(alpha)) / excess
            - math.log1p(1 / excess)  # log(1 - 1/alpha)
        )

    low, high = math.log(1e-4), math.log(1e8)
    for _ in range(200):
        third = (high - low) / 3
        if epsilon(low + third) < epsilon(high - third):
            high -= third
        else:
            low += third
    return max(0.0, epsilon(low))
