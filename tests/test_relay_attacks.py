"""Attacks by relays, on relays and on those who ask them.

Each first succeeds where its defence is switched off, and is then refused by name. What a relay
does to its sum of bodies alone is found by whoever looks at it, and by nobody else.
"""

import dataclasses

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from mask_attackers import GARBLED, added, blocks_of, changed_residues, mask_of, shifted
from protocol_parties import frames_of
from relay_parties import CODEC, DELTAS, EAST, NAMES, WAYS, WEST, RelayedRound, federation
from validation_rules import rule
from veilsum import _core, secure_sum
from veilsum.paillier.proofs import PlaintextProofBatch
from veilsum.schemes.masking import Masking
from veilsum.secure_sum import (
    Chunk,
    ChunkRequest,
    ContributionHeader,
    Relay,
    RelayedSum,
    RelayReport,
    RelayRequest,
    SpotCheck,
    checks,
)
from veilsum.secure_sum.merkle import leaf_hash, merkle_root
from veilsum.secure_sum.relayed_part import RelayedPart


@pytest.fixture
def state():
    """Everybody has contributed, and the relays have reported."""
    found = RelayedRound()
    found.contribute()
    found.report()
    return found


def signed_sum(agreed, request, blocks, *, num_addends=None, name=WEST):
    """What a relay answers that has signed whatever these blocks are."""
    asked = RelayRequest.from_bytes(request)
    frames = []
    for index in range(agreed.num_opened, agreed.num_chunks):
        units = agreed.bodies.body.units(index - agreed.num_opened)
        part = blocks.part(units.start, len(units))
        frames.append(Chunk(index=index, body=part.to_bytes(), proof=b"").to_bytes())
    head = RelayedSum.signed(
        parties.identity(name),
        asked,
        num_addends=len(asked.commitments) if num_addends is None else num_addends,
        num_chunks=len(frames),
        root=merkle_root([leaf_hash(frame) for frame in frames]),
    )
    return [head.to_bytes(), *frames]


def shown(state, request, names=("ada", "bob")):
    """What a relay shows, whatever it has signed: what contributors sent it."""
    check = SpotCheck.from_bytes(request)
    yield request
    for index in check.chunks:
        for position, name in enumerate(names):
            piece = state.relays[WEST]._piece(name, position, index)
            yield piece


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


# ---- one contributor, two ways ----


def without_ways(monkeypatch):
    """Nobody looks through whom something came."""

    def gullible(agreed, announced, invited, header, *, relay=None):
        relay = invited.relay_of(header.contributor)
        checks.check_in_round(agreed, announced, invited, header, relay=relay)

    for module in (secure_sum.relay, secure_sum.aggregator):
        monkeypatch.setattr(module, "check_in_round", gullible)


@rule("RY1")
def test_nobody_contributes_through_two_relays(monkeypatch):
    """A body that two relays add and a key that counts once: the sum is garbled."""
    state = RelayedRound()
    with monkeypatch.context() as patch:
        without_ways(patch)
        state.contribute()
        state.relays[EAST].receive(state.messages["ada"])
        assert "ada" in state.relays[WEST].contributors
        assert "ada" in state.relays[EAST].contributors
        state.root.receive_report(state.relays[WEST].report())
        state.root.receive_report(state.relays[EAST].report(known=["ada"]))
        requests = state.root.relay_requests()
        state.root.receive_relayed_sum(state.relays[WEST].relayed_sum(requests[WEST]))
        total = state.relays[EAST]._sum
        blocks = total.total.blocks
        frames = signed_sum(state.federation, requests[EAST], blocks, name=EAST)
        state.root.receive_relayed_sum(frames)
        state.round.open()
        with pytest.raises(vs.CapacityError, match=GARBLED):
            state.root.finish()
    state = RelayedRound()
    state.contribute()
    why = "ada contributes through the relay west in this round, and this .* the relay east"
    with pytest.raises(vs.ProtocolError, match=why):
        state.relays[EAST].receive(state.messages["ada"])
    assert state.relays[EAST].refused == {"ProtocolError": 1}
    # Nor does the root believe a relay that took it.
    with monkeypatch.context() as patch:
        without_ways(patch)
        state.relays[EAST].receive(state.messages["ada"])
    with pytest.raises(vs.ProtocolError, match=why):
        state.root.receive_report(state.relays[EAST].report())
    assert state.root.contributors == ("eve",)


