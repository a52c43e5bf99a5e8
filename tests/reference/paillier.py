"""Paillier as the paper states it, in Python integers: slow, obvious, independent of veilsum.

Notation: n = p*q, n2 = n**2, m a plaintext, c a ciphertext, r a unit modulo n.
"""

import hashlib
from math import gcd, lcm


def centre(m, n):
    """The representative of m modulo n in (-n/2, n/2); n is odd."""
    m %= n
    return m - n if 2 * m > n else m


def encrypt(m, r, n):
    """(1 + n)**m * r**n mod n**2."""
    n2 = n * n
    return pow(1 + n, m % n, n2) * pow(r, n, n2) % n2


def decrypt(c, p, q):
    """Paillier 1999: L(c**lambda) / L(g**lambda) mod n, with L(u) = (u - 1) / n, centred."""
    n = p * q
    carmichael = lcm(p - 1, q - 1)
    u = pow(c, carmichael, n * n)
    assert u % n == 1
    # g = 1 + n, so L(g**lambda) = lambda mod n.
    return centre((u - 1) // n * pow(carmichael, -1, n), n)


def decrypt_crt(c, p, q):
    """The same modulo p**2 and q**2, put together by the Chinese remainder theorem."""
    n = p * q

    def half(prime):
        def log(u):
            return (u - 1) // prime

        square = prime * prime
        scale = pow(log(pow(1 + n, prime - 1, square)), -1, prime)
        return log(pow(c, prime - 1, square)) * scale % prime

    mp, mq = half(p), half(q)
    return centre(mp + p * ((mq - mp) * pow(p, -1, q) % q), n)


def add(c, d, n):
    """The ciphertext of the sum of the plaintexts."""
    return c * d % (n * n)


def add_plain(c, m, n):
    """The ciphertext of the plaintext of c plus m."""
    return c * (1 + m * n) % (n * n)


def negate(c, n):
    """The ciphertext of minus the plaintext of c."""
    return pow(c, -1, n * n)


def multiply(c, k, n):
    """The ciphertext of k times the plaintext of c, k of any sign."""
    return pow(c, k, n * n)


def digits(c, n):
    """(c0, c1) with c = c0 + c1*n, both below n: how ciphertexts travel."""
    return c % n, c // n


def num_bytes(bits):
    return (bits + 7) // 8


def little_endian(n):
    """n in as many bytes as it needs."""
    return n.to_bytes(num_bytes(n.bit_length()), "little")


def derived_h(n):
    """h = -x**2 mod n of Damgard, Jurik and Nielsen; x comes from n alone.

    x is the first block of SHAKE256("veilsum/djn/1" || n) that is a unit modulo n; a block has 128
    bits more than n, and all numbers are little-endian.
    """
    block_bytes = num_bytes(n.bit_length() + 128)
    num_blocks = 0
    while True:
        num_blocks += 1
        stream = hashlib.shake_256(b"veilsum/djn/1" + little_endian(n))
        block = stream.digest(num_blocks * block_bytes)[-block_bytes:]
        x = int.from_bytes(block, "little") % n
        if gcd(x, n) == 1:
            return -x * x % n


def is_djn_form(p, q):
    """Whether randomisers may be powers of h**n: p = q = 3 (mod 4) and gcd(p-1, q-1) = 2."""
    return p % 4 == q % 4 == 3 and gcd(p - 1, q - 1) == 2


def frame(kind, body, version=1):
    """The frame of every message: magic, kind, version, two reserved bytes, length of the body."""
    return b"veil" + bytes([kind, version, 0, 0]) + len(body).to_bytes(8, "little") + body


def public_key_wire(n, is_djn):
    """The public key as it travels."""
    bits = n.bit_length().to_bytes(4, "little")
    return frame(1, bytes([is_djn]) + bits + little_endian(n))


def fingerprint(wire):
    """What names a public key, from its wire bytes."""
    return hashlib.shake_256(b"veilsum/key/1" + wire).digest(32)


def ciphertexts_wire(ciphertexts, shape, n, is_djn):
    """Ciphertexts as they travel: fingerprint, shape, digit pairs in row-major order."""
    size = num_bytes(n.bit_length())
    body = fingerprint(public_key_wire(n, is_djn)) + bytes([len(shape)])
    body += b"".join(length.to_bytes(8, "little") for length in shape)
    for c in ciphertexts:
        body += b"".join(digit.to_bytes(size, "little") for digit in digits(c, n))
    return frame(2, body)
