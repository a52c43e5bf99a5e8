"""What ``veilsum deal`` makes of its options: the noise and the codec that are agreed on."""

from __future__ import annotations

from enum import Enum

from veilsum.cli.noise_options import USUAL_DELTA, Kind, Neighbours, make_noise
from veilsum.errors import InvalidArgumentError
from veilsum.privacy import AgreedNoise, Noise, RecordNoise
from veilsum.stats import Layout, Study
from veilsum.vector import Codec

__all__ = [
    "Rounding",
    "agreed_codec",
    "agreed_for_study",
    "agreed_noise",
    "check_for_study",
    "counted_on",
]

# What a study decides.
_OF_A_MODEL = (
    *("dim", "clip", "value_bits", "weight_spread", "rounding"),
    *("noise", "norm_bound", "uniform"),
)


class Rounding(str, Enum):
    """How values are rounded to grid steps."""

    nearest = "nearest"
    stochastic = "stochastic"


def agreed_noise(
    *,
    epsilon: float | None,
    delta: float | None,
    rounds: int | None,
    kind: Kind | None,
    norm_bound: float | None,
    adjacency: Neighbours | None,
    uniform: bool,
    honest: int | None,
    half: int,
) -> Noise | None:
    """The noise that the options make, or None.

    ``half`` is what Gaussian noise counts on where ``honest`` is left out.

    Raises:
        InvalidArgumentError: options are out of range, or contradict each other.
    """
    if epsilon is None:
        if uniform or any(x is not None for x in (delta, rounds, kind, norm_bound, adjacency)):
            raise InvalidArgumentError(
                "the options of noise need --epsilon, without which there is no noise"
            )
        return None
    if kind is Kind.laplace and delta is not None:
        raise InvalidArgumentError("--delta is for Gaussian noise")
    return make_noise(
        (kind or Kind.gaussian).value,
        epsilon=epsilon,
        delta=USUAL_DELTA if delta is None else delta,
        rounds=1 if rounds is None else rounds,
        norm_bound=1.0 if norm_bound is None else norm_bound,
        honest=half if honest is None else honest,
        adjacency=(adjacency or Neighbours.zero_out).value,
        weighted=not uniform,
    )


def check_for_study(given: set[str]) -> None:
    """InvalidArgumentError for options that a study takes the place of."""
    for name in _OF_A_MODEL:
        if name in given:
            option = f"--{name.replace('_', '-')}"
            raise InvalidArgumentError(f"{option} is for models: the --study says what is summed")


def agreed_for_study(
    study: Study,
    *,
    epsilon: float | None,
    delta: float | None,
    rounds: int | None,
    adjacency: Neighbours | None,
    honest: int,
    num_sites: int,
) -> tuple[RecordNoise | None, Codec]:
    """The noise of records that the options make, or None; and the codec of the study's sums.

    Raises:
        InvalidArgumentError: options are out of range, or contradict each other.
    """
    layout, noise = Layout(study), None
    if epsilon is not None:
        noise = layout.noise(
            epsilon=epsilon,
            delta=USUAL_DELTA if delta is None else delta,
            honest_sites=honest,
            studies=1 if rounds is None else rounds,
            adjacency=(adjacency or Neighbours.zero_out).value,
        )
    elif any(x is not None for x in (delta, rounds, adjacency)):
        raise InvalidArgumentError(
            "the options of noise need --epsilon, without which there is no noise"
        )
    return noise, layout.codec(num_sites, noise)


def counted_on(honest: int | None, noise: AgreedNoise | None) -> int:
    """What the federation counts on: a sum hides one among others, whatever the noise needs."""
    if noise is None:
        return 2 if honest is None else honest
    return max(2, honest or 0, noise.honest_contributors)


def agreed_codec(
    noise: Noise | None,
    clip: float | None,
    dim: int,
    value_bits: int,
    weight_spread: float,
    max_addends: int,
    rounding: Rounding,
) -> Codec:
    """The codec that the options make, fitted to the noise.

    Raises:
        InvalidArgumentError: options are missing, out of range, or contradict each other.
    """
    if clip is None:
        if noise is None:
            raise InvalidArgumentError(
                "--clip is missing: the largest value in an update. `veilsum measure` tells how "
                "large those of a first training are"
            )
        clip = noise.norm_bound
    codec = Codec(
        dim, clip=clip, value_bits=value_bits, max_addends=max_addends, rounding=rounding.value
    )
    if noise is not None and not noise.weighted and weight_spread != 1:
        raise InvalidArgumentError("--uniform makes all weights 1: leave --weight-spread out")
    codec = codec.for_weight_spread(weight_spread)
    return codec if noise is None else noise.fit(codec)
