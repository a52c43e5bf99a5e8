"""veilsum's noise into arrays made before, its random bytes alone, and a leak to be found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import veilsum as vs
from veilsum.hazmat import random_bytes

from bench.draws import NUM_SAMPLES, Draw, Sampler, random_bytes_per_sample


class Int64(Sampler):
    packages = ("veilsum",)
    exact = secure = True
    remark = f"integers from {vs.cpu()['rng']}"
    dtype: ClassVar[Any] = np.int64

    def kernel(self) -> str:
        return vs.cpu()["kernel"]

    def num_samples(self, draw: Draw) -> int:
        return NUM_SAMPLES

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        function: Callable[..., Any] = getattr(vs.noise, f"discrete_{draw.kind}")
        out = np.empty(count, self.dtype)
        return lambda: function(draw.scale, out=out, dtype=self.dtype, num_threads=self.num_threads)


class Int32(Int64):
    dtype = np.int32


class RandomBytes(Int64):
    """As many random bytes as the samples are made from, and no samples."""

    exact = False
    remark = f"bytes of {vs.cpu()['rng']}, no noise"

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        if self.num_threads != 1:
            raise NotImplementedError
        out = np.empty(round(count * random_bytes_per_sample(draw)), np.uint8)
        return lambda: random_bytes(out)

    def check(self, draw: Draw, samples: Any) -> None:
        pass


class Leaky(Int64):
    """The noise, then a loop as long as the noise is large."""

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        sampler = super().sampler(draw, count)

        def leaky() -> Any:
            samples = sampler()
            for _ in range(int(np.abs(samples).mean())):
                pass
            return samples

        return leaky
