"""What this process runs on."""

from typing import TypedDict

from veilsum import _core

__all__ = ["Cpu", "cpu"]


class Cpu(TypedDict):
    """What :func:`cpu` returns."""

    kernel: str
    rng: str
    features: list[str]
    num_threads: int


def cpu() -> Cpu:
    """The kernel and generator in use, the processor's instruction sets, and the thread count.

    The kernel is the fastest this processor runs, or the one named by the environment variable
    ``VEILSUM_ISA``; the thread count comes from ``VEILSUM_NUM_THREADS`` if that is set.

    Raises:
        InvalidArgumentError: one of the two variables is set to something that cannot be.
    """
    return {
        "kernel": _core.kernel_name(),
        "rng": "chacha20",
        "features": _core.cpu_features(),
        "num_threads": _core.default_num_threads(),
    }
