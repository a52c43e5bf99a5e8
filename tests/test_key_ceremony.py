"""Holders that make a key together, message by message, and what comes of it."""

import math
import os
import pickle

import ceremony_players as players
import pytest
from veilsum.ceremony.key_ceremony import KeyCeremony
from veilsum.ceremony.messages import CeremonyMessage
from veilsum.ceremony.together import generate_together, play
from veilsum.errors import InvalidArgumentError, MalformedDataError, ProtocolError, SignatureError


@pytest.mark.parametrize(
    ("num_holders", "threshold", "colluding", "key_bits"),
    [(3, 3, 1, 64), (4, 3, 1, 96), (4, 4, 1, 128), (5, 4, 2, 128), (5, 4, 1, 256)],
)
def test_every_threshold_of_holders_opens_with_a_key_made_together(
    num_holders, threshold, colluding, key_bits
):
    outcomes = generate_together(
        num_holders=num_holders,
        threshold=threshold,
        max_colluding_holders=colluding,
        key_bits=key_bits,
    )
    n, v, keys = outcomes[0].n, outcomes[0].v, outcomes[0].verification_keys
    assert n.bit_length() == key_bits
    assert {(x.n, x.v, x.verification_keys) for x in outcomes} == {(n, v, keys)}
    p, q = players.factors_of(n, 1 + n * players.delta_of(outcomes, threshold))
    for prime in (p, q):
        assert players.is_prime(prime)
        assert prime.bit_length() == key_bits // 2
        assert prime % 4 == 3
        # Neither p - 1 nor q - 1 has a small odd divisor, so no element a small odd order.
        assert all(prime % r > 1 for r in (3, 5, 7, 11, 13, 17, 19, 23))
    assert math.gcd(n, (p - 1) * (q - 1)) == 1
    for outcome, key in zip(outcomes, keys, strict=True):
        assert pow(v, outcome.exponent, n) == key
        assert abs(outcome.exponent) < outcome.exponent_bound
    players.check_openings(outcomes, threshold)


def test_a_holder_that_begins_again_says_the_same():
    people, roots = players.identities(3), [os.urandom(32) for _ in range(3)]
    first = players.ceremonies(3, 3, 1, 64, people=people, roots=roots)
    said = []
    play(first, lambda *_: said.append([ceremony.message for ceremony in first]))
    [again, *_] = players.ceremonies(3, 3, 1, 64, people=people, roots=roots)
    for messages in said:
        assert again.message == messages[0]
        # In another order, each one twice, and after those of the next step of one holder.
        for message in (*messages[::-1], *messages):
            again.receive(message)
    assert again.outcome == first[0].outcome
    other = players.ceremonies(3, 3, 1, 64, people=people, roots=roots, attempt=2)
    assert other[0].message != said[0][0]
    play(other)
    assert other[0].outcome.n != first[0].outcome.n


def test_a_message_may_come_one_step_early():
    a, b, c = players.ceremonies(3, 3, 1, 64)
    first = {x: x.message for x in (a, b, c)}
    for x in (a, b):
        for y in (a, b, c):
            if x is not y:
                x.receive(first[y])
    c.receive(a.message)
    assert c.waiting_for == (1, 2)
    c.receive(first[a])
    c.receive(first[b])
    assert c.step == 1
    assert c.waiting_for == (2,)


def test_messages_that_do_not_belong_change_nothing():
    a, b, c = players.ceremonies(3, 3, 1, 64)
    stranger = players.ceremonies(3, 3, 1, 64)[1]
    message = CeremonyMessage.from_bytes(b.message)
    for wrong, error, said in (
        (b"", MalformedDataError, "ends too early|frame"),
        (stranger.message, ProtocolError, "another ceremony"),
        (changed(message, body=message.body + b"x"), SignatureError, "not signed"),
        (changed(message, holder=3), SignatureError, "not signed"),
        (changed(message, holder=4), ProtocolError, "no holder 4"),
        (changed(message, step=2, sign=b), ProtocolError, "between are missing"),
    ):
        with pytest.raises(error, match=said):
            a.receive(wrong)
    play([a, b, c])
    assert a.is_done


def changed(message, *, sign=None, **changes):
    from dataclasses import replace

    other = replace(message, **changes)
    return (other if sign is None else other.signed(sign._identity)).to_bytes()


def test_terms_that_cannot_be_are_refused():
    people = players.identities(5)
    roster = [each.enrol() for each in people]
    numbers = {
        "threshold": 4,
        "max_colluding_holders": 2,
        "key_bits": 64,
        "attempt": 1,
        "root": bytes(32),
    }
    for changes, said in (
        ({"threshold": 3}, "2 \\* threshold must exceed"),
        ({"threshold": 6}, "2 \\* threshold must exceed"),
        ({"max_colluding_holders": 3, "threshold": 5}, "honest majority"),
        ({"key_bits": 63}, "even"),
        ({"attempt": 0}, "attempt"),
        ({"root": bytes(31)}, "root has 31 bytes"),
    ):
        with pytest.raises(InvalidArgumentError, match=said):
            KeyCeremony(people[0], roster, **{**numbers, **changes})
    with pytest.raises(InvalidArgumentError, match="not on the roster"):
        KeyCeremony(
            people[0], roster[1:], **{**numbers, "threshold": 4, "max_colluding_holders": 1}
        )
    with pytest.raises(InvalidArgumentError, match="two holders of one name"):
        KeyCeremony(people[0], [*roster, roster[0]], **{**numbers, "threshold": 5})


def test_secrets_are_neither_shown_nor_pickled():
    parties = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(ProtocolError, match="not over"):
        _ = parties[0].outcome
    play(parties)
    outcome = parties[0].outcome
    assert str(outcome.exponent) not in repr(outcome)
    assert repr(parties[0]).startswith("<KeyCeremony: holder 1 (clinic 1)")
    for thing in (parties[0], outcome):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(thing)
    # After the end nothing is left to draw seeds from.
    assert parties[0]._holder._root == bytes(32)


def test_a_ceremony_that_is_interrupted_is_over(monkeypatch):
    from veilsum.ceremony import key_ceremony

    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(key_ceremony, "find_modulus", interrupted)
    a, b, c = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(KeyboardInterrupt):
        play([a, b, c])
    with pytest.raises(ProtocolError, match="stopped by KeyboardInterrupt"):
        a.receive(b.message)
    assert a._holder._root == bytes(32)
