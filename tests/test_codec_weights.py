"""Weights, clips and integers in a codec: right, or refused by name."""

import dataclasses
import math
import pickle
import threading

import numpy as np
import pytest
from known_keys import known_key
from veilsum.codec import weight_bits_for
from veilsum.errors import InvalidArgumentError, NoMeanError
from veilsum.vector import Codec

DIM = 200


@pytest.fixture
def codec():
    return Codec(DIM, clip=1.0, value_bits=16, max_addends=3, weight_bits=3)


@pytest.fixture
def sk():
    return known_key(2048).secret


@pytest.fixture
def pk():
    return known_key(2048).public


def test_a_small_weight_keeps_the_precision_of_values_or_is_refused(sk, pk):
    """The mean of small contributors is right, whoever else is away."""
    value = 0.3
    for weight_bits in (0, 1, 10, 20):
        codec = Codec(1, clip=1.0, value_bits=16, max_addends=10, weight_bits=weight_bits)
        for weight in (1, 0.5, 2**-9, 2**-10, 1e-3, 1e-4, 1e-6):
            if weight < 2.0**-weight_bits:
                with pytest.raises(InvalidArgumentError, match="more weight_bits"):
                    codec.encrypt([value], key=pk, weight=weight)
                continue
            total = sum(codec.encrypt([value], key=pk, weight=weight) for _ in range(5))
            opened = codec.decrypt(total, sk)
            assert abs(opened.mean()[0] - value) <= opened.mean_error_bound() <= 2.0**-14


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("norm", [{}, {"norm": "l2", "norm_bound": 0.5}])
def test_the_error_bound_of_a_mean_holds_and_is_tight(rounding, norm):
    rng = np.random.default_rng(9)
    weights = [1.0, 0.3, 2**-7, 0.011]
    codec = Codec(2000, clip=0.1, value_bits=12, max_addends=4, weight_bits=7, rounding=rounding,
                  **norm)  # fmt: skip
    vectors = rng.uniform(-0.2, 0.2, (4, 2000))
    clipped = np.clip(vectors, -0.1, 0.1)
    if norm:
        vectors *= 0.02  # Nearly at the bound, where rounding makes the integers too long.
        vectors *= 0.5 / np.linalg.norm(vectors, axis=1)[:, None]
        clipped = vectors
    slots = sum(codec.quantise(v, weight=w)[0] for v, w in zip(vectors, weights, strict=True))
    opened = codec.dequantise(slots, num_addends=4)
    exact = np.average(clipped, axis=0, weights=weights)
    found = np.abs(opened.mean() - exact).max()
    assert found <= opened.mean_error_bound() <= 25 * found


def test_the_weight_bits_of_a_spread_are_its_logarithm_rounded_up(codec):
    for spread, bits in [(1, 0), (1.0001, 1), (2, 1), (2.5, 2), (1024, 10), (1025, 11), (1e6, 20)]:
        assert weight_bits_for(spread) == bits
        found = dataclasses.replace(codec, weight_bits=0).for_weight_spread(spread)
        assert found.weight_bits == bits
        found.quantise(np.zeros(DIM), weight=1 / spread)
    assert codec.for_weight_spread(2) is codec
    with pytest.raises(InvalidArgumentError, match=r"weight_bits=30.*Cap the largest weight"):
        codec.for_weight_spread(1e9)
    for wrong in (0.5, math.nan, math.inf):
        with pytest.raises(InvalidArgumentError, match="spread"):
            codec.for_weight_spread(wrong)


def test_each_value_may_have_its_clip(sk, pk):
    """Count, sum and sum of squares of a column lie orders of magnitude apart."""
    rng = np.random.default_rng(0)
    sites = [rng.normal(70, 10, size) for size in (50, 400, 3000)]
    codec = Codec(3, clip=[4e3, 3e5, 3e7], value_bits=24, max_addends=10)
    vectors = [np.array([len(x), x.sum(), (x * x).sum()]) for x in sites]
    opened = codec.decrypt(sum(codec.encrypt(v, key=pk) for v in vectors), sk)
    np.testing.assert_allclose(opened.values, np.sum(vectors, axis=0), rtol=1e-6)
    assert codec.clips.tolist() == [4e3, 3e5, 3e7]
    assert codec.scale == (2**23 - 1) / 3e7


