"""python-dp, Google's C++ library: mechanisms that add noise to one number a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydp.algorithms.numerical_mechanisms import GaussianMechanism, LaplaceMechanism

from peers.draws import Draw, Quality, Sampler


class PyDp(Sampler):
    packages = ("python-dp",)

    def quality(self) -> Quality:
        return Quality(
            exact=False,
            secure=True,
            remark="close to it, on a grid, by floating-point probabilities; OpenSSL's generator",
        )

    def num_samples(self, draw: Draw) -> int:
        return 50_000

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        if draw.kind == "gaussian":
            mechanism = GaussianMechanism.create_from_standard_deviation(draw.scale)
        else:
            mechanism = LaplaceMechanism(1 / draw.scale, 1.0)
        return lambda: [mechanism.add_noise(0) for _ in range(count)]
