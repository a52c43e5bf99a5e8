"""What no holder can force: that n is the product p * q, and that lambda inverts phi modulo n.

What was opened so far of degree 2f a party that speaks last may have chosen, where n = 2f + 1: an n
of its own, or a wrong ``rho * phi``. Both are checked here, before anything is opened that depends
on the secret exponent. The first is checked modulo a prime of 128 bits that a coin chooses after n
is fixed: another product differs from n modulo almost all of them.
"""

from __future__ import annotations

import math

from veilsum.ceremony.holder import Holder, Step, Steps
from veilsum.ceremony.introduction import Met
from veilsum.ceremony.messages import Numbers
from veilsum.ceremony.product_check import ProductCheck
from veilsum.ceremony.search import Modulus
from veilsum.ceremony.sharing import opened
from veilsum.errors import ProtocolError

__all__ = ["check_prime", "inverse_of_phi"]

_CHECK_BITS = 128
_ROUNDS = 64


def inverse_of_phi(holder: Holder, met: Met, found: Modulus) -> Steps[int]:
    """This holder's share of lambda = phi^-1 modulo n, of degree f, when n and it are checked.

    Raises:
        ProtocolError: one of both does not hold. Whoever forced it is not named.
    """
    coin = yield from met.coins.toss(0)
    prime = check_prime(coin)
    inverse = yield from _inverse(holder, met, found)
    p, q = (candidates.shares(prime)[0] for candidates in (found.p, found.q))
    claims = (
        ("n = p q", ProductCheck(met.seeds, "check of n", prime, p, q, found.n % prime), prime),
        (
            "lambda phi = 1",
            ProductCheck(
                met.seeds, "check of lambda", found.n, inverse, found.phi_share(found.n), 1
            ),
            found.n,
        ),
    )
    checks, moduli = [check for _, check, _ in claims], [modulus for _, _, modulus in claims]
    degree = holder.terms.shape.max_colluding

    def open_each(name: str, shares: list[list[int]], of_degree: int) -> Steps[list[list[int]]]:
        numbers = Numbers(*((len(own), m) for own, m in zip(shares, moduli, strict=True)))
        said = yield Step(name, numbers.pack(*shares))
        everybody = holder.read(said, numbers.unpack)
        return [
            opened(
                {i: x[k] for i, x in everybody.items()},
                degree=of_degree,
                modulus=m,
                holders=holder.all,
            )
            for k, m in enumerate(moduli)
        ]

    products = yield from open_each(
        "random products", [[check.random_product()] for check in checks], 2 * degree
    )
    coin = yield from met.coins.toss(1)
    number = int.from_bytes(coin, "little")
    factors = yield from open_each(
        "weighed factors",
        [list(check.weigh(x, number)) for check, [x] in zip(checks, products, strict=True)],
        degree,
    )
    differences = yield from open_each(
        "differences",
        [[check.difference(*x)] for check, x in zip(checks, factors, strict=True)],
        degree,
    )
    for (claim, _, _), [tau] in zip(claims, differences, strict=True):
        if tau != 0:
            raise ProtocolError(
                f"the check of {claim} failed: some holder forced what was opened; begin again "
                "with another attempt"
            )
    return inverse


def _inverse(holder: Holder, met: Met, found: Modulus) -> Steps[int]:
    n, degree = found.n, 2 * holder.terms.shape.max_colluding
    [rho] = met.seeds.random_shares("rho", n, 1)
    [zero] = met.seeds.zero_shares("rho phi", n, 1, degree)
    numbers = Numbers((1, n))
    said = yield Step("inversion", numbers.pack([(rho * found.phi_share(n) + zero) % n]))
    shares = {i: x for i, [x] in holder.read(said, numbers.unpack).items()}
    [product] = opened(shares, degree=degree, modulus=n, holders=holder.all)
    if math.gcd(product, n) != 1:
        raise ProtocolError("phi has no inverse modulo n: begin again with another attempt")
    return rho * pow(product, -1, n) % n


def check_prime(coin: bytes) -> int:
    """The prime of 128 bits that a coin chooses, of those that 64 rounds of Miller-Rabin pass."""
    import hashlib

    for attempt in range(1 << 16):
        drawn = hashlib.shake_256(
            b"veilsum/ceremony/prime/1" + coin + attempt.to_bytes(4, "little")
        )
        x = int.from_bytes(drawn.digest(_CHECK_BITS // 8), "little") | 1 | 1 << (_CHECK_BITS - 1)
        if _is_prime(x, coin):
            return x
    raise AssertionError("one of 44 odd numbers of 128 bits is prime")


def _is_prime(x: int, seed: bytes) -> bool:
    """Miller and Rabin's test, with hashed bases."""
    import hashlib

    twos = ((x - 1) & (1 - x)).bit_length() - 1
    for k in range(_ROUNDS):
        text = (
            b"veilsum/ceremony/base/1" + seed + k.to_bytes(4, "little") + x.to_bytes(16, "little")
        )
        y = pow(
            2 + int.from_bytes(hashlib.sha256(text).digest(), "little") % (x - 3),
            (x - 1) >> twos,
            x,
        )
        if y in (1, x - 1):
            continue
        if not any((y := y * y % x) == x - 1 for _ in range(twos - 1)):
            return False
    return True
