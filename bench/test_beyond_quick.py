"""What ``./run bench --quick`` leaves out: matrix products, the codec, noise, random bytes."""

import numpy as np
import pytest
import veilsum as vs
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from phe import paillier
from veilsum import _core, hazmat

NUM_VALUES = 64
WEIGHTS = np.random.default_rng(2).integers(-(2**15), 2**15, (16, NUM_VALUES))
DIM = 1_000_000
RANDOM_BYTES = 8_700_000  # What a million samples of noise take.


@pytest.mark.parametrize("key_bits", [2048, 3072])
@pytest.mark.parametrize("library", ["phe", "veilsum"])
def test_matrix_product(benchmark, library, key_bits):
    benchmark.group = f"16 rows of 16-bit weights by {NUM_VALUES} values, {key_bits} bits, one core"
    if library == "veilsum":
        ciphertexts = vs.generate_key(key_bits).public_key.encrypt(list(range(NUM_VALUES)))
        benchmark.pedantic(lambda: WEIGHTS @ ciphertexts, rounds=15, warmup_rounds=1)
        return
    public_key, _ = paillier.generate_paillier_keypair(n_length=key_bits)
    batch, rows = [public_key.encrypt(value) for value in range(NUM_VALUES)], WEIGHTS.tolist()

    def product():
        return [sum(c * weight for c, weight in zip(batch, row, strict=True)) for row in rows]

    benchmark.pedantic(product, rounds=2, warmup_rounds=1)


@pytest.mark.parametrize("way", ["quantise and pack", "unpack and dequantise"])
def test_codec(benchmark, way):
    benchmark.group = f"codec, {DIM} float32 values, one core"
    modulus = ((1 << 3072) - 1).to_bytes(384, "little")
    layout = _core.SlotLayout(DIM + 1, _core.max_slot_of(16, 0, 100), modulus)
    quantiser = _core.Quantiser([(DIM, 1.0)], 16)
    delta = np.random.default_rng(1).normal(0, 0.1, DIM).astype(np.float32)
    if way == "quantise and pack":
        benchmark(lambda: _core.pack(quantiser.quantise(delta, 1.0, 1)[0], layout, 1))
        return
    plaintexts = _core.pack(quantiser.quantise(delta)[0], layout)
    benchmark(lambda: quantiser.dequantise(_core.unpack(plaintexts, layout, 1), 1))


@pytest.mark.parametrize("size", [1, DIM])
@pytest.mark.parametrize("add", [vs.noise.add_discrete_gaussian, vs.noise.add_discrete_laplace])
def test_noise_added(benchmark, add, size):
    benchmark.group = f"noise added to {size} values, one core"
    benchmark(add, np.zeros(size, np.int64), 1000.7, num_threads=1)


@pytest.mark.parametrize(
    "source",
    [
        None,
        Cipher(algorithms.AES(bytes(32)), modes.CTR(bytes(16))),
        Cipher(algorithms.ChaCha20(bytes(32), bytes(16)), mode=None),
    ],
    ids=["veilsum", "OpenSSL's AES-256-CTR", "OpenSSL's ChaCha20"],
)
def test_random_bytes(benchmark, source):
    benchmark.group = f"{RANDOM_BYTES} random bytes; OpenSSL's keystreams have a fixed key"
    zeros, out = bytes(RANDOM_BYTES), np.ones(RANDOM_BYTES, np.uint8)
    if source is None:
        benchmark(hazmat.random_bytes, out)
    else:
        benchmark(lambda: source.encryptor().update_into(zeros, out))
