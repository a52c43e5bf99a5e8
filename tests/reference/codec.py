"""The codec, slow and obvious: Python ints, Fractions, and one float operation at a time."""

import math
from fractions import Fraction


def grid_max(value_bits, weight_bits=0):
    return (2 ** (value_bits - 1) - 1) * 2**weight_bits


def slot_bits(max_slot):
    width = 1
    while not max_slot < 2 ** (width - 1):
        width += 1
    return width


def slots_per_plaintext(max_slot, n):
    """Adds slots at their largest, one by one, as long as they stay below n/2."""
    width = slot_bits(max_slot)
    count, total = 0, max_slot
    while 2 * total < n:
        count += 1
        total += max_slot * 2 ** (width * count)
    return count


def pack(slots, max_slot, n):
    width, count = slot_bits(max_slot), slots_per_plaintext(max_slot, n)
    starts = range(0, len(slots), count)
    return [
        sum(slot * 2 ** (width * i) for i, slot in enumerate(slots[start : start + count]))
        for start in starts
    ]


def unpack(plaintexts, num_slots, max_slot, n):
    """Peels slots off from the low end; None where a plaintext does not fit them."""
    width, count = slot_bits(max_slot), slots_per_plaintext(max_slot, n)
    slots = []
    for plaintext in plaintexts:
        rest = plaintext
        for _ in range(min(count, num_slots - len(slots))):
            slot = (rest + 2 ** (width - 1)) % 2**width - 2 ** (width - 1)
            slots.append(slot)
            rest = (rest - slot) // 2**width
        if rest != 0:
            return None
    return slots


def quantise(values, clip, value_bits, weight=1.0, norm_factor=1.0, weight_bits=0, rounded=round):
    """Value slots and weight slot, rounded to nearest, and the number of clipped values.

    ``clip`` is one for all values, or a list with one for each.
    """
    limit = grid_max(value_bits, weight_bits)
    clips = clip if isinstance(clip, list) else [clip] * len(values)
    slots, num_clipped = [], 0
    for x, clip in zip(values, clips, strict=True):
        scale = limit / clip
        y = float(x) * norm_factor
        num_clipped += abs(y) > clip
        steps = max(-clip, min(clip, y)) * (weight * scale)
        slots.append(max(-limit, min(limit, rounded(steps))))
    return [*slots, round(weight * limit)], num_clipped


def grid_norm_bound(dim, clip, value_bits, norm_bound, weight_bits=0):
    limit = grid_max(value_bits, weight_bits)
    exact = Fraction(norm_bound) * limit / Fraction(clip)
    return min(math.floor(exact), dim * limit)


def ceil_norm(slots, norm):
    if norm == "l1":
        return sum(abs(q) for q in slots)
    square = sum(q * q for q in slots)
    return math.isqrt(square - 1) + 1 if square else 0


def clip_norm(slots, norm, bound):
    size = ceil_norm(slots, norm)
    if size <= bound:
        return list(slots)
    return [abs(q) * bound // size * (1 if q >= 0 else -1) for q in slots]


def fit_norm(slots, toward_zero, norm, bound):
    """Slots within the bound: shrunk, or, where that costs one a step or more, first rounded so."""
    size = ceil_norm(slots, norm)
    if size > bound and max(map(abs, slots)) * (size - bound) > size:
        slots = toward_zero
    return clip_norm(slots, norm, bound)


def float_norm_factor(values, norm, norm_bound):
    """min(1, norm_bound / norm) as an exact Fraction (L2: of the square root to 60 digits)."""
    if norm == "l1":
        size = sum(abs(Fraction(float(x))) for x in values)
    else:
        square = sum(Fraction(float(x)) ** 2 for x in values)
        digits = 10**400  # beyond the smallest double's square root
        size = Fraction(math.isqrt(math.floor(square * digits**2)), digits)
    return Fraction(1) if size <= Fraction(norm_bound) else Fraction(norm_bound) / size
