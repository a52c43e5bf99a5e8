"""The measurement of what the time of a call tells of its noise: it finds a planted leak.

What it finds of veilsum is not asserted: other work on the machine shall fail no test.
"""

import json

import noise_timing
import numpy as np
import pytest
from peers import libraries, machine
from peers.libraries import LEAKY
from peers.results import Results


def test_planted_leak_is_found():
    case = noise_timing.measure(LEAKY, "gaussian 1000.7", 1, seconds=5, num_calls=2000)
    assert case.num_calls >= 1000
    assert case.is_leak
    assert case.rank.low > 0
    assert case.group_times[-1] > case.group_times[0]


def test_timing_of_our_noise_is_measured(tmp_path):
    ours = libraries.our_noise("portable")[0]
    case = noise_timing.measure(ours, "gaussian 1000.7", 100, seconds=1, num_calls=50)
    assert case.median_microseconds > 0
    for found in case.pearson, case.rank:
        assert -1 < found.low < found.value < found.high < 1
    results = Results(machine.describe({"kernel": "fast"}), {})
    noise_timing.plot(results, [case], tmp_path / "timing.png")
    data = json.loads(json.dumps(noise_timing.to_dict(results, [case])))
    assert data["cases"][0]["rank"]["value"] == case.rank.value
    assert (tmp_path / "timing.png").stat().st_size > 5000


def test_correlations_have_their_intervals():
    generator = np.random.default_rng(1)
    left = generator.standard_normal(10_000)
    other = generator.standard_normal(10_000)
    right = 0.1 * left + other - left * (left @ other) / (left @ left)  # 0.1 beside chance.
    for correlation in (noise_timing.pearson(left, right), noise_timing.spearman(left, right)):
        assert correlation.is_found
        assert correlation.value == pytest.approx(0.0995, abs=0.01)
        assert correlation.high - correlation.low == pytest.approx(2 * 3.29 / 100, rel=0.05)
    left[::20] += 1e6  # Interrupted calls.
    assert noise_timing.pearson(left, right).is_found
    assert noise_timing.spearman(left, right).is_found
    for correlate in noise_timing.pearson, noise_timing.spearman:
        assert not correlate(np.exp(5 * left.clip(-5, 5)), generator.permutation(right)).is_found
