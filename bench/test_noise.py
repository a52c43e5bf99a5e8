"""Exact discrete noise beside numpy's floating-point normal, which is neither exact nor secure."""

import numpy as np
import pytest
import veilsum as vs

SIZE = 1_000_000


@pytest.mark.parametrize("sigma", [5.3, 1000.7, 131072.0])
def test_discrete_gaussian(benchmark, sigma):
    benchmark.group = f"{SIZE} noise samples, one core"
    out = np.empty(SIZE, np.int64)
    benchmark(vs.noise.discrete_gaussian, sigma, out=out, num_threads=1)


@pytest.mark.parametrize("scale", [5.3, 1000.7])
def test_discrete_laplace(benchmark, scale):
    benchmark.group = f"{SIZE} noise samples, one core"
    out = np.empty(SIZE, np.int64)
    benchmark(vs.noise.discrete_laplace, scale, out=out, num_threads=1)


def test_numpy_standard_normal(benchmark):
    benchmark.group = f"{SIZE} noise samples, one core"
    generator = np.random.Generator(np.random.SFC64())
    out = np.empty(SIZE)
    benchmark(generator.standard_normal, out=out)
