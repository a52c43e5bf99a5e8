"""Uneven clients: whoever is away, the model is that of plain federated averaging."""

import logging

import fedavg_clients as fl
import numpy as np
import pytest
import veilsum as vs

DIM = 400
STEP = np.random.default_rng(0).normal(size=DIM) * 0.01


class Site:
    """Moves the model by a step of its own; may be down."""

    def __init__(self, num_samples, seed, is_up=True):
        self.num_samples = num_samples
        self._step = STEP * (1 + 0.3 * np.random.default_rng(seed).normal(size=DIM))
        self._is_up = is_up

    def train(self, model, epochs):
        if not self._is_up:
            raise ConnectionError("site is down")
        return [model[0] + self._step]


def sites(counts, down=None):
    return [Site(count, seed, seed != down) for seed, count in enumerate(counts)]


def one_round(counts, down, **changes):
    settings = {"fraction": 1.0, "trust": "clear", "min_contributors": 2} | changes
    loop = vs.FedAvg([np.zeros(DIM)], sites(counts, down), **settings)
    return loop, loop.run(1)[0]


def codec():
    return vs.Codec(DIM, clip=0.1, value_bits=16, max_addends=6)


@pytest.mark.parametrize("trust", ["clear", "authority"])
@pytest.mark.parametrize("ratio", [1, 10, 100, 1000, 16_667])
def test_a_model_is_that_of_plain_averaging_whoever_is_away(trust, ratio):
    counts = [60 * ratio, 60, 61, 75, 90, 60 * ratio // 2 + 60]
    key = None if trust == "clear" else fl.key()
    for down in (None, *range(len(counts))):
        plain, _ = one_round(counts, down)
        summed, record = one_round(counts, down, trust=trust, key=key, codec=codec())
        error = np.abs(summed.model[0] - plain.model[0])
        assert np.linalg.norm(error) <= 1e-3 * np.linalg.norm(plain.model[0])
        assert error.max() <= record.mean_error_bound
        assert record.mean_error_bound <= 2 * 0.1 / 32767


def test_only_the_clients_with_the_fewest_samples_may_be_there():
    """As after a round in which the largest was not chosen."""
    plain, _ = one_round([1_000_000, 60, 60], 0)
    summed, _ = one_round([1_000_000, 60, 60], 0, codec=codec())
    assert np.allclose(summed.model[0], plain.model[0], rtol=0, atol=0.1 / 32767)


def test_the_bits_of_weights_follow_the_spread_and_a_cap_saves_them():
    for counts, cap, bits in [
        ([60] * 6, None, 0),
        ([60, 61, 70, 80, 90, 119], None, 1),
        ([60_000, 60, 60, 60, 60, 60], None, 10),
        ([60_000, 60, 60, 60, 60, 60], 600, 4),
        ([60_000, 60, 60, 60, 60, 60], 60, 0),
        ([60_000, 0, 60, 60, 60, 60], None, 10),
    ]:
        loop = vs.FedAvg(
            [np.zeros(DIM)], sites(counts), codec=codec(), trust="clear", max_samples=cap
        )
        assert loop.codec.weight_bits == bits
    given = vs.Codec(DIM, clip=0.1, value_bits=16, max_addends=6, weight_bits=12)
    loop = vs.FedAvg([np.zeros(DIM)], sites([60, 90]), codec=given, trust="clear", fraction=1.0)
    assert loop.codec.weight_bits == 12
    loop = vs.FedAvg(
        [np.zeros(DIM)], sites([60, 6000]), codec=codec(), trust="clear", weighting="uniform"
    )
    assert loop.codec.weight_bits == 0


def test_a_spread_that_no_codec_carries_is_refused_before_anybody_trains():
    with pytest.raises(vs.InvalidArgumentError, match=r"weight_bits=40.*max_samples"):
        vs.FedAvg([np.zeros(DIM)], sites([10**12, 1]), codec=codec(), trust="clear", fraction=1.0)


# ---- clipping ----


def test_what_was_clipped_is_in_the_log_and_with_consent_in_the_record(caplog):
    small = vs.Codec(DIM, clip=0.001, value_bits=16, max_addends=6)
    for trust, key in (("clear", None), ("authority", fl.key())):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="veilsum"):
            _, record = one_round([60] * 3, None, trust=trust, key=key, codec=small)
        assert record.clipped is None
        lines = [line for line in caplog.messages if "larger than the clip" in line]
        assert len(lines) == 3
        assert "the change of client-0" in lines[0]
        assert "too small?" in lines[0]
        _, record = one_round(
            [60] * 3, None, trust=trust, key=key, codec=small, report_clipping=True
        )
        assert set(record.clipped) == {"client-0", "client-1", "client-2"}
        assert all(part > 0.8 for part in record.clipped.values())


def test_a_change_that_fits_is_not_mentioned(caplog):
    with caplog.at_level(logging.DEBUG, logger="veilsum.secure_sum"):
        one_round([60] * 3, None, codec=codec())
    assert caplog.messages == []


def test_a_long_change_says_how_much_it_was_shrunk(caplog):
    bounded = vs.Codec(DIM, clip=0.1, value_bits=16, max_addends=6, norm="l2", norm_bound=0.02)
    with caplog.at_level(logging.INFO, logger="veilsum"):
        one_round([60] * 3, None, codec=bounded)
    line = next(line for line in caplog.messages if "l2 norm was" in line)
    assert "norm bound 0.02" in line
