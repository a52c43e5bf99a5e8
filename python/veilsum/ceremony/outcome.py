"""From an inverse of phi to every holder's secret exponent and all verification keys."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from veilsum.ceremony import exponent, modulus
from veilsum.ceremony.holder import Holder, Step, Steps, hashed
from veilsum.ceremony.introduction import Met, boxes_for_each, open_boxes
from veilsum.ceremony.messages import Numbers
from veilsum.ceremony.search import Modulus
from veilsum.ceremony.sharing import SEED_BYTES, opened, parts
from veilsum.errors import MalformedDataError, ProtocolError

__all__ = ["Outcome", "share_exponents"]

_SPARE_BITS = 128


@dataclass(frozen=True)
class Outcome:
    """What one holder has in the end.

    Attributes:
        n: the modulus.
        v: the base of verification keys, a square modulo n.
        verification_keys: of all holders, by their order: v to the secret exponent of each.
        exponent_bound: every secret exponent is nearer to 0 than this.
        exponent: the secret one of this holder.
    """

    n: int
    v: int
    verification_keys: tuple[int, ...]
    exponent_bound: int
    exponent: int = field(repr=False)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret exponent is not pickled")


def share_exponents(holder: Holder, met: Met, found: Modulus, inverse: int) -> Steps[Outcome]:
    """Deal parts of lambda as integers, open delta under its masks, check what came of it.

    Raises:
        ProtocolError: somebody dealt or opened something wrong; named only where it is seen.
    """
    terms, n = holder.terms, found.n
    numbers = (n, terms.shape.num_holders, terms.threshold, terms.max_colluding_holders)
    field_ = exponent.exponent_field(*numbers)
    whole = yield from _whole_inverse(holder, met, n, inverse, field_)
    masks = _masks(met, n, terms.max_colluding_holders)
    v = _base(holder, n)
    degree = max(2 * terms.max_colluding_holders, terms.threshold - 1)
    [zero] = met.seeds.zero_shares("z", field_, 1, degree)
    delta = exponent.delta_share(whole, found.phi_share(field_), n, field_)
    share = (delta + exponent.mask_share(masks, holder.number, field_) + zero) % field_
    own_powers = _powers(v, list(masks.values()), n, exponent.mask_bound(n, numbers[3]))
    form = Numbers((1, field_), (len(own_powers), n))
    said = yield Step("masked exponent", form.pack([share], own_powers))
    everybody = holder.read(said, form.unpack)
    shares = {i: x[0] for i, x in everybody.items()}
    [z] = opened(shares, degree=degree, modulus=field_, holders=holder.all)
    if z >= exponent.masked_bound(*numbers):
        raise ProtocolError(
            "the masked exponent is longer than its bound: some holder dealt or sent what is wrong"
        )
    powers = _agreed_powers(holder, {i: x[1] for i, x in everybody.items()})
    if math.gcd(v * math.prod(powers.values()), n) != 1:
        raise ProtocolError("v, or a power of v that holders sent, is no unit modulo n")
    if not _inverts(z, v, n, powers.values()):
        raise ProtocolError(
            "the masked exponent does not invert phi: some holder dealt or sent what is wrong"
        )
    keys = tuple(_verification_key(i, z, v, n, powers, terms.shape.num_holders) for i in holder.all)
    own = exponent.secret_exponent(z, masks, holder.number, terms.shape.num_holders)
    bound = exponent.secret_exponent_bound(*numbers)
    # Shifted by the bound, which makes it positive.
    [shifted] = _powers(v, [own + bound], n, 2 * bound)
    if shifted != keys[holder.number - 1] * pow(v, bound, n) % n:
        raise ProtocolError("this holder's verification key is not that of its secret exponent")
    outcome = Outcome(n, v, keys, bound, own)
    yield from _confirm(holder, outcome)
    return outcome


def _whole_inverse(holder: Holder, met: Met, n: int, inverse: int, field: int) -> Steps[int]:
    """This holder's share of lambda as an integer: f + 1 holders deal their parts of it."""
    degree = holder.terms.max_colluding_holders
    dealers = range(1, degree + 2)
    size = (field.bit_length() + 7) // 8
    plain = dict.fromkeys(holder.others, b"")
    own = 0
    if holder.number in dealers:
        part = parts({i: inverse if i == holder.number else 0 for i in dealers}, n)[holder.number]
        bytes_ = size + _SPARE_BITS // 8
        line = [part] + [
            int.from_bytes(
                holder.draw(f"line {k}", bytes_, n.to_bytes(n.bit_length() // 8 + 1, "little")),
                "little",
            )
            % field
            for k in range(degree)
        ]
        values = {i: sum(a * i**k for k, a in enumerate(line)) % field for i in holder.all}
        own = values[holder.number]
        plain = {j: values[j].to_bytes(size, "little") for j in holder.others}
    said = yield Step(
        "parts of lambda", boxes_for_each(holder, met.channels, "parts of lambda", plain)
    )
    sizes = {i: size if i in dealers else 0 for i in holder.others}
    for data in open_boxes(holder, met.channels, "parts of lambda", said, sizes).values():
        own += int.from_bytes(data, "little")
    return own % field


def _masks(met: Met, n: int, max_colluding: int) -> dict[tuple[int, ...], int]:
    """The R_A that this holder knows, by the set that does not."""
    bound = exponent.mask_bound(n, max_colluding)
    size = (bound.bit_length() + _SPARE_BITS + 7) // 8
    return {
        unaware: int.from_bytes(hashed(b"mask", size, seed), "little") % bound
        for unaware, seed in met.mask_seeds.items()
    }


def _powers(v: int, exponents: list[int], n: int, bound: int) -> list[int]:
    """V to secret exponents below a bound."""
    count = len(exponents)
    return modulus.powers_of([v] * count, exponents, [n] * count, bound.bit_length())


def _base(holder: Holder, n: int) -> int:
    """v: a hashed square modulo n."""
    size = (n.bit_length() + _SPARE_BITS + 7) // 8
    data = n.to_bytes((n.bit_length() + 7) // 8, "little")
    return pow(int.from_bytes(holder.public("v", size, data), "little"), 2, n)


def _agreed_powers(holder: Holder, claims: dict[int, list[int]]) -> dict[tuple[int, ...], int]:
    """V to each R_A, as all say that know it.

    Raises:
        ProtocolError: they say different things; it names them.
    """
    terms = holder.terms
    sets = exponent.mask_sets(terms.shape.num_holders, terms.threshold)
    known = {i: [unaware for unaware in sets if i not in unaware] for i in holder.all}
    return {
        unaware: holder.agreed(
            {i: claims[i][known[i].index(unaware)] for i in holder.all if i not in unaware},
            "a power of v that all of them know",
        )
        for unaware in sets
    }


def _inverts(z: int, v: int, n: int, powers: Iterable[int]) -> bool:
    """Whether v to 1 + n * delta is 1, for the delta under the masks."""
    return pow(v, n * z + 1, n) == pow(math.prod(powers) % n, n, n)


def _verification_key(
    i: int, z: int, v: int, n: int, powers: dict[tuple[int, ...], int], num_holders: int
) -> int:
    """V to holder i's secret exponent, from public numbers."""
    known = [unaware for unaware in powers if i not in unaware]
    factors = exponent.mask_factors(known, i, num_holders)
    key = pow(v, math.factorial(num_holders) * z, n)
    for unaware, factor in factors.items():
        key = key * pow(powers[unaware], -factor, n) % n
    return key


def _confirm(holder: Holder, outcome: Outcome) -> Steps[None]:
    """Everybody says which key came of it.

    Raises:
        ProtocolError: not the same for all; it names them in groups.
    """
    size = (outcome.n.bit_length() + 7) // 8
    numbers = (outcome.n, outcome.v, *outcome.verification_keys)
    key = holder.public("key", 32, *(x.to_bytes(size, "little") for x in numbers))
    said = yield Step("confirmation", key)

    def hash_of(data: bytes) -> bytes:
        if len(data) != SEED_BYTES:
            raise MalformedDataError("it is no hash")
        return data

    holder.agreed(holder.read(said, hash_of), "the key that came of it")
