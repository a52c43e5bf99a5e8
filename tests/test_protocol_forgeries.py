"""What an aggregator, a contributor or a holder may forge, and who refuses it.

The attacks on the sum itself are in test_protocol_attacks.py.
"""

import dataclasses

import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_attackers import (
    DELTAS,
    EVIL,
    HOLDERS,
    VICTIM,
    attacked_round,
    changed,
    ciphertexts_of,
    contribution,
    federation,
    forged_contribution,
    forged_request,
    refused_everywhere,
    resigned,
)
from protocol_parties import CODEC, MODEL, NAMES, NOISE, NOISY_CODEC, frames_of
from shared_keys import shared_key
from veilsum.secure_sum import Chunk, ChunkRequest, ContributionHeader, hash_model

OTHER_MODEL = [MODEL[0] + 1]
WEAK_NOISE = dataclasses.replace(NOISE, epsilon=400.0)


@pytest.fixture(scope="module")
def agreed():
    return federation()


# ---- an aggregator that changes the agreement ----


def test_different_models_give_no_common_sum(agreed):
    descriptor = parties.descriptor(agreed)
    other = parties.descriptor(agreed, model=OTHER_MODEL)
    assert descriptor.round_id != other.round_id
    # Told of one model and sent another, a contributor refuses ...
    with pytest.raises(vs.PolicyRefusedError, match="another model"):
        parties.contributor(agreed, "bob").contribute(
            parties.announcement(descriptor, "bob"),
            DELTAS["bob"],
            model_hash=hash_model(OTHER_MODEL),
        )
    # ... and told of the other, it contributes to what is another round.
    message = contribution(agreed, other, "bob")
    with pytest.raises(vs.ProtocolError, match="another round"):
        parties.aggregator(agreed, descriptor).receive(message)


@pytest.mark.parametrize("change", ["noise", "key", "sybil", "fewest", "codec"])
def test_contributors_and_holders_keep_to_the_pinned_federation(change):
    settings = {"noise": NOISE, "codec": NOISY_CODEC}
    changes = {
        "noise": {"noise": WEAK_NOISE, "codec": WEAK_NOISE.fit(NOISY_CODEC)},
        "key": {"key": vs.generate_key(2048).public_key, "holders": parties.roster("eve")},
        "sybil": {"contributors": parties.roster(*NAMES, "sybil")},
        "fewest": {"min_contributors": 2},
        "codec": {"codec": NOISE.fit(dataclasses.replace(NOISY_CODEC, clip=9.0))},
    }
    pinned, substituted = federation(**settings), federation(**(settings | changes[change]))
    announced = parties.descriptor(substituted)
    # Whoever believed the aggregator's federation would answer it.
    ledger = vs.privacy.Ledger.in_memory(epsilon=1000.0, delta=1e-6)
    believed = contribution(substituted, announced, VICTIM, ledger=ledger)
    assert ContributionHeader.from_bytes(frames_of(believed)[0]).contributor == VICTIM
    with pytest.raises(vs.PolicyRefusedError, match="another federation"):
        contribution(pinned, announced, "bob", ledger=ledger)
    request = forged_request(announced, [believed], (0,))
    with pytest.raises(vs.PolicyRefusedError, match="another federation"):
        parties.holder(pinned, HOLDERS[0]).open(request)


def parts_of(proof):
    return [part.to_bytes() for part in proof.parts()]


def test_an_invented_contributor_is_on_no_roster(agreed):
    descriptor = parties.descriptor(agreed, invited=(VICTIM, "bob", "sybil"))
    key = agreed.public_key
    zero, proof = key.encrypt_and_prove([0] * CODEC.num_ciphertexts(key), context=b"", chunk=2)
    forged = forged_contribution(agreed, descriptor, "sybil", zero, parts_of(proof))
    messages = [contribution(agreed, descriptor, name) for name in (VICTIM, "bob")]
    with pytest.raises(vs.ProtocolError, match="sybil"):
        parties.aggregator(agreed, descriptor)
    with pytest.raises(vs.ProtocolError, match="sybil is not on the federation's roster"):
        parties.holder(agreed, HOLDERS[0]).open(
            forged_request(descriptor, [*messages, forged], (0,))
        )


# ---- signatures, trees, ciphertexts ----


@pytest.mark.parametrize("change", ["stripped", "swapped", "renamed", "other part"])
def test_a_contribution_is_believed_by_its_signature_only(agreed, change):
    state = attacked_round(agreed)
    frames = frames_of(state.messages[VICTIM])
    other = ContributionHeader.from_bytes(frames_of(state.messages["bob"])[0])
    changes = {
        "stripped": {"signature": bytes(64)},
        "swapped": {"signature": other.signature},
        "renamed": {"contributor": "cyd"},
        "other part": {"root": other.root},
    }
    frames[0] = changed(frames[0], ContributionHeader, **changes[change])
    message = b"".join(frames)
    with pytest.raises(vs.SignatureError, match="not signed by"):
        parties.aggregator(agreed, state.descriptor).receive(message)
    honest = [state.messages[name] for name in ("bob", "dan")]
    with pytest.raises(vs.SignatureError, match="not signed by"):
        state.holder(HOLDERS[0]).open(forged_request(state.descriptor, [*honest, message], (0,)))


