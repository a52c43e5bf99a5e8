"""How much noise a privacy goal needs, and the noise itself: of contributions, and of records.

The arguments behind every formula are in docs/privacy.md.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, Literal, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments, noise
from veilsum.codec import NormName, SlotCodec
from veilsum.errors import InvalidArgumentError
from veilsum.privacy.gaussian_dp import gaussian_epsilon, gaussian_mu
from veilsum.privacy.head_room import gaussian_head_room, laplace_head_room
from veilsum.privacy.zcdp import zcdp_of_sum

__all__ = [
    "Adjacency",
    "AgreedNoise",
    "GaussianNoise",
    "LaplaceNoise",
    "Noise",
    "RecordNoise",
    "Unit",
]

Adjacency = Literal["zero-out", "replace-one"]
"""What may change about what is protected: all its data against none, or against other data."""

Unit = Literal["contribution", "record"]
"""What is protected: all that a contributor has, or each of the records that it adds up."""

C = TypeVar("C", bound=SlotCodec)

_MIN_SIGMA = 4.0
# What the comparison of discrete with continuous noise costs in variance (docs/privacy.md).
_ROUNDING_VARIANCE = 4.0
# Noise is rounded up by more, and costs reckoned from it, than the error of a few float operations.
_UP = 1 + 2.0**-40


class _CalibratedNoise(ABC):
    """What both kinds share. They differ in the norm, the distribution and how costs add up."""

    norm: ClassVar[NormName]
    unit: ClassVar[Unit] = "contribution"
    norm_bound: float
    adjacency: Adjacency
    weighted: bool

    def fit(self, codec: C) -> C:
        """The codec with this noise's norm bound, and with room in its slots for the noise.

        Raises:
            InvalidArgumentError: slots would need more than 62 bits, or the noise would be wider
                than the sampler's 2**40 grid steps; lower ``value_bits``.
        """
        arguments.instance("codec", codec, SlotCodec)
        bounded = replace(codec, norm=self.norm, norm_bound=self.norm_bound, noise_bound=0)
        return replace(bounded, noise_bound=self._head_room(bounded))

    def check_fits(self, codec: SlotCodec) -> None:
        """InvalidArgumentError unless ``codec`` has the norm bound and room that ``fit`` gives."""
        arguments.instance("codec", codec, SlotCodec)
        if codec.norm != self.norm or codec.norm_bound != self.norm_bound:
            raise InvalidArgumentError(
                f"the noise is for an {self.norm} norm of at most {self.norm_bound}, the codec has "
                f"norm={codec.norm!r}, norm_bound={codec.norm_bound}; use noise.fit(codec)"
            )
        if codec.noise_bound < (needed := self._head_room(codec)):
            raise InvalidArgumentError(
                f"the codec's noise_bound is {codec.noise_bound}, the noise needs {needed}; "
                "use noise.fit(codec)"
            )

    def add_to(self, slots: NDArray[np.int64], codec: SlotCodec, /) -> None:
        """Add one contributor's noise to its quantised slots, in place.

        Unweighted noise leaves the weight slot alone, which must then stand for a weight of 1.

        Args:
            slots: int64, shape ``(dim + 1,)``, C-contiguous and writable.
            codec: fitted to this noise.

        Raises:
            TypeError: ``slots`` is not an array of int64, or is masked.
            InvalidArgumentError: the codec does not fit, the slots are not as many as the codec's,
                or the noise is unweighted and the contribution's weight is not 1.
        """
        self.check_fits(codec)
        slots = noise.writable_array("slots", slots, np.int64)
        if slots.shape != (codec.dim + 1,):
            raise InvalidArgumentError(
                f"slots has the shape {slots.shape}; this codec has {codec.dim + 1} slots"
            )
        if not self.weighted and slots[-1] != codec.weight_scale:
            raise InvalidArgumentError(
                "this noise does not hide weights, so every weight must be 1; "
                "use weighted=True to hide them"
            )
        self._draw_onto(slots if self.weighted else slots[:-1], codec)

    def sensitivity(self, codec: SlotCodec) -> float:
        """How far one contributor's data can move the integer sum, in grid steps of this norm."""
        arguments.instance("codec", codec, SlotCodec)
        bound, weight = codec.grid_norm_bound, codec.weight_scale
        if codec.norm != self.norm or bound is None:
            raise InvalidArgumentError(
                f"the codec bounds no {self.norm} norm; use noise.fit(codec)"
            )
        power = 2 if self.norm == "l2" else 1
        # Values and weight are in proportion, so the extremes are a whole contribution against
        # none, and against its opposite of equal weight.
        changes = [bound**power + (weight**power if self.weighted else 0)]
        if self.adjacency == "replace-one":
            changes.append((2 * bound) ** power)
        largest = max(changes)
        return math.sqrt(largest) if power == 2 else float(largest)

    @abstractmethod
    def _head_room(self, codec: SlotCodec) -> int:
        """The noise_bound that a codec needs, in grid steps."""

    @abstractmethod
    def _draw_onto(self, slots: NDArray[np.int64], codec: SlotCodec) -> None:
        """Add the noise to these slots, in place."""

    def _normalise(self, *, reals: tuple[str, ...], counts: tuple[str, ...]) -> None:
        """Check the fields and turn numpy's numbers into Python's."""
        found: dict[str, object] = {
            name: arguments.real(name, getattr(self, name), above=0) for name in reals
        }
        for name in counts:
            found[name] = arguments.count(name, getattr(self, name), at_least=1)
        found["adjacency"] = arguments.choice("adjacency", self.adjacency, get_args(Adjacency))
        found["weighted"] = arguments.flag("weighted", self.weighted)
        for name, value in found.items():
            object.__setattr__(self, name, value)


