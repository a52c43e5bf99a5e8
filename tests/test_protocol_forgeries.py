"""What an aggregator, a contributor or a holder may forge, and who refuses it.

The attacks on the sum itself are in test_protocol_attacks.py.
"""

import dataclasses

import numpy as np
import pytest
import veilsum as vs
from protocol_parties import frames_of
from protocol_world import (
    CODEC,
    DIM,
    HOLDERS,
    MODEL,
    NAMES,
    Round,
    World,
    ciphertexts_of,
    forged_contribution,
    forged_request,
    proofs_of,
    refused_everywhere,
)
from shared_keys import shared_key
from veilsum.identity import Identity
from veilsum.secure_sum import (
    Aggregator,
    Chunk,
    ChunkRequest,
    ContributionHeader,
    Federation,
    RoundDescriptor,
    hash_model,
)
from veilsum.secure_sum.merkle import leaf_hash, merkle_root

VICTIM, EVIL = "ada", "eve"


@pytest.fixture
def world():
    return World()


# ---- an aggregator that changes the agreement ----


def test_different_models_give_no_common_sum(world):
    descriptor = world.descriptor()
    other = world.descriptor(model=[MODEL[0] + 1])
    assert descriptor.round_id != other.round_id
    # Told of one model and sent another, a contributor refuses ...
    with pytest.raises(vs.PolicyRefusedError, match="another model"):
        world.contribution("bob", descriptor, model=[MODEL[0] + 1])
    # ... and told of the other, it contributes to what is another round.
    message = world.contribution("bob", other, model=[MODEL[0] + 1])
    refused_everywhere_but_proofs = Aggregator(world.federation, descriptor)
    with pytest.raises(vs.ProtocolError, match="another round"):
        refused_everywhere_but_proofs.receive(message)


NOISE = vs.privacy.GaussianNoise(
    epsilon=4.0, delta=1e-6, rounds=2, norm_bound=2.0, honest_contributors=2, weighted=False
)
WEAK_NOISE = dataclasses.replace(NOISE, epsilon=400.0)


@pytest.mark.parametrize("change", ["noise", "key", "sybil", "fewest", "codec"])
def test_contributors_and_holders_keep_to_the_pinned_federation(change):
    pinned = World(noise=NOISE, codec=NOISE.fit(CODEC))
    identities = pinned.identities
    sybil = Identity.generate("sybil")
    agreed = pinned.federation
    changes = {
        "noise": {"noise": WEAK_NOISE, "codec": WEAK_NOISE.fit(CODEC)},
        "key": {"key": vs.generate_key(2048).public_key, "holders": ()},
        "sybil": {"contributors": (*agreed.contributors, sybil.enrol())},
        "fewest": {"min_contributors": 2},
        "codec": {"codec": NOISE.fit(vs.Codec(DIM, clip=9.0, value_bits=10, max_addends=8))},
    }
    substituted = Federation(
        **{
            "key": agreed.key,
            "codec": agreed.codec,
            "contributors": agreed.contributors,
            "holders": agreed.holders,
            "noise": agreed.noise,
            "min_contributors": agreed.min_contributors,
            "chunk_size": agreed.chunk_size,
        }
        | changes[change]
    )
    announced = RoundDescriptor(
        federation_hash=substituted.hash,
        run_id=bytes(16),
        round_number=1,
        model_hash=hash_model(MODEL),
        invited=NAMES,
    )
    # Whoever believed the aggregator's federation would answer it.
    believer = World.__new__(World)
    believer.__dict__ |= pinned.__dict__ | {"federation": substituted, "sent": {}}
    ledger = vs.privacy.Ledger.in_memory(epsilon=1000.0, delta=1e-6)
    believed = believer.contribution(VICTIM, announced, ledger=ledger)
    assert ContributionHeader.from_bytes(frames_of(believed)[0]).contributor == VICTIM
    with pytest.raises(vs.PolicyRefusedError, match="another federation"):
        pinned.contribution("bob", announced, ledger=ledger)
    request = forged_request(pinned, announced, [believed], (0,))
    with pytest.raises(vs.PolicyRefusedError, match="another federation"):
        pinned.holder(HOLDERS[0]).open(request)
    assert identities[VICTIM].name == VICTIM


def test_an_invented_contributor_is_on_no_roster(world):
    sybil = Identity.generate("sybil")
    descriptor = world.descriptor(invited=(VICTIM, "bob", "sybil"))
    world.identities["sybil"] = sybil
    zero, proof = world.federation.public_key.encrypt_and_prove([0] * 3, context=b"", chunk=2)
    forged = forged_contribution(
        world, descriptor, "sybil", zero, [part.to_bytes() for part in proof.parts()]
    )
    messages = [world.contribution(name, descriptor) for name in (VICTIM, "bob")]
    with pytest.raises(vs.ProtocolError, match="sybil"):
        Aggregator(world.federation, descriptor)
    with pytest.raises(vs.ProtocolError, match="sybil was not invited"):
        world.holder(HOLDERS[0]).open(forged_request(world, descriptor, [*messages, forged], (0,)))


# ---- signatures, trees, ciphertexts ----


