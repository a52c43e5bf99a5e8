"""The codec without encryption: a million values clipped, quantised and packed, and back."""

import numpy as np
import pytest
from veilsum import _core

DIM = 1_000_000


@pytest.fixture(scope="module")
def layout():
    modulus = ((1 << 3072) - 1).to_bytes(384, "little")
    return _core.SlotLayout(DIM + 1, _core.max_slot_of(16, 100), modulus)


@pytest.fixture(scope="module")
def quantiser():
    return _core.Quantiser(DIM, 1.0, 16)


@pytest.fixture(scope="module")
def delta():
    return np.random.default_rng(1).normal(0, 0.1, DIM).astype(np.float32)


def test_quantise_and_pack(benchmark, quantiser, layout, delta):
    benchmark.group = f"codec, {DIM} float32 values, one core"
    benchmark(lambda: _core.pack(quantiser.quantise(delta, 1.0, 1)[0], layout, 1))


def test_unpack_and_dequantise(benchmark, quantiser, layout, delta):
    benchmark.group = f"codec, {DIM} float32 values, one core"
    plaintexts = _core.pack(quantiser.quantise(delta)[0], layout)
    benchmark(lambda: quantiser.dequantise(_core.unpack(plaintexts, layout, 1), 1))
