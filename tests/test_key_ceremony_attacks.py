"""Holders that cheat until n is found: each succeeds while its check is off, and ends it else."""

import itertools
import math
from dataclasses import replace

import ceremony_players as players
import pytest
from ceremony_cheats import CHEAT, forced, play_against
from veilsum.ceremony import (
    introduction,
    messages,
    modulus,
    search,
    verification,
)
from veilsum.ceremony.messages import CeremonyMessage, Numbers
from veilsum.errors import ProtocolError

# ---- the order of steps ----


def test_different_messages_for_different_holders_end_the_ceremony_by_name():
    def run():
        a, b, c = players.ceremonies(3, 3, 1, 64)
        first = {x: x.message for x in (a, b, c)}
        body = bytearray(a._message.body)
        body[-1] ^= 1  # Of a commitment.
        to_c = replace(a._message, body=bytes(body)).signed(a._identity).to_bytes()
        b.receive(first[a])
        c.receive(to_c)
        for x, y in itertools.permutations((a, b, c), 2):
            if x is not a:
                y.receive(first[x])
        return a, b, c

    a, b, c = run()
    # What b and c say next is not after the same messages.
    b.receive(a.message)
    with pytest.raises(ProtocolError, match=r"holder 3 \(clinic 3\) was shown other messages"):
        b.receive(c.message)
    with pytest.raises(ProtocolError, match=r"has ended: .*was shown other messages"):
        b.receive(a.message)


def test_two_messages_of_one_step_end_the_ceremony_by_name():
    a, b, _ = players.ceremonies(3, 3, 1, 64)
    b.receive(a.message)
    other = replace(a._message, body=b"another").signed(a._identity)
    with pytest.raises(ProtocolError, match=r"holder 1 \(clinic 1\) signed two different messages"):
        b.receive(other.to_bytes())


def test_messages_of_another_step_attempt_or_holder_are_refused():
    people = players.identities(3)
    a, b, c = players.ceremonies(3, 3, 1, 64, people=people)
    others = players.ceremonies(3, 3, 1, 64, people=people, attempt=2)
    with pytest.raises(ProtocolError, match="another ceremony"):
        a.receive(others[1].message)
    first = [x.message for x in (a, b, c)]
    for x in (a, b, c):
        for message in first:
            if message != x.message:
                x.receive(message)
    # The message of a step that is over, said to be of this one.
    replayed = CeremonyMessage.from_bytes(first[1])
    swapped = replace(replayed, step=1).signed(b._identity)
    a.receive(c.message)
    with pytest.raises(ProtocolError, match=r"holder 2 \(clinic 2\) was shown other"):
        a.receive(swapped.to_bytes())


# ---- seeds and coins ----


def wrong_part(parties):
    """A cheat that sends holder 2 other parts of seeds than it sends holder 3."""
    cheater = parties[CHEAT - 1]

    def cheat(step, body, _others):
        if step != "parts of seeds":
            return None
        boxes = messages.read_part(messages.SealedBoxes, body).boxes
        met = cheater._steps.gi_yieldfrom.gi_frame.f_locals
        plain = bytearray(met["plain"][2])
        plain[0] ^= 1
        box = met["channels"].seal(2, step, bytes(plain))
        return messages.SealedBoxes(boxes=(box, *boxes[1:])).unframed()

    return cheat


def test_inconsistent_seeds_are_named():
    parties = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(ProtocolError, match=r"holder 1 \(clinic 1\): a part of a seed is not"):
        play_against(parties, wrong_part(parties))


def test_without_commitments_inconsistent_seeds_spoil_the_ceremony_and_nobody_is_named(monkeypatch):
    monkeypatch.setattr(introduction, "_commitment", lambda *_: bytes(32))
    parties = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(ProtocolError, match=r"^((?!clinic 1\)).)*$"):
        play_against(parties, wrong_part(parties))


