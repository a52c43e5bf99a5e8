"""The Python face of the noise samplers: shapes, dtypes, refusals, threads and forks."""

import inspect
import os

import numpy as np
import pytest
from veilsum import noise
from veilsum.arguments import text_of
from veilsum.errors import InvalidArgumentError

DRAW = [noise.discrete_gaussian, noise.discrete_laplace]
ADD = [noise.add_discrete_gaussian, noise.add_discrete_laplace]
MAX_INT32_SCALE = {noise.discrete_gaussian: 2.0**27, noise.discrete_laplace: 2.0**24}


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize(
    ("size", "shape"),
    [
        (0, (0,)),
        (1, (1,)),
        (7, (7,)),
        (np.int32(5), (5,)),
        ((), ()),
        ((2, 3), (2, 3)),
        ((4, 0), (4, 0)),
    ],
)
def test_draw_gives_the_shape_asked_for(draw, size, shape):
    sample = draw(5.0, size)
    assert isinstance(sample, np.ndarray)
    assert sample.shape == shape
    assert sample.dtype == np.int64
    assert draw(5.0, size, dtype="int32").dtype == np.int32


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize(
    "size", [2**63, 2**62, (2**31, 2**31), (0, 2**62, 2**62), (1,) * 65, 10**30], ids=text_of
)
def test_draw_refuses_sizes_that_no_array_has_in_its_own_words(draw, size):
    with pytest.raises((InvalidArgumentError, MemoryError), match=r"size|allocate"):
        draw(3.0, size)


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize(
    "dtype",
    ["no dtype", "", None, 3, [[]], {1: 2}, {1}, pytest.param(object(), id="object()")],
    ids=repr,
)
def test_draw_refuses_what_is_no_dtype(draw, dtype):
    with pytest.raises(TypeError, match="dtype must be int64 or int32"):
        draw(3.0, 1, dtype=dtype)


@pytest.mark.parametrize("mask", [False, [False, True]])
def test_noise_never_changes_what_a_mask_hides(mask):
    masked = np.ma.masked_array(np.zeros(2, np.int64), mask=mask)
    for call in (
        lambda: noise.discrete_gaussian(3.0, out=masked),
        lambda: noise.discrete_laplace(3.0, out=masked),
        lambda: noise.add_discrete_gaussian(masked, 3.0),
        lambda: noise.add_discrete_laplace(masked, 3.0),
    ):
        with pytest.raises(TypeError, match="masked array"):
            call()
    assert not masked.data.any()


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_draw_fills_all_of_out_and_returns_it(draw, dtype):
    out = np.zeros((300, 1001), dtype=dtype)
    assert draw(1.0e6, out=out, dtype=dtype) is out
    assert np.count_nonzero(out == 0) < 50
    before = out.copy()
    assert draw(1.0e6, (300, 1001), out=out, dtype=dtype) is out
    assert np.count_nonzero(out == before) < 50


@pytest.mark.parametrize("draw", DRAW)
def test_draw_accepts_every_real_number_type(draw):
    for scale in (3, 3.0, np.float16(3), np.float32(3), np.float64(3), np.int8(3), 0.3, 2**40):
        assert draw(scale, 10).shape == (10,)


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize(
    "scale",
    [0.2999, 0, -1.0, 2.0**40 * (1 + 2**-52), 10**400, float("nan"), float("inf")],
    ids=text_of,
)
def test_draw_refuses_a_scale_outside_its_range(draw, scale):
    with pytest.raises(InvalidArgumentError, match=r"at least 0\.3 and at most"):
        draw(scale, 10)


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize("scale", ["3", None, 1j, True, np.array([3.0]), b"3"])
def test_draw_refuses_a_scale_of_the_wrong_type(draw, scale):
    with pytest.raises(TypeError, match="must be a number"):
        draw(scale, 10)


@pytest.mark.parametrize("draw", DRAW)
def test_draw_refuses_bad_sizes(draw):
    for size in (-1, (3, -2)):
        with pytest.raises(InvalidArgumentError, match="size is -"):
            draw(3.0, size)
    for size in (2.0, "3", (1.5,), [2, 3], True, (True,)):
        with pytest.raises(TypeError, match="size must be an int"):
            draw(3.0, size)
    with pytest.raises(TypeError, match="size is required"):
        draw(3.0)


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.uint64, bool, object, ">i8"])
def test_draw_refuses_other_dtypes(draw, dtype):
    with pytest.raises(TypeError, match="dtype must be int64 or int32"):
        draw(3.0, 10, dtype=dtype)


