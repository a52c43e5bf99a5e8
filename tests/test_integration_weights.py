"""What a party counts by its examples: within bounds that are agreed on, or refused by name."""

import numpy as np
import pytest
import veilsum as vs
from veilsum.integrations.weights import WeightsByCount
from veilsum.privacy import GaussianNoise


def codec(**more):
    return vs.Codec(8, clip=1.0, value_bits=16, max_addends=4, **more)


def by_count(most, least=1):
    return WeightsByCount(most, least, "examples")


def test_a_weight_is_the_part_of_the_most():
    weights = by_count(400, 100)
    for count, weight in [
        (0, 0.0),
        (100, 0.25),
        (np.int32(300), 0.75),
        (np.float32(100.5), 0.25125),
        (400, 1.0),
        (10**30, 1.0),
    ]:
        assert weights.weight(count, name="num-examples") == weight


@pytest.mark.parametrize("count", [1, 99, 99.999, -1, np.nan, np.inf, -np.inf])
def test_a_count_that_no_weight_was_agreed_for_is_refused(count):
    with pytest.raises(vs.InvalidArgumentError, match="examples"):
        by_count(400, 100).weight(count, name="num-examples")


@pytest.mark.parametrize("count", [None, "100", [100], True, 1j, np.array([100])])
def test_a_count_that_is_no_number_is_refused(count):
    with pytest.raises(TypeError, match="examples"):
        by_count(400, 100).weight(count, name="num-examples")


def test_where_all_weigh_alike_no_count_matters():
    assert by_count(None).weight("many", name="num-examples") == 1.0
    by_count(None).check(codec(), None)


@pytest.mark.parametrize(
    ("most", "least", "error", "named"),
    [
        (0, 1, vs.InvalidArgumentError, "max_examples"),
        (400, 0, vs.InvalidArgumentError, "min_examples"),
        (100, 101, vs.InvalidArgumentError, "min_examples=101 is above max_examples=100"),
        (None, 2, vs.InvalidArgumentError, "min_examples is of use with max_examples"),
        (4.5, 1, TypeError, "max_examples"),
        (400, "1", TypeError, "min_examples"),
        (True, 1, TypeError, "max_examples"),
    ],
)
def test_bounds_that_are_none_are_refused(most, least, error, named):
    with pytest.raises(error, match=named):
        by_count(most, least)


@pytest.mark.parametrize("spread", [1, 2, 3, 7, 40, 1000, 1024, 1025, 99_991])
def test_the_spread_that_an_error_names_is_enough(spread):
    most, least = 7 * spread, 7
    if spread > 1:
        with pytest.raises(vs.InvalidArgumentError, match=rf"--weight-spread {spread},"):
            by_count(most, least).check(codec(), None)
    fitting = codec().for_weight_spread(spread)
    by_count(most, least).check(fitting, None)
    assert by_count(most, least).weight(least, name="n") >= fitting.min_weight


def test_noise_that_does_not_hide_weights_takes_none():
    noise = GaussianNoise(
        epsilon=8, delta=1e-6, rounds=3, norm_bound=1, honest_contributors=1, weighted=False
    )
    with pytest.raises(vs.InvalidArgumentError, match="max_examples=None"):
        by_count(40, 40).check(codec(), noise)
    by_count(None).check(codec(), noise)