@pytest.mark.parametrize("change", ["signature", "holder", "set", "partial"])
def test_an_answer_is_believed_by_its_signature_and_proof_only(agreed, change):
    state = attacked_round(agreed)
    requests = state.requests()
    answers = {name: state.holder(name).open(request) for name, request in requests.items()}
    first, second, *_ = answers
    frame = frames_of(answers[first])[0]
    opening = vs.secure_sum.Opening.from_bytes(frame)
    other = vs.secure_sum.Opening.from_bytes(frames_of(answers[second])[0])
    changes = {
        "signature": {"signature": other.signature},
        "holder": {"holder": second},
        "set": {"set_hash": bytes(32)},
        "partial": {"body": other.body},
    }
    with pytest.raises((vs.SignatureError, vs.ProtocolError)):
        state.aggregator.receive_opening(dataclasses.replace(opening, **changes[change]).to_bytes())
    # A holder in league with somebody signs what its share does not give.
    body = bytearray(opening.body)
    body[-1] ^= 1
    signed = vs.secure_sum.Opening.signed(
        parties.identity(first),
        round_id=opening.round_id,
        set_hash=opening.set_hash,
        index=opening.index,
        body=bytes(body),
    )
    with pytest.raises((vs.ProofError, vs.InvalidCiphertextError)):
        state.aggregator.receive_opening(signed.to_bytes())
    assert sum(state.aggregator.refused.values()) == 2
    for answer in answers.values():
        state.aggregator.receive_opening(answer)
    expected = parties.quantised_sum(CODEC, list(DELTAS.values()))
    parties.assert_sums(state.aggregator.finish(), expected)


@pytest.mark.parametrize("change", ["swapped chunk", "other path", "shorter path", "index"])
def test_chunks_are_those_under_the_signed_root(agreed, change):
    state = attacked_round(agreed)
    frames = frames_of(forged_request(state.descriptor, state.messages.values(), (0, 1)))
    mine, later = (ChunkRequest.from_bytes(frames[i]) for i in (1, 1 + len(NAMES)))
    assert Chunk.from_bytes(later.chunk).index == 1
    changes = {
        "swapped chunk": {"chunk": later.chunk},
        "other path": {"path": (bytes(32),)},
        "shorter path": {"path": ()},
        "index": {"chunk": later.chunk, "path": later.path},
    }
    frames[1] = dataclasses.replace(mine, **changes[change]).to_bytes()
    with pytest.raises(vs.ProtocolError, match="chunk 0 that ada signed"):
        state.holder(HOLDERS[0]).open(frames)


@pytest.mark.parametrize("bad", ["zero", "not a unit", "out of range"])
def test_ciphertexts_that_are_none_are_refused(agreed, bad):
    descriptor = parties.descriptor(agreed)
    key = agreed.public_key
    size = -(-key.key_bits // 8)
    digit = {"zero": 0, "not a unit": shared_key().p, "out of range": key.n}[bad]
    chunks = []
    for frame in frames_of(contribution(agreed, descriptor, VICTIM))[1:]:
        wire = bytearray(Chunk.from_bytes(frame).body)
        wire[-2 * size : -size] = digit.to_bytes(size, "little")
        chunks.append(changed(frame, Chunk, body=bytes(wire)))
    message = resigned(descriptor, VICTIM, chunks)
    refused_everywhere(agreed, descriptor, message, vs.InvalidCiphertextError, "CT")


def test_a_contribution_with_another_codec_is_refused(agreed):
    descriptor = parties.descriptor(agreed)
    other = federation(codec=dataclasses.replace(CODEC, dim=1000))
    key = agreed.public_key
    many = other.codec.num_ciphertexts(key)
    ciphertexts, proof = key.encrypt_and_prove([0] * many, context=b"", chunk=2)
    forged = forged_contribution(other, descriptor, EVIL, ciphertexts, parts_of(proof))
    refused_everywhere(
        *(agreed, descriptor, forged, vs.ProtocolError, "another codec"),
        by_holders=vs.SignatureError,
    )


def test_slots_that_overflow_spoil_a_sum_and_tell_nothing(agreed):
    """Nothing proves a value's range: whoever contributes can spoil a round, and no more."""
    state = attacked_round(agreed, NAMES[:3])
    key = agreed.public_key
    layout = [key.n // 2 - 1] * len(ciphertexts_of(agreed, state.messages[VICTIM]))
    context = b"veilsum/contribution/1" + state.descriptor.round_id + EVIL.encode()
    huge, proof = key.encrypt_and_prove(layout, context=context, chunk=2)
    forged = forged_contribution(agreed, state.descriptor, EVIL, huge, parts_of(proof))
    state.aggregator.receive(forged)
    with pytest.raises((vs.CapacityError, vs.MalformedDataError)):
        state.finish()
