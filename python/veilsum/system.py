"""What this process runs on."""

from collections.abc import Callable
from typing import TypeAlias, TypedDict

from veilsum import _core, arguments

__all__ = ["Cpu", "Progress", "cpu", "thread_count", "watcher"]

#: Called as ``progress(done, total)`` about ten times a second.
Progress: TypeAlias = Callable[[int, int], object]

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
    return arguments.count("num_threads", num_threads, at_least=1, at_most=_MAX_THREADS)


def watcher(progress: Progress | None) -> Progress | None:
    """What the core takes for ``progress``: a function, or None."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function or None, not {type(progress).__name__}")
    return progress
