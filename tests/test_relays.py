"""Rounds in which relays add: the same sum, bit for bit, whoever adds and whoever dies."""

import numpy as np
import protocol_parties as parties
import pytest
import toy_scheme
import veilsum as vs
from protocol_parties import TRUSTS
from relay_parties import CODEC, DELTAS, EAST, NAMES, RELAYS, WAYS, WEST, RelayedRound, federation
from veilsum import schemes
from veilsum.secure_sum import Relay, RelayedSum, RelayReport, RelayRequest, SpotCheck, Transcript


def sum_of(names):
    slots = sum(CODEC.quantise(DELTAS[name])[0] for name in names)
    return CODEC.dequantise(slots, num_addends=len(names))


def assert_is_sum_of(result, names):
    assert result.contributors == tuple(sorted(names))
    parties.assert_sums(result, sum_of(names))


@pytest.mark.parametrize("trust", TRUSTS)
def test_relays_make_the_same_sum_as_one_aggregator(trust):
    """The same slots, set and link, of the same contributions."""
    state = RelayedRound(federation(trust))
    state.contribute()
    state.report()
    assert state.root.contributors == NAMES
    assert state.root.relays == RELAYS
    state.add()
    assert state.root.missing_relays == ()
    result = state.finish()
    assert_is_sum_of(result, NAMES)
    Transcript.from_bytes(result.transcript).verify(state.federation)
    alone = alone_with(state)
    whole, apart = alone._sum.total, state.root._sum.total
    assert whole.blocks == apart.blocks
    assert whole.key.to_bytes() == apart.key.to_bytes()
    state.round.aggregator = alone
    again = state.finish()
    assert again.link == result.link
    assert again.salt == result.salt
    assert np.array_equal(again.sum.values, result.sum.values)


def alone_with(state, names=NAMES):
    """One aggregator that is given everything, whatever way the round has for it."""
    alone = parties.aggregator(state.federation, state.descriptor)
    alone._admit = lambda header, num_others: None
    for name in names:
        alone.receive(state.messages[name])
    return alone


@pytest.mark.parametrize(
    "ways",
    [
        dict.fromkeys(NAMES),  # A federation's relays need not be named.
        dict.fromkeys(NAMES, WEST),  # Nobody sends straight.
        {"ada": WEST, "bob": EAST, "cyd": None},
    ],
    ids=["no relay", "one relay", "all ways"],
)
def test_everybody_may_have_its_own_way(ways):
    state = RelayedRound(ways=ways)
    state.contribute(ways)
    used = {relay for relay in ways.values() if relay is not None}
    state.report(sorted(used))
    state.add()
    result = state.finish()
    assert_is_sum_of(result, tuple(ways))
    for relay in used:
        assert state.check(relay, chunks=100) == relay


# ---- restarts ----


def test_everybody_may_be_killed_at_every_step(tmp_path):
    state = RelayedRound(folder=tmp_path)
    for name in NAMES:
        state.contribute([name])
        state.restart()
    for relay in RELAYS:
        state.report([relay])
        state.restart()
        assert relay in state.root.relays
    assert state.root.contributors == NAMES
    requests = state.root.relay_requests()
    for relay, request in requests.items():
        state.restart()
        assert state.root.relay_requests()[relay] == request
        frames = list(state.relays[relay].relayed_sum(request))
        state.restart()
        assert list(state.relays[relay].relayed_sum(request)) == frames
        assert state.root.receive_relayed_sum(frames) == relay
        state.restart()
        with pytest.raises(vs.ProtocolError, match=f"{relay} has sent its sum already"):
            state.root.receive_relayed_sum(frames)
    assert state.root.relay_requests() == {}
    for relay in RELAYS:
        asked = state.root.spot_check(relay, chunks=2)
        state.restart()
        answer = list(state.relays[relay].answer_spot_check(asked))
        state.restart()
        assert state.root.receive_spot_check(answer) == relay
    assert_is_sum_of(state.finish(), NAMES)
    state.restart()
    assert_is_sum_of(state.root.finish(), NAMES)
    assert state.check(WEST, chunks=100) == WEST  # After the opening.


def test_what_was_kept_is_checked_again(tmp_path):
    """A disk that was written to is no way around a check."""
    state = RelayedRound(folder=tmp_path)
    state.contribute()
    state.report()
    store = state.round.store
    (place, *_) = store.names("reported")
    header, first, *rest = store.frames("reported", place)
    changed = parties.frames_of(state.messages["eve"])[1]
    piece = vs.secure_sum.ChunkRequest.from_bytes(first)
    wrong = vs.secure_sum.ChunkRequest(contribution=0, path=piece.path, chunk=changed)
    store.put("reported", place, [header, wrong.to_bytes(), *rest])
    with pytest.raises(vs.ProtocolError, match="not chunk 0 that"):
        state.restart()


