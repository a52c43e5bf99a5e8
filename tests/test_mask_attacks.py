"""Attacks on masked contributions, under each trust.

Each first succeeds where its defence is switched off, and is then refused by name. A garbled body
cannot be told from a good one before the sum is opened: then the round is void, by name.
"""

import dataclasses
from unittest import mock

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from known_keys import known_key
from mask_attackers import (
    BLOCKS_HEAD,
    GARBLED,
    LONG,
    added,
    blocks_of,
    body_chunks,
    changed_residues,
    chunks_of,
    coefficients_of,
    contribution,
    expected,
    federation,
    is_void,
    key_chunks,
    key_of,
    made,
    mask_of,
    open_all,
    opened_round,
    packed,
    primes_of,
    protected,
    request_for,
    secret_in,
    shifted,
    signed,
    slots_of,
    unpacked,
    void_round,
)
from protocol_attackers import EVIL, VICTIM, proofs_of
from protocol_parties import CODEC, TRUSTS, frames_of
from validation_rules import rule
from veilsum import _core, hazmat
from veilsum.paillier.proofs import PlaintextProof
from veilsum.schemes.masking import Masking
from veilsum.secure_sum import (
    KeyHolder,
    Lock,
    RoundLedger,
    RunName,
    checks,
    intake,
    key_holder,
)

every_trust = pytest.mark.parametrize("trust", TRUSTS)


@pytest.fixture
def honest(trust):
    """An agreement, a round, and the contributions of the victim and another one."""
    agreed = federation(trust)
    announced = parties.descriptor(agreed)
    return agreed, announced, [contribution(agreed, announced, n) for n in (VICTIM, "bob")]


def refused_by_aggregator(agreed, announced, messages, evil, error, match):
    """Nothing of it is added: the sum of the others is what it was."""
    receiver = parties.aggregator(agreed, announced)
    for message in messages:
        receiver.receive(message)
    with pytest.raises(error, match=match):
        receiver.receive(evil)
    assert EVIL not in receiver.contributors
    assert sum(receiver.refused.values()) == 1
    return receiver


def without_proofs(monkeypatch):
    """Nobody looks at them."""
    monkeypatch.setattr(PlaintextProof, "verify", lambda *_, **__: None)


def refused_by_all(agreed, announced, messages, evil):
    """For its proof, by the aggregator, and by whoever opens if the aggregator is in league."""
    why = f"{EVIL} did not prove that it knows what its chunk 0"
    refused_by_aggregator(agreed, announced, messages, evil, vs.ProofError, why)
    request = request_for(agreed, announced, [*messages, evil], (0,))
    opener = parties.holder(agreed, parties.opener_of(agreed))
    with pytest.raises(vs.ProofError, match=why):
        opener.open(request)


# ---- made of another's key and body ----

# What is made of the victim's key and body: of the ciphertexts, of the blocks, and how many times
# it then holds the victim's slots.
MADE = {
    "copy": (lambda key: key, lambda agreed, body: body, 1),
    "rerandomised": (lambda key: key.rerandomise(), lambda agreed, body: body, 1),
    "double": (
        lambda key: key.multiply_vartime([2]).rerandomise(),
        lambda agreed, body: added(agreed, [[body], [body]]),
        2,
    ),
    "negation": (
        lambda key: -key,
        lambda agreed, body: changed_residues(agreed, body, lambda x, q, i: -x),
        -1,
    ),
}


@every_trust
@pytest.mark.parametrize("how", [*MADE, "shifted by a known amount"])
def test_no_key_is_made_of_anothers(honest, how, monkeypatch):
    """Related keys open related bodies: the negation takes the victim off, and bares bob alone."""
    agreed, announced, messages = honest
    key, body = key_of(agreed, messages[0]), blocks_of(agreed, messages[0])
    if how in MADE:
        of_key, of_body, times = MADE[how]
        key, body, own = of_key(key), of_body(agreed, body), np.zeros(CODEC.num_slots, np.int64)
    else:
        own, times = slots_of(EVIL), 1
        known = protected(agreed, announced, EVIL, own)
        key, body = key + key_of(agreed, known), added(agreed, [[body], [blocks_of(agreed, known)]])
    proofs = proofs_of(messages[0])
    evil = made(agreed, announced, EVIL, key=key, proofs=proofs, body=body)
    with monkeypatch.context() as patch:
        without_proofs(patch)
        result = opened_round(agreed, announced, [*messages, evil]).finish()
    slots = (1 + times) * slots_of(VICTIM) + slots_of("bob") + own
    assert np.array_equal(result.sum.values, expected(CODEC, slots, 3).values)
    refused_by_all(agreed, announced, messages, evil)