class _Gaussian(_CalibratedNoise):
    """Discrete Gaussian noise, of which every contributor adds its share."""

    norm: ClassVar[NormName] = "l2"

    epsilon: float
    delta: float
    rounds: int
    honest_contributors: int

    def __post_init__(self) -> None:
        if arguments.real("delta", self.delta, at_least=0, below=1) == 0:
            raise InvalidArgumentError(
                "delta is 0; Gaussian noise needs one above 0 and below 1. LaplaceNoise has none"
            )
        self._normalise(
            reals=("epsilon", "delta", "norm_bound"), counts=("rounds", "honest_contributors")
        )

    def sigma(self, codec: SlotCodec) -> float:
        """The parameter of one contributor's noise, in grid steps; at least 4."""
        return _gaussian_sigma(self, arguments.instance("codec", codec, SlotCodec))

    def standard_deviation(self, codec: SlotCodec) -> float:
        """Of one contributor's noise, in grid steps."""
        return self.sigma(codec)

    def round_cost(self, codec: SlotCodec, *, honest_contributors: int | None = None) -> float:
        """What one contribution costs: mu^2 of Gaussian DP. Costs of rounds add up.

        Args:
            codec: a codec that fits.
            honest_contributors: how many contributors' noise the adversary does not know; the
                default is what the noise was made for. All of a sum's contributors, if the server
                is honest but for looking at the result.
        """
        honest = self._honest(honest_contributors)
        variance = honest * self.sigma(codec) ** 2 - _ROUNDING_VARIANCE
        return self.sensitivity(codec) ** 2 / variance * _UP

    def epsilon_of(self, cost: float) -> float:
        """The epsilon, at this delta, of contributions whose costs sum to ``cost``."""
        return gaussian_epsilon(math.sqrt(_checked_cost(cost)), self.delta)

    def zcdp(self, codec: SlotCodec, *, honest_contributors: int | None = None) -> float:
        """Rho of one contribution in zero-concentrated DP, for use with other accountants."""
        honest = self._honest(honest_contributors)
        return zcdp_of_sum(
            self.sigma(codec),
            honest,
            sensitivity=self.sensitivity(codec),
            num_slots=codec.dim + self.weighted,
        )

    def _honest(self, honest_contributors: int | None) -> int:
        if honest_contributors is None:
            return self.honest_contributors
        return arguments.count("honest_contributors", honest_contributors, at_least=1)

    def _head_room(self, codec: SlotCodec) -> int:
        return gaussian_head_room(
            self.sigma(codec), num_addends=codec.max_addends, num_slots=codec.dim + 1
        )

    def _draw_onto(self, slots: NDArray[np.int64], codec: SlotCodec) -> None:
        noise.add_discrete_gaussian(slots, self.sigma(codec))


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(_Gaussian):
    """Discrete Gaussian noise for (epsilon, delta)-DP of each contributor's data.

    Every contributor adds ``1 / honest_contributors`` of the variance, before encryption. Whoever
    opens the sums learns, over ``rounds`` contributions of one contributor, no more about its data
    than (epsilon, delta) allows, even together with all but ``honest_contributors`` of the
    contributors of each sum. A single contribution carries one share of the noise: with more than
    one honest contributor the promise holds for sums only, where nothing else can be opened.

    Args:
        epsilon: of all ``rounds`` together, positive.
        delta: in (0, 1); choose it far below one over the number of people in the data.
        rounds: how many contributions one contributor may send in its life with this goal.
        norm_bound: largest L2 norm of a contribution's values, in model units: longer ones shrink.
        honest_contributors: how many contributors of every sum, the protected one among them, are
            sure to add their noise and not to tell it to the adversary. 1 needs no trust and the
            most noise, and is the only choice where every contributor has the key.
        adjacency: ``"zero-out"`` protects a contribution against an encoded zero in its place,
            ``"replace-one"`` against any other contribution, with up to twice the noise.
        weighted: whether the weights are protected too. False needs less noise: every weight must
            then be 1.

    Raises:
        InvalidArgumentError: an argument is outside its range.

    Example:
        >>> import veilsum as vs
        >>> noise = vs.privacy.GaussianNoise(
        ...     epsilon=8, delta=1e-5, rounds=3, norm_bound=1.0, honest_contributors=50
        ... )
        >>> codec = noise.fit(vs.Codec(7850, clip=0.1, value_bits=18, max_addends=100))
        >>> round(noise.epsilon_of(3 * noise.round_cost(codec)), 6)
        8.0
    """

    epsilon: float
    delta: float
    rounds: int
    norm_bound: float
    honest_contributors: int
    adjacency: Adjacency = "zero-out"
    weighted: bool = True


