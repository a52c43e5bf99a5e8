"""Attacks on the secure sum.

Each is first seen to succeed where the defence is switched off: against holders that decrypt what
they are given, as ``KeyShare.decrypt`` alone does. Then it meets the protocol.
"""

import dataclasses
import math
from fractions import Fraction

import mask_attackers as masks
import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_attackers import (
    DELTAS,
    EVIL,
    HOLDERS,
    VICTIM,
    addressed,
    asked_anew,
    attacked_round,
    changed,
    ciphertexts_of,
    contribution,
    federation,
    forged_contribution,
    forged_request,
    opened_keys,
    proofs_of,
    refused_everywhere,
)
from protocol_parties import CODEC, MODEL, NAMES, frames_of
from shared_keys import shared_key
from validation_rules import rule
from veilsum import hazmat
from veilsum.schemes import packing
from veilsum.secure_sum import Chunk, ChunkRequest, OpenRequest, RoundDescriptor, RoundLedger


@pytest.fixture(scope="module")
def agreed():
    return federation()


# ---- the defence switched off ----


def gullible_open(agreed, total):
    """Four holders who decrypt what they are given: the slots of it."""
    combination = vs.threshold.Combination(agreed.key, total, context=b"")
    for share in shared_key().shares[:4]:
        combination.add(share.decrypt(total, context=b""))
    return packing.unpack(CODEC, combination.open_plaintexts(), modulus=agreed.public_key.n)


def slots_of(name):
    """What only this contributor may know."""
    return CODEC.quantise(DELTAS[name])[0]


# ---- opening less than a sum ----


def test_a_lone_ciphertext_is_not_opened_as_a_sum(agreed):
    state = attacked_round(agreed)
    stolen = ciphertexts_of(agreed, state.messages[VICTIM])
    assert np.array_equal(gullible_open(agreed, stolen), slots_of(VICTIM))
    chunks = tuple(range(agreed.num_opened))
    lone = forged_request(state.descriptor, [state.messages[VICTIM]], chunks)
    with pytest.raises(vs.PolicyRefusedError, match="fewer than 3"):
        state.holder(HOLDERS[0]).open(lone)
    # Named with others, but with the victim's ciphertexts only: the others did not sign those.
    zero = agreed.public_key.encrypt([0])
    fake = Chunk(index=0, body=zero.to_bytes(), proof=b"").to_bytes()
    for i, name in enumerate(NAMES[1:], start=1):
        frames = frames_of(forged_request(state.descriptor, state.messages.values(), chunks))
        frames[1 + i] = changed(frames[1 + i], ChunkRequest, chunk=fake)
        with pytest.raises(vs.ProtocolError, match=f"chunk 0 that {name} signed"):
            state.holder(HOLDERS[i]).open(addressed(b"".join(frames), HOLDERS[i]))


def test_a_cancelling_contribution_needs_a_proof_it_cannot_have(agreed):
    state = attacked_round(agreed, NAMES[:3])
    victim, bob, cyd = (ciphertexts_of(agreed, state.messages[name]) for name in NAMES[:3])
    cancelling = -(bob + cyd)
    assert np.array_equal(gullible_open(agreed, victim + bob + cyd + cancelling), slots_of(VICTIM))
    for name in ("bob", VICTIM):
        proofs = proofs_of(state.messages[name])
        forged = forged_contribution(agreed, state.descriptor, EVIL, cancelling, proofs)
        refused_everywhere(agreed, state.descriptor, forged, vs.ProofError, "dan did not prove")


@pytest.mark.parametrize("change", ["copy", "double", "shifted slots", "rerandomised"])
def test_a_contribution_cannot_be_made_of_another(agreed, change):
    """A multiple of the victim's update, in slots where nothing else is, would tell it."""
    descriptor = parties.descriptor(agreed)
    message = contribution(agreed, descriptor, VICTIM)
    stolen = ciphertexts_of(agreed, message)
    scalar = {"double": 2, "shifted slots": 1 << CODEC.slot_bits}.get(change)
    made = stolen.rerandomise() if scalar is None else stolen.multiply_vartime([scalar])
    if change == "copy":
        made = stolen
    elif change == "double":
        assert np.array_equal(gullible_open(agreed, made), 2 * slots_of(VICTIM))
    forged = forged_contribution(agreed, descriptor, EVIL, made, proofs_of(message))
    refused_everywhere(agreed, descriptor, forged, vs.ProofError, "dan did not prove")


