"""Holders are asked through NVFlare's questions, and what they say is told apart."""

import threading
from functools import partial

import pytest
from flare_world import ServerEngine, context
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable, make_reply
from protocol_parties import NAMES, Round, assert_sums, federation, quantised_sum
from veilsum.integrations import asking
from veilsum.integrations.nvflare import opening
from veilsum.integrations.nvflare.messages import OPEN_TOPIC, OPENING, REFUSAL, REQUEST
from veilsum.integrations.nvflare.opening import Answers, SiteHolders, aux_questions
from veilsum.integrations.opening import open_sum
from veilsum.secure_sum import RunName

TRUSTS = {"threshold": federation("threshold", toy=(4, 3)), "authority": federation("authority")}
TRUSTS["contributors"] = federation("contributors")


class Sites:
    """Answers for all holders of a round, and counts the questions; ``answers`` by site."""

    def __init__(self, state):
        self.answers = {
            name: Answers(partial(state.holder, name), log=print, num_threads=1)
            for name in state.ledgers
        }
        self.asked = []

    def __call__(self, questions, seconds):
        replies = {}
        for name, question in questions.items():
            if REQUEST in question:
                self.asked.append(name)
            replies[name] = self.answers[name](OPEN_TOPIC, question, None)
        return {name: reply for name, reply in replies.items() if reply is not None}


def opened(state, sites, log):
    return open_sum(
        state.aggregator,
        SiteHolders(sites, log=log.append, answer_seconds=1.0),
        federation=state.federation,
        max_request_bytes=1 << 20,
        wait_seconds=0.0,
        log=log.append,
    )


@pytest.mark.parametrize("trust", TRUSTS)
def test_sum_is_opened_by_whoever_has_the_key(trust):
    state, log = Round(TRUSTS[trust], keep=True), []
    sites = Sites(state)
    result = opened(state, sites, log)
    assert_sums(result, quantised_sum(state.federation.codec, [0.5] * 3))
    assert result.contributors == NAMES[:3]
    # Four lock, then open; where one has the key, one is asked.
    assert len(sites.asked) == (8 if trust == "threshold" else 1)
    assert log == []


def reply_with(code=ReturnCode.OK, **entries):
    reply = make_reply(code)
    reply.update(entries)
    return reply


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (None, "holder-2 did not open: no answer"),
        (reply_with(ReturnCode.ERROR), f"holder-2 did not open: {ReturnCode.ERROR}"),
        (
            reply_with(ReturnCode.ERROR, **{REFUSAL: "LedgerError"}),
            "holder-2 did not open: LedgerError",
        ),
        (reply_with(), "the answer of holder-2 is refused: the answer is empty"),
        (reply_with(**{OPENING: ["no", "bytes"]}), "the answer of holder-2 is refused"),
        (reply_with(**{OPENING: b"no frame"}), "the answer of holder-2 is refused"),
    ],
)
def test_answer_of_no_use_is_told_and_made_up_for(reply, told):
    state, log = Round(TRUSTS["threshold"]), []
    sites = Sites(state)
    answer = sites.answers["holder-2"]
    sites.answers["holder-2"] = lambda topic, question, context: (
        reply if REQUEST in question else answer(topic, question, context)
    )
    assert_sums(opened(state, sites, log), quantised_sum(state.federation.codec, [0.5] * 3))
    assert sites.asked.count("holder-2") == 1
    (line,) = log
    assert line.startswith(told)


def test_question_whether_a_holder_is_there_opens_nothing():
    state = Round(TRUSTS["threshold"])
    reply = Sites(state).answers["holder-1"](OPEN_TOPIC, Shareable(), None)
    assert set(reply) == {"__headers__"}
    assert state.ledgers["holder-1"].answered(RunName.of(state.federation)) == {}


def test_sites_that_take_long_are_told_by_name_while_they_are_awaited(monkeypatch):
    monkeypatch.setattr(asking, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(opening, "_STEP_SECONDS", 0.01)
    was_told, log = threading.Event(), []

    class Engine(ServerEngine):
        def send_aux_request(self, targets, topic, request, timeout, fl_ctx):
            if targets == ["site-2"]:
                assert was_told.wait(60)
            return {targets[0]: make_reply(ReturnCode.OK)}

    def tell(line):
        log.append(line)
        if line.startswith("1 of 2 "):
            was_told.set()

    server = context(Engine({"site-1": None, "site-2": None}), "server")
    ask = aux_questions(server, log=tell)
    assert set(ask({"site-1": Shareable(), "site-2": Shareable()}, 300)) == {"site-1", "site-2"}
    told = "1 of 2 holders that were asked have answered (site-1); waiting for site-2, 300 s left"
    assert told in log
