"""What a holder of the key, or of a share, opens, and what it refuses."""

import dataclasses

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from known_keys import known_key
from protocol_attackers import asked_anew, opened_keys, resigned
from protocol_parties import CODEC, NAMES, Round
from validation_rules import rule
from veilsum.secure_sum import (
    ChunkRequest,
    Identity,
    Invitations,
    KeyHolder,
    Opening,
    OpenRequest,
    RoundLedger,
    RunName,
)

BOTH = pytest.mark.parametrize("trust", ["authority", "threshold"])
FIRST = "holder-1"


def request_of(state, name=FIRST):
    return parties.frames_of(state.requests()[name])


def first_request_of(state, name=FIRST):
    """What a holder is asked first: a holder of a share, to lock the set."""
    return parties.frames_of(state.asked()[name])


def rewritten(frames, **changes):
    """The request with other fields in its head, or in its set."""
    head, own = OpenRequest.from_bytes(frames[0]), {"chunks", "locks", "holder", "num_links"}
    asked = parties.with_set(head, **{key: changes[key] for key in changes.keys() - own})
    head = asked_anew(asked, **{key: changes[key] for key in changes.keys() & own})
    return [head.to_bytes(), *frames[1:]]


def with_headers(frames, change):
    return rewritten(frames, headers=tuple(map(change, OpenRequest.from_bytes(frames[0]).headers)))


@BOTH
def test_answers_are_signed_and_open_to_the_sum(trust):
    state = Round(parties.federation(trust))
    frames = request_of(state)
    holder = state.holder()
    assert holder.name == FIRST
    answered = holder.open(frames)
    for frame in parties.frames_of(answered):
        answer = Opening.from_bytes(frame)
        answer.verify(parties.identity(FIRST).enrol())
        assert answer.set_hash == OpenRequest.from_bytes(frames[0]).set_hash
    if trust == "authority":
        state.aggregator.receive_opening(answered)
        expected = parties.quantised_sum(CODEC, [0.5] * 3)
        parties.assert_sums(state.aggregator.finish(), expected)


@rule("KH1")
@BOTH
def test_a_lone_contribution_is_not_opened(trust):
    state = Round(parties.federation(trust), names=NAMES[:2])
    frames = request_of(state)
    head = OpenRequest.from_bytes(frames[0])
    for headers in (head.headers[:1], head.headers[1:]):
        with pytest.raises(vs.PolicyRefusedError, match="fewer than 2"):
            state.holder().open(rewritten(frames, headers=headers))
    state.holder().open(frames)


def other_round(state, names=NAMES[:2]):
    """Another set of the same round, with holders that know nothing of the first."""
    other = Round(state.federation, names=())
    for name in names:
        other.aggregator.receive(state.messages[name])
    return other


def other_set(state):
    """The request to open it."""
    return request_of(other_round(state))


@rule("KH2")
@BOTH
def test_the_same_set_is_answered_again_and_another_is_not(trust):
    state = Round(parties.federation(trust))
    frames = request_of(state)

    def bodies():
        answers = map(Opening.from_bytes, parties.frames_of(state.holder().open(frames)))
        if trust == "authority":
            return [(answer.index, answer.body) for answer in answers]
        key = state.federation.key
        # The same elements; only their proofs are made anew.
        read = [vs.threshold.PartialDecryption.from_bytes(a.body, key) for a in answers]
        return [(part.first, part.to_bytes()[-256:]) for part in read]

    first = bodies()
    assert bodies() == first
    with pytest.raises(vs.PolicyRefusedError, match="differently"):
        state.holder().open(other_set(state))
    assert bodies() == first


@BOTH
def test_a_holder_may_be_asked_for_the_rest_of_a_set_later(trust):
    state = Round(parties.federation(trust))
    frames = request_of(state)
    chunks = OpenRequest.from_bytes(frames[0]).chunks
    answers = []
    for i, index in enumerate(chunks):
        part = frames[1 + 3 * i : 4 + 3 * i]
        (answer,) = parties.frames_of(
            state.holder().open(rewritten([frames[0], *part], chunks=(index,)))
        )
        answers.append(answer)
    state.aggregator.receive_opening(answers)
    assert FIRST not in state.requests()


@rule("KH6")
@pytest.mark.parametrize("trust", ["authority", "contributors"])
def test_one_who_has_the_whole_key_opens_one_set_a_round_that_it_has_added_itself(trust):
    """Its own record is the lock: it is asked once, and shown none."""
    state = Round(parties.federation(trust))
    ((name, request),) = state.asked().items()
    frames, holder = parties.frames_of(request), state.holder(name)
    assert OpenRequest.from_bytes(frames[0]).locks == ()
    # A chunk that one has not proved is not opened, whatever the aggregator says of it.
    given = ChunkRequest.from_bytes(frames[2])
    spoiled = dataclasses.replace(given, chunk=given.chunk[:-1] + b"?").to_bytes()
    with pytest.raises(vs.ProtocolError, match="not chunk 0 that bob signed"):
        holder.open([*frames[:2], spoiled, *frames[3:]])
    assert state.ledgers[name].answered(RunName.of(state.federation)) == {}
    opened = opened_keys(state.federation, holder.open(frames))
    with pytest.raises(vs.PolicyRefusedError, match="differently"):
        state.holder(name).open(request_of(other_round(state), name))
    again = opened_keys(state.federation, state.holder(name).open(frames))
    assert np.array_equal(opened, again)


