"""What an opened sum says: values, weight, and the mean, if it can be a true one."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import NoMeanError

__all__ = ["Sum", "SumGrid"]

# More than the few float operations that a value goes through can add to the steps of rounding.
_FLOAT_SLACK = 1.001


@dataclass(frozen=True)
class SumGrid:
    """What a codec knows of the sums that it decodes.

    Attributes:
        clips: of all values, or of each.
        weight_scale: grid steps of a weight of 1, and of a value at its clip.
        value_steps: grid steps by which rounding moves a value of one contribution, at most.
        are_weights_one: whether every weight is 0 or 1, and so exact.
        noise_bound: grid steps of all noise together, at most.
    """

    clips: float | NDArray[np.float64]
    weight_scale: int
    value_steps: float
    are_weights_one: bool
    noise_bound: int

    def rounding_of_mean(self, weight: float, num_addends: int) -> float:
        """How far rounding can move a value of a mean, as a part of its clip."""
        # The weight's own rounding moves a mean by no more than half a step of a value would.
        weight_steps = 0.0 if self.are_weights_one else 0.5
        steps = num_addends * (self.value_steps + weight_steps) * _FLOAT_SLACK
        return steps / (self.weight_scale * weight)

    def check_mean(self, mean: NDArray[np.float64], *, weight: float, num_addends: int) -> None:
        """NoMeanError if no contributions can have this mean; see ``Sum.mean``."""
        allowed = 1 + self.rounding_of_mean(weight, num_addends)
        are_weights_exact = _all_weights_are_one(weight, num_addends)
        if are_weights_exact:
            allowed += self.noise_bound / (self.weight_scale * weight)
        beside_clip = np.abs(mean) / self.clips
        num_beyond = int(np.count_nonzero(~(beside_clip <= allowed)))
        if num_beyond == 0:
            return
        why = "a contributor sent more than the codec allows"
        if self.noise_bound > 0 and not are_weights_exact:
            why = (
                "the noise on the weights is too large beside them. Use more contributors or a "
                "larger epsilon, or weigh all alike, with noise that has weighted=False"
            )
        raise NoMeanError(
            f"{num_beyond} of {mean.size} values of the mean lie beyond the clip, the farthest at "
            f"{float(beside_clip.max()):.3g} times it, where no true mean can be: {why}"
        )


@dataclass(frozen=True, eq=False)
class Sum:
    """An opened sum: ``values`` is the sum of w * delta, ``weight`` the sum of the weights w.

    ``grid`` is what it was rounded to; None for a sum of floats.
    """

    values: NDArray[np.float64]
    weight: float
    num_addends: int
    grid: SumGrid | None = field(default=None, repr=False)

    def mean(self) -> NDArray[np.float64]:
        """The weighted mean, ``values / weight``, if it can be a true one.

        A true mean lies within the clips, up to rounding. Noise on the values alone is allowed for:
        it is the same for every sum. Noise on the weights is not: dividing by it may multiply a
        mean by any factor.

        Raises:
            NoMeanError: the weights do not sum to more than 0, or a value of the mean lies where no
                true one can be. Noise does that, where it is large beside the weights; so does a
                contributor that sends what the codec does not allow. ``values`` and ``weight`` are
                there all the same.
        """
        if not self.weight > 0:
            raise NoMeanError(
                f"the weights of {self.num_addends} contributions sum to {self.weight:.3g}, so "
                "there is no mean. Noise on the weights can do that: use more contributors or a "
                "larger epsilon, or weigh all alike, with noise that has weighted=False"
            )
        mean = self.values / self.weight
        if self.grid is not None:
            self.grid.check_mean(mean, weight=self.weight, num_addends=self.num_addends)
        return mean

    def mean_error_bound(self) -> float:
        """How far rounding can have moved a value of ``mean()``, at most, in model units.

        From the exact mean of what was contributed, after clipping; in the entries of the largest
        clip, for in others it is less, in proportion to their clip. Noise comes on top. 0 for a sum
        of floats, infinite where there is no mean.
        """
        if self.grid is None:
            return 0.0
        if not self.weight > 0:
            return math.inf
        part = self.grid.rounding_of_mean(self.weight, self.num_addends)
        return part * float(np.max(self.grid.clips))

    def __eq__(self, other: object) -> bool:
        """Whether the values, the weight and the number of addends are the same."""
        if not isinstance(other, Sum):
            return NotImplemented
        return (
            self.weight == other.weight
            and self.num_addends == other.num_addends
            and np.array_equal(self.values, other.values)
        )

    __hash__ = None  # type: ignore[assignment]


def _all_weights_are_one(weight: float, num_addends: int) -> bool:
    return abs(weight - num_addends) <= num_addends * 2.0**-45
