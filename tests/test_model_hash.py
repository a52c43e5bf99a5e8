"""The hash of a model tells apart what differs, and nothing else."""

from array import array

import numpy as np
import pytest
import veilsum as vs
from veilsum.secure_sum import hash_model

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_every_difference_of_models_shows():
    models = [
        [VALUES],
        [VALUES.astype(np.float64)],
        [VALUES.astype(np.int32)],
        [VALUES.view(np.int32)],
        [VALUES.reshape(3, 2)],
        [VALUES.ravel()],
        [VALUES.T],
        [VALUES, VALUES[:0]],
        [VALUES[:0], VALUES],
        [VALUES[:1], VALUES[1:]],
        [VALUES[1:], VALUES[:1]],
        [-VALUES],
        [],
    ]
    assert len({hash_model(model) for model in models}) == len(models)
    assert hash_model([np.array(0.0)]) != hash_model([np.array(-0.0)])


def test_memory_layout_and_byte_order_do_not_matter():
    strided = np.repeat(VALUES, 2, axis=0)[::2]
    for same in (np.asfortranarray(VALUES), strided, VALUES.astype(">f4"), VALUES.tolist()):
        same = np.asarray(same) if not isinstance(same, list) else np.array(same, np.float32)
        assert hash_model([same]) == hash_model([VALUES])


@pytest.mark.parametrize("wrong", ["text", b"bytes", None, np.datetime64("2020"), object()])
def test_a_model_has_numbers(wrong):
    with pytest.raises(TypeError, match="numbers"):
        hash_model([VALUES, wrong])


@pytest.mark.parametrize("dtype", [np.longdouble, np.clongdouble])
@pytest.mark.skipif(np.finfo(np.longdouble).nmant == 52, reason="long double is double here")
def test_numbers_with_padding_are_refused(dtype):
    # Equal values may have unequal padding, which would make equal models look different.
    with pytest.raises(TypeError, match=r"arrays\[1\] is of (float|complex).*convert"):
        hash_model([VALUES, np.ones(2, dtype)])


@pytest.mark.parametrize("mask", [False, True])
def test_what_a_mask_hides_is_no_part_of_a_model(mask):
    with pytest.raises(TypeError, match=r"arrays\[0\] is a masked array"):
        hash_model([np.ma.masked_array(VALUES, mask=mask)])


@pytest.mark.parametrize(
    "wrong",
    [
        VALUES,
        {"a": VALUES},
        {1.0},
        pytest.param(iter([VALUES]), id="an iterator"),
        None,
        3,
        "text",
        b"bytes",
    ],
    ids=repr,
)
def test_a_model_is_a_list_of_arrays(wrong):
    with pytest.raises(TypeError, match="arrays must be a list of arrays"):
        hash_model(wrong)


def test_lists_that_form_no_array_are_refused():
    with pytest.raises(vs.InvalidArgumentError, match=r"arrays\[1\] must form an array"):
        hash_model([VALUES, [[1.0], [1.0, 2.0]]])


def test_bytes_and_ranges_are_no_list_of_arrays():
    for wrong in (bytearray(b"abc"), memoryview(b"abc"), array("d", [1.0]), range(3)):
        with pytest.raises(TypeError, match="arrays must be a list of arrays"):
            hash_model(wrong)
