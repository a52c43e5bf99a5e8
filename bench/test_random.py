"""Random bytes through the Python API, beside OpenSSL's keystreams of a fixed key."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from veilsum import hazmat

# What a million samples of noise take.
SIZE_BYTES = 8_700_000


def test_random_bytes(benchmark):
    out = np.ones(SIZE_BYTES, np.uint8)
    benchmark(hazmat.random_bytes, out)


@pytest.mark.parametrize(
    "cipher",
    [
        Cipher(algorithms.AES(bytes(32)), modes.CTR(bytes(16))),
        Cipher(algorithms.ChaCha20(bytes(32), bytes(16)), mode=None),
    ],
    ids=["aes-256-ctr", "chacha20"],
)
def test_openssl_keystream(benchmark, cipher):
    zeros = bytes(SIZE_BYTES)
    out = bytearray(SIZE_BYTES)
    benchmark(lambda: cipher.encryptor().update_into(zeros, out))
