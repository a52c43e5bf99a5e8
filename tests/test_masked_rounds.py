"""Whole rounds of masked contributions are exact, restart, and give the same bytes again."""

import itertools

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from mask_attackers import expected, federation, mask_of, opened_round, protected
from protocol_parties import NAMES, TRUSTS, Round
from veilsum.secure_sum import FolderStore, Outbox, RoundLedger, Transcript

every_trust = pytest.mark.parametrize("trust", TRUSTS)
BITS = 16
ADDENDS = 4


def codec_of(dim, *, value_bits=BITS, max_addends=ADDENDS):
    return vs.Codec(dim, clip=1.0, value_bits=value_bits, max_addends=max_addends)


def slots_a_block(num_slots):
    """How many slots the shape for so many has in a block; None if it has another one there."""
    shape = vs._core.MaskShape.choose(num_slots, codec_of(num_slots - 1).max_slot, ADDENDS)
    return shape.num_digits * shape.dim


def sent_slots(codec, count, random):
    """Both extremes everywhere, and random ones; all within what a contributor may send."""
    most = codec.quantise(np.ones(codec.dim))[0]
    extremes = [most, np.concatenate([-most[:-1], most[-1:]])]
    extremes += [
        codec.quantise(random.uniform(-1, 1, codec.dim), weight=float(random.integers(2)))[0]
        for _ in range(count)
    ]
    return extremes[:count]


def round_is_exact(agreed, slots):
    """Of all these, whoever may open."""
    announced = parties.descriptor(agreed)
    names = [party.name for party in agreed.contributors][: len(slots)]
    messages = [
        protected(agreed, announced, name, each) for name, each in zip(names, slots, strict=True)
    ]
    receiver = opened_round(agreed, announced, messages)
    result = receiver.finish()
    wanted = expected(agreed.codec, np.sum(slots, axis=0), len(slots))
    assert np.array_equal(result.sum.values, wanted.values)
    assert (result.sum.weight, result.sum.num_addends) == (wanted.weight, len(slots))
    assert result.link.commits_to(np.sum(slots, axis=0), result.salt)
    Transcript.from_bytes(result.transcript).verify(agreed)


@every_trust
@pytest.mark.parametrize("count", range(2, ADDENDS + 1))
def test_sums_of_any_number_of_contributors_are_those_of_integers(trust, count, rng):
    codec = codec_of(500)
    agreed = federation(trust, codec=codec)
    round_is_exact(agreed, sent_slots(codec, count, np.random.default_rng(rng.getrandbits(64))))


# One slot more is the sum of weights. A row of a block has eight coefficients.
BORDERS = [1, 6, 7, 8, 31, 32]
BORDERS += [k * slots_a_block(20_000) + d - 1 for k, d in itertools.product((1, 2), (-1, 0, 1))]


@every_trust
@pytest.mark.parametrize("dim", BORDERS)
def test_sums_are_exact_around_the_borders_of_rows_blocks_and_chunks(trust, dim, rng):
    codec = codec_of(dim)
    agreed = federation(trust, codec=codec)
    shape = mask_of(agreed).shape
    assert agreed.num_chunks - agreed.num_opened == shape.num_blocks
    round_is_exact(agreed, sent_slots(codec, 2, np.random.default_rng(rng.getrandbits(64))))


@every_trust
@pytest.mark.parametrize("value_bits", [2, 24, 40])
def test_sums_of_narrow_and_wide_values_are_exact(trust, value_bits, rng):
    codec = codec_of(300, value_bits=value_bits)
    agreed = federation(trust, codec=codec)
    round_is_exact(agreed, sent_slots(codec, 3, np.random.default_rng(rng.getrandbits(64))))


def test_a_sum_of_as_many_as_there_is_room_for_is_exact(rng):
    count = 40
    names = [f"party-{i:02d}" for i in range(count)]
    codec = codec_of(100, max_addends=count)
    agreed = federation("authority", codec=codec, contributors=parties.roster(*names))
    announced = parties.descriptor(agreed, invited=tuple(names))
    slots = sent_slots(codec, count, np.random.default_rng(rng.getrandbits(64)))
    slots = [slots[i % 2] for i in range(count // 2)] + slots[count // 2 :]
    messages = [
        protected(agreed, announced, name, each) for name, each in zip(names, slots, strict=True)
    ]
    result = opened_round(agreed, announced, messages).finish()
    wanted = expected(codec, np.sum(slots, axis=0), count)
    assert np.array_equal(result.sum.values, wanted.values)
    assert result.sum.weight == wanted.weight


# ---- restarts ----


@every_trust
def test_a_round_goes_on_wherever_its_aggregator_is_killed(trust, tmp_path):
    """Another one on the same store, between any two messages."""
    agreed = federation(trust, codec=codec_of(200))
    state = Round(agreed, names=(), store=FolderStore(tmp_path / "store"), keep=True)
    for name in NAMES[:3]:
        state.aggregator.receive(state.contribution(name))
        state.restart()
        assert name in state.aggregator.contributors
    while requests := state.asked():
        name, request = next(iter(requests.items()))
        state.aggregator.receive_opening(state.holder(name).open(request))
        num_missing = state.aggregator.num_missing_chunks
        state.restart()
        assert state.aggregator.num_missing_chunks == num_missing
    result = state.finish()
    parties.assert_sums(result, parties.quantised_sum(agreed.codec, [0.5] * 3))
    told = Transcript.from_bytes(result.transcript)
    state.restart()
    assert Transcript.from_bytes(state.aggregator.finish().transcript).link == told.link


@every_trust
def test_a_masked_contribution_is_handed_out_again_byte_for_byte(trust, tmp_path):
    agreed = federation(trust, codec=codec_of(200))
    announced = parties.descriptor(agreed)
    rounds, outbox = RoundLedger.in_memory(), Outbox(tmp_path / "outbox")
    options = {"rounds": rounds, "outbox": outbox}
    first = parties.contribute(agreed, announced, "ada", 0.5, **options)
    assert parties.contribute(agreed, announced, "ada", -0.25, **options) == first
    lost = parties.contribute(agreed, announced, "ada", 0.5)
    assert lost != first  # With another mask, and so with other bytes throughout.
    slots = [agreed.codec.quantise(np.full(200, x))[0] for x in (0.5, 0.25)]
    bob = parties.contribute(agreed, announced, "bob", 0.25)
    result = opened_round(agreed, announced, [first, bob]).finish()
    assert np.array_equal(result.sum.values, expected(agreed.codec, sum(slots), 2).values)
