"""Who of those that were asked has answered is told while the others are awaited."""

import pytest
from veilsum.integrations import asking
from veilsum.integrations.asking import Asking, Moments


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(asking, "time", clock := Clock())
    return clock


def test_moments_come_less_and_less_often(clock):
    moments, told = Moments(), []
    for clock.now in range(1200):
        if moments.is_due():
            told.append(clock.now)
    assert told == [30, 90, 210, 450, 750, 1050]


def test_nothing_is_told_of_what_goes_fast(clock):
    log = []
    asked = Asking(["a", "b"], seconds=100, log=log.append)
    clock.now = 29.0
    asked.tell()
    assert log == []


def test_it_is_told_who_has_answered_who_has_not_and_how_long_it_takes(clock):
    log = []
    asked = Asking(["a", "b", "c"], seconds=100, log=log.append)
    for clock.now in range(200):
        asked.tell()
        if clock.now == 40:
            asked.answered("b")
            asked.answered("b")
            asked.answered("somebody else")
    assert log == [
        "0 of 3 holders that were asked have answered; waiting for a, b, c, 70 s left",
        "1 of 3 holders that were asked have answered (b); waiting for a, c, 10 s left",
    ]
    assert asked.seconds_left == 0


def test_nothing_is_told_when_all_have_answered(clock):
    log = []
    asked = Asking(["a"], seconds=100, log=log.append)
    asked.answered("a")
    clock.now = 50.0
    asked.tell()
    assert log == []
