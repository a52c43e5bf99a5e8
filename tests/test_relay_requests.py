"""Attacks on the ways of contributions, on reports, and by those who ask relays.

Each first succeeds where its defence is switched off, and is then refused by name.
"""

import dataclasses

import protocol_parties as parties
import pytest
import veilsum as vs
from mask_attackers import GARBLED, added, blocks_of, changed_residues, mask_of
from protocol_parties import frames_of
from relay_parties import (
    CODEC,
    DELTAS,
    EAST,
    NAMES,
    WAYS,
    WEST,
    RelayedRound,
    federation,
    signed_sum,
)
from validation_rules import rule
from veilsum import _core
from veilsum.errors import EntropyError
from veilsum.paillier.proofs import PlaintextProofBatch
from veilsum.schemes.given_proofs import GivenProofs
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
    receiver,
    relayed_part,
)
from veilsum.secure_sum.relayed_part import RelayedPart


@pytest.fixture
def state():
    """Everybody has contributed, and the relays have reported."""
    found = RelayedRound()
    found.contribute()
    found.report()
    return found


# ---- one contributor, two ways ----


def without_ways(monkeypatch):
    """Nobody looks through whom something came."""

    def gullible(agreed, announced, invited, header, *, relay=None):
        relay = invited.relay_of(header.contributor)
        checks.check_in_round(agreed, announced, invited, header, relay=relay)

    monkeypatch.setattr(receiver, "check_in_round", gullible)


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
        state.fresh_root().receive_report([twice.to_bytes(), *frames, *frames])
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


def test_what_is_before_a_wrong_contribution_in_a_report_is_kept(tmp_path):
    state = RelayedRound(folder=tmp_path)
    state.contribute()
    head, *frames = state.relays[WEST].report()
    size = 1 + state.federation.num_opened
    header = ContributionHeader.from_bytes(frames[size])
    unsigned = dataclasses.replace(header, signature=bytes(64)).to_bytes()
    for wrong, error in (
        ([*frames[:size], unsigned, *frames[size + 1 :]], vs.SignatureError),
        (frames[:-1], vs.ProtocolError),
        ([*frames[:size], b"no message"], vs.MalformedDataError),
    ):
        root = state.fresh_root()
        with pytest.raises(error):
            root.receive_report([head, *wrong])
        assert (root.contributors, root.relays) == (("ada",), (WEST,))
        assert root.receive_report([head, *frames]) == WEST
        assert root.contributors == ("ada", "bob")


def test_as_many_of_a_report_are_kept_as_the_codec_has_room_for():
    agreed = federation(codec=dataclasses.replace(CODEC, max_addends=4))
    state = RelayedRound(agreed)
    state.contribute()
    state.report([WEST])
    for _ in range(2):
        with pytest.raises(vs.CapacityError, match="room for 4"):
            state.root.receive_report(state.relays[EAST].report())
        assert state.root.contributors == ("ada", "bob", "cyd", "eve")


@pytest.mark.parametrize("together", [1, 64])
def test_what_could_not_be_checked_of_a_report_is_not_added(monkeypatch, together):
    """As without randomness: what is kept up to an error has been proved."""
    state = RelayedRound()
    state.contribute()
    settle, calls = GivenProofs.settle, []

    def once_without_randomness(self, **options):
        calls.append(len(self))
        if len(calls) == 1:
            raise EntropyError("there is no randomness")
        return settle(self, **options)

    monkeypatch.setattr(GivenProofs, "settle", once_without_randomness)
    monkeypatch.setattr(relayed_part, "_MOST_TOGETHER", together)
    with pytest.raises(EntropyError):
        state.root.receive_report(state.relays[WEST].report())
    assert (state.root.contributors, state.root.relays) == (("eve",), ())
    state.report()
    assert state.root.contributors == NAMES


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
