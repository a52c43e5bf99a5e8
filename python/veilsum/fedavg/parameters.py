"""A model's parameters as a list of arrays, and as the one vector that is summed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum.arguments import numeric_array
from veilsum.errors import InvalidArgumentError

__all__ = ["Model", "difference", "shifted", "to_model"]

Model = list[NDArray[np.floating]]
"""The parameters of a model: float16, float32 or float64 arrays of any shapes."""


def to_model(arrays: object) -> Model:
    """Copies of the arrays.

    Raises:
        TypeError: an array is not of float16, float32 or float64. Counters and other integer
            buffers have no mean; leave them out of what is averaged.
        InvalidArgumentError: no arrays, no values, or NaN or infinity.
    """
    if not isinstance(arrays, (list, tuple)):
        raise TypeError("a model is a list of arrays; for one array write [array]")
    model = [
        np.array(numeric_array(f"array {i} of the model", array), order="C", copy=True)
        for i, array in enumerate(arrays)
    ]
    if sum(array.size for array in model) == 0:
        raise InvalidArgumentError("the model has no values")
    for position, array in enumerate(model):
        if array.dtype.kind != "f" or array.dtype.itemsize > 8:
            raise TypeError(
                f"array {position} of the model has dtype {array.dtype}; only float16, float32 and "
                "float64 can be averaged"
            )
        _require_finite(position, array)
    return model


def difference(trained: Sequence[ArrayLike], start: Model) -> NDArray[np.floating]:
    """``trained - start``, flattened: shape ``(dim,)``, float64 if any array is, else float32.

    Raises:
        TypeError: not a list of arrays of real numbers, or masked ones.
        InvalidArgumentError: other shapes than the start's, NaN or infinity, or differences beyond
            that type.
    """
    if not isinstance(trained, (list, tuple)):
        raise TypeError(f"training returned a {type(trained).__name__}, not a list of arrays")
    arrays = [
        numeric_array(f"array {i} that training returned", array) for i, array in enumerate(trained)
    ]
    for position, array in enumerate(arrays):
        if array.dtype.kind in "bc":
            what = "bools" if array.dtype.kind == "b" else "complex numbers"
            raise TypeError(f"array {position} that training returned has {what}")
    shapes, wanted = [a.shape for a in arrays], [a.shape for a in start]
    if shapes != wanted:
        raise InvalidArgumentError(f"training returned arrays of shapes {shapes}, not {wanted}")
    for position, array in enumerate(arrays):
        _require_finite(position, array)
    dtype = np.result_type(np.float32, *(array.dtype for array in start))
    with np.errstate(over="ignore"):
        parts = [np.subtract(a, b, dtype=dtype) for a, b in zip(arrays, start, strict=True)]
    for position, part in enumerate(parts):
        _require_finite(position, part)
    return np.concatenate([part.ravel() for part in parts])


def shifted(start: Model, step: NDArray[np.float64]) -> Model:
    """``start + step`` in float64, each array rounded once to its own dtype.

    Raises:
        InvalidArgumentError: a value of the result is beyond its dtype.
    """
    result: Model = []
    first = 0
    for position, array in enumerate(start):
        part = step[first : first + array.size].reshape(array.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            moved = np.asarray(array + part).astype(array.dtype)
        if not np.isfinite(moved).all():
            raise InvalidArgumentError(
                f"array {position} of the model would hold values beyond {array.dtype}: training "
                "diverges. Use a smaller server_lr or learning rate"
            )
        result.append(moved)
        first += array.size
    return result


def _require_finite(position: int, array: NDArray[np.floating]) -> None:
    if not np.isfinite(array).all():
        num_bad = int((~np.isfinite(array)).sum())
        raise InvalidArgumentError(
            f"array {position} of the model holds {num_bad} values that are NaN or infinite; "
            "training diverged: try a smaller learning rate"
        )