def test_a_store_that_was_cut_is_refused_by_name(tmp_path):
    state = RelayedRound(folder=tmp_path)
    state.contribute()
    state.report()
    state.relays[WEST].relayed_sum(state.root.relay_requests()[WEST])
    store = state.round.store
    for place in store.names("reported"):
        whole = list(store.frames("reported", place))
        for cut in (whole[:1], whole[:-1], []):
            store.put("reported", place, cut)
            with pytest.raises((vs.MalformedDataError, vs.ProtocolError)):
                state.round.restart()
        store.put("reported", place, whole)
    state.round.restart()
    assert state.root.contributors == NAMES
    state.add()
    (closed,) = (tmp_path / "root").glob("closed-*")
    kept = closed.read_bytes()
    closed.unlink()
    with pytest.raises(vs.ProtocolError, match="was cut: it has messages of kind relayed"):
        state.round.restart()
    closed.write_bytes(kept)
    state.round.restart()
    asked = state.relays[WEST]._store
    asked.put("asked", "round", [])
    with pytest.raises(vs.MalformedDataError):
        state.new_relay(WEST, asked)


# ---- reports ----


def test_a_later_report_goes_on_from_the_earlier(tmp_path):
    state = RelayedRound(folder=tmp_path)
    state.contribute(["ada"])
    first = list(state.relays[WEST].report())
    state.root.receive_report(first)
    state.contribute(["bob"])
    assert state.root.contributors == ("ada",)
    rest = list(state.relays[WEST].report(known=state.root.contributors))
    assert len(rest) < len(list(state.relays[WEST].report()))
    for report in (rest, first, list(state.relays[WEST].report()), rest):
        assert state.root.receive_report(report) == WEST
        assert state.root.contributors == ("ada", "bob")
    assert state.root._relayed.num_reported == 2
    assert sum(state.root.refused.values()) == 0
    # An empty one changes nothing.
    assert state.root.receive_report(state.relays[EAST].report()) == EAST
    assert state.root.relays == (WEST,)


def test_a_report_is_read_up_to_what_is_wrong_in_it():
    state = RelayedRound()
    state.contribute()
    frames = list(state.relays[WEST].report())
    with pytest.raises(vs.VeilsumError):
        state.root.receive_report(frames[:-1])
    assert state.root.relays in ((), (WEST,))
    state.report()
    state.add()
    assert_is_sum_of(state.finish(), NAMES)


# ---- who vanishes ----


def test_a_relay_that_does_not_answer_is_left_out_before_the_set_is_fixed(tmp_path):
    state = RelayedRound(folder=tmp_path)
    state.contribute()
    state.report()
    with pytest.raises(
        vs.ProtocolError, match="not fixed yet, and relays have reported: east, west"
    ):
        state.root.open_requests()
    state.add(leave_out=[EAST])
    left = ("ada", "bob", "eve")
    assert state.root.contributors == left
    state.restart()
    assert (state.root.contributors, state.root.relays) == (left, (WEST,))
    assert_is_sum_of(state.finish(), left)
    with pytest.raises(vs.ProtocolError, match="east was not asked"):
        state.root.receive_relayed_sum(_sum_of_nobody(state))


def _sum_of_nobody(state):
    """The head of a sum that nobody has asked for."""
    request = RelayRequest(
        round_id=state.descriptor.round_id, relay=EAST, set_hash=bytes(32), commitments=(bytes(32),)
    )
    return RelayedSum.signed(
        parties.identity(EAST), request, num_addends=1, num_chunks=1, root=bytes(32)
    ).to_bytes()


def test_a_relay_that_never_reports_is_in_no_set():
    state = RelayedRound()
    state.contribute()
    state.report([WEST])
    state.add()
    assert_is_sum_of(state.finish(), ("ada", "bob", "eve"))


def test_without_its_relays_a_set_may_be_too_small():
    state = RelayedRound(federation(min_contributors=3))
    state.contribute()
    state.report()
    for left_out in ([EAST, WEST], ["west", "east"]):
        with pytest.raises(vs.ProtocolError, match="1 contributions arrived"):
            state.root.relay_requests(leave_out=left_out)
    assert state.root.contributors == NAMES
    state.add()
    assert_is_sum_of(state.finish(), NAMES)


@pytest.mark.parametrize("trust", TRUSTS)
def test_a_relay_that_dies_after_the_set_is_fixed_takes_the_round_along(trust):
    """The next one works: nobody has locked, opened or answered anything of this one."""
    state = RelayedRound(federation(trust))
    state.contribute()
    state.report()
    requests = state.root.relay_requests()
    state.root.receive_relayed_sum(state.relays[EAST].relayed_sum(requests[EAST]))
    assert state.root.missing_relays == (WEST,)
    assert list(state.root.relay_requests()) == [WEST]
    with pytest.raises(vs.ProtocolError, match=r"relays are missing: west\. .* the next round"):
        state.root.open_requests()
    with pytest.raises(vs.ProtocolError, match="fixed with what came through west"):
        state.root.relay_requests(leave_out=[WEST])
    assert not state.root.has_begun
    assert not state.root.must_finish
    ways = {**WAYS, "ada": EAST, "bob": None}
    later = RelayedRound(state.federation, ways=ways, round_number=2)
    later.round.ledgers = state.round.ledgers
    later.contribute()
    later.report([EAST])
    later.add()
    assert_is_sum_of(later.finish(), NAMES)


