"""What a privacy goal comes to for a given model and federation: the figures of ``privacy``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from veilsum import arguments
from veilsum.cli.noise_options import NoiseKind, make_noise
from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError
from veilsum.privacy import (
    Adjacency,
    Forecast,
    GaussianNoise,
    Noise,
    accounting_available,
    forecast,
)
from veilsum.schemes.known import ContributionSize
from veilsum.sizes import contribution_size

__all__ = ["Goal", "Plan", "meaning", "plan", "trust_levels"]

_MAX_POPULATION = 2**53


@dataclass(frozen=True)
class Goal:
    """What the command was asked.

    ``norm_bound`` is of the noise's own norm, L2 or L1; ``delta`` is for Gaussian noise alone.
    ``weight_spread`` is the largest weight over the smallest; weights have this mean.
    """

    dim: int
    contributors: int
    epsilon: float
    delta: float
    rounds: int
    noise: NoiseKind
    norm_bound: float
    clip: float
    honest: int
    fraction: float
    adjacency: Adjacency
    weighted: bool
    value_bits: int
    key_bits: int
    weight_spread: float = 1.0
    mean_weight: float = 1.0

    @property
    def population(self) -> int:
        """How many contributors there are, of whom each round asks a fraction."""
        return round(self.contributors / self.fraction)


@dataclass(frozen=True)
class Plan:
    """What comes of a goal. Noise is of one contributor unless it says otherwise.

    Attributes:
        goal: what was asked.
        parameter: sigma of Gaussian noise, or the scale of Laplace noise, in grid steps.
        deviation: standard deviation, in grid steps.
        deviation_model: the same in model units.
        expected: of a sum of all contributors.
        size: of a contribution under a shared key of ``key_bits``.
        why_not_sampled: why there is no epsilon for those who do not know who took part.
    """

    goal: Goal
    parameter: float
    deviation: float
    deviation_model: float
    expected: Forecast
    size: ContributionSize
    why_not_sampled: str | None

    @property
    def relative_error(self) -> float:
        """Noise of the mean as a multiple of the longest mean there can be."""
        return 1 / self.expected.signal_to_noise


def plan(goal: Goal, *, sampled: bool = True) -> Plan:
    """All figures; ``sampled=False`` leaves out the one that takes a while.

    Raises:
        InvalidArgumentError: the goal makes no sense or cannot be met.
    """
    arguments.count("--contributors", goal.contributors, at_least=1)
    if not 0 < goal.fraction <= 1:
        raise InvalidArgumentError(
            f"--fraction is {goal.fraction}; it must be above 0 and at most 1"
        )
    if goal.contributors / goal.fraction > _MAX_POPULATION:
        raise InvalidArgumentError(
            f"--fraction is {goal.fraction}; with {goal.contributors} contributors in a round "
            f"there would be more than {_MAX_POPULATION} in all"
        )
    if not 1 <= goal.honest <= goal.contributors:
        raise InvalidArgumentError(
            f"--honest is {arguments.text_of(goal.honest)}; it must be at least 1 and at most the "
            f"{goal.contributors} contributors of a sum"
        )
    if not 1024 <= goal.key_bits <= 16384:
        raise InvalidArgumentError(
            f"--key-bits is {arguments.text_of(goal.key_bits)}; it must be at least 1024 and at "
            "most 16384. 2048 and more are secure, and 3072 is the default"
        )
    _check_weights(goal)
    noise = _noise(goal)
    plain = SlotCodec(
        goal.dim, clip=goal.clip, value_bits=goal.value_bits, max_addends=goal.contributors
    )
    codec = noise.fit(plain.for_weight_spread(goal.weight_spread))
    wanted = sampled and goal.population > goal.contributors
    expected = forecast(
        noise,
        codec,
        num_contributors=goal.contributors,
        population=goal.population if wanted else None,
        mean_weight=goal.mean_weight,
        key_bits=goal.key_bits,
    )
    parameter = noise.sigma(codec) if isinstance(noise, GaussianNoise) else noise.scale(codec)
    deviation = noise.standard_deviation(codec)
    return Plan(
        goal=goal,
        parameter=parameter,
        deviation=deviation,
        deviation_model=deviation / codec.scale,
        expected=expected,
        size=contribution_size(codec, goal.key_bits),
        why_not_sampled=_why_not(goal, expected),
    )


def trust_levels(goal: Goal) -> list[Plan]:
    """The same goal if one, half or all of the contributors are honest."""
    if goal.noise == "laplace":
        return [plan(goal, sampled=False)]
    counts = sorted({1, (goal.contributors + 1) // 2, goal.contributors})
    return [plan(replace(goal, honest=count), sampled=False) for count in counts]


def meaning(signal_to_noise: float) -> str:
    """What a best case of signal to noise means for training, in words."""
    if signal_to_noise < 0.1:
        return "noise drowns every update, a round teaches next to nothing"
    if signal_to_noise < 1:
        return "noise outweighs even updates that all agree, so learning takes many rounds"
    if signal_to_noise < 10:
        return "updates that agree get through, at some cost in rounds or accuracy"
    return "noise is small beside updates that agree"


def _check_weights(goal: Goal) -> None:
    """That there are such weights."""
    if not goal.weighted and (goal.weight_spread, goal.mean_weight) != (1, 1):
        raise InvalidArgumentError(
            "--uniform makes all weights 1: leave --weight-spread and --mean-weight out"
        )
    spread = arguments.real("--weight-spread", goal.weight_spread, at_least=1)
    mean = arguments.real("--mean-weight", goal.mean_weight, above=0, at_most=1)
    if mean < 1 / spread:
        raise InvalidArgumentError(
            f"--mean-weight is {mean}; no weight is below {1 / spread} where the largest is 1 and "
            f"--weight-spread is {spread}, so neither is their mean. Give a larger --weight-spread"
        )


def _noise(goal: Goal) -> Noise:
    return make_noise(
        goal.noise,
        epsilon=goal.epsilon,
        delta=goal.delta,
        rounds=goal.rounds,
        norm_bound=goal.norm_bound,
        honest=goal.honest,
        adjacency=goal.adjacency,
        weighted=goal.weighted,
    )


def _why_not(goal: Goal, expected: Forecast) -> str | None:
    if expected.epsilon_honest_server_sampled is not None:
        return None
    if goal.population <= goal.contributors:
        return "everyone is asked in every round"
    if not accounting_available():
        return "needs pip install 'veilsum[accounting]'"
    return "delta is too small for the method"
