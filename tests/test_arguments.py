"""Readers of arguments: numpy's numbers are right or refused, and nothing is taken for another."""

import math
from collections import UserList, deque
from fractions import Fraction
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import veilsum as vs
from veilsum import arguments
from veilsum.fedavg.parameters import to_model
from veilsum.paillier.plaintexts import to_object_array
from veilsum.schemes import packing
from veilsum.secure_sum import hash_model

REALS = [
    2,
    2.0,
    np.float16(2),
    np.float32(2),
    np.float64(2),
    np.longdouble(2),
    np.int8(2),
    np.uint64(2),
    Fraction(2),
]
NO_REALS = [
    True,
    np.bool_(True),
    1j,
    np.complex128(1),
    "2",
    b"2",
    None,
    [2.0],
    np.array(2.0),
    np.array([2.0]),
    np.datetime64("2024-01-01"),
    pytest.param(object(), id="object()"),
]


@pytest.mark.parametrize("value", REALS, ids=lambda x: type(x).__name__)
def test_real_numbers_become_python_floats(value):
    found = arguments.real("x", value)
    assert type(found) is float
    assert found == 2.0


@pytest.mark.parametrize("value", NO_REALS, ids=repr)
def test_what_is_no_real_number_is_a_type_error_with_the_name(value):
    with pytest.raises(TypeError, match="epsilon must be a number"):
        arguments.real("epsilon", value)


@pytest.mark.parametrize(
    "value",
    [math.nan, -math.nan, math.inf, -math.inf, np.float32("nan"), 10**400, -(10**400)],
    ids=arguments.text_of,
)
@pytest.mark.parametrize("bounds", [{}, {"above": 0}, {"at_least": -1, "below": 1}])
def test_nan_and_infinity_lie_in_no_range(value, bounds):
    with pytest.raises(vs.InvalidArgumentError, match="x is"):
        arguments.real("x", value, **bounds)


def test_bounds_are_open_or_closed_as_they_are_called():
    assert arguments.real("x", 1, at_least=1, at_most=1) == 1
    for bounds in ({"above": 1}, {"below": 1}):
        with pytest.raises(vs.InvalidArgumentError, match="x is 1; it must be"):
            arguments.real("x", 1, **bounds)
    with pytest.raises(vs.InvalidArgumentError, match="at least 0 and below 1"):
        arguments.real("delta", -1, at_least=0, below=1)
    with pytest.raises(
        vs.InvalidArgumentError, match="epsilon is inf; it must be finite and above"
    ):
        arguments.real("epsilon", math.inf, above=0)


def test_a_number_just_beyond_a_bound_is_shown_beyond_it():
    for value, bounds, words in (
        (1 + 2**-52, {"at_most": 1}, r"x is 1\.0000000000000002; .* at most 1$"),
        (-5e-324, {"at_least": 0}, "x is -4.94066e-324|x is -5e-324"),
        (0.1234567, {"below": 0.1234567}, r"x is 0\.1234567; .* below 0\.1234567$"),
    ):
        with pytest.raises(vs.InvalidArgumentError, match=words):
            arguments.real("x", value, **bounds)


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)], ids=repr)
def test_integers_become_python_ints(value):
    found = arguments.count("n", value)
    assert type(found) is int
    assert found == 3


@pytest.mark.parametrize(
    "value", [True, np.bool_(True), 3.0, np.float64(3), "3", None, [3], np.array([3, 4]), 3j]
)
def test_what_is_no_integer_is_a_type_error_with_the_name(value):
    with pytest.raises(TypeError, match="dim must be an int"):
        arguments.count("dim", value)


@pytest.mark.parametrize(
    "value", [-1, 2**63, 2**64, 10**5000, np.uint64(2**64 - 1)], ids=arguments.text_of
)
def test_integers_out_of_range_are_refused_whatever_their_length(value):
    with pytest.raises(vs.InvalidArgumentError, match="dim is"):
        arguments.count("dim", value)


def test_bounds_of_any_length_are_told():
    with pytest.raises(vs.InvalidArgumentError, match=r"n is -1; .* 0 and at most an int of 17000"):
        arguments.count("n", -1, at_most=(1 << 17000) - 1)
    with pytest.raises(vs.InvalidArgumentError, match=r"modulus is 0; it must be at least 1"):
        packing.layout(vs.Codec(4, clip=1.0, value_bits=16, max_addends=2), 0)


def test_flags_are_bools():
    assert arguments.flag("x", np.bool_(True)) is True
    for value in (1, "yes", None, [], np.array(True)):
        with pytest.raises(TypeError, match="safe_primes must be True or False"):
            arguments.flag("safe_primes", value)


def test_choices_name_what_there_is():
    assert arguments.choice("trust", "a", ("a", "b")) == "a"
    assert arguments.choice("norm", None, (None, "l1")) is None
    with pytest.raises(vs.InvalidArgumentError, match="trust is 'c'; it must be 'a' or 'b'"):
        arguments.choice("trust", "c", ("a", "b"))
    for value in (None, 1, np.zeros(2), ["a"]):
        with pytest.raises(TypeError, match="trust must be 'a' or 'b'"):
            arguments.choice("trust", value, ("a", "b"))


def test_paths_are_texts_and_no_numbers_of_open_files():
    assert arguments.path("path", Path("a/b")) == "a/b"
    assert arguments.path("path", PurePosixPath("a")) == arguments.path("path", "a") == "a"
    for value in (1, True, None, b"a", 1.0, ["a"]):
        with pytest.raises(TypeError, match="path must be a path"):
            arguments.path("path", value)
    for value in ("", "a\0b", "a\ud800b"):
        with pytest.raises(vs.InvalidArgumentError, match="is no path"):
            arguments.path("path", value)


