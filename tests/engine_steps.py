"""What every engine must compute alike: operations on ciphertexts with chosen randomness.

Run as a program it prints, for the keys named, a digest of each step as JSON: test_engines.py
compares those of processes with different VEILSUM_ISA.
"""

import functools
import hashlib
import json
import random
import sys
from dataclasses import dataclass
from math import gcd

import numpy as np
import veilsum as vs
from known_keys import KEY_BITS, known_key
from reference import paillier as reference
from veilsum import hazmat
from veilsum.schemes import packing

NUM_VALUES = 12  # A full group of eight lanes and a rest; three groups of four lanes.
NUM_COLUMNS = 600  # Enough for the buckets of public exponents.
ROWS = 3  # Of ciphertexts as a matrix.
GROUPS = [0, 4, 1, 0, 0, 3, 1, 0, 0, 0, 4, 0]  # Of NUM_VALUES rows; none in group 2.

# 5 * 7, and primes 2^j - 1 and 2^k - 1, limbs of all ones: moduli from 6 bits to 1128.
TOY_KEYS = {"toy-35": (5, 7)} | {
    f"toy-{j}-{k}": ((1 << j) - 1, (1 << k) - 1)
    for j, k in ((3, 5), (13, 17), (31, 61), (107, 127), (89, 521), (521, 607))
}
KEYS = [*TOY_KEYS, *(str(bits) for bits in KEY_BITS)]


@dataclass(frozen=True)
class Inputs:
    """What the steps start from: the same in every process."""

    messages: list[int]
    others: list[int]
    units: list[int]
    other_units: list[int]
    scalars: list[int]
    long_scalars: list[int]
    weights: list[list[int]]
    public_weights: list[int]


def primes(name):
    if name in TOY_KEYS:
        return TOY_KEYS[name]
    return known_key(name).p, known_key(name).q


@functools.cache
def secret_key(name):
    return hazmat.secret_key(*primes(name))


