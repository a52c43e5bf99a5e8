"""Ceremonies of small keys, played in one process, and openings with the keys that come of them."""

import itertools
import math
import os
import secrets

from veilsum.ceremony.key_ceremony import KeyCeremony
from veilsum.identity import Identity


def identities(num_holders):
    return [Identity.generate(f"clinic {i}") for i in range(1, num_holders + 1)]


def ceremonies(num_holders, threshold, colluding, key_bits, *, attempt=1, people=None, roots=None):
    people = people or identities(num_holders)
    roots = roots or [os.urandom(32) for _ in people]
    return [
        KeyCeremony(
            identity,
            [each.enrol() for each in people],
            threshold=threshold,
            max_colluding_holders=colluding,
            key_bits=key_bits,
            attempt=attempt,
            root=root,
        )
        for identity, root in zip(people, roots, strict=True)
    ]


def is_prime(x):
    return x > 1 and all(pow(a, x - 1, x) == 1 for a in (2, 3, 5, 7, 11))


def factors_of(n, multiple):
    """The two factors of n, from a multiple of (p - 1)(q - 1)."""
    odd = multiple // (multiple & -multiple)
    while True:
        x = pow(2 + secrets.randbelow(n - 2), odd, n)
        while x != 1:
            square = x * x % n
            if square == 1:
                p = math.gcd(x - 1, n)
                if 1 < p < n:
                    return p, n // p
                break
            x = square


def delta_of(outcomes, threshold):
    """The shared integer, from the first holders' exponents."""
    d = math.factorial(len(outcomes))
    some = range(1, threshold + 1)
    total = sum(
        outcomes[i - 1].exponent
        * (d * math.prod(j for j in some if j != i) // math.prod(j - i for j in some if j != i))
        for i in some
    )
    assert total % (d * d) == 0
    return total // (d * d)


def check_openings(outcomes, threshold):
    """Every threshold of holders opens what is encrypted under n."""
    n, d = outcomes[0].n, math.factorial(len(outcomes))
    exponents = {i: outcome.exponent for i, outcome in enumerate(outcomes, 1)}
    for m in (0, 1, n - 1, secrets.randbelow(n)):
        c = (1 + m * n) * pow(2 + secrets.randbelow(n - 2), n, n * n) % (n * n)
        partial = {i: pow(c, 2 * x, n) for i, x in exponents.items()}
        for some in itertools.combinations(exponents, threshold):
            y = 1
            for i in some:
                others = [j for j in some if j != i]
                mu = d * math.prod(others) // math.prod(j - i for j in others)
                y = y * pow(partial[i], 2 * mu, n) % n
            result = pow(c, 4 * d * d, n * n) * pow(y, n, n * n) % (n * n)
            assert result % n == 1
            assert (result // n) * pow(4 * d * d, -1, n) % n == m
