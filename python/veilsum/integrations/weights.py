"""How much a party counts in a mean: as the examples it trained on, within bounds all agree on."""

from dataclasses import dataclass

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.privacy import AgreedNoise
from veilsum.vector import Codec

__all__ = ["WeightsByCount"]


@dataclass(frozen=True)
class WeightsByCount:
    """The weight of a party that trained on so many examples: ``min(count, most) / most``.

    Both bounds are public, and the same at all parties.

    Args:
        most: what has weight 1, and more does too; None where all parties weigh alike.
        least: fewer, but for 0, are refused: the codec carries no smaller weight.
        unit: what is counted, as the names of the framework's arguments say it: ``max_`` and
            ``min_`` and this.

    Raises:
        TypeError, InvalidArgumentError: a bound is no whole number, is below 1, or ``least`` is
            above ``most``, or is given where all weigh alike.
    """

    most: int | None
    least: int
    unit: str

    def __post_init__(self) -> None:
        least = arguments.count(f"min_{self.unit}", self.least, at_least=1)
        object.__setattr__(self, "least", least)
        if self.most is not None:
            most = arguments.count(f"max_{self.unit}", self.most, at_least=1)
            object.__setattr__(self, "most", most)
        if least > (self.most or 1):
            raise InvalidArgumentError(
                f"min_{self.unit}={least} is above max_{self.unit}={self.most}"
                if self.most is not None
                else f"min_{self.unit} is of use with max_{self.unit} only"
            )

    def check(self, codec: Codec, noise: AgreedNoise | None) -> None:
        """Before anything is trained: whether the federation was dealt for such weights.

        Raises:
            InvalidArgumentError: its noise protects records, whose part in an update nothing
                bounds; or does not hide weights; or its codec carries none as small as that of
                ``least`` examples.
        """
        if noise is not None and noise.unit == "record":
            raise InvalidArgumentError(
                "the federation was dealt for statistics: its noise protects each record, and "
                "nothing bounds what a record adds to an update. Deal another one for training"
            )
        if self.most is None:
            return
        if noise is not None and not noise.weighted:
            raise InvalidArgumentError(
                f"the federation's noise does not hide weights: give max_{self.unit}=None"
            )
        if self.least / self.most < codec.min_weight:
            raise InvalidArgumentError(
                f"max_{self.unit}={self.most} and min_{self.unit}={self.least} let weights differ "
                f"by a factor of {self.most / self.least:.6g}, and the federation was dealt for "
                f"{1 / codec.min_weight:.6g} at most: deal with --weight-spread "
                f"{-(-self.most // self.least)}, or give max_{self.unit}=None to weigh all alike"
            )

    def weight(self, count: object, *, name: str) -> float:
        """The weight of a party that trained on ``count`` examples; 0 for none, which is exact.

        ``name`` is what the framework calls the count.

        Raises:
            TypeError: ``count`` is no number.
            InvalidArgumentError: it is negative, not finite, or below ``least`` without being 0.
        """
        if self.most is None:
            return 1.0
        number = arguments.real(name, count, at_least=0)
        if 0 < number < self.least:
            raise InvalidArgumentError(
                f"trained on {number:.6g} {self.unit}, fewer than min_{self.unit}={self.least}: "
                f"give all parties a smaller min_{self.unit}, for which the federation is dealt "
                "with a larger --weight-spread"
            )
        return min(number, self.most) / self.most
