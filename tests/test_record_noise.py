"""Noise that protects each record: its calibration, its codec, its ledger, its agreement."""

import math
import sqlite3

import numpy as np
import pytest
import veilsum as vs
from protocol_parties import federation, roster
from validation_rules import rule
from veilsum.integrations.weights import WeightsByCount
from veilsum.privacy import GaussianNoise, Ledger, RecordNoise, gaussian_epsilon
from veilsum.secure_sum import Federation

NOISE = RecordNoise(epsilon=1.0, delta=1e-6, rounds=2, norm_bound=1000.0, honest_contributors=2)
STEPS = 2**19 - 1
CODEC = NOISE.fit(vs.Codec(8, clip=STEPS, value_bits=20, max_addends=4))


def changed(noise, **changes):
    names = ("epsilon", "delta", "rounds", "norm_bound", "honest_contributors", "adjacency")
    return RecordNoise(**({name: getattr(noise, name) for name in names} | changes))


def test_the_cost_of_all_rounds_is_the_goal():
    assert NOISE.epsilon_of(2 * NOISE.round_cost(CODEC)) == pytest.approx(1.0, abs=1e-8)
    # mu of one round, of two shares of noise and the variance of rounding.
    mu = 1000 / math.sqrt(2 * NOISE.sigma(CODEC) ** 2 - 4)
    assert gaussian_epsilon(mu * math.sqrt(2), 1e-6) == pytest.approx(1.0, abs=1e-6)


def test_replacing_a_record_takes_twice_the_noise():
    replaced = changed(NOISE, adjacency="replace-one")
    ratio = (replaced.sigma(CODEC) ** 2 - 2) / (NOISE.sigma(CODEC) ** 2 - 2)
    assert ratio == pytest.approx(4)


def test_the_noise_does_not_depend_on_how_much_a_contributor_has():
    rng = np.random.default_rng(1)
    small, large = np.zeros(8), np.full(8, STEPS // 2)
    for values in (small, large):
        slots = [CODEC.quantise(values, noise=NOISE)[0][:-1] - values for _ in range(4000)]
        assert np.std(slots) == pytest.approx(NOISE.sigma(CODEC), rel=0.04)
    integers = rng.integers(-STEPS, STEPS + 1, 8)
    assert np.array_equal(CODEC.quantise(integers.astype(float))[0][:-1], integers)


@rule("NS5")
@pytest.mark.parametrize(
    "changes",
    [
        {"clip": 1.0},
        {"clip": [STEPS] * 7 + [1.0]},
        {"weight_bits": 1},
        {"rounding": "stochastic"},
        {"norm": "l2", "norm_bound": 10.0},
    ],
)
def test_noise_of_records_needs_a_codec_of_integers(changes):
    settings = {"clip": STEPS, "value_bits": 20, "max_addends": 4}
    with pytest.raises(vs.InvalidArgumentError, match="integers"):
        NOISE.fit(vs.Codec(8, **(settings | changes)))
    with pytest.raises(vs.InvalidArgumentError, match="integers"):
        NOISE.check_fits(vs.Codec(8, **(settings | changes)))


def test_a_codec_without_room_for_the_noise_is_refused():
    with pytest.raises(vs.InvalidArgumentError, match="needs"):
        NOISE.check_fits(vs.Codec(8, clip=STEPS, value_bits=20, max_addends=4))


def test_weights_are_not_hidden():
    with pytest.raises(vs.InvalidArgumentError, match="weighted"):
        RecordNoise(
            epsilon=1, delta=1e-6, rounds=1, norm_bound=1, honest_contributors=2, weighted=True
        )
    with pytest.raises(vs.InvalidArgumentError, match="delta"):
        changed(NOISE, delta=0.0)


@rule("LG8")
def test_a_ledger_counts_one_unit_of_privacy():
    of_records = Ledger.in_memory(epsilon=1.0, delta=1e-6, unit="record")
    of_contributions = Ledger.in_memory(epsilon=1.0, delta=1e-6)
    other = GaussianNoise(
        epsilon=1.0, delta=1e-6, rounds=2, norm_bound=1.0, honest_contributors=2, weighted=False
    )
    codec = other.fit(vs.Codec(8, clip=1.0, value_bits=20, max_addends=4))
    with pytest.raises(vs.InvalidArgumentError, match="unit='contribution'"):
        of_records.charge(b"1", noise=other, codec=codec)
    with pytest.raises(vs.InvalidArgumentError, match="unit='record'"):
        of_contributions.charge(b"1", noise=NOISE, codec=CODEC)
    of_records.charge(b"1", noise=NOISE, codec=CODEC)
    of_records.charge(b"2", noise=NOISE, codec=CODEC)
    assert of_records.spent.epsilon == pytest.approx(1.0)
    with pytest.raises(vs.BudgetExhaustedError):
        of_records.charge(b"3", noise=NOISE, codec=CODEC)


def test_a_ledger_keeps_its_unit_and_an_older_one_is_of_contributions(tmp_path):
    Ledger.create(tmp_path / "new", epsilon=1.0, delta=1e-6, unit="record")
    assert Ledger.open(tmp_path / "new").unit == "record"
    Ledger.create(tmp_path / "old", epsilon=1.0, delta=1e-6)
    with sqlite3.connect(tmp_path / "old") as connection:
        connection.execute("ALTER TABLE budget DROP COLUMN unit")
        connection.execute("UPDATE budget SET version = 2")
    connection.close()
    ledger = Ledger.open(tmp_path / "old")
    assert (ledger.unit, ledger.budget) == ("contribution", (1.0, 1e-6))
    with sqlite3.connect(tmp_path / "old") as connection:
        connection.execute("UPDATE budget SET unit = 'person'")
    connection.close()
    with pytest.raises(vs.LedgerError, match="damaged"):
        Ledger.open(tmp_path / "old")


def test_a_federation_agrees_on_noise_of_records():
    agreed = federation(codec=CODEC, noise=NOISE, contributors=roster("ada", "bob", "cyd", "dan"))
    again = Federation.from_bytes(agreed.to_bytes())
    assert again.noise == NOISE
    assert type(again.noise) is RecordNoise
    assert again.hash == agreed.hash


def test_training_refuses_a_federation_whose_noise_is_of_records():
    """Nothing bounds what one record does to an update: the promise would be empty."""
    weights = WeightsByCount(most=None, least=1, unit="examples")
    with pytest.raises(vs.InvalidArgumentError, match="record"):
        weights.check(CODEC, NOISE)
    with pytest.raises(TypeError, match="GaussianNoise"):
        vs.FedAvg([np.zeros(8)], [], codec=CODEC, noise=NOISE, trust="clear")