def test_instances_are_named_by_their_class():
    assert arguments.instance("codec", 1, (int, str)) == 1
    for kinds, words in (
        ((int, str), "codec must be an int or str, not None"),
        (Path, "codec must be a Path, not None"),
        ((bytes, bytearray), "codec must be bytes or bytearray, not None"),
    ):
        with pytest.raises(TypeError, match=words):
            arguments.instance("codec", None, kinds)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", ">f8", "i1", "u8", ">i4"])
def test_numbers_become_native_floats_exactly(dtype):
    values = np.array([1, 2, 3, 100]).astype(dtype)
    found = arguments.floats("x", values[::2])
    assert found.dtype in (np.float32, np.float64)
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    assert found.tolist() == [1, 3]


def test_floats_that_need_no_change_are_not_copied():
    values = np.zeros(3)
    assert arguments.floats("x", values) is values


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1])
def test_integers_that_no_float_holds_are_refused(value):
    assert arguments.floats("x", np.array([2**53, -(2**53)])).tolist() == [2**53, -(2**53)]
    with pytest.raises(vs.InvalidArgumentError, match=r"2\*\*53"):
        arguments.floats("x", np.array([0, value]))
    with pytest.raises(vs.InvalidArgumentError, match=r"2\*\*53"):
        arguments.floats("x", np.array([2**64 - 1], np.uint64))


@pytest.mark.parametrize(
    "value",
    [
        np.array([True]),
        np.array([1j]),
        np.zeros(1, np.longdouble),
        np.array(["a"]),
        np.array([None]),
        np.zeros(1, "M8[s]"),
        np.zeros(1, [("a", "f8")]),
        pytest.param(object(), id="object()"),
        None,
        "1",
    ],
    ids=repr,
)
def test_what_holds_no_real_numbers_is_a_type_error_with_the_name(value):
    with pytest.raises(TypeError, match="delta must be"):
        arguments.floats("delta", value)


@pytest.mark.parametrize("mask", [False, [False, True]])
def test_masked_arrays_are_refused(mask):
    for read in (arguments.floats, arguments.numeric_array):
        with pytest.raises(TypeError, match=r"delta is a masked array.*filled"):
            read("delta", np.ma.masked_array([0.1, 0.9], mask=mask))


MASKED = np.ma.masked_array([0.1, 0.9], mask=[False, True])


class GivesMasked:
    def __array__(self, dtype=None, copy=None):
        return MASKED


@pytest.mark.parametrize(
    "value",
    [
        [MASKED, MASKED],
        (np.zeros(2), MASKED),
        [[[[MASKED]]]],
        [0.1, np.ma.masked],
        [0.1, MASKED[1:].reshape(())],
        deque([MASKED]),
        UserList([[MASKED]]),
        [UserList([MASKED])],
        [np.array([[None, MASKED]], dtype=object)],
        GivesMasked(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_masked_arrays_are_found_wherever_they_are(value):
    codec = vs.Codec(2, clip=1.0, value_bits=16, max_addends=2)
    for read in (
        lambda: arguments.floats("delta", value),
        lambda: arguments.numeric_array("delta", value),
        lambda: codec.quantise(value),
        lambda: vs.measure_updates([value]),
        lambda: vs.measure_updates([[value]]),
        lambda: hash_model([value]),
        lambda: vs.Codec(2, clip=value, value_bits=16, max_addends=2),
        lambda: to_object_array(value),
    ):
        with pytest.raises(TypeError, match=r"a masked array.*filled"):
            read()


@pytest.mark.parametrize(
    "value",
    [
        [1, True],
        [1.0, np.True_],
        (0.5, False),
        [[0.5, 1.0], [0.5, True]],
        [np.array([True, False]), np.array([1.0, 2.0])],
        [np.array([1, True], dtype=object), np.array([1.0, 2.0])],
        UserList([True, 2]),
    ],
    ids=repr,
)
def test_bools_among_numbers_are_refused(value):
    for read in (
        lambda: arguments.floats("delta", value),
        lambda: arguments.numeric_array("delta", value),
        lambda: vs.measure_updates([[value]]),
        lambda: hash_model([value]),
        lambda: to_model([value]),
    ):
        with pytest.raises(TypeError, match=r"bools among them|not of object"):
            read()


def test_lists_that_have_themselves_in_them_form_no_array():
    endless = [1.0]
    endless.append(endless)
    with pytest.raises(vs.InvalidArgumentError, match="delta must form an array"):
        arguments.floats("delta", endless)
    deep = [1.0]
    for _ in range(200):
        deep = [deep, deep]
    arguments.refuse_masked("delta", deep)


def test_ragged_lists_are_refused():
    with pytest.raises(vs.InvalidArgumentError, match="delta must form an array"):
        arguments.floats("delta", [[1.0], [1.0, 2.0]])


def test_no_message_grows_with_what_was_given():
    assert len(arguments.text_of("x" * 10_000)) < 80
    assert arguments.text_of(1 << 20_000) == "an int of 20001 bits"


@pytest.mark.parametrize(
    "value", [["a", "b"], ("a", "b"), {"a": 1, "b": 2}, {"a": 0, "b": 0}.keys()]
)
def test_collections_of_words_become_lists(value):
    assert arguments.names("x", value) == ["a", "b"]
    assert arguments.names("x", ()) == []


@pytest.mark.parametrize(
    "value", ["ab", b"ab", None, 3, ["a", 1], [b"a"], [None], iter(["a"]), np.array(3)]
)
def test_what_is_no_collection_of_words_is_a_type_error_with_the_name(value):
    with pytest.raises(TypeError, match="leave_out must be a list of str"):
        arguments.names("leave_out", value)