def test_a_contribution_to_an_earlier_round_is_not_summed_again(agreed):
    old = contribution(agreed, parties.descriptor(agreed), VICTIM)
    descriptor = parties.descriptor(agreed, round_number=2)
    refused_everywhere(
        *(agreed, descriptor, old, vs.ProtocolError, "another round"),
        by_holders=vs.SignatureError,
    )
    # Signed anew by a contributor in league, its proofs are still those of the old round.
    stolen = ciphertexts_of(agreed, old)
    forged = forged_contribution(agreed, descriptor, EVIL, stolen, proofs_of(old))
    refused_everywhere(agreed, descriptor, forged, vs.ProofError, "dan did not prove")


# ---- opening more than one sum ----


def test_a_second_overlapping_set_finds_too_few_holders(agreed):
    state = attacked_round(agreed)
    chunks, messages = tuple(range(agreed.num_opened)), list(state.messages.values())
    with_victim = forged_request(state.descriptor, messages, chunks)
    without = forged_request(state.descriptor, messages[1:], chunks)
    # Two of five holders collude and answer everything; three are honest, one set each.
    colluding, honest = HOLDERS[:2], HOLDERS[2:]
    answered = {"with": set(colluding), "without": set(colluding)}
    for name, (request, which) in zip(
        honest,
        [(with_victim, "with"), (with_victim, "with"), (without, "without")],
        strict=True,
    ):
        state.holder(name).open(addressed(request, name))
        answered[which].add(name)
        other = without if which == "with" else with_victim
        with pytest.raises(vs.PolicyRefusedError, match="one answer"):
            state.holder(name).open(addressed(other, name))
    threshold = agreed.key.threshold
    assert len(answered["with"]) >= threshold > len(answered["without"])


def test_with_a_lower_threshold_both_sets_would_be_opened():
    """The same attack with 3 of 5 and two colluding holders, which deal_shares refuses."""
    shared = shared_key()
    with pytest.raises(vs.InvalidArgumentError, match="SH"):
        vs.threshold.deal_shares(shared.secret, num_holders=5, threshold=3, max_colluding_holders=2)
    key, shares = hazmat.deal_shares(shared.secret, 5, 3)
    a, b, c = (key.public_key.encrypt([value]) for value in (7, 20, 300))

    def opened(total, holders):
        partials = [shares[holder - 1].decrypt(total, context=b"") for holder in holders]
        return hazmat.combine(key, total, partials)[0]

    assert opened(a + b + c, (1, 2, 3)) - opened(b + c, (1, 2, 4)) == 7


