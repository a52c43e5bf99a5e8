"""Paillier beside phe with gmpy2: one core, one run, the same number of values in a group.

The summary after the table gives the ratios of medians. Groups of 4,096 values have veilsum alone:
what is fast needs batches of thousands, and phe would take minutes to encrypt so many.
"""

import numpy as np
import pytest
import veilsum as vs
from phe import paillier

SIZES = [2048, 3072]
NUM_VALUES = 64
NUM_MANY = 4096
NUM_ADDENDS = 1024


class Pair:
    """One veilsum key and one phe key of the same size."""

    def __init__(self, key_bits):
        self.secret_key = vs.generate_key(key_bits)
        self.public_key = self.secret_key.public_key
        self.phe_public, self.phe_secret = paillier.generate_paillier_keypair(n_length=key_bits)
        self.values = list(range(NUM_VALUES))
        self.ciphertexts = self.public_key.encrypt(self.values)
        self.many = self.secret_key.encrypt(list(range(NUM_MANY)))  # Also makes the owner's table.
        self.phe_ciphertexts = [self.phe_public.encrypt(value) for value in self.values]


@pytest.fixture(scope="module", params=SIZES)
def pair(request):
    return Pair(request.param)


@pytest.fixture
def measure(benchmark, pair):
    """Run a function some rounds, in the group of its operation and key size."""

    def run(operation, function, rounds, num_values=NUM_VALUES):
        bits = pair.public_key.key_bits
        benchmark.group = f"{operation} {num_values} values, {bits} bits, one core"
        benchmark.extra_info["values"] = num_values
        benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)

    return run


def test_encrypt_phe(measure, pair):
    measure("encrypt", lambda: [pair.phe_public.encrypt(value) for value in pair.values], 3)


def test_encrypt_veilsum(measure, pair):
    measure("encrypt", lambda: pair.public_key.encrypt(pair.values), 15)


def test_encrypt_veilsum_owner(measure, pair):
    measure("encrypt", lambda: pair.secret_key.encrypt(pair.values), 15)


def test_encrypt_veilsum_pool(measure, pair):
    rounds = 15
    pool = pair.public_key.precompute((rounds + 1) * NUM_VALUES)
    measure("encrypt", lambda: pair.public_key.encrypt(pair.values, pool=pool), rounds)


def test_decrypt_phe(measure, pair):
    measure("decrypt", lambda: [pair.phe_secret.decrypt(c) for c in pair.phe_ciphertexts], 3)


def test_decrypt_veilsum(measure, pair):
    measure("decrypt", lambda: pair.secret_key.decrypt(pair.ciphertexts), 5)


def test_add_phe(measure, pair):
    measure("add", lambda: [c + c for c in pair.phe_ciphertexts], 50)


def test_add_veilsum(measure, pair):
    measure("add", lambda: pair.ciphertexts + pair.ciphertexts, 50)


def test_multiply_phe(measure, pair):
    measure("multiply by 31 bits", lambda: [c * (2**31 - 1) for c in pair.phe_ciphertexts], 10)


def test_multiply_veilsum(measure, pair):
    measure("multiply by 31 bits", lambda: pair.ciphertexts * (2**31 - 1), 10)


def test_encrypt_many_veilsum(measure, pair):
    measure("encrypt", lambda: pair.public_key.encrypt(list(range(NUM_MANY))), 3, NUM_MANY)


def test_add_many_veilsum(measure, pair):
    measure("add", lambda: pair.many + pair.many, 50, NUM_MANY)


def test_multiply_many_veilsum(measure, pair):
    measure("multiply by 31 bits", lambda: pair.many * (2**31 - 1), 5, NUM_MANY)


def test_sum_many_veilsum(measure, pair):
    matrix = pair.many[np.arange(NUM_MANY).reshape(NUM_ADDENDS, -1)]
    measure(f"sums of {NUM_ADDENDS},", lambda: matrix.sum(axis=0), 50, NUM_MANY)


WEIGHTS = np.random.default_rng(2).integers(-(2**15), 2**15, (16, NUM_VALUES))


def test_matrix_product_phe(measure, pair):
    rows = WEIGHTS.tolist()

    def product():
        return [sum(c * w for c, w in zip(pair.phe_ciphertexts, row, strict=True)) for row in rows]

    measure("16 rows of 16-bit weights by", product, 2)


def test_matrix_product_veilsum(measure, pair):
    measure("16 rows of 16-bit weights by", lambda: WEIGHTS @ pair.ciphertexts, 15)


@pytest.mark.parametrize("dim", [100_000])
def test_encrypt_vector(benchmark, pair, dim):
    """A model update through the codec: clip, quantise, pack, encrypt."""
    codec = vs.Codec(dim=dim, clip=1.0, value_bits=16, max_addends=100)
    delta = np.random.default_rng(1).normal(0, 0.1, dim).astype(np.float32)
    benchmark.group = f"encrypt a vector of {dim} values, {pair.public_key.key_bits} bits, one core"
    benchmark.extra_info["ciphertexts"] = codec.num_ciphertexts(pair.public_key)
    vector = codec.encrypt(delta, key=pair.public_key)
    benchmark.extra_info["bytes"] = len(vector.to_bytes())
    benchmark.pedantic(lambda: codec.encrypt(delta, key=pair.public_key), rounds=3, warmup_rounds=0)
