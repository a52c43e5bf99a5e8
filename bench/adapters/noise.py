"""Other libraries of noise: of integers, or numpy's floats.

numpy's normal and Laplace are of scale 1: making other scales of it is not timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.draws import NUM_SAMPLES, Draw, Sampler


class Sfc64(Sampler):
    packages = ("numpy",)
    remark = "floats by the ziggurat or a logarithm; a generator for simulations"

    def bit_generator(self) -> Any:
        return np.random.SFC64()

    def num_samples(self, draw: Draw) -> int:
        return NUM_SAMPLES

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        generator = np.random.Generator(self.bit_generator())
        if draw.kind == "laplace":
            return lambda: generator.laplace(size=count)  # It has no out=.
        out = np.empty(count)
        return lambda: generator.standard_normal(out=out)

    def check(self, draw: Draw, samples: Any) -> None:
        super().check(draw, np.asarray(samples) * draw.scale)


class Pcg64(Sfc64):
    def bit_generator(self) -> Any:
        return np.random.PCG64()


class Aes(Sfc64):
    packages = ("randomgen",)
    remark = "floats as numpy's; AES-128 in counter mode, but keyed through a seed, never rekeyed"

    def bit_generator(self) -> Any:
        import randomgen

        return randomgen.AESCounter()


class ChaCha(Sfc64):
    packages = ("randomgen",)
    remark = "floats as numpy's; ChaCha20, but keyed through a seed, never rekeyed"

    def bit_generator(self) -> Any:
        import randomgen

        return randomgen.ChaCha()


class OpenDp(Sampler):
    """One call of a measurement for each vector of integers."""

    packages = ("opendp",)
    exact = secure = True
    remark = "exact rational arithmetic; OpenSSL's generator"

    def num_samples(self, draw: Draw) -> int:
        return 10_000

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        import opendp.prelude as dp

        dp.enable_features("contrib")
        domain = dp.vector_domain(dp.atom_domain(T="i64"))
        if draw.kind == "gaussian":
            measure = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=draw.scale)
        else:
            measure = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=draw.scale)
        zeros = np.zeros(count, np.int64)  # Faster than a list.
        return lambda: measure(zeros)


class PyDp(Sampler):
    """Google's C++ library: mechanisms that add noise to one number a call."""

    packages = ("python-dp",)
    secure = True
    remark = "close to it, on a grid, by floating-point probabilities; OpenSSL's generator"

    def num_samples(self, draw: Draw) -> int:
        return 50_000

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        from pydp.algorithms import numerical_mechanisms as dp

        if draw.kind == "gaussian":
            mechanism = dp.GaussianMechanism.create_from_standard_deviation(draw.scale)
        else:
            mechanism = dp.LaplaceMechanism(1 / draw.scale, 1.0)
        return lambda: [mechanism.add_noise(0) for _ in range(count)]


class DiffPrivLib(Sampler):
    """Pure Python: mechanisms that add noise to one integer a call."""

    packages = ("diffprivlib",)
    secure = True
    remark = "the distribution's algorithm, in floating point; the system's generator"

    def num_samples(self, draw: Draw) -> int:
        if draw.kind == "laplace":
            return 20_000
        return max(1, round(100_000 / draw.scale))  # Its time grows with sigma.

    def sampler(self, draw: Draw, count: int) -> Callable[[], Any]:
        from diffprivlib.mechanisms import GaussianDiscrete, Geometric

        mechanism: Any
        if draw.kind == "gaussian":
            mechanism = GaussianDiscrete(epsilon=1.0, delta=1e-5)
            mechanism._scale = draw.scale  # Else derived from epsilon, which fails for large ones.
        else:
            mechanism = Geometric(epsilon=1 / draw.scale)
        return lambda: [mechanism.randomise(0) for _ in range(count)]
