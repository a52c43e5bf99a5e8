"""What a federation would do to an update, and to its weight."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from veilsum.integrations.setup_check.verdict import Status, Verdict, judged
from veilsum.integrations.weights import WeightsByCount
from veilsum.measure import measure_updates
from veilsum.secure_sum import Federation

__all__ = ["check_dimension", "check_update", "check_weights"]

# As the node's log warns of a contribution.
_MANY_CLIPPED = 0.05
_SHORT = 0.5
# Of the largest value, below which rounding takes a tenth of the median and more.
_FEW_STEPS = 32


def check_dimension(federation: Federation, dim: int) -> Verdict:
    """Whether the model has as many values as the federation was dealt for."""
    dealt = federation.codec.dim
    facts = {"dim": dim, "dealt": dealt}
    if dim == dealt:
        return Verdict("dimension", Status.OK, f"{dim:,} values, as dealt", facts=facts)
    return Verdict(
        "dimension",
        Status.ERROR,
        f"the model has {dim:,} values to sum, and the federation was dealt for {dealt:,}",
        f"deal with --dim {dim}, or train the model that was dealt for",
        facts,
    )


def check_update(federation: Federation, update: NDArray[np.floating]) -> Iterator[Verdict]:
    """What is cut off an update, and how coarse the grid is; of one that has the right dimension.

    The figures are about the data that it was trained on: for their owner alone.
    """
    yield judged("clip", lambda: _clip(federation, update))
    if federation.codec.norm_bound is not None:
        yield judged("norm bound", lambda: _norm(federation, update))


def _clip(federation: Federation, update: NDArray[np.floating]) -> Verdict:
    codec = federation.codec
    sizes = measure_updates([update])
    clips = codec.clips
    with np.errstate(invalid="ignore"):
        clipped = float(np.mean(np.abs(update) > clips))
    largest, clip = sizes.magnitudes[1.0], float(clips.max())
    facts = {"clipped": clipped, "largest": largest, "clip": clip}
    says = f"{clipped:.2%} of the values are beyond the clip; the largest is {largest:.4g}"
    if clipped > _MANY_CLIPPED:
        return Verdict(
            "clip",
            Status.WARNING,
            says,
            f"deal with a larger --clip: {sizes.suggested_clip:.2g} cuts one value in a thousand",
            facts,
        )
    # The grid of an entry follows its own clip: the largest that any value has is what counts.
    num_steps = float((np.abs(update) / clips).max()) * codec.scale * clip
    facts["grid_steps"] = num_steps
    if 0 < largest and num_steps < _FEW_STEPS:
        return Verdict(
            "clip",
            Status.WARNING,
            f"{says}, {num_steps:.1f} steps of the grid: much of the update is rounded away",
            f"deal with a smaller --clip, such as {sizes.suggested_clip:.2g}, or more --value-bits",
            facts,
        )
    return Verdict("clip", Status.OK, says, facts=facts)


def _norm(federation: Federation, update: NDArray[np.floating]) -> Verdict:
    codec = federation.codec
    assert codec.norm_bound is not None
    sizes = measure_updates([update])
    norm = (sizes.l2_norms if codec.norm == "l2" else sizes.l1_norms)[1]
    shrunk_to = min(1.0, codec.norm_bound / norm) if norm > 0 else 1.0
    says = f"the {codec.norm} norm is {norm:.4g}, the bound {codec.norm_bound:.4g}"
    facts = {"norm": norm, "bound": codec.norm_bound, "shrunk_to": shrunk_to}
    if shrunk_to >= _SHORT:
        return Verdict("norm bound", Status.OK, says, facts=facts)
    return Verdict(
        "norm bound",
        Status.WARNING,
        f"{says}: the update is shrunk to {shrunk_to:.2%}",
        "deal with a larger --norm-bound, for which noise grows in proportion, or train for fewer "
        "steps a round",
        facts,
    )


def check_weights(federation: Federation, weights: WeightsByCount, count: object) -> Verdict:
    """Whether the federation was dealt for such weights.

    Args:
        federation: the agreement.
        weights: how a node's number of examples becomes its weight.
        count: of a node; None if it is not known.
    """

    def work() -> Verdict:
        weights.check(federation.codec, federation.noise)
        if weights.most is None:
            return Verdict("weights", Status.OK, "all nodes weigh alike")
        says = f"{weights.least} to {weights.most} {weights.unit}"
        if count is not None:
            weight = weights.weight(count, name=f"the number of {weights.unit}")
            says += f"; this node's {count} weigh {weight:.4g}"
        return Verdict("weights", Status.OK, says)

    return judged("weights", work)
