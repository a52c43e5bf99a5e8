"""What veilsum.compat.phe refuses or does otherwise than phe: the table of docs/phe.md."""

import copy
import math
import pickle
import subprocess
import sys

import numpy as np
import phe_keys
import pytest
import veilsum as vs
from known_keys import known_key
from veilsum.compat import phe
from veilsum.compat.phe import paillier

keys, small_allowed, tiny = phe_keys.keys, phe_keys.small_allowed, phe_keys.tiny


def ones_times(numbers):
    return paillier.dot_batch([1] * len(numbers), numbers)


def test_wrong_batches_are_refused(keys, other_key):
    public, private = keys
    one = public.encrypt(1)
    foreign = paillier.PaillierPublicKey(other_key.n).encrypt(1, r_value=2)
    for call in (paillier.sum_batch, ones_times):
        with pytest.raises(vs.InvalidArgumentError, match="nothing to add"):
            call([])
        with pytest.raises(vs.KeyMismatchError):
            call([one, foreign])
        with pytest.raises(TypeError, match="each number must be"):
            call([one, 5])
    with pytest.raises(vs.KeyMismatchError):
        private.decrypt_batch([one, foreign])
    with pytest.raises(vs.InvalidArgumentError, match="1 scalars and 2 numbers"):
        paillier.dot_batch([1], [one, one])
    with pytest.raises(vs.InvalidArgumentError, match="one dimension"):
        public.encrypt_batch(np.ones((2, 2)))
    with pytest.raises(TypeError, match="masked"):
        public.encrypt_batch(np.ma.masked_array([1.0, 2.0], [True, False]))
    far = one * phe.EncodedNumber(public, 1, -1000)
    for add in (lambda: paillier.sum_batch([one, far]), lambda: one + far):
        with pytest.raises(vs.InvalidArgumentError, match="further apart"):
            add()


@pytest.mark.parametrize("wrong", [0, -1, "p", "n", "n2", "n2+5"])
def test_what_is_no_ciphertext_is_refused(keys, wrong):
    public, private = keys
    value = {"p": private.p, "n": public.n, "n2": public.nsquare, "n2+5": public.nsquare + 5}
    for call in (lambda x: paillier.EncryptedNumber(public, x), private.raw_decrypt):
        with pytest.raises(vs.InvalidCiphertextError):
            call(value.get(wrong, wrong))


def test_products_with_zero_do_not_show(keys):
    public, private = keys
    number = public.encrypt(5)
    for zero in (0, 0.0, phe.EncodedNumber(public, 0, 0)):
        first, second = number * zero, number * zero
        assert first.ciphertext(False) != second.ciphertext(False)
        assert private.decrypt(first) == 0
    for weights in ([0, 0], [0.0, 0]):
        dots = [paillier.dot_batch(weights, [number, number]) for _ in range(2)]
        assert dots[0].ciphertext(False) != dots[1].ciphertext(False)
        assert private.decrypt(dots[0]) == 0


def test_what_leaves_is_unlinkable(keys):
    number = keys[0].encrypt(5)
    total = number + 1
    shown = total.ciphertext(be_secure=False)
    assert (number + 1).ciphertext(be_secure=False) == shown  # Who knows `number` finds the 1.
    read = pickle.loads(pickle.dumps(total))
    assert read.ciphertext(False) != shown
    assert read.ciphertext() == total.ciphertext(False)
    assert keys[1].decrypt(read) == 6
    assert copy.copy(total).ciphertext(False) == copy.deepcopy(total).ciphertext(False)


def test_keys_and_numbers_are_pickled(keys, tiny):
    for public, private in (keys, tiny):
        read = pickle.loads(pickle.dumps((public, private, phe.EncodedNumber(public, 3, -1))))
        assert read[:2] == (public, private)
        assert read[2].decode() == 3 / 16
        assert read[1].decrypt(pickle.loads(pickle.dumps(public.encrypt(5)))) == 5
    public = paillier.PaillierPublicKey(keys[0].n)
    public.max_int += 7
    assert pickle.loads(pickle.dumps(public)).max_int == public.max_int


def test_numbers_for_other_keys_are_refused(keys, other_key):
    other = paillier.PaillierPublicKey(other_key.n)
    encoded, number = phe.EncodedNumber(other, 1, 0), keys[0].encrypt(1)
    for call in (
        lambda: keys[0].encrypt(encoded),
        lambda: number + encoded,
        lambda: number - encoded,
        lambda: number * encoded,
        lambda: paillier.dot_batch([encoded], [number]),
    ):
        with pytest.raises(vs.KeyMismatchError):
            call()


