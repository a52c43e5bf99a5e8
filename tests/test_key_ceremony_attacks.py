"""Holders that cheat while a key is made: each succeeds while its check is off, and ends it else.

The cheat is holder 1. It speaks last in every step: it sees what all others say, then signs what it
likes. Where l = 2f + 1 it so chooses what a sharing of degree 2f opens as.
"""

import itertools
import math
from dataclasses import replace

import ceremony_players as players
import pytest
from veilsum.ceremony import (
    exponent,
    introduction,
    messages,
    modulus,
    outcome,
    search,
    sharing,
    verification,
)
from veilsum.ceremony.messages import CeremonyMessage, Numbers
from veilsum.errors import ProtocolError

CHEAT = 1


def say_instead(ceremony, body):
    """Sign another body for this step."""
    changed = replace(ceremony._message, body=body).signed(ceremony._identity)
    ceremony._message = ceremony._received[ceremony.holder] = changed


def play_against(parties, cheat):
    """Play with ``cheat(step name, own body, bodies of all others)``, which may say another body.

    The cheat's own object does what an honest one does with what it said.
    """
    cheater = parties[CHEAT - 1]
    while not all(party.is_done for party in parties):
        others = {p.holder: p._message.body for p in parties if p is not cheater}
        body = cheat(cheater.step_name, cheater._message.body, others)
        if body is not None:
            say_instead(cheater, body)
        said = [party.message for party in parties]
        for party in parties:
            for message in said:
                if message != party.message:
                    party.receive(message)


def forced(others, value, prime):
    """The share of the cheat with which all shares, of degree 2f = l - 1, open as ``value``."""
    holders = [CHEAT, *others]
    weight = {i: sharing.lagrange_factor(i, holders, 0, prime) for i in holders}
    rest = sum(weight[i] * share for i, share in others.items())
    return (value - rest) * pow(weight[CHEAT], -1, prime) % prime


def opened(shares, prime):
    return sharing.interpolated({i: [x] for i, x in shares.items()}, 0, prime)[0]


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


# ---- the product check ----


def shares_of(seeds, value, prime):
    """Of degree f: a random sharing, shifted to this value."""
    drawn = {i: own.random_shares("any", prime, 1)[0] for i, own in seeds.items()}
    shift = value - opened(drawn, prime)
    return {i: (x + shift) % prime for i, x in drawn.items()}


def checked(error, *, knows_coin=False, coin=12345, claimed=1):
    """Whether x * y = z + claimed passes, when the cheat adds ``error`` to the random product."""
    shape = players.ceremonies(3, 3, 1, 64)[0].terms.shape
    drawn = [bytes([k]) * 32 for k in range(len(shape.unaware))]
    seeds = {
        i: sharing.Seeds(shape, i, {a: drawn[a] for a in shape.aware(i)}, b"") for i in (1, 2, 3)
    }
    prime = verification.check_prime(bytes(32))
    x, y = 1234, 5678
    xs, ys = (shares_of(seeds, value, prime) for value in (x, y))
    z = x * y + claimed
    checks = {
        i: verification.ProductCheck(own, "a check", prime, xs[i], ys[i], z)
        for i, own in seeds.items()
    }
    product = opened({i: check.random_product() for i, check in checks.items()}, prime)
    # z - x * y is what it forced, so it knows it.
    product += coin * claimed if knows_coin else error
    factors = {i: check.weigh(product % prime, coin) for i, check in checks.items()}
    rho, sigma = (opened({i: found[k] for i, found in factors.items()}, prime) for k in (0, 1))
    return opened({i: check.difference(rho, sigma) for i, check in checks.items()}, prime) == 0


def test_a_wrong_product_passes_its_check_only_with_a_coin_known_too_early():
    assert checked(0, claimed=0)
    assert not checked(1, claimed=0)
    assert not checked(0)
    assert not any(checked(error) for error in (1, -1, 1234, 5678))
    assert checked(None, knows_coin=True)


def test_a_claim_that_is_opened_as_it_is_a_rushing_holder_makes_true():
    """Why there is such a check: x * y - z, of degree 2f, opens as 0 if the last one says so."""
    prime = verification.check_prime(bytes(32))
    shares = {2: 1234567, 3: 7654321}
    assert opened({CHEAT: forced(shares, 0, prime), **shares}, prime) == 0


# ---- the inversion, delta and its masks ----


def forged_inversion(parties):
    def cheat(step, _body, others):
        if step != "inversion":
            return None
        n = parties[CHEAT - 1]._steps.gi_frame.f_locals["found"].n
        numbers = Numbers((1, n))
        theirs = {i: numbers.unpack(data)[0][0] for i, data in others.items()}
        return numbers.pack([forced(theirs, 4, n)])

    return cheat


def test_a_forged_inversion_is_found_before_the_masked_exponent_is_opened(monkeypatch):
    parties = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(ProtocolError, match="the check of lambda phi = 1 failed"):
        play_against(parties, forged_inversion(parties))
    assert parties[1].step_name == "differences"
    monkeypatch.setattr(verification.ProductCheck, "difference", lambda *_: 0)
    parties = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(ProtocolError, match="longer than its bound"):
        play_against(parties, forged_inversion(parties))
    assert parties[1].step_name == "masked exponent"


