"""The tests beside this one run against the wheel, as users have it."""

import sys
from pathlib import Path

import veilsum


def test_veilsum_is_the_wheel_in_this_environment():
    assert Path(veilsum.__file__).is_relative_to(sys.prefix)
    assert veilsum._core.__file__.startswith(sys.prefix)
