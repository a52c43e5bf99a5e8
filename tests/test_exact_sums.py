"""The codec's promise: encrypt, add and decrypt give exactly the integer sum."""

import numpy as np
import pytest
import veilsum as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from known_keys import known_key

CLIP = 0.75
VALUE_BITS = 9
MAX_ADDENDS = 12
GRID_MAX = 2 ** (VALUE_BITS - 1) - 1


@pytest.fixture(scope="module")
def sk():
    return known_key(2048).secret


def codec_of(dim, max_addends=MAX_ADDENDS, value_bits=VALUE_BITS):
    return vs.Codec(dim=dim, clip=CLIP, value_bits=value_bits, max_addends=max_addends)


def slots_per_ciphertext(sk):
    return codec_of(1).slots_per_ciphertext(sk.public_key)


def opened_slots(codec, sk, integer_vectors):
    """The integer sums that come out when these integers go in, each through its own encryption."""
    accumulator = vs.Accumulator(codec, key=sk.public_key)
    for integers in integer_vectors:
        accumulator.add(codec.encrypt(integers / codec.scale, key=sk.public_key))
    total = codec.decrypt(accumulator.total, sk)
    assert total.num_addends == len(integer_vectors)
    assert total.weight == len(integer_vectors)
    slots = np.rint(total.values * codec.scale).astype(np.int64)
    np.testing.assert_array_equal(total.values, slots / codec.scale)
    return slots


def dims(sk):
    slots = slots_per_ciphertext(sk)
    return [1, slots - 1, slots, slots + 1, 2 * slots - 1, 2 * slots]


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("num_addends", [1, 2, MAX_ADDENDS - 1, MAX_ADDENDS])
def test_extreme_values_in_every_slot_sum_exactly(sk, index, num_addends):
    dim = dims(sk)[index]
    alternating = np.where(np.arange(dim) % 2 == 0, GRID_MAX, -GRID_MAX)
    for pattern in (np.full(dim, GRID_MAX), np.full(dim, -GRID_MAX), alternating, -alternating):
        slots = opened_slots(codec_of(dim), sk, [pattern] * num_addends)
        np.testing.assert_array_equal(slots, num_addends * pattern)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), num_addends=st.integers(1, MAX_ADDENDS), index=st.integers(0, 5))
def test_any_vectors_sum_exactly(sk, data, num_addends, index):
    dim = dims(sk)[index]
    seed = data.draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    vectors = generator.integers(-GRID_MAX, GRID_MAX, (num_addends, dim), endpoint=True)
    np.testing.assert_array_equal(opened_slots(codec_of(dim), sk, vectors), vectors.sum(axis=0))


def test_the_addend_after_the_last_is_refused_and_nothing_is_lost(sk):
    codec = codec_of(5)
    accumulator = vs.Accumulator(codec, key=sk.public_key)
    vector = codec.encrypt(np.full(5, CLIP), key=sk.public_key)
    for _ in range(MAX_ADDENDS):
        accumulator.add(vector)
    with pytest.raises(vs.CapacityError):
        accumulator.add(vector)
    total = codec.decrypt(accumulator.total, sk)
    np.testing.assert_array_equal(total.values, np.full(5, MAX_ADDENDS * GRID_MAX) / codec.scale)


def test_a_million_values_sum_exactly(sk):
    """Six-bit values: 250 slots and more a ciphertext keep this quick."""
    dim = 1_000_000
    codec = codec_of(dim, max_addends=3, value_bits=6)
    grid_max = 2**5 - 1
    vectors = np.random.default_rng(7).integers(-grid_max, grid_max, (2, dim), endpoint=True)
    vectors[0, ::1000] = grid_max
    slots = opened_slots(codec, sk, [*vectors, np.full(dim, -grid_max)])
    np.testing.assert_array_equal(slots, vectors.sum(axis=0) - grid_max)
