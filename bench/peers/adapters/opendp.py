"""OpenDP's noise on vectors of integers: one call of a measurement for each vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import opendp.prelude as dp

from peers.draws import Draw, Quality, Sampler


class OpenDp(Sampler):
    packages = ("opendp",)

    def quality(self) -> Quality:
        return Quality(
            exact=True, secure=True, remark="exact rational arithmetic; OpenSSL's generator"
        )

    def num_samples(self, draw: Draw) -> int:
        return 10_000

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        dp.enable_features("contrib")
        domain = dp.vector_domain(dp.atom_domain(T="i64"))
        if draw.kind == "gaussian":
            measure = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=draw.scale)
        else:
            measure = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=draw.scale)
        zeros = np.zeros(count, np.int64)  # Faster than a list.
        return lambda: measure(zeros)
