"""Attacks on the secure sum.

Each is first seen to succeed where the defence is switched off: against holders that decrypt what
they are given, as ``KeyShare.decrypt`` alone does. Then it meets the protocol.
"""

import numpy as np
import pytest
import veilsum as vs
from protocol_parties import frames_of
from protocol_world import (
    CODEC,
    HOLDERS,
    MODEL,
    NAMES,
    Round,
    World,
    changed,
    ciphertexts_of,
    forged_contribution,
    forged_request,
    proofs_of,
    refused_everywhere,
)
from shared_keys import shared_key
from veilsum import hazmat
from veilsum.secure_sum import (
    Chunk,
    ChunkRequest,
)

VICTIM, EVIL = "ada", "eve"


@pytest.fixture
def world():
    return World()


# ---- the defence switched off ----


def gullible_open(world, total):
    """Four holders who decrypt what they are given: the lanes of it."""
    shares = world.shares[:4]
    partials = [share.decrypt(total, context=b"") for share in shares]
    combination = vs.threshold.Combination(world.federation.key, total, context=b"")
    for partial in partials:
        combination.add(partial)
    return CODEC.unpack_lanes(combination.open_plaintexts(), modulus=world.federation.public_key.n)


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

    def opened(total, holders):
        partials = [shares[holder - 1].decrypt(total, context=b"") for holder in holders]
        return hazmat.combine(key, total, partials)[0]

    assert opened(a + b + c, (1, 2, 3)) - opened(b + c, (1, 2, 4)) == 7


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
