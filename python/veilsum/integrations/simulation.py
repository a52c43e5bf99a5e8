"""What throw-away parties of a simulation agree on, in any framework."""

from dataclasses import dataclass

__all__ = ["Simulation"]


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What throw-away parties agree on, where it is not the usual.

    Attributes:
        clip: the largest value in an update; larger ones are cut.
        value_bits: precision of a value.
        weight_spread: the largest weight over the smallest, or 1 if all weigh alike: in Flower
            ``max_examples / min_examples`` of the ``SecureClientApp``; a recipe of NVFlare takes
            its own ``max_samples / min_samples`` where that is more.
        key_bits: of the key.
    """

    clip: float = 1.0
    value_bits: int = 16
    weight_spread: float = 1.0
    key_bits: int = 2048
