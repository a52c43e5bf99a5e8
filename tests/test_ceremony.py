"""What holders compute to make a key together: sharing, sieve, test of n, secret exponents."""

import itertools
import secrets
from collections import Counter

import numpy as np
import pytest
from veilsum.ceremony import candidates, modulus, sharing
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
        (1 << shape.summand_bits) - 1
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
    zeros = {i: own.zero_shares("zero", prime, 3, 2 * colluding) for i, own in seeds.items()}
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
    own = {i: candidates.Candidates(s, "p", 600) for i, s in seeds.items()}
    field = modulus.open_field(shape)
    shares = {i: c.shares(field) for i, c in own.items()}
    secret = sharing.opened(shares, degree=colluding, modulus=field, holders=holders_of(shape))
    primes = np.array(shape.sieved[:20], np.int64)
    rows = np.arange(600)
    first, second = (
        candidates.products_of(
            {i: c.sieve_shares(primes, attempt, rows) for i, c in own.items()},
            primes,
            2 * colluding,
        )
        for attempt in (0, 1)
    )
    divisible = np.array(
        [[[(p - k) % r == 0 for r in primes.tolist()] for p in secret] for k in (0, 1)]
    )
    for opened in (first, second):
        assert not opened[divisible].any()
        # Of the others the masks lose one in r.
        assert (opened == 0).sum() < divisible.sum() + 0.2 * divisible.size
        assert (opened != 0).any(axis=(0, 1)).all()
    assert (first != second).any()
    kept = ~((first == 0) & (second == 0)).any(axis=(0, 2))
    # Two masks of 0 lose some 6 of 100.
    assert kept.sum() > 0.75 * (~divisible.any(axis=(0, 2))).sum()
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


def test_a_changed_residue_is_found_where_there_is_one_to_spare():
    shape = CeremonyShape(4, 1, 128)
    primes = np.array(shape.sieved[:5], np.int64)
    shares = {
        i: candidates.Candidates(s, "p", 8).sieve_shares(primes, 0, np.arange(8))
        for i, s in seeds_of(shape).items()
    }
    candidates.products_of(shares, primes, 2)
    for holder in shares:
        changed = {i: share.copy() for i, share in shares.items()}
        changed[holder][1, 3, 2] += 1
        with pytest.raises(ProtocolError, match="one of them is wrong"):
            candidates.products_of(changed, primes, 2)


def test_digits_are_of_all_numbers_of_their_length():
    shape = CeremonyShape(3, 1, 256)
    seeds = seeds_of(shape)[1]
    for bits in (1, 15, 16, 17, 40):
        drawn = seeds.digits(1, f"{bits}", bits, 400)
        assert drawn.shape == (400, -(-bits // 16))
        found = [int.from_bytes(row.astype("<u2").tobytes(), "little") for row in drawn]
        assert max(found) < 1 << bits
        # 400 coins: all of a bit are the same once in 2**399 runs.
        assert all(len({x >> k & 1 for x in found}) == 2 for k in range(bits))


def test_fields_are_primes_and_long_enough():
    assert modulus.field_above(60) == 2**61 - 1
    assert modulus.field_above(61) == 2**89 - 1
    for bits in (60, 88, 520, 606, 1278, 2202, 2280, 3216):
        prime = modulus.field_above(bits)
        assert prime.bit_length() > bits
        assert pow(3, prime - 1, prime) == 1