@rule("MB5")
@every_trust
def test_anothers_body_under_an_own_key_voids_the_round(honest):
    agreed, announced, messages = honest
    own = protected(agreed, announced, EVIL, slots_of(EVIL))
    body = body_chunks(agreed, messages[0])
    evil = signed(announced, EVIL, [*key_chunks(agreed, own), *body])
    void_round(agreed, announced, [*messages, evil], GARBLED)
    # Without the alarm something is read, and nothing of it is right.
    secrets = [_secret_of(agreed, message) for message in (*messages, own)]
    blocks = added(agreed, [[blocks_of(agreed, message)] for message in (*messages, evil)])
    try:
        slots, largest = mask_of(agreed).open(blocks, sum(secrets), announced.round_id)
    except vs.CapacityError:
        return  # The core refuses it before the alarm does.
    assert largest > mask_of(agreed).shape.max_error(3)
    assert np.mean(slots == slots_of(VICTIM)) < 0.5


def _secret_of(agreed, message):
    """What only those learn who have the whole key, or shares enough of it."""
    return secret_in(agreed, _whole_key(agreed), key_of(agreed, message))


def _whole_key(agreed):
    if agreed.trust == "threshold":
        return hazmat.secret_key(*parties.TOY_PRIMES)
    return known_key(2048).secret


# ---- swapped on the way ----


def swapped(message, chunks):
    """Other chunks behind the header that was signed."""
    return b"".join([frames_of(message)[0], *(chunk.to_bytes() for chunk in chunks)])


@every_trust
def test_a_body_is_the_one_that_was_signed(honest, monkeypatch):
    """Whoever is between a contributor and the aggregator moves a value, without any key."""
    agreed, announced, messages = honest
    *key, body = chunks_of(messages[0])
    moved = shifted(agreed, blocks_of(agreed, messages[0]), slot=3, by=5)
    message = swapped(messages[0], [*key, dataclasses.replace(body, body=moved.to_bytes())])
    with monkeypatch.context() as patch:
        patch.setattr(intake, "merkle_root", lambda leaves: mock.ANY)
        with pytest.raises(vs.ProtocolError, match=f"not chunk 0 that {VICTIM} signed"):
            opened_round(agreed, announced, [message, messages[1]])
        patch.setattr(checks, "path_leads_to", lambda *_: True)
        result = opened_round(agreed, announced, [message, messages[1]]).finish()
    slots = slots_of(VICTIM) + slots_of("bob")
    slots[3] += 5
    assert np.array_equal(result.sum.values, expected(CODEC, slots, 2).values)
    refused_by_aggregator(
        agreed, announced, [], message, vs.ProtocolError, f"not the chunks that {VICTIM} signed"
    )


@every_trust
def test_a_chunk_is_of_the_kind_that_its_place_has(honest):
    agreed, announced, messages = honest
    *key, body = chunks_of(contribution(agreed, announced, EVIL))
    for chunks, why in (
        ([body, *key[1:], body], "expected ciphertexts, got masked blocks"),
        ([*key, key[0]], "a proof with masked blocks"),
        ([*key, dataclasses.replace(key[0], proof=b"")], "expected masked blocks, got ciphertexts"),
    ):
        evil = signed(announced, EVIL, chunks)
        refused_by_aggregator(agreed, announced, messages, evil, vs.MalformedDataError, why)
    evil = signed(announced, EVIL, [body, *key[1:], body])
    request = request_for(agreed, announced, [*messages, evil], (0,))
    opener = parties.holder(agreed, parties.opener_of(agreed))
    with pytest.raises(vs.MalformedDataError, match="expected ciphertexts, got masked blocks"):
        opener.open(request)