@pytest.mark.parametrize(
    ("clip", "stored"),
    [
        (2, 2.0),
        (np.float32(0.5), 0.5),
        ([2, 2, 2], 2.0),
        (np.full(3, 2.0), 2.0),
        ([1.0, 2.0, 2.0], ((1, 1.0), (2, 2.0))),
        ([(1, 1.0), (2, 2.0)], ((1, 1.0), (2, 2.0))),
        (((1, 1.0), (1, 2.0), (1, 2.0)), ((1, 1.0), (2, 2.0))),
    ],
)
def test_a_clip_has_one_form_however_it_is_given(clip, stored):
    codec = Codec(3, clip=clip, value_bits=16, max_addends=2)
    assert codec.clip == stored
    again = Codec(3, clip=codec.clip, value_bits=16, max_addends=2)
    assert (again, hash(again)) == (codec, hash(codec))
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert dataclasses.replace(codec, value_bits=17).clip == stored


@pytest.mark.parametrize(
    "clip",
    [
        0,
        -1.0,
        math.nan,
        math.inf,
        [1.0, 2.0],
        [1.0, 2.0, math.nan],
        [1.0, 2.0, 0.0],
        [[1.0, 2.0, 3.0]],
        [(1, 1.0), (1, 2.0)],
        [(1, 1.0), (2, -2.0)],
        [(0, 1.0), (3, 2.0)],
        [(2**70, 1.0)],
        [(1, 1.0), 2.0],
        np.zeros((3, 1)),
        [],
        [1e-300, 1.0, 1e300],
    ],
)
def test_a_clip_that_cannot_be_is_refused(clip):
    with pytest.raises(InvalidArgumentError):
        Codec(3, clip=clip, value_bits=16, max_addends=2)


@pytest.mark.parametrize(
    "clip", ["1", None, True, 1j, [True] * 3, [1, True, 2], ["a"] * 3, [(1.5, 1.0)]]
)
def test_a_clip_of_another_type_is_a_type_error(clip):
    with pytest.raises(TypeError, match="clip"):
        Codec(3, clip=clip, value_bits=16, max_addends=2)


def test_integers_are_taken_and_can_be_exact(sk, pk):
    codec = Codec(3, clip=[32767, 32767 * 4, 32767 / 2], value_bits=16, max_addends=3)
    counts = np.array([12345, 40_000, 7])
    for dtype in (np.int32, np.int64, np.uint64, float):
        opened = codec.decrypt(codec.encrypt(counts.astype(dtype), key=pk), sk)
        assert opened.values.tolist() == counts.tolist()
    with pytest.raises(InvalidArgumentError, match=r"2\*\*53"):
        codec.encrypt(np.array([2**60, 0, 0]), key=pk)


def test_masked_slots_are_refused(codec):
    hidden = np.ma.masked_array(np.zeros(DIM + 1, np.int64), mask=True)
    for read in (codec.holds, lambda slots: codec.dequantise(slots, num_addends=1)):
        with pytest.raises(TypeError, match=r"slots is a masked array.*filled"):
            read(hidden)


def test_a_mean_that_no_true_mean_can_be_is_refused(codec):
    zero = np.zeros(DIM + 1, np.int64)

    def opened(value, weight, number=2, of=codec):
        slots = zero.copy()
        slots[7], slots[-1] = value * of.weight_scale, weight * of.weight_scale
        return of.dequantise(slots, num_addends=number)

    assert opened(2.0, 2.0).mean()[7] == 1.0
    assert opened(0.2, 0.2).mean()[7] == 1.0
    for value, weight in [(2.01, 2.0), (-2.01, 2.0), (0.3, 0.2)]:
        with pytest.raises(NoMeanError, match=r"1 of 200 values.*more than the codec allows"):
            opened(value, weight).mean()
    # Noise on values is allowed for where the weights are exact, and only there.
    noisy = dataclasses.replace(codec, noise_bound=codec.weight_scale)
    assert math.isclose(opened(2.9, 2.0, of=noisy).mean()[7], 1.45, rel_tol=1e-5)
    with pytest.raises(NoMeanError, match="sent more"):
        opened(3.1, 2.0, of=noisy).mean()
    with pytest.raises(NoMeanError, match="noise on the weights"):
        opened(2.9, 1.9, of=noisy).mean()
    for weight in (0.0, -0.5):
        with pytest.raises(NoMeanError, match="weighted=False"):
            opened(1.0, weight, of=noisy).mean()


