"""What a noise setting will do, before anything is trained."""

import math
from dataclasses import dataclass

from veilsum.codec import LaneCodec
from veilsum.errors import InvalidArgumentError
from veilsum.privacy.accounting import accounting_available, pld_epsilon
from veilsum.privacy.head_room import OVERFLOW_PROBABILITY
from veilsum.privacy.mechanisms import Noise
from veilsum.privacy.sampling import FixedSizeSampling

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
        epsilon_honest_server: after all rounds, against whoever sees the results only, even if
            they know who took part.
        epsilon_honest_server_sampled: against those who do not know that either, if each round's
            contributors are chosen at random; None if they are not, or where nothing is proved, and
            without the extra ``accounting``.
        lane_bits: bits of a value in a ciphertext.
        overflow_probability: of a wrong sum because noise left its lane; at most, for a vector.
    """

    num_contributors: int
    noise_per_value: float
    signal_to_noise: float
    epsilon_colluding: float
    epsilon_honest_server: float
    epsilon_honest_server_sampled: float | None
    lane_bits: int
    overflow_probability: float


def forecast(
    noise: Noise, codec: LaneCodec, *, num_contributors: int, population: int | None = None
) -> Forecast:
    """What ``noise`` does to sums of ``num_contributors`` contributions of weight 1.

    ``population``: how many the contributors of each round are chosen from, at random, anew, and in
    secret, as ``FedAvg`` does without a seed. The noise's ``rounds`` are then those of the whole
    training, since the same one may be chosen every time.

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
        epsilon_honest_server_sampled=_sampled(noise, codec, num_contributors, population),
        lane_bits=codec.lane_bits,
        overflow_probability=OVERFLOW_PROBABILITY,
    )


def _sampled(
    noise: Noise, codec: LaneCodec, num_contributors: int, population: int | None
) -> float | None:
    if population is None:
        return None
    sampling = FixedSizeSampling(population=population, sample_size=num_contributors)
    if population == num_contributors or not accounting_available():
        return None
    try:
        return pld_epsilon(noise, codec, sampling=sampling)
    except InvalidArgumentError:  # a delta too small for the method
        return None