def test_three_answers_for_three_sets_tell_a_weighted_sum():
    """What holders would give away who compute for the first set that they are asked for.

    Holders 2 and 3 collude. The honest 5, 1 and 4 are asked for disjoint sets and for their union.
    """
    key, shares = shared_key().key, shared_key().shares
    n = key.public_key.n
    first, second = (
        key.public_key.encrypt([values[0]]) + key.public_key.encrypt([values[1]])
        for values in ((7, 4), (200, 105))
    )

    def answer(holder, total):
        partial = shares[holder - 1].decrypt(total, context=b"")
        return int.from_bytes(partial.to_bytes()[-(n.bit_length() // 8) :], "little")

    def at_zero(holders):
        pairs = {i: [j for j in holders if j != i] for i in holders}
        return {i: math.prod(Fraction(j, j - i) for j in pairs[i]) for i in holders}

    # The exponent of each set becomes `weight` times what opens it.
    with_first, with_second = at_zero([5, 4, 2, 3]), at_zero([1, 4, 2, 3])
    weights = (with_second[4] * 3, with_first[4] * 3)
    exponents = [(4, first + second, weights[0] * with_first[4])]
    for total, weight, lagrange, honest in (
        (first, weights[0], with_first, 5),
        (second, weights[1], with_second, 1),
    ):
        exponents += [(i, total, weight * lagrange[i]) for i in (honest, 2, 3)]
    root = math.prod(pow(answer(i, total), int(120 * x), n) for i, total, x in exponents) % n
    opened = pow(root, n, n * n)
    for total, weight in zip((first, second), weights, strict=True):
        opened = opened * pow(total.to_ints()[0], int(2 * 120 * 120 * weight), n * n) % (n * n)
    assert opened % n == 1
    told = opened // n * pow(2 * 120 * 120, -1, n) % n
    ratio = weights[1] / weights[0]
    assert abs(ratio) == 15
    assert told == int(weights[0] * 11 + weights[1] * 305) % n


def opened_by(name, agreed, announced, messages, rounds=None):
    """What an opener answers who is asked for the sum of these alone: of keys of masks."""
    chunks = tuple(range(agreed.num_opened))
    request = forged_request(announced, messages, chunks, holder=name)
    return opened_keys(agreed, parties.holder(agreed, name, rounds).open(request))


@rule("KH16")
def test_two_openers_are_not_given_two_sets_of_a_round(monkeypatch):
    """Where every contributor has the key, each of them keeps a record of its own."""
    agreed = parties.federation("contributors")
    announced = parties.descriptor(agreed, opener="bob")
    ledgers = {name: RoundLedger.in_memory() for name in NAMES[:3]}
    messages = [contribution(agreed, announced, name, rounds=ledgers[name]) for name in NAMES[:3]]
    with monkeypatch.context() as defence:
        defence.setattr(RoundDescriptor, "may_open", lambda announced, name: True)
        all_three = opened_by("bob", agreed, announced, messages)
        without_victim = opened_by("cyd", agreed, announced, messages[1:])
        # Whoever sees the victim's body has its slots with that.
        blocks = masks.blocks_of(agreed, messages[0])
        read = masks.read_with(agreed, announced, blocks, all_three - without_victim)
        assert np.array_equal(read, slots_of(VICTIM))
    rounds = RoundLedger.in_memory()
    assert np.array_equal(opened_by("bob", agreed, announced, messages, rounds), all_three)
    with pytest.raises(vs.PolicyRefusedError, match="names bob to open it, and nobody else"):
        opened_by("cyd", agreed, announced, messages[1:])
    with pytest.raises(vs.PolicyRefusedError, match="one answer"):
        opened_by("bob", agreed, announced, messages[1:], rounds)
    # Nor does it help to announce the round again with another opener.
    again = parties.announced_anew(announced, opener="cyd")
    for name in NAMES[:3]:
        with pytest.raises(vs.PolicyRefusedError, match="already contributed to round 1"):
            contribution(agreed, again, name, rounds=ledgers[name])
    head, *rest = frames_of(forged_request(announced, messages, (0,), holder="cyd"))
    stale = asked_anew(parties.with_set(OpenRequest.from_bytes(head), descriptor=again))
    with pytest.raises(vs.SignatureError, match="not signed by ada"):
        parties.holder(agreed, "cyd").open([stale.to_bytes(), *rest])


@pytest.mark.parametrize("change", ["invited", "model", "set"])
def test_a_round_is_opened_once_whatever_is_changed(agreed, change):
    state = attacked_round(agreed)
    state.open()
    announced = {
        "invited": parties.descriptor(agreed, invited=NAMES[:3]),
        "model": parties.descriptor(agreed, model=[MODEL[0] + 1]),
        "set": state.descriptor,
    }[change]
    # Even contributors that answer again gain nothing.
    again = [contribution(agreed, announced, name) for name in NAMES[:3]]
    request = forged_request(announced, again, (0,))
    for name in HOLDERS[:4]:
        with pytest.raises(vs.PolicyRefusedError, match="round 1 was answered"):
            state.holder(name).open(addressed(request, name))


def test_another_run_needs_another_key_or_a_higher_serial_number(agreed):
    rounds = RoundLedger.in_memory()
    contribution(agreed, parties.descriptor(agreed), VICTIM, rounds=rounds)
    other = dataclasses.replace(agreed, run_id=b"r" * 16)
    with pytest.raises(vs.PolicyRefusedError, match="another federation with the serial number 1"):
        contribution(other, parties.descriptor(other, round_number=2), VICTIM, rounds=rounds)


def test_a_contributor_whose_ledger_was_rolled_back_gains_the_aggregator_nothing(agreed):
    """It answers a round twice; still only one of the sets is opened."""
    state = attacked_round(agreed, NAMES[:3])
    first = list(state.messages.values())
    second = [contribution(agreed, state.descriptor, VICTIM), *first[1:]]
    state.holder(HOLDERS[0]).open(forged_request(state.descriptor, first, (0,)))
    with pytest.raises(vs.PolicyRefusedError, match="one answer"):
        state.holder(HOLDERS[0]).open(forged_request(state.descriptor, second, (0,)))
