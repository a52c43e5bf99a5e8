"""veilsum's noise into arrays made before, and its random bytes alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import veilsum as vs

from peers.draws import NUM_SAMPLES, Draw, Quality, Sampler, random_bytes_per_sample


class Int64(Sampler):
    packages = ("veilsum",)
    dtype: ClassVar[Any] = np.int64

    def quality(self) -> Quality:
        return Quality(exact=True, secure=True, remark=f"integers from {vs.cpu()['rng']}")

    def kernel(self) -> str:
        return vs.cpu()["kernel"]

    def num_samples(self, draw: Draw) -> int:
        return NUM_SAMPLES

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        function: Callable[..., Any] = (
            vs.noise.discrete_gaussian if draw.kind == "gaussian" else vs.noise.discrete_laplace
        )
        out = np.empty(count, self.dtype)
        return lambda: function(draw.scale, out=out, dtype=self.dtype, num_threads=self.num_threads)


class Int32(Int64):
    dtype = np.int32


class RandomBytes(Int64):
    """As many random bytes as the samples are made from, and no samples."""

    def quality(self) -> Quality:
        return Quality(exact=False, secure=True, remark=f"bytes of {vs.cpu()['rng']}, no noise")

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        from veilsum.hazmat import random_bytes

        if self.num_threads != 1:
            raise NotImplementedError
        out = np.empty(round(count * random_bytes_per_sample(draw)), np.uint8)
        return lambda: random_bytes(out)

    def check(self, draw: Draw, samples: Any) -> None:
        pass