@rule("KH5")
@BOTH
@pytest.mark.parametrize("change", ["model", "invited", "federation", "round"])
def test_a_changed_announcement_opens_no_second_set(change, trust):
    """Two sums that overlap would differ by single contributions."""
    state = Round(parties.federation(trust))
    frames = request_of(state)
    state.holder().open(frames)
    changes = {
        "model": {"model_hash": bytes(32)},
        "invited": {"invited": NAMES[:3]},
        "federation": {"federation_hash": bytes(32)},
        "round": {"round_number": 2},
    }
    head = OpenRequest.from_bytes(frames[0])
    announced = parties.announced_anew(head.descriptor, **changes[change])
    # What was signed for one round is not signed for another.
    error = {"federation": vs.PolicyRefusedError, "invited": vs.ProtocolError}
    with pytest.raises(error.get(change, vs.SignatureError)):
        state.holder().open(rewritten(frames, descriptor=announced))
    # Even contributors who sign again for what is announced get no second answer.
    again = Round(state.federation, names=())
    again.descriptor = announced
    if change in ("model", "invited"):
        again.aggregator = again.new_aggregator()
        for name in NAMES[:3]:
            again.aggregator.receive(again.contribution(name))
        with pytest.raises(vs.PolicyRefusedError):
            state.holder().open(request_of(again))
    state.holder().open(frames)


@rule("KH4", "KH7")
def test_keys_and_shares_are_the_federations_and_their_holders_own():
    rounds = RoundLedger.in_memory()
    shared, authority = parties.federation("threshold"), parties.federation()
    share = parties.key_of(shared, FIRST)
    for agreed, key in (
        (authority, known_key("2048-other").secret),
        (authority, share),
        (shared, known_key(2048).secret),
        (shared, parties.toy_key(5, 4)[1][0]),
    ):
        with pytest.raises(vs.KeyMismatchError):
            KeyHolder(agreed, parties.identity(FIRST), key=key, rounds=rounds)
    with pytest.raises(vs.KeyMismatchError):
        KeyHolder(
            parties.federation("contributors"),
            parties.identity("ada"),
            key=known_key("2048-other").secret,
            rounds=rounds,
        )
    with pytest.raises(vs.InvalidArgumentError, match="holder 1"):
        KeyHolder(shared, parties.identity("holder-2"), key=share, rounds=rounds)
    for identity in (parties.identity("ada"), parties.identity("eve"), Identity.generate(FIRST)):
        with pytest.raises(vs.InvalidArgumentError, match="among"):
            KeyHolder(shared, identity, key=share, rounds=rounds)


@rule("KH8", "KH9")
@BOTH
def test_every_contribution_of_a_set_is_signed_by_one_who_was_invited(trust):
    agreed = parties.federation(trust)
    state = Round(agreed, invited=NAMES[:3])
    frames = first_request_of(state)
    eve = resigned(state.descriptor, "eve", parties.frames_of(state.messages["ada"])[1:])
    dan = resigned(state.descriptor, "dan", parties.frames_of(state.messages["ada"])[1:])
    headers = OpenRequest.from_bytes(frames[0]).headers
    read = type(headers[0]).from_bytes
    for message in (eve, dan):
        uninvited = read(parties.frames_of(message)[0])
        longer = Invitations.of([*NAMES[:3], uninvited.contributor])
        changes = {"invited": longer, "headers": sorted_headers((*headers, uninvited))}
        with pytest.raises(vs.ProtocolError, match="not the one that the aggregator has signed"):
            state.holder().open(rewritten(frames, **changes))
    for change, error in (
        (lambda h: dataclasses.replace(h, signature=bytes(64)), vs.SignatureError),
        (lambda h: dataclasses.replace(h, signature=headers[0].signature), vs.SignatureError),
        (lambda h: dataclasses.replace(h, root=bytes(32)), vs.SignatureError),
        (lambda h: dataclasses.replace(h, num_chunks=h.num_chunks + 1), vs.ProtocolError),
    ):
        with pytest.raises(error):
            state.holder().open(with_headers(frames, change))
    assert state.ledgers[FIRST].answered(RunName.of(agreed)) == {}
    state.holder().open(frames)


def sorted_headers(headers):
    return tuple(sorted(headers, key=lambda header: header.contributor))