@dataclass(frozen=True, kw_only=True)
class RecordNoise(_Gaussian):
    """Discrete Gaussian noise for (epsilon, delta)-DP of each record that contributors add up.

    As ``GaussianNoise``, but what is protected is one record, such as one person's row in one
    hospital's table, and not all that the hospital has. Contributions are integers: the sum of one
    integer vector for each record, of a length that the contributor itself keeps within
    ``norm_bound``. No codec can check that, since it sees sums; so whoever adds records up does, as
    ``veilsum.stats`` does. A ledger counts either records' privacy or contributions', not both.

    Args:
        epsilon: of all ``rounds`` together, positive.
        delta: in (0, 1); choose it far below one over the number of records.
        rounds: how many contributions one contributor may send in its life with this goal.
        norm_bound: largest L2 norm of what one record adds to a contribution, in grid steps.
        honest_contributors: as for ``GaussianNoise``.
        adjacency: ``"zero-out"`` protects a record against its absence, ``"replace-one"`` against
            any other record in its place, with twice the noise.
        weighted: False: every weight is 1.

    Raises:
        InvalidArgumentError: an argument is outside its range.
    """

    unit: ClassVar[Unit] = "record"

    epsilon: float
    delta: float
    rounds: int
    norm_bound: float
    honest_contributors: int
    adjacency: Adjacency = "zero-out"
    weighted: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weighted:
            raise InvalidArgumentError("noise of records hides no weights: leave weighted out")

    def fit(self, codec: C) -> C:
        """The codec with room in its slots for the noise.

        Raises:
            InvalidArgumentError: the codec changes integers, has a norm bound, or its slots would
                need more than 62 bits.
        """
        _check_carries_integers(codec)
        return replace(codec, noise_bound=self._head_room(replace(codec, noise_bound=0)))

    def check_fits(self, codec: SlotCodec) -> None:
        """InvalidArgumentError unless ``codec`` carries integers and has room for the noise."""
        _check_carries_integers(codec)
        if codec.noise_bound < (needed := self._head_room(codec)):
            raise InvalidArgumentError(
                f"the codec's noise_bound is {codec.noise_bound}, the noise needs {needed}; "
                "use noise.fit(codec)"
            )

    def sensitivity(self, codec: SlotCodec) -> float:
        """How far one record can move the integer sum, in grid steps."""
        arguments.instance("codec", codec, SlotCodec)
        return self.norm_bound * (2.0 if self.adjacency == "replace-one" else 1.0)