def chosen_coin(parties, wanted):
    """A cheat that seeks a coin with which the common one has its lowest bit as it wants it."""

    def cheat(step, body, others):
        if step != "coin 0":
            return None
        for k in range(256):
            coin = bytes([k]) * 32
            tossed = introduction.hashed(b"coin", 32, coin, *(others[i] for i in sorted(others)))
            if tossed[0] & 15 == wanted:
                return coin
        raise AssertionError("one coin of 16 is as wanted")

    return cheat


def test_a_coin_that_was_not_committed_to_is_named(monkeypatch):
    parties = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(ProtocolError, match=r"holder 1 \(clinic 1\): its coin is not"):
        play_against(parties, chosen_coin(parties, 5))
    monkeypatch.setattr(introduction, "_commitment", lambda *_: bytes(32))
    tossed = []
    check_prime = verification.check_prime
    monkeypatch.setattr(
        verification, "check_prime", lambda coin: tossed.append(coin) or check_prime(coin)
    )
    parties = players.ceremonies(3, 3, 1, 64)
    play_against(parties, chosen_coin(parties, 5))
    assert {coin[0] & 15 for coin in tossed} == {5}


# ---- n ----

# Of 44 bits; the orders of all units divide 2240, which has no divisor in common with it. It is 1
# modulo 4 as n is, and 3 modulo 5 and 7, as p + q is 4.
SMOOTH, ORDER = math.prod((11, 29, 41, 71, 113, 281, 449)), 2240