@rule("MB3")
@every_trust
def test_blocks_are_those_of_their_chunk(trust):
    """In order, all of them, each once."""
    agreed = federation(trust, codec=LONG)
    announced = parties.descriptor(agreed)
    message = contribution(agreed, announced, EVIL)
    key, body = key_chunks(agreed, message), body_chunks(agreed, message)
    assert len(body) >= 3
    for wrong in ([*body[::-1]], [body[1], body[0], *body[2:]], [body[0], *body[:-1]]):
        evil = signed(announced, EVIL, [*key, *wrong])
        why = rf"{EVIL} sent other blocks than those of chunk \d+"
        refused_by_aggregator(agreed, announced, [], evil, vs.ProtocolError, why)
    # Nor are the last ones left out, or all sent in one chunk.
    for wrong in (
        body[:-1],
        [dataclasses.replace(body[0], body=blocks_of(agreed, message).to_bytes())],
    ):
        evil = signed(announced, EVIL, [*key, *wrong])
        refused_by_aggregator(agreed, announced, [], evil, vs.ProtocolError, "another codec")
    # Without the check of places, the core still adds no vector whose blocks are not in order.
    blocks = blocks_of(agreed, message)
    parts = [blocks.part(i, 1) for i in range(blocks.count)]
    for wrong in (parts[::-1], parts[:-1], [parts[0], *parts[:-1]], [*parts, parts[-1]]):
        with pytest.raises(vs.InvalidArgumentError, match="blocks"):
            added(agreed, [wrong])


@every_trust
@pytest.mark.parametrize("second", [False, True])
def test_no_holder_is_asked_for_a_body(honest, second, monkeypatch):
    """One who has the whole key, and is given bodies, reads every contribution."""
    agreed, announced, messages = honest
    chunks = (0, agreed.num_opened) if second else (agreed.num_opened,)
    request = request_for(agreed, announced, messages, chunks)
    name = parties.opener_of(agreed)
    why = f"chunk {agreed.num_opened} is asked for; of"
    ledger = RoundLedger.in_memory()
    with pytest.raises(vs.ProtocolError, match=why):
        parties.holder(agreed, name, ledger).open(request)
    assert ledger.answered(RunName.of(agreed)) == {}
    given = []
    with monkeypatch.context() as patch:
        patch.setattr(KeyHolder, "_check_chunks", lambda *_: None)
        read = key_holder.read_chunk
        patch.setattr(
            key_holder, "read_chunk", lambda *args: given.append(read(*args)) or given[-1]
        )
        # What is given is read and added, and then there is nothing that opens it.
        if agreed.trust == "threshold":
            (answer,) = frames_of(parties.holder(agreed, name).open(request))
            assert Lock.from_bytes(answer).holder == name
        else:
            with pytest.raises(TypeError):
                parties.holder(agreed, name).open(request)
    assert isinstance(given[-1], _core.MaskedBlocks)


# ---- malformed bodies ----


