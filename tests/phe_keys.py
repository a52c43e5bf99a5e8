"""Keys for the tests of veilsum.compat.phe."""

import functools

import pytest
from known_keys import known_key
from veilsum.compat.phe import paillier, small_keys


@functools.cache
def pair_of_keys():
    """The known key of 2048 bits in phe's form, public and private."""
    known = known_key(2048)
    public = paillier.PaillierPublicKey(known.n)
    return public, paillier.PaillierPrivateKey(public, known.p, known.q)


@pytest.fixture
def keys():
    """The same for a test."""
    return pair_of_keys()


@pytest.fixture
def small_allowed(monkeypatch):
    """Small keys are allowed for a test."""
    monkeypatch.setattr(small_keys, "_are_allowed", True)


@pytest.fixture
def tiny(small_allowed):
    """A pair of keys of 17 bits."""
    public = paillier.PaillierPublicKey(293 * 433)
    return public, paillier.PaillierPrivateKey(public, 293, 433)
