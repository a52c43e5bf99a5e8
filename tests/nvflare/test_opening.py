"""The server asks in pieces whoever has the key, and survives holders that do not answer."""

import pytest
from nvflare.apis.shareable import Shareable
from protocol_parties import NAMES, Round, assert_sums, federation, quantised_sum
from veilsum.errors import ProtocolError
from veilsum.integrations.nvflare import opening
from veilsum.integrations.nvflare.messages import OPEN_TOPIC, REQUEST
from veilsum.integrations.nvflare.opening import Answers, Opener

TRUSTS = {"threshold": federation("threshold", toy=(4, 3)), "authority": federation("authority")}
TRUSTS["shared"] = federation("shared")


class Holders:
    """Answers for all holders of a round, and counts the questions."""

    def __init__(self, state):
        self.answers = {
            name: Answers(lambda name=name: state.holder(name), log=print, num_threads=1)
            for name in state.ledgers
        }
        self.questions = []

    def __call__(self, questions, seconds):
        replies = {}
        for name, question in questions.items():
            if REQUEST in question:
                self.questions.append((name, len(question[REQUEST])))
            replies[name] = self.answers[name](OPEN_TOPIC, question, None)
        return {name: reply for name, reply in replies.items() if reply is not None}


def opener(ask, agreed, **options):
    limits = {"max_request_bytes": 1 << 20, "answer_seconds": 1.0, "opening_seconds": 0.05}
    return Opener(ask, agreed, log=print, **(limits | options))


@pytest.mark.parametrize("trust", TRUSTS)
def test_sum_is_opened_by_whoever_has_the_key(trust):
    state = Round(TRUSTS[trust])
    holders = Holders(state)
    result = opener(holders, state.federation).open(state.aggregator, stopped=lambda: False)
    assert_sums(result, quantised_sum(state.federation.codec, [0.5] * 3))
    assert result.contributors == NAMES[:3]
    if trust != "threshold":
        assert len(holders.questions) == 1  # One has it; one is asked.


def test_requests_are_no_longer_than_was_asked_for():
    state = Round(TRUSTS["threshold"])
    chunk = 3 * state.federation.chunk_size * 2 * (state.federation.public_key.key_bits // 8)
    sizes = {}
    for max_request_bytes in (1, 2 * chunk, 1 << 20):
        state.restart()
        for message in state.messages.values():
            state.aggregator.receive(message)
        holders = Holders(state)
        wanted = opener(holders, state.federation, max_request_bytes=max_request_bytes)
        result = wanted.open(state.aggregator, stopped=lambda: False)
        assert_sums(result, quantised_sum(state.federation.codec, [0.5] * 3))
        sizes[max_request_bytes] = [size for _, size in holders.questions]
    num_chunks = state.federation.num_chunks
    assert num_chunks > 4
    assert len(sizes[1]) == 3 * num_chunks
    assert len(sizes[1 << 20]) == 4
    assert 4 < len(sizes[2 * chunk]) < 3 * num_chunks
    assert max(sizes[1]) < max(sizes[2 * chunk]) < max(sizes[1 << 20])


def test_silent_holder_is_not_waited_for_twice():
    state = Round(TRUSTS["threshold"])
    holders = Holders(state)
    silent = holders.answers["holder-2"]
    holders.answers["holder-2"] = lambda topic, question, context: (
        None if REQUEST in question else silent(topic, question, context)
    )
    result = opener(holders, state.federation).open(state.aggregator, stopped=lambda: False)
    assert_sums(result, quantised_sum(state.federation.codec, [0.5] * 3))
    assert [name for name, _ in holders.questions].count("holder-2") == 1


def test_stopped_job_stops_waiting(monkeypatch):
    monkeypatch.setattr(opening, "_PAUSE_SECONDS", 60.0)
    state = Round(TRUSTS["threshold"])
    with pytest.raises(opening.NotEnoughSharesError):
        opener(lambda questions, seconds: {}, state.federation, opening_seconds=60.0).open(
            state.aggregator, stopped=lambda: True
        )


def test_too_few_contributions_ask_nobody():
    state = Round(TRUSTS["threshold"], names=NAMES[:1])
    holders = Holders(state)
    with pytest.raises(ProtocolError, match="opens no sum of"):
        opener(holders, state.federation).open(state.aggregator, stopped=lambda: False)
    assert holders.questions == []


def test_question_whether_a_holder_is_there_opens_nothing():
    state = Round(TRUSTS["threshold"])
    reply = Holders(state).answers["holder-1"](OPEN_TOPIC, Shareable(), None)
    assert set(reply) == {"__headers__"}
    assert state.ledgers["holder-1"].answered(state.federation.public_key.fingerprint) == {}