def test_a_short_mask_tells_the_factors(monkeypatch):
    assert exponent.mask_bound(1 << 64, 1) == exponent.delta_bound(1 << 64, 1) << 128
    shortest = 8
    monkeypatch.setattr(exponent, "mask_bound", lambda _n, _f: 1 << shortest)
    parties = players.ceremonies(3, 3, 1, 64)
    seen = []

    def look(step, _body, others):
        if step == "masked exponent":
            values = parties[CHEAT - 1]._steps.gi_yieldfrom.gi_frame.f_locals
            seen.append((values["n"], values["masks"]))
        return None

    play_against(parties, look)
    [(n, masks)] = seen
    # z, as all open it, less what holder 1 knows, is delta and two numbers below 256.
    outcome_ = parties[CHEAT - 1].outcome
    reduced = sum(
        mask * factor
        for mask, factor in zip(
            masks.values(), exponent.mask_factors(masks, CHEAT, 3).values(), strict=True
        )
    )
    z = (outcome_.exponent + reduced) // 6
    guesses = (1 + n * (z - sum(masks.values()) - hidden) for hidden in range(2 << shortest))
    assert any(pow(2, guess, n) == 1 for guess in guesses)


def test_a_part_of_lambda_that_is_far_too_long_ends_the_ceremony(monkeypatch):
    """It is a right key with phi in z, for everybody to read."""
    long = 1 << 250

    def run():
        parties = players.ceremonies(3, 3, 1, 64)
        cheater = parties[CHEAT - 1]
        seen = []

        def cheat(step, _body, _others):
            if step != "parts of lambda":
                return None
            steps = cheater._steps.gi_yieldfrom
            values = steps.gi_yieldfrom.gi_frame.f_locals
            n, size, met = values["n"], values["size"], values["met"]
            seen.append(n)
            # The line of each share is shifted by a constant, which its own share is not.
            plain = {
                j: ((values["values"][j] + n * long) % values["field"]).to_bytes(size, "little")
                for j in (2, 3)
            }
            shift(cheater, n * long)
            return introduction.boxes_for_each(cheater._holder, met.channels, step, plain)

        return parties, cheat, seen

    def shift(cheater, by):
        unchanged = outcome.exponent.delta_share
        monkeypatch.setattr(
            outcome.exponent,
            "delta_share",
            lambda inverse, phi, n, field: unchanged(
                inverse + (by if next(turns) == CHEAT else 0), phi, n, field
            ),
        )

    turns = itertools.cycle((1, 2, 3))
    parties, cheat, _ = run()
    with pytest.raises(ProtocolError, match="longer than its bound"):
        play_against(parties, cheat)
    monkeypatch.undo()
    monkeypatch.setattr(exponent, "masked_bound", lambda n, *_: n << 400)
    turns = itertools.cycle((1, 2, 3))
    parties, cheat, seen = run()
    play_against(parties, cheat)
    [n] = seen
    # Each holder's exponent is D * z and what is far shorter: D * long * phi.
    phi = round_to(parties[1].outcome.exponent, 6 * long)
    assert pow(2, phi, n) == 1
    p_and_q = n + 1 - phi
    assert math.isqrt(p_and_q**2 - 4 * n) ** 2 == p_and_q**2 - 4 * n


def round_to(number, unit):
    return (number + unit // 2) // unit


# ---- verification keys ----


def wrong_power(parties):
    """A cheat that publishes another power of v for the first mask that it knows."""

    def cheat(step, body, _others):
        if step != "masked exponent":
            return None
        values = parties[CHEAT - 1]._steps.gi_yieldfrom.gi_frame.f_locals
        share, powers = values["form"].unpack(body)
        return values["form"].pack(share, [powers[0] * 4 % values["n"], *powers[1:]])

    return cheat


def test_a_wrong_verification_key_is_named_where_another_knows_the_mask(monkeypatch):
    parties = players.ceremonies(4, 3, 1, 64)
    with pytest.raises(ProtocolError, match=r"a power of v .*holder 1 \(clinic 1\)"):
        play_against(parties, wrong_power(parties))
    # With 3 of 3 a set of two leaves one that knows: the product of all does not fit.
    parties = players.ceremonies(3, 3, 1, 64)
    with pytest.raises(ProtocolError, match="does not invert phi"):
        play_against(parties, wrong_power(parties))
    # With both checks off it is another holder's key that the cheat changed, who sees it.
    monkeypatch.setattr(outcome, "_inverts", lambda *_: True)
    parties = players.ceremonies(4, 3, 1, 64)
    monkeypatch.setattr(outcome, "_agreed_powers", believing_the_first(outcome._agreed_powers))
    with pytest.raises(ProtocolError, match="this holder's verification key is not that"):
        play_against(parties, wrong_power(parties))


def believing_the_first(agreed_powers):
    def believe(holder, claims):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(holder), "agreed", lambda _self, values, _what: values[min(values)])
            return agreed_powers(holder, claims)

    return believe
