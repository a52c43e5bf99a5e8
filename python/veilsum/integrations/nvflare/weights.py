"""A model's weights by name, as the one vector that is summed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import InvalidArgumentError
from veilsum.secure_sum import hash_model

__all__ = ["ModelVector"]


class ModelVector:
    """Which entries of a model are summed, in which order; the others stay as they are."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = dict(params)
        arrays = {name: np.asarray(value) for name, value in sorted(params.items())}
        self._summed = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
        self._dtype = np.result_type(np.float32, *(a.dtype for a in self._summed.values()))
        self.dim = sum(array.size for array in self._summed.values())
        self.hash = hash_model(list(arrays.values()))

    def flatten(self, delta: Mapping[str, Any]) -> NDArray[np.floating]:
        """The changes of all entries that are summed, in one vector."""
        parts = []
        for name, array in self._summed.items():
            part = np.asarray(delta.get(name))
            if part.shape != array.shape:
                raise InvalidArgumentError(f"the change of {name} is missing or has another shape")
            parts.append(part.astype(self._dtype).ravel())
        return np.concatenate(parts)

    def shifted(self, step: NDArray[np.float64]) -> dict[str, Any]:
        """The model after a step, each array rounded once to its own dtype."""
        result, first = dict(self.params), 0
        for name, array in self._summed.items():
            part = step[first : first + array.size].reshape(array.shape)
            result[name] = (array + part).astype(array.dtype)
            first += array.size
        return result
