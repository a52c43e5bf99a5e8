"""The figures of docs/masks.md, from first principles: nothing here is of the scheme's own code.

What is a theorem there is computed here for the widths in use, exactly or to fifty digits, and
what is a figure there is read from the page.
"""

import json
import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise, product
from math import ceil, log, log2, pi, prod, sqrt
from pathlib import Path

import mpmath
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "masks.md").read_text(encoding="utf-8")
RESULTS = json.loads((ROOT / "bench" / "results" / "mask_security.json").read_text())
POINTS = {(point["ring_dim"], point["log2_q"]): point for point in RESULTS["estimates"]}
MODELS = ("matzov", "bdgl16", "core_svp")

SIGMA = Fraction(32, 5)
SIGMA0 = SIGMA / 2  # What the estimates are for.
NUM_PRIMES = {2048: 1, 4096: 2}
NUM_ROUNDS = 10_000


def stated(pattern):
    """The one number that the page has in this place."""
    (found,) = set(re.findall(pattern, " ".join(PAGE.split())))
    return float(found)


# ---- what a sum tells of a summand ----


def exponent(x, variance, centre=0):
    """The logarithm of a discrete Gaussian's weight, exactly."""
    return -((x - Fraction(centre)) ** 2) / (2 * Fraction(variance))


def probabilities(variance, centre, reach=80):
    """Of the integers about a centre, to fifty digits."""
    with mpmath.workdps(60):
        weights = {
            x: mpmath.exp(mpmath.mpf(power.numerator) / power.denominator)
            for x in range(-reach, reach + 1)
            for power in [exponent(x, variance, centre)]
        }
        total = mpmath.fsum(weights.values())
        return {x: weight / total for x, weight in weights.items()}


def conditional(total, variance, reach=80):
    """Of x where x and y are Gaussian about 0 and x + y is known, by their products."""
    single = probabilities(variance, 0, reach + abs(total))
    with mpmath.workdps(60):
        joint = {x: single[x] * single[total - x] for x in range(-reach, reach + 1)}
        mass = mpmath.fsum(joint.values())
        return {x: weight / mass for x, weight in joint.items()}


@pytest.mark.parametrize("total", [-61, -2, -1, 0, 1, 2, 7, 24, 61])
def test_a_summand_of_a_known_sum_is_gaussian_about_half_of_it(total):
    def joint(x):
        return exponent(x, SIGMA**2) + exponent(total - x, SIGMA**2)

    def claim(x):
        return exponent(x, SIGMA**2 / 2, Fraction(total, 2))

    for x in range(-100, 101):
        assert joint(x) - joint(0) == claim(x) - claim(0)


@pytest.mark.parametrize("total", [-5, 0, 12])
def test_no_other_width_and_no_other_centre_fits(total):
    found = conditional(total, SIGMA**2)

    def distance(variance, centre):
        claim = probabilities(variance, centre)
        return sum(abs(found[x] - claim[x]) for x in found) / 2

    half = Fraction(total, 2)
    assert distance(SIGMA**2 / 2, half) < 1e-50
    for variance, centre in ((SIGMA**2, half), (SIGMA0**2, half), (SIGMA**2 / 2, half + 1)):
        assert distance(variance, centre) > 0.05


def test_the_width_and_the_likeliest_value_of_a_summand_are_those_of_the_page():
    found = [conditional(total, SIGMA**2) for total in (0, 1)]
    for shares in found:
        mean = sum(x * share for x, share in shares.items())
        variance = sum((x - mean) ** 2 * share for x, share in shares.items())
        assert abs(mpmath.sqrt(variance) - stated(r"shrunk from 6.4 to ([\d.]+)\.")) < 0.005
    likeliest = 100 * max(max(shares.values()) for shares in found)
    assert likeliest <= stated(r"more likely than ([\d.]+) %") < likeliest + 0.1


def test_the_sum_of_two_ternary_secrets_gives_two_ninths_of_them_away():
    pairs = list(product((-1, 0, 1), repeat=2))
    ways = Counter(map(sum, pairs))
    given_away = Fraction(sum(ways[sum(pair)] == 1 for pair in pairs), len(pairs))
    assert f"**{given_away} of the coefficients**" in " ".join(PAGE.split())
    # A Gaussian gives nothing away: whatever the sum, two values of x are nearly as likely.
    for total in (0, 2, 61, 100):
        first, second, *_ = sorted(conditional(total, SIGMA**2).values(), reverse=True)
        assert second > 0.97 * first or first == second


# ---- from the sum to ring-LWE ----


