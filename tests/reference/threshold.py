"""Threshold Paillier in Python integers: slow, obvious, independent of veilsum's core.

Notation: n = p*q of safe primes p = 2p' + 1 and q = 2q' + 1, m' = p'*q', D = num_holders!,
f a polynomial, s_i = f(i) the share of holder i, x_i = D*s_i. Ciphertexts are modulo n**2.
"""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from math import factorial

from reference import paillier as reference

CHALLENGE_BYTES = 16


def secret_exponent(p, q):
    """d = 0 (mod m') and d = 1 (mod n): c**d = (1 + n)**m for a square c."""
    n, order = p * q, (p - 1) // 2 * ((q - 1) // 2)
    return order * pow(order, -1, n)


def deal(p, q, coefficients, num_holders):
    """The shares f(1), f(2), ... of f = d + coefficients[0]*X + coefficients[1]*X**2 + ..."""
    modulus = p * q * ((p - 1) // 2) * ((q - 1) // 2)
    f = [secret_exponent(p, q), *coefficients]
    return [sum(a * i**k for k, a in enumerate(f)) % modulus for i in range(1, num_holders + 1)]


def verification_keys(v, shares, n):
    """v and v**(D*s_i) for each holder."""
    exponents = [factorial(len(shares)) * share for share in shares]
    return [v, *(pow(v, x, n * n) for x in exponents)]


def partial(c, share, num_holders, n):
    """c**(2*D*s_i)."""
    return pow(c, 2 * factorial(num_holders) * share, n * n)


def combine(partials, num_holders, n):
    """The plaintext from {holder: partial decryption}, or None if they do not make a power of 1+n.

    Interpolation at 0 with D times the Lagrange coefficients, which are integers.
    """
    d = factorial(num_holders)
    product = 1
    for i, value in partials.items():
        mu = Fraction(d)
        for j in partials:
            if j != i:
                mu *= Fraction(j, j - i)
        assert mu.denominator == 1
        product = product * pow(value, 2 * int(mu), n * n) % (n * n)
    if product % n != 1:
        return None
    return reference.centre((product - 1) // n * pow(4 * d * d, -1, n), n)


@dataclass(frozen=True)
class Statement:
    """What a batch proof is about; verification holds v, v_1, ..., all elements are integers."""

    n: int
    threshold: int
    max_colluding_holders: int
    verification: list
    holder: int
    first: int
    context: bytes
    ciphertexts: list
    partials: list

    @property
    def num_holders(self):
        return len(self.verification) - 1

    @property
    def exponent_bits(self):
        """A: 2|n| and the bits of D."""
        return 2 * self.n.bit_length() + factorial(self.num_holders).bit_length()

    def key_wire(self):
        counts = bytes([self.num_holders, self.threshold, self.max_colluding_holders])
        public = reference.public_key_wire(self.n, is_djn=True)
        elements = b"".join(element(x, self.n) for x in self.verification)
        return reference.frame(10, counts + word(len(public)) + public + elements)

    def fingerprint(self):
        return shake(32, b"veilsum/threshold-key/1", self.key_wire())

    def digest(self):
        numbers = [word(self.holder), word(self.first), word(len(self.ciphertexts))]
        elements = [element(x, self.n) for x in [*self.ciphertexts, *self.partials]]
        context = [word(len(self.context)), self.context]
        return shake(64, b"veilsum/partial/1", self.fingerprint(), *context, *numbers, *elements)

    def combined(self, elements):
        """The product of the elements to the powers w_j."""
        count = len(elements)
        weights = shake(16 * count, b"veilsum/partial/weights/1", self.digest())
        product = 1
        for j, x in enumerate(elements):
            weight = int.from_bytes(weights[16 * j : 16 * j + 16], "little")
            product = product * pow(x, weight, self.n**2) % self.n**2
        return product

    def challenge(self, a, b):
        elements = element(a, self.n) + element(b, self.n)
        digest = shake(CHALLENGE_BYTES, b"veilsum/partial/challenge/1", self.digest(), elements)
        return int.from_bytes(digest, "little")


def prove(statement, share, nonce):
    """Challenge and response; the nonce below 2**(A + 256)."""
    n2 = statement.n**2
    base = pow(statement.combined(statement.ciphertexts), 4, n2)
    e = statement.challenge(pow(statement.verification[0], nonce, n2), pow(base, nonce, n2))
    return e, nonce + e * factorial(statement.num_holders) * share


def verifies(statement, challenge, response):
    n2 = statement.n**2
    bound = 2 ** (statement.exponent_bits + 256) + 2 ** (statement.exponent_bits + 126)
    if not 0 <= response < bound:
        return False
    c4 = pow(statement.combined(statement.ciphertexts), 4, n2)
    e2 = pow(statement.combined(statement.partials), 2, n2)
    v, v_i = statement.verification[0], statement.verification[statement.holder]
    a = pow(v, response, n2) * pow(v_i, -challenge, n2) % n2
    b = pow(c4, response, n2) * pow(e2, -challenge, n2) % n2
    return statement.challenge(a, b) == challenge


def partial_wire(statement, challenge, response):
    """The partial decryption as it travels."""
    body = statement.fingerprint() + bytes([statement.holder]) + word(statement.first)
    body += challenge.to_bytes(CHALLENGE_BYTES, "little")
    body += response.to_bytes((statement.exponent_bits + 256) // 8 + 1, "little")
    return reference.frame(12, body + b"".join(element(x, statement.n) for x in statement.partials))


def parse_partial_wire(data, statement):
    """Challenge and response of a message whose other fields are the statement's."""
    size = (statement.exponent_bits + 256) // 8 + 1
    start = 16 + 32 + 1 + 8
    challenge = int.from_bytes(data[start : start + CHALLENGE_BYTES], "little")
    response = data[start + CHALLENGE_BYTES : start + CHALLENGE_BYTES + size]
    return challenge, int.from_bytes(response, "little")


def element(x, n):
    """Both digits of x, each of as many bytes as n."""
    size = reference.num_bytes(n.bit_length())
    return b"".join(digit.to_bytes(size, "little") for digit in reference.digits(x, n))


def word(value):
    return value.to_bytes(8, "little")


def shake(size, *parts):
    return hashlib.shake_256(b"".join(parts)).digest(size)
