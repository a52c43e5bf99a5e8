"""diffprivlib in pure Python: mechanisms that add noise to one integer a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffprivlib.mechanisms import GaussianDiscrete, Geometric

from peers.draws import Draw, Quality, Sampler


class DiffPrivLib(Sampler):
    packages = ("diffprivlib",)

    def quality(self) -> Quality:
        return Quality(
            exact=False,
            secure=True,
            remark="the distribution's algorithm, in floating point; the system's generator",
        )

    def num_samples(self, draw: Draw) -> int:
        if draw.kind == "laplace":
            return 20_000
        return max(1, round(100_000 / draw.scale))  # Its time grows with sigma.

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        mechanism: Any
        if draw.kind == "gaussian":
            mechanism = GaussianDiscrete(epsilon=1.0, delta=1e-5)
            mechanism._scale = draw.scale  # Else derived from epsilon, which fails for large ones.
        else:
            mechanism = Geometric(epsilon=1 / draw.scale)
        return lambda: [mechanism.randomise(0) for _ in range(count)]
