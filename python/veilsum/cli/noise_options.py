"""The options of noise that several commands have, and the noise that they make."""

from __future__ import annotations

from enum import Enum
from typing import Literal

from veilsum.privacy import Adjacency, GaussianNoise, LaplaceNoise, Noise

__all__ = ["USUAL_DELTA", "Kind", "Neighbours", "NoiseKind", "make_noise"]

NoiseKind = Literal["gaussian", "laplace"]
USUAL_DELTA = 1e-6


class Kind(str, Enum):
    """The kind of noise."""

    gaussian = "gaussian"
    laplace = "laplace"


class Neighbours(str, Enum):
    """What is protected."""

    zero_out = "zero-out"
    replace_one = "replace-one"


def make_noise(
    kind: NoiseKind,
    *,
    epsilon: float,
    delta: float,
    rounds: int,
    norm_bound: float,
    honest: int,
    adjacency: Adjacency,
    weighted: bool,
) -> Noise:
    """The noise of these options; of Laplace noise each contributor adds all that it needs."""
    if kind == "laplace":
        return LaplaceNoise(
            epsilon=epsilon,
            rounds=rounds,
            norm_bound=norm_bound,
            adjacency=adjacency,
            weighted=weighted,
        )
    return GaussianNoise(
        epsilon=epsilon,
        delta=delta,
        rounds=rounds,
        norm_bound=norm_bound,
        honest_contributors=honest,
        adjacency=adjacency,
        weighted=weighted,
    )