@pytest.mark.parametrize("change", ["stripped", "swapped", "renamed", "other part"])
def test_a_contribution_is_believed_by_its_signature_only(world, change):
    descriptor = world.descriptor()
    frames = frames_of(world.contribution(VICTIM, descriptor))
    other = ContributionHeader.from_bytes(frames_of(world.contribution("bob", descriptor))[0])
    header = ContributionHeader.from_bytes(frames[0])
    changes = {
        "stripped": {"signature": bytes(64)},
        "swapped": {"signature": other.signature},
        "renamed": {"contributor": "cyd"},
        "other part": {"root": other.root},
    }
    frames[0] = dataclasses.replace(header, **changes[change]).to_bytes()
    message = b"".join(frames)
    aggregator = Aggregator(world.federation, descriptor)
    with pytest.raises(vs.SignatureError, match="not signed by"):
        aggregator.receive(message)
    honest = [world.contribution(name, descriptor) for name in ("dan", "eve")]
    with pytest.raises(vs.SignatureError, match="not signed by"):
        world.holder(HOLDERS[0]).open(forged_request(world, descriptor, [*honest, message], (0,)))


@pytest.mark.parametrize("change", ["signature", "holder", "set", "partial"])
def test_an_answer_is_believed_by_its_signature_and_proof_only(world, change):
    state = Round(world)
    requests = state.aggregator.open_requests()
    answers = {name: world.holder(name).open(request) for name, request in requests.items()}
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
        world.identities[first],
        round_id=opening.round_id,
        set_hash=opening.set_hash,
        body=bytes(body),
    )
    with pytest.raises((vs.ProofError, vs.InvalidCiphertextError)):
        state.aggregator.receive_opening(signed.to_bytes())
    assert sum(state.aggregator.refused.values()) == 2
    for answer in answers.values():
        state.aggregator.receive_opening(answer)
    assert np.array_equal(state.aggregator.finish().sum.values, world.values(NAMES))


@pytest.mark.parametrize("change", ["swapped chunk", "other path", "shorter path", "index"])
def test_chunks_are_those_under_the_signed_root(world, change):
    state = Round(world)
    frames = frames_of(forged_request(world, state.descriptor, state.messages.values(), (0, 1)))
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
        world.holder(HOLDERS[0]).open(frames)


@pytest.mark.parametrize("bad", ["zero", "not a unit", "out of range"])
def test_ciphertexts_that_are_none_are_refused(world, bad):
    descriptor = world.descriptor()
    frames = frames_of(world.contribution(VICTIM, descriptor))
    proofs = proofs_of(b"".join(frames))
    key = world.federation.public_key
    size = -(-key.key_bits // 8)
    digit = {"zero": 0, "not a unit": shared_key().p, "out of range": key.n}[bad]
    chunks = []
    for index, frame in enumerate(frames[1:]):
        chunk = Chunk.from_bytes(frame)
        wire = bytearray(chunk.ciphertexts)
        wire[-2 * size : -size] = digit.to_bytes(size, "little")
        chunks.append(Chunk(index=index, ciphertexts=bytes(wire), proof=proofs[index]).to_bytes())
    header = ContributionHeader.signed(
        world.identities[VICTIM],
        round_id=descriptor.round_id,
        num_chunks=len(chunks),
        root=merkle_root([leaf_hash(chunk) for chunk in chunks]),
    )
    message = b"".join([header.to_bytes(), *chunks])
    refused_everywhere(world, descriptor, message, vs.InvalidCiphertextError, "CT")


def test_a_contribution_with_another_codec_is_refused(world):
    descriptor = world.descriptor()
    other = World(codec=vs.Codec(1000, clip=1.0, value_bits=10, max_addends=8))
    key = world.federation.public_key
    many = other.federation.codec.num_ciphertexts(key)
    ciphertexts, proof = key.encrypt_and_prove([0] * many, context=b"", chunk=2)
    other.identities = world.identities
    forged = forged_contribution(
        other, descriptor, EVIL, ciphertexts, [part.to_bytes() for part in proof.parts()]
    )
    refused_everywhere(world, descriptor, forged, vs.ProtocolError, "another codec")


def test_lanes_that_overflow_spoil_a_sum_and_tell_nothing(world):
    """Nothing proves a value's range: whoever contributes can spoil a round, and no more."""
    descriptor = world.descriptor()
    messages = {name: world.contribution(name, descriptor) for name in NAMES[:4]}
    key = world.federation.public_key
    layout = [key.n // 2 - 1] * len(ciphertexts_of(world, messages[VICTIM]))
    context = b"veilsum/contribution/1" + descriptor.round_id + EVIL.encode()
    huge, proof = key.encrypt_and_prove(layout, context=context, chunk=2)
    forged = forged_contribution(
        world, descriptor, EVIL, huge, [part.to_bytes() for part in proof.parts()]
    )
    aggregator = Aggregator(world.federation, descriptor)
    for message in (*messages.values(), forged):
        aggregator.receive(message)
    for name, request in aggregator.open_requests().items():
        aggregator.receive_opening(world.holder(name).open(request))
    with pytest.raises((vs.CapacityError, vs.MalformedDataError)):
        aggregator.finish()
