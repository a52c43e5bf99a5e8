"""Contributions that are made of somebody else's ciphertexts, under each trust.

Each first succeeds with the check of proofs switched off, and is then refused by name. The
aggregator is honest and checks what it adds; holders of shares check it again.
"""

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
from veilsum.schemes import packing
from veilsum.schemes.proof_context import proof_context
from veilsum.wire import FRAME_BYTES

# What is made of the victim's ciphertexts, and how many times it then holds its values.
MADE = {
    "copy": (lambda stolen: stolen, 1),
    "rerandomised copy": (lambda stolen: stolen.rerandomise(), 1),
    "negation": (lambda stolen: -stolen, -1),
    "rerandomised double": (lambda stolen: stolen.multiply_vartime([2]).rerandomise(), 2),
}
every_trust = pytest.mark.parametrize("trust", TRUSTS)


def federation(trust, **changes):
    toy = {"toy": (5, 4)} if trust == "threshold" else {}
    return parties.federation(trust, chunk_size=2, **toy, **changes)


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


def proofs_by_evil(agreed, announced, slots):
    """Ciphertexts of these slots, with proofs that hold, in the evil one's own name."""
    ciphertexts, proof = agreed.public_key.encrypt_and_prove(
        packing.pack(CODEC, slots, modulus=agreed.public_key.n),
        context=proof_context(announced.round_id, EVIL),
        chunk=agreed.chunk_size,
    )
    return ciphertexts, [part.to_bytes() for part in proof.parts()]


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
    stolen = ciphertexts_of(agreed, messages[0])
    make, times = MADE[made]
    related = make(stolen)
    stolen_proofs = proofs_of(messages[0])
    evil = forged_contribution(agreed, announced, EVIL, related, stolen_proofs)
    with monkeypatch.context() as patch:
        switched_off(patch)
        found = opened(agreed, announced, [*messages, evil])
    # Who knows what is left of the others, or is one of them, has the victim's values.
    expected = values_of((1 + times) * slots_of(VICTIM) + slots_of("bob"))
    assert np.array_equal(found, expected)
    is_refused(agreed, announced, messages, evil)
    # Nor with a contribution of its own mixed in, and the proofs of that; nor with no proofs.
    own, own_proofs = proofs_by_evil(agreed, announced, np.zeros(CODEC.num_slots, np.int64))
    for proofs in (own_proofs, [b""] * agreed.num_chunks):
        mixed = forged_contribution(agreed, announced, EVIL, related + own, proofs)
        is_refused(agreed, announced, messages, mixed)


@every_trust
def test_a_contribution_made_of_the_others_bares_nobody(trust, monkeypatch):
    agreed = federation(trust, min_contributors=4)
    announced = parties.descriptor(agreed)
    messages = [contribution(agreed, announced, name) for name in NAMES[:3]]
    bob, cyd = (ciphertexts_of(agreed, message) for message in messages[1:])
    # Three weights of 1 in the place of the two that are taken off, so that it looks like one.
    zero, proofs = proofs_by_evil(agreed, announced, 3 * CODEC.quantise(np.zeros(DIM))[0])
    evil = forged_contribution(agreed, announced, EVIL, zero - (bob + cyd), proofs)
    with monkeypatch.context() as patch:
        switched_off(patch)
        found = opened(agreed, announced, [*messages, evil])
    assert np.array_equal(found, values_of(slots_of(VICTIM)))
    is_refused(agreed, announced, messages, evil)


def test_a_number_out_of_its_range_is_refused_by_its_makers_name():
    agreed = federation("authority")
    announced = parties.descriptor(agreed)
    ciphertexts, proofs = proofs_by_evil(agreed, announced, slots_of(EVIL))
    begin = FRAME_BYTES + 32 + 8 + 8 + 4
    commitment = bytes(agreed.public_key.key_bits // 8)  # No unit.
    proofs[0] = proofs[0][:begin] + commitment + proofs[0][begin + len(commitment) :]
    evil = forged_contribution(agreed, announced, EVIL, ciphertexts, proofs)
    with pytest.raises(vs.ProofError, match=r"dan did not prove .* PP4"):
        parties.aggregator(agreed, announced).receive(evil)


@every_trust
def test_honest_contributions_are_summed_with_their_proofs(trust):
    """The check is the one that the others of this file switch off."""
    agreed = federation(trust)
    announced = parties.descriptor(agreed)
    messages = [contribution(agreed, announced, name) for name in NAMES[:3]]
    assert all(len(proofs_of(message)) == agreed.num_chunks for message in messages)
    expected = values_of(sum(slots_of(name) for name in NAMES[:3]))
    assert np.array_equal(opened(agreed, announced, messages), expected)
