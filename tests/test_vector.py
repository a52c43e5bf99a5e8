"""Codec, EncryptedVector and Accumulator with real keys."""

import dataclasses
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from reference import codec as reference
from veilsum.errors import (
    CapacityError,
    InvalidArgumentError,
    KeyMismatchError,
    NoMeanError,
)
from veilsum.paillier.secret_key import generate_key
from veilsum.vector import Accumulator, Codec, EncryptedVector

DIM = 250


@pytest.fixture(scope="module")
def sk():
    return generate_key(2048)


@pytest.fixture(scope="module")
def pk(sk):
    return sk.public_key


@pytest.fixture(scope="module")
def other_sk():
    return generate_key(2048)


@pytest.fixture(scope="module")
def codec():
    return Codec(DIM, clip=1.0, value_bits=16, max_addends=3, weight_bits=3)


@pytest.fixture(scope="module")
def deltas():
    return np.random.default_rng(7).uniform(-1.2, 1.2, (3, DIM))


@pytest.fixture(scope="module")
def vector(codec, pk, deltas):
    return codec.encrypt(deltas[0], key=pk, weight=0.5)


class AddConstant:
    def __init__(self, value):
        self.value = value
        self.slots = None

    def add_to(self, slots, codec):
        assert slots.dtype == np.int64
        assert slots.shape == (codec.dim + 1,)
        self.slots = slots
        slots += self.value


# ---- the sum ----


def test_a_weighted_sum_decrypts_to_the_sum_of_the_integers(codec, sk, pk, deltas):
    weights = [0.5, 1.0, 0.125]
    vectors = [
        codec.encrypt(delta, key=key, weight=weight)
        for delta, weight, key in zip(deltas, weights, [pk, sk, pk], strict=True)
    ]
    opened = codec.decrypt(sum(vectors), sk)
    slots = sum(
        np.array(reference.quantise(delta, 1.0, 16, weight, weight_bits=3)[0])
        for delta, weight in zip(deltas, weights, strict=True)
    )
    assert np.array_equal(opened.values, slots[:-1] / codec.scale)
    assert opened.weight == slots[-1] / codec.weight_scale
    assert opened.num_addends == 3
    expected = weights @ np.clip(deltas, -1, 1) / sum(weights)
    assert np.abs(opened.mean() - expected).max() < 3 / codec.scale


def test_all_slots_at_their_extremes_sum_exactly(sk, pk):
    for dim in (1, 88, 89, 300):
        codec = Codec(dim, clip=0.5, value_bits=16, max_addends=100)
        for sign in (1, -1):
            vector = codec.encrypt(np.full(dim, sign * 9.0, np.float32), key=pk)
            for _ in range(2):  # 9 = 3 * 3 addends
                vector = vector + vector + vector
            opened = codec.decrypt(vector, sk)
            assert np.array_equal(opened.values, np.full(dim, sign * 9 * 32767) / codec.scale)
            assert (opened.weight, opened.num_addends) == (9.0, 9)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_float_types_strides_and_threads_give_the_same_sum(codec, sk, pk, dtype):
    delta = (np.arange(2 * DIM) / 1024).astype(np.float16).astype(dtype)[::2]
    before = delta.copy()
    opened = codec.decrypt(codec.encrypt(delta, key=pk, num_threads=2), sk, num_threads=2)
    assert opened.values.tolist() == [
        slot / codec.scale for slot in reference.quantise(delta, 1.0, 16, weight_bits=3)[0][:-1]
    ]
    assert np.array_equal(delta, before)


def test_decode_takes_plaintexts_from_elsewhere(codec, sk, pk, vector):
    plaintexts = sk.decrypt_plaintexts(vector.ciphertexts)
    opened = codec.decode(plaintexts, key=pk, num_addends=1)
    assert np.array_equal(opened.values, codec.decrypt(vector, sk).values)
    with pytest.raises(CapacityError):
        codec.decode(plaintexts, key=pk, num_addends=4)
    with pytest.raises(InvalidArgumentError):
        codec.decode(plaintexts, key=pk, num_addends=0)
    with pytest.raises(InvalidArgumentError):
        dataclasses.replace(codec, dim=10 * DIM).decode(plaintexts, key=pk, num_addends=1)


def test_a_sum_beyond_its_slots_is_refused_when_opened(sk, pk):
    codec = Codec(DIM, clip=1.0, value_bits=8, max_addends=1)
    vector = codec.encrypt(np.ones(DIM), key=pk, noise=AddConstant(200))
    with pytest.raises(CapacityError, match="does not fit its slots"):
        codec.decrypt(vector, sk)


