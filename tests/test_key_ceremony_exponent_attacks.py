"""Holders that cheat after n is found: each succeeds while its check is off, and ends it else."""

import itertools
import math

import ceremony_players as players
import pytest
from ceremony_cheats import CHEAT, forced, opened, play_against
from veilsum.ceremony import (
    exponent,
    introduction,
    outcome,
    sharing,
    verification,
)
from veilsum.ceremony.messages import Numbers
from veilsum.errors import ProtocolError

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
