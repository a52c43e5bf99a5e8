"""Keys of the core for numbers that come one by one: the same numbers by another kernel."""

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from veilsum import _core

VALUES = [0, 1, -1, 2**1000, -(2**64)]


@pytest.fixture(params=[False, True], ids=["djn", "classic"])
def public(request):
    known = known_key(2048)
    return (known.classic if request.param else known.public)._native


def encrypt(key):
    return key.encrypt(_core.plaintexts_from_list(VALUES), (len(VALUES),))


def opened(key, ciphertexts):
    return _core.plaintexts_to_list(key.decrypt(ciphertexts))


def test_both_keys_open_what_either_encrypts(public):
    secret = known_key(2048).secret._native
    single, single_secret = public.one_by_one(), secret.one_by_one()
    assert single.n == public.n
    assert single.to_bytes() == public.to_bytes()
    for first, second in ((public, single), (single, public)):
        c = encrypt(first)
        for sum_so_far in (c, c.add(c)):  # With Montgomery's factor, and without.
            moved = sum_so_far.under(second)
            assert moved.to_ints() == sum_so_far.to_ints()
            assert moved.under(first).is_same(sum_so_far)
            expected = [v * (2 if sum_so_far is not c else 1) for v in VALUES]
            assert opened(secret, moved.under(secret.public_key)) == expected
            assert opened(single_secret, moved.under(single_secret.public_key)) == expected


def test_operations_are_the_same(public):
    single = public.one_by_one()
    c = encrypt(public)
    d = c.under(single)
    factors = _core.plaintexts_from_list([3, -4, 5, 0, 2**70])
    for operate in (
        lambda x: x.add(x).add(x),
        lambda x: x.subtract(x.add(x)),
        lambda x: x.negate(),
        lambda x: x.multiply(factors),
        lambda x: x.add(x).multiply_vartime(factors),
        lambda x: x.add_plaintexts(factors),
        lambda x: x.matrix_product(factors, 1),
        lambda x: x.sum(None),
    ):
        assert operate(c).to_ints() == operate(d).to_ints()


def test_they_are_not_mixed_by_mistake(public):
    single = public.one_by_one()
    c, d = encrypt(public), encrypt(single)
    if _core.kernel_name() == "portable":
        assert c.add(d).shape == c.shape
        return
    for call in (
        lambda: c.add(d),
        lambda: d.subtract(c),
        lambda: _core.Ciphertexts.concatenate([c, d]),
        lambda: known_key(2048).secret._native.decrypt(d),
        lambda: _core.CiphertextSum(c, 1).add(d, 1),
    ):
        with pytest.raises(vs.KeyMismatchError):
            call()


def test_another_key_is_refused(public, other_key):
    with pytest.raises(vs.KeyMismatchError):
        encrypt(public).under(other_key.public._native.one_by_one())


def test_a_batch_splits_into_its_numbers(public):
    c = encrypt(public)
    parts = c.split()
    assert [part.shape for part in parts] == [(1,)] * len(VALUES)
    assert [x for part in parts for x in part.to_ints()] == c.to_ints()
    assert _core.Ciphertexts.concatenate(parts).is_same(c)
    assert c.take(np.arange(0), (0,)).split() == []


def test_small_moduli_are_for_tests_and_odd():
    assert _core.PublicKey.hazmat_from_modulus(15).n == 15
    for n in (0, 1, 7, 16, 126868, 2**16384 + 1):
        with pytest.raises(vs.InvalidKeyError):
            _core.PublicKey.hazmat_from_modulus(n)


def test_primality_is_known():
    assert [n for n in range(60) if _core.is_probable_prime(n)] == [
        *(2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59)
    ]
    assert not _core.is_probable_prime(known_key(2048).n)
    assert _core.is_probable_prime(known_key(2048).p)
