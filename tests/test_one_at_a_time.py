"""Threads that share an aggregator: a second call is refused, and nothing is counted twice."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import NAMES, Round, frames_of
from validation_rules import rule
from veilsum.one_at_a_time import OneAtATime

HOLDERS = parties.holder_names("threshold")


def threshold_round(names=(), **options):
    return Round(parties.federation("threshold", toy=(5, 4)), names=names, **options)


class Slow:
    """A message that stops after its first piece until it is let go on."""

    def __init__(self, message):
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._frames = frames_of(message)

    def __iter__(self):
        yield self._frames[0]
        self.begun.set()
        assert self.go_on.wait(60)
        yield from self._frames[1:]


def calls(aggregator, message, answer):
    return {
        "receive": lambda: aggregator.receive(message),
        "open_requests": aggregator.open_requests,
        "receive_opening": lambda: aggregator.receive_opening(answer),
        "finish": aggregator.finish,
    }


def during(slow, call):
    """What comes of a second call while the first one reads its message."""
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, slow)
        assert slow.begun.wait(60)
        yield
        slow.go_on.set()
        yield first.result(timeout=60)


@rule("CN11")
@pytest.mark.parametrize("second", ["receive", "open_requests", "receive_opening", "finish"])
def test_a_second_call_of_an_aggregator_is_refused_and_changes_nothing(second):
    state = threshold_round(NAMES[:2])
    message = state.contribution("cyd")
    steps = during(Slow(message), state.aggregator.receive)
    next(steps)
    with pytest.raises(vs.ConcurrentUseError, match="aggregator is in the middle of another call"):
        calls(state.aggregator, message, b"answer")[second]()
    assert state.aggregator.contributors == NAMES[:2]
    assert state.aggregator.refused == {}
    assert next(steps) == "cyd"
    assert state.aggregator.contributors == NAMES[:3]
    parties.assert_sums(state.finish(), parties.quantised_sum(state.federation.codec, [0.5] * 3))


@pytest.mark.parametrize("second", ["receive", "open_requests", "receive_opening", "finish"])
def test_no_answer_is_counted_while_another_one_is_read(second):
    state = threshold_round(NAMES[:3])
    answers = {name: state.holder(name).open(asked) for name, asked in state.requests().items()}
    first, other, *_ = answers.values()
    steps = during(Slow(first), state.aggregator.receive_opening)
    next(steps)
    with pytest.raises(vs.ConcurrentUseError):
        calls(state.aggregator, state.messages["ada"], other)[second]()
    next(steps)
    for answer in list(answers.values())[1:]:
        state.aggregator.receive_opening(answer)
    expected = parties.quantised_sum(state.federation.codec, [0.5] * 3)
    parties.assert_sums(state.aggregator.finish(), expected)


def test_threads_that_race_add_each_contribution_once():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(10):
            state = threshold_round()
            messages = [state.contribution(name) for name in NAMES[:3]]
            barrier = threading.Barrier(6)

            def receive(message, aggregator=state.aggregator, barrier=barrier):
                barrier.wait(60)
                while True:
                    try:
                        return aggregator.receive(message)
                    except vs.ConcurrentUseError:
                        continue
                    except vs.ProtocolError:
                        return None  # It is in the sum already.

            with ThreadPoolExecutor(6) as pool:
                taken = [name for name in pool.map(receive, messages * 2) if name is not None]
            assert sorted(taken) == list(NAMES[:3])
            expected = parties.quantised_sum(state.federation.codec, [0.5] * 3)
            parties.assert_sums(state.finish(), expected)
    finally:
        sys.setswitchinterval(before)


def test_a_message_that_calls_the_aggregator_itself_is_refused():
    state = threshold_round(NAMES[:2])
    message = state.contribution("cyd")

    def pieces():
        yield message[:100]
        state.aggregator.receive(message)

    with pytest.raises(vs.ConcurrentUseError):
        state.aggregator.receive(pieces())
    assert state.aggregator.receive(message) == "cyd"  # An error lets the next call in.


def test_requests_stay_readable_while_answers_come_in():
    state = threshold_round(NAMES[:3])
    whole = state.requests()
    begun = {name: iter(frames) for name, frames in state.aggregator.open_requests().items()}
    parts = {name: [next(frames), next(frames)] for name, frames in begun.items()}

    def read_on(name):
        parts[name] += begun[name]
        return b"".join(parts[name])

    with ThreadPoolExecutor(len(begun)) as pool:
        reading = {name: pool.submit(read_on, name) for name in begun}
        for name in list(begun)[:2]:
            state.aggregator.receive_opening(state.holder(name).open(whole[name]))
        assert {name: read.result() for name, read in reading.items()} == whole
    state.finish()


def test_the_guard_lets_the_next_one_in_after_any_end():
    guard = OneAtATime("the object")
    for error in (None, KeyboardInterrupt, vs.ProtocolError):
        with (
            pytest.raises(vs.ConcurrentUseError, match="the object is in the middle"),
            guard,
            guard,
        ):
            pass
        if error is not None:
            with pytest.raises(error), guard:
                raise error
    with guard:
        pass
