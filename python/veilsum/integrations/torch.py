"""PyTorch: a module's state as the vector that is summed, and back.

    >>> from veilsum.integrations.torch import StateVector  # doctest: +SKIP
    >>> layout = StateVector(module)  # doctest: +SKIP
    >>> codec = vs.Codec(layout.dim, clip=1.0, value_bits=16, max_addends=10)  # doctest: +SKIP

What is averaged, what is not, and a whole client: docs/pytorch.md.
"""

import fnmatch
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import InvalidArgumentError, MissingExtraError
from veilsum.integrations.model_vector import ModelVector

try:
    import torch
except ImportError:
    raise MissingExtraError(
        "veilsum.integrations.torch needs PyTorch: pip install 'veilsum[torch]', or one of the "
        "smaller builds without CUDA that https://pytorch.org offers"
    ) from None

__all__ = ["StateVector"]

_WIDENED = {torch.bfloat16: torch.float32}  # numpy has no bfloat16; float32 holds all its values.


class StateVector:
    """The layout of a state: which tensors are summed, and where each lies in the vector.

    Summed are parameters and buffers of float16, bfloat16, float32 and float64, on any device,
    trained or frozen; batch normalisation's running mean and variance too. A tensor that a state
    has under several names (tied weights) is summed once. Integers and bools, such as
    ``num_batches_tracked``, are never summed: they stay as they were when the layout was made.

    The vector is of float32, or of float64 if any tensor is. Narrower tensors are rounded when they
    are loaded, so a mean of bfloat16 weights loses nothing on its way.

    Args:
        state: a module, or its ``state_dict()``. Its values are copied.
        leave_out: names of entries that are not to be summed, or patterns such as
            ``"*.running_mean"``.

    Attributes:
        dim: the length of the vector.
        names: of the tensors that are summed, in their order.

    Raises:
        TypeError: a tensor of another dtype, sparse or quantised.
        InvalidArgumentError: nothing is left to sum, or a pattern fits no entry.
    """

    def __init__(
        self, state: torch.nn.Module | Mapping[str, Any], *, leave_out: Collection[str] = ()
    ) -> None:
        entries = _entries(state)
        self._template = {name: _copy(entry) for name, entry in entries.items()}
        self._same_as = _tied(entries)
        self._layout = ModelVector(
            {
                name: _to_numpy(name, entry)
                for name, entry in self._template.items()
                if isinstance(entry, torch.Tensor) and name not in self._same_as
            },
            leave_out=self._left_out(leave_out),
        )
        self.dim = self._layout.dim
        self.names = self._layout.names

    @property
    def model(self) -> list[NDArray[np.floating]]:
        """The vector of the state that the layout was made from, as ``veilsum.FedAvg`` starts."""
        return [self._layout.flatten(self._layout.model)]

    def flatten(self, state: torch.nn.Module | Mapping[str, Any]) -> NDArray[np.floating]:
        """The vector of a state; copied.

        Raises:
            InvalidArgumentError: a tensor is missing, unknown, of another shape, or has values that
                are NaN or infinite.
        """
        entries = _entries(state)
        unknown = sorted(set(entries) - set(self._template))
        if unknown:
            raise InvalidArgumentError(f"the model has no entry {unknown[0]!r}")
        return self._layout.flatten(
            {name: _to_numpy(name, entries[name]) for name in self.names if name in entries}
        )

    def unflatten(self, vector: NDArray[np.floating]) -> dict[str, Any]:
        """The whole state of a vector, for ``load_state_dict``: dtypes and devices as they were.

        Raises:
            InvalidArgumentError: another length.
        """
        state = dict(self._template)
        for name, part in self._layout.unflatten(vector).items():
            like = self._template[name]
            # A copy: a tensor that shared the vector's memory would write into it.
            state[name] = torch.tensor(part).to(device=like.device, dtype=like.dtype)
        for name, first in self._same_as.items():
            state[name] = state[first]
        return state

    def load(self, module: torch.nn.Module, vector: NDArray[np.floating]) -> None:
        """Put a vector into a module; what is not summed is set as it was in the layout's state.

        Parameters stay the same objects, on their devices, with their ``requires_grad``.
        """
        module.load_state_dict(self.unflatten(vector))

    def _left_out(self, patterns: Collection[str]) -> list[str]:
        """The tensors that patterns name, each by the first of its names."""
        left_out = list[str]()
        for pattern in patterns:
            found = fnmatch.filter(self._template, pattern)
            left_out += [self._same_as.get(name, name) for name in found] or [pattern]
        return left_out


def _entries(state: torch.nn.Module | Mapping[str, Any]) -> dict[str, Any]:
    return dict(state.state_dict() if isinstance(state, torch.nn.Module) else state)


def _copy(entry: Any) -> Any:
    return entry.detach().clone() if isinstance(entry, torch.Tensor) else entry


def _tied(entries: Mapping[str, Any]) -> dict[str, str]:
    """The names of tensors that are the same memory as one before, and that one's name."""
    first: dict[object, str] = {}
    tied: dict[str, str] = {}
    for name, entry in entries.items():
        if not isinstance(entry, torch.Tensor) or entry.layout != torch.strided:
            continue
        if entry.numel() == 0:
            continue
        place = (entry.device, entry.data_ptr(), entry.dtype, entry.shape, entry.stride())
        if place in first:
            tied[name] = first[place]
        else:
            first[place] = name
    return tied


def _to_numpy(name: str, tensor: torch.Tensor) -> NDArray[np.generic]:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise TypeError(f"the entry {name!r} is sparse or quantised; only dense tensors are summed")
    tensor = tensor.detach().to(device="cpu", dtype=_WIDENED.get(tensor.dtype, tensor.dtype))
    array: NDArray[np.generic] = tensor.numpy()
    return array
