"""What holders compute to make a key together: sharing, sieve, test of n, secret exponents."""

import itertools
import math
import secrets
from collections import Counter

import numpy as np
import pytest
from veilsum.ceremony import candidates, exponent, modulus, sharing
from veilsum.ceremony.shape import CeremonyShape, odd_primes
from veilsum.errors import InvalidArgumentError, ProtocolError

SHAPES = [(3, 1), (4, 1), (5, 2), (7, 2)]


def seeds_of(shape, context=b"a test"):
    """Of all holders, by holder."""
    drawn = [secrets.token_bytes(sharing.SEED_BYTES) for _ in shape.unaware]
    return {
        holder: sharing.Seeds(shape, holder, {a: drawn[a] for a in shape.aware(holder)}, context)
        for holder in holders_of(shape)
    }


def holders_of(shape):
    return range(1, shape.num_holders + 1)


# ---- shape ----


@pytest.mark.parametrize(("num_holders", "colluding"), [*SHAPES, (12, 5), (13, 1), (64, 1)])
def test_candidates_of_a_shape_have_their_length_and_class(num_holders, colluding):
    shape = CeremonyShape(num_holders, colluding, 256)
    largest = shape.first_prime + shape.class_modulus * len(shape.unaware) * (
        shape.summand_bound - 1
    )
    assert 3 << 126 <= shape.first_prime <= largest < 1 << 128
    assert shape.first_prime**2 >= 1 << 255
    assert shape.first_prime % 4 == 3
    public = [r for r in odd_primes(shape.sieved[0]) if shape.class_modulus % r == 0]
    assert public == odd_primes(shape.sieved[0])
    assert all(shape.first_prime % r == 2 for r in public)
    # Each holder has a point of its own modulo each sieved prime.
    assert shape.sieved[0] > num_holders


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((4, 2, 256), "at least 5 holders"),
        ((2, 1, 256), "num_holders"),
        ((5, 0, 256), "max_colluding"),
        ((13, 6, 256), "more than 1000 sets"),
        ((3, 1, 255), "even"),
        ((5, 2, 40), "too short"),
    ],
)
def test_shapes_that_cannot_be_are_refused(numbers, said):
    with pytest.raises(InvalidArgumentError, match=said):
        CeremonyShape(*numbers)