@pytest.mark.parametrize("draw", DRAW)
def test_draw_refuses_an_out_it_cannot_fill_in_place(draw):
    with pytest.raises(TypeError, match="numpy array"):
        draw(3.0, out=[0, 0])
    for dtype in (np.int32, np.float64, np.uint64, ">i8"):
        with pytest.raises(TypeError, match="dtype"):
            draw(3.0, out=np.zeros(10, dtype=dtype))
    with pytest.raises(InvalidArgumentError, match="shape"):
        draw(3.0, 9, out=np.zeros(10, dtype=np.int64))
    read_only = np.zeros(10, dtype=np.int64)
    read_only.flags.writeable = False
    with pytest.raises(InvalidArgumentError, match="read-only"):
        draw(3.0, out=read_only)
    matrix = np.zeros((10, 10), dtype=np.int64)
    unaligned = np.zeros(81, dtype=np.uint8)[1:].view(np.int64)
    for view in (matrix[:, 1], matrix.T[:3], np.asfortranarray(matrix[:3]), unaligned):
        with pytest.raises(InvalidArgumentError, match="C-contiguous"):
            draw(3.0, out=view)
    assert not matrix.any()
    assert not read_only.any()


@pytest.mark.parametrize("draw", DRAW)
def test_draw_refuses_int32_where_a_sample_could_wrap(draw):
    limit = MAX_INT32_SCALE[draw]
    assert draw(limit, 1000, dtype=np.int32).dtype == np.int32
    out = np.zeros(1000, dtype=np.int32)
    with pytest.raises(InvalidArgumentError, match="int64"):
        draw(np.nextafter(limit, np.inf), out=out, dtype=np.int32)
    assert not out.any()


@pytest.mark.parametrize("add", ADD)
def test_add_noises_every_value_in_place(add):
    base = np.arange(200_001, dtype=np.int64).reshape(3, -1) - 100_000
    values = base.copy()
    assert add(values, 2.0**30) is None
    difference = values - base
    assert np.count_nonzero(difference == 0) <= 1
    assert abs(difference.mean()) < 2.0**31 * 8 / np.sqrt(base.size)
    assert 0.9 * 2**30 < difference.std() < 1.6 * 2**30


@pytest.mark.parametrize("add", ADD)
def test_add_refuses_before_it_changes_anything(add):
    for bad in (2**62, -(2**62), np.iinfo(np.int64).min):
        values = np.zeros(100_000, dtype=np.int64)
        values[-1] = bad
        with pytest.raises(InvalidArgumentError, match="overflow"):
            add(values, 3.0)
        assert not values[:-1].any()
    largest = np.array([2**62 - 1, 1 - 2**62])
    add(largest, 2.0**40)
    assert abs(largest[0] - 2**62) < 2**47
    values = np.zeros(10, dtype=np.int64)
    with pytest.raises(InvalidArgumentError, match=r"at least 0\.3 and at most"):
        add(values, 0.1)
    with pytest.raises(InvalidArgumentError, match="C-contiguous"):
        add(values[::2], 3.0)
    with pytest.raises(TypeError, match="dtype"):
        add(values.astype(np.int32), 3.0)
    with pytest.raises(TypeError, match="numpy array"):
        add([1, 2], 3.0)
    values.flags.writeable = False
    with pytest.raises(InvalidArgumentError, match="read-only"):
        add(values, 3.0)
    assert not values.any()


@pytest.mark.parametrize("draw", DRAW)
def test_threads_are_checked_and_share_the_work(draw):
    for num_threads in (1, 2, 5, np.int64(2), None):
        sample = draw(2.0**20, 500_000, num_threads=num_threads)
        assert np.count_nonzero(sample == 0) < 20
        # No two pieces of work may have had the same generator.
        pieces = sample[: 500_000 // 65_536 * 65_536].reshape(-1, 65_536)
        assert len(np.unique(pieces[:, :8], axis=0)) == len(pieces)
    for bad in (0, -1, 1025):
        with pytest.raises(InvalidArgumentError, match="num_threads"):
            draw(3.0, 10, num_threads=bad)
    for bad in (1.0, "2", True):
        with pytest.raises(TypeError, match="num_threads"):
            draw(3.0, 10, num_threads=bad)


@pytest.mark.parametrize("function", DRAW + ADD)
def test_nothing_takes_a_seed(function):
    names = set(inspect.signature(function).parameters)
    assert not names & {"seed", "rng", "random_state", "generator", "key"}


def test_calls_and_forked_children_draw_different_noise():
    def draw_bytes():
        return noise.discrete_gaussian(2.0**30, 16, num_threads=1).tobytes()

    draws = [draw_bytes(), draw_bytes()]
    for _ in range(2):
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(write_end, draw_bytes())
            finally:
                os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            draws.append(pipe.read())
        assert os.waitpid(child, 0)[1] == 0
    draws.append(draw_bytes())
    assert all(len(draw) == 128 for draw in draws)
    assert len(set(draws)) == len(draws)
