"""Packed ciphertexts open to the numbers that went in; what is no packed number is refused."""

import random

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from reference.paillier import centre
from shared_keys import shared_key
from veilsum import hazmat
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.threshold import Combination

KEY = known_key(2048)
TOY = hazmat.secret_key((1 << 107) - 1, (1 << 127) - 1)
N = TOY.public_key.n


def per_ciphertext(bits, n):
    """As many as stay inside (-n/2, n/2) at their lower end, counted up from 0."""
    count = 0
    while 2 * sum(2 ** (bits - 1) * 2 ** (bits * i) for i in range(count + 1)) < n:
        count += 1
    return count


def edges(bits, size, seed=0):
    rng = random.Random(f"{bits} {size} {seed}")
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    values = [low, high, 0, -1, 1, *(rng.randint(low, high) for _ in range(size))]
    rng.shuffle(values)
    return values[:size]


def packed_sum(values, bits):
    return sum(value << (bits * i) for i, value in enumerate(values))


@pytest.mark.parametrize("bits", [2, 3, 7, 16, 23, 31, 32, 33, 63, 64])
@pytest.mark.parametrize("shape", [(1,), (7,), (64,), (3, 11), (5, 1), (200,)])
def test_what_is_packed_comes_out_again(bits, shape):
    values = np.array(edges(bits, int(np.prod(shape)))).reshape(shape)
    total = TOY.public_key.encrypt(values - values // 2) + TOY.public_key.encrypt(values // 2)
    packed = total.pack(bits)
    most = per_ciphertext(bits, N)
    assert packed.shape == (-(-values.size // most),)
    opened = TOY.decrypt(packed)
    each = -(-values.size // len(packed))
    flat = values.reshape(-1).tolist()
    assert opened == [packed_sum(flat[i : i + each], bits) for i in range(0, len(flat), each)]
    for given in (opened, np.array(opened, object), TOY.decrypt_plaintexts(packed)):
        found = Ciphertexts.unpack(given, bits, shape)
        assert found.dtype == np.int64
        assert np.array_equal(found, values)


def test_rows_of_the_lowest_numbers_fill_a_ciphertext():
    for bits in (2, 5, 29, 58, 64):
        most = per_ciphertext(bits, N)
        for value in (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1):
            packed = TOY.encrypt([value] * most).pack(bits)
            assert packed.shape == (1,)
            assert Ciphertexts.unpack(TOY.decrypt(packed), bits, most).tolist() == [value] * most
            assert TOY.encrypt([value] * (most + 1)).pack(bits).shape == (2,)


def test_a_packed_batch_is_the_product_modulo_n_squared():
    """Whole ciphertexts, of any exponent: c0 * c1^(2^bits) * c2^(4^bits)..."""
    c = TOY.encrypt(edges(16, 40))
    for batch in (c, c + c, c * 3, -c, np.eye(40, dtype=int) @ c):
        ints = batch.to_ints()
        packed = batch.pack(16)
        each = -(-40 // len(packed))
        for row, found in enumerate(packed.to_ints()):
            expected = 1
            for i, x in enumerate(ints[row * each : (row + 1) * each]):
                expected = expected * pow(x, 1 << (16 * i), N * N) % (N * N)
            assert found == expected


@pytest.mark.parametrize("bits", [16, 23, 64])
def test_packing_under_a_real_key(bits):
    values = edges(bits, 150)
    packed = KEY.secret.encrypt(values).pack(bits)
    assert len(packed) == -(-150 // per_ciphertext(bits, KEY.n))
    assert Ciphertexts.unpack(KEY.secret.decrypt(packed), bits, 150).tolist() == values
    assert len(KEY.secret.encrypt([1] * 63).pack(32)) == 1


def test_packed_batches_add_up():
    c, d = edges(15, 20, 1), edges(15, 20, 2)
    total = TOY.encrypt(c).pack(16) + TOY.encrypt(d).pack(16)
    expected = [a + b for a, b in zip(c, d, strict=True)]
    assert Ciphertexts.unpack(TOY.decrypt(total), 16, 20).tolist() == expected


def test_nothing_is_packed_and_unpacked():
    packed = TOY.encrypt([1])[[]].pack(16)
    assert packed.shape == (0,)
    assert Ciphertexts.unpack(TOY.decrypt(packed), 16, 0).shape == (0,)
    assert Ciphertexts.unpack([], 16, (0, 5)).shape == (0, 5)


def test_a_threshold_combination_is_unpacked():
    shared = shared_key()
    values = edges(16, 150)
    packed = shared.public.encrypt(values).pack(16)
    combination = Combination(shared.key, packed, context=b"context")
    for share in shared.shares[:4]:
        combination.add(share.decrypt(packed, context=b"context"))
    for opened in (combination.open(), combination.open_plaintexts()):
        assert Ciphertexts.unpack(opened, 16, 150).tolist() == values


def test_what_does_not_fit_its_digits_is_refused():
    lowest, highest = (packed_sum([digit] * 3, 16) for digit in (-(2**15), 2**15 - 1))
    assert Ciphertexts.unpack([lowest, 0], 16, 5).tolist() == [-(2**15)] * 3 + [0, 0]
    assert Ciphertexts.unpack([highest, 0], 16, 5).tolist() == [2**15 - 1] * 3 + [0, 0]
    for opened in (
        [highest + 1, 0],
        [lowest - 1, 0],
        [0, 2**31],
        [0, 2**500],
        [-(2**500), 0],
        [0, -(2**63)],
    ):
        with pytest.raises(vs.CapacityError, match=r"is not \d values of 16 bits"):
            Ciphertexts.unpack(opened, 16, 5)
    assert Ciphertexts.unpack([packed_sum([1, -2, 3], 16), -1], 16, 5).tolist() == [1, -2, 3, -1, 0]


def test_every_number_of_a_small_world_is_unpacked_or_refused():
    for x in range(-40, 41):
        digits = [(a, b) for a in range(-2, 2) for b in range(-2, 2) if a + 4 * b == x]
        if digits:
            assert Ciphertexts.unpack([x], 2, 2).tolist() == list(digits[0])
        else:
            with pytest.raises(vs.CapacityError):
                Ciphertexts.unpack([x], 2, 2)


@pytest.mark.parametrize(("num_values", "shape"), [(0, 5), (6, 5), (4, 6), (1, 0), (1, (3, 0))])
def test_a_wrong_number_of_packed_values_is_refused(num_values, shape):
    with pytest.raises(vs.InvalidArgumentError, match="packed numbers do not hold"):
        Ciphertexts.unpack([0] * num_values, 16, shape)


def test_wrong_arguments_are_refused():
    c = TOY.encrypt([1, 2])
    for bits in (0, 1, 65, -3, 2**70):
        for call in (c.pack, lambda b: Ciphertexts.unpack([1], b, 1)):
            with pytest.raises(vs.InvalidArgumentError, match="bits"):
                call(bits)
    for bits in (16.0, True, None, "16"):
        for call in (c.pack, lambda b: Ciphertexts.unpack([1], b, 1)):
            with pytest.raises(TypeError, match="bits"):
                call(bits)
    with pytest.raises(vs.InvalidArgumentError, match="does not fit a plaintext of this key"):
        hazmat.secret_key(5, 7).encrypt([1]).pack(16)
    with pytest.raises(TypeError, match="integer"):
        Ciphertexts.unpack([1.5], 16, 1)
    with pytest.raises(vs.InvalidArgumentError, match="vector"):
        Ciphertexts.unpack([[1]], 16, 1)
    with pytest.raises(vs.InvalidArgumentError, match="negative"):
        Ciphertexts.unpack([1], 16, -1)
    with pytest.raises(vs.InvalidArgumentError, match="one or two lengths"):
        Ciphertexts.unpack([1], 16, (1, 1, 1))
    with pytest.raises(TypeError, match="shape"):
        Ciphertexts.unpack([1], 16, 1.0)


def test_numbers_out_of_range_change_their_neighbours():
    """What docs/encrypted-numbers.md warns of."""
    packed = TOY.encrypt([2**15, 0, 0]).pack(16)
    assert centre(TOY.decrypt(packed)[0], N) == 2**15
    assert Ciphertexts.unpack(TOY.decrypt(packed), 16, 3).tolist() == [-(2**15), 1, 0]


@pytest.mark.parametrize("size", [2**10, 2**27, 2**40])
def test_more_numbers_than_a_value_can_hold_are_refused_before_there_is_room_for_them(size):
    packed = TOY.decrypt(TOY.encrypt([1, 2]).pack(32))
    with pytest.raises(vs.InvalidArgumentError, match="cannot have"):
        vs.Ciphertexts.unpack(packed, 32, size)
    with pytest.raises(vs.InvalidArgumentError, match="at most"):
        vs.Ciphertexts.unpack(packed, 32, (10**30, 0))
