"""Which rows of a batch are added to which group."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.paillier.encrypted import Encrypted

__all__ = ["MOST_GROUPS", "largest_group", "read_groups", "read_where"]

MOST_GROUPS = 2**20
_MOST_RESULTS = 2**24


def read_groups(groups: ArrayLike, batch_shape: tuple[int, ...]) -> NDArray[np.int64]:
    """One group for each row of a batch, or for a vector several columns of them.

    What is outside int64 becomes negative, and is refused as any group that there is not.

    Raises:
        TypeError: not integers, or masked.
        InvalidArgumentError: a shape that does not fit.
    """
    array = _read_known("groups", groups)
    if array.size == 0 and not isinstance(groups, np.ndarray):
        array = array.astype(np.int64)  # Of an empty list numpy makes floats.
    if array.dtype.kind not in "iu":
        raise TypeError(f"groups must be an array of integers, not of {array.dtype}")
    num_rows = batch_shape[0]
    if array.ndim not in (1, 2) or array.shape[0] != num_rows:
        raise InvalidArgumentError(
            f"groups have the shape {array.shape}; they must have one entry for each row of the "
            f"ciphertexts, ({num_rows},), or ({num_rows}, F) for F groupings of a vector"
        )
    if array.ndim == 2 and len(batch_shape) == 2:
        raise InvalidArgumentError(
            "groupings of a matrix would give three dimensions: pass one column of groups at a "
            "time, c.group_sum(groups[:, f], ...)"
        )
    return np.ascontiguousarray(array, dtype=np.int64)


def read_where(where: ArrayLike | None, groups_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """1 where a row counts, in the shape of its groups; nothing at all where every row does.

    Raises:
        TypeError: not bools, or masked.
        InvalidArgumentError: a shape that does not fit.
    """
    if where is None:
        return np.empty(0, np.uint8)
    array = _read_known("where", where)
    if array.size == 0 and not isinstance(where, np.ndarray):
        array = array.astype(np.bool_)
    if array.dtype.kind != "b":
        raise TypeError(f"where must be an array of bools, not of {array.dtype}")
    if array.shape not in (groups_shape, groups_shape[:1]):
        raise InvalidArgumentError(
            f"where has the shape {array.shape}; it must be {groups_shape[:1]}, or that of groups, "
            f"{groups_shape}"
        )
    columns = array.reshape(array.shape + (1,) * (len(groups_shape) - array.ndim))
    return np.ascontiguousarray(np.broadcast_to(columns, groups_shape)).view(np.uint8)


def largest_group(labels: NDArray[np.int64], counts: NDArray[np.uint8], num_groups: int) -> int:
    """How many rows the largest group has, of what the two functions above read.

    Raises:
        InvalidArgumentError: more results than a call gives.
    """
    columns = labels if labels.ndim == 2 else labels[:, None]
    num_results = columns.shape[1] * num_groups
    if num_results > _MOST_RESULTS:
        raise InvalidArgumentError(
            f"group_sum gives at most 2**24 results, not {num_results}; take fewer groups, or "
            "groupings, at a time"
        )
    counted = (columns >= 0) & (columns < num_groups)
    if counts.size:
        counted &= counts.reshape(columns.shape).view(np.bool_)
    places = columns + num_groups * np.arange(len(columns.T))
    return int(np.bincount(places[counted], minlength=1).max())


def _read_known(name: str, values: ArrayLike) -> NDArray[Any]:
    if isinstance(values, Encrypted):
        raise TypeError(f"{name} must be known to whoever adds, not {type(values).__name__}")
    return arguments.numeric_array(name, values)