def test_nobody_contributes_through_a_relay_and_straight(monkeypatch):
    state = RelayedRound()
    with monkeypatch.context() as patch:
        without_ways(patch)
        for name in NAMES:
            state.root.receive(state.messages[name])
        assert state.root.contributors == NAMES
    for name, relay in WAYS.items():
        if relay is None:
            for other in state.relays.values():
                with pytest.raises(vs.ProtocolError, match=f"{name} .* straight .* through"):
                    other.receive(state.messages[name])
            continue
        fresh = state.fresh_root()
        with pytest.raises(vs.ProtocolError, match=f"{name} .* the relay {relay} .* straight"):
            fresh.receive(state.messages[name])
        assert fresh.contributors == ()


# ---- reports ----


@rule("RY3")
def test_a_report_has_what_contributors_signed_and_proved(monkeypatch):
    """A relay that may put its own key in the place of another's opens what it likes."""
    state = RelayedRound()
    state.contribute()
    head, header, first, *rest = state.relays[WEST].report()
    own = parties.contribute(state.federation, state.descriptor, "bob", DELTAS["bob"])
    piece = ChunkRequest.from_bytes(first)
    wrong = dataclasses.replace(piece, chunk=frames_of(own)[1]).to_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(checks, "path_leads_to", lambda *_: True)
        with pytest.raises(vs.ProofError, match="ada did not prove"):
            state.root.receive_report([head, header, wrong, *rest])
        patch.setattr(PlaintextProofBatch, "wrong", lambda self, **_: [])
        assert state.root.receive_report([head, header, wrong, *rest]) == WEST
    fresh = state.fresh_root()
    with pytest.raises(vs.ProtocolError, match="not chunk 0 that ada signed"):
        fresh.receive_report([head, header, wrong, *rest])
    assert fresh.contributors == ()
    # In the place of another chunk, too, and at the end of what is missing.
    for frames in (
        [head, header, *rest],
        [head, header],
        [head],
        [head, header, first, *rest, first],
    ):
        with pytest.raises(vs.VeilsumError):
            state.fresh_root().receive_report(frames)


def test_a_report_names_the_contributions_that_follow():
    """Whoever is on the way may not put a contribution there that the relay does not have."""
    state = RelayedRound()
    state.contribute()
    head, _, *rest = state.relays[WEST].report()
    _, other, *_ = state.relays[EAST].report()
    again = parties.contribute(state.federation, state.descriptor, "ada", DELTAS["ada"])
    for header, name in ((other, "cyd"), (frames_of(again)[0], "ada")):
        why = f"west reports another contribution of {name} than it has signed"
        with pytest.raises(vs.ProtocolError, match=why):
            state.root.receive_report([head, header, *rest])
    report = RelayReport.from_bytes(head)
    twice = RelayReport.signed(
        parties.identity(WEST),
        round_id=report.round_id,
        commitments=[report.commitments[0]] * 2,
    )
    frames = list(state.relays[WEST].report(known=["bob"]))[1:]
    with pytest.raises(vs.ProtocolError):
        state.root.receive_report([twice.to_bytes(), *frames, *frames])
    for wrong, error in (
        (dataclasses.replace(report, signature=bytes(64)), vs.SignatureError),
        (dataclasses.replace(report, relay=EAST), vs.SignatureError),
        (dataclasses.replace(report, relay="north"), vs.ProtocolError),
        (dataclasses.replace(report, round_id=bytes(32)), vs.ProtocolError),
    ):
        with pytest.raises(error):
            state.root.receive_report([wrong.to_bytes(), *list(state.relays[WEST].report())[1:]])
    assert state.root.contributors == ("eve",)
    unsigned = dataclasses.replace(ContributionHeader.from_bytes(frames[0]), signature=bytes(64))
    with pytest.raises(vs.SignatureError):
        state.root.receive_report([head, unsigned.to_bytes(), *rest])


