"""Attacks by relays, on relays and on those who ask them.

Each first succeeds where its defence is switched off, and is then refused by name. What a relay
does to its sum of bodies alone is found by whoever looks at it, and by nobody else.
"""

import dataclasses

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from mask_attackers import GARBLED, added, blocks_of, shifted
from protocol_parties import frames_of
from relay_parties import (
    CODEC,
    DELTAS,
    EAST,
    NAMES,
    WEST,
    RelayedRound,
    signed_sum,
)
from validation_rules import rule
from veilsum.schemes.masking import Masking
from veilsum.secure_sum import (
    Chunk,
    ChunkRequest,
    RelayedSum,
    RelayRequest,
    SpotCheck,
    checks,
    relayed_part,
)
from veilsum.secure_sum.merkle import MerkleTree, leaf_hash, merkle_root
from veilsum.secure_sum.opening import chunk_request


@pytest.fixture
def state():
    """Everybody has contributed, and the relays have reported."""
    found = RelayedRound()
    found.contribute()
    found.report()
    return found


def shown(state, request, names=("ada", "bob")):
    """What a relay shows, whatever it has signed: what contributors sent it."""
    check = SpotCheck.from_bytes(request)
    yield request
    for index in check.chunks:
        for position, name in enumerate(names):
            relay = state.relays[WEST]
            tree = MerkleTree(relay._leaves[name])
            yield chunk_request(relay._store, name, tree, index, position).to_bytes()


def attacked(state, blocks):
    """The round of a relay that has signed these blocks; the other one is honest."""
    requests = state.root.relay_requests()
    state.root.receive_relayed_sum(state.relays[EAST].relayed_sum(requests[EAST]))
    state.root.receive_relayed_sum(signed_sum(state.federation, requests[WEST], blocks))


def found_by_a_spot_check(state, chunks=100):
    request = state.root.spot_check(WEST, chunks=chunks)
    with pytest.raises(vs.ProtocolError, match=r"the relay west has signed a wrong sum: chunk \d+"):
        state.root.receive_spot_check(shown(state, request))


def sum_of(names):
    return sum(CODEC.quantise(DELTAS[name])[0] for name in names)


# ---- a relay that does not add what it was asked to ----