def test_primes_are_those_of_trial_division():
    assert odd_primes(30) == [3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert len(odd_primes(1 << 12)) == 563


# ---- sharing ----


@pytest.mark.parametrize(("num_holders", "colluding"), SHAPES)
def test_shares_are_of_the_sum_of_all_summands(num_holders, colluding):
    shape = CeremonyShape(num_holders, colluding, 256)
    seeds = seeds_of(shape)
    prime = modulus.field_above(100)
    bound = 1 << 90
    summands = {}
    for own in seeds.values():
        for a in shape.aware(own.holder):
            drawn = own.integers(a, "x", bound, 4)
            assert summands.setdefault(a, drawn) == drawn
    expected = [sum(column) for column in zip(*summands.values(), strict=True)]
    shares = {
        i: own.shares({a: summands[a] for a in shape.aware(i)}, prime) for i, own in seeds.items()
    }
    found = sharing.opened(shares, degree=colluding, modulus=prime, holders=holders_of(shape))
    assert found == expected
    for some in itertools.combinations(shares, colluding + 1):
        assert sharing.interpolated({i: shares[i] for i in some}, 0, prime) == expected


@pytest.mark.parametrize(("num_holders", "colluding"), SHAPES)
def test_products_are_opened_with_zeros_that_change_nothing(num_holders, colluding):
    shape = CeremonyShape(num_holders, colluding, 256)
    seeds = seeds_of(shape)
    prime = modulus.field_above(100)
    holders = holders_of(shape)
    factors = {
        name: {i: own.random_shares(name, prime, 3) for i, own in seeds.items()} for name in "xy"
    }
    zeros = {i: own.zero_shares("zero", prime, 3) for i, own in seeds.items()}
    x, y = (
        sharing.opened(factors[name], degree=colluding, modulus=prime, holders=holders)
        for name in "xy"
    )
    degree = 2 * colluding
    assert sharing.opened(zeros, degree=degree, modulus=prime, holders=holders) == [0, 0, 0]
    with pytest.raises(ProtocolError, match="not of degree"):
        sharing.opened(zeros, degree=degree - 1, modulus=prime, holders=holders)
    shares = {
        i: [
            (a * b + z) % prime
            for a, b, z in zip(factors["x"][i], factors["y"][i], zeros[i], strict=True)
        ]
        for i in holders
    }
    expected = [a * b % prime for a, b in zip(x, y, strict=True)]
    assert sharing.opened(shares, degree=degree, modulus=prime, holders=holders) == expected


def test_a_changed_share_is_found_where_there_is_one_to_spare():
    shape = CeremonyShape(5, 1, 256)
    seeds = seeds_of(shape)
    prime = modulus.field_above(100)
    shares = {i: own.random_shares("x", prime, 2) for i, own in seeds.items()}
    for holder in shares:
        changed = {**shares, holder: [shares[holder][0], (shares[holder][1] + 1) % prime]}
        with pytest.raises(ProtocolError, match="one of them is wrong"):
            sharing.opened(changed, degree=2, modulus=prime, holders=holders_of(shape))
    del shares[4]
    with pytest.raises(ProtocolError, match=r"no shares of the holders \[4\]"):
        sharing.opened(shares, degree=2, modulus=prime, holders=holders_of(shape))


def test_what_is_opened_in_the_sieve_tells_one_holder_nothing():
    """All runs of three holders modulo 5: beside its own numbers, holder 1 sees three shares.

    With every value of the summands that it does not know, they come as often for one prime as for
    any other, unless p is 0.
    """
    r, holder = 5, 1
    sets = [(1,), (2,), (3,)]
    at = {a: {i: (a[0] - i) * pow(a[0], -1, r) % r for i in (1, 2, 3)} for a in sets}
    for p_known, u_known, z_known in itertools.product(
        itertools.product(range(r), repeat=2), repeat=3
    ):
        if (sum(p_known) + 2 * sum(u_known) + 3 * sum(z_known)) % 64:
            continue  # A part of them.
        seen = {}
        for p_1, u_1, z_1 in itertools.product(range(r), repeat=3):
            p, u, z = (p_1, *p_known), (u_1, *u_known), (z_1, *z_known)
            shares = []
            for i in (1, 2, 3):
                share = [sum(at[a][i] * x[k] for k, a in enumerate(sets)) for x in (p, u)]
                zero = sum(at[a][i] * i * z[k] for k, a in enumerate(sets))
                shares.append((share[0] * share[1] + zero) % r)
            # Of its own share it knows everything already.
            seen.setdefault(sum(p) % r, Counter())[tuple(shares[holder:])] += 1
        assert len({tuple(sorted(seen[p].items())) for p in range(1, r)}) == 1
        assert seen[0] != seen[1]


def test_other_contexts_purposes_and_seeds_draw_other_numbers():
    shape = CeremonyShape(3, 1, 256)
    drawn = [bytes([k]) * 32 for k in range(3)]
    own = {a: drawn[a] for a in shape.aware(1)}
    streams = {
        sharing.Seeds(shape, 1, own, context).stream(a, purpose, 32)
        for context in (b"", b"a", b"ab")
        for purpose in ("", "a", "ba", "bab")
        for a in own
    }
    assert len(streams) == 3 * 4 * 2
    seeds = sharing.Seeds(shape, 1, own, b"")
    assert repr(seeds) == "Seeds(of holder 1)"
    with pytest.raises(TypeError, match="not pickled"):
        seeds.__reduce__()
    seeds.wipe()
    with pytest.raises(KeyError):
        seeds.stream(1, "", 32)
    with pytest.raises(ProtocolError, match="needs the seeds"):
        sharing.Seeds(shape, 2, own, b"")


# ---- the sieve ----


@pytest.mark.parametrize(("num_holders", "colluding"), SHAPES)
def test_the_sieve_drops_what_trial_division_does(num_holders, colluding):
    shape = CeremonyShape(num_holders, colluding, 128)
    seeds = seeds_of(shape)
    own = {i: candidates.Candidates(s, "p", 60) for i, s in seeds.items()}
    field = modulus.open_field(shape)
    shares = {i: c.shares(field) for i, c in own.items()}
    secret = sharing.opened(shares, degree=colluding, modulus=field, holders=holders_of(shape))
    primes = np.array(shape.sieved[:20], np.int64)
    opened = candidates.products_of(
        {i: c.sieve_shares(primes) for i, c in own.items()}, primes, 2 * colluding
    )
    for k in (0, 1):
        divisible = np.array([[(p - k) % r == 0 for r in primes.tolist()] for p in secret])
        assert not opened[k][divisible].any()
        # Of the others the masks lose one in r.
        assert (opened[k] == 0).sum() < divisible.sum() + 0.2 * divisible.size
    kept = candidates.survivors(opened)
    for c in own.values():
        c.keep(kept)
    left = {i: c.shares(field) for i, c in own.items()}
    found = sharing.opened(left, degree=colluding, modulus=field, holders=holders_of(shape))
    assert found == [p for p, is_kept in zip(secret, kept, strict=True) if is_kept]
    assert all(p % r > 1 for p in found for r in shape.sieved[:20])


# ---- the modulus ----


def test_the_jacobi_symbol_is_that_of_euler_and_of_its_factors():
    for p in odd_primes(60):
        for a in range(2 * p):
            euler = pow(a, (p - 1) // 2, p)
            assert modulus.jacobi(a, p) == (-1 if euler == p - 1 else euler)
    for p, q in itertools.combinations(odd_primes(30), 2):
        for a in range(0, p * q, 7):
            assert modulus.jacobi(a, p * q) == modulus.jacobi(a, p) * modulus.jacobi(a, q)


def test_fields_are_primes_and_long_enough():
    assert modulus.field_above(60) == 2**61 - 1
    assert modulus.field_above(61) == 2**89 - 1
    for bits in (60, 88, 520, 606, 1278, 2202, 2280, 3216):
        prime = modulus.field_above(bits)
        assert prime.bit_length() > bits
        assert pow(3, prime - 1, prime) == 1


class Run:
    """A ceremony in one process, with what nobody would know: p and q."""

    def __init__(self, num_holders, colluding, threshold, key_bits):
        self.shape = shape = CeremonyShape(num_holders, colluding, key_bits)
        self.threshold = threshold
        self.holders = holders_of(shape)
        self.seeds = seeds_of(shape)
        for batch in itertools.count():
            if self._found_in(batch):
                return

    def opened(self, shares, degree, prime):
        return sharing.opened(shares, degree=degree, modulus=prime, holders=self.holders)

    def _sieved(self, name):
        primes = np.array(self.shape.sieved, np.int64)
        own = {i: candidates.Candidates(s, name, 150) for i, s in self.seeds.items()}
        for some in (primes[:6], primes[6:30], primes[30:]):
            if len(some):
                shares = {i: c.sieve_shares(some) for i, c in own.items()}
                products = candidates.products_of(shares, some, 2 * self.shape.max_colluding)
                for c in own.values():
                    c.keep(candidates.survivors(products))
        return own

    def _found_in(self, batch):
        shape, degree = self.shape, 2 * self.shape.max_colluding
        self.p, self.q = self._sieved(f"p/{batch}"), self._sieved(f"q/{batch}")
        count = min(len(self.p[1]), len(self.q[1]))
        field = modulus.open_field(shape)
        shares = {}
        for i, own in self.seeds.items():
            factors = (self.p[i].shares(field)[:count], self.q[i].shares(field)[:count])
            zeros = own.zero_shares(f"n/{batch}", field, count)
            shares[i] = [(x * y + z) % field for x, y, z in zip(*factors, zeros, strict=True)]
        for row, n in enumerate(self.opened(shares, degree, field)):
            self.row, self.n = row, n
            assert modulus.is_possible(self.n, shape)
            if modulus.has_small_divisor(self.n):
                continue
            passed = all(self._passes(number) for number in range(40))
            p, q = self.primes()
            assert p * q == self.n
            is_good = is_prime(p) and is_prime(q) and math.gcd(self.n, p + q - 1) == 1
            assert passed == is_good
            if passed:
                return True
        return False

    def _passes(self, number):
        g = modulus.base_of(self.n, number)
        powers = {}
        for i in self.holders:
            exponents = modulus.exponents_of(self.p[i], self.q[i], self.row, self.row, self.shape)
            for a in modulus.powers_by(i, self.shape):
                assert a not in powers
                powers[a] = pow(g, exponents[a], self.n)
        assert len(powers) == len(self.shape.unaware)
        return modulus.passes(self.n, g, powers.values(), self.shape)

    def primes(self):
        field = modulus.open_field(self.shape)
        return [
            self.opened(
                {i: c.shares(field) for i, c in own.items()}, self.shape.max_colluding, field
            )[self.row]
            for own in (self.p, self.q)
        ]

    def shares_of_phi(self, prime, n=0):
        return {
            i: (n + 1 - self.p[i].shares(prime)[self.row] - self.q[i].shares(prime)[self.row])
            % prime
            for i in self.holders
        }

    def exponents(self):
        """The holders' secret exponents."""
        n, degree = self.n, 2 * self.shape.max_colluding
        phi = self.shares_of_phi(n)
        rho = {i: own.random_shares("rho", n, 1)[0] for i, own in self.seeds.items()}
        zero = {i: own.zero_shares("rho phi", n, 1)[0] for i, own in self.seeds.items()}
        [w] = self.opened({i: [(rho[i] * phi[i] + zero[i]) % n] for i in self.holders}, degree, n)
        inverse = {i: [pow(w, -1, n) * rho[i] % n] for i in self.holders}
        dealers = self.holders[: self.shape.max_colluding + 1]
        parts = sharing.parts({i: inverse[i][0] for i in dealers}, n)
        numbers = (n, self.shape.num_holders, self.threshold, self.shape.max_colluding)
        field = exponent.exponent_field(*numbers)
        dealt = dict.fromkeys(self.holders, 0)
        for part in parts.values():
            line = [part, *(secrets.randbelow(field) for _ in range(self.shape.max_colluding))]
            for i in self.holders:
                dealt[i] += sum(a * i**k for k, a in enumerate(line))
        whole = self.shares_of_phi(field, n)
        masks = {
            unaware: secrets.randbelow(exponent.mask_bound(n, self.shape.max_colluding))
            for unaware in exponent.mask_sets(self.shape.num_holders, self.threshold)
        }
        own_masks = {
            i: {unaware: mask for unaware, mask in masks.items() if i not in unaware}
            for i in self.holders
        }
        shares = {}
        for i, own in self.seeds.items():
            delta = exponent.delta_share(dealt[i], whole[i], n, field)
            mask = exponent.mask_share(own_masks[i], i, field)
            shares[i] = [(delta + mask + own.zero_shares("z", field, 1)[0]) % field]
        [z] = self.opened(shares, max(degree, self.threshold - 1), field)
        delta = z - sum(masks.values())
        p, q = self.primes()
        assert 0 <= delta < exponent.delta_bound(n, self.shape.max_colluding)
        assert (1 + n * delta) % ((p - 1) * (q - 1)) == 0
        found = {
            i: exponent.secret_exponent(z, own_masks[i], i, self.shape.num_holders)
            for i in self.holders
        }
        bound = exponent.secret_exponent_bound(*numbers)
        assert all(abs(x) < bound for x in found.values())
        return found


def is_prime(x):
    return all(pow(a, x - 1, x) == 1 for a in (2, 3, 5, 7, 11))


@pytest.mark.parametrize(
    ("num_holders", "colluding", "threshold", "key_bits"),
    [(3, 1, 3, 64), (4, 1, 3, 96), (5, 2, 4, 128), (5, 1, 4, 128)],
)
def test_every_threshold_of_holders_opens_with_a_key_made_together(
    num_holders, colluding, threshold, key_bits
):
    run = Run(num_holders, colluding, threshold, key_bits)
    x, n, d = run.exponents(), run.n, math.factorial(num_holders)
    for m in (0, 1, n - 1, secrets.randbelow(n)):
        c = (1 + m * n) * pow(2 + secrets.randbelow(n - 2), n, n * n) % (n * n)
        partial = {i: pow(c, 2 * x[i], n) for i in run.holders}
        for some in itertools.combinations(run.holders, threshold):
            y = 1
            for i in some:
                others = [j for j in some if j != i]
                mu = d * math.prod(others) // math.prod(j - i for j in others)
                y = y * pow(partial[i], 2 * mu, n) % n
            result = pow(c, 4 * d * d, n * n) * pow(y, n, n * n) % (n * n)
            assert result % n == 1
            assert (result // n) * pow(4 * d * d, -1, n) % n == m
