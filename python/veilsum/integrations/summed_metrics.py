"""Metrics summed under encryption with the update: values of the vector, after the model's.

How they share the bound on a contribution's norm: docs/privacy.md, "Metrics beside the update".
"""

import logging
import math
import numbers
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError, NoMeanError, PolicyRefusedError
from veilsum.identity import check_name
from veilsum.integrations.norm_share import (
    largest_clip,
    metric_bound,
    shrink_to_norm,
    update_bound,
)
from veilsum.opened_sum import Sum
from veilsum.privacy import AgreedNoise
from veilsum.secure_sum import hash_model

__all__ = ["DEFAULT_SHARE", "MetricRanges", "SummedMetrics"]

MetricRanges: TypeAlias = Mapping[str, Sequence[float]]
"""The lowest and the highest value of each metric, by its name."""

DEFAULT_SHARE = 0.1
"""Of the norm bound: under an L2 norm the update keeps 99.5 % of it, under an L1 norm 90 %."""

_log = logging.getLogger(__name__)

_TAG = b"veilsum/metrics/1"
_MOST_SHARE = 0.5
# A metric that rounding alone could move by more of its range than this is no measurement.
_MOST_ROUNDING = 0.05
# A range is wide enough that float64 tells a million values in it apart.
_LEAST_WIDTH = 2.0**-32
_FLOAT32_ROUNDING = 2.0**-23
# From here on a norm bound is more likely a wrong setting than a guard against outliers.
_SHORT = 0.5


