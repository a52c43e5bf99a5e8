"""Attacks on the secure sum.

Each is first seen to succeed where the defence is switched off: against holders that decrypt what
they are given, as ``KeyShare.decrypt`` alone does. Then it meets the protocol.
"""

import dataclasses

import numpy as np
import pytest
import veilsum as vs
from protocol_world import CODEC, DIM, HOLDERS, MODEL, NAMES, Round, World, changed, frames_of
from shared_keys import shared_key
from veilsum import hazmat
from veilsum.identity import Identity
from veilsum.secure_sum import (
    Aggregator,
    Chunk,
    ChunkRequest,
    ContributionHeader,
    Federation,
    OpenRequest,
    RoundDescriptor,
    RoundLedger,
    hash_model,
)
from veilsum.secure_sum.merkle import leaf_hash, merkle_path, merkle_root

VICTIM, EVIL = "ada", "eve"


@pytest.fixture
def world():
    return World()


# ---- the defence switched off ----


def ciphertexts_of(world, message):
    """The ciphertexts in a contribution: anybody can read them."""
    chunks = [Chunk.from_bytes(frame) for frame in frames_of(message)[1:]]
    key = world.federation.public_key
    return vs.Ciphertexts.concatenate(
        [vs.Ciphertexts.from_bytes(chunk.ciphertexts, key) for chunk in chunks]
    )


def gullible_open(world, total):
    """Four holders who decrypt what they are given: the lanes of it."""
    shares = world.shares[:4]
    partials = [share.decrypt(total, context=b"") for share in shares]
    combination = vs.threshold.Combination(world.federation.key, total, context=b"")
    for partial in partials:
        combination.add(partial)
    return CODEC.unpack_lanes(combination.open_plaintexts(), modulus=world.federation.public_key.n)


# ---- what an attacker can make ----


def forged_contribution(world, descriptor, name, ciphertexts, proofs):
    """A contribution of these ciphertexts and proofs, properly signed by ``name``."""
    federation = world.federation
    chunks = []
    for index in range(federation.num_chunks):
        places = federation.chunk_range(index)
        part = ciphertexts[places.start : places.stop]
        chunk = Chunk(index=index, ciphertexts=part.to_bytes(), proof=proofs[index])
        chunks.append(chunk.to_bytes())
    header = ContributionHeader.signed(
        world.identities[name],
        round_id=descriptor.round_id,
        num_chunks=len(chunks),
        root=merkle_root([leaf_hash(chunk) for chunk in chunks]),
    )
    return b"".join([header.to_bytes(), *chunks])


def proofs_of(message):
    return [Chunk.from_bytes(frame).proof for frame in frames_of(message)[1:]]


def forged_request(world, descriptor, messages, chunks):
    """What a cheating aggregator asks: these contributions, these chunks."""
    contributions = {
        ContributionHeader.from_bytes(frames_of(m)[0]).contributor: frames_of(m) for m in messages
    }
    headers = tuple(
        ContributionHeader.from_bytes(contributions[name][0]) for name in sorted(contributions)
    )
    request = OpenRequest(descriptor=descriptor, headers=headers, chunks=chunks)
    frames = [request.to_bytes()]
    for index in chunks:
        for position, name in enumerate(sorted(contributions)):
            leaves = [leaf_hash(frame) for frame in contributions[name][1:]]
            frames.append(
                ChunkRequest(
                    contribution=position,
                    path=tuple(merkle_path(leaves, index)),
                    chunk=contributions[name][1 + index],
                ).to_bytes()
            )
    return b"".join(frames)


def refused_everywhere(world, descriptor, message, error, match):
    """The aggregator refuses it, and where the aggregator is in league every holder does."""
    aggregator = Aggregator(world.federation, descriptor)
    with pytest.raises(error, match=match):
        aggregator.receive(message)
    assert aggregator.contributors == ()
    assert sum(aggregator.refused.values()) == 1
    honest = [world.contribution(name, descriptor) for name in NAMES[1:3]]
    chunks = tuple(range(world.federation.num_chunks))
    request = forged_request(world, descriptor, [*honest, message], chunks)
    with pytest.raises(error, match=match):
        world.holder(HOLDERS[0], rounds=RoundLedger.in_memory()).open(request)


# ---- opening less than a sum ----


def test_a_lone_ciphertext_is_not_opened_as_a_sum(world):
    state = Round(world)
    stolen = ciphertexts_of(world, state.messages[VICTIM])
    assert np.array_equal(gullible_open(world, stolen), world.lanes([VICTIM]))
    chunks = tuple(range(world.federation.num_chunks))
    lone = forged_request(world, state.descriptor, [state.messages[VICTIM]], chunks)
    with pytest.raises(vs.PolicyRefusedError, match="fewer than 3"):
        world.holder(HOLDERS[0]).open(lone)
    # Named with others, but with the victim's ciphertexts only: the others did not sign those.
    frames = frames_of(forged_request(world, state.descriptor, state.messages.values(), chunks))
    for i, name in enumerate(NAMES[1:], start=1):
        zero = world.federation.public_key.encrypt([0])
        fake = Chunk(index=0, ciphertexts=zero.to_bytes(), proof=b"").to_bytes()
        frames[1 + i] = changed(frames[1 + i], ChunkRequest, chunk=fake)
        with pytest.raises(vs.ProtocolError, match=f"chunk 0 that {name} signed"):
            world.holder(HOLDERS[i]).open(frames)
        break


