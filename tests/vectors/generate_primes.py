"""Writes primes.json: prime pairs for test keys, so that tests need not search for primes.

They are public, so keys made of them are for tests only. p = q = 3 (mod 4), gcd(p-1, q-1) = 2.
Run: python tests/vectors/generate_primes.py
"""

import json
import random
from math import gcd
from pathlib import Path

import gmpy2

SIZES = (2048, 3072, 4096)
SEED = "veilsum test primes 1"


def draw_prime(bits, rng):
    while True:
        # The two top bits make p*q have exactly twice as many bits.
        candidate = rng.getrandbits(bits) | 3 << (bits - 2) | 3
        if gmpy2.is_prime(candidate, 40):
            return candidate


def draw_pair(key_bits, rng):
    while True:
        p, q = (draw_prime(key_bits // 2, rng) for _ in range(2))
        if gcd(p - 1, q - 1) == 2 and gcd(p * q, (p - 1) * (q - 1)) == 1:
            return p, q


def main():
    rng = random.Random(SEED)
    pairs = {}
    for bits in SIZES:
        for name in (str(bits), f"{bits}-other"):
            pairs[name] = [hex(prime) for prime in draw_pair(bits, rng)]
    path = Path(__file__).with_name("primes.json")
    path.write_text(json.dumps(pairs, indent=1) + "\n")


if __name__ == "__main__":
    main()