def test_mean_needs_a_positive_weight(codec, sk, pk, deltas):
    opened = codec.decrypt(codec.encrypt(deltas[0], key=pk, weight=0.0), sk)
    assert opened.weight == 0
    assert not opened.values.any()
    with pytest.raises(NoMeanError, match="sum to 0"):
        opened.mean()
    assert opened.mean_error_bound() == math.inf


# ---- noise ----


def test_noise_reaches_all_slots_unclamped_and_the_integers_are_wiped(sk, pk):
    codec = Codec(DIM, clip=1.0, value_bits=16, max_addends=1, noise_bound=2**20)
    noise = AddConstant(-(2**20))
    opened = codec.decrypt(codec.encrypt(np.zeros(DIM), key=pk, noise=noise), sk)
    assert np.array_equal(opened.values, np.full(DIM, -(2**20)) / codec.scale)
    assert opened.weight == (codec.weight_scale - 2**20) / codec.weight_scale
    assert noise.slots.shape == (DIM + 1,)
    assert not noise.slots.any()


def test_the_integers_are_wiped_when_noise_fails(codec, pk):
    class Failing(AddConstant):
        def add_to(self, slots, codec):
            super().add_to(slots, codec)
            raise RuntimeError("no entropy")

    noise = Failing(1)
    with pytest.raises(RuntimeError, match="no entropy"):
        codec.encrypt(np.ones(DIM), key=pk, noise=noise)
    assert not noise.slots.any()


# ---- what encrypt refuses, and reports ----


def test_encrypt_refuses_bad_vectors(codec, pk):
    for shape in [(DIM - 1,), (DIM + 1,), (DIM, 1), ()]:
        with pytest.raises(InvalidArgumentError):
            codec.encrypt(np.zeros(shape), key=pk)
    masked = np.ma.masked_array(np.zeros(DIM), mask=True)
    for bad in (np.zeros(DIM, bool), np.zeros(DIM, complex), np.zeros(DIM, "g"), "x", masked):
        with pytest.raises(TypeError, match="delta"):
            codec.encrypt(bad, key=pk)
    for dtype in (np.float16, np.float32, np.float64):
        with pytest.raises(InvalidArgumentError, match="NaN at index 3"):
            codec.encrypt(np.where(np.arange(DIM) == 3, np.nan, 0).astype(dtype), key=pk)
    with pytest.raises(InvalidArgumentError):
        codec.encrypt(np.zeros(DIM), key=pk, weight=1.5)
    with pytest.raises(TypeError):
        codec.encrypt(np.zeros(DIM), key=b"key")


def test_the_report_tells_what_was_clipped_and_stays_here(pk, codec, deltas, vector):
    assert vector.report.num_clipped == int((np.abs(deltas[0]) > 1).sum()) > 0
    assert (vector.report.norm, vector.report.grid_norm) == (None, None)
    assert not vector.report.norm_scaled
    assert (vector + vector).report is None
    assert EncryptedVector.from_bytes(vector.to_bytes(), pk).report is None

    bounded = dataclasses.replace(codec, norm="l2", norm_bound=0.5)
    report = bounded.encrypt(deltas[0], key=pk).report
    assert report.norm_scaled
    assert math.isclose(report.norm, np.linalg.norm(deltas[0]))
    assert 0 < report.grid_norm <= bounded.grid_norm_bound == 32767 * 8 // 2


# ---- codec as a value ----


