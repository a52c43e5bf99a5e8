"""Epsilon by privacy loss distributions and Renyi DP, with amplification by secret sampling.

The numerics are those of Google's dp-accounting (extra ``accounting``), loaded at the first call.
veilsum's own formulas, ``noise.round_cost`` and ``noise.epsilon_of``, need nothing and are exact
for what they cover; this module is a second opinion on them, and adds what they lack: the gain from
choosing contributors at random. It counts against those alone who see the opened sums, or models
made of them, and do not learn who took part.

What is claimed and why: docs/privacy.md, "Amplification by sampling".
"""

import math

from veilsum import arguments
from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError, MissingExtraError
from veilsum.privacy.gaussian_dp import gaussian_epsilon
from veilsum.privacy.mechanisms import GaussianNoise, LaplaceNoise, Noise
from veilsum.privacy.sampled_loss import (
    distance_to_others,
    load_dp_accounting,
    round_losses,
    round_mus,
)
from veilsum.privacy.sampling import FixedSizeSampling, PoissonSampling, Sampling

__all__ = ["accounting_available", "pld_epsilon", "rdp_epsilon"]

# Answers lean to the safe side by this much of themselves, far more than float formulas lose.
_SAFETY = 1e-9
# Probability that discretising may give up to the infinite loss, as a part of delta.
_TAIL = 1e-4
# A Fourier transform loses up to a few units of 2^-53 of the total probability a composition.
_FOURIER_LOSS = 2.0**-50
# Beyond these a composition takes many seconds, or more memory than there is.
_MOST_MU = 2000.0
_MOST_LAPLACE_ROUNDS = 2**22


def accounting_available() -> bool:
    """Whether the extra ``accounting`` is installed."""
    try:
        load_dp_accounting()
    except MissingExtraError:
        return False
    return True


def pld_epsilon(
    noise: Noise,
    codec: SlotCodec,
    *,
    rounds: int | None = None,
    delta: float | None = None,
    honest_contributors: int | None = None,
    sampling: Sampling | None = None,
) -> float:
    """An upper bound of epsilon by privacy loss distributions.

    Args:
        noise: what every contributor adds.
        codec: a codec that fits.
        rounds: how many contributions of one contributor, with ``sampling`` how many rounds it may
            be chosen for; by default those that the noise was made for.
        delta: by default the noise's own. Laplace noise composes better with a delta above 0.
        honest_contributors: whose noise the adversary does not know; by default those that the
            noise assumes. With ``sampling`` it is everyone in the sum.
        sampling: how the contributors of each round are chosen, if that is secret.

    Returns:
        Epsilon after all rounds, in the noise's own adjacency. The true value is not above it.

    Raises:
        MissingExtraError: dp-accounting is not installed.
        InvalidArgumentError: the arguments do not fit together, or delta is too small for the
            method.
    """
    rounds, delta = _checked(noise, rounds, delta, sampling)
    noise.check_fits(codec)
    if sampling is not None and honest_contributors is not None:
        raise InvalidArgumentError(
            "with sampling, the adversary sees results only, and everyone's noise counts against "
            "it; leave honest_contributors out"
        )
    if isinstance(noise, LaplaceNoise):
        return _laplace(noise, codec, rounds, delta, sampling)
    if delta == 0:
        raise InvalidArgumentError(
            "delta is 0, at which Gaussian noise has no epsilon; give one above 0"
        )
    if sampling is None:
        pld = load_dp_accounting().pld.privacy_loss_distribution
        cost = noise.round_cost(codec, honest_contributors=honest_contributors)
        mu = math.sqrt(rounds * cost)  # also the standard deviation of the loss
        if mu > _MOST_MU:
            raise InvalidArgumentError(
                f"over {rounds} rounds epsilon is about {mu * mu / 2:.3g}, which is too large for "
                "this method; noise.epsilon_of takes any"
            )
        loss = pld.from_gaussian_mechanism(1 / mu, value_discretization_interval=mu / 1000)
        return _up(loss.get_epsilon_for_delta(delta))
    return _sampled_gaussian(noise, codec, rounds, delta, sampling)


