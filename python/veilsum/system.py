"""What this process runs on."""

from typing import TypedDict

import numpy as np

from veilsum import _core
from veilsum.errors import InvalidArgumentError

__all__ = ["Cpu", "cpu", "thread_count"]

_MAX_THREADS = 1024


class Cpu(TypedDict):
    """What :func:`cpu` returns."""

    kernel: str
    rng: str
    features: list[str]
    num_threads: int


def cpu() -> Cpu:
    """The kernel and generator in use, the processor's instruction sets, and the thread count.

    The kernel is the fastest this processor runs, or the one named by the environment variable
    ``VEILSUM_ISA``, and the generator the fastest that variable leaves (docs/randomness.md); the
    thread count comes from ``VEILSUM_NUM_THREADS`` if that is set.

    Raises:
        InvalidArgumentError: one of the two variables is set to something that cannot be.
    """
    return {
        "kernel": _core.kernel_name(),
        "rng": _core.keystream_name(),
        "features": _core.cpu_features(),
        "num_threads": _core.default_num_threads(),
    }


def thread_count(num_threads: object) -> int:
    """What the core takes for ``num_threads``: the number, or 0 for None, its default."""
    if num_threads is None:
        return 0
    if isinstance(num_threads, bool) or not isinstance(num_threads, (int, np.integer)):
        raise TypeError(f"num_threads must be an int or None, not {type(num_threads).__name__}")
    if not 1 <= num_threads <= _MAX_THREADS:
        raise InvalidArgumentError(f"num_threads must be from 1 to {_MAX_THREADS}")
    return int(num_threads)