def test_codecs_are_values(codec):
    same = Codec(
        np.int32(DIM), clip=np.float32(1), value_bits=16, max_addends=3, weight_bits=np.uint8(3)
    )
    assert same == codec
    assert hash(same) == hash(codec)
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert "clip=1.0" in repr(codec)
    assert codec != dataclasses.replace(codec, clip=2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        codec.clip = 2.0
    assert (codec.scale, codec.weight_scale, codec.slot_bits) == (262136.0, 262136, 21)


def test_codec_counts_ciphertexts(sk, pk, other_sk):
    codec = Codec(1_000_000, clip=1.0, value_bits=16, max_addends=100)
    for key in (sk, pk, other_sk):
        assert codec.slot_bits == 23
        assert codec.slots_per_ciphertext(key) == 89
        assert codec.num_ciphertexts(key) == math.ceil(1_000_001 / 89)


@pytest.mark.parametrize(
    "change",
    [
        {"dim": 0},
        {"dim": -1},
        {"dim": 2**80},
        {"clip": 0.0},
        {"clip": math.inf},
        {"value_bits": 1},
        {"value_bits": 41},
        {"value_bits": 2**40},
        {"max_addends": 0},
        {"max_addends": 2**60},
        {"noise_bound": -1},
        {"norm": "l3", "norm_bound": 1.0},
        {"norm": "l2"},
        {"norm_bound": 1.0},
        {"norm": "l1", "norm_bound": -1.0},
        {"rounding": "up"},
    ],
)
def test_codec_refuses_what_cannot_work(codec, change):
    with pytest.raises(InvalidArgumentError):
        dataclasses.replace(codec, **change)


@pytest.mark.parametrize("change", [{"dim": 2.0}, {"clip": "1"}, {"max_addends": 1.5}])
def test_codec_refuses_wrong_types(codec, change):
    with pytest.raises(TypeError):
        dataclasses.replace(codec, **change)


# ---- adding ----


def test_adding_checks_codec_key_and_capacity(codec, other_sk, deltas, vector):
    wider = dataclasses.replace(codec, clip=2.0).encrypt(deltas[0], key=vector.public_key)
    foreign = codec.encrypt(deltas[0], key=other_sk)
    double = vector + vector
    for other, error in [
        (wider, InvalidArgumentError),
        (foreign, KeyMismatchError),
        (double, CapacityError),
    ]:
        with pytest.raises(error):
            double + other
    assert (double + vector).num_addends == 3
    for other in (1, 1.0, None, deltas[0].tolist()):
        with pytest.raises(TypeError):
            vector + other
    assert sum([vector]) is vector


def test_accumulator_sums_and_an_error_changes_nothing(codec, sk, pk, other_sk, deltas, vector):
    accumulator = Accumulator(codec, key=sk)
    assert accumulator.num_addends == 0
    with pytest.raises(InvalidArgumentError, match="nothing was added"):
        _ = accumulator.total
    accumulator.add(vector)
    accumulator.add(vector + vector)
    total = accumulator.total
    foreign = codec.encrypt(deltas[0], key=other_sk)
    wider = dataclasses.replace(codec, clip=2.0).encrypt(deltas[0], key=pk)
    for other, error in [
        (vector, CapacityError),
        (foreign, KeyMismatchError),
        (wider, InvalidArgumentError),
        (vector.ciphertexts, TypeError),
    ]:
        with pytest.raises(error):
            accumulator.add(other)
        assert accumulator.total is total
    assert accumulator.num_addends == 3
    once = codec.decrypt(vector, sk)
    assert np.allclose(codec.decrypt(total, sk).values, 3 * once.values, rtol=1e-14)


def test_accumulator_takes_vectors_from_many_threads(codec, sk, pk, deltas):
    codec = dataclasses.replace(codec, max_addends=64)
    vectors = [codec.encrypt(delta, key=pk) for delta in deltas]
    accumulator = Accumulator(codec, key=pk)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(accumulator.add, [vectors[i % len(vectors)] for i in range(60)]))
    expected = sum(vectors[i % len(vectors)] for i in range(60))
    assert accumulator.num_addends == 60
    assert np.array_equal(
        codec.decrypt(accumulator.total, sk).values, codec.decrypt(expected, sk).values
    )


def test_accumulator_pickles_with_its_sum(codec, pk, vector):
    accumulator = Accumulator(codec, key=pk)
    assert pickle.loads(pickle.dumps(accumulator)).num_addends == 0
    accumulator.add(vector)
    copy = pickle.loads(pickle.dumps(accumulator))
    copy.add(vector)
    assert accumulator.num_addends == 1
    assert copy.total.to_bytes() == (vector + vector).to_bytes()


def test_an_empty_accumulator_checks_the_first_vector_too(codec, other_sk, vector):
    for wrong in (
        Accumulator(codec, key=other_sk),
        Accumulator(dataclasses.replace(codec, max_addends=5), key=vector.public_key),
    ):
        with pytest.raises((KeyMismatchError, InvalidArgumentError)):
            wrong.add(vector)
        assert wrong.num_addends == 0


def test_decrypt_refuses_other_codecs_and_keys(codec, sk, other_sk, vector):
    with pytest.raises(InvalidArgumentError):
        dataclasses.replace(codec, clip=2.0).decrypt(vector, sk)
    with pytest.raises(KeyMismatchError):
        codec.decrypt(vector, other_sk)


def test_an_encrypted_vector_has_as_many_ciphertexts_as_its_codec_needs(codec, vector):
    with pytest.raises(InvalidArgumentError, match="ciphertexts of shape"):
        EncryptedVector(vector.ciphertexts, dataclasses.replace(codec, dim=10 * DIM))


# ---- slots without encryption ----


def test_added_slots_are_what_decryption_finds(codec, sk, pk, deltas):
    total = sum(codec.quantise(delta, weight=0.5)[0] for delta in deltas)
    clear = codec.dequantise(total, num_addends=len(deltas))
    opened = codec.decrypt(sum(codec.encrypt(d, key=pk, weight=0.5) for d in deltas), sk)
    assert np.array_equal(clear.values, opened.values)
    assert (clear.weight, clear.num_addends) == (opened.weight, opened.num_addends)
    with pytest.raises(CapacityError):
        codec.dequantise(total, num_addends=codec.max_addends + 1)
