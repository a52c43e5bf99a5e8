"""Contributions that are made of somebody else's ciphertexts, under each trust.

Each first succeeds with the check of proofs switched off, and is then refused by name. The
aggregator is honest and checks what it adds; holders of shares check it again.
"""

import mask_attackers as masks
import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_attackers import (
    DELTAS,
    EVIL,
    VICTIM,
    ciphertexts_of,
    contribution,
    forged_contribution,
    forged_request,
    opened_by_honest_parties,
    proofs_of,
)
from protocol_parties import CODEC, DIM, NAMES, TRUSTS
from validation_rules import rule
from veilsum.paillier.proofs import PlaintextProof
from veilsum.wire import FRAME_BYTES

# What is made of the victim's ciphertexts, and how many times it then holds its values.
MADE = {
    "copy": 1,
    "rerandomised copy": 1,
    "negation": -1,
    "rerandomised double": 2,
}
every_trust = pytest.mark.parametrize("trust", TRUSTS)


def federation(trust, **changes):
    toy = {"toy": (5, 4)} if trust == "threshold" else {}
    chunk_size = 2 if trust == "threshold" else 8
    return parties.federation(trust, chunk_size=chunk_size, **toy, **changes)


def slots_of(name):
    """What only this contributor may know."""
    return CODEC.quantise(DELTAS[name])[0]


def opened(agreed, announced, messages):
    """The values of the sum, when everybody else follows the protocol."""
    return opened_by_honest_parties(agreed, announced, messages).sum.values


def values_of(slots):
    return CODEC.dequantise(slots, num_addends=1).values


def switched_off(monkeypatch):
    return monkeypatch.setattr(PlaintextProof, "verify", lambda *_, **__: None)


def combined(agreed, announced, parts, proofs, *, rerandomised=False):
    """What the evil one makes of ``(times, message)`` each, with whatever proofs it has."""
    terms = [ciphertexts_of(agreed, m).multiply_vartime([times]) for times, m in parts]
    related = sum(terms[1:], start=terms[0])
    related = related.rerandomise() if rerandomised else related
    bodies = []
    if agreed.num_chunks > agreed.num_opened:
        blocks, body = masks.combined(agreed, parts), agreed.bodies.body
        units = map(body.units, range(len(body)))
        bodies = [blocks.part(each.start, len(each)).to_bytes() for each in units]
    return forged_contribution(agreed, announced, EVIL, related, proofs, bodies)


def is_refused(agreed, announced, messages, evil):
    """By the aggregator; and by whoever opens, if the aggregator is in league."""
    aggregator = parties.aggregator(agreed, announced)
    for message in messages:
        aggregator.receive(message)
    with pytest.raises(vs.ProofError, match="dan did not prove that it knows what its chunk 0"):
        aggregator.receive(evil)
    assert EVIL not in aggregator.contributors
    assert aggregator.refused == {"ProofError": 1}
    name = parties.opener_of(agreed)
    request = forged_request(announced, [*messages, evil], (0,), holder=name)
    with pytest.raises(vs.ProofError, match="dan did not prove"):
        parties.holder(agreed, name).open(request)


@rule("CN10")
@every_trust
@pytest.mark.parametrize("made", MADE)
def test_a_contribution_made_of_another_is_refused(trust, made, monkeypatch):
    agreed = federation(trust)
    announced = parties.descriptor(agreed)
    messages = [contribution(agreed, announced, name) for name in (VICTIM, "bob")]
    stolen, times = messages[0], MADE[made]
    options = {"rerandomised": made.startswith("rerandomised")}
    proofs = proofs_of(stolen)
    evil = combined(agreed, announced, [(times, stolen)], proofs, **options)
    with monkeypatch.context() as patch:
        switched_off(patch)
        found = opened(agreed, announced, [*messages, evil])
    # Who knows what is left of the others, or is one of them, has the victim's values.
    expected = values_of((1 + times) * slots_of(VICTIM) + slots_of("bob"))
    assert np.array_equal(found, expected)
    is_refused(agreed, announced, messages, evil)
    # Nor with a contribution of its own mixed in, and the proofs of that; nor with no proofs.
    own = masks.protected(agreed, announced, EVIL, np.zeros(CODEC.num_slots, np.int64))
    for proofs in (proofs_of(own), [b""] * agreed.num_opened):
        mixed = combined(agreed, announced, [(times, stolen), (1, own)], proofs, **options)
        is_refused(agreed, announced, messages, mixed)


@every_trust
def test_a_contribution_made_of_the_others_bares_nobody(trust, monkeypatch):
    agreed = federation(trust, min_contributors=4)
    announced = parties.descriptor(agreed)
    messages = [contribution(agreed, announced, name) for name in NAMES[:3]]
    # Three weights of 1 in the place of the two that are taken off, so that it looks like one.
    zero = 3 * CODEC.quantise(np.zeros(DIM))[0]
    own = masks.protected(agreed, announced, EVIL, zero)
    parts = [(1, own), (-1, messages[1]), (-1, messages[2])]
    evil = combined(agreed, announced, parts, proofs_of(own))
    with monkeypatch.context() as patch:
        switched_off(patch)
        found = opened(agreed, announced, [*messages, evil])
    assert np.array_equal(found, values_of(slots_of(VICTIM)))
    is_refused(agreed, announced, messages, evil)


def test_a_number_out_of_its_range_is_refused_by_its_makers_name():
    agreed = federation("authority")
    announced = parties.descriptor(agreed)
    own = contribution(agreed, announced, EVIL)
    proofs = proofs_of(own)
    begin = FRAME_BYTES + 32 + 8 + 8 + 4
    commitment = bytes(agreed.public_key.key_bits // 8)  # No unit.
    proofs[0] = proofs[0][:begin] + commitment + proofs[0][begin + len(commitment) :]
    evil = combined(agreed, announced, [(1, own)], proofs)
    with pytest.raises(vs.ProofError, match=r"dan did not prove .* PP4"):
        parties.aggregator(agreed, announced).receive(evil)


@every_trust
def test_honest_contributions_are_summed_with_their_proofs(trust):
    """The check is the one that the others of this file switch off."""
    agreed = federation(trust)
    announced = parties.descriptor(agreed)
    messages = [contribution(agreed, announced, name) for name in NAMES[:3]]
    assert all(len(proofs_of(message)) == agreed.num_opened for message in messages)
    expected = values_of(sum(slots_of(name) for name in NAMES[:3]))
    assert np.array_equal(opened(agreed, announced, messages), expected)
