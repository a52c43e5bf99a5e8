"""Attacks that succeed today, each as docs/protocol.md says it does.

When a later version of the protocol closes one, its test is turned round and its row goes.
"""

import dataclasses
import re
from pathlib import Path

import mask_attackers as masks
import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from known_keys import known_key
from protocol_attackers import (
    bodies_of,
    forged_contribution,
    key_scheme,
    opened_by_honest_parties,
)
from protocol_parties import CODEC, DIM, MODEL, NAMES, NOISE, NOISY_CODEC, frames_of
from veilsum.schemes.proof_context import proof_context
from veilsum.secure_sum import (
    ChunkRequest,
    OpenRequest,
    RoundLedger,
    RunChain,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "protocol.md"
TESTED = {}

DELTAS = {name: np.linspace(-1, 1, DIM) * (i + 1) / 4 for i, name in enumerate(NAMES)}
VICTIM, EVIL = "ada", "dan"


def known_attack(name):
    """Says which row of the page a test is for."""

    def note(function):
        assert name not in TESTED
        TESTED[name] = function.__name__
        return function

    return note


def threshold_federation(**changes):
    return parties.federation("threshold", **({"toy": (5, 4), "chunk_size": 2} | changes))


def slots_of(name, codec=CODEC):
    """What only this contributor may know."""
    return codec.quantise(DELTAS[name])[0]


# ---- where one party has the whole key ----


def read_by(agreed, announced, message):
    """The slots of a contribution, to whoever has the key and sees all of it."""
    secret = masks.secret_in(agreed, known_key(2048).secret, masks.key_of(agreed, message))
    return masks.read_with(agreed, announced, masks.blocks_of(agreed, message), secret)


@known_attack("KA1")
def test_who_has_the_key_reads_what_it_sees_and_proves_what_it_makes_of_it():
    """In ``contributors``; the aggregator is honest, and checks proofs that hold."""
    agreed = parties.federation("contributors", min_contributors=4)
    announced = parties.descriptor(agreed)
    messages = {
        name: parties.contribute(agreed, announced, name, DELTAS[name]) for name in NAMES[:3]
    }
    ada, bob, cyd = (read_by(agreed, announced, messages[name]) for name in NAMES[:3])
    assert np.array_equal(ada, slots_of(VICTIM))
    # Three weights of 1 in the place of the two that are taken off, so that it looks like one.
    own = 3 * CODEC.quantise(np.zeros(DIM))[0] - bob - cyd
    messages[EVIL] = masks.protected(agreed, announced, EVIL, own)
    result = opened_by_honest_parties(agreed, announced, messages.values())
    assert result.contributors == NAMES
    assert result.sum.num_addends == result.sum.weight == 4
    assert np.array_equal(
        result.sum.values, CODEC.dequantise(slots_of(VICTIM), num_addends=1).values
    )


def opened_alone(state, name):
    """The key of one mask, as whoever has the whole key and is given it to add can open it."""
    (request,) = state.asked().values()
    head, *frames = frames_of(request)
    names = [header.contributor for header in OpenRequest.from_bytes(head).headers]
    given = map(ChunkRequest.from_bytes, frames)
    chunks = [each.chunk for each in given if names[each.contribution] == name]
    key = masks.key_of(state.federation, b"".join([head, *chunks]))
    return masks.secret_in(state.federation, known_key(2048).secret, key)


def opened_with_body(state, name):
    """The slots of one contribution, to who has the whole key and is shown the body as well."""
    agreed, secret = state.federation, opened_alone(state, name)
    blocks = masks.blocks_of(agreed, state.messages[name])
    return masks.read_with(agreed, state.descriptor, blocks, secret)


def test_a_share_of_noise_is_all_that_is_left_on_it():
    """A part of KA2: noise that counts on three has a third of its variance."""
    noise = dataclasses.replace(NOISE, honest_contributors=3)
    codec = noise.fit(dataclasses.replace(NOISY_CODEC, norm=None, norm_bound=None))
    agreed = parties.federation(codec=codec, noise=noise, honest_contributors=3)
    state = parties.Round(agreed, names=())
    for name in NAMES[:3]:
        ledger = vs.privacy.Ledger.in_memory(epsilon=noise.epsilon, delta=noise.delta)
        state.messages[name] = state.contribution(name, DELTAS[name], ledger=ledger)
        state.aggregator.receive(state.messages[name])
    found = np.std((opened_with_body(state, VICTIM) - slots_of(VICTIM, codec))[:DIM])
    share = noise.sigma(codec)
    assert 0.75 * share < found < 1.35 * share < 3**0.5 * share
    cost = noise.round_cost(codec, honest_contributors=1)
    assert noise.epsilon_of(2 * cost) > 1.7 * noise.epsilon


@known_attack("KA2")
def test_who_has_the_whole_key_and_the_bodies_reads_each_contribution():
    """An aggregator in league shows them: whoever opens is given keys of masks alone."""
    state = parties.Round(deltas={name: DELTAS[name] for name in NAMES[:3]})
    assert np.array_equal(opened_with_body(state, VICTIM), slots_of(VICTIM))
    (request,) = state.asked().values()
    bodies = [
        body for message in state.messages.values() for body in bodies_of(state.federation, message)
    ]
    assert len(bodies) == 3
    assert not any(body in request for body in bodies)


# ---- rounds that are announced and not opened ----


@known_attack("KA4")
def test_rounds_that_nobody_means_to_open_spend_the_budget():
    agreed = threshold_federation(codec=NOISY_CODEC, noise=NOISE)
    ledger = vs.privacy.Ledger.in_memory(epsilon=NOISE.epsilon, delta=NOISE.delta)
    ada = parties.contributor(agreed, "ada", ledger=ledger)
    for number in (1, 2):
        bogus = parties.descriptor(agreed, round_number=number)
        message = parties.announcement(bogus, "ada")
        ada.contribute(message, np.zeros(DIM), model_hash=bogus.model_hash)
    meant = parties.descriptor(agreed, round_number=3)
    with pytest.raises(vs.BudgetExhaustedError):
        ada.before_training(parties.announcement(meant, "ada"), model_hash=meant.model_hash)


# ---- what a transcript says ----


@known_attack("KA7")
def test_no_transcript_ties_the_next_model_to_the_sum():
    state = parties.Round(threshold_federation())
    result = state.finish()
    chain = RunChain([result.link])
    unrelated = [np.full(3, 1e6, np.float32)]
    announced = parties.descriptor(
        state.federation, round_number=2, model=unrelated, after=chain.end
    )
    message = parties.announcement(announced, "ada", chain=chain)
    ada = parties.contributor(state.federation, "ada")
    assert ada.contribute(message, np.zeros(DIM), model_hash=announced.model_hash)


def test_another_sum_than_was_opened_is_told_from_the_links_commitment():
    """What was left of KA7: the link commits to the slots."""
    state = parties.Round(threshold_federation())
    result = state.finish()
    opened = 3 * CODEC.quantise(np.full(DIM, 0.5))[0]
    assert result.link.commits_to(opened, result.salt)
    told = opened.copy()
    told[0] += 1
    assert not result.link.commits_to(told, result.salt)


# ---- spoiling and subtracting ----


@known_attack("KA8")
def test_a_proved_plaintext_out_of_range_voids_a_round_and_nobody_is_named():
    agreed = threshold_federation(codec=NOISY_CODEC, noise=NOISE)
    announced = parties.descriptor(agreed)
    ledgers = {
        name: vs.privacy.Ledger.in_memory(epsilon=NOISE.epsilon, delta=NOISE.delta)
        for name in NAMES[:2]
    }
    messages = [
        parties.contribute(agreed, announced, name, 0.0, ledger=ledgers[name]) for name in NAMES[:2]
    ]
    huge = [agreed.public_key.n // 2 - 5] * key_scheme(agreed).chunks.num_units
    ciphertexts, proof = agreed.public_key.encrypt_and_prove(
        huge, context=proof_context(announced.round_id, EVIL), chunk=agreed.chunk_size
    )
    proofs = [part.to_bytes() for part in proof.parts()]
    messages.append(forged_contribution(agreed, announced, EVIL, ciphertexts, proofs))
    with pytest.raises(vs.CapacityError) as spoiled:
        opened_by_honest_parties(agreed, announced, messages)
    assert EVIL not in str(spoiled.value)
    assert [ledger.spent.num_contributions for ledger in ledgers.values()] == [1, 1]


@known_attack("KA9")
def test_two_rounds_of_nearly_one_model_bare_who_was_in_one_of_them():
    """Of the very same model holders open one set; one that differs by a bit is another."""
    agreed = threshold_federation()
    rounds = {
        name: RoundLedger.in_memory() for name in (*NAMES, *parties.holder_names("threshold"))
    }
    sums, chain = [], RunChain()
    for number, names in ((1, NAMES[:3]), (2, NAMES[1:3])):
        model = [MODEL[0] if number == 1 else np.nextafter(MODEL[0], np.float32(9))]
        announced = parties.descriptor(agreed, round_number=number, after=chain.end, model=model)
        aggregator = parties.aggregator(agreed, announced, chain=chain)
        for name in names:
            options = {"rounds": rounds[name]}
            aggregator.receive(
                parties.contributor(agreed, name, **options).contribute(
                    parties.announcement(announced, name, chain=chain),
                    DELTAS[name],
                    model_hash=announced.model_hash,
                )
            )
        while requests := aggregator.open_requests():
            for name, request in requests.items():
                answer = parties.holder(agreed, name, rounds[name]).open(b"".join(request))
                aggregator.receive_opening(answer)
        result = aggregator.finish()
        chain.add(result.link)
        sums.append(result.sum.values)
    exact = CODEC.dequantise(slots_of(VICTIM), num_addends=1).values
    assert np.allclose(sums[0] - sums[1], exact, atol=1e-12)


# ---- values of masked sums ----


@known_attack("KA10")
@pytest.mark.parametrize("trust", parties.TRUSTS)
@pytest.mark.parametrize("who", ["contributor", "aggregator"])
def test_a_body_moves_the_sum_by_any_amount_and_nobody_is_named(trust, who, monkeypatch):
    agreed = masks.federation(trust)
    announced = parties.descriptor(agreed)
    messages = [masks.contribution(agreed, announced, name) for name in NAMES[:3]]
    slots = sum(masks.slots_of(name) for name in NAMES[:3])
    by = int(slots.max()) // 3
    *key, body = masks.chunks_of(messages[2])
    moved = masks.shifted(agreed, masks.blocks_of(agreed, messages[2]), slot=9, by=by)
    chunks = [*key, dataclasses.replace(body, body=moved.to_bytes())]
    if who == "contributor":
        messages[2] = masks.signed(announced, NAMES[2], chunks)
        receiver = masks.opened_round(agreed, announced, messages)
    else:
        receiver = parties.aggregator(agreed, announced)
        for message in messages:
            receiver.receive(message)
        # It adds what nobody has signed, and hands out what was.
        receiver._sum = agreed.bodies.running_sum()
        for parts in (*map(masks.chunks_of, messages[:2]), chunks):
            receiver._sum.add(masks.read(agreed, parts))
        masks.open_all(agreed, receiver)
    result = receiver.finish()
    slots[9] += by
    assert np.array_equal(result.sum.values, CODEC.dequantise(slots, num_addends=3).values)
    told = receiver.transcript()
    told.verify(agreed)
    assert told.outcome == "complete"
    assert result.link.commits_to(slots, result.salt)


# ---- the page ----


def test_the_page_has_every_known_attack_and_its_test():
    rows = re.findall(r"^\| (KA\d+) \|.*\| `(test_\w+)` \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == TESTED
    assert [name for name, _ in rows] == sorted(TESTED, key=lambda name: int(name[2:]))
