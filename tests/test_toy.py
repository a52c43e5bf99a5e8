"""All of a tiny world through the Python API: n = 35 and n = 77."""

import itertools
from math import gcd

import pytest
import veilsum as vs
from reference import paillier as reference
from veilsum import hazmat

WORLDS = [(5, 7), (7, 11)]


@pytest.fixture(scope="module", params=WORLDS, ids=["n=35", "n=77"])
def world(request):
    p, q = request.param
    return World(p, q)


class World:
    def __init__(self, p, q):
        self.p, self.q, self.n = p, q, p * q
        self.key = hazmat.secret_key(p, q)
        self.messages = list(range(-(self.n // 2), self.n // 2 + 1))
        self.units = [r for r in range(1, self.n) if gcd(r, self.n) == 1]
        self.all = self.key.public_key.encrypt(self.messages)

    def assert_opens(self, ciphertexts, formula):
        assert self.key.decrypt(ciphertexts) == [
            reference.centre(formula(a), self.n) for a in self.messages
        ]


def test_every_message_under_every_unit_is_the_formula(world):
    for r in world.units:
        ciphertexts = hazmat.encrypt(world.key.public_key, world.messages, [r] * world.n)
        expected = [reference.encrypt(m, r, world.n) for m in world.messages]
        assert ciphertexts.to_ints() == expected
        assert world.key.decrypt(ciphertexts) == world.messages


def test_reference_decrypts_everything_in_both_ways(world):
    p, q, n = world.p, world.q, world.n
    for m, r in itertools.product(world.messages, world.units):
        c = reference.encrypt(m, r, n)
        assert reference.decrypt(c, p, q) == reference.decrypt_crt(c, p, q) == m


def test_every_unit_modulo_n_squared_is_a_ciphertext_and_nothing_else(world):
    n = world.n
    units = [c for c in range(n * n) if gcd(c, n) == 1]
    ciphertexts = vs.Ciphertexts.from_ints(units, world.key.public_key)
    assert ciphertexts.to_ints() == units
    assert world.key.decrypt(ciphertexts) == [reference.decrypt(c, world.p, world.q) for c in units]
    for c in set(range(n * n)) - set(units):
        with pytest.raises(vs.InvalidCiphertextError, match="CT2"):
            vs.Ciphertexts.from_ints([c], world.key.public_key)


def test_every_pair_adds_subtracts_and_multiplies(world):
    for m in world.messages:
        one = world.key.encrypt([m])
        world.assert_opens(world.all + one, lambda a, m=m: a + m)
        world.assert_opens(world.all - one, lambda a, m=m: a - m)
        world.assert_opens(one - world.all, lambda a, m=m: m - a)
        world.assert_opens(world.all + m, lambda a, m=m: a + m)
        world.assert_opens(m - world.all, lambda a, m=m: m - a)
        world.assert_opens(world.all * m, lambda a, m=m: a * m)
        world.assert_opens(world.all.multiply_vartime(m), lambda a, m=m: a * m)


def test_every_message_negates_rerandomises_and_travels(world):
    world.assert_opens(-world.all, lambda a: -a)
    world.assert_opens(world.all.rerandomise(), lambda a: a)
    back = vs.Ciphertexts.from_bytes(world.all.to_bytes(), world.key.public_key)
    world.assert_opens(back, lambda a: a)
    pool = world.key.public_key.precompute(world.n)
    world.assert_opens(world.key.public_key.encrypt(world.messages, pool=pool), lambda a: a)
    world.assert_opens(world.key.encrypt(world.messages), lambda a: a)


def test_every_message_outside_the_range_is_refused(world):
    half = world.n // 2
    for m in [*range(half + 1, 3 * world.n), *range(-3 * world.n, -half), 2**70, -(2**70)]:
        with pytest.raises(vs.InvalidArgumentError, match="outside"):
            world.key.public_key.encrypt([m])


def test_every_non_unit_randomiser_is_refused(world):
    for r in set(range(world.n)) - set(world.units):
        with pytest.raises(vs.InvalidArgumentError, match="unit"):
            hazmat.encrypt(world.key.public_key, [0], [r])


def test_sums_of_every_length_match(world):
    for length in range(1, world.n + 1):
        expected = reference.centre(sum(world.messages[:length]), world.n)
        assert world.key.decrypt(world.all[:length].sum()) == [expected]
