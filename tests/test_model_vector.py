"""A model with named arrays as one vector, without any framework."""

from typing import Any

import numpy as np
import pytest
from veilsum.errors import InvalidArgumentError
from veilsum.integrations.model_vector import ModelVector

MODEL: dict[str, Any] = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([0.5, -0.5], np.float16),
    "steps": np.array(7),
    "mask": np.array([True, False]),
}


def test_floats_are_summed_in_the_order_of_their_names_and_counters_are_not():
    vector = ModelVector(MODEL)
    assert vector.names == ("b", "w")
    assert vector.dim == 8
    flat = vector.flatten(dict(reversed(MODEL.items())))
    assert flat.dtype == np.float32
    assert flat.tolist() == [0.5, -0.5, 0, 1, 2, 3, 4, 5]


def test_unflatten_is_the_inverse_of_flatten():
    vector = ModelVector(MODEL)
    parts = vector.unflatten(vector.flatten(MODEL))
    assert set(parts) == {"b", "w"}
    assert all(np.array_equal(parts[name], MODEL[name]) for name in parts)


def test_vector_is_of_float64_if_an_entry_is():
    vector = ModelVector({**MODEL, "w": MODEL["w"].astype(np.float64)})
    assert vector.flatten(vector.model).dtype == np.float64


def test_shifted_rounds_each_array_once_and_keeps_the_rest():
    vector = ModelVector(MODEL)
    step = np.full(8, 2.0**-13)  # half a unit of float16 at 0.5, less one at -0.5
    moved = vector.shifted(step)
    assert moved["b"].dtype == np.float16
    assert moved["b"].tolist() == [
        float(np.float16(0.5 + 2.0**-13)),
        float(np.float16(-0.5 + 2.0**-13)),
    ]
    assert moved["w"].tolist() == (MODEL["w"] + 2.0**-13).astype(np.float32).tolist()
    assert moved["steps"] == 7
    assert moved["mask"].tolist() == [True, False]
    assert MODEL["w"][0, 0] == 0


def test_left_out_entries_stay():
    model = {"n.running_mean": np.array([1.0]), "n.weight": np.array([2.0])}
    vector = ModelVector(model, leave_out=["*.running_*"])
    assert vector.names == ("n.weight",)
    assert vector.shifted(np.array([1.0]))["n.running_mean"].tolist() == [1.0]


