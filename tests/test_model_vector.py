"""A model with named arrays as one vector, without any framework."""

import numpy as np
import pytest
from veilsum.errors import InvalidArgumentError
from veilsum.integrations.model_vector import ModelVector

MODEL = {
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
    vector = ModelVector({"n.running_mean": [1.0], "n.weight": [2.0]}, leave_out=["*.running_*"])
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
