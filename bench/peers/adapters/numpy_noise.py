"""numpy's floating-point normal and Laplace of scale 1: making other scales of it is not timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from peers.draws import NUM_SAMPLES, Draw, Quality, Sampler


class NumpyNoise(Sampler):
    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    remark = "floats by the ziggurat or a logarithm; a generator for simulations"

    def bit_generator(self) -> Any:
        raise NotImplementedError

    def quality(self) -> Quality:
        return Quality(exact=False, secure=False, remark=self.remark)

    def num_samples(self, draw: Draw) -> int:
        return NUM_SAMPLES

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        generator = np.random.Generator(self.bit_generator())
        if draw.kind == "laplace":
            return lambda: generator.laplace(size=count)  # It has no out=.
        out = np.empty(count)
        return lambda: generator.standard_normal(out=out)

    def check(self, draw: Draw, samples: Any) -> None:
        super().check(draw, np.asarray(samples) * draw.scale)


class Sfc64(NumpyNoise):
    def bit_generator(self) -> Any:
        return np.random.SFC64()


class Pcg64(NumpyNoise):
    def bit_generator(self) -> Any:
        return np.random.PCG64()