@rule("RY4")
def test_a_report_comes_before_the_set_is_fixed(monkeypatch):
    """Or a contribution could be in some sums of a round and not in others."""
    state = RelayedRound()
    state.contribute()
    state.report([WEST])
    late = list(state.relays[EAST].report())
    state.root.relay_requests()
    with monkeypatch.context() as patch:
        patch.setattr(state.root, "_is_fixed", False)
        assert state.root.receive_report(late) == EAST
        assert "dan" in state.root.contributors
    state = RelayedRound()
    state.contribute()
    state.report([WEST])
    state.root.relay_requests()
    with pytest.raises(vs.ProtocolError, match="cyd is late: the round is closed"):
        state.root.receive_report(state.relays[EAST].report())
    assert state.root.contributors == ("ada", "bob", "eve")


# ---- those who ask relays ----


@rule("RY6")
def test_a_relay_adds_for_one_set_in_a_round(state, monkeypatch):
    """The difference of two sums is a single contribution."""
    relay, agreed = state.relays[WEST], state.federation
    request = RelayRequest.from_bytes(state.root.relay_requests()[WEST])
    alone = dataclasses.replace(request, commitments=request.commitments[:1])
    alone = alone.signed(parties.identity("aggregator")).to_bytes()
    both = list(relay.relayed_sum(request.to_bytes()))
    with monkeypatch.context() as patch:
        patch.setattr(relay, "_asked", None)
        one = list(relay.relayed_sum(alone))
    less = changed_residues(agreed, blocks_in(agreed, one), lambda x, q, i: -x)
    difference = added(agreed, [[blocks_in(agreed, both)], [less]])
    assert difference == blocks_of(agreed, state.messages["bob"])
    relay = state.new_relay(WEST)
    relay.receive_all([state.messages[name] for name in ("ada", "bob")])
    relay.relayed_sum(request.to_bytes())
    with pytest.raises(vs.PolicyRefusedError, match="another set of this round before"):
        relay.relayed_sum(alone)
    assert relay.refused == {"PolicyRefusedError": 1}
    assert list(relay.relayed_sum(request.to_bytes())) == both


def blocks_in(agreed, frames):
    """All blocks of a relay's sum."""
    shape = mask_of(agreed).shape
    parts = [
        _core.MaskedBlocks.from_bytes(Chunk.from_bytes(frame).body, shape) for frame in frames[1:]
    ]
    return added(agreed, [parts])


def test_a_relay_that_was_killed_adds_for_no_other_set(tmp_path):
    """What it was asked is on its disk before anything leaves."""
    state = RelayedRound(folder=tmp_path)
    state.contribute()
    state.report()
    request = RelayRequest.from_bytes(state.root.relay_requests()[WEST])
    state.relays[WEST].relayed_sum(request.to_bytes())
    state.restart()
    alone = dataclasses.replace(request, commitments=request.commitments[1:])
    with pytest.raises(vs.PolicyRefusedError, match="another set of this round before"):
        state.relays[WEST].relayed_sum(alone.signed(parties.identity("aggregator")).to_bytes())


@rule("RY5")
def test_a_relay_adds_what_the_aggregator_asks_of_it_and_what_it_has(state):
    root, relay = parties.identity("aggregator"), state.relays[WEST]
    request = RelayRequest.from_bytes(state.root.relay_requests()[WEST])
    east = RelayRequest.from_bytes(state.root.relay_requests()[EAST])
    first, second = request.commitments

    def asked(**changes):
        return dataclasses.replace(request, **changes).signed(root)

    for wrong, error, why in (
        (dataclasses.replace(request, signature=bytes(64)), vs.SignatureError, "aggregator"),
        (request.signed(parties.identity(EAST)), vs.SignatureError, "aggregator"),
        (east, vs.ProtocolError, "for east, and not for west"),
        (asked(round_id=bytes(32)), vs.ProtocolError, "another round"),
        (asked(commitments=(first, east.commitments[0])), vs.ProtocolError, "1 contributions that"),
        (asked(commitments=(second, first)), vs.ProtocolError, "out of order"),
        (asked(commitments=(first, first)), vs.ProtocolError, "one of them twice"),
    ):
        with pytest.raises(error, match=why):
            relay.relayed_sum(wrong.to_bytes())
    with pytest.raises(vs.MalformedDataError):
        relay.relayed_sum(b"")
    # None of them counts as what it was asked.
    again = parties.contribute(state.federation, state.descriptor, "ada", DELTAS["ada"])
    with pytest.raises(vs.ProtocolError, match="has contributed to this round already"):
        relay.receive(again)
    alone = asked(commitments=(second,))
    (head, *_) = relay.relayed_sum(alone.to_bytes())
    assert RelayedSum.from_bytes(head).num_addends == 1