SPOILED = {
    "swaps a body": lambda ada, bob: [ada, ada],
    "doubles one": lambda ada, bob: [ada, bob, bob],
    "withholds one": lambda ada, bob: [ada],
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_relay_that_adds_others_voids_the_round_and_is_found(state, how, monkeypatch):
    agreed = state.federation
    ada, bob = (blocks_of(agreed, state.messages[name]) for name in ("ada", "bob"))
    attacked(state, added(agreed, [[blocks] for blocks in SPOILED[how](ada, bob)]))
    found_by_a_spot_check(state)
    state.round.open()
    with pytest.raises(vs.CapacityError, match=GARBLED) as spoiled:
        state.root.finish()
    assert not any(name in str(spoiled.value) for name in (*NAMES, WEST, EAST))
    found_by_a_spot_check(state)  # Afterwards as well.

    def without_alarm(self, blocks, secret, *, context, num_addends, num_threads=None):
        return self.mask.open(blocks, secret, context, 0)[0]

    monkeypatch.setattr(Masking, "open", without_alarm)
    try:
        slots = state.root._answers._opener.slots()
    except vs.CapacityError:
        return  # The core refuses it before the alarm does.
    assert np.mean(slots == sum_of(NAMES)) < 0.5


def test_a_relay_shifts_its_sum_by_any_amount_unless_somebody_looks(state):
    """No alarm, nobody named: the sum moves by exactly as much."""
    agreed = state.federation
    honest = added(agreed, [[blocks_of(agreed, state.messages[n])] for n in ("ada", "bob")])
    attacked(state, shifted(agreed, honest, slot=3, by=-77))
    slots = sum_of(NAMES)
    slots[3] -= 77
    wanted = CODEC.dequantise(slots, num_addends=len(NAMES))
    assert np.array_equal(state.finish().sum.values, wanted.values)
    # One chunk of several is wrong: who draws it finds it, and who does not finds nothing.
    chunks, wrong = range(agreed.num_opened, agreed.num_chunks), agreed.num_opened
    assert len(chunks) > 2
    seen = set()
    for _ in range(200):
        request = state.root.spot_check(WEST)
        (drawn,) = SpotCheck.from_bytes(request).chunks
        seen.add(drawn)
        if drawn == wrong:
            with pytest.raises(vs.ProtocolError, match=f"wrong sum: chunk {wrong}"):
                state.root.receive_spot_check(shown(state, request))
        else:
            assert state.root.receive_spot_check(shown(state, request)) == WEST
        if seen == set(chunks):
            break
    assert seen == set(chunks)
    found_by_a_spot_check(state)


@rule("RY9")
def test_what_a_relay_shows_was_signed_by_its_contributors(state, monkeypatch):
    """A relay that shifted its sum cannot shift what it shows as well."""
    agreed = state.federation
    ada, bob = (blocks_of(agreed, state.messages[name]) for name in ("ada", "bob"))
    moved = shifted(agreed, ada, slot=3, by=5)
    attacked(state, added(agreed, [[moved], [bob]]))
    request = state.root.spot_check(WEST, chunks=100)
    frames = list(shown(state, request))
    piece = ChunkRequest.from_bytes(frames[1])
    chunk = Chunk.from_bytes(piece.chunk)
    part = moved.part(0, len(agreed.bodies.body.units(0)))
    changed = dataclasses.replace(chunk, body=part.to_bytes()).to_bytes()
    frames[1] = dataclasses.replace(piece, chunk=changed).to_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(checks, "path_leads_to", lambda *_: True)
        assert state.root.receive_spot_check(frames) == WEST
    with pytest.raises(vs.ProtocolError, match=f"not chunk {agreed.num_opened} that ada signed"):
        state.root.receive_spot_check(frames)
    # Nor are others shown, or fewer, or the answer to another question.
    honest = list(shown(state, request))
    for wrong in (honest[:-1], [*honest, honest[-1]], [honest[0], *honest[2:], honest[1]]):
        with pytest.raises(vs.VeilsumError):
            state.root.receive_spot_check(wrong)
    other = SpotCheck.from_bytes(request)
    unsigned = dataclasses.replace(other, chunks=other.chunks[:1]).to_bytes()
    with pytest.raises(vs.SignatureError):
        state.root.receive_spot_check(list(shown(state, unsigned)))
    elsewhere = dataclasses.replace(other, root=bytes(32)).signed(parties.identity("aggregator"))
    with pytest.raises(vs.ProtocolError, match="another sum is made of"):
        state.root.receive_spot_check(list(shown(state, elsewhere.to_bytes())))


@rule("RY11")
def test_what_was_shown_before_is_no_answer_to_another_draw(monkeypatch, tmp_path):
    """A relay that was found right once, by luck, would be found right for ever."""
    state = RelayedRound(folder=tmp_path)
    state.contribute()
    state.report()
    agreed = state.federation
    honest = added(agreed, [[blocks_of(agreed, state.messages[n])] for n in ("ada", "bob")])
    attacked(state, shifted(agreed, honest, slot=3, by=-77))
    wrong, right = agreed.num_opened, agreed.num_opened + 1

    def asked_for(*chunks):
        with monkeypatch.context() as patch:
            patch.setattr(relayed_part, "drawn_chunks", lambda *_: chunks)
            return state.root.spot_check(WEST)

    luck = list(shown(state, asked_for(right)))
    assert state.root.receive_spot_check(luck) == WEST
    for chunks in ((wrong,), (wrong, right)):
        request = asked_for(*chunks)
        for _ in range(2):
            with pytest.raises(vs.ProtocolError, match="asked for last"):
                state.root.receive_spot_check(luck)
            state.restart()
        with pytest.raises(vs.ProtocolError, match=f"wrong sum: chunk {wrong}"):
            state.root.receive_spot_check(shown(state, request))


def test_a_relay_answers_for_the_set_that_it_was_asked_for(state):
    """One that signs the right name of a wrong set has withheld something: see above."""
    agreed = state.federation
    request = RelayRequest.from_bytes(state.root.relay_requests()[WEST])
    ada = blocks_of(agreed, state.messages["ada"])
    fewer = dataclasses.replace(request, commitments=request.commitments[:1])
    for frames in (
        signed_sum(agreed, fewer.to_bytes(), ada),
        signed_sum(agreed, request.to_bytes(), ada, num_addends=1),
        signed_sum(agreed, fewer.to_bytes(), ada, num_addends=2),
    ):
        with pytest.raises(vs.ProtocolError, match="west has added other contributions"):
            state.root.receive_relayed_sum(frames)
    assert WEST in state.root.missing_relays
    assert state.root.refused == {"ProtocolError": 3}


@rule("RY7")
def test_a_sum_is_the_one_that_its_relay_signed(state):
    agreed = state.federation
    request = state.root.relay_requests()[WEST]
    head, *chunks = state.relays[WEST].relayed_sum(request)
    others = list(state.relays[EAST].relayed_sum(state.root.relay_requests()[EAST]))[1:]
    unsigned = dataclasses.replace(RelayedSum.from_bytes(head), signature=bytes(64)).to_bytes()
    by_east = dataclasses.replace(RelayedSum.from_bytes(head), relay=EAST).to_bytes()
    stranger = dataclasses.replace(RelayedSum.from_bytes(head), relay="north").to_bytes()
    later = dataclasses.replace(RelayedSum.from_bytes(head), round_id=bytes(32)).to_bytes()
    first = Chunk.from_bytes(chunks[0])
    with_proof = dataclasses.replace(first, proof=b"x").to_bytes()
    key = frames_of(state.messages["ada"])[1]
    for frames, error, why in (
        ([unsigned, *chunks], vs.SignatureError, "not signed by west"),
        ([by_east, *chunks], vs.SignatureError, "not signed by east"),
        ([stranger, *chunks], vs.ProtocolError, "north is no relay"),
        ([later, *chunks], vs.ProtocolError, "another round"),
        ([head, *others], vs.ProtocolError, "not the chunks of the sum that west signed"),
        ([head, *chunks[:-1]], vs.ProtocolError, "of the sum of west is missing"),
        ([head, *chunks, chunks[0]], vs.MalformedDataError, "more chunks than announced"),
        ([head, *chunks[::-1]], vs.ProtocolError, "another chunk of its sum"),
        ([head, with_proof, *chunks[1:]], vs.ProtocolError, "another chunk of its sum"),
        ([head, key, *chunks[1:]], vs.ProtocolError, "another chunk of its sum"),
        ([], vs.MalformedDataError, None),
    ):
        with pytest.raises(error, match=why):
            state.root.receive_relayed_sum(frames)
    assert state.root.missing_relays == (EAST, WEST)
    # A residue that is not below its prime, signed by the relay: MB1.
    body = bytearray(first.body)
    body[-8 * 64 :] = b"\xff" * (8 * 64)
    wrong = dataclasses.replace(first, body=bytes(body)).to_bytes()
    frames = [wrong, *chunks[1:]]
    signed = RelayedSum.signed(
        parties.identity(WEST),
        RelayRequest.from_bytes(request),
        num_addends=2,
        num_chunks=len(chunks),
        root=merkle_root([leaf_hash(frame) for frame in frames]),
    )
    with pytest.raises(vs.MalformedDataError, match="MB1"):
        state.root.receive_relayed_sum([signed.to_bytes(), *frames])
    assert state.root._sum.num_of_rest == 1
    state.add()
    assert np.array_equal(
        state.finish().sum.values, CODEC.dequantise(sum_of(NAMES), num_addends=5).values
    )
    assert agreed.num_chunks - agreed.num_opened == len(chunks)
