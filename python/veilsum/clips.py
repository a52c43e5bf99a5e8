"""The clips of a codec: one for all values, or one for each segment of a vector."""

import numbers
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError

__all__ = ["ClipLike", "Segments", "read_clip", "segments_of"]

ClipLike: TypeAlias = float | Sequence[float] | Sequence[tuple[int, float]] | NDArray[np.floating]
"""A clip for all values, one for each, or pairs of a number of values and their clip."""

Segments: TypeAlias = tuple[tuple[int, float], ...]
"""Numbers of values and their clip, in order; neighbours differ."""

_MAX_DIM = 2**40


def read_clip(clip: object, dim: int) -> float | Segments:
    """The one form of what says the same: a float for one clip, else the fewest segments.

    Raises:
        TypeError: not numbers, or a number of values that is no int.
        InvalidArgumentError: not finite, not for ``dim`` values, or of another shape.
    """
    if isinstance(clip, numbers.Real):
        return arguments.real("clip", clip)
    arguments.refuse_masked("clip", clip)
    if isinstance(clip, (list, tuple)) and any(isinstance(part, (list, tuple)) for part in clip):
        counts, clips = _read_pairs(clip)
    else:
        clips = arguments.floats("clip", clip).astype(np.float64)  # type: ignore[arg-type]
        if clips.ndim != 1:
            raise InvalidArgumentError(
                "clip must be a number, one number for each value, or pairs of a number of values "
                f"and their clip; it has {clips.ndim} dimensions"
            )
        counts = np.ones(len(clips), np.int64)
    if int(counts.sum()) != dim:
        raise InvalidArgumentError(f"clip is for {int(counts.sum())} values, and dim is {dim}")
    if dim == 0:
        return 1.0  # Whatever it is, the core refuses the dim.
    starts = np.flatnonzero(np.concatenate([[True], clips[1:] != clips[:-1]]))
    sizes = np.add.reduceat(counts, starts).tolist()
    merged = tuple(zip(sizes, clips[starts].tolist(), strict=True))
    return merged[0][1] if len(merged) == 1 else merged


def segments_of(clip: float | Segments, dim: int) -> Segments:
    """The segments of what ``read_clip`` returned."""
    return ((dim, clip),) if isinstance(clip, float) else clip


def _read_pairs(pairs: Sequence[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise InvalidArgumentError(
                "clip has a part that is no pair of a number of values and their clip"
            )
    counts = [arguments.count("a number of values in clip", n, at_least=1) for n, _ in pairs]
    clips = [arguments.real("a value of clip", x) for _, x in pairs]
    if sum(counts) > _MAX_DIM:
        raise InvalidArgumentError("clip is for more than 2**40 values")
    return np.array(counts, np.int64), np.array(clips, np.float64)
