"""The noise that is timed: distributions, what a library's sampler says of itself, the check."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

NUM_SAMPLES = 10_000_000  # Of one call, where a library is fast enough.


@dataclass(frozen=True)
class Draw:
    """A discrete Gaussian or a discrete Laplace distribution; ``scale`` in integer steps."""

    kind: str
    scale: float

    @property
    def title(self) -> str:
        """As in the tables."""
        return f"{'sigma' if self.kind == 'gaussian' else 'scale'} {self.scale:.10g}"

    @property
    def deviation(self) -> float:
        """The standard deviation, for scales from 4 on."""
        return self.scale if self.kind == "gaussian" else math.sqrt(2) * self.scale


DRAWS = {
    f"{kind} {scale:.10g}": Draw(kind, scale)
    for kind, scales in {
        "gaussian": (5.3, 1000.7, 131072.0, 2.0**21),
        "laplace": (5.3, 1000.7, 131072.0),
    }.items()
    for scale in scales
}
QUICK_DRAWS = ("gaussian 1000.7", "laplace 1000.7")


class Sampler(abc.ABC):
    """A library that draws noise. Constructed as an adapter is, in a process of its own."""

    packages: ClassVar[tuple[str, ...]]  # Their versions go into the report.
    # Whether samples have just the distribution named, whatever the numbers are rounded to; whether
    # they come from a generator made for cryptography, keyed by the operating system.
    exact = secure = False
    remark: str

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self.num_threads = num_threads

    @abc.abstractmethod
    def num_samples(self, draw: Draw) -> int:
        """How many samples a call draws: enough to forget the call, or what its time allows."""

    @abc.abstractmethod
    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        """A call that draws ``count`` samples in the library's own best way."""

    def check(self, draw: Draw, samples: Any) -> None:
        """See that they are samples of that distribution, roughly: ValueError if not."""
        values = np.asarray(samples, np.float64)
        if len(values) < 100:
            return  # Too few to tell.
        deviation = math.sqrt(float(values @ values) / len(values))
        # Six standard errors; Laplace's fourth moment is 6 times the square of its second.
        tolerance = 6 * math.sqrt((0.5 if draw.kind == "gaussian" else 1.25) / len(values))
        if abs(deviation / draw.deviation - 1) > tolerance + 0.02:  # 0.02: scale is not deviation.
            raise ValueError(f"wrong noise: {draw.title} came out with deviation {deviation:.4g}")

    def kernel(self) -> str | None:
        """The instruction set the library says it runs on."""
        return None

    def nature(self) -> dict[str, Any]:
        """What samples are worth."""
        return {"exact": self.exact, "secure": self.secure, "remark": self.remark}


def random_bytes_per_sample(draw: Draw) -> float:
    """The random bytes veilsum's sampler draws for one sample, on average; see docs/noise.md.

    A candidate takes 8 bytes, or 12 if a strip has more than 2**16 integers. Strips are 2**m wide;
    of the mass proposed, the height of each strip at its start times its width, what is below
    exp(-phi) is accepted. The tail beyond 63 strips is too small to count.
    """
    widest = draw.scale / (4 if draw.kind == "gaussian" else 2)
    m = max(0, math.floor(math.log2(widest)))

    def weight(z: float) -> float:
        x = z / draw.scale
        return math.exp(-x * x / 2 if draw.kind == "gaussian" else -x)

    proposed = 2 * 2**m * sum(weight(strip * 2**m) for strip in range(63))
    if draw.kind == "gaussian":
        accepted = math.sqrt(2 * math.pi) * draw.scale
    else:
        accepted = 1 / math.tanh(0.5 / draw.scale)
    return (8 if m <= 16 else 12) * proposed / accepted
