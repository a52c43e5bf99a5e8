"""Values that are no valid argument somewhere, and the only errors that a call may make of them."""

from fractions import Fraction

import numpy as np
from veilsum import errors

ODD = [
    None,
    True,
    1.5,
    float("nan"),
    1 + 2j,
    "1",
    b"\x01",
    [],
    [[]],
    [[1, 2], [3]],
    [[[1]]],
    [1, None],
    [1, 2.0],
    [True],
    {1: 2},
    {1},
    Fraction(1, 2),
    object(),
    int,
    -1,
    0,
    2**64,
    2**4096,
    -(2**4096),
    np.float32(1),
    np.array([1.0]),
    np.array(["a"]),
    np.array([True]),
    np.array([1, None]),
    np.zeros((2, 0), int),
    np.zeros((1, 1, 1), int),
    np.array([2**64 - 1, 0, 1], np.uint64),
    np.datetime64("2024-01-01"),
    range(3),
    iter([1]),
    memoryview(b"abc"),
]

# TypeError, IndexError and file errors are the builtins' own; the rest must be veilsum's.
ALLOWED = (errors.VeilsumError, TypeError, IndexError, OSError, MemoryError)


def assert_documented_errors(name, function, *, parameter=None, odd=tuple(ODD)):
    """Call it with everything odd; how many values were refused.

    A TypeError must name the ``parameter`` if one is given.
    """
    num_refused = 0
    for value in odd:
        try:
            function(value)
        except ALLOWED as error:
            num_refused += 1
            mistake = message_mistake(str(error))
            if mistake is None and parameter is not None and type(error) is TypeError:
                mistake = None if parameter in str(error) else f"does not name {parameter}"
            if mistake is not None:
                raise AssertionError(f"{name}({value!r}): {mistake}: {error!r}") from error
        except Exception as error:
            raise AssertionError(f"{name}({value!r}) raised {error!r}") from error
    return num_refused


def message_mistake(message):
    if len(message) < 8:
        return "says too little"
    if "incompatible function arguments" in message or ".cpp" in message:
        return "speaks of the inside"
    return None
