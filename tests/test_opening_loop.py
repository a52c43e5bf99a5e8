"""The holders of a round are asked until it is open, or given up in bounded time."""

import functools
import re
from itertools import pairwise

import pytest
import veilsum as vs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from protocol_parties import (
    NAMES,
    TRUSTS,
    Round,
    assert_sums,
    descriptor,
    federation,
    quantised_sum,
)
from veilsum.errors import InvalidArgumentError, NotEnoughSharesError, ProtocolError
from veilsum.integrations import asking, opening
from veilsum.integrations.openers import Openers

NUM_HOLDERS, THRESHOLD = 4, 3
CODEC = vs.Codec(40, clip=1.0, value_bits=40, max_addends=4)
AGREED = {trust: federation(trust, toy=(NUM_HOLDERS, THRESHOLD), codec=CODEC) for trust in TRUSTS}
HOLDERS = [party.name for party in AGREED["threshold"].holders]
ANSWER_SECONDS = 100.0
WAIT_SECONDS = 60.0

AWAY, SILENT, REFUSES, LATE, WRONG, ANSWERS = (
    "away",
    "silent",
    "refuses",
    "late",
    "wrong",
    "answers",
)


class Clock:
    """Stands still but where somebody sleeps, or waits for an answer."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        assert self.now < 1e6, "it goes on for ever"
        self.now += seconds
        self.pauses.append(seconds)


class Holders:
    """Reaches the holders of a round. ``fates``: what becomes of each one's requests, in order.

    The last fate stays; who has none answers.
    """

    def __init__(self, state, clock, **fates):
        self.state = state
        self.fates = {name.replace("_", "-"): list(fate) for name, fate in fates.items()}
        self.asked = []
        self._clock = clock
        self._late = {}

    def fate(self, name, *, is_over=True):
        fates = self.fates.get(name, [ANSWERS])
        return fates.pop(0) if is_over and len(fates) > 1 else fates[0]

    def present(self, names):
        there = {name for name in names if self.fate(name, is_over=False) != AWAY}
        for name in set(names) - there:
            self.fate(name)
        return there

    def ask(self, requests):
        answers = {}
        for name, request in requests.items():
            frames = list(request)
            self.asked.append((name, sum(map(len, frames))))
            fate = self.fate(name)
            if fate in (SILENT, LATE, AWAY):
                self._clock.now += ANSWER_SECONDS
            if name in self._late:
                answers[name] = self._late.pop(name)
            elif fate in (ANSWERS, LATE, WRONG):
                answer = self.state.holder(name).open(frames)
                if fate == LATE:
                    self._late[name] = answer
                else:
                    answers[name] = answer if fate == ANSWERS else answer[:-1] + b"U"
        return answers

    def num_asked(self, name):
        return [asked for asked, _ in self.asked].count(name)


@functools.cache
def contributions(trust):
    """The same in every round of a federation here, for all of them are round 1."""
    return list(Round(AGREED[trust]).messages.values())


class World:
    """A round with its contributions in, and what its opening did."""

    def __init__(self, trust, clock, **fates):
        self.clock = clock
        self.state = Round(AGREED[trust], names=(), keep=True)
        for message in contributions(trust):
            self.state.aggregator.receive(message)
        self.holders = Holders(self.state, clock, **fates)
        self.log = []

    def open(self, **options):
        limits = {"max_request_bytes": 1 << 20, "wait_seconds": WAIT_SECONDS}
        start = self.clock.now
        try:
            return opening.open_sum(
                self.state.aggregator,
                self.holders,
                federation=self.state.federation,
                log=self.log.append,
                **(limits | options),
            )
        finally:
            self.seconds = self.clock.now - start

    def opens(self, **options):
        result = self.open(**options)
        assert_sums(result, quantised_sum(self.state.federation.codec, [0.5] * 3))
        assert result.contributors == NAMES[:3]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (opening, asking):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.mark.parametrize("trust", TRUSTS)
def test_sum_is_opened_by_whoever_has_the_key(trust, clock):
    world = World(trust, clock)
    world.opens()
    # All with a share work alike, and lock first; of those with the whole key, one is asked.
    assert len(world.holders.asked) == (2 * NUM_HOLDERS if trust == "threshold" else 1)
    assert world.seconds == 0
    assert world.log == []


def test_nobody_but_the_opener_is_asked_and_waited_for(clock):
    world = World("contributors", clock, ada=[SILENT])
    with pytest.raises(NotEnoughSharesError, match=r"^0 of 1 .*, 1 needed; missing: ada$"):
        world.open()
    assert {name for name, _ in world.holders.asked} == {"ada"}
    away = {name: [AWAY] for name in NAMES[1:]}
    World("contributors", clock, **away).opens()


def test_requests_are_no_longer_than_was_asked_for(clock):
    agreed = AGREED["threshold"]
    chunk = 3 * agreed.bodies.max_chunk_bytes
    assert agreed.num_chunks > 4
    sizes = {}
    for max_request_bytes in (1, 2 * chunk, 1 << 20):
        world = World("threshold", clock)
        world.opens(max_request_bytes=max_request_bytes)
        sizes[max_request_bytes] = [size for _, size in world.holders.asked]
    # What everybody sent goes once to who opens it; to open takes one short message a holder.
    assert len(sizes[1]) == THRESHOLD * agreed.num_chunks + NUM_HOLDERS
    assert len(sizes[1 << 20]) == 2 * NUM_HOLDERS
    for found in sizes.values():
        assert max(found[-NUM_HOLDERS:]) < 1500 < min(found[:NUM_HOLDERS])
    assert len(sizes[1 << 20]) < len(sizes[2 * chunk]) < len(sizes[1])
    assert max(sizes[1]) < max(sizes[2 * chunk]) < max(sizes[1 << 20])


def test_holder_that_is_away_is_not_asked(clock):
    world = World("threshold", clock, holder_2=[AWAY])
    world.opens()
    assert world.holders.num_asked("holder-2") == 0
    assert world.seconds == 0


@pytest.mark.parametrize("fate", [SILENT, REFUSES, WRONG])
def test_holder_of_no_use_is_asked_once_while_others_are_enough(fate, clock):
    world = World("threshold", clock, holder_2=[fate])
    world.opens(max_request_bytes=1)
    assert world.holders.num_asked("holder-2") == 1
    assert world.seconds == (ANSWER_SECONDS if fate == SILENT else 0)
    assert [line.split(":")[0] for line in world.log] == (
        ["the answer of holder-2 is refused"] if fate == WRONG else []
    )


def test_holder_that_vanishes_between_two_requests_is_made_up_for(clock):
    world = World("threshold", clock, holder_2=[ANSWERS, AWAY])
    world.opens(max_request_bytes=1)
    assert world.holders.num_asked("holder-2") == 2
    assert world.clock.pauses == []


@pytest.mark.parametrize("fate", [SILENT, REFUSES, WRONG, AWAY, LATE])
@pytest.mark.parametrize("trust", TRUSTS)
def test_holder_that_fails_for_a_moment_is_asked_again_when_it_is_needed(trust, fate, clock):
    fates = {"holder_4": [AWAY], "holder_2": [fate, ANSWERS], "holder_1": [fate, ANSWERS]}
    fates |= {name: [fate, ANSWERS] for name in NAMES}
    world = World(trust, clock, **fates)
    world.opens()
    assert sum(clock.pauses) == opening._FIRST_PAUSE_SECONDS
    assert any("needed; missing: " in line for line in world.log)


def test_late_answer_is_taken_in_the_place_of_another(clock):
    world = World("threshold", clock, holder_4=[AWAY], holder_2=[LATE, ANSWERS, LATE, REFUSES])
    world.opens()
    assert world.holders.num_asked("holder-2") == 4


@pytest.mark.parametrize("fate", [SILENT, REFUSES, WRONG, AWAY])
@pytest.mark.parametrize("trust", TRUSTS)
def test_round_without_enough_holders_is_given_up_in_bounded_time(trust, fate, clock):
    fates = {name: [fate] for name in ("holder_1", "holder_3", *NAMES)}
    world = World(trust, clock, **fates)
    with pytest.raises(NotEnoughSharesError, match=r"missing: (holder-1|ada)"):
        world.open()
    # Each is asked once before it is too few, and once more after the last pause.
    num_failing = 2 if trust == "threshold" else 1
    longest = WAIT_SECONDS + 2 * num_failing * (ANSWER_SECONDS if fate == SILENT else 0)
    assert (0 if fate == SILENT else WAIT_SECONDS) <= world.seconds <= longest
    assert sum(clock.pauses) <= WAIT_SECONDS
    assert max(map(world.holders.num_asked, HOLDERS + list(NAMES))) <= 7


def test_pauses_grow_and_the_last_try_comes_at_the_end(clock):
    world = World("threshold", clock, holder_1=[REFUSES], holder_3=[REFUSES])
    tries = []
    present = world.holders.present
    world.holders.present = lambda names: tries.append(clock.now) or present(names)
    start = clock.now
    with pytest.raises(NotEnoughSharesError):
        world.open(wait_seconds=100.0)
    assert [when - start for when in tries] == [0, 2, 6, 14, 30, 60, 90, 100]


TWO_THERE = "2 of 4 holders of the key are there (holder-2, holder-4), 3 needed"
TWO_LACK = f"{TWO_THERE}; missing: holder-1, holder-3"


def test_log_tells_who_is_there_who_is_missing_and_how_long_it_still_waits(clock):
    world = World("threshold", clock, holder_1=[AWAY], holder_3=[AWAY])
    with pytest.raises(NotEnoughSharesError, match=re.escape(TWO_LACK)):
        world.open(wait_seconds=5)
    assert world.log == [f"{TWO_LACK}; 5 s left"]


def test_log_tells_less_and_less_often_what_stays_as_it_is(clock):
    world = World("threshold", clock, holder_1=[AWAY], holder_3=[AWAY])
    with pytest.raises(NotEnoughSharesError):
        world.open(wait_seconds=3600)
    left = [int(line.removeprefix(f"{TWO_LACK}; ").removesuffix(" s left")) for line in world.log]
    told = [3600 - seconds for seconds in left]
    assert told[:3] == [0, 30, 90]
    assert len(told) == 15
    assert max(later - earlier for earlier, later in pairwise(told)) <= 330


def test_log_tells_at_once_when_somebody_comes_or_answers(clock):
    fates = {"holder_1": [AWAY], "holder_2": [AWAY, ANSWERS], "holder_3": [AWAY] * 3 + [ANSWERS]}
    world = World("threshold", clock, **fates)
    world.opens()
    assert [line.partition(" of 4 ")[0] for line in world.log] == ["1", "2"]
    # Three are there, and lock; then one of them is gone.
    world = World("threshold", clock, holder_1=[AWAY], holder_2=[ANSWERS, AWAY, ANSWERS])
    world.opens()
    (line,) = world.log
    assert line.startswith("2 of 4 holders of the key have answered (holder-3, holder-4), 3 needed")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"wait_seconds": float("nan")}, InvalidArgumentError),
        ({"wait_seconds": -1}, InvalidArgumentError),
        ({"wait_seconds": "1"}, TypeError),
        ({"max_request_bytes": 0}, InvalidArgumentError),
        ({"max_request_bytes": 1e6}, TypeError),
    ],
)
def test_limits_out_of_range_are_refused_before_anybody_is_asked(options, error, clock):
    world = World("threshold", clock)
    with pytest.raises(error, match=next(iter(options))):
        world.open(**options)
    assert world.holders.asked == []


# ---- before anybody trains ----


TOO_MANY = {"threshold": ["holder-1", "holder-3"], "authority": HOLDERS[:1], "contributors": NAMES}


def await_holders(world, **options):
    start = world.clock.now
    try:
        return opening.await_holders(
            world.holders,
            federation=world.state.federation,
            log=world.log.append,
            **({"wait_seconds": WAIT_SECONDS} | options),
        )
    finally:
        world.seconds = world.clock.now - start


@pytest.mark.parametrize("trust", TRUSTS)
def test_nobody_waits_while_enough_holders_are_there(trust, clock):
    away = {} if trust == "authority" else {"holder_2": [AWAY], "ada": [AWAY]}
    world = World(trust, clock, **away)
    there = await_holders(world)
    everyone = {party.name for party in AGREED[trust].openers}
    assert there == everyone - {name.replace("_", "-") for name in away}
    assert world.log == []
    assert world.holders.asked == []
    assert world.seconds == 0


def test_training_waits_for_holders_that_come_in_time(clock):
    world = World("threshold", clock, holder_1=[AWAY, AWAY, ANSWERS], holder_3=[AWAY])
    await_holders(world)
    assert world.seconds == 6
    assert world.log == [
        f"{TWO_LACK}; 60 s left",
        "3 of 4 holders of the key are there: enough",
    ]


@pytest.mark.parametrize("trust", TRUSTS)
def test_without_enough_holders_nobody_is_asked_to_train(trust, clock):
    world = World(trust, clock, **{name.replace("-", "_"): [AWAY] for name in TOO_MANY[trust]})
    with pytest.raises(NotEnoughSharesError, match="nobody was asked to train"):
        await_holders(world)
    assert world.seconds == WAIT_SECONDS
    assert world.holders.asked == []


def test_no_wait_asks_everyone_once(clock):
    world = World("threshold", clock, holder_1=[REFUSES], holder_3=[REFUSES])
    with pytest.raises(
        NotEnoughSharesError, match=r"^2 of 4 .*, 3 needed; missing: holder-1, holder-3$"
    ):
        world.open(wait_seconds=0)
    assert world.log == []
    assert max(map(world.holders.num_asked, HOLDERS)) == 1
    assert clock.pauses == []


def test_round_that_makes_headway_is_not_given_up(clock):
    every_other = [ANSWERS, REFUSES] * (AGREED["threshold"].num_chunks + 1)
    world = World("threshold", clock, holder_4=[AWAY], holder_1=every_other, holder_2=every_other)
    world.opens(max_request_bytes=1, wait_seconds=2.0)
    assert world.seconds > 3 * 2.0


def test_answer_counts_for_whoever_signed_it(clock):
    world = World("threshold", clock, holder_4=[AWAY])
    ask = world.holders.ask

    def relayed(requests):
        """What holder-2 made comes from where holder-1 should be."""
        answers = ask(requests)
        return {"holder-1": answers["holder-2"], "holder-3": answers["holder-3"]}

    world.holders.ask = relayed
    with pytest.raises(
        NotEnoughSharesError, match=r"^2 of 4 .*, 3 needed; missing: holder-1, holder-4$"
    ):
        world.open(wait_seconds=0)


def test_stopped_round_stops_waiting(clock):
    world = World("threshold", clock, holder_1=[REFUSES], holder_3=[REFUSES])
    with pytest.raises(NotEnoughSharesError):
        world.open(wait_seconds=1e6, stopped=lambda: clock.now >= 1015.5)
    assert 15.5 <= world.seconds <= 15.5 + opening._STEP_SECONDS


def test_too_few_contributions_ask_nobody(clock):
    world = World("threshold", clock)
    world.state = Round(AGREED["threshold"], names=NAMES[:1])
    with pytest.raises(ProtocolError, match="opens no sum of"):
        world.open()
    assert world.holders.asked == []


TROUBLES = st.lists(st.sampled_from([AWAY, SILENT, REFUSES, LATE, WRONG, ANSWERS]), max_size=3)
LAST = st.sampled_from([ANSWERS, REFUSES, WRONG, SILENT, AWAY])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TROUBLES, LAST), min_size=NUM_HOLDERS, max_size=NUM_HOLDERS))
@example([([], REFUSES)] * NUM_HOLDERS)
@example([([AWAY, SILENT, REFUSES], ANSWERS)] * THRESHOLD + [([], WRONG)])
def test_round_is_open_if_in_the_end_enough_answer_and_else_given_up(fates):
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(opening, "time", clock)
        patch.setattr(asking, "time", clock)
        fates = {f"holder_{i + 1}": [*troubles, last] for i, (troubles, last) in enumerate(fates)}
        world = World("threshold", clock, **fates)
        num_reliable = sum(fate[-1] == ANSWERS for fate in fates.values())
        num_of_use = sum(ANSWERS in fate or LATE in fate for fate in fates.values())
        # Time for every trouble to pass, each in a request of its own.
        patience = 4 * NUM_HOLDERS * (ANSWER_SECONDS + opening._LONGEST_PAUSE_SECONDS)
        try:
            world.opens(wait_seconds=patience)
        except NotEnoughSharesError:
            assert num_reliable < THRESHOLD
        else:
            assert num_of_use >= THRESHOLD
        num_answers = NUM_HOLDERS * AGREED["threshold"].num_chunks
        assert world.seconds <= (1 + num_answers) * (patience + 2 * NUM_HOLDERS * ANSWER_SECONDS)


# ---- whom a round names to open it ----


@pytest.mark.parametrize("trust", ["threshold", "authority"])
def test_no_opener_is_named_where_holders_open(trust):
    openers = Openers(AGREED[trust])
    assert openers.choose(1, HOLDERS) is None
    assert not openers.did_not_open(descriptor(AGREED[trust]))
    assert openers.choose(2, ()) is None


def test_openers_take_turns_among_those_who_are_there():
    openers = Openers(AGREED["contributors"])
    assert {openers.choose(number, NAMES) for number in range(1, 5)} == set(NAMES)
    assert {openers.choose(number, ("bob", "dan")) for number in range(1, 5)} == {"bob", "dan"}
    assert openers.choose(7, {"cyd"}) == "cyd"
    assert openers.choose(1, ()) in NAMES  # Nobody was asked who is there.


@pytest.mark.parametrize("there", [NAMES, NAMES[:3], NAMES[:2]])
def test_a_round_that_was_not_opened_is_followed_by_one_with_another_opener(there):
    """Whatever their numbers, and whoever comes or goes, while two are there."""
    openers = Openers(AGREED["contributors"])
    last = None
    for number in (1, 2, 3, 5, 8, 9, 12, 13):
        chosen = openers.choose(number, there)
        assert chosen in there
        assert chosen != last
        announced = descriptor(AGREED["contributors"], round_number=number, opener=chosen)
        assert openers.did_not_open(announced)
        last = chosen
    assert openers.choose(14, {last}) == last