def flatness(variance0, variance1):
    """delta: twice the sum of exp(-2 pi^2 tau^2 k^2), by Poisson's summation."""
    with mpmath.workdps(120):
        tau2 = Fraction(1) / (1 / Fraction(variance0) + 1 / Fraction(variance1))
        power = -2 * mpmath.pi**2 * tau2.numerator / tau2.denominator
        return 2 * mpmath.fsum(mpmath.exp(power * k * k) for k in range(1, 30))


def unevenness(variance0, variance1, centre):
    """By how much t + u differs from one Gaussian, by adding up products for each value."""
    with mpmath.workdps(120):

        def weight(x, variance, about=0):
            power = exponent(x, variance, about)
            return mpmath.exp(mpmath.mpf(power.numerator) / power.denominator)

        ratios = []
        for x in range(-3, 4):
            both = mpmath.fsum(
                weight(t, variance0) * weight(x - t, variance1, centre) for t in range(-80, 81)
            )
            ratios.append(both / weight(x, variance0 + variance1, centre))
        mean = (max(ratios) + min(ratios)) / 2
        return (max(ratios) - min(ratios)) / (2 * mean)


@pytest.mark.parametrize("centre", [0, Fraction(1, 2), 5, Fraction(-7, 2)])
@pytest.mark.parametrize("width", [SIGMA0, Fraction(1)])
def test_two_gaussians_make_one_up_to_delta(width, centre):
    delta = flatness(width**2, width**2)
    found = unevenness(width**2, width**2, centre)
    # The cosines of neighbours are 1 and -1 for a whole centre; 0 for half of an odd sum.
    if Fraction(centre).denominator == 1:
        assert abs(found / delta - 1) < 1e-6
    else:
        assert found < delta * 1e-6


def test_the_covariance_of_the_hint_leaves_half_the_width():
    # Of s given s + s', by the formula for joint Gaussians, and split in two equal parts.
    left = SIGMA**2 - SIGMA**2 * (1 / (2 * SIGMA**2)) * SIGMA**2
    assert 1 / (left / 2) == 2 * (1 / SIGMA**2 + 1 / SIGMA**2) == 1 / SIGMA0**2
    assert SIGMA0 == Fraction(str(stated(r"sigma0 = sigma/2 = ([\d.]+)\*\*")))
    assert RESULTS["settings"]["width"] == float(SIGMA0)
    # The even split is the one with the smallest delta.
    even = flatness(left / 2, left / 2)
    assert all(
        flatness(left * part, left * (1 - part)) > even for part in map(Fraction, (0.4, 0.6))
    )


