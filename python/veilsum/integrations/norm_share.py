"""How metrics and an update share the bound on the norm of a contribution.

The codec shrinks a vector as a whole, and would shrink metrics with an update that is too long. So
each is held within a part of the bound of its own, and the codec finds nothing to shrink.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError

__all__ = ["largest_clip", "metric_bound", "shrink_to_norm", "update_bound"]

# What an update loses of what it may have, so that no rounding of its float32 lifts the whole over
# the bound: each of three rounds by 2**-24 at most, and the metrics have half the norm at most.
_BELOW = 1 - 2.0**-20

_PIECE = 1 << 16  # Values that are widened to float64 at a time.


def largest_clip(codec: SlotCodec) -> float:
    """In a norm every value counts as one of this clip."""
    return max(clip for _, clip in codec.segments)


def metric_bound(codec: SlotCodec, count: int, share: float) -> float:
    """The largest magnitude of each of ``count`` metrics, as that of a value of the largest clip.

    Together they have ``share`` of the norm bound, or less, where that is more than their clips.
    """
    if codec.norm_bound is None:
        return largest_clip(codec)
    parts = math.sqrt(count) if codec.norm == "l2" else count
    return min(largest_clip(codec), share * codec.norm_bound / parts)


def update_bound(codec: SlotCodec, count: int, share: float) -> float:
    """The norm that an update may have beside ``count`` metrics, whatever these are."""
    if codec.norm_bound is None:
        return math.inf
    # As a part of the bound, whose square may leave the range of a float.
    part = metric_bound(codec, count, share) / codec.norm_bound
    left = math.sqrt(1 - count * part**2) if codec.norm == "l2" else 1 - count * part
    return left * codec.norm_bound * _BELOW


def shrink_to_norm(update: NDArray[np.floating], codec: SlotCodec, bound: float) -> float:
    """Scale an update in place so that its norm is at most ``bound``; returns what it was.

    The norm is the codec's: a value counts times the largest clip / its clip. What is not finite is
    left alone: the codec refuses it.

    Raises:
        InvalidArgumentError: the bound is so small that floats of the update's dtype cannot hold
            it.
    """
    largest, ratio = _norm(update, codec)
    if largest == 0 or not math.isfinite(largest) or ratio <= bound / largest:
        return largest * ratio
    # In two steps, as the quotient of both may be too small for a float32.
    update /= update.dtype.type(largest)
    update *= update.dtype.type(bound / ratio)
    if math.prod(_norm(update, codec)) > bound / _BELOW:
        raise InvalidArgumentError(
            f"a norm of {bound:.3g} is too small for an update of {update.dtype}: deal with a "
            "larger --norm-bound, or train in float64"
        )
    return largest * ratio


def _norm(update: NDArray[np.floating], codec: SlotCodec) -> tuple[float, float]:
    """The largest value and the norm beside it, so that no square leaves the range of a float."""
    largest = max(float(np.max(piece)) for piece in _magnitudes(update, codec))
    if largest == 0 or not math.isfinite(largest):
        return largest, 1.0
    if codec.norm == "l1":
        return largest, math.fsum(np.sum(p / largest) for p in _magnitudes(update, codec))
    squares = (np.sum(np.square(p / largest)) for p in _magnitudes(update, codec))
    return largest, math.sqrt(math.fsum(squares))


def _magnitudes(update: NDArray[np.floating], codec: SlotCodec) -> Iterator[NDArray[np.float64]]:
    """How much each value counts in the norm, piece by piece."""
    relative = None if isinstance(codec.clip, float) else largest_clip(codec) / codec.clips
    for first in range(0, update.size, _PIECE):
        piece = np.abs(update[first : first + _PIECE].astype(np.float64))
        if relative is not None:
            with np.errstate(over="ignore"):
                piece *= relative[first : first + piece.size]
        yield piece
