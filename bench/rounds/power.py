"""What a holder's work would take with gmpy2: the yardstick of partial decryption."""

from __future__ import annotations

import secrets
import time
from math import factorial

import gmpy2
import veilsum as vs

from rounds.results import Power

NUM_POWERS = 2  # A call; one takes up to a tenth of a second.


class PowerLoop:
    """A few powers modulo n squared whenever it is called, of a holder's length of exponent.

    Called now and then, it meets the same weather as what it is compared with.
    """

    def __init__(self, key: vs.PublicKey, *, num_holders: int) -> None:
        self._modulus = gmpy2.mpz(key.n**2)
        bits = 2 * key.key_bits - 2 + (2 * factorial(num_holders)).bit_length()
        self._exponent = gmpy2.mpz(secrets.randbits(bits) | 1 << (bits - 1))
        self._bases = [gmpy2.mpz(secrets.randbelow(key.n**2)) for _ in range(NUM_POWERS)]
        self._samples: list[float] = []
        self._key_bits = key.key_bits

    def __call__(self) -> None:
        for base in self._bases:
            start = time.process_time()
            gmpy2.powmod(base, self._exponent, self._modulus)
            self._samples.append(time.process_time() - start)

    def power(self, num_ciphertexts: int) -> Power:
        """What was measured, beside a holder that opens so many ciphertexts."""
        return Power(self._key_bits, self._samples, num_ciphertexts)
