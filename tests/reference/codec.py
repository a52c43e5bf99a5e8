"""The codec, slow and obvious: Python ints, Fractions, and one float operation at a time."""

import math
from fractions import Fraction


def grid_max(value_bits, weight_bits=0):
    return (2 ** (value_bits - 1) - 1) * 2**weight_bits


def lane_bits(max_lane):
    width = 1
    while not max_lane < 2 ** (width - 1):
        width += 1
    return width


def lanes_per_plaintext(max_lane, n):
    """Adds lanes at their largest, one by one, as long as they stay below n/2."""
    width = lane_bits(max_lane)
    count, total = 0, max_lane
    while 2 * total < n:
        count += 1
        total += max_lane * 2 ** (width * count)
    return count


def pack(lanes, max_lane, n):
    width, count = lane_bits(max_lane), lanes_per_plaintext(max_lane, n)
    starts = range(0, len(lanes), count)
    return [
        sum(lane * 2 ** (width * i) for i, lane in enumerate(lanes[start : start + count]))
        for start in starts
    ]


def unpack(plaintexts, num_lanes, max_lane, n):
    """Peels lanes off from the low end; None where a plaintext does not fit them."""
    width, count = lane_bits(max_lane), lanes_per_plaintext(max_lane, n)
    lanes = []
    for plaintext in plaintexts:
        rest = plaintext
        for _ in range(min(count, num_lanes - len(lanes))):
            lane = (rest + 2 ** (width - 1)) % 2**width - 2 ** (width - 1)
            lanes.append(lane)
            rest = (rest - lane) // 2**width
        if rest != 0:
            return None
    return lanes


def quantise(values, clip, value_bits, weight=1.0, norm_factor=1.0, weight_bits=0, rounded=round):
    """Value lanes and weight lane, rounded to nearest, and the number of clipped values.

    ``clip`` is one for all values, or a list with one for each.
    """
    limit = grid_max(value_bits, weight_bits)
    clips = clip if isinstance(clip, list) else [clip] * len(values)
    lanes, num_clipped = [], 0
    for x, clip in zip(values, clips, strict=True):
        scale = limit / clip
        y = float(x) * norm_factor
        num_clipped += abs(y) > clip
        steps = max(-clip, min(clip, y)) * (weight * scale)
        lanes.append(max(-limit, min(limit, rounded(steps))))
    return [*lanes, round(weight * limit)], num_clipped


def lattice_norm_bound(dim, clip, value_bits, norm_bound, weight_bits=0):
    limit = grid_max(value_bits, weight_bits)
    exact = Fraction(norm_bound) * limit / Fraction(clip)
    return min(math.floor(exact), dim * limit)


def ceil_norm(lanes, norm):
    if norm == "l1":
        return sum(abs(q) for q in lanes)
    square = sum(q * q for q in lanes)
    return math.isqrt(square - 1) + 1 if square else 0


def clip_norm(lanes, norm, bound):
    size = ceil_norm(lanes, norm)
    if size <= bound:
        return list(lanes)
    return [abs(q) * bound // size * (1 if q >= 0 else -1) for q in lanes]


def fit_norm(lanes, toward_zero, norm, bound):
    """Lanes within the bound: shrunk, or, where that costs one a step or more, first rounded so."""
    size = ceil_norm(lanes, norm)
    if size > bound and max(map(abs, lanes)) * (size - bound) > size:
        lanes = toward_zero
    return clip_norm(lanes, norm, bound)


def float_norm_factor(values, norm, norm_bound):
    """min(1, norm_bound / norm) as an exact Fraction (L2: of the square root to 60 digits)."""
    if norm == "l1":
        size = sum(abs(Fraction(float(x))) for x in values)
    else:
        square = sum(Fraction(float(x)) ** 2 for x in values)
        digits = 10**400  # beyond the smallest double's square root
        size = Fraction(math.isqrt(math.floor(square * digits**2)), digits)
    return Fraction(1) if size <= Fraction(norm_bound) else Fraction(norm_bound) / size
