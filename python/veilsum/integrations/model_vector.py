"""A model whose arrays have names, and the one vector in which they are summed."""

import fnmatch
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.secure_sum import hash_model

__all__ = ["ModelVector"]


class ModelVector:
    """Which entries of a model are summed, and where each lies in the vector.

    Entries of floating point are summed, in the order of their names. Integers and bools, such as
    counters, have no mean: they stay as they are in this model. So do entries that are left out.
    What is not wholly an array is refused: of a list, a nested dict or packed weights nobody could
    tell what is summed.

    Args:
        model: numpy arrays by name; not copied.
        leave_out: names of entries that are not to be summed, or patterns such as
            ``"*.running_mean"``.

    Attributes:
        model: as given.
        names: of the entries that are summed, in their order.
        dim: the length of the vector.
        dtype: of the vector: float64 if any of its entries is, else float32.

    Raises:
        TypeError: an entry is no array of bools, integers or floats of at most 64 bits.
        InvalidArgumentError: nothing is left to sum, or a pattern fits no entry.
    """

    def __init__(
        self, model: Mapping[str, NDArray[Any]], *, leave_out: Collection[str] = ()
    ) -> None:
        leave_out = arguments.names("leave_out", leave_out)
        self.model = {
            name: _numbers(name, value)
            for name, value in arguments.instance("model", model, Mapping).items()
        }
        self.names = tuple(
            name
            for name, array in sorted(self.model.items())
            if array.dtype.kind == "f"
            and not any(fnmatch.fnmatchcase(name, pattern) for pattern in leave_out)
        )
        for pattern in leave_out:
            if not fnmatch.filter(self.model, pattern):
                raise InvalidArgumentError(f"leave_out has {pattern!r}, and no entry is called so")
        self.dim = sum(self.model[name].size for name in self.names)
        if self.dim == 0:
            raise InvalidArgumentError("the model has no floating-point values to sum")
        self.dtype: np.dtype[np.floating] = np.result_type(
            np.float32, *(self.model[name].dtype for name in self.names)
        )

    @property
    def hash(self) -> bytes:
        """``hash_model`` of all entries, summed or not, in the order of their names.

        The names are in it too: as bytes, before the arrays.
        """
        names = sorted(self.model)
        text = np.frombuffer("\0".join(names).encode(), np.uint8)
        return hash_model([text, *(self.model[name] for name in names)])

    def flatten(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.floating]:
        """The vector of arrays that have this model's names and shapes, such as its changes.

        Entries that are not summed may be there or not.

        Raises:
            TypeError: an entry that is summed is no array of numbers.
            InvalidArgumentError: an entry is missing, unknown, of another shape, or has values that
                are NaN, infinite, or beyond the vector's dtype.
        """
        unknown = sorted(set(arrays) - set(self.model))
        if unknown:
            raise InvalidArgumentError(f"the model has no entry {unknown[0]!r}")
        vector = np.empty(self.dim, self.dtype)
        first = 0
        for name in self.names:
            if name not in arrays:
                raise InvalidArgumentError(f"the entry {name!r} is missing")
            part, shape = _numbers(name, arrays[name]), self.model[name].shape
            if part.shape != shape:
                raise InvalidArgumentError(
                    f"the entry {name!r} has the shape {part.shape}, not {shape}"
                )
            if part.dtype.kind == "b":
                raise TypeError(f"the entry {name!r} has bools, and the model's has floats")
            if not np.isfinite(part).all():
                raise InvalidArgumentError(
                    f"the entry {name!r} has values that are NaN or infinite; training diverged: "
                    "try a smaller learning rate"
                )
            values = vector[first : first + part.size]
            with np.errstate(over="ignore"):
                values[:] = part.ravel()
            if not np.isfinite(values).all():
                raise InvalidArgumentError(
                    f"the entry {name!r} has values beyond every {self.dtype}, which is the "
                    "dtype of the vector"
                )
            first += part.size
        return vector

    def unflatten(self, vector: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
        """The entries that are summed, from their vector: its parts, in its dtype, not copied.

        Raises:
            TypeError: no array of real numbers.
            InvalidArgumentError: another length.
        """
        vector = arguments.numeric_array("vector", vector)
        if vector.dtype.kind not in "iuf":
            raise TypeError(f"vector must be an array of real numbers, not of {vector.dtype}")
        if vector.shape != (self.dim,):
            raise InvalidArgumentError(
                f"the vector has the shape {vector.shape}, and this model's is {(self.dim,)}"
            )
        parts, first = dict[str, NDArray[np.floating]](), 0
        for name in self.names:
            array = self.model[name]
            parts[name] = vector[first : first + array.size].reshape(array.shape)
            first += array.size
        return parts

    def shifted(self, step: NDArray[np.float64]) -> dict[str, NDArray[np.generic]]:
        """The whole model after a step, in float64, each array rounded once to its own dtype.

        Raises:
            TypeError: the step is no array of real numbers.
            InvalidArgumentError: it has another length, or values that are NaN or infinite; or a
                value leaves the range of its dtype.
        """
        parts = self.unflatten(step)
        if not all(np.isfinite(part).all() for part in parts.values()):
            raise InvalidArgumentError("the step has values that are NaN or infinite")
        result = dict(self.model)
        for name, part in parts.items():
            array = self.model[name]
            with np.errstate(over="ignore"):
                moved = np.asarray(np.add(array, part, dtype=np.float64), array.dtype)
            if not np.isfinite(moved).all():
                raise InvalidArgumentError(
                    f"after the step the entry {name!r} has values that are no finite "
                    f"{array.dtype}: take a smaller step or a wider dtype"
                )
            result[name] = moved
        return result


def _numbers(name: object, value: object) -> NDArray[Any]:
    """The entry, if it is wholly an array of numbers."""
    if not isinstance(name, str):
        raise TypeError(f"the names of a model are str, not {arguments.text_of(name)}")
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(
            f"the entry {name!r} is a {type(value).__name__}, not an array: pass its numbers as "
            "arrays with names of their own, or leave it out of the model that is passed"
        )
    array = arguments.numeric_array(f"the entry {name!r}", value)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"the entry {name!r} has the dtype {array.dtype}; a model has arrays of bools, "
            "integers, and floats of 16, 32 or 64 bits"
        )
    return array
