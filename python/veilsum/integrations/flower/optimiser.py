"""The wrapped strategy's own step, and what it remembers from one to the next."""

from collections.abc import Mapping

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import (
    Bulyan,
    FedAvg,
    FedMedian,
    FedTrimmedAvg,
    FedXgbBagging,
    FedXgbCyclic,
    Krum,
    MultiKrum,
    QFedAvg,
)
from numpy.typing import NDArray

from veilsum.errors import InvalidArgumentError, ProtocolError
from veilsum.integrations.checkpoint import Arrays
from veilsum.integrations.flower.records import record_of
from veilsum.integrations.model_vector import ModelVector

__all__ = ["check_suitable", "optimiser_state", "restore_optimiser", "step"]

# They look at single updates, which nobody can here.
_UNSUITABLE = (
    Bulyan,
    FedMedian,
    FedTrimmedAvg,
    FedXgbBagging,
    FedXgbCyclic,
    Krum,
    MultiKrum,
    QFedAvg,
)


def check_suitable(strategy: object) -> None:
    """InvalidArgumentError unless the strategy can work with a sum in the place of updates."""
    if not isinstance(strategy, FedAvg) or isinstance(strategy, _UNSUITABLE):
        raise InvalidArgumentError(
            f"{type(strategy).__name__} cannot work with sums alone; FedAvg, FedProx, FedAvgM, "
            "FedAdam, FedYogi and FedAdagrad can"
        )


def step(
    strategy: FedAvg, model: Arrays, mean: NDArray[np.float64], *, server_round: int
) -> Arrays:
    """The model after the strategy's step, with the dtypes it had.

    The strategy is given the opened mean as if one node had replied.
    """
    layout = ModelVector(model)
    content = RecordDict(
        {
            strategy.arrayrecord_key: record_of(layout.shifted(mean)),
            "metrics": MetricRecord({strategy.weighted_by_key: 1}),
        }
    )
    reply = Message(content, dst_node_id=0, message_type="train")
    arrays, _ = strategy.aggregate_train(server_round, [reply])
    if arrays is None:
        raise ProtocolError("the wrapped strategy made no model of the mean")
    return {
        name: arrays[name].numpy().astype(array.dtype) if name in layout.names else array
        for name, array in model.items()
    }


def optimiser_state(strategy: object) -> dict[str, Arrays]:
    """The attributes of a strategy that are arrays: FedOpt's moments, FedAvgM's momentum."""
    found = {name: _as_arrays(value) for name, value in vars(strategy).items()}
    return {name: arrays for name, arrays in found.items() if arrays}


def restore_optimiser(strategy: object, state: Mapping[str, Arrays]) -> None:
    """Set them again, in the form in which Flower's strategies have them."""
    for name, arrays in state.items():
        value: object = arrays
        if all(key.startswith(_LISTED) for key in arrays):
            value = list(arrays.values())
        elif all(key.startswith(_RECORDED) for key in arrays):
            value = ArrayRecord(
                {key.removeprefix(_RECORDED): Array(array) for key, array in arrays.items()}
            )
        setattr(strategy, name, value)


_LISTED, _RECORDED = "list\0", "record\0"


def _as_arrays(value: object) -> Arrays:
    if isinstance(value, ArrayRecord):
        return {f"{_RECORDED}{name}": array.numpy() for name, array in value.items()}
    if isinstance(value, list) and all(isinstance(array, np.ndarray) for array in value):
        return {f"{_LISTED}{i}": array for i, array in enumerate(value)}
    if isinstance(value, dict) and all(
        isinstance(key, str) and isinstance(array, np.ndarray) for key, array in value.items()
    ):
        return dict(value)
    return {}