@pytest.mark.parametrize("value", [0, "n", "p"])
def test_randomisers_that_are_no_units_are_refused(keys, value):
    r = {"n": keys[0].n, "p": keys[1].p}.get(value, value)
    with pytest.raises(vs.InvalidArgumentError, match="unit"):
        keys[0].encrypt(5, r_value=r)


def test_wrong_private_keys_are_refused(keys, small_allowed):
    public = keys[0]
    for p, q in [(3, 5), (1, public.n), (-keys[1].p, -keys[1].q)]:
        with pytest.raises(vs.InvalidKeyError):
            paillier.PaillierPrivateKey(public, p, q)
    for p, q in [(15, 77), (293, 293), (3, 7)]:
        with pytest.raises(vs.InvalidKeyError):
            paillier.PaillierPrivateKey(paillier.PaillierPublicKey(p * q), p, q)


def test_overflows_are_found(keys):
    public, private = keys
    largest = public.encrypt(public.max_int)
    assert private.decrypt(largest) == public.max_int
    for number in (largest + 1, largest + largest, -1 - largest, largest * 2 - 1):
        with pytest.raises(vs.CapacityError) as found:
            private.decrypt(number)
        assert isinstance(found.value, OverflowError)
    with pytest.raises(OverflowError):
        phe.EncodedNumber.encode(public, public.max_int).decrease_exponent_to(-1)
    for beyond in (public.max_int + 1, -public.max_int - 1, 2**3000):
        with pytest.raises(ValueError, match="max_int"):
            public.encrypt(beyond)


def test_numbers_that_are_none_are_refused(keys):
    public, private = keys
    number = public.encrypt(1)
    for value in (math.nan, np.float64(math.nan)):
        with pytest.raises(ValueError, match="NaN"):
            public.encrypt(value)
    for value in (math.inf, -math.inf, np.float32(math.inf)):
        with pytest.raises(OverflowError, match="infinite"):
            number * value
        with pytest.raises(ValueError, match="divided"):
            number / value
    for value in ("1", None, 1j, [1], np.longdouble(1), b"1", {}):
        for call in (public.encrypt, number.__add__, number.__mul__, number.__sub__):
            with pytest.raises(TypeError):
                call(value)
    with pytest.raises(ZeroDivisionError):
        number / 0
    with pytest.raises(OverflowError):
        number / 10**400
    with pytest.raises(NotImplementedError):
        number * number
    for precision in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="precision"):
            public.encrypt(1, precision)
    assert private.decrypt(number) == 1


def test_huge_exponents_cost_nothing(keys):
    public, private = keys
    number = public.encrypt(3)
    for exponent in (10**12, 2**200):
        far = paillier.EncryptedNumber(public, number.ciphertext(), -exponent)
        assert private.decrypt(far) == 0.0
        high = paillier.EncryptedNumber(public, number.ciphertext(), exponent)
        with pytest.raises(OverflowError):
            private.decrypt(high)
        for call in (lambda a=far: a + number, lambda a=high: a + number, lambda a=far: a + 1):
            with pytest.raises(ValueError, match=r"further apart|max_int"):
                call()
        with pytest.raises(ValueError, match="max_int"):
            phe.EncodedNumber.encode(public, 1, max_exponent=-exponent)
        assert phe.EncodedNumber.encode(public, 0, max_exponent=-exponent).decode() == 0


def test_bases_are_not_mixed(keys):
    class Base2(phe.EncodedNumber):
        BASE = 2
        LOG2_BASE = 1.0

    public, private = keys
    number = public.encrypt(Base2.encode(public, 0.75))
    assert private.decrypt_encoded(number, Base2).decode() == 0.75
    total = number + Base2.encode(public, 0.5, max_exponent=number.exponent)
    assert private.decrypt_encoded(total, Base2).decode() == 1.25
    with pytest.raises(vs.InvalidArgumentError, match="other bases"):
        number + Base2.encode(public, 3)


# ---- small keys ----