def rdp_epsilon(
    noise: Noise,
    codec: SlotCodec,
    *,
    rounds: int | None = None,
    delta: float | None = None,
    honest_contributors: int | None = None,
    sampling: Sampling | None = None,
) -> float:
    """An upper bound of epsilon by Renyi DP: looser than ``pld_epsilon``, for any delta.

    Arguments, result and errors as there, for Gaussian noise and sampling of a fixed size alone.
    That is accounted for by the theorem of Wang, Balle and Kasiviswanathan (2018,
    https://arxiv.org/abs/1808.00087) on replacing one record: the zero of zero-out replaces one.
    """
    rounds, delta = _checked(noise, rounds, delta, sampling)
    if isinstance(noise, LaplaceNoise) or delta == 0:
        raise InvalidArgumentError("Renyi DP is for Gaussian noise, and for a delta above 0")
    noise.check_fits(codec)
    dp = load_dp_accounting()
    if sampling is None:
        cost = noise.round_cost(codec, honest_contributors=honest_contributors)
        accountant = dp.rdp.RdpAccountant()
        accountant.compose(dp.GaussianDpEvent(1 / math.sqrt(cost)), rounds)
        return _up(accountant.get_epsilon(delta))
    if honest_contributors is not None or not isinstance(sampling, FixedSizeSampling):
        raise InvalidArgumentError(
            "Renyi DP takes sampling of a fixed size and everyone's noise; the theorems on Poisson "
            "sampling are about noise that does not depend on how many were chosen"
        )
    _, far = round_mus(noise, codec, sampling.sample_size)
    accountant = dp.rdp.RdpAccountant(neighboring_relation=dp.NeighboringRelation.REPLACE_ONE)
    event = dp.SampledWithoutReplacementDpEvent(
        sampling.population, sampling.sample_size, dp.GaussianDpEvent(1 / far)
    )
    try:
        accountant.compose(event, rounds)
        return _up(accountant.get_epsilon(delta))
    except (ValueError, OverflowError) as error:
        raise InvalidArgumentError(
            f"dp-accounting cannot compute Renyi DP of {sampling} ({error}); try pld_epsilon"
        ) from error


# ---- Laplace noise ----


def _laplace(
    noise: LaplaceNoise, codec: SlotCodec, rounds: int, delta: float, sampling: Sampling | None
) -> float:
    cost = noise.round_cost(codec)
    if isinstance(sampling, PoissonSampling):
        raise InvalidArgumentError(
            "nothing is proved about Laplace noise where the number of contributors varies; take "
            "FixedSizeSampling"
        )
    if sampling is not None:
        far = cost * distance_to_others(noise, codec)
        cost = min(cost, _log_amplified(far, sampling.probability))
    pure = _up(rounds * cost)
    if delta == 0:
        return pure
    # Whatever is epsilon-DP is dominated by randomised response (Kairouz, Oh and Viswanath 2015),
    # in any number of dimensions. Its losses are +-epsilon: a grid of that interval is exact.
    left = delta - _fourier_loss(rounds, delta)
    if rounds > _MOST_LAPLACE_ROUNDS:
        raise InvalidArgumentError(
            f"rounds is {rounds}; with a delta above 0 at most {_MOST_LAPLACE_ROUNDS} rounds of "
            "Laplace noise are composed"
        )
    dp = load_dp_accounting()
    loss = dp.pld.privacy_loss_distribution.from_privacy_parameters(
        dp.pld.common.DifferentialPrivacyParameters(cost, 0.0),
        value_discretization_interval=cost,
    )
    composed = loss.self_compose(rounds, delta * _TAIL)
    return min(pure, _up(composed.get_epsilon_for_delta(left)))


def _log_amplified(epsilon: float, probability: float) -> float:
    """log(1 + q (e^epsilon - 1)); where e^epsilon is out of range, epsilon itself."""
    if epsilon > 500:
        return epsilon
    return math.log1p(probability * math.expm1(epsilon))


# ---- Gaussian noise and a secret choice of contributors ----


def _sampled_gaussian(
    noise: GaussianNoise, codec: SlotCodec, rounds: int, delta: float, sampling: Sampling
) -> float:
    left = delta - _fourier_loss(rounds, delta)
    # A power of two, so that consecutive numbers of rounds share their distributions of one round.
    tail = 2.0 ** math.floor(math.log2(delta * _TAIL / rounds))
    # From the data to the other world, and back: each direction is a composition of its own.
    found = max(
        loss.self_compose(rounds, delta * _TAIL).get_epsilon_for_delta(left)
        for loss in round_losses(noise, codec, sampling, tail)
    )
    # Who knows the choice knows no less; near q = 1 this bound may be the smaller one.
    if isinstance(sampling, FixedSizeSampling):
        fewest = sampling.sample_size
    else:
        fewest = sampling.min_contributors
    known = rounds * noise.round_cost(codec, honest_contributors=fewest)
    return min(_up(found), gaussian_epsilon(math.sqrt(known), delta))


def _fourier_loss(rounds: int, delta: float) -> float:
    loss = rounds * _FOURIER_LOSS
    if loss > delta / 100:
        raise InvalidArgumentError(
            f"delta is {delta:g}, which is too small for this method: over {rounds} rounds its "
            f"Fourier transforms can be trusted down to a delta of {100 * loss:.0e}"
        )
    return loss


# ---- small things ----


def _checked(
    noise: Noise, rounds: int | None, delta: float | None, sampling: Sampling | None
) -> tuple[int, float]:
    """The rounds and the delta to account for, once all arguments are what they must be."""
    arguments.instance("noise", noise, (GaussianNoise, LaplaceNoise))
    arguments.instance("sampling", sampling, (FixedSizeSampling, PoissonSampling, type(None)))
    return (
        noise.rounds if rounds is None else arguments.count("rounds", rounds, at_least=1),
        noise.delta if delta is None else arguments.real("delta", delta, at_least=0, below=1),
    )


def _up(epsilon: float) -> float:
    return float(epsilon) * (1 + _SAFETY)