def test_a_modulus_of_smooth_order_that_a_rushing_holder_chooses_is_found(monkeypatch):
    bits, chosen = 44, SMOOTH
    assert all(pow(x, ORDER, chosen) == 1 for x in range(2, 11))
    monkeypatch.setattr(modulus, "with_small_divisors", lambda moduli: [False] * len(moduli))
    monkeypatch.setattr(search, "batch_size", lambda _: 1000)
    prime = modulus.field_above(bits + 64)

    def cheat(step, body, others):
        if not step.startswith("products"):
            return None
        numbers = Numbers((len(body) // ((prime.bit_length() + 7) // 8), prime))
        theirs = {i: numbers.unpack(data)[0] for i, data in others.items()}
        return numbers.pack(
            [
                forced({i: x[row] for i, x in theirs.items()}, chosen, prime)
                for row in range(len(theirs[2]))
            ]
        )

    def run():
        # One phi, rho or v in three has a small prime of n in it.
        for _ in range(40):
            parties = players.ceremonies(3, 3, 1, bits)
            try:
                play_against(parties, cheat)
            except ProtocolError as error:
                if "no inverse" in str(error) or "no unit" in str(error):
                    continue
                raise
            return parties
        raise AssertionError("forty times in a row")

    with pytest.raises(ProtocolError, match="the check of n = p q failed"):
        run()
    monkeypatch.setattr(verification.ProductCheck, "difference", lambda *_: 0)
    parties = run()
    # All confirmed a key that everybody opens.
    n = parties[1].outcome.n
    assert n == chosen
    c = (1 + 5 * n) * pow(2, n, n * n) % (n * n)
    assert (pow(c, ORDER, n * n) - 1) // n * pow(ORDER, -1, n) % n == 5


def test_another_product_that_a_rushing_holder_chooses_is_found(monkeypatch):
    """Of which it knows the factors; tests that do not let it through are off."""
    p, q = 4294967291, 3221225479
    assert players.is_prime(p)
    assert players.is_prime(q)
    monkeypatch.setattr(modulus, "passes", lambda *_: True)
    prime = modulus.field_above(128)

    def cheat(step, body, others):
        if not step.startswith("products"):
            return None
        numbers = Numbers((len(body) // ((prime.bit_length() + 7) // 8), prime))
        theirs = {i: numbers.unpack(data)[0] for i, data in others.items()}
        rows = range(len(theirs[2]))
        return numbers.pack([forced({i: theirs[i][k] for i in theirs}, p * q, prime) for k in rows])

    parties = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(ProtocolError, match="the check of n = p q failed"):
        play_against(parties, cheat)


def test_a_p_that_is_used_twice_tells_the_factors(monkeypatch):
    class EnoughError(Exception):
        """Three batches."""

    def moduli(purpose_of):
        found = []
        candidates = search.Candidates

        def look(step, *_):
            if step.startswith("sieve 4"):
                raise EnoughError
            return None

        def take(n):
            found.extend(n)
            return [True] * len(n)  # None is good.

        with monkeypatch.context() as patch:
            patch.setattr(search, "batch_size", lambda _: 200)
            patch.setattr(modulus, "with_small_divisors", take)
            patch.setattr(
                search,
                "Candidates",
                lambda seeds, name, size: candidates(seeds, purpose_of(name), size),
            )
            with pytest.raises(EnoughError):
                play_against(players.ceremonies(3, 3, 1, 256), look)
        return set(found)

    def shared(found):
        return sum(math.gcd(a, b) > 1 << 100 for a, b in itertools.combinations(found, 2))

    assert shared(moduli(lambda name: name)) == 0
    assert shared(moduli(lambda name: "p" if name.startswith("p/") else name)) > 10


def screened_falsely(parties, *, in_all_tests):
    """A cheat whose powers make every n pass the first test, or all tests."""
    cheater = parties[CHEAT - 1]

    def cheat(step, body, others):
        if step.startswith("tests") and in_all_tests:
            values = cheater._steps.gi_yieldfrom.gi_yieldfrom.gi_frame.f_locals
            n, shape, bases = values["n"], cheater.terms.shape, values["bases"]
            found = {i: values["numbers"].unpack(x) for i, x in others.items()}
            own = values["numbers"].unpack(body)
            # Set 2 of holders 1 and 2 is the cheat's to say first.
            place = shape.aware(CHEAT).index(2)
            for k, g in enumerate(bases):
                public = pow(g, modulus.public_exponent(n, shape), n)
                others_of = [found[2][shape.aware(2).index(0)][k], own[shape.aware(1).index(1)][k]]
                own[place][k] = public * pow(math.prod(others_of), -1, n) % n
            return values["numbers"].pack(*own)
        if not step.startswith("test "):
            return None
        values = cheater._steps.gi_yieldfrom.gi_yieldfrom.gi_frame.f_locals
        numbers, moduli, turns = values["numbers"], values["moduli"], values["turns"]
        found = {i: numbers.unpack(x) for i, x in others.items()}
        powers = []
        for row, (n, turn) in enumerate(zip(moduli, turns, strict=True)):
            theirs = {i: found[i][row][0] for i in found}
            if turn == CHEAT:
                powers.append([math.prod(theirs.values()) % n])
            else:
                rest = math.prod(x for i, x in theirs.items() if i != turn)
                powers.append([theirs[turn] * pow(rest, -1, n) % n])
        return numbers.pack(*powers)

    return cheat


def test_a_false_screening_wins_nothing():
    parties = players.ceremonies(3, 3, 1, 64)
    play_against(parties, screened_falsely(parties, in_all_tests=False))
    outcomes = [party.outcome for party in parties]
    players.check_openings(outcomes, 3)
    assert all(
        map(
            players.is_prime,
            players.factors_of(outcomes[0].n, 1 + outcomes[0].n * players.delta_of(outcomes, 3)),
        )
    )


def test_wrong_powers_in_the_tests_are_named(monkeypatch):
    parties = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(ProtocolError, match=r"powers .*: holder 1 \(clinic 1\) against holder 2"):
        play_against(parties, screened_falsely(parties, in_all_tests=True))
    # Who believes the first of those that know passes the first n that comes, prime factors or not.
    monkeypatch.setattr(search.Holder, "agreed", lambda _self, values, _what: values[min(values)])
    found = []
    monkeypatch.setattr(
        search, "Modulus", lambda n, p, q: found.append((n, p, q)) or search_modulus(n, p, q)
    )
    said = ""
    for _ in range(12):
        parties = players.ceremonies(3, 3, 1, 128)
        try:
            play_against(parties, screened_falsely(parties, in_all_tests=True))
        except ProtocolError as error:
            said = str(error)
            break
    # Of n of 128 bits without small divisors one in four has two primes. Of others it is found only
    # when all is done, and nobody is named.
    assert "does not invert phi" in said
    assert "clinic" not in said


search_modulus = search.Modulus
