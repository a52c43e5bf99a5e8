"""Workload W: one model update of a million values, from the client's floats to the opened sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

DIM = 1_000_000
CLIP = 1.0
VALUE_BITS = 16
MAX_ADDENDS = 100

NOISE_SIGMA = 1000.7  # In steps of the grid.

# In seconds. Noise is on the quantised values, where the library has it; add is for one client.
PHASES = ("encode", "noise", "encrypt", "add", "decrypt")


class Round(NamedTuple):
    """What one update took and cost."""

    seconds: dict[str, float]
    num_bytes: int
    max_error: float


class Pipeline(Protocol):
    """The path of an update through one library. Constructed with key size and threads."""

    packages: ClassVar[tuple[str, ...]]

    def kernel(self) -> str | None: ...

    def run(self, update: NDArray[np.float32], clock: Callable[[], float]) -> Round:
        """Send the update twice through client and aggregator, and open the sum of the two.

        The second time counts, since adding the first client to nothing is free.
        """
        ...


def make_update(dim: int) -> NDArray[np.float32]:
    """Values as a model update has them; some lie beyond no clip."""
    return np.random.default_rng(1).normal(0, 0.1, dim).clip(-CLIP, CLIP).astype(np.float32)


def max_error(total: Any, update: NDArray[np.float32]) -> float:
    """The largest error of the sum of an update and itself."""
    return float(np.abs(np.asarray(total, np.float64) - 2.0 * update).max())