def test_the_norm_holds_while_another_thread_writes_to_the_vector():
    """Noise is calibrated to it: values that are read twice could differ."""
    dim = 300_000
    codec = Codec(dim, clip=1.0, value_bits=16, max_addends=2, norm="l2", norm_bound=1.0)
    values, stop = np.full(dim, 1e-4), threading.Event()

    def write():
        while not stop.is_set():
            for value in (np.nan, 1e300, 0.5, 1e-9, 1.0):
                values[:] = value

    writer = threading.Thread(target=write)
    writer.start()
    num_quantised = 0
    try:
        for attempt in range(150):
            try:
                slots, report = codec.quantise(values, num_threads=1 + attempt % 2)
            except InvalidArgumentError:
                continue
            num_quantised += 1
            norm = float(np.linalg.norm(slots[:-1].astype(np.float64)))
            assert norm <= codec.grid_norm_bound * (1 + 1e-12)
            assert report.grid_norm <= codec.grid_norm_bound
            assert np.abs(slots).max() <= codec.weight_scale
    finally:
        stop.set()
        writer.join()
    assert num_quantised > 0


# ---- the bound of a mean's error, with a norm bound ----


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("weight_bits", [0, 5])
@pytest.mark.parametrize("value_bits", [3, 8, 16])
def test_no_value_is_further_off_than_the_bound_of_the_mean(
    norm, rounding, weight_bits, value_bits
):
    random = np.random.default_rng([value_bits, weight_bits])
    for dim in (1, 2, 10, 300, 20_000):
        for room in (0.5, 1.0, 1 + 1e-9, 1.01):
            values = random.normal(size=dim) * 10 ** random.uniform(-3, 0)
            values[0] = 0.9
            size = np.linalg.norm(values, 1 if norm == "l1" else 2)
            codec = Codec(
                dim,
                clip=1.0,
                value_bits=value_bits,
                max_addends=1,
                weight_bits=weight_bits,
                norm=norm,
                norm_bound=float(size * room),
                rounding=rounding,
            )
            weight = 1.0 if weight_bits == 0 else random.uniform(codec.min_weight, 1)
            slots, report = codec.quantise(values, weight=weight)
            opened = codec.dequantise(slots, num_addends=1)
            expected = np.clip(values * min(1, room), -1, 1)
            mean = opened.values / opened.weight
            assert np.abs(mean - expected).max() <= opened.mean_error_bound()
            assert report.grid_norm <= codec.grid_norm_bound


def test_small_values_that_round_up_do_not_shrink_a_large_one():
    """Rounded to nearest, they double the L1 norm; in proportion 0.9 was shrunk to 0.46."""
    values = np.full(20_000, 0.51 / 127)
    values[0] = 0.9
    size = float(np.abs(values).sum())
    codec = Codec(20_000, clip=1.0, value_bits=8, max_addends=2, norm="l1", norm_bound=1.001 * size)
    slots, _ = codec.quantise(values)
    assert abs(codec.dequantise(slots, num_addends=1).mean()[0] - 0.9) <= 1 / 127


def test_a_weight_just_below_one_has_its_part_in_the_bound():
    codec = Codec(1, clip=1.0, value_bits=16, max_addends=2, weight_bits=1)
    weight = 1 - 0.49 / codec.weight_scale
    value = 30000.4999 / codec.weight_scale / weight
    slots, _ = codec.quantise([value], weight=weight)
    opened = codec.dequantise(slots, num_addends=1)
    assert opened.weight == 1
    assert abs(opened.mean()[0] - value) <= opened.mean_error_bound()