def test_delta_and_what_it_sums_up_to_are_those_of_the_page():
    delta = log2(flatness(SIGMA0**2, SIGMA0**2))
    assert delta == pytest.approx(stated(r"delta = 2\^(-[\d.]+) "), abs=0.05)
    rows = re.findall(r"^\| 2\^([\d.]+)(?:: ([\w ]+), three .*| *)\| 2\^(-[\d.]+) \|", PAGE, re.M)
    rows += re.findall(r"^\| 2\^([\d.]+)(: ten million values)? \| 2\^(-[\d.]+) \|", PAGE, re.M)
    found = {float(size): float(total) for size, _, total in rows}
    assert set(found) == {18.4, 21, 21.7, 30}
    for size, total in found.items():
        assert delta + size == pytest.approx(total, abs=0.1)
    for num_values, size in ((10**6, 18.4), (10**7, 21.7)):
        num_blocks = -(-num_values // (3 * 4096))
        assert log2((num_blocks + 1) * 4096) == pytest.approx(size, abs=0.06)
        if num_values == 10**7:
            run = delta + log2((num_blocks + 1) * 4096) + log2(100 * NUM_ROUNDS)
            assert run == pytest.approx(stated(r"part sums up to 2\^(-\d+)\."), abs=0.5)


def test_the_smoothing_condition_asks_for_what_the_page_says():
    def asked(num_coefficients, eps):
        return sqrt(2) * sqrt(log(2 * num_coefficients * (1 + 1 / eps)) / (2 * pi**2))

    assert asked(2**21, 2.0**-64) == pytest.approx(
        stated(r"asks for sigma0 = ([\d.]+),"), abs=0.005
    )
    assert asked(10**7 / 3, 2.0**-64) == pytest.approx(
        stated(r"for ten million values ([\d.]+);"), abs=0.005
    )
    assert 2 * asked(2**21, 2.0**-128) == pytest.approx(
        stated(r"would ask for sigma = ([\d.]+)\."), abs=0.05
    )
    assert asked(2**30, 2.0**-64) < SIGMA0 < asked(2**21, 2.0**-128)
    solved = log2(2 * 2**21) - pi**2 * float(SIGMA0) ** 2 / log(2)
    assert solved == pytest.approx(stated(r"3\.2 gives 2\^(-[\d.]+) at"), abs=0.05)


# ---- room for errors, and for slots ----


def test_tails_are_below_what_the_page_says():
    with mpmath.workdps(60):
        for widths, pattern in ((16, r"e\^-128 < 2\^(-\d+)"), (8, r"e\^-32 < 2\^(-\d+)")):
            bound = float(mpmath.log(2 * mpmath.exp(-(mpmath.mpf(widths) ** 2) / 2), 2))
            assert bound < stated(pattern) < bound + 1
            # The bound holds: one error alone, summed up term by term.
            shares = probabilities(SIGMA**2, 0, 200)
            tail = sum(share for x, share in shares.items() if abs(x) > widths * SIGMA)
            assert 0 < tail < mpmath.mpf(2) ** bound
        alarms = -(-(10**6) // (3 * 4096)) * 4096 * mpmath.erfc(8 / mpmath.sqrt(2))
    assert float(alarms) == pytest.approx(stated(r"gives (\d)·10\^-10") * 1e-10, rel=0.1)


def digits_of(number, base, count):
    """Balanced, from the lowest."""
    half = (base - 1) // 2
    for _ in range(count):
        digit = (number + half) % base - half
        yield digit
        number = (number - digit) // base


@pytest.mark.parametrize(
    ("excess", "seen"), [(0, True), (1, True), ("guard", True), ("more", False)]
)
def test_a_slot_beyond_its_guard_carries_in_silence(excess, seen):
    max_sum = 100 * 32767
    guard = -(-max_sum // 64)
    base = 2 * (max_sum + guard) + 1
    slot = max_sum + {"guard": guard, "more": guard + 1}.get(excess, excess)
    found = list(digits_of(5 + slot * base + 7 * base**2, base, 3))
    if seen:
        assert found == [5, slot, 7]
    else:
        assert found == [5, slot - base, 8]
        assert all(abs(digit) <= max_sum + guard for digit in found)


# ---- estimates and tables ----


def primal_block_size(ring_dim, log2_q, width=float(SIGMA0)):
    """By the inequality of Alkim, Ducas, Poeppelmann and Schwabe, Chen's delta, any dimension."""

    def breaks(beta):
        root = ((pi * beta) ** (1 / beta) * beta / (2 * pi * 2.718281828459045)) ** (
            1 / (2 * (beta - 1))
        )
        for num_samples in range(ring_dim // 2, 2 * ring_dim, 8):
            dim = num_samples + ring_dim + 1
            left = log2(width) + log2(beta) / 2
            right = (2 * beta - dim - 1) * log2(root) + num_samples / dim * log2_q
            if left <= right:
                return True
        return False

    low, high = 60, 3000
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if breaks(middle) else (middle + 1, high)
    return low


def test_estimates_are_the_least_of_their_attacks_and_fall_with_q():
    for point in POINTS.values():
        for model in MODELS:
            assert point[model] == min(point["attacks"][model].values())
            assert set(point["attacks"][model]) == {"usvp", "bdd", "dual_hybrid"}
    for ring_dim in NUM_PRIMES:
        line = [POINTS[key] for key in sorted(POINTS) if key[0] == ring_dim]
        for model in MODELS:
            bits = [point[model] for point in line]
            assert all(a > b for a, b in pairwise(bits))


def test_core_svp_is_what_a_few_lines_of_our_own_find():
    for (ring_dim, log2_q), point in POINTS.items():
        own = 0.292 * primal_block_size(ring_dim, log2_q)
        assert point["attacks"]["core_svp"]["usvp"] == pytest.approx(own, abs=0.3), log2_q
    # Of the full width, for contributors outside the set.
    more = 0.292 * primal_block_size(4096, 80, float(SIGMA)) - POINTS[4096, 80]["core_svp"]
    assert more == pytest.approx(stated(r"by (\d) bits of core-SVP for N = 4096 and"), abs=0.5)


def test_dual_attacks_are_never_the_cheapest():
    assert "as they are not the cheapest" in PAGE
    for point in POINTS.values():
        for attacks in point["attacks"].values():
            assert min(attacks, key=attacks.get) != "dual_hybrid"


def rows_of(kind):
    (body,) = re.findall(
        rf"<!-- table mask_security.json {kind} -->\n(.*?)<!-- end of table -->", PAGE, re.S
    )
    header, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in body.splitlines()
        if line.startswith("|")
    )
    return [dict(zip(header, row, strict=True)) for row in rows]


def left_of(ring_dim, log2_q, model, num_addends):
    point = POINTS.get((ring_dim, log2_q))
    return point and point[model] - log2(num_addends * NUM_ROUNDS)


def test_limits_of_the_page_are_the_last_that_leave_128_bits():
    rows = rows_of("mask_limits")
    assert len(rows) == 8
    for row in rows:
        ring_dim, num_addends = int(row["N"]), int(row["addends"].replace(",", ""))
        assert float(row["bits lost"]) == pytest.approx(log2(num_addends * NUM_ROUNDS), abs=0.06)
        for column, model in (("log2 Q by core-SVP", "core_svp"), ("log2 Q by MATZOV", "matzov")):
            limit = int(row[column])
            assert left_of(ring_dim, limit, model, num_addends) >= 128
            assert left_of(ring_dim, limit + NUM_PRIMES[ring_dim], model, num_addends) < 128


def is_prime(n):
    """Miller and Rabin, with bases that are enough below 2^64."""
    if any(n % p == 0 for p in (2, 3, 5, 7)):
        return n in (2, 3, 5, 7)
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        x = pow(base, odd, n)
        if x not in (1, n - 1) and all((x := x * x % n) != n - 1 for _ in range(twos - 1)):
            return False
    return True


def modulus(ring_dim, prime_bits):
    # 0 where there are not enough: no room for anything.
    candidates = range(2**prime_bits - 2 * ring_dim + 1, 1, -2 * ring_dim)
    primes = (n for n in candidates if is_prime(n))
    return prod(next(primes, 0) for _ in range(NUM_PRIMES[ring_dim]))


def needed(num_addends, max_value, digits):
    """What Q must not fall below, and the slack, in integers."""
    max_sum = num_addends * max_value
    base = 2 * (max_sum + ceil(Fraction(max_sum, 64))) + 1
    slack = 1
    while (2 ** (slack - 1)) ** 2 < 256 * SIGMA**2 * num_addends:
        slack += 1
    return base**digits * 2**slack, slack


def test_shapes_of_the_page_have_room_and_are_what_the_rule_takes():
    rows = rows_of("mask_shapes")
    assert len(rows) == 16
    for row in rows:
        addends, value_bits = re.fullmatch(
            r"([\d,]+) addends of (\d+)-bit values", row["sum"]
        ).groups()
        num_addends, max_value = int(addends.replace(",", "")), 2 ** (int(value_bits) - 1) - 1
        ring_dim = int(row["N"])

        def smallest(digits, num_addends=num_addends, max_value=max_value, ring_dim=ring_dim):
            """log2 Q of the smallest that has room for as many digits."""
            room, _ = needed(num_addends, max_value, digits)
            prime_bits = max(14, (room.bit_length() - 1) // NUM_PRIMES[ring_dim])
            while modulus(ring_dim, prime_bits) < room:
                prime_bits += 1
            return NUM_PRIMES[ring_dim] * prime_bits

        def leaves(model, digits, num_addends=num_addends, ring_dim=ring_dim, smallest=smallest):
            first = min(log2_q for dim, log2_q in POINTS if dim == ring_dim)
            log2_q = max(smallest(digits), first)  # a smaller Q has more
            return (left_of(ring_dim, log2_q, model, num_addends) or 0) >= 128

        if row["primes"] == "none":
            assert not leaves("matzov", 1)
            continue
        digits = int(row["digits"])
        assert int(row["slack"]) == needed(num_addends, max_value, digits)[1]
        num_primes, prime_bits = map(
            int, re.fullmatch(r"(\d) x (\d+) bits", row["primes"]).groups()
        )
        assert num_primes == NUM_PRIMES[ring_dim]
        log2_q = num_primes * prime_bits
        assert log2_q == smallest(digits)
        assert float(row["bits a value"]) == pytest.approx(log2_q / digits, abs=0.06)
        model = "core_svp" if leaves("core_svp", 1) else "matzov"
        assert leaves(model, digits)
        assert not leaves(model, digits + 1)
        assert POINTS[ring_dim, log2_q]["core_svp"] < 0.292 * 1024  # where MATZOV's fit ends
        for column, name in (("MATZOV", "matzov"), ("BDGL16", "bdgl16"), ("core-SVP", "core_svp")):
            assert float(row[column]) == pytest.approx(POINTS[ring_dim, log2_q][name], abs=0.51)
        for column, name in (("MATZOV, left", "matzov"), ("core-SVP, left", "core_svp")):
            left = left_of(ring_dim, log2_q, name, num_addends)
            assert float(row[column]) == pytest.approx(left, abs=0.51)
