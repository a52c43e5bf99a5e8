"""Workload W: one model update of a million values, from the client's floats to the opened sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

DIM = 1_000_000
CLIP = 1.0
VALUE_BITS = 16
MAX_ADDENDS = 100

NOISE_SIGMA = 1000.7  # In steps of the grid.

# In seconds. Noise is on the quantised values, where the library has it; add is for one client.
PHASES = ("encode", "noise", "encrypt", "add", "decrypt")


class Pipeline:
    """The path of updates through a library or framework. Constructed with key size and threads."""

    packages: ClassVar[tuple[str, ...]]

    def __init__(self, key_bits: int, num_threads: int) -> None:
        pass

    def kernel(self) -> str | None:
        """The instruction set the library says it runs on."""
        return None

    def nature(self) -> dict[str, Any]:
        """What else the report says of the library."""
        return {}

    def run(self, update: NDArray[np.float32], clock: Callable[[], float]) -> dict[str, Any]:
        """Send the update twice through client and aggregator, and open the sum of the two.

        The second time counts, since adding the first client to nothing is free.

        Returns:
            seconds of each phase, bytes, and max_error.
        """
        raise NotImplementedError

    def round(self, dim: int, num_clients: int, num_shares: int = 0) -> dict[str, Any]:
        """A round of federated averaging, every party in this process.

        ``num_shares`` is of those that SecAgg+ shares masks among.

        Returns:
            by role a list of parts, each with accounts and the factor; max_error and facts.
        """
        raise NotImplementedError


def make_update(dim: int) -> NDArray[np.float32]:
    """Values as a model update has them; some lie beyond no clip."""
    return np.random.default_rng(1).normal(0, 0.1, dim).clip(-CLIP, CLIP).astype(np.float32)


def max_error(total: Any, update: NDArray[np.float32]) -> float:
    """The largest error of the sum of an update and itself."""
    return float(np.abs(np.asarray(total, np.float64) - 2.0 * update).max())
