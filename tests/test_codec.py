"""Quantising, norm bounds and stochastic rounding, against the reference."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import codec as reference
from veilsum import _core
from veilsum.errors import InvalidArgumentError

ALPHA = 1e-9  # the chance that a statistical test fails although all is well
NORMS = {"l1": _core.Norm.L1, "l2": _core.Norm.L2}


def quantiser(
    dim, clip=1.0, value_bits=16, norm=None, norm_bound=0.0, rounding="nearest", weight_bits=0
):
    """Of one clip, or of one for each value."""
    clips = clip if isinstance(clip, list) else [clip] * dim
    return _core.Quantiser(
        [(1, each) for each in clips],
        value_bits,
        weight_bits,
        _core.Norm.NONE if norm is None else NORMS[norm],
        norm_bound,
        _core.Rounding.NEAREST if rounding == "nearest" else _core.Rounding.STOCHASTIC,
    )


FLOATS = st.floats(-3, 3) | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(FLOATS, min_size=1, max_size=40),
    st.floats(1e-3, 1e3),
    st.integers(2, 40),
    st.data(),
)
def test_quantise_matches_the_reference(values, clip, value_bits, data):
    weight_bits = data.draw(st.integers(0, 40 - value_bits))
    weight = data.draw(st.sampled_from([0.0, 1.0]) | st.floats(2.0**-weight_bits, 1))
    grid = quantiser(len(values), clip, value_bits, weight_bits=weight_bits)
    slots, report = grid.quantise(np.array(values), weight)
    options = {"weight": weight, "weight_bits": weight_bits}
    expected, num_clipped = reference.quantise(values, clip, value_bits, **options)
    assert slots.tolist() == expected
    assert report.num_clipped == num_clipped
    assert np.abs(slots).max() <= grid.grid_max == reference.grid_max(value_bits, weight_bits)


@given(
    st.lists(st.tuples(FLOATS, st.floats(1e-3, 1e3)), min_size=1, max_size=40),
    st.integers(2, 40),
)
def test_a_clip_for_each_value_matches_the_reference(pairs, value_bits):
    values, clips = map(list, zip(*pairs, strict=True))
    grid = quantiser(len(values), clips, value_bits)
    slots, report = grid.quantise(np.array(values))
    expected, num_clipped = reference.quantise(values, clips, value_bits)
    assert slots.tolist() == expected
    assert report.num_clipped == num_clipped
    values, weight = grid.dequantise(slots)
    steps = [clip / grid.grid_max for clip in clips]
    np.testing.assert_allclose(values, np.array(expected[:-1]) * steps, rtol=1e-14)
    assert weight == 1.0


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40)
)
def test_float32_and_float64_give_the_same_slots(values):
    grid = quantiser(len(values), 3.0)
    narrow, _ = grid.quantise(np.array(values, np.float32))
    wide, _ = grid.quantise(np.array(values, np.float64))
    assert np.array_equal(narrow, wide)


def test_ties_round_to_even():
    steps = np.arange(-126.5, 127)
    slots, _ = quantiser(len(steps), 127.0, 8).quantise(steps)
    assert slots[:-1].tolist() == [round(x) for x in steps.tolist()]


@given(st.integers(2, 40), st.floats(1e-290, 1e300), st.sampled_from(["nearest", "stochastic"]))
def test_quantised_values_never_leave_the_grid(value_bits, clip, rounding):
    slots, report = quantiser(4, clip, value_bits, rounding=rounding).quantise(
        np.array([clip, -clip, math.nextafter(clip, math.inf), -1e308])
    )
    limit = reference.grid_max(value_bits)
    assert np.abs(slots).max() <= limit
    assert np.abs(slots[:4]).min() >= limit - 1
    assert report.num_clipped == 2


def test_stochastic_rounding_stays_on_the_grid_where_clip_times_scale_is_above_it():
    limit = reference.grid_max(40)
    clips = [clip / 7 for clip in range(1, 1000) if clip / 7 * (limit / (clip / 7)) > limit]
    grid = quantiser(200_000, clips[0], 40, rounding="stochastic")
    slots, _ = grid.quantise(np.full(200_000, clips[0]))  # one in 2**14 would be above
    assert slots.max() == limit


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_non_finite_values_are_refused_by_name(bad, dtype):
    for dim, index in [(1, 0), (7, 6), (20_000, 8191), (20_000, 8192)]:
        values = np.full(dim, np.finfo(dtype).max, dtype)
        values[index] = bad
        name = "NaN" if math.isnan(bad) else "infinity"
        with pytest.raises(InvalidArgumentError, match=f"{name} at index {index};"):
            quantiser(dim).quantise(values)


def test_quantise_refuses_wrong_shapes_types_and_weights():
    grid = quantiser(4)
    for shape in [(3,), (5,), (0,), (2, 2), (4, 1), ()]:
        with pytest.raises(InvalidArgumentError):
            grid.quantise(np.zeros(shape))
    for dtype in (np.int64, np.float16, np.longdouble, np.complex128, bool, ">f8", object):
        with pytest.raises(TypeError):
            grid.quantise(np.zeros(4, dtype))
    for weight in (-1e-9, 1 + 1e-9, math.nan, math.inf):
        with pytest.raises(InvalidArgumentError, match="weight"):
            grid.quantise(np.zeros(4), weight)


def test_dequantise_inverts_the_scale():
    grid = quantiser(1000, 2.5, 20, weight_bits=1)
    values = np.random.default_rng(3).uniform(-2.5, 2.5, 1000)
    slots, _ = grid.quantise(values, 0.5)
    decoded, weight = grid.dequantise(slots)
    assert np.abs(decoded - values / 2).max() <= 0.5001 / grid.scale
    assert weight == slots[-1] / grid.grid_max
    assert np.array_equal(decoded, slots[:-1] / grid.scale)
    with pytest.raises(InvalidArgumentError):
        grid.dequantise(slots[:-1])


@pytest.mark.parametrize("fraction", [1e-4, 0.1, 0.5, 0.75])
@pytest.mark.parametrize("sign", [1, -1])
def test_stochastic_rounding_is_unbiased(fraction, sign):
    num_samples = 400_000
    grid = quantiser(num_samples, 127.0, 8, rounding="stochastic")
    slots, _ = grid.quantise(np.full(num_samples, sign * (5 + fraction)))
    away = np.abs(slots[:-1]) - 5
    assert set(np.unique(away)) <= {0, 1}
    assert np.all(np.sign(slots[:-1]) == sign)
    # Bernstein's inequality bounds the deviation of a sum of Bernoullis.
    log_term = math.log(2 / ALPHA)
    variance = num_samples * fraction * (1 - fraction)
    limit = log_term / 3 + math.sqrt(log_term**2 / 9 + 2 * variance * log_term)
    assert abs(int(away.sum()) - num_samples * fraction) <= limit


def test_stochastic_rounding_draws_afresh_and_keeps_grid_points():
    grid = quantiser(20_000, 127.0, 8, rounding="stochastic")
    values = np.full(20_000, 0.5)
    first, _ = grid.quantise(values)
    second, _ = grid.quantise(values)
    agree = int((first == second)[:-1].sum())
    assert abs(agree - 10_000) <= math.sqrt(10_000 * math.log(2 / ALPHA))  # Hoeffding
    # Values far apart must not share their random bits either.
    assert not np.array_equal(first[:512], first[512:1024])
    assert not np.array_equal(first[:8192], first[8192:16384])
    points = np.arange(20_000) % 255 - 127.0
    assert np.array_equal(grid.quantise(points)[0][:-1], points)


# ---- norm bounds ----

MAGNITUDES = [5e-324, 1e-310, 1e-160, 1e-3, 1.0, 1e160, 1e308, math.ulp(1.0)]


@pytest.mark.parametrize("norm", ["l1", "l2"])
@given(
    values=st.lists(FLOATS | st.sampled_from(MAGNITUDES), min_size=1, max_size=30),
    norm_bound=st.floats(1e-3, 10) | st.sampled_from([5e-324, 1e-300, 1e300]),
    value_bits=st.integers(2, 38),
    weight=st.sampled_from([1.0, 0.3, 0.0]),
)
def test_norm_clipping_matches_the_reference(norm, values, norm_bound, value_bits, weight):
    grid = quantiser(len(values), 1.0, value_bits, norm, norm_bound, weight_bits=2)
    slots, report = grid.quantise(np.array(values), weight)
    factor = reference.float_norm_factor(values, norm, norm_bound)
    assert math.isclose(report.norm_factor, factor, rel_tol=1e-13, abs_tol=5e-324)
    assert report.norm_factor <= 1

    options = {"weight": weight, "norm_factor": report.norm_factor, "weight_bits": 2}
    rounded, num_clipped = reference.quantise(values, 1.0, value_bits, **options)
    toward_zero, _ = reference.quantise(values, 1.0, value_bits, rounded=math.trunc, **options)
    bound = reference.grid_norm_bound(len(values), 1.0, value_bits, norm_bound, weight_bits=2)
    assert grid.grid_norm_bound == bound
    weighted = bound * rounded[-1] // grid.grid_max
    assert slots.tolist() == [
        *reference.fit_norm(rounded[:-1], toward_zero[:-1], norm, weighted),
        rounded[-1],
    ]
    assert report.num_clipped == num_clipped
    assert report.grid_norm == reference.ceil_norm(slots[:-1].tolist(), norm) <= weighted


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_the_integer_norm_holds_where_rounding_would_break_it(norm, rounding):
    dim = 50_000
    values = np.full(dim, 1.0, np.float32)  # after norm clipping all round up to one step
    per_value = 0.6
    norm_bound = per_value / 127 * (dim if norm == "l1" else math.sqrt(dim))
    grid = quantiser(dim, 1.0, 8, norm, norm_bound, rounding)
    slots, report = grid.quantise(values)
    assert reference.ceil_norm(slots[:-1].tolist(), norm) <= grid.grid_norm_bound
    if rounding == "nearest":
        assert report.norm_factor < 1
        assert not slots[:-1].any()  # floor(1 * bound / s) = 0: shrunk, not left over the bound


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_integer_norm_holds_for_a_million_values(norm):
    values = np.random.default_rng(4).standard_normal(1_000_000).astype(np.float32)
    grid = quantiser(len(values), 1.0, 20, norm, 1.0)
    slots, report = grid.quantise(values)
    size = reference.ceil_norm(slots[:-1].tolist(), norm)
    assert report.grid_norm == size <= grid.grid_norm_bound == 2**19 - 1
    exact = np.abs(values.astype(np.float64)).sum() if norm == "l1" else np.linalg.norm(values)
    assert math.isclose(report.norm, exact, rel_tol=1e-5)


@given(st.floats(5e-324, 1e308), st.floats(1e-290, 1e290), st.integers(2, 40))
def test_the_grid_norm_bound_is_an_exact_floor(norm_bound, clip, value_bits):
    grid = quantiser(100, clip, value_bits, "l2", norm_bound)
    expected = reference.grid_norm_bound(100, clip, value_bits, norm_bound)
    assert grid.grid_norm_bound == expected


def test_the_grid_norm_bound_depends_on_the_last_bit_of_each_float():
    above = math.nextafter(1.0, 2.0)
    limit = reference.grid_max(16)
    for norm_bound, clip, expected in [(1.0, above, limit - 1), (above, above, limit)]:
        assert reference.grid_norm_bound(9, clip, 16, norm_bound) == expected
        assert quantiser(9, clip, 16, "l1", norm_bound).grid_norm_bound == expected


def test_quantise_does_not_depend_on_the_number_of_threads():
    values = np.random.default_rng(5).standard_normal(100_000)
    grid = quantiser(len(values), 1.0, 24, "l2", 3.0, weight_bits=1)
    first, report = grid.quantise(values, 0.7, 1)
    for num_threads in (2, 5):
        again, other = grid.quantise(values, 0.7, num_threads)
        assert np.array_equal(first, again)
        assert report.norm == other.norm