@dataclass(frozen=True, kw_only=True)
class LaplaceNoise(_CalibratedNoise):
    """Discrete Laplace noise for epsilon-DP of each contributor's data, with no delta to speak of.

    Every contributor adds the whole noise, so nobody else need be trusted: the promise holds
    against everyone together, and for a single contribution too. The sum of n contributions carries
    n times the variance. Samples end where integers do, which costs a delta below 2**-4096
    (docs/privacy.md, "Laplace noise").

    Args:
        epsilon: of all ``rounds`` together, positive.
        rounds: how many contributions one contributor may send in its life with this goal.
        norm_bound: largest L1 norm of a contribution's values, in model units: longer ones shrink.
        adjacency: as for ``GaussianNoise``.
        weighted: as for ``GaussianNoise``.

    Raises:
        InvalidArgumentError: an argument is outside its range.
    """

    norm: ClassVar[NormName] = "l1"
    delta: ClassVar[float] = 0.0
    honest_contributors: ClassVar[int] = 1

    epsilon: float
    rounds: int
    norm_bound: float
    adjacency: Adjacency = "zero-out"
    weighted: bool = True

    def __post_init__(self) -> None:
        self._normalise(reals=("epsilon", "norm_bound"), counts=("rounds",))

    def scale(self, codec: SlotCodec) -> float:
        """The scale of one contributor's noise, in grid steps."""
        needed = self.sensitivity(codec) * self.rounds / self.epsilon * _UP
        return _check_scale(max(needed, noise.MIN_SCALE))

    def standard_deviation(self, codec: SlotCodec) -> float:
        """Of one contributor's noise, in grid steps."""
        # sqrt(2 q) / (1 - q) with q = exp(-1 / scale)
        return math.sqrt(0.5) / math.sinh(0.5 / self.scale(codec))

    def round_cost(self, codec: SlotCodec, *, honest_contributors: int | None = None) -> float:
        """What one contribution costs: its epsilon. Costs of rounds add up.

        Others' noise is no help in the worst case, so ``honest_contributors`` changes nothing.
        """
        if honest_contributors is not None:
            arguments.count("honest_contributors", honest_contributors, at_least=1)
        return self.sensitivity(codec) / self.scale(codec)

    def epsilon_of(self, cost: float) -> float:
        """The epsilon of contributions whose costs sum to ``cost``: the same number."""
        return _checked_cost(cost)

    def _head_room(self, codec: SlotCodec) -> int:
        return _laplace_head_room(self, codec)

    def _draw_onto(self, slots: NDArray[np.int64], codec: SlotCodec) -> None:
        noise.add_discrete_laplace(slots, self.scale(codec))


Noise: TypeAlias = GaussianNoise | LaplaceNoise
"""Of contributions."""

AgreedNoise: TypeAlias = Noise | RecordNoise
"""What a federation may agree on, and a ledger counts."""


def _check_carries_integers(codec: SlotCodec) -> None:
    arguments.instance("codec", codec, SlotCodec)
    is_exact = codec.clip == codec.weight_scale and codec.weight_bits == 0
    if not is_exact or codec.norm is not None or codec.rounding != "nearest":
        raise InvalidArgumentError(
            "noise of records is for contributions of integers: the codec must have "
            f"clip={codec.weight_scale}, which is 2**(value_bits - 1) - 1, no weight_bits, no norm "
            "and rounding='nearest'"
        )


@lru_cache(maxsize=256)
def _gaussian_sigma(goal: _Gaussian, codec: SlotCodec) -> float:
    mu = gaussian_mu(goal.epsilon, goal.delta)
    # Of a goal so strict that no float says how strict, no noise is wide enough.
    ratio = goal.sensitivity(codec) / mu if mu > 0 else math.inf
    variance = ratio * ratio * goal.rounds + _ROUNDING_VARIANCE
    sigma = math.sqrt(variance / goal.honest_contributors) * _UP
    return _check_scale(max(sigma, _MIN_SIGMA))


# Asked for with every contribution, and a search over 255 exponents.
@lru_cache(maxsize=256)
def _laplace_head_room(goal: LaplaceNoise, codec: SlotCodec) -> int:
    return laplace_head_room(
        goal.scale(codec), num_addends=codec.max_addends, num_slots=codec.dim + 1
    )


def _check_scale(scale: float) -> float:
    if scale > noise.MAX_SCALE:
        raise InvalidArgumentError(
            f"the noise would be {scale:.3g} grid steps wide, more than 2**40; make the codec with "
            "fewer value_bits, or the noise with a larger epsilon or fewer rounds"
        )
    return scale


def _checked_cost(cost: float) -> float:
    return arguments.real("cost", cost, at_least=0)
