"""Known attacks on the noise of differential privacy: each is seen to succeed on what it was found
for, and then fails on veilsum.

Sources: I. Mironov, On significance of the least significant bits for differential privacy, 2012;
J. Jin, E. McMurtry, B. Rubinstein, O. Ohrimenko, Are we there yet? Timing and floating-point
attacks on differential privacy systems, 2022.
"""

import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest
import veilsum as vs
from veilsum import noise

# The attacked mechanism publishes TRUE + noise, DIM times; the attacker decides between two values.
# At this scale an honest look at DIM outputs is right hardly more often than a coin.
VALUES = (0, 1)
SCALE = 1000.0
DIM = 32
NUM_GAMES = 200
# A coin is right more often than this with probability below 1e-6; so is the best test of one
# epsilon = DIM / SCALE = 0.032 (Laplace), which is right in 50.8 % of games.
MAX_LUCKY_WINS = NUM_GAMES * (0.508 + 0.17)


def wins(mechanism, attainable):
    """In how many games exactly the true value explains every output."""
    rng = np.random.default_rng(1)
    num_wins = 0
    for _ in range(NUM_GAMES):
        true = VALUES[rng.integers(2)]
        outputs = mechanism(true)
        explains = [attainable(value, outputs).all() for value in VALUES]
        if explains[0] != explains[1]:
            guess = VALUES[explains.index(True)]
        else:
            guess = VALUES[rng.integers(2)]
        num_wins += guess == true
    return num_wins


# ---- porous floating-point noise ----

UNIFORM_STEP = 2.0**-53


def float_laplace(value):
    """As a textbook does it: the inverse of the distribution function at a uniform double."""
    rng = np.random.default_rng()
    uniform = 1 - rng.random(DIM)  # (0, 1]: a multiple of UNIFORM_STEP
    return value + rng.choice([-1.0, 1.0], DIM) * (-SCALE * np.log(uniform))


def laplace_attainable(value, outputs):
    """Whether some uniform double gives exactly this output."""
    distance = outputs - value
    near = np.rint(np.exp(-np.abs(distance) / SCALE) / UNIFORM_STEP)
    steps = np.clip(near + np.arange(-8, 9)[:, None], 1, 2**53)
    made = value + np.sign(distance) * (-SCALE * np.log(steps * UNIFORM_STEP))
    return (made == outputs).any(axis=0)


def float_gaussian(value):
    """By Box and Muller, two outputs from two uniform doubles."""
    rng = np.random.default_rng()
    radius, turn = 1 - rng.random(DIM // 2), rng.random(DIM // 2)
    return np.concatenate(box_muller(value, radius, turn))


def box_muller(value, radius, turn):
    length, angle = SCALE * np.sqrt(-2 * np.log(radius)), 2 * np.pi * turn
    return value + length * np.cos(angle), value + length * np.sin(angle)


def gaussian_attainable(value, outputs):
    """Whether some pair of uniform doubles gives exactly this pair of outputs."""
    first, second = np.split(outputs, 2)
    x, y = first - value, second - value
    near_radius = np.rint(np.exp(-(x**2 + y**2) / (2 * SCALE**2)) / UNIFORM_STEP)
    near_turn = np.rint(np.arctan2(y, x) / (2 * np.pi) % 1 / UNIFORM_STEP)
    around = np.arange(-8, 9)
    radius = np.clip(near_radius + around[:, None, None], 1, 2**53) * UNIFORM_STEP
    turn = (near_turn + around[:, None]) * UNIFORM_STEP
    made = box_muller(value, radius, turn)
    return ((made[0] == first) & (made[1] == second)).any(axis=(0, 1))


def discrete(draw):
    return lambda value: value + draw(SCALE, DIM)


def integers_attainable(value, outputs):
    """Every integer has a positive probability under every integer value."""
    distance = outputs - value
    return (distance == np.rint(distance)) & (np.abs(distance) < 2**62)


def test_porous_laplace_noise_is_read_from_its_last_bits():
    assert wins(float_laplace, laplace_attainable) > 0.95 * NUM_GAMES


def test_porous_gaussian_noise_is_read_from_its_last_bits():
    assert wins(float_gaussian, gaussian_attainable) > 0.95 * NUM_GAMES


@pytest.mark.parametrize("draw", [noise.discrete_laplace, noise.discrete_gaussian])
def test_discrete_noise_explains_every_output_by_every_value(draw):
    assert wins(discrete(draw), integers_attainable) < MAX_LUCKY_WINS


@pytest.mark.parametrize("draw", [noise.discrete_laplace, noise.discrete_gaussian])
def test_every_integer_near_zero_is_drawn(draw):
    """What makes the attack above hopeless, seen rather than assumed: there are no pores."""
    sample = draw(20.0, 400_000)
    assert set(range(-40, 41)) <= set(sample.tolist())


# ---- guessed seeds and clocks ----

DRAW_SEEDED = """
import random, time
import numpy as np
time.time = time.monotonic = lambda: 1.7e9
time.time_ns = time.monotonic_ns = lambda: 1_700_000_000_000_000_000
random.seed(7)
np.random.seed(7)
from veilsum import noise
guessable = np.random.default_rng(time.time_ns()).normal(0, 1000, 4)
print(guessable.tobytes().hex(), noise.discrete_gaussian(1000.0, 64).tobytes().hex())
"""


def test_equal_seeds_and_clocks_give_different_noise():
    runs = [
        subprocess.run(
            [sys.executable, "-c", DRAW_SEEDED],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        ).stdout.split()
        for _ in range(3)
    ]
    assert len({guessable for guessable, _ in runs}) == 1  # The attack works on a seeded generator.
    assert len({drawn for _, drawn in runs}) == 3


# ---- a fork duplicates a generator's state ----

generator = np.random.default_rng()


def draw_in_child(_):
    return generator.normal(0, 1000, 4).tobytes(), noise.discrete_gaussian(1000.0, 64).tobytes()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_workers_draw_different_noise():
    noise.discrete_gaussian(1000.0, 64)  # So that there is a state to duplicate.
    draws = []
    for _ in range(3):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            draws += pool.map(draw_in_child, [0])
    assert len({floating for floating, _ in draws}) == 1  # The attack works on numpy's generator.
    assert len({discrete for _, discrete in draws}) == 3


# ---- wrapping integers ----


def test_wrapped_noise_would_tell_the_value():
    """Noise too wide for int32 loses its shape when it wraps, and with it the promise."""
    wide = noise.discrete_gaussian(2.0**31, 100_000)
    wrapped = wide.astype(np.int32)
    assert np.abs(wide).max() > 2**31 > np.abs(wrapped).max()


@pytest.mark.parametrize(
    ("draw", "scale"), [(noise.discrete_gaussian, 2.0**27), (noise.discrete_laplace, 2.0**24)]
)
def test_noise_that_could_wrap_is_refused(draw, scale):
    draw(scale, 100, dtype=np.int32)
    with pytest.raises(vs.InvalidArgumentError, match="int32"):
        draw(np.nextafter(scale, np.inf), 100, dtype=np.int32)
    with pytest.raises(TypeError, match="int32"):
        getattr(noise, f"add_{draw.__name__}")(np.zeros(3, np.int32), 5.0)
    at_the_edge = np.full(3, 2**62, np.int64)
    with pytest.raises(vs.InvalidArgumentError, match=r"2\*\*62"):
        getattr(noise, f"add_{draw.__name__}")(at_the_edge, 5.0)
    assert (at_the_edge == 2**62).all()
