"""What forecast says before training is what noise then does."""

import dataclasses
import math

import numpy as np
import pytest
import veilsum as vs
from test_privacy import KINDS, codec, gaussian
from veilsum import privacy


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mean_weight", [1.0, 0.25])
def test_forecast_tells_the_noise_of_the_mean(kind, mean_weight):
    noise = KINDS[kind]()
    fitted = noise.fit(codec(20_000, weight_bits=2))
    found = privacy.forecast(noise, fitted, num_contributors=8, mean_weight=mean_weight)
    total = sum(fitted.quantise(np.zeros(20_000), noise=noise)[0] for _ in range(8))
    values = total[:-1] / fitted.scale / (8 * mean_weight)
    assert math.isclose(np.std(values), found.noise_per_value, rel_tol=0.05)
    size = np.linalg.norm(values) if kind == "gaussian" else np.abs(values).sum()
    assert math.isclose(1.0 / size, found.signal_to_noise, rel_tol=0.3)
    assert math.isclose(found.epsilon_colluding, 2.0, rel_tol=1e-6)
    assert found.epsilon_honest_server <= found.epsilon_colluding


def test_forecast_refuses_what_cannot_be():
    noise = gaussian()
    fitted = noise.fit(codec())
    for number in (3, 9, 0):
        with pytest.raises(vs.VeilsumError):
            privacy.forecast(noise, fitted, num_contributors=number)
    for wrong in ({"mean_weight": 0}, {"mean_weight": 1.5}, {"key_bits": 7}):
        with pytest.raises(vs.InvalidArgumentError, match=next(iter(wrong))):
            privacy.forecast(noise, fitted, num_contributors=8, **wrong)


def lost_sums(noise, fitted, num_contributors, num_sums):
    """How many of some sums of zeros have no mean."""
    lost = 0
    for _ in range(num_sums):
        slots = sum(
            fitted.quantise(np.zeros(fitted.dim), noise=noise)[0] for _ in range(num_contributors)
        )
        try:
            fitted.dequantise(slots, num_addends=num_contributors).mean()
        except vs.NoMeanError:
            lost += 1
    return lost


@pytest.mark.parametrize(
    ("honest", "epsilon", "low", "high"),
    [(3, 1.0, 0.85, 1.0), (30, 4.0, 0.2, 0.8), (60, 8.0, 0, 1e-6)],
)
def test_forecast_tells_how_often_noisy_weights_leave_no_mean(honest, epsilon, low, high):
    noise = gaussian(epsilon=epsilon, rounds=10, norm_bound=0.3, honest_contributors=honest)
    fitted = noise.fit(vs.Codec(100, clip=0.1, value_bits=16, max_addends=60))
    found = privacy.forecast(noise, fitted, num_contributors=honest)
    assert low <= found.no_mean_probability <= high
    # Six standard deviations of 200 tries.
    lost = lost_sums(noise, fitted, honest, 200) / 200
    spread = 6 * math.sqrt(max(low * (1 - low), 0.02) / 200)
    assert abs(lost - found.no_mean_probability) < spread


def test_weights_that_are_all_1_cost_nothing():
    noise = gaussian(weighted=False)
    found = privacy.forecast(noise, noise.fit(codec()), num_contributors=8)
    assert (found.noise_of_weight, found.no_mean_probability) == (0.0, 0.0)
    assert (found.noise_for_weights, found.num_bytes_for_weights) == (1.0, 0)


def test_forecast_prints_what_weights_cost():
    noise = gaussian(norm_bound=0.25)
    plain = codec(100_000, value_bits=16)
    uneven = noise.fit(dataclasses.replace(plain, weight_bits=10))
    found = privacy.forecast(noise, uneven, num_contributors=8, key_bits=2048)
    without = privacy.forecast(noise, noise.fit(plain), num_contributors=8, key_bits=2048)
    # The norm of a contribution is that of its values and its weight, here as long as each other.
    assert math.isclose(found.noise_for_weights, math.sqrt(2), rel_tol=1e-4)
    assert found.slot_bits == without.slot_bits + 10
    assert found.num_bytes == without.num_bytes + found.num_bytes_for_weights
    assert math.isclose(
        found.num_bytes / without.num_bytes, found.slot_bits / without.slot_bits, rel_tol=0.03
    )
    assert math.isclose(found.noise_per_value, without.noise_per_value, rel_tol=1e-3)
