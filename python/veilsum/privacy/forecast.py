"""What a noise setting will do, before anything is trained."""

import math
from dataclasses import dataclass

from veilsum.codec import LaneCodec
from veilsum.errors import InvalidArgumentError
from veilsum.privacy.head_room import OVERFLOW_PROBABILITY
from veilsum.privacy.mechanisms import Noise

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """What to expect of a sum of ``num_contributors`` noisy contributions.

    Attributes:
        num_contributors: in the sum.
        noise_per_value: standard deviation of the noise in each value of the mean, model units.
        signal_to_noise: at most; as if all contributions had the largest norm and pointed the
            same way. Below about 0.1 a round teaches next to nothing.
        epsilon_colluding: after all rounds, against the server and all contributors but the
            honest ones that the noise was made for.
        epsilon_honest_server: after all rounds, against whoever sees the results only.
        lane_bits: bits of a value in a ciphertext.
        overflow_probability: of a wrong sum because noise left its lane; at most, for a vector.
    """

    num_contributors: int
    noise_per_value: float
    signal_to_noise: float
    epsilon_colluding: float
    epsilon_honest_server: float
    lane_bits: int
    overflow_probability: float


def forecast(noise: Noise, codec: LaneCodec, *, num_contributors: int) -> Forecast:
    """What ``noise`` does to sums of ``num_contributors`` contributions of weight 1.

    Raises:
        InvalidArgumentError: a codec that the noise does not fit, or fewer contributors than the
            noise assumes honest ones, or more than the codec has room for.
    """
    noise.check_fits(codec)
    codec.check_num_addends(num_contributors)
    if num_contributors < noise.honest_contributors:
        raise InvalidArgumentError(
            f"{num_contributors} contributors cannot include "
            f"{noise.honest_contributors} honest ones"
        )
    deviation = noise.standard_deviation(codec) * math.sqrt(num_contributors)
    per_norm = math.sqrt(codec.dim) if noise.norm == "l2" else float(codec.dim)
    assert codec.lattice_norm_bound is not None  # check_fits saw a norm.
    return Forecast(
        num_contributors=num_contributors,
        noise_per_value=deviation / codec.scale / num_contributors,
        signal_to_noise=num_contributors * codec.lattice_norm_bound / (deviation * per_norm),
        epsilon_colluding=noise.epsilon_of(noise.rounds * noise.round_cost(codec)),
        epsilon_honest_server=noise.epsilon_of(
            noise.rounds * noise.round_cost(codec, honest_contributors=num_contributors)
        ),
        lane_bits=codec.lane_bits,
        overflow_probability=OVERFLOW_PROBABILITY,
    )