def test_hash_depends_on_names_values_and_what_is_not_summed():
    changes = (
        {"w": MODEL["w"] + 1},
        {"steps": np.array(8)},
        {"mask": np.array([True, True])},
        {"b": MODEL["b"].astype(np.float32)},
        {"more": np.zeros(1)},
    )
    hashes = {ModelVector({**MODEL, **change}).hash for change in changes}
    renamed = {"v" if name == "w" else name: array for name, array in MODEL.items()}
    hashes |= {ModelVector(MODEL).hash, ModelVector(renamed).hash}
    assert len(hashes) == len(changes) + 2
    assert ModelVector(dict(reversed(MODEL.items()))).hash == ModelVector(MODEL).hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": np.zeros((3, 2))}, r"'w' has the shape \(3, 2\), not \(2, 3\)"),
        ({"w": np.full((2, 3), np.nan)}, "'w' has values that are NaN"),
        ({"b": np.array([np.inf, 0])}, "'b' has values that are NaN"),
        ({"v": np.zeros(1)}, "no entry 'v'"),
    ],
)
def test_flatten_names_the_entry_that_does_not_fit(change, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ModelVector(MODEL).flatten({**MODEL, **change})


def test_flatten_names_the_entry_that_is_missing():
    with pytest.raises(InvalidArgumentError, match="'w' is missing"):
        ModelVector(MODEL).flatten({"b": MODEL["b"]})


def test_models_that_have_no_vector_are_refused():
    with pytest.raises(InvalidArgumentError, match="no floating-point values"):
        ModelVector({"steps": np.array(7)})
    with pytest.raises(InvalidArgumentError, match="no entry is called so"):
        ModelVector(MODEL, leave_out=["w", "weights"])
    with pytest.raises(TypeError, match="'z' has the dtype complex128"):
        ModelVector({**MODEL, "z": np.zeros(1, complex)})
    with pytest.raises(InvalidArgumentError, match="shape"):
        ModelVector(MODEL).unflatten(np.zeros(7))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0, 2.0], "'b' is a list, not an array"),
        ((1.0, 2.0), "'b' is a tuple, not an array"),
        ({"scale": np.ones(2)}, "'b' is a dict, not an array"),
        (1.0, "'b' is a float, not an array"),
        (None, "'b' is a NoneType, not an array"),
        (memoryview(b"ab"), "'b' is a memoryview, not an array"),
        (np.ma.masked_array([1.0, 2.0], [0, 1]), "'b' is a masked array"),
        (np.array([None, {}]), "'b' must be an array of numbers, not of object"),
        (np.array(["a", "b"]), "'b' must be an array of numbers, not of <U1"),
        (np.zeros(2, "f4,f4"), "'b' must be an array of numbers"),
        (np.zeros(2, complex), "'b' has the dtype complex128"),
        (np.zeros(2, np.longdouble), "'b' has the dtype (float128|longdouble)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_wholly_an_array_is_refused_by_name(value, message):
    with pytest.raises(TypeError, match=message):
        ModelVector({**MODEL, "b": value})
    with pytest.raises(TypeError, match=message):
        ModelVector(MODEL).flatten({**MODEL, "b": value})


def test_other_types_than_models_and_patterns_are_refused():
    for model in (None, [np.ones(2)], np.ones(2)):
        with pytest.raises(TypeError, match="model must be a Mapping"):
            ModelVector(model)
    with pytest.raises(TypeError, match="leave_out must be a list of str"):
        ModelVector(MODEL, leave_out="w")
    with pytest.raises(TypeError, match="names of a model are str, not 3"):
        ModelVector({**MODEL, 3: np.ones(2)})


def test_a_vector_may_be_a_list_and_must_be_of_numbers():
    vector = ModelVector({"w": np.zeros(2)})
    assert vector.unflatten([1.0, 2.0])["w"].tolist() == [1.0, 2.0]
    for wrong in ("ab", None, [True, False], [1j, 2j], np.ma.masked_array([1.0, 2.0], [0, 1])):
        for use in (vector.unflatten, vector.shifted):
            with pytest.raises(TypeError, match="vector"):
                use(wrong)


def test_shifted_keeps_arrays_without_dimensions():
    for dtype in (np.float16, np.float32, np.float64):
        moved = ModelVector({"w": np.array(1.0, dtype), "n": np.array(3)}).shifted(np.array([0.5]))
        assert isinstance(moved["w"], np.ndarray)
        assert (moved["w"].shape, moved["w"].dtype, moved["w"].item()) == ((), dtype, 1.5)


@pytest.mark.parametrize("step", [np.nan, np.inf, -np.inf])
def test_steps_that_are_no_numbers_are_refused(step):
    with pytest.raises(InvalidArgumentError, match="the step has values that are NaN or infinite"):
        ModelVector({"w": np.zeros(2)}).shifted(np.array([0.0, step]))


@pytest.mark.parametrize(
    ("start", "step"),
    [(np.float16(60000), 10000.0), (np.float32(3e38), 3e38), (np.float64(1.7e308), 1.7e308)],
)
def test_steps_out_of_the_range_of_a_dtype_are_refused(start, step):
    with pytest.raises(InvalidArgumentError, match=f"'w' .* no finite {start.dtype}"):
        ModelVector({"w": np.array([0, start], start.dtype)}).shifted(np.array([0.0, step]))


def test_changes_beyond_the_vector_or_of_bools_are_refused():
    vector = ModelVector({"w": np.zeros(2, np.float32)})
    with pytest.raises(InvalidArgumentError, match="'w' has values beyond every float32"):
        vector.flatten({"w": np.array([0.0, 1e300])})
    with pytest.raises(TypeError, match="'w' has bools"):
        vector.flatten({"w": np.array([True, False])})