def test_a_cancelling_contribution_needs_a_proof_it_cannot_have(world):
    descriptor = world.descriptor()
    messages = {name: world.contribution(name, descriptor) for name in NAMES[:4]}
    others = [ciphertexts_of(world, messages[name]) for name in NAMES[1:4]]
    cancelling = -(others[0] + others[1] + others[2])
    total = sum([ciphertexts_of(world, messages[VICTIM]), *others, cancelling])
    assert np.array_equal(gullible_open(world, total), world.lanes([VICTIM]))
    for proofs in (proofs_of(messages["bob"]), proofs_of(messages[VICTIM])):
        forged = forged_contribution(world, descriptor, EVIL, cancelling, proofs)
        refused_everywhere(world, descriptor, forged, vs.ProofError, "eve did not prove")


@pytest.mark.parametrize("change", ["copy", "double", "shifted lanes", "rerandomised"])
def test_a_contribution_cannot_be_made_of_another(world, change):
    """A multiple of the victim's update, in lanes where nothing else is, would tell it."""
    descriptor = world.descriptor()
    message = world.contribution(VICTIM, descriptor)
    stolen = ciphertexts_of(world, message)
    scalar = {"double": 2, "shifted lanes": 1 << CODEC.lane_bits}.get(change)
    made = stolen.rerandomise() if scalar is None else stolen.multiply_vartime([scalar])
    if change == "copy":
        made = stolen
    elif change == "double":
        assert np.array_equal(gullible_open(world, made), 2 * world.lanes([VICTIM]))
    forged = forged_contribution(world, descriptor, EVIL, made, proofs_of(message))
    refused_everywhere(world, descriptor, forged, vs.ProofError, "eve did not prove")


def test_a_contribution_to_an_earlier_round_is_not_summed_again(world):
    old = world.contribution(VICTIM, world.descriptor())
    descriptor = world.descriptor(round_number=2)
    refused_everywhere(world, descriptor, old, vs.ProtocolError, "another round")
    # Signed anew by a contributor in league, its proofs are still those of the old round.
    stolen = ciphertexts_of(world, old)
    forged = forged_contribution(world, descriptor, EVIL, stolen, proofs_of(old))
    refused_everywhere(world, descriptor, forged, vs.ProofError, "eve did not prove")


# ---- opening more than one sum ----


def overlapping_sets(world):
    """Two sets of one round that differ by the victim."""
    state = Round(world)
    chunks = tuple(range(world.federation.num_chunks))
    messages = list(state.messages.values())
    return (
        forged_request(world, state.descriptor, messages, chunks),
        forged_request(world, state.descriptor, messages[1:], chunks),
    )


def test_a_second_overlapping_set_finds_too_few_holders(world):
    with_victim, without = overlapping_sets(world)
    # Two of five holders collude and answer everything; three are honest, one set each.
    colluding, honest = HOLDERS[:2], HOLDERS[2:]
    answered = {"with": set(colluding), "without": set(colluding)}
    for name, (request, which) in zip(
        honest,
        [(with_victim, "with"), (with_victim, "with"), (without, "without")],
        strict=True,
    ):
        world.holder(name).open(request)
        answered[which].add(name)
        other = without if which == "with" else with_victim
        with pytest.raises(vs.PolicyRefusedError, match="one answer"):
            world.holder(name).open(other)
    threshold = world.federation.key.threshold
    assert len(answered["with"]) >= threshold > len(answered["without"])


def test_with_a_lower_threshold_both_sets_would_be_opened():
    """The same attack with 3 of 5 and two colluding holders, which deal_shares refuses."""
    shared = shared_key()
    with pytest.raises(vs.InvalidArgumentError, match="SH"):
        vs.threshold.deal_shares(shared.secret, num_holders=5, threshold=3, max_colluding_holders=2)
    key, shares = hazmat.deal_shares(shared.secret, 5, 3)
    a, b, c = (key.public_key.encrypt([value]) for value in (7, 20, 300))
    first = [share.decrypt(a + b + c, context=b"") for share in (shares[0], shares[1], shares[2])]
    second = [share.decrypt(b + c, context=b"") for share in (shares[0], shares[1], shares[3])]
    assert hazmat.combine(key, first)[0] - hazmat.combine(key, second)[0] == 7


@pytest.mark.parametrize("change", ["invited", "model", "set"])
def test_a_round_is_opened_once_whatever_is_changed(world, change):
    state = Round(world)
    state.open()
    announced = {
        "invited": world.descriptor(invited=NAMES[:4]),
        "model": world.descriptor(model=[MODEL[0] + 1]),
        "set": state.descriptor,
    }[change]
    for name in NAMES:  # Even contributors that answer again gain nothing.
        world.forget(name)
    model = [MODEL[0] + 1] if change == "model" else MODEL
    again = [world.contribution(name, announced, model=model) for name in NAMES[:3]]
    request = forged_request(world, announced, again, (0,))
    for name in HOLDERS[:4]:
        with pytest.raises(vs.PolicyRefusedError, match="round 1 was answered"):
            world.holder(name).open(request)


def test_another_run_needs_another_key(world):
    Round(world).open()
    with pytest.raises(vs.PolicyRefusedError, match="another run"):
        world.contribution(VICTIM, world.descriptor(run_id=b"r" * 16, round_number=2))


def test_a_contributor_whose_ledger_was_rolled_back_gains_the_aggregator_nothing(world):
    """It answers a round twice; still only one of the sets is opened."""
    state = Round(world)
    first = [state.messages[name] for name in NAMES[:3]]
    world.forget(VICTIM)
    second = [world.contribution(VICTIM, state.descriptor), *first[1:]]
    world.holder(HOLDERS[0]).open(forged_request(world, state.descriptor, first, (0,)))
    with pytest.raises(vs.PolicyRefusedError, match="one answer"):
        world.holder(HOLDERS[0]).open(forged_request(world, state.descriptor, second, (0,)))


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
    with pytest.raises(vs.ProtocolError, match="sybil, who is not invited"):
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