# ---- one call after another ----


def test_calls_out_of_turn_are_refused():
    state = RelayedRound()
    state.contribute()
    relay, root = state.relays[WEST], state.root
    with pytest.raises(vs.ProtocolError, match="west has sent no sum"):
        root.spot_check(WEST)
    with pytest.raises(vs.InvalidArgumentError, match="relay is 'north', who is no relay"):
        root.spot_check("north")
    with pytest.raises(vs.InvalidArgumentError, match="leave_out has 'ada', who is no relay"):
        root.relay_requests(leave_out=["ada"])
    state.report()
    request = root.relay_requests()[WEST]
    with pytest.raises(vs.InvalidArgumentError, match="chunks"):
        root.spot_check(WEST, chunks=0)
    with pytest.raises(TypeError, match="leave_out"):
        root.relay_requests(leave_out="west")
    root.receive_relayed_sum(relay.relayed_sum(request))
    # What comes now comes too late.
    again = parties.contribute(state.federation, state.descriptor, "ada", DELTAS["ada"])
    with pytest.raises(vs.ProtocolError, match="late: the set is fixed"):
        relay.receive(again)
    with pytest.raises(vs.ProtocolError, match="late: the round is closed"):
        root.receive(state.messages["eve"])


def test_a_relay_is_one_of_the_federation():
    state = RelayedRound()
    for name in ("ada", "aggregator", "north"):
        with pytest.raises(vs.InvalidArgumentError, match=f"{name} is not a relay"):
            state.new_relay(name)
    other = vs.secure_sum.Identity.generate(WEST)
    with pytest.raises(vs.InvalidArgumentError, match="with this signing key"):
        Relay(
            state.federation,
            other,
            state.descriptor,
            invited=parties.invited_to(state.descriptor),
        )


def test_a_relay_of_nobody_knows_is_announced_to_nobody():
    agreed = federation()
    announced = parties.descriptor(agreed, invited={"ada": "north", "bob": None})
    with pytest.raises(vs.ProtocolError, match="ada is invited to contribute through north"):
        parties.aggregator(agreed, announced)
    with pytest.raises(vs.PolicyRefusedError, match="through north, who is no relay"):
        parties.contribute(agreed, announced, "ada", DELTAS["ada"])


def test_objects_tell_what_they_are():
    state = RelayedRound()
    state.contribute()
    assert repr(state.relays[WEST]).startswith("<Relay: west, round 1 of federation ")
    assert "open, 2 contributions" in repr(state.relays[WEST])
    state.report()
    state.add()
    assert "closed" in repr(state.relays[WEST])


@pytest.mark.parametrize("kind", [RelayReport, RelayRequest, RelayedSum, SpotCheck])
def test_a_message_says_what_is_wrong_with_its_fields(kind):
    hints = dict.fromkeys(kind.layout().fields, None)
    with pytest.raises(TypeError):
        kind(**hints)


@pytest.mark.parametrize("wrong", [None, 3, "text", [b""]])
def test_calls_name_the_argument_of_a_wrong_type(wrong):
    state = RelayedRound()
    relay, root = state.relays[WEST], state.root
    for call in (relay.relayed_sum, relay.answer_spot_check):
        with pytest.raises(TypeError, match="request must be bytes"):
            call(wrong)
    if wrong != [b""]:
        for receive in (
            *(relay.receive, root.receive_report),
            *(root.receive_relayed_sum, root.receive_spot_check),
        ):
            with pytest.raises(TypeError, match="message must be bytes or pieces"):
                receive(wrong)
    if wrong != "text":
        with pytest.raises(TypeError, match="relay must be a str"):
            root.spot_check(wrong)
    for name in ("federation", "identity", "descriptor", "store"):
        given = {
            "federation": state.federation,
            "identity": parties.identity(WEST),
            "descriptor": state.descriptor,
        }
        with pytest.raises(TypeError, match=name):
            Relay(**(given | {name: 3}), invited=parties.invited_to(state.descriptor))
    for names in ("west", 3, None, [3]):
        with pytest.raises(TypeError, match="known"):
            relay.report(known=names)


@pytest.mark.parametrize("trust", TRUSTS)
def test_relays_of_a_scheme_of_plain_integers(trust, monkeypatch):
    """Nobody asks which scheme it is."""
    for name, known in toy_scheme.SCHEMES.items():
        monkeypatch.setitem(schemes.SCHEMES, name, known)
    codec = vs.Codec(60, clip=1.0, value_bits=16, max_addends=8)
    state = RelayedRound(federation(trust, scheme="toy", codec=codec, chunk_size=2))
    state.contribute()
    state.report()
    state.add()
    slots = sum(codec.quantise(DELTAS[name][: codec.dim])[0] for name in NAMES)
    parties.assert_sums(state.finish(), codec.dequantise(slots, num_addends=len(NAMES)))
    assert state.check(WEST) == WEST