def test_small_keys_are_refused_until_they_are_allowed():
    code = """
import veilsum as vs
from veilsum import hazmat
from veilsum.compat.phe import paillier
for call in (lambda: paillier.PaillierPublicKey(293 * 433),
             lambda: paillier.generate_paillier_keypair(n_length=1024)):
    try: call()
    except vs.InvalidKeyError as error: assert "hazmat.allow_small_phe_keys()" in str(error)
    else: raise SystemExit("not refused")
hazmat.allow_small_phe_keys()
public = paillier.PaillierPublicKey(293 * 433)
private = paillier.PaillierPrivateKey(public, 293, 433)
assert private.decrypt(public.encrypt(10100) * 2) == 20200
try: vs.PublicKey.from_modulus(293 * 433)
except vs.InvalidKeyError: pass
else: raise SystemExit("from_modulus takes it")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("bits", [6, 7, 8, 9, 16, 33, 64, 127, 128, 1023, 1024])
def test_small_keys_of_every_size_work(small_allowed, bits):
    public, private = paillier.generate_paillier_keypair(n_length=bits)
    assert public.n.bit_length() == bits
    assert private.p * private.q == public.n
    for message in {0, 1, public.max_int, -public.max_int}:
        assert private.decrypt(public.encrypt(message)) == message
        assert private.raw_decrypt(public.raw_encrypt(message)) == message % public.n


@pytest.mark.parametrize("bits", [0, -8, 5, 16385, 2**70])
def test_sizes_that_no_key_has_are_refused(small_allowed, bits):
    with pytest.raises(vs.InvalidArgumentError, match="n_length"):
        paillier.generate_paillier_keypair(n_length=bits)


def test_wrong_small_moduli_are_refused(small_allowed):
    for n in (0, 1, 3, 4, 7, 126868, 2**16385 + 1):
        with pytest.raises(vs.InvalidKeyError):
            paillier.PaillierPublicKey(n)
    for n in (3.0, "15", None, -15):
        with pytest.raises((TypeError, vs.InvalidKeyError)):
            paillier.PaillierPublicKey(n)


def test_a_keyring_holds_keys(keys, tiny):
    ring = paillier.PaillierPrivateKeyring([keys[1]])
    public, _ = paillier.generate_paillier_keypair(ring, n_length=64)
    assert set(ring) == {keys[0], public}
    assert ring.decrypt(public.encrypt(5)) == 5
    assert ring[keys[0]] is keys[1]
    with pytest.raises(KeyError):
        ring.decrypt(tiny[0].encrypt(5))
    for wrong in (public, 5, None):
        with pytest.raises(TypeError):
            ring.add(wrong)


def test_the_owner_of_the_primes_makes_encryption_fast():
    known = known_key(2048)
    public = paillier.PaillierPublicKey(known.n)
    slow = public._native.to_bytes()
    before = public.encrypt(5)
    private = paillier.PaillierPrivateKey(public, known.p, known.q)
    assert private.public_key is public
    assert public._native.to_bytes() != slow
    assert private.decrypt(before + public.encrypt(6)) == 11
    assert pickle.loads(pickle.dumps(public))._native.to_bytes() == public._native.to_bytes()


class Decimal(paillier.EncodedNumber):
    BASE = 10
    LOG2_BASE = math.log2(10)


def test_scalars_of_another_base_are_not_lined_up_by_16(keys):
    public, private = keys
    ones = [public.encrypt(1), public.encrypt(1)]

    def scalar(number, exponent, kind=Decimal):
        return kind(public, number, exponent)

    for scalars in (
        [scalar(25, -2), scalar(30000, -4)],
        [scalar(30000, -4), scalar(3, -4, paillier.EncodedNumber)],
    ):
        with pytest.raises(vs.InvalidArgumentError, match="BASE"):
            paillier.dot_batch(scalars, ones)
    total = paillier.dot_batch([scalar(25, -2), scalar(300, -2)], ones)
    assert private.decrypt_encoded(total, Decimal).decode() == 3.25


@pytest.mark.parametrize(
    "values", [{1: 0, 2: 0}, {1, 2}, np.array([1, 2], "M8[ns]"), np.array([1, 2], "m8[ns]")]
)
def test_what_has_no_order_or_is_no_number_is_no_batch(keys, values):
    public, _ = keys
    ones = [public.encrypt(1), public.encrypt(1)]
    for call in (public.encrypt_batch, lambda given: paillier.dot_batch(given, ones)):
        with pytest.raises(TypeError):
            call(values)
