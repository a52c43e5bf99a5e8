"""What all tests share."""

import os
import random

import pytest
from hypothesis import settings
from known_keys import known_key
from veilsum import keyfile

# Each runs where its framework is installed (`run`), without this file.
collect_ignore = ["flower", "nvflare"]

# A shared machine may be slow for a moment; that is no failure.
settings.register_profile("veilsum", deadline=None, print_blob=True)
settings.load_profile("veilsum")


@pytest.fixture
def rng():
    """Randomness for test data. A failing test shows the seed; VEILSUM_TEST_SEED repeats it."""
    seed = int(os.environ.get("VEILSUM_TEST_SEED") or random.SystemRandom().getrandbits(32))
    print(f"VEILSUM_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def key():
    """The usual key of tests: 2048 bits, from stored primes."""
    return known_key(2048)


@pytest.fixture
def other_key():
    """Another key of 2048 bits."""
    return known_key("2048-other")


@pytest.fixture
def cheap_key_files(monkeypatch):
    """Key files with the least scrypt cost that is allowed: 20 ms in place of half a second."""
    monkeypatch.setattr(keyfile, "_LOG2_COST", 14)
