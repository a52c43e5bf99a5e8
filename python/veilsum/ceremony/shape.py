"""What is agreed on before holders make a key: who, how many of them open, how many may collude."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

from veilsum import arguments
from veilsum.errors import InvalidArgumentError

__all__ = ["CeremonyShape", "odd_primes"]

_MAX_SETS = 1000  # Seeds, each known to all holders but those of one set; 924 for 5 of 12.
_SMALLEST_SIEVED = 11  # Residues modulo 4, 3, 5 and 7 are public.
# Below these, sieving by opening costs more than it saves (Boneh and Franklin 1997, section 3).
_SIEVE_ENDS = ((2048, 719), (3072, 1069), (4096, 1409))


def odd_primes(below: int) -> list[int]:
    """Those less than ``below``, by the sieve of Eratosthenes."""
    is_prime = np.ones(max(below, 0), np.bool_)
    for r in range(3, math.isqrt(max(below, 1)) + 1, 2):
        if is_prime[r]:
            is_prime[r * r :: r] = False
    found: list[int] = (3 + 2 * np.flatnonzero(is_prime[3::2])).tolist()
    return found


@dataclass(frozen=True)
class CeremonyShape:
    """The numbers of a key ceremony. ``2 * max_colluding < num_holders``: an honest majority.

    Attributes:
        num_holders: l, who make the key and hold its shares, 3 to 64.
        max_colluding: f, how many of them may pool what they know. More than f, if they kept
            their seeds, know the key.
        key_bits: of the modulus, even; below 2048 for tests.
        unaware: the sets of f holders, 1 to l each. Of each there is a seed that all others know;
            a secret is a sum of summands drawn from the seeds.
        class_modulus: 4 and the odd primes that are not sieved. A prime is ``first_prime`` and a
            multiple of this for each set.
        first_prime: 3 modulo 4, and 2 modulo each of those primes, so that neither p nor p - 1 is
            divisible by one of them; at least 3/4 of the largest p, so that n has all its bits.
        summand_bits: a summand counts multiples of ``class_modulus`` and is below 2 to this.
        sieved: the primes r by which candidates are sieved, so that neither p nor p - 1 is
            divisible by them.

    Raises:
        InvalidArgumentError: numbers that do not fit together.
    """

    num_holders: int
    max_colluding: int
    key_bits: int
    unaware: tuple[tuple[int, ...], ...] = field(init=False, repr=False)
    class_modulus: int = field(init=False, repr=False)
    first_prime: int = field(init=False, repr=False)
    summand_bits: int = field(init=False, repr=False)
    sieved: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        num_holders = arguments.count("num_holders", self.num_holders, at_least=3, at_most=64)
        colluding = arguments.count("max_colluding", self.max_colluding, at_least=1)
        bits = arguments.count("key_bits", self.key_bits, at_least=32)
        if 2 * colluding >= num_holders:
            raise InvalidArgumentError(
                f"{colluding} of {num_holders} holders may collude, and only an honest majority "
                f"makes a key together: at least {2 * colluding + 1} holders, or a dealer"
            )
        if math.comb(num_holders, colluding) > _MAX_SETS:
            raise InvalidArgumentError(
                f"{num_holders} holders have more than {_MAX_SETS} sets of {colluding}, each with "
                "a seed of its own: fewer holders, or fewer that may collude"
            )
        if bits % 2:
            raise InvalidArgumentError(f"key_bits is {bits}; it must be even")
        put = object.__setattr__
        holders = range(1, num_holders + 1)
        put(self, "unaware", tuple(itertools.combinations(holders, colluding)))
        # Points of holders must differ modulo each sieved prime.
        first = max(_SMALLEST_SIEVED, num_holders + 1)
        public = odd_primes(first)
        odd_part = math.prod(public)
        put(self, "class_modulus", 4 * odd_part)
        residue = next(x for x in range(2, 4 * odd_part, odd_part) if x % 4 == 3)
        least = 3 << bits // 2 - 2
        put(self, "first_prime", least + (residue - least) % self.class_modulus)
        room = ((1 << bits // 2) - 1 - self.first_prime) // self.class_modulus
        # A power of 2: a summand is then as many bits, without a reduction.
        put(self, "summand_bits", (room // len(self.unaware) + 1).bit_length() - 1)
        if self.summand_bits < 8:
            raise InvalidArgumentError(f"a key of {bits} bits is too short for its summands")
        # A prime below every candidate can be a candidate's divisor without being one.
        end = next((end for most, end in _SIEVE_ENDS if bits <= most), 1801)
        end = min(end, least)
        put(self, "sieved", tuple(r for r in odd_primes(end + 1) if r >= first))

    def aware(self, holder: int) -> list[int]:
        """The numbers of the sets, counted from 0, whose seed this holder knows."""
        return [number for number, unaware in enumerate(self.unaware) if holder not in unaware]
