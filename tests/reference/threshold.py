"""Threshold Paillier in Python integers: slow, obvious, independent of veilsum's core.

Notation: n = p*q of safe primes p = 2p' + 1 and q = 2q' + 1, m' = p'*q', D = num_holders!,
f a polynomial modulo m', t_i = f(i) the share of holder i, x_i = D*t_i. Ciphertexts are modulo
n**2; what holders compute is modulo n.
"""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from math import factorial

from reference import paillier as reference

CHALLENGE_BYTES = 16


def shared_secret(p, q):
    """delta with 1 + n*delta = 0 (mod m'): (c**2)**(1 + n*delta) = (1 + n)**(2*m)."""
    order = (p - 1) // 2 * ((q - 1) // 2)
    return -pow(p * q, -1, order) % order


def deal(p, q, coefficients, num_holders):
    """The shares f(1), f(2), ... of f = delta + coefficients[0]*X + coefficients[1]*X**2 + ..."""
    order = (p - 1) // 2 * ((q - 1) // 2)
    f = [shared_secret(p, q), *coefficients]
    return [sum(a * i**k for k, a in enumerate(f)) % order for i in range(1, num_holders + 1)]


def verification_keys(v, shares, n):
    """v and v**(D*t_i) for each holder."""
    exponents = [factorial(len(shares)) * share for share in shares]
    return [v, *(pow(v, x, n) for x in exponents)]


def partial(c, share, num_holders, n):
    """c**(2*D*t_i) modulo n."""
    return pow(c, 2 * factorial(num_holders) * share, n)


def combine(c, partials, num_holders, n):
    """The plaintext of c from {holder: partial decryption}, or None if they do not belong to c.

    Interpolation at 0 with D times the Lagrange coefficients, which are integers.
    """
    d = factorial(num_holders)
    root = 1
    for i, value in partials.items():
        mu = Fraction(d)
        for j in partials:
            if j != i:
                mu *= Fraction(j, j - i)
        assert mu.denominator == 1
        root = root * pow(value, 2 * int(mu), n) % n
    product = pow(c, 4 * d * d, n * n) * pow(root, n, n * n) % (n * n)
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
        """A: |n| and the bits of D."""
        return self.n.bit_length() + factorial(self.num_holders).bit_length()

    def key_wire(self):
        counts = bytes([self.num_holders, self.threshold, self.max_colluding_holders])
        public = reference.public_key_wire(self.n, is_djn=True)
        residues = b"".join(residue(x, self.n) for x in self.verification)
        return reference.frame(10, counts + word(len(public)) + public + residues, version=2)

    def fingerprint(self):
        return shake(32, b"veilsum/threshold-key/2", self.key_wire())

    def digest(self):
        numbers = [word(self.holder), word(self.first), word(len(self.ciphertexts))]
        elements = [element(x, self.n) for x in self.ciphertexts]
        elements += [residue(x, self.n) for x in self.partials]
        context = [word(len(self.context)), self.context]
        return shake(64, b"veilsum/partial/2", self.fingerprint(), *context, *numbers, *elements)

    def combined(self, elements):
        """The product of the elements to the powers w_j, modulo n."""
        count = len(elements)
        weights = shake(16 * count, b"veilsum/partial/weights/1", self.digest())
        product = 1
        for j, x in enumerate(elements):
            weight = int.from_bytes(weights[16 * j : 16 * j + 16], "little")
            product = product * pow(x, weight, self.n) % self.n
        return product

    def challenge(self, a, b):
        elements = residue(a, self.n) + residue(b, self.n)
        digest = shake(CHALLENGE_BYTES, b"veilsum/partial/challenge/1", self.digest(), elements)
        return int.from_bytes(digest, "little")


def prove(statement, share, nonce):
    """Challenge and response; the nonce below 2**(A + 256)."""
    n = statement.n
    base = pow(statement.combined(statement.ciphertexts), 4, n)
    e = statement.challenge(pow(statement.verification[0], nonce, n), pow(base, nonce, n))
    return e, nonce + e * factorial(statement.num_holders) * share


def verifies(statement, challenge, response):
    n = statement.n
    bound = 2 ** (statement.exponent_bits + 256) + 2 ** (statement.exponent_bits + 126)
    if not 0 <= response < bound:
        return False
    c4 = pow(statement.combined(statement.ciphertexts), 4, n)
    e2 = pow(statement.combined(statement.partials), 2, n)
    v, v_i = statement.verification[0], statement.verification[statement.holder]
    a = pow(v, response, n) * pow(v_i, -challenge, n) % n
    b = pow(c4, response, n) * pow(e2, -challenge, n) % n
    return statement.challenge(a, b) == challenge


def partial_wire(statement, challenge, response):
    """The partial decryption as it travels."""
    body = statement.fingerprint() + bytes([statement.holder]) + word(statement.first)
    body += challenge.to_bytes(CHALLENGE_BYTES, "little")
    body += response.to_bytes((statement.exponent_bits + 256) // 8 + 1, "little")
    body += b"".join(residue(x, statement.n) for x in statement.partials)
    return reference.frame(12, body, version=2)


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


def residue(x, n):
    """x below n, of as many bytes as n."""
    return x.to_bytes(reference.num_bytes(n.bit_length()), "little")


def word(value):
    return value.to_bytes(8, "little")


def shake(size, *parts):
    return hashlib.shake_256(b"".join(parts)).digest(size)
