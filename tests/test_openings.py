"""What an aggregator takes as the answers of holders, and what it refuses."""

import dataclasses

import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import CODEC, Round
from validation_rules import rule
from veilsum.secure_sum import Opening, OpenRequest


def test_nothing_is_opened_before_it_is_asked_for():
    state = Round()
    opening = Round().holder().open(Round().requests()["holder-1"])
    with pytest.raises(vs.ProtocolError, match="open_requests"):
        state.aggregator.receive_opening(opening)
    with pytest.raises(vs.ProtocolError, match="open_requests"):
        state.aggregator.finish()
    assert state.aggregator.num_missing_chunks == state.federation.num_opened
    state.requests()
    with pytest.raises(vs.NotEnoughSharesError):
        state.aggregator.finish()
    with pytest.raises(vs.MalformedDataError, match="empty"):
        state.aggregator.receive_opening(b"")


def opening_by(name, answer, **changes):
    """The answer with changes, signed by this holder."""
    names = ("round_id", "set_hash", "index", "body")
    fields = {name: getattr(answer, name) for name in names}
    return Opening.signed(parties.identity(name), **(fields | changes))


@rule("OP1", "OP2", "OP3", "OP4")
@pytest.mark.parametrize("trust", ["authority", "threshold"])
def test_only_a_signed_answer_to_the_request_is_read(trust):
    state = Round(parties.federation(trust))
    aggregator = state.aggregator
    frames = parties.frames_of(state.holder().open(state.requests()["holder-1"]))
    answer = Opening.from_bytes(frames[0])
    wrong = [
        (opening_by("holder-1", answer, set_hash=bytes(32)), vs.ProtocolError),
        (opening_by("holder-1", answer, round_id=bytes(32)), vs.ProtocolError),
        (opening_by("ada", answer), vs.ProtocolError),
        (dataclasses.replace(answer, signature=bytes(64)), vs.SignatureError),
        (dataclasses.replace(answer, body=answer.body[:-1] + b"U"), vs.SignatureError),
        (opening_by("holder-1", answer, body=answer.body[:-8]), vs.MalformedDataError),
        (opening_by("holder-1", answer, body=answer.body[:8]), vs.MalformedDataError),
        (dataclasses.replace(answer, index=answer.index + 1), vs.SignatureError),
    ]
    if trust == "threshold":
        wrong += [
            (opening_by("holder-1", answer, body=b""), vs.MalformedDataError),
            (opening_by("holder-1", answer, index=answer.index + 1), vs.ProtocolError),
        ]
    else:
        half = (state.federation.public_key.n // 2 + 1).to_bytes(len(answer.body), "little")
        wrong += [
            # The plaintexts of a chunk are one here, in (-n/2, n/2).
            (opening_by("holder-1", answer, body=half), vs.MalformedDataError),
            (opening_by("holder-1", answer, body=2 * answer.body), vs.ProtocolError),
            (opening_by("holder-1", answer, body=b""), vs.ProtocolError),
            (opening_by("holder-1", answer, index=state.federation.num_opened), vs.ProtocolError),
        ]
    num_missing = aggregator.num_missing_chunks
    for opening, error in wrong:
        with pytest.raises(error):
            aggregator.receive_opening(opening.to_bytes())
        assert aggregator.num_missing_chunks == num_missing
    assert sum(aggregator.refused.values()) == len(wrong)
    parties.assert_sums(state.finish(), parties.quantised_sum(CODEC, [0.5] * 3))


@rule("OP5", "OP6")
def test_a_partial_decryption_is_of_one_whole_chunk_by_its_own_holder_once():
    agreed = parties.federation("threshold", chunk_size=2)  # Chunks of 2, 2 and 1.
    state = Round(agreed)
    requests = state.requests()
    frames = parties.frames_of(state.holder("holder-1").open(requests["holder-1"]))
    first = Opening.from_bytes(frames[0])
    with pytest.raises(vs.ProtocolError, match="another holder"):
        state.aggregator.receive_opening(opening_by("holder-2", first).to_bytes())
    share = parties.key_of(agreed, "holder-1")
    batch = agreed.public_key.encrypt([1, 2, 3, 4])
    for begin, end in ((0, 1), (1, 3), (0, 4), (4, 6), (6, 8)):
        part = share.decrypt(batch[: end - begin], context=b"", first=begin)
        with pytest.raises(vs.ProtocolError, match="no chunk"):
            state.aggregator.receive_opening(
                opening_by("holder-1", first, body=part.to_bytes()).to_bytes()
            )
    # Of the right chunk, but not of what was asked.
    part = share.decrypt(batch[:2], context=b"")
    forged = opening_by("holder-1", first, body=part.to_bytes())
    with pytest.raises(vs.ProofError, match="holder-1"):
        state.aggregator.receive_opening(forged.to_bytes())
    state.aggregator.receive_opening(frames[0])
    with pytest.raises(vs.ProtocolError, match="already"):
        state.aggregator.receive_opening(frames[0])
    parties.assert_sums(state.finish(), parties.quantised_sum(CODEC, [0.5] * 3))


@rule("OP8")
def test_the_opener_of_a_round_is_asked_and_nobody_else_is_believed():
    state = Round(parties.federation("contributors"))
    requests = state.requests()
    assert set(requests) == {"ada"} == set(state.aggregator.openers)
    assert set(state.requests(missing=["bob", "dan"])) == {"ada"}
    answers = state.holder("ada").open(requests["ada"])
    opening = Opening.from_bytes(parties.frames_of(answers)[0])
    answer_of_another = opening_by("bob", opening).to_bytes()
    with pytest.raises(vs.ProtocolError, match="bob answers, and the round names ada alone"):
        state.aggregator.receive_opening(answer_of_another)
    with pytest.raises(
        vs.NotEnoughSharesError, match=r"ada is missing.*another round with another opener"
    ):
        state.requests(missing=["ada"])
    state.aggregator.receive_opening(answers)
    assert state.requests() == state.requests(missing=["ada"]) == {}
    with pytest.raises(vs.ProtocolError, match="already"):
        state.aggregator.receive_opening(opening.to_bytes())
    with pytest.raises(vs.ProtocolError, match="bob answers, and the round names ada alone"):
        state.aggregator.receive_opening(answer_of_another)
    transcript = state.aggregator.transcript()
    others = Opening.from_bytes(answer_of_another).receipt()
    for receipts in ((others,), (*transcript.receipts, others)):
        told = dataclasses.replace(transcript, receipts=receipts)
        with pytest.raises(vs.ProtocolError, match="bob answers, and the round names ada alone"):
            told.verify(state.federation)
    parties.assert_sums(state.aggregator.finish(), parties.quantised_sum(CODEC, [0.5] * 3))


def test_answers_before_a_wrong_one_are_kept():
    state = Round(parties.federation("threshold"))
    frames = parties.frames_of(state.holder("holder-1").open(state.requests()["holder-1"]))
    with pytest.raises(vs.ProtocolError, match="already"):
        state.aggregator.receive_opening([*frames, frames[0]])
    again = state.requests()
    assert "holder-1" not in again
    parties.assert_sums(state.finish(), parties.quantised_sum(CODEC, [0.5] * 3))


def test_a_holder_that_was_asked_twice_loses_nothing():
    """A slow holder, asked again for what it answers meanwhile and for what another lacks."""
    state = Round(parties.federation("threshold"))
    first, second = state.requests()["holder-2"], state.requests(missing=["holder-1"])["holder-2"]
    chunks = [OpenRequest.from_bytes(parties.frames_of(r)[0]).chunks for r in (first, second)]
    assert set(chunks[0]) < set(chunks[1])
    state.aggregator.receive_opening(state.holder("holder-2").open(first))
    with pytest.raises(vs.ProtocolError, match="already, in 4 of the frames"):
        state.aggregator.receive_opening(state.holder("holder-2").open(second))
    assert "holder-2" not in state.requests(missing=["holder-1"])
    parties.assert_sums(state.finish(missing=["holder-1"]), parties.quantised_sum(CODEC, [0.5] * 3))


def test_an_endless_repetition_is_not_listened_to():
    state = Round(parties.federation("threshold"))
    frame = parties.frames_of(state.holder("holder-1").open(state.requests()["holder-1"]))[0]
    read = []

    def endless():
        while True:
            read.append(1)
            yield frame

    with pytest.raises(vs.ProtocolError, match="already"):
        state.aggregator.receive_opening(endless())
    assert len(read) <= 2 + state.federation.num_opened


@pytest.mark.parametrize("trust", ["authority", "threshold"])
def test_requests_ask_for_no_more_chunks_than_was_said(trust):
    toy = {"toy": (5, 4)} if trust == "threshold" else {}
    state, asked = Round(parties.federation(trust, **toy)), 0
    assert state.federation.num_opened > 2
    while requests := state.aggregator.open_requests(max_chunks=2):
        for name, frames in requests.items():
            frames = list(frames)
            asked += 1
            if len(frames) > 1:  # With what everybody sent.
                assert 1 <= len(OpenRequest.from_bytes(frames[0]).chunks) <= 2
            state.aggregator.receive_opening(state.holder(name).open(frames))
    assert asked > 2
    expected = parties.quantised_sum(state.federation.codec, [0.5] * 3)
    parties.assert_sums(state.aggregator.finish(), expected)
    with pytest.raises(vs.InvalidArgumentError, match="max_chunks is 0; it must be at least 1"):
        state.aggregator.open_requests(max_chunks=0)
