"""Who gets which images: evenly mixed, or two digits a client."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Part = NDArray[np.int64]


def iid(num_samples: int, num_clients: int, rng: np.random.Generator) -> list[Part]:
    """Deals the samples out at random.

    Returns:
        for each client the indices of its samples; every sample once, sizes differ by one at most.

    Raises:
        ValueError: ``num_clients`` is not between 1 and ``num_samples``.
    """
    _check_num_clients(num_clients, num_samples)
    return np.array_split(rng.permutation(num_samples), num_clients)


def two_digit_shards(
    labels: NDArray[np.int64], num_clients: int, rng: np.random.Generator
) -> list[Part]:
    """The pathological split of McMahan et al. 2017: most clients see only two digits.

    The samples, sorted by label, are cut into ``2 * num_clients`` shards of equal size, and every
    client gets two shards drawn at random. A shard at the border of two labels holds both.

    Args:
        labels: shape ``(n,)``.
        num_clients: at most ``n / 2``, so that no shard is empty.
        rng: draws the shards.

    Returns:
        for each client the indices of its samples; every sample once, sizes differ by two at most.

    Raises:
        ValueError: ``num_clients`` is not between 1 and ``n / 2``.
    """
    _check_num_clients(num_clients, len(labels) // 2)
    shards = np.array_split(np.argsort(labels, kind="stable"), 2 * num_clients)
    order = rng.permutation(len(shards))
    return [
        np.concatenate([shards[first], shards[second]])
        for first, second in zip(order[::2], order[1::2], strict=True)
    ]


def _check_num_clients(num_clients: int, most: int) -> None:
    if not 1 <= num_clients <= most:
        raise ValueError(f"num_clients must be between 1 and {most} here, not {num_clients}")
