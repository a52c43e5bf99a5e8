"""Keys of real size from stored primes, made once per test run; for tests only."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import veilsum as vs
from veilsum import hazmat

VECTORS = Path(__file__).parent / "vectors"
KEY_BITS = (2048, 3072, 4096)


@dataclass(frozen=True)
class KnownKey:
    """A key and the primes that the reference needs."""

    p: int
    q: int
    secret: vs.SecretKey

    @property
    def n(self):
        return self.p * self.q

    @property
    def public(self):
        return self.secret.public_key

    @functools.cached_property
    def classic(self):
        """The same modulus for whoever knows nothing else: another key, with other randomisers."""
        return vs.PublicKey.from_modulus(self.n)


@functools.cache
def known_key(name):
    """The key ``2048``, ``3072`` or ``4096``; with ``-other`` behind it a second one."""
    p, q = (int(x, 16) for x in json.loads((VECTORS / "primes.json").read_text())[str(name)])
    return KnownKey(p, q, hazmat.secret_key(p, q))


@functools.cache
def iso_vector():
    """The vector of ISO/IEC 18033-6: c1 = Enc(m0, r0), c2 = Enc(m1, r1), c1c2, m1m2 their sum."""
    fields = json.loads((VECTORS / "iso_iec_18033_6_paillier.json").read_text())
    return {name: int(value, 16) for name, value in fields.items()}