class SummedMetrics:
    """Which metrics are summed, and the range of each; the same at the server and at all nodes.

    A metric is clipped to its range and mapped linearly onto ``[-s, s]``, where ``s`` is the clip
    of its value, or less where the codec bounds a norm. The weighted mean of what was mapped is
    mapped back: it is the weighted mean of the metric, with the weights of the updates.

    Args:
        metrics: a pair ``(lowest, highest)`` for each name; none for no metrics.
        share: of the codec's norm bound, what the metrics together may take of it, above 0 and at
            most 0.5; the update keeps ``sqrt(1 - share**2)`` of an L2 norm and ``1 - share`` of an
            L1 norm. Of no effect where the codec bounds no norm.

    Attributes:
        ranges: ``(lowest, highest)`` by name, in the order of the vector, which is that of names.
        share: as given.

    Raises:
        TypeError: ``metrics`` is no mapping of names to pairs of numbers.
        InvalidArgumentError: a range is empty, not finite, or too narrow for its distance from 0; a
            name has no letters or more than 255 bytes; the share is out of range.
    """

    def __init__(
        self, metrics: MetricRanges | None = None, *, share: float = DEFAULT_SHARE
    ) -> None:
        if metrics is None:
            metrics = {}
        if not isinstance(metrics, Mapping):
            raise TypeError(
                f"metrics must be a mapping, not {type(metrics).__name__}: it names the metrics "
                "that are summed under encryption, each with its range, as in "
                '{"accuracy": (0, 1)}'
            )
        self.ranges = {
            name: _range(name, metrics[name])
            for name in sorted(arguments.names("metrics", metrics))
        }
        self.share = arguments.real("metrics_share", share, above=0, at_most=_MOST_SHARE)

    def __len__(self) -> int:
        """How many there are: so many values the federation is dealt for beside the model's."""
        return len(self.ranges)

    def __repr__(self) -> str:
        return f"<SummedMetrics: {self._words()}>"

    # ---- what all must have agreed on ----

    def bind(self, model_hash: bytes) -> bytes:
        """What a round announces: the hash of the model, and of these metrics if there are any.

        No model has the same hash as another with metrics: of a model an array of floats is hashed,
        here two arrays of bytes.
        """
        if not self:
            return model_hash
        parts = [_TAG, struct.pack("<d", self.share)]
        for name, (low, high) in self.ranges.items():
            text = name.encode()
            parts += [struct.pack("<I", len(text)), text, struct.pack("<dd", low, high)]
        return hash_model([np.frombuffer(part, np.uint8) for part in (b"".join(parts), model_hash)])

    def check_announced(self, announced: bytes, model_hash: bytes) -> None:
        """Before training: whether the server announces this model with these metrics.

        Args:
            announced: the ``model_hash`` of the announced round.
            model_hash: of the model that was received, not bound.

        Raises:
            PolicyRefusedError: it announces another model, or other metrics: values would be summed
                with those of other ranges, and the mean would be wrong.
        """
        if announced == self.bind(model_hash):
            return
        if self and announced == model_hash:
            raise PolicyRefusedError(
                f"this node declares {self._words()} to be summed, and the server none: give both "
                "the same metrics and metrics_share"
            )
        raise PolicyRefusedError(
            "the round announces another model than the one received, or the server declares other "
            f"metrics, ranges or share than this node, which declares {self._words()}: give the "
            "server and all nodes the same metrics and metrics_share"
        )

    def check(self, num_values: int, codec: SlotCodec) -> None:
        """Before anything is trained: whether the federation was dealt for this.

        Args:
            num_values: of the model.
            codec: of the federation.

        Raises:
            InvalidArgumentError: it was dealt for another number of values, or rounding alone could
                move a metric by 5 % of its range.
        """
        dim = num_values + len(self)
        if dim != codec.dim:
            beside = f" and {len(self)} metrics to sum beside them" if self else ""
            raise InvalidArgumentError(
                f"the model has {num_values} values to sum{beside}, and the federation was dealt "
                f"for {codec.dim}: deal with --dim {dim}"
            )
        if not self:
            return
        part = codec.sum_grid.rounding_of_mean(codec.min_weight, 1)
        if float(np.max(part * self._clips(codec) / self._scales(codec))) > 2 * _MOST_ROUNDING:
            raise InvalidArgumentError(
                f"the federation was dealt for value_bits={codec.value_bits}, with which rounding "
                f"could move a metric by more than {_MOST_ROUNDING:.0%} of its range: deal with "
                "more --value-bits, or declare fewer metrics or a larger metrics_share"
            )

    # ---- a contribution ----

    def vector(
        self,
        update: NDArray[np.floating],
        found: Mapping[str, object],
        *,
        weight: float,
        codec: SlotCodec,
    ) -> NDArray[np.floating]:
        """What is contributed: the update, and the metrics after it.

        Where the codec bounds a norm, the update is shrunk to what the metrics leave of it, so that
        the codec shrinks neither. What was cut is told by a log that stays with the contributor.

        Args:
            update: shape ``(dim of the model,)``, finite; not changed.
            found: what training returned, by name; other names may be there too.
            weight: of the contribution. With weight 0 nothing counts, and ``found`` is not read.
            codec: of the federation.

        Raises:
            TypeError: a metric is no number.
            InvalidArgumentError: a metric is missing, NaN or infinite.
        """
        if not self:
            return update
        units = np.zeros(len(self)) if weight == 0 else self._units(found)
        vector = np.empty(codec.dim, update.dtype)
        rest, own = vector[: -len(self)], vector[-len(self) :]
        rest[:] = update
        if codec.norm is not None:
            bound = update_bound(codec, len(self), self.share)
            norm = shrink_to_norm(rest, codec, bound)
            if norm > bound:
                _log.log(
                    logging.WARNING if bound < _SHORT * norm else logging.INFO,
                    "the %s norm of the update was %.4g, and it was shrunk to %.4g: what the "
                    "metrics leave of the norm bound %.4g",
                    *(codec.norm, norm, bound, codec.norm_bound),
                )
        wanted = self._scales(codec) * units
        own[:] = wanted
        # Toward 0: what rounding lifted over the clip, the codec would tell as clipped.
        own[:] = np.where(np.abs(own) > np.abs(wanted), np.nextafter(own, own.dtype.type(0)), own)
        return vector

    def _units(self, found: Mapping[str, object]) -> NDArray[np.float64]:
        """Where in its range each metric is, from -1 to 1. Errors tell nothing of its value."""
        units = np.empty(len(self))
        for place, (name, (low, high)) in enumerate(self.ranges.items()):
            if name not in found:
                raise InvalidArgumentError(
                    f"training returned no metric {name!r}, which is declared to be summed: return "
                    "it each time, as a number"
                )
            value = found[name]
            if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
                raise TypeError(f"the metric {name!r} is a {type(value).__name__}, not a number")
            number = float(value)
            if not math.isfinite(number):
                raise InvalidArgumentError(
                    f"the metric {name!r} is NaN or infinite, and has no mean: training diverged, "
                    "or there was nothing to evaluate"
                )
            inside = min(max(number, low), high)
            if inside != number:
                _log.warning(
                    "the metric %s is %.6g, outside of its declared range, and counts as %.6g",
                    *(name, number, inside),
                )
            units[place] = min(max(2 * ((inside - low) / (high - low)) - 1, -1.0), 1.0)
        return units

    # ---- the sum ----

    def split(self, opened: Sum, codec: SlotCodec) -> tuple[NDArray[np.float64], dict[str, float]]:
        """The mean update, and the weighted mean of each metric, of an opened sum.

        With noise a metric may lie outside of its range: cutting it would bias it.

        Raises:
            NoMeanError: as ``Sum.mean``; or a metric lies where no true mean can be.
        """
        if not self:
            return opened.mean(), {}
        count = len(self)
        grid = opened.grid
        if grid is not None and isinstance(grid.clips, np.ndarray):
            grid = replace(grid, clips=grid.clips[:-count])
        update = replace(opened, values=opened.values[:-count], grid=grid).mean()
        units = opened.values[-count:] / opened.weight / self._scales(codec)
        room = self._rounding(codec, opened.weight, opened.num_addends)
        if codec.noise_bound == 0 and (beyond := np.abs(units) > 1 + room).any():
            raise NoMeanError(
                f"the mean of the metric {list(self.ranges)[int(beyond.argmax())]!r} lies outside "
                "of its range, where no true mean can be: a contributor sent what the declared "
                "range does not allow"
            )
        means = {
            name: low + (high - low) * (float(unit) + 1) / 2
            for unit, (name, (low, high)) in zip(units, self.ranges.items(), strict=True)
        }
        return update, means

    def rounding_error(
        self, codec: SlotCodec, *, weight: float, num_addends: int
    ) -> dict[str, float]:
        """How far rounding can move the mean of each metric, at most, in its own unit.

        From the exact weighted mean of what is within the range; noise comes on top.

        Args:
            codec: of the federation.
            weight: the sum of the weights.
            num_addends: of contributions.
        """
        half = self._half_widths()
        largest = np.array([max(abs(low), abs(high)) for low, high in self.ranges.values()])
        error = half * self._rounding(codec, weight, num_addends)
        error += 8 * np.finfo(np.float64).eps * largest
        return dict(zip(self.ranges, error.tolist(), strict=True))

    def noise_error(
        self, codec: SlotCodec, noise: AgreedNoise | None, *, num_contributors: int
    ) -> dict[str, float]:
        """The standard deviation of the noise in the mean of each metric, at most, in its own unit.

        Of a sum of contributions of weight 1; smaller weights sum to less, and the noise stays.

        Args:
            codec: of the federation.
            noise: that was agreed on; 0 without.
            num_contributors: in the sum.
        """
        if noise is None:
            return dict.fromkeys(self.ranges, 0.0)
        part = noise.standard_deviation(codec) / (codec.weight_scale * math.sqrt(num_contributors))
        ratio = self._clips(codec) / self._scales(codec)
        # The mean is divided by the weight, whose noise moves it in proportion to itself.
        units = part * np.sqrt(ratio**2 + (1.0 if noise.weighted else 0.0))
        return dict(zip(self.ranges, (self._half_widths() * units).tolist(), strict=True))

    def described(
        self, codec: SlotCodec, noise: AgreedNoise | None, *, num_contributors: int
    ) -> str:
        """What is summed and how exactly, for the server's log: of so many of weight 1."""
        count = num_contributors
        rounding = self.rounding_error(codec, weight=count, num_addends=count)
        deviation = self.noise_error(codec, noise, num_contributors=count)
        told = [
            f"{name} in [{low:g}, {high:g}], rounded by {rounding[name]:.2g} at most"
            + (f", noise of standard deviation {deviation[name]:.2g}" if noise is not None else "")
            for name, (low, high) in self.ranges.items()
        ]
        return f"metrics summed under encryption, if all {count} contribute: {'; '.join(told)}"

    # ---- the scale of each ----

    def _scales(self, codec: SlotCodec) -> NDArray[np.float64]:
        """What the ends of the ranges become, in model units: ``(len(self),)``."""
        part = metric_bound(codec, len(self), self.share) / largest_clip(codec)
        return self._clips(codec) * part

    def _rounding(self, codec: SlotCodec, weight: float, num_addends: int) -> NDArray[np.float64]:
        """How far rounding can move the mean of each, as a part of its scale."""
        part = codec.sum_grid.rounding_of_mean(weight, num_addends)
        return part * self._clips(codec) / self._scales(codec) + _FLOAT32_ROUNDING

    def _clips(self, codec: SlotCodec) -> NDArray[np.float64]:
        """The clips of the last values, which are the metrics'."""
        found: list[float] = []
        for num_values, clip in reversed(codec.segments):
            found += [clip] * min(num_values, len(self) - len(found))
        return np.array(found[::-1])

    def _half_widths(self) -> NDArray[np.float64]:
        return np.array([(high - low) / 2 for low, high in self.ranges.values()])

    def _words(self) -> str:
        if not self:
            return "no metrics"
        ranges = ", ".join(
            f"{name!r}: ({low!r}, {high!r})" for name, (low, high) in self.ranges.items()
        )
        return f"metrics={{{ranges}}}, metrics_share={self.share!r}"


def _range(name: str, given: object) -> tuple[float, float]:
    what = f"the range of the metric {name!r}"
    check_name(name, "the name of a metric")
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence) or len(given) != 2:
        raise TypeError(f"{what} must be a pair (lowest, highest)")
    low, high = (arguments.real(f"a value in {what}", value) + 0.0 for value in given)  # No -0.0.
    if low >= high:
        raise InvalidArgumentError(f"{what} is empty: {low:.6g} is not below {high:.6g}")
    width = high - low
    if not math.isfinite(width) or width < _LEAST_WIDTH * max(abs(low), abs(high)):
        raise InvalidArgumentError(
            f"{what} is too wide, or too narrow for its distance from 0, to be divided evenly"
        )
    return low, high
