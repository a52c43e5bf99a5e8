"""Measuring updates: what clip and norm_bound are chosen by."""

import math

import numpy as np
import pytest
import veilsum as vs


def test_sizes_are_those_of_the_values():
    found = vs.measure_updates([np.arange(-1000, 0), np.arange(1000.0)])
    assert (found.dim, found.num_updates) == (1000, 2)
    assert found.magnitudes[1.0] == 1000
    assert abs(found.magnitudes[0.5] - 500) <= 1
    assert found.l1_norms == (499_500, 500_000, 500_500)
    assert found.l2_norms[2] == pytest.approx(math.sqrt(sum(i * i for i in range(1001))))


def test_a_model_is_measured_as_the_vector_of_its_arrays():
    arrays = [np.array([[1.0, -3.0]]), np.array([2.0]), np.float32(0.5)]
    assert vs.measure_updates([arrays]) == vs.measure_updates([[1.0, -3.0, 2.0, 0.5]])


def test_the_suggested_clip_cuts_one_value_in_a_thousand():
    rng = np.random.default_rng(1)
    for scale in (1e-7, 0.003, 1.0, 5e4):
        update = rng.standard_normal(20_000) * scale
        found = vs.measure_updates([update])
        codec = vs.Codec(20_000, clip=found.suggested_clip, value_bits=16, max_addends=2)
        _, report = codec.quantise(update)
        assert report.num_clipped <= 20
        assert found.suggested_clip <= 1.1 * found.magnitudes[0.999]
        assert f"clip={found.suggested_clip:.2g}" in str(found)
    assert vs.measure_updates([np.zeros(4)]).suggested_clip == 0.0


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-200, 1.0, 1e200, 1e307])
def test_norms_of_any_size_are_exact(size):
    found = vs.measure_updates([[size] * 4, [-size] * 4, [0.0] * 4])
    assert found.l1_norms == (0.0, 4 * size, 4 * size)
    assert found.l2_norms == (0.0, 2 * size, 2 * size)
    sizes = vs.measure_updates([[size] * 4, [1.0] * 4]).l2_norms
    assert (sizes[0], sizes[2]) == (2 * min(size, 1.0), 2 * max(size, 1.0))


def test_the_median_of_the_longest_norms_is_a_float():
    assert vs.measure_updates([[1.7e308], [1.7e308]]).l2_norms == (1.7e308,) * 3


@pytest.mark.parametrize("updates", [[[1e308] * 4], [[1.0, 1.0], [1.7e308, 1.7e308]]])
def test_norms_beyond_every_float_are_refused(updates):
    with pytest.raises(vs.InvalidArgumentError, match="beyond every float"):
        vs.measure_updates(updates)


@pytest.mark.parametrize(
    ("magnitude", "clip"),
    [
        (3e-5, 3e-5),
        (0.3, 0.3),
        (0.1 + 0.2, 0.31),
        (0.301, 0.31),
        (9.91, 10.0),
        (99.0, 99.0),
        (1e-5, 1e-5),
        (5e-324, 5e-324),
        (2.3e-310, 2.3e-310),
        (1.797e308, 1.797e308),
        (1.0, 1.0),
    ],
)
def test_the_suggested_clip_is_rounded_up_and_always_a_number(magnitude, clip):
    assert vs.measure_updates([np.full(1000, magnitude)[:1]]).suggested_clip == clip


def test_the_suggested_clip_is_never_below_what_it_is_for():
    rng = np.random.default_rng(2)
    for magnitude in (10 ** rng.uniform(-320, 308, 2000)).tolist():
        found = vs.measure_updates([[magnitude]]).suggested_clip
        assert magnitude <= found <= magnitude * 1.1 + 5e-324
    float32 = np.full(1000, 3e-5, np.float32)
    codec = vs.Codec(
        1000, clip=vs.measure_updates([float32]).suggested_clip, value_bits=16, max_addends=2
    )
    assert codec.quantise(float32)[1].num_clipped == 0


@pytest.mark.parametrize(
    "updates",
    [
        [[[[1, 2], [3]]]],
        [[[1.0, [2.0]]]],
        [],
        [[]],
        [[1.0], [1.0, 2.0]],
        [[1.0, np.nan]],
        [[np.inf]],
    ],
)
def test_what_cannot_be_measured_is_refused(updates):
    with pytest.raises(vs.InvalidArgumentError):
        vs.measure_updates(updates)


@pytest.mark.parametrize(
    "updates",
    [None, np.zeros(3), [["a"]], [[True]], [np.ma.masked_array([1.0], mask=True)], [None]],
)
def test_what_is_no_update_is_a_type_error(updates):
    with pytest.raises(TypeError, match="update"):
        vs.measure_updates(updates)
