"""What a noise setting will do, before anything is trained."""

import math
from dataclasses import dataclass, replace

from veilsum import arguments
from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError
from veilsum.privacy.accounting import accounting_available, pld_epsilon
from veilsum.privacy.head_room import OVERFLOW_PROBABILITY
from veilsum.privacy.mechanisms import GaussianNoise, LaplaceNoise, Noise
from veilsum.privacy.sampling import FixedSizeSampling
from veilsum.sizes import contribution_size

__all__ = ["Forecast", "forecast"]

# Of the integral over the noise on the weights.
_DEVIATIONS, _NUM_POINTS = 9.0, 500


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
        slot_bits: bits of a value in a ciphertext.
        overflow_probability: of a wrong sum because noise left its slot; at most, for a vector.
        noise_of_weight: standard deviation of the noise on the total weight, as a part of that
            weight; 0 where weights are not hidden. The mean is divided by it, so from about 0.2 on
            it spoils means, and steps are too long or too short by as much.
        no_mean_probability: about how likely a sum has no mean that can be used, since noise makes
            the total weight negative or moves a value beyond its clip; such a round is lost.
        noise_for_weights: how many times larger noise is than with ``weighted=False``, for the
            same privacy.
        num_bytes: of the ciphertexts of a contribution.
        num_bytes_for_weights: how many of them are there for ``weight_bits``.
    """

    num_contributors: int
    noise_per_value: float
    signal_to_noise: float
    epsilon_colluding: float
    epsilon_honest_server: float
    epsilon_honest_server_sampled: float | None
    slot_bits: int
    overflow_probability: float
    noise_of_weight: float
    no_mean_probability: float
    noise_for_weights: float
    num_bytes: int
    num_bytes_for_weights: int


def forecast(
    noise: Noise,
    codec: SlotCodec,
    *,
    num_contributors: int,
    population: int | None = None,
    mean_weight: float = 1.0,
    key_bits: int = 3072,
) -> Forecast:
    """What ``noise`` does to sums of ``num_contributors`` contributions.

    Args:
        noise: what each contributor adds.
        codec: fitted to it.
        num_contributors: in a sum.
        population: how many the contributors of each round are chosen from, at random, anew, and in
            secret, as ``FedAvg`` does without a seed. The noise's ``rounds`` are then those of the
            whole training, since the same one may be chosen every time.
        mean_weight: of a contributor, in (0, 1]; 1 where all weigh alike.
        key_bits: size of the key, for the bytes.

    Raises:
        TypeError: an argument of another type.
        InvalidArgumentError: a codec that the noise does not fit, or whose grid steps are longer
            than its norm bound; or fewer contributors than the noise assumes honest ones, or more
            than the codec has room for.
    """
    arguments.instance("noise", noise, (GaussianNoise, LaplaceNoise)).check_fits(codec)
    num_contributors = codec.check_num_addends(num_contributors)
    mean_weight = arguments.real("mean_weight", mean_weight, above=0, at_most=1)
    without_weights = replace(noise, weighted=False).sensitivity(codec)
    if without_weights == 0:
        raise InvalidArgumentError(
            f"norm_bound is {noise.norm_bound:g}, less than a grid step of {1 / codec.scale:g}: no "
            "update but 0 is left; take a smaller clip, or more value_bits"
        )
    key_bits = arguments.count("key_bits", key_bits, at_least=1024, at_most=16384)
    if num_contributors < noise.honest_contributors:
        raise InvalidArgumentError(
            f"{num_contributors} contributors cannot include "
            f"{noise.honest_contributors} honest ones"
        )
    deviation = noise.standard_deviation(codec) * math.sqrt(num_contributors)
    per_norm = math.sqrt(codec.dim) if noise.norm == "l2" else float(codec.dim)
    assert codec.grid_norm_bound is not None  # check_fits saw a norm.
    total_weight = num_contributors * mean_weight
    weight_noise = deviation / codec.weight_scale / total_weight if noise.weighted else 0.0
    num_bytes = contribution_size(codec, key_bits).num_bytes
    return Forecast(
        num_contributors=num_contributors,
        noise_per_value=deviation / codec.scale / total_weight,
        signal_to_noise=total_weight * codec.grid_norm_bound / (deviation * per_norm),
        epsilon_colluding=noise.epsilon_of(noise.rounds * noise.round_cost(codec)),
        epsilon_honest_server=noise.epsilon_of(
            noise.rounds * noise.round_cost(codec, honest_contributors=num_contributors)
        ),
        epsilon_honest_server_sampled=_sampled(noise, codec, num_contributors, population),
        slot_bits=codec.slot_bits,
        overflow_probability=OVERFLOW_PROBABILITY,
        noise_of_weight=weight_noise,
        no_mean_probability=_no_mean(weight_noise, codec.dim),
        noise_for_weights=noise.sensitivity(codec) / without_weights,
        num_bytes=num_bytes,
        num_bytes_for_weights=num_bytes - _size_without_weights(noise, codec, key_bits),
    )


def _no_mean(weight_noise: float, dim: int) -> float:
    """That noise spoils the mean of values that are all 0, with normal noise of this deviation.

    Where weights are hidden, noise is as large beside the total weight as it is beside the sum of
    the clips. So a value is beyond its clip if its own noise, in deviations, exceeds the noisy
    total weight, in deviations: (1 + z * weight_noise) / weight_noise for a normal z.
    """
    if weight_noise == 0:
        return 0.0
    kept = total = 0.0
    for i in range(-_NUM_POINTS, _NUM_POINTS + 1):
        z = _DEVIATIONS * i / _NUM_POINTS
        density = math.exp(-z * z / 2)
        total += density
        reach = 1 / weight_noise + z
        if reach > 0:
            # The chance that one value of dim lies within, to the power of dim.
            outside = math.erfc(reach / math.sqrt(2))
            kept += density * (0.0 if outside >= 1 else math.exp(dim * math.log1p(-outside)))
    return max(0.0, 1 - kept / total)


def _size_without_weights(noise: Noise, codec: SlotCodec, key_bits: int) -> int:
    # Noise is as much narrower on the coarser grid: room for it is made again.
    coarser = noise.fit(replace(codec, weight_bits=0, norm=None, norm_bound=None, noise_bound=0))
    return contribution_size(coarser, key_bits).num_bytes


def _sampled(
    noise: Noise, codec: SlotCodec, num_contributors: int, population: int | None
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