def _with_a_prime(agreed, blocks):
    """0 modulo q, written as q."""
    shape = mask_of(agreed).shape
    wire, count = blocks.to_bytes(), coefficients_of(shape, 0)
    end = BLOCKS_HEAD + 64 * -(-(count // 8 * shape.prime_bits) // 64)
    values = unpacked(wire[BLOCKS_HEAD:end], count, shape.prime_bits)
    values[5] = primes_of(shape)[0]
    changed = packed(values, end - BLOCKS_HEAD, shape.prime_bits)
    return wire[:BLOCKS_HEAD] + changed + wire[end:]


def _with_head(agreed, blocks, at, value, size=1):
    wire = bytearray(blocks.to_bytes())
    wire[at : at + size] = value.to_bytes(size, "little")
    return bytes(wire)


def _with_body_length(wire):
    """A frame that announces as many bytes as it has."""
    return wire[:8] + (len(wire) - 16).to_bytes(8, "little") + wire[16:]


# What is made of the only chunk of a body, and why it is refused.
MALFORMED = {
    "a residue that is its prime or more": (_with_a_prime, "MB1"),
    "another ring": (lambda a, b: _with_head(a, b, 16, 23 - b.shape.log_dim), "another shape"),
    "other primes": (lambda a, b: _with_head(a, b, 18, b.shape.prime_bits - 1), "another shape"),
    "other digits": (lambda a, b: _with_head(a, b, 19, b.shape.num_digits + 1), "another shape"),
    "another first block": (lambda a, b: _with_head(a, b, 20, 1, 8), "no such blocks"),
    "a first block far away": (lambda a, b: _with_head(a, b, 20, 2**64 - 1, 8), "no such blocks"),
    "no blocks": (lambda a, b: _with_head(a, b, 28, 0, 8), "no such blocks"),
    "more blocks": (lambda a, b: _with_head(a, b, 28, 2, 8), "no such blocks"),
    "cut": (lambda a, b: _with_body_length(b.to_bytes()[:-1]), "ends"),
    "cut to its head": (lambda a, b: _with_body_length(b.to_bytes()[:BLOCKS_HEAD]), "ends"),
    "one byte more": (
        lambda a, b: _with_body_length(b.to_bytes() + b"\0"),
        "1 unexpected bytes at the end",
    ),
}


@pytest.mark.parametrize("trust", ["authority"])
@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_body_is_refused_by_name(honest, what):
    agreed, announced, messages = honest
    message = contribution(agreed, announced, EVIL)
    *key, body = chunks_of(message)
    make, why = MALFORMED[what]
    wrong = make(agreed, blocks_of(agreed, message))
    evil = signed(announced, EVIL, [*key, dataclasses.replace(body, body=wrong)])
    receiver = refused_by_aggregator(agreed, announced, messages, evil, vs.MalformedDataError, why)
    # What was refused has left nothing behind: the honest one of the same name is taken.
    receiver.receive(message)
    open_all(agreed, receiver)
    slots = sum(slots_of(name) for name in (VICTIM, "bob", EVIL))
    assert np.array_equal(receiver.finish().sum.values, expected(CODEC, slots, 3).values)


@rule("MB4")
@every_trust
def test_masked_blocks_come_without_a_proof(honest):
    agreed, announced, messages = honest
    *key, body = chunks_of(contribution(agreed, announced, EVIL))
    evil = signed(announced, EVIL, [*key, dataclasses.replace(body, proof=key[0].proof)])
    why = f"{EVIL} sent a proof with masked blocks"
    refused_by_aggregator(agreed, announced, messages, evil, vs.MalformedDataError, why)


# ---- two contexts ----


@every_trust
def test_a_contribution_to_another_round_is_not_summed_again(honest, monkeypatch):
    agreed, announced, messages = honest
    other = parties.descriptor(agreed, round_number=2)
    old = contribution(agreed, other, EVIL)
    why = f"the contribution of {EVIL} is for another round"
    refused_by_aggregator(agreed, announced, messages, old, vs.ProtocolError, why)
    # Signed anew for this round, the proof of its key is still of the other.
    evil = signed(announced, EVIL, chunks_of(old))
    refused_by_all(agreed, announced, messages, evil)
    # And without proofs its mask is none of this round's: nothing wrong is read as a sum.
    with monkeypatch.context() as patch:
        without_proofs(patch)
        void_round(agreed, announced, [*messages, evil], GARBLED)


@every_trust
def test_a_body_that_is_masked_for_another_context_voids_the_round(honest):
    agreed, announced, messages = honest
    own = protected(agreed, announced, EVIL, slots_of(EVIL))
    elsewhere = protected(agreed, announced, EVIL, slots_of(EVIL), context=b"another sum")
    evil = signed(announced, EVIL, [*key_chunks(agreed, own), *body_chunks(agreed, elsewhere)])
    void_round(agreed, announced, [*messages, evil], GARBLED)


@every_trust
def test_a_body_of_others_than_were_opened_is_found(honest, monkeypatch):
    """An aggregator adds four bodies, and has the keys of three opened."""
    agreed, announced, messages = honest
    messages = [*messages, contribution(agreed, announced, EVIL)]
    more = parties.aggregator(agreed, announced)
    for message in [*messages, contribution(agreed, announced, "cyd")]:
        more.receive(message)
    receiver = parties.aggregator(agreed, announced)
    for message in messages:
        receiver.receive(message)
    own, other = receiver._sum.total, more._sum.total
    mixed = own._replace(blocks=other.blocks)
    monkeypatch.setattr(type(receiver._sum), "total", mixed)
    open_all(agreed, receiver)
    with pytest.raises(vs.CapacityError, match=GARBLED):
        receiver.finish()
    assert is_void(receiver)
    # With the alarm off what comes is noise, and neither sum: the attack gains nothing.
    monkeypatch.setattr(Masking, "open", opened_whatever_it_is)
    sent = agreed.codec.quantise(np.full(CODEC.dim, 0.5))[0]
    try:
        found = receiver._answers._opener.slots()
    except vs.CapacityError:
        return  # The core has an alarm of its own, for slots that no codec has.
    assert not any(np.array_equal(found, count * sent) for count in (1, 3, 4))


def opened_whatever_it_is(masking, blocks, secret, *, context, num_addends, num_threads=None):
    return masking.mask.open(blocks, secret, context, 1)[0]
