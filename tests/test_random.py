"""The generator: every keystream against OpenSSL, and what the hazmat functions refuse."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import veilsum as vs
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from veilsum import hazmat

# Around the steps of every implementation: one AES block, one block, and batches of 8 x 16 bytes to
# 16 x 64, with some bytes more and less.
SIZES = [
    *range(0, 66),
    *(k * n + d for k in (16, 64, 128, 256, 512, 1024) for n in (1, 3, 8, 17) for d in (-1, 0, 1)),
    100_003,
]
KEYSTREAMS = hazmat.keystreams()

# Worst first, with the processor features each needs.
NEEDS = {"chacha20-portable": set()}
if platform.machine() in {"aarch64", "arm64"}:
    NEEDS |= {"aes-armv8": {"aes"}}
else:
    NEEDS |= {
        "chacha20-avx2": {"avx2"},
        "chacha20-avx512": {"avx512"},
        "aes-ni": {"aes"},
        "aes-vaes256": {"aes", "avx2", "vaes"},
        "aes-vaes": {"aes", "avx512", "vaes"},
    }


def openssl(name, key, size, start):
    if name.startswith("aes-"):
        return Cipher(algorithms.AES(key), modes.CTR(start)).encryptor().update(bytes(size))
    # Its counter has 32 bits: where ours carries into the next word, another start goes on.
    counter, nonce = int.from_bytes(start[:8], "little"), start[8:]
    first = min(size, 64 * (2**32 - counter % 2**32))
    cipher = Cipher(algorithms.ChaCha20(key, start), mode=None)
    stream = cipher.encryptor().update(bytes(first))
    if first < size:
        carried = (counter // 2**32 + 1) * 2**32
        stream += openssl(name, key, size - first, carried.to_bytes(8, "little") + nonce)
    return stream


def start_at(name, counter, rest):
    """A start whose counting half is counter and whose other half is rest."""
    if name.startswith("aes-"):
        return rest + counter.to_bytes(8, "big")
    return counter.to_bytes(8, "little") + rest


@pytest.mark.parametrize("name", KEYSTREAMS)
def test_keystream_equals_openssl_at_all_sizes(name, rng):
    for size in SIZES:
        key, start = rng.randbytes(32), start_at(name, rng.getrandbits(63), rng.randbytes(8))
        assert hazmat.keystream(name, key, size, start=start) == openssl(name, key, size, start)


@pytest.mark.parametrize("name", KEYSTREAMS)
def test_keystream_equals_openssl_where_the_counter_carries(name, rng):
    key, rest = rng.randbytes(32), rng.randbytes(8)
    for bits in (8, 16, 31, 32, 33, 40, 48, 56, 63):
        for before in (0, 1, 2, 3, 7, 15, 16, 31, 200):
            start = start_at(name, 2**bits - before, rest)
            expected = openssl(name, key, 5000, start)
            assert hazmat.keystream(name, key, 5000, start=start) == expected, (bits, before)


@pytest.mark.parametrize("name", KEYSTREAMS)
def test_keystream_starts_at_zero_unless_told(name):
    key = bytes(range(32))
    assert hazmat.keystream(name, key, 99) == openssl(name, key, 99, bytes(16))


@pytest.mark.parametrize("name", KEYSTREAMS)
def test_keystream_refuses_a_counter_that_would_wrap(name):
    per_block = 4 if name.startswith("aes-") else 1
    last = start_at(name, 2**64 - 3 * per_block, bytes(8))
    assert len(hazmat.keystream(name, bytes(32), 3 * 64, start=last)) == 3 * 64
    with pytest.raises(vs.InvalidArgumentError, match="would wrap"):
        hazmat.keystream(name, bytes(32), 3 * 64 + 1, start=last)


def test_keystream_says_what_it_needs():
    with pytest.raises(vs.InvalidArgumentError, match="chacha20-portable"):
        hazmat.keystream("rc4", bytes(32), 1)
    with pytest.raises(vs.InvalidArgumentError, match="key must be 32 bytes, not 16"):
        hazmat.keystream(KEYSTREAMS[0], bytes(16), 1)
    with pytest.raises(vs.InvalidArgumentError, match="start must be 16 bytes, not 12"):
        hazmat.keystream(KEYSTREAMS[0], bytes(32), 1, start=bytes(12))


def test_keystreams_are_those_of_the_processor():
    features = set(vs.cpu()["features"])
    assert [name for name, needs in NEEDS.items() if needs <= features] == KEYSTREAMS


@pytest.mark.parametrize(
    ("isa", "ruled_out"),
    [
        ("", set()),
        ("portable", {"avx2", "avx512", "aes", "vaes"}),
        ("avx2", {"avx512", "vaes"}),
        ("ifma", set()),
    ],
)
def test_generator_is_the_best_that_the_environment_leaves(isa, ruled_out):
    if isa not in ("", "portable", *vs.cpu()["features"]):
        pytest.skip(f"this processor has no {isa}")
    allowed = [name for name in KEYSTREAMS if not NEEDS[name] & ruled_out]
    found = subprocess.run(
        [sys.executable, "-c", "import veilsum; print(veilsum.cpu()['rng'])"],
        env=os.environ | {"VEILSUM_ISA": isa},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == allowed[-1]


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 65536, 65537, 1_000_003])
def test_random_bytes_fill_the_whole_array(size):
    # A byte stays 0 in all 12 fillings with probability 2**-96.
    seen = np.zeros(size, np.uint8)
    for _ in range(12):
        out = np.zeros(size, np.uint8)
        hazmat.random_bytes(out)
        seen |= out
    assert np.count_nonzero(seen) == size


def test_random_bytes_never_repeat_and_use_every_bit():
    out = np.empty((2, 1 << 16), np.uint8)
    hazmat.random_bytes(out)
    # 2**13 words of 128 bits: two are equal with probability 2**-103.
    words = out.reshape(-1, 16)
    assert len(np.unique(words, axis=0)) == len(words)
    ones = np.unpackbits(out.reshape(-1, 64), axis=1).sum(axis=0, dtype=np.int64)
    # 512 counts of 2048 bits each; seven standard deviations of 22.6.
    assert abs(ones - 1024).max() < 159


def test_random_bytes_refuse_what_they_could_not_fill():
    read_only = np.zeros(8, np.uint8)
    read_only.flags.writeable = False
    with pytest.raises(TypeError, match="uint8"):
        hazmat.random_bytes(np.zeros(8))
    for array in (read_only, np.zeros((4, 4), np.uint8)[:, ::2]):
        with pytest.raises(vs.InvalidArgumentError, match="C-contiguous and writable"):
            hazmat.random_bytes(array)