@functools.cache
def inputs(name):
    p, q = primes(name)
    n = p * q
    rng = random.Random(f"engines {name}")
    half = (n - 1) // 2
    ones = (1 << (n.bit_length() - 2)) - 1

    def some(edges, make):
        return [*edges, *(make() for _ in range(NUM_VALUES))][:NUM_VALUES]

    def message():
        return rng.randint(-half, half)

    def unit():
        return next(r for r in iter(lambda: rng.randrange(1, n), None) if gcd(r, n) == 1)

    def represented(scalar):
        """The scalar modulo n that a toy key can represent."""
        return (scalar + half) % n - half

    def weight():
        return represented(rng.randint(-(2**15), 2**15))

    scalars = map(represented, [0, 1, -1, 2, -(2**31), 2**63 - 1, -(2**63), 2**64])
    return Inputs(
        messages=some([0, 1, -1, half, -half, ones, -ones], message),
        others=some([half, half, 1, 1, -half, ones, 0], message),
        units=some([1, n - 1], unit),
        other_units=some([n - 1, n - 1], unit),
        scalars=some(scalars, lambda: represented(rng.randint(-(2**70), 2**70))),
        long_scalars=[half, -half, represented(n // 3)],
        weights=[
            [0] * NUM_VALUES,
            [represented(-(2**15))] * NUM_VALUES,
            *([weight() for _ in range(NUM_VALUES)] for _ in range(3)),
        ],
        public_weights=[represented(rng.getrandbits(128)) for _ in range(NUM_COLUMNS)],
    )


def tiled(values):
    return [values[i % NUM_VALUES] for i in range(NUM_COLUMNS)]


def split(values):
    """The values as a matrix."""
    width = NUM_VALUES // ROWS
    return [values[i : i + width] for i in range(0, NUM_VALUES, width)]


def accumulated(public_key):
    """The total of three vectors, encrypted with chosen randomness, or None for a toy key."""
    if public_key.n.bit_length() < 128:
        return None
    codec = vs.Codec(dim=150, clip=1.0, value_bits=12, max_addends=9, weight_bits=1)
    accumulator = vs.Accumulator(codec, key=public_key)
    for addend in range(3):
        delta = np.random.default_rng(addend).uniform(-1.5, 1.5, 150)
        slots, _ = codec.quantise(delta, weight=0.5)
        plaintexts = packing.pack(codec, slots, modulus=public_key.n)
        units = [2 * i + addend + 2 for i in range(len(plaintexts))]
        accumulator.add(vs.EncryptedVector(hazmat.encrypt(public_key, plaintexts, units), codec))
    return accumulator.total.ciphertexts


def run(name):
    """The ciphertexts of each step."""
    x = inputs(name)
    public = secret_key(name).public_key
    c = hazmat.encrypt(public, x.messages, x.units)
    d = hazmat.encrypt(public, x.others, x.other_units)
    total = c + d  # Carries another power of R than c.
    matrix = hazmat.encrypt(public, split(x.messages), x.units)
    weights = np.array(x.weights)
    steps = {
        "encrypt": c,
        "add": total,
        "add one": c + d[0],
        "add a sum": total + c,
        "subtract": c - d,
        "negate": -total,
        "add plaintexts": c + x.others,
        "add plaintexts to a sum": total + x.others,
        "multiply": c * x.scalars,
        "multiply a sum": total * x.scalars,
        "multiply_vartime": c.multiply_vartime(x.scalars),
        "multiply by long scalars": c[: len(x.long_scalars)] * x.long_scalars,
        "sum": total.sum(),
        "sum of columns": matrix.sum(axis=0),
        "sum of rows": matrix.sum(axis=1),
        "group_sum": total.group_sum(GROUPS, 5)[[0, 1, 3, 4]],
        "group_sum of columns": matrix.group_sum([1, 0, 1], 2).reshape(-1),
        "group_sum of groupings": c.group_sum(np.array([GROUPS, GROUPS[::-1]]).T, 5)[
            :, [0, 1, 4]
        ].reshape(-1),
        "pack": total.pack(2),
        "matrix product": weights @ c,
        "matrix product, positive": np.abs(weights) @ total,
        "matrix_product_vartime": c.matrix_product_vartime(weights),
        "product of public weights": c[tiled(range(NUM_VALUES))].matrix_product_vartime(
            x.public_weights
        ),
        "slices": vs.Ciphertexts.concatenate([c[1:], total[::-2], c[[0, 0, -1]]]),
        "from bytes": vs.Ciphertexts.from_bytes(total.to_bytes(), public),
    }
    if (vector_total := accumulated(public)) is not None:
        steps["accumulator"] = vector_total
    return steps


def expected(name):
    """What the reference says of every step but the accumulator, as integers modulo n^2."""
    x = inputs(name)
    p, q = primes(name)
    n = p * q

    def each(function, left, right):
        return [function(a, b, n) for a, b in zip(left, right, strict=True)]

    def product(ciphertexts):
        return functools.reduce(lambda a, b: reference.add(a, b, n), ciphertexts)

    def grouped(ciphertexts, groups, wanted):
        return product([x for x, group in zip(ciphertexts, groups, strict=True) if group == wanted])

    def packed(ciphertexts, bits):
        """Rows of one length but the last, of numbers that all may be the lowest."""
        most = 1
        while 2 * sum(2 ** (bits - 1) << bits * i for i in range(most + 1)) < n:
            most += 1
        num_rows = -(-NUM_VALUES // most)
        each = -(-NUM_VALUES // num_rows)
        rows = [ciphertexts[i : i + each] for i in range(0, NUM_VALUES, each)]
        return [product([pow(c, 2 ** (bits * i), n * n) for i, c in enumerate(r)]) for r in rows]

    def multiply_all(ciphertexts, matrix):
        return [product(each(reference.multiply, ciphertexts, row)) for row in matrix]

    def absolute(matrix):
        return [[abs(weight) for weight in row] for row in matrix]

    c = each(reference.encrypt, x.messages, x.units)
    d = each(reference.encrypt, x.others, x.other_units)
    total = each(reference.add, c, d)
    multiplied = each(reference.multiply, c, x.scalars)
    weighted = multiply_all(c, x.weights)
    # Powers of equal bases are multiplied by adding their exponents.
    weight_sums = [sum(x.public_weights[i::NUM_VALUES]) for i in range(NUM_VALUES)]
    return {
        "encrypt": c,
        "add": total,
        "add one": [reference.add(a, d[0], n) for a in c],
        "add a sum": each(reference.add, total, c),
        "subtract": each(reference.add, c, [reference.negate(b, n) for b in d]),
        "negate": [reference.negate(a, n) for a in total],
        "add plaintexts": each(reference.add_plain, c, x.others),
        "add plaintexts to a sum": each(reference.add_plain, total, x.others),
        "multiply": multiplied,
        "multiply a sum": each(reference.multiply, total, x.scalars),
        "multiply_vartime": multiplied,
        "multiply by long scalars": each(
            reference.multiply, c[: len(x.long_scalars)], x.long_scalars
        ),
        "sum": [product(total)],
        "sum of columns": [product(column) for column in zip(*split(c), strict=True)],
        "sum of rows": [product(row) for row in split(c)],
        "group_sum": [grouped(total, GROUPS, group) for group in (0, 1, 3, 4)],
        "group_sum of columns": [
            *split(c)[1],
            *(product(pair) for pair in zip(split(c)[0], split(c)[2], strict=True)),
        ],
        "group_sum of groupings": [
            grouped(c, groups, group) for groups in (GROUPS, GROUPS[::-1]) for group in (0, 1, 4)
        ],
        "pack": packed(total, 2),
        "matrix product": weighted,
        "matrix product, positive": multiply_all(total, absolute(x.weights)),
        "matrix_product_vartime": weighted,
        "product of public weights": multiply_all(c, [weight_sums]),
        "slices": [*c[1:], *total[::-2], c[0], c[0], c[-1]],
        "from bytes": total,
    }


def digests(name):
    """A digest of each step's wire bytes, and one of what it opens to."""
    secret = secret_key(name)
    result = {}
    for step, ciphertexts in run(name).items():
        opened = repr(secret.decrypt(ciphertexts)).encode()
        result[step] = hashlib.sha256(ciphertexts.to_bytes()).hexdigest()
        result[f"{step}, opened"] = hashlib.sha256(opened).hexdigest()
    return result


if __name__ == "__main__":
    report = {name: digests(name) for name in sys.argv[1:]}
    print(json.dumps({"kernel": vs.cpu()["kernel"], "digests": report}))
