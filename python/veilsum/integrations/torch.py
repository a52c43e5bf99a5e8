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

from veilsum import arguments
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
_SUMMED = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_KEPT = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class StateVector:
    """The layout of a state: which tensors are summed, and where each lies in the vector.

    Summed are parameters and buffers of float16, bfloat16, float32 and float64, on any device,
    trained or frozen; batch normalisation's running mean and variance too. A tensor that a state
    has under several names (tied weights) is summed once. Integers and bools, such as
    ``num_batches_tracked``, are never summed: they stay as they were when the layout was made.

    What is not wholly a tensor of values is refused, by the name of its entry: packed, quantised,
    sparse and nested tensors, tensors without values (``meta``), tuples, dicts, extra state. Else
    a part of the model would never be averaged, and nobody would be told. An entry that is named in
    ``leave_out`` may be anything: it stays as it was.

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
        TypeError: an entry that is no dense tensor of these dtypes; parameters that are integers.
        InvalidArgumentError: nothing is left to sum, or a pattern fits no entry.
    """

    def __init__(
        self, state: torch.nn.Module | Mapping[str, Any], *, leave_out: Collection[str] = ()
    ) -> None:
        entries = _entries(state)
        patterns = arguments.names("leave_out", leave_out)
        left_out = _matching(entries, patterns)
        for name, entry in entries.items():
            if name not in left_out:
                _check_entry(name, entry)
        if isinstance(state, torch.nn.Module):
            _check_parameters(state, left_out)
        self._template = {name: _copy(entry) for name, entry in entries.items()}
        self._same_as = _tied(entries)
        # A tensor is left out by any of its names.
        left_out |= {self._same_as.get(name, name) for name in left_out}
        self._layout = ModelVector(
            {
                name: _to_numpy(name, entry)
                for name, entry in self._template.items()
                if name not in left_out and name not in self._same_as
            }
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
            TypeError: an entry that is summed is no dense tensor any more.
            InvalidArgumentError: a tensor is missing, unknown, of another shape, or has values that
                are NaN or infinite.
        """
        entries = _entries(state)
        unknown = sorted(set(entries) - set(self._template), key=str)
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


def _entries(state: torch.nn.Module | Mapping[str, Any]) -> dict[str, Any]:
    state = arguments.instance("state", state, (torch.nn.Module, Mapping))
    return dict(state.state_dict() if isinstance(state, torch.nn.Module) else state)


def _matching(entries: Mapping[str, Any], patterns: Collection[str]) -> set[str]:
    """The names that patterns fit; InvalidArgumentError if one fits none."""
    found = set[str]()
    for pattern in patterns:
        names = [name for name in entries if fnmatch.fnmatchcase(str(name), pattern)]
        if not names:
            raise InvalidArgumentError(f"leave_out has {pattern!r}, and no entry is called so")
        found.update(names)
    return found


def _check_entry(name: object, entry: Any) -> None:
    """TypeError, with the cure, unless the entry is wholly a dense tensor that numpy can hold."""
    if not isinstance(name, str):
        raise TypeError(f"the names of a state are str, not {arguments.text_of(name)}")
    cure = f"or keep it as it is with leave_out=[{name!r}]"
    if not isinstance(entry, torch.Tensor):
        raise TypeError(
            f"the entry {name!r} is a {type(entry).__name__}, not a tensor, and may hide some: "
            f"pass a state of plain tensors (dequantise packed weights), {cure}"
        )
    if entry.layout != torch.strided or getattr(entry, "is_nested", False):
        raise TypeError(f"the entry {name!r} is sparse or nested; pass its to_dense(), {cure}")
    if entry.is_quantized:
        raise TypeError(f"the entry {name!r} is quantised; pass its dequantize(), {cure}")
    if entry.device.type == "meta":
        raise TypeError(
            f"the entry {name!r} has no values yet (device meta): load the weights first, {cure}"
        )
    if type(entry) not in (torch.Tensor, torch.nn.Parameter):
        raise TypeError(
            f"the entry {name!r} is a {type(entry).__name__}, which may hold its values in another "
            f"form; pass a plain tensor (dequantize(), full_tensor()), {cure}"
        )
    if entry.dtype not in (*_SUMMED, *_KEPT):
        dtype = str(entry.dtype).removeprefix("torch.")
        raise TypeError(
            f"the entry {name!r} has the dtype {dtype}; pass it in float16, float32 or float64, "
            f"{cure}"
        )


def _check_parameters(module: torch.nn.Module, left_out: Collection[str]) -> None:
    """TypeError if a parameter has no mean: integers that are weights, in some quantised form."""
    for name, parameter in module.named_parameters():
        if name not in left_out and parameter.dtype not in _SUMMED:
            dtype = str(parameter.dtype).removeprefix("torch.")
            raise TypeError(
                f"the parameter {name!r} is of {dtype}, which has no mean: dequantise the module, "
                f"or keep it as it is with leave_out=[{name!r}]"
            )


def _copy(entry: Any) -> Any:
    return entry.detach().clone() if isinstance(entry, torch.Tensor) else entry


def _tied(entries: Mapping[str, Any]) -> dict[str, str]:
    """The names of tensors that are the same memory as one before, and that one's name."""
    first: dict[object, str] = {}
    tied: dict[str, str] = {}
    for name, entry in entries.items():
        if type(entry) not in (torch.Tensor, torch.nn.Parameter):
            continue
        if entry.layout != torch.strided or entry.is_quantized or entry.device.type == "meta":
            continue
        if entry.numel() == 0:
            continue
        place = (entry.device, entry.data_ptr(), entry.dtype, entry.shape, entry.stride())
        if place in first:
            tied[name] = first[place]
        else:
            first[place] = name
    return tied


def _to_numpy(name: str, tensor: Any) -> NDArray[Any]:
    _check_entry(name, tensor)
    array: NDArray[Any] = tensor.to(_WIDENED.get(tensor.dtype, tensor.dtype)).numpy(force=True)
    return array
