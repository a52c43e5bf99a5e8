"""From a modulus to shares of the exponent that opens its ciphertexts.

With phi = (p - 1)(q - 1) and lambda = phi^-1 modulo n, delta = (lambda * phi - 1) / n is an integer
with 1 + n * delta = 0 modulo phi: c^2 raised to 1 + n * delta loses its randomiser, as with a
dealer (docs/threshold.md, section 2). Nobody knows phi. So

1. ``w = rho * phi`` modulo n is opened for a random rho, and ``rho / w`` is a share of lambda;
2. f + 1 holders deal their parts of lambda, ``u_i`` below n, as integers: their sum is lambda and
   perhaps a few n, which changes nothing of the above;
3. ``delta`` is that sum times phi, less 1, divided by n, in a field in which it does not wrap;
4. ``z = delta + sum of R_A`` is opened, with an R_A for each set A of t - 1 holders which they
   alone do not know, 128 bits longer than delta. The polynomial z - sum of R_A * L_A is delta at 0,
   and D times its value at i, an integer, is holder i's secret exponent.

Source: P.-A. Fouque, J. Stern, "Fully distributed threshold RSA under standard assumptions",
ASIACRYPT 2001 (inversion of phi); T. Nishide, K. Sakurai, "Distributed Paillier cryptosystem
without trusted dealer", WISA 2010 (masks over the integers).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping

from veilsum.ceremony.modulus import field_above
from veilsum.ceremony.sharing import scaled_factor, unaware_factor

__all__ = [
    "delta_bound",
    "delta_share",
    "exponent_field",
    "mask_bound",
    "mask_factors",
    "mask_sets",
    "mask_share",
    "masked_bound",
    "secret_exponent",
    "secret_exponent_bound",
]

_HIDING_BITS = 128


def delta_bound(n: int, max_colluding: int) -> int:
    """Delta is below this: lambda is a sum of f + 1 numbers below n, and phi is below n."""
    return (max_colluding + 1) * n


def mask_bound(n: int, max_colluding: int) -> int:
    """One R_A below this hides delta up to 2**-128."""
    return delta_bound(n, max_colluding) << _HIDING_BITS


def mask_sets(num_holders: int, threshold: int) -> list[tuple[int, ...]]:
    """The sets A of t - 1 holders that do not know their R_A."""
    return list(itertools.combinations(range(1, num_holders + 1), threshold - 1))


def exponent_field(n: int, num_holders: int, threshold: int, max_colluding: int) -> int:
    """In which delta and z are computed: above lambda * phi, and above z."""
    largest = max(
        delta_bound(n, max_colluding) * n,
        masked_bound(n, num_holders, threshold, max_colluding),
    )
    return field_above(largest.bit_length())


def delta_share(inverse: int, phi: int, n: int, field: int) -> int:
    """Of degree 2f, from shares of degree f in the field: of lambda as an integer and of phi."""
    return (inverse * phi - 1) * pow(n, -1, field) % field


def mask_share(masks: Mapping[tuple[int, ...], int], holder: int, field: int) -> int:
    """A holder's share of the sum of all R_A, of degree t - 1, from those that it knows."""
    factors = {unaware: unaware_factor(unaware, holder, field) for unaware in masks}
    return sum(mask * factors[unaware] for unaware, mask in masks.items()) % field


def mask_factors(
    unaware_sets: Iterable[tuple[int, ...]], holder: int, num_holders: int
) -> dict[tuple[int, ...], int]:
    """By set, D * L_A at a holder."""
    return {unaware: scaled_factor(unaware, holder, num_holders) for unaware in unaware_sets}


def secret_exponent(
    z: int, masks: Mapping[tuple[int, ...], int], holder: int, num_holders: int
) -> int:
    """D times the share of delta of a holder, from the R_A of the sets that it is not in.

    An integer of either sign.
    """
    factors = mask_factors(masks, holder, num_holders)
    reduced = sum(mask * factors[unaware] for unaware, mask in masks.items())
    return math.factorial(num_holders) * z - reduced


def masked_bound(n: int, num_holders: int, threshold: int, max_colluding: int) -> int:
    """z, which is delta and all masks, is below this, or somebody dealt what is wrong."""
    num_masks = math.comb(num_holders, threshold - 1)
    return delta_bound(n, max_colluding) + num_masks * mask_bound(n, max_colluding)


def secret_exponent_bound(n: int, num_holders: int, threshold: int, max_colluding: int) -> int:
    """Every holder's secret exponent is nearer to 0 than this.

    z is below ``masked_bound``, and no holder knows more masks than there are; each counts at most
    D * (product of |j - i|) <= D * l^(t - 1) in it.
    """
    num_masks = math.comb(num_holders, threshold - 1)
    reach = num_masks * mask_bound(n, max_colluding) * int(num_holders ** (threshold - 1))
    z = masked_bound(n, num_holders, threshold, max_colluding)
    return math.factorial(num_holders) * (z + reach)
