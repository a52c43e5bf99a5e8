"""Exact discrete noise beside numpy's floating-point noise, which is neither exact nor secure."""

import numpy as np
import pytest
import veilsum as vs

SIZE = 1_000_000
GROUP = f"{SIZE} noise samples, one core"
SCALES = [5.3, 1000.7, 131072.0, 2.0**21]  # The last takes 12 instead of 8 random bytes.
DTYPES = [np.int64, np.int32]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sigma", SCALES)
def test_discrete_gaussian(benchmark, sigma, dtype):
    benchmark.group = GROUP
    out = np.empty(SIZE, dtype)
    benchmark(vs.noise.discrete_gaussian, sigma, out=out, dtype=dtype, num_threads=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", SCALES)
def test_discrete_laplace(benchmark, scale, dtype):
    benchmark.group = GROUP
    out = np.empty(SIZE, dtype)
    benchmark(vs.noise.discrete_laplace, scale, out=out, dtype=dtype, num_threads=1)


@pytest.mark.parametrize("add", [vs.noise.add_discrete_gaussian, vs.noise.add_discrete_laplace])
def test_add(benchmark, add):
    benchmark.group = GROUP
    values = np.zeros(SIZE, np.int64)
    benchmark(add, values, 1000.7, num_threads=1)


def test_one_sample(benchmark):
    benchmark.group = "one noise sample"
    out = np.empty((), np.int64)
    benchmark(vs.noise.discrete_gaussian, 1000.7, out=out, num_threads=1)


def test_numpy_standard_normal(benchmark):
    benchmark.group = GROUP
    generator = np.random.Generator(np.random.SFC64())
    out = np.empty(SIZE)
    benchmark(generator.standard_normal, out=out)


def test_numpy_laplace(benchmark):
    benchmark.group = GROUP
    generator = np.random.Generator(np.random.SFC64())
    benchmark(generator.laplace, size=SIZE)
