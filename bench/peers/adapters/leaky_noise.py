"""A leak to be found: veilsum's noise, then a loop as long as the noise is large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from peers.adapters.veilsum_noise import Int64
from peers.draws import Draw


class Leaky(Int64):
    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        sampler = super().sampler(draw, count)

        def leaky() -> Any:
            samples = sampler()
            for _ in range(int(np.abs(samples).mean())):
                pass
            return samples

        return leaky
