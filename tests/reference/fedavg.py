"""Federated averaging over quantised integers, slow and obvious: one float operation at a time."""

import numpy as np
from reference import codec as reference


def integer_round(model, deltas, weights, *, clip, value_bits, weight_bits=0, server_lr=1.0):
    """The next model: integers added as Python ints, then value by value as the codec decodes."""
    limit = reference.grid_max(value_bits, weight_bits)
    scale = limit / clip
    total = None
    for delta, weight in zip(deltas, weights, strict=True):
        values = [float(x) for x in delta]
        slots, _ = reference.quantise(values, clip, value_bits, weight, weight_bits=weight_bits)
        total = slots if total is None else [a + b for a, b in zip(total, slots, strict=True)]
    weight_sum = total[-1] / limit
    step = [server_lr * (slot / scale / weight_sum) for slot in total[:-1]]
    result, first = [], 0
    for array in model:
        flat = [float(x) + s for x, s in zip(array.ravel(), step[first:], strict=False)]
        result.append(np.array(flat).reshape(array.shape).astype(array.dtype))
        first += array.size
    return result