def change_chunk(frames, position, **changes):
    given = ChunkRequest.from_bytes(frames[position])
    frames = list(frames)
    frames[position] = dataclasses.replace(given, **changes).to_bytes()
    return frames


@rule("KH10")
@BOTH
def test_only_chunks_that_were_signed_are_added(trust):
    state = Round(parties.federation(trust))
    frames = request_of(state)
    given = [ChunkRequest.from_bytes(frame) for frame in frames[1:]]
    wrong = [
        change_chunk(frames, 1, chunk=given[1].chunk),  # Another contributor's.
        change_chunk(frames, 1, chunk=given[3].chunk),  # Another of its own.
        change_chunk(frames, 1, chunk=given[3].chunk, path=given[3].path),
        change_chunk(frames, 1, chunk=given[0].chunk[:-1] + b"?"),
        change_chunk(frames, 1, path=given[0].path[:-1]),
        change_chunk(frames, 1, path=(*given[0].path, bytes(32))),
        change_chunk(frames, 1, path=given[0].path[::-1]),
        change_chunk(frames, 1, path=()),
        change_chunk(frames, 1, contribution=1),
        [frames[0], frames[2], frames[1], *frames[3:]],  # In another order.
        [frames[0], *frames[4:7], *frames[1:4], *frames[7:]],
        [frames[0], frames[1], frames[1], *frames[3:]],  # One twice, in another's place.
        frames[:-1],
    ]
    for request in wrong:
        with pytest.raises(vs.ProtocolError):
            state.holder().open(request)
    with pytest.raises(vs.MalformedDataError, match="more chunks"):
        state.holder().open([*frames, frames[-1]])
    state.holder().open(frames)


@rule("KH11")
@BOTH
@pytest.mark.parametrize("chunks", [(5,), (0, 1, 5), (2**32 - 1,)])
def test_only_chunks_that_are_opened_are_asked_for(chunks, trust):
    state = Round(parties.federation(trust))
    frames = first_request_of(state)
    with pytest.raises(vs.ProtocolError, match="chunk"):
        state.holder().open(rewritten(frames, chunks=chunks))
    assert state.ledgers[FIRST].answered(RunName.of(state.federation)) == {}


def test_chunks_are_asked_for_in_order_and_each_once():
    head = OpenRequest.from_bytes(request_of(Round(parties.federation("threshold")))[0])
    for chunks in ((1, 0), (0, 0)):
        with pytest.raises(vs.InvalidArgumentError, match="chunks must grow"):
            dataclasses.replace(head, chunks=chunks)
    with pytest.raises(vs.InvalidArgumentError, match="chunks"):
        dataclasses.replace(head, chunks=())
    with pytest.raises(vs.InvalidArgumentError, match="at least one contribution"):
        parties.with_set(head, headers=())
    for headers in (head.headers[::-1], (head.headers[0], head.headers[0])):
        with pytest.raises(vs.InvalidArgumentError, match="indices must grow"):
            parties.with_set(head, headers=headers)


@pytest.mark.parametrize(
    ("trust", "record"), [("authority", "begin"), ("threshold", "begin"), ("threshold", "lock")]
)
def test_what_cannot_be_recorded_is_not_opened(trust, record, monkeypatch):
    state = Round(parties.federation(trust))
    frames = first_request_of(state) if record == "lock" else request_of(state)

    def fail(*_, **__):
        raise vs.LedgerError("the disk is gone")

    def opened(*_, **__):
        raise AssertionError("it was opened")

    with monkeypatch.context() as patch:
        patch.setattr(RoundLedger, record, fail)
        patch.setattr(vs.SecretKey, "decrypt_plaintexts", opened)
        patch.setattr(vs.threshold.KeyShare, "decrypt", opened)
        with pytest.raises(vs.LedgerError):
            state.holder().open(frames)
    state.holder().open(frames)


@BOTH
def test_two_sets_asked_for_at_once_are_not_both_opened(trust, monkeypatch):
    state = Round(parties.federation(trust))
    first, second = first_request_of(state), first_request_of(other_round(state))
    check, opened = KeyHolder._check_set, []

    def overtaken(self, *arguments):
        # Checking takes a while: another process of this holder may lock its set meanwhile.
        checked = check(self, *arguments)
        if not opened:
            opened.append(None)
            opened.append(state.holder().open(second))
        return checked

    monkeypatch.setattr(KeyHolder, "_check_set", overtaken)
    with pytest.raises(vs.PolicyRefusedError, match="differently"):
        state.holder().open(first)
    assert len(opened[1]) > 0
    state.holder().open(second)


@pytest.mark.parametrize("request_bytes", [b"", b"veil", b"no request at all" * 9])
def test_what_is_no_request_is_refused(request_bytes):
    with pytest.raises(vs.MalformedDataError):
        Round().holder().open(request_bytes)
