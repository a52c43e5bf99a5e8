"""What all tests share."""

import os
import random

import pytest
from hypothesis import settings

# A shared machine may be slow for a moment; that is no failure.
settings.register_profile("veilsum", deadline=None, print_blob=True)
settings.load_profile("veilsum")


@pytest.fixture
def rng():
    """Randomness for test data. A failing test shows the seed; VEILSUM_TEST_SEED repeats it."""
    seed = int(os.environ.get("VEILSUM_TEST_SEED") or random.SystemRandom().getrandbits(32))
    print(f"VEILSUM_TEST_SEED={seed}")
    return random.Random(seed)