@rule("RY10")
def test_a_relay_shows_what_it_has_signed_and_no_key(state, monkeypatch):
    """Only the aggregator is shown anything, and only of the sum that was signed."""
    root, relay, agreed = parties.identity("aggregator"), state.relays[WEST], state.federation
    request = state.root.relay_requests()[WEST]
    early = SpotCheck(
        round_id=state.descriptor.round_id,
        relay=WEST,
        root=bytes(32),
        chunks=(agreed.num_opened,),
    )
    with pytest.raises(vs.ProtocolError, match="has signed no sum in this round yet"):
        relay.answer_spot_check(early.signed(root).to_bytes())
    state.root.receive_relayed_sum(relay.relayed_sum(request))
    check = SpotCheck.from_bytes(state.root.spot_check(WEST))
    for wrong, error, why in (
        (dataclasses.replace(check, signature=bytes(64)), vs.SignatureError, "aggregator"),
        (check.signed(parties.identity(EAST)), vs.SignatureError, "aggregator"),
        (early.signed(root), vs.ProtocolError, "signed another sum"),
        (dataclasses.replace(check, relay=EAST).signed(root), vs.ProtocolError, "for east"),
        (dataclasses.replace(check, round_id=bytes(32)).signed(root), vs.ProtocolError, "round"),
        (dataclasses.replace(check, chunks=(0,)).signed(root), vs.ProtocolError, "chunk 0 is"),
        (
            dataclasses.replace(check, chunks=(agreed.num_chunks,)).signed(root),
            vs.ProtocolError,
            f"chunk {agreed.num_chunks} is asked for",
        ),
    ):
        with pytest.raises(error, match=why):
            relay.answer_spot_check(wrong.to_bytes())
    answer = list(relay.answer_spot_check(check.to_bytes()))
    assert state.root.receive_spot_check(answer) == WEST


@rule("RY8")
@pytest.mark.parametrize("trust", parties.TRUSTS)
def test_holders_are_asked_when_all_sums_are_there(trust, monkeypatch):
    """With keys of more than the bodies nothing but noise would be opened, for good."""
    state = RelayedRound(federation(trust))
    state.contribute()
    state.report()
    requests = state.root.relay_requests()
    state.root.receive_relayed_sum(state.relays[EAST].relayed_sum(requests[EAST]))
    with monkeypatch.context() as patch:
        patch.setattr(RelayedPart, "missing", ())
        with pytest.raises(vs.ProtocolError, match="interrupted"):  # The sum itself knows.
            state.root.open_requests()
    with pytest.raises(vs.ProtocolError, match="sums of these relays are missing: west"):
        state.root.open_requests()
    state.root.receive_relayed_sum(state.relays[WEST].relayed_sum(requests[WEST]))
    state.finish()


@rule("RY2")
@pytest.mark.parametrize("party", ["root", "relay", "contributor"])
def test_an_invitation_names_relays_of_the_federation(party, monkeypatch):
    """Or an aggregator would have bodies sent to whom nobody has agreed to."""
    agreed = federation()
    announced = parties.descriptor(agreed, invited={"ada": "north", "bob": WEST})
    invited = parties.invited_to(announced)
    act = {
        "root": lambda: parties.aggregator(agreed, announced),
        "relay": lambda: Relay(agreed, parties.identity(WEST), announced, invited=invited),
        "contributor": lambda: parties.contribute(agreed, announced, "ada", DELTAS["ada"]),
    }[party]
    with monkeypatch.context() as patch:
        patch.setattr(
            vs.secure_sum.Federation, "relay", lambda self, name: parties.identity(name).enrol()
        )
        act()
    with pytest.raises((vs.ProtocolError, vs.PolicyRefusedError), match="through north, who is no"):
        act()
