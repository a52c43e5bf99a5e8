"""Attacks that succeed today, each as docs/protocol.md says it does.

When a later version of the protocol closes one, its test is turned round and its row goes.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from known_keys import known_key
from protocol_attackers import ciphertexts_of, forged_contribution
from protocol_parties import CODEC, DIM, NAMES, NOISE, NOISY_CODEC, frames_of
from veilsum.schemes import packing
from veilsum.secure_sum import (
    Aggregator,
    Federation,
    Identity,
    Opening,
    OpenRequest,
    RoundLedger,
    Transcript,
)
from veilsum.secure_sum.contribution import proof_context

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


def opened_by_honest_parties(agreed, announced, messages):
    """The sum, when an aggregator and holders who follow the protocol are sent these."""
    aggregator = Aggregator(agreed, announced)
    for message in messages:
        aggregator.receive(message)
    for name, request in aggregator.open_requests().items():
        if aggregator.num_missing_chunks > 0:
            answer = parties.holder(agreed, name).open(b"".join(request))
            aggregator.receive_opening(answer)
    return aggregator.finish()


# ---- where one party has the whole key ----


def read_by(agreed, message):
    """The integers in a contribution, to whoever has the key and sees it."""
    return known_key(2048).secret.decrypt(ciphertexts_of(agreed, message))


@known_attack("KA1")
def test_who_has_the_key_reads_what_it_sees_and_proves_what_it_makes_of_it():
    """In ``contributors``; the aggregator is honest, and checks proofs that hold."""
    agreed = parties.federation("contributors", min_contributors=4)
    announced = parties.descriptor(agreed)
    messages = {
        name: parties.contribute(agreed, announced, name, DELTAS[name]) for name in NAMES[:3]
    }
    ada, bob, cyd = (read_by(agreed, messages[name]) for name in NAMES[:3])
    layout = packing.pack(CODEC, slots_of(VICTIM), modulus=agreed.public_key.n)
    assert ada == known_key(2048).secret.decrypt(agreed.public_key.encrypt(layout))
    # Three weights of 1 in the place of the two that are taken off, so that it looks like one.
    zero = packing.pack(CODEC, CODEC.quantise(np.zeros(DIM))[0], modulus=agreed.public_key.n)
    own = known_key(2048).secret.decrypt(agreed.public_key.encrypt(zero))
    ciphertexts, proof = agreed.public_key.encrypt_and_prove(
        [3 * x - y - z for x, y, z in zip(own, bob, cyd, strict=True)],
        context=proof_context(announced.round_id, EVIL),
        chunk=agreed.chunk_size,
    )
    proofs = [part.to_bytes() for part in proof.parts()]
    messages[EVIL] = forged_contribution(agreed, announced, EVIL, ciphertexts, proofs)
    result = opened_by_honest_parties(agreed, announced, messages.values())
    assert result.contributors == NAMES
    assert result.sum.num_addends == result.sum.weight == 4
    assert np.array_equal(
        result.sum.values, CODEC.dequantise(slots_of(VICTIM), num_addends=1).values
    )


def opened_alone(state, name):
    """The slots of one contribution, which a deviating aggregator passes off as the total."""
    (opener, request), *_ = state.requests().items()
    asked = OpenRequest.from_bytes(frames_of(request)[0])
    lone = vs.EncryptedVector(
        ciphertexts_of(state.federation, state.messages[name]),
        state.federation.codec,
        num_addends=len(asked.headers),
    )
    answer = Opening.from_bytes(state.holder(opener).open([asked.to_bytes(), lone.to_bytes()]))
    return np.frombuffer(answer.body, "<i8")


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
    found = np.std((opened_alone(state, VICTIM) - slots_of(VICTIM, codec))[:DIM])
    share = noise.sigma(codec)
    assert 0.75 * share < found < 1.35 * share < 3**0.5 * share
    cost = noise.round_cost(codec, honest_contributors=1)
    assert noise.epsilon_of(2 * cost) > 1.7 * noise.epsilon


@known_attack("KA2")
def test_who_has_the_whole_key_opens_one_contribution_passed_off_as_the_total():
    state = parties.Round(deltas={name: DELTAS[name] for name in NAMES[:3]})
    assert np.array_equal(opened_alone(state, VICTIM), slots_of(VICTIM))


# ---- announcements are not signed ----


@known_attack("KA3")
def test_a_stranger_that_reaches_the_parties_opens_a_sum():
    public = parties.federation("threshold", chunk_size=2).to_bytes()
    agreed = Federation.from_bytes(public)  # All that it has.
    announced = parties.descriptor(agreed, run_id=b"a stranger's run")
    messages = [parties.contribute(agreed, announced, n, DELTAS[n]) for n in NAMES[:2]]
    found = opened_by_honest_parties(agreed, announced, messages).sum
    expected = parties.quantised_sum(CODEC, [DELTAS[name] for name in NAMES[:2]])
    assert np.array_equal(found.values, expected.values)


@known_attack("KA4")
def test_rounds_that_nobody_means_to_open_spend_the_budget():
    agreed = threshold_federation(codec=NOISY_CODEC, noise=NOISE)
    ledger = vs.privacy.Ledger.in_memory(epsilon=NOISE.epsilon, delta=NOISE.delta)
    ada = parties.contributor(agreed, "ada", ledger=ledger)
    for number in (1, 2):
        bogus = parties.descriptor(agreed, round_number=number)
        ada.contribute(bogus.to_bytes(), np.zeros(DIM), model_hash=bogus.model_hash)
    meant = parties.descriptor(agreed, round_number=3)
    with pytest.raises(vs.BudgetExhaustedError):
        ada.before_training(meant.to_bytes(), model_hash=meant.model_hash)


@known_attack("KA5")
@pytest.mark.parametrize("change", [{"round_number": 2**63 - 1}, {"run_id": b"a stranger's run"}])
def test_one_announcement_ends_a_run(change):
    agreed = threshold_federation()
    rounds = RoundLedger.in_memory()
    ada = parties.contributor(agreed, "ada", rounds=rounds)
    bogus = parties.descriptor(agreed, **change)
    ada.contribute(bogus.to_bytes(), np.zeros(DIM), model_hash=bogus.model_hash)
    meant = parties.descriptor(agreed, round_number=2)
    with pytest.raises(vs.PolicyRefusedError):
        ada.contribute(meant.to_bytes(), np.zeros(DIM), model_hash=meant.model_hash)


# ---- what a transcript says ----


@known_attack("KA6")
def test_a_transcript_of_one_opened_chunk_verifies():
    state = parties.Round(threshold_federation())
    assert state.federation.num_chunks > 2
    head, *parts = frames_of(state.requests()["holder-1"])
    first = OpenRequest.from_bytes(head)
    one_chunk = dataclasses.replace(first, chunks=first.chunks[:1])
    request = [one_chunk.to_bytes(), *parts[: len(first.headers)]]
    answers = [state.holder(f"holder-{i}").open(request) for i in (1, 2, 3, 4)]
    receipts = [Opening.from_bytes(answer).receipt() for answer in answers]
    Transcript.of(first.descriptor, first.headers, receipts).verify(state.federation)


@known_attack("KA7")
def test_no_transcript_tells_the_sum_or_ties_the_next_model_to_it():
    state = parties.Round(threshold_federation())
    result = state.finish()
    told = dataclasses.replace(result.sum, values=np.zeros(DIM))
    wrong = dataclasses.replace(result, sum=told)
    assert wrong.transcript == result.transcript
    Transcript.from_bytes(wrong.transcript).verify(state.federation)
    unrelated = [np.full(3, 1e6, np.float32)]
    announced = parties.descriptor(state.federation, round_number=2, model=unrelated)
    assert parties.contribute(state.federation, announced, "ada")


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
    huge = [agreed.public_key.n // 2 - 5] * agreed.bodies.chunks.num_units
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
def test_two_rounds_of_one_model_bare_who_was_in_one_of_them():
    agreed = threshold_federation()
    rounds = {
        name: RoundLedger.in_memory() for name in (*NAMES, *parties.holder_names("threshold"))
    }
    sums = []
    for number, names in ((1, NAMES[:3]), (2, NAMES[1:3])):
        announced = parties.descriptor(agreed, round_number=number)
        aggregator = Aggregator(agreed, announced)
        for name in names:
            options = {"rounds": rounds[name]}
            aggregator.receive(parties.contribute(agreed, announced, name, DELTAS[name], **options))
        for name, request in aggregator.open_requests().items():
            answer = parties.holder(agreed, name, rounds[name]).open(b"".join(request))
            aggregator.receive_opening(answer)
        sums.append(aggregator.finish().sum.values)
    exact = CODEC.dequantise(slots_of(VICTIM), num_addends=1).values
    assert np.allclose(sums[0] - sums[1], exact, atol=1e-12)


# ---- agreements ----


@known_attack("KA10")
def test_whatever_a_dealer_has_ever_signed_is_accepted():
    dealer = Identity.generate("dealer")
    old = parties.federation("threshold", min_contributors=2).signed_by(dealer)
    parties.federation("threshold", min_contributors=4).signed_by(dealer)  # What replaced it.
    assert Federation.from_signed(old, dealer=dealer.enrol()).fewest == 2


# ---- the page ----


def test_the_page_has_every_known_attack_and_its_test():
    rows = re.findall(r"^\| (KA\d+) \|.*\| `(test_\w+)` \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == TESTED
    assert [name for name, _ in rows] == [f"KA{i + 1}" for i in range(len(rows))]
