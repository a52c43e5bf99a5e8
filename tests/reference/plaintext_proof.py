"""Proofs of plaintext knowledge in Python integers: slow, obvious, independent of veilsum's core.

Notation: c_j = (1 + m_j*n) * hs**a_j modulo n**2 for a chunk of ciphertexts; for keys of form
classic c_j = (1 + m_j*n) * r_j**n, and r_j takes the place of a_j. What is proved is knowledge of
the n-th root of c_j modulo n.
"""

from dataclasses import dataclass
from math import gcd, prod

from reference import paillier as reference
from reference.threshold import element, shake, word


@dataclass(frozen=True)
class Statement:
    """What the proof of one chunk is about."""

    n: int
    is_djn: bool
    context: bytes
    first: int
    ciphertexts: list

    @property
    def hs(self):
        return pow(reference.derived_h(self.n), self.n, self.n**2)

    def digest(self):
        fingerprint = reference.fingerprint(reference.public_key_wire(self.n, self.is_djn))
        numbers = word(self.first) + word(len(self.ciphertexts))
        elements = b"".join(element(c, self.n) for c in self.ciphertexts)
        context = word(len(self.context)) + self.context
        return shake(64, b"veilsum/plaintext-proof/3", fingerprint, context, numbers, elements)

    def challenges(self, commitment):
        """e_1, e_2, ... of 128 bits."""
        stream = shake(
            16 * len(self.ciphertexts),
            b"veilsum/plaintext-proof/challenges/1",
            self.digest(),
            digit(commitment, self.n),
        )
        return [int.from_bytes(stream[i : i + 16], "little") for i in range(0, len(stream), 16)]

    def randomiser(self, secret, modulus):
        """hs**secret, or secret**n."""
        base, exponent = (self.hs, secret) if self.is_djn else (secret, self.n)
        return pow(base, exponent, modulus)

    def ciphertext(self, m, secret):
        return (1 + m * self.n) * self.randomiser(secret, self.n**2) % self.n**2


def nonce_bits(n, chunk):
    """Of alpha: |n|/2 + 128 + ceil(log2(chunk)) + 128."""
    return (n.bit_length() + 1) // 2 + 128 + (chunk - 1).bit_length() + 128


def digit(x, n):
    return x.to_bytes(reference.num_bytes(n.bit_length()), "little")


def prove(statement, witnesses, nonce, *, factor=1):
    """A and z (or w), with the nonce given; A has this factor too."""
    n = statement.n
    commitment = factor * statement.randomiser(nonce, n) % n
    e = statement.challenges(commitment)
    if statement.is_djn:
        response = nonce + sum(x * a for x, a in zip(e, witnesses, strict=True))
    else:
        response = nonce * prod(pow(r, x, n) for x, r in zip(e, witnesses, strict=True)) % n
        response = min(response, n - response)
    return commitment, response


def in_range(statement, chunk, response):
    """Whether an answer lies where answers lie."""
    bits = nonce_bits(statement.n, chunk)
    bound = 2**bits + 2 ** (bits - 128) if statement.is_djn else (statement.n + 1) // 2
    return 0 <= response < bound


def quotient(statement, commitment, response):
    """What is 1 if a proof is right: A times the product of all c_j**e_j, over hs**z (or w**n)."""
    n = statement.n
    pairs = zip(statement.challenges(commitment), statement.ciphertexts, strict=True)
    asked = commitment * prod(pow(c, x, n) for x, c in pairs)
    return asked * pow(statement.randomiser(response, n), -1, n) % n


def verifies(statement, chunk, commitment, response):
    units = commitment * (1 if statement.is_djn else response)
    if not in_range(statement, chunk, response) or gcd(units, statement.n) != 1:
        return False
    return pow(quotient(statement, commitment, response), 2, statement.n) == 1


def verify_together(proofs, weights, *, power=2):
    """One check of many proofs ``(statement, A, z)``, with a weight of the checker's for each.

    ``power`` is 1 for a check that compares no squares.
    """
    n = proofs[0][0].n
    quotients = (quotient(*proof) for proof in proofs)
    return prod(pow(x, power * w, n) for x, w in zip(quotients, weights, strict=True)) % n == 1


def response_bytes(n, chunk, is_djn):
    return nonce_bits(n, chunk) // 8 + 1 if is_djn else reference.num_bytes(n.bit_length())


def wire(n, is_djn, first, count, chunk, proofs):
    """The message with a proof (A, z) for each chunk."""
    body = reference.fingerprint(reference.public_key_wire(n, is_djn))
    body += word(first) + word(count) + chunk.to_bytes(4, "little")
    response_size = response_bytes(n, chunk, is_djn)
    body += b"".join(digit(commitment, n) for commitment, _ in proofs)
    body += b"".join(response.to_bytes(response_size, "little") for _, response in proofs)
    return reference.frame(13, body, version=3)


def parse(data, n, is_djn):
    """(first, count, chunk, proofs) of a message."""
    body = data[16 + 32 :]
    first, count = (int.from_bytes(body[i : i + 8], "little") for i in (0, 8))
    chunk = int.from_bytes(body[16:20], "little")
    size = reference.num_bytes(n.bit_length())
    num_chunks = -(-count // chunk)
    body = body[20:]

    def take(width):
        nonlocal body
        fields, body = body[: width * num_chunks], body[width * num_chunks :]
        return [fields[i : i + width] for i in range(0, len(fields), width)]

    commitments = [int.from_bytes(x, "little") for x in take(size)]
    responses = [int.from_bytes(x, "little") for x in take(response_bytes(n, chunk, is_djn))]
    assert body == b""
    return first, count, chunk, list(zip(commitments, responses, strict=True))
