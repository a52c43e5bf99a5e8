"""Masked vectors: exact sums, the wire form read by other means, and what is refused.

``reference`` here is Python's integers, hashlib and OpenSSL's AES: it shares no code with the core.
"""

import hashlib
import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import veilsum as vs
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from known_keys import known_key
from veilsum import _core
from veilsum.schemes.mask_shape import MaskShape
from veilsum.schemes.masking import Masking

SK = known_key(2048).secret
PK = SK.public_key
SIGMA = 6.4


def codec_of(dim, *, max_addends=5, value_bits=16, **options):
    return vs.Codec(dim=dim, clip=1.0, value_bits=value_bits, max_addends=max_addends, **options)


def updates(codec, count, rng):
    """Random ones, and among them both extremes everywhere."""
    extremes = [np.full(codec.dim, 1.0), np.full(codec.dim, -1.0)]
    return (extremes + [rng.uniform(-1, 1, codec.dim) for _ in range(count)])[:count]


# ---- sums ----


@pytest.mark.parametrize("max_addends", [2, 5, 1000])
@pytest.mark.parametrize("value_bits", [2, 16, 40])
@pytest.mark.parametrize("dim", [1, 7, 2047, 2048, 12_287, 12_288, 40_000])
def test_a_masked_sum_equals_the_packed_and_the_plain_one(dim, value_bits, max_addends, rng):
    codec = codec_of(dim, value_bits=value_bits, max_addends=max_addends)
    accumulator = vs.Accumulator(codec, key=PK)
    plain = np.zeros(codec.num_slots, np.int64)
    for x in updates(codec, min(max_addends, 4), rng):
        vector = codec.encrypt(x, key=PK, scheme="masked", context=b"a sum")
        assert vector.scheme == "masked"
        accumulator.add(vs.EncryptedVector.from_bytes(vector.to_bytes(), PK))
        plain += codec.quantise(x)[0]
    expected = codec.dequantise(plain, num_addends=accumulator.num_addends)
    opened = codec.decrypt(accumulator.total, SK)
    assert np.array_equal(opened.values, expected.values)
    assert opened.weight == expected.weight
    assert opened.num_addends == expected.num_addends


def test_a_sum_of_all_addends_at_the_bound_is_exact():
    codec = codec_of(5000, max_addends=64, value_bits=20)
    one = codec.encrypt(np.full(codec.dim, -1.0), key=PK, scheme="masked", context=b"a sum")
    accumulator = vs.Accumulator(codec, key=PK)
    accumulator.add(one)
    for _ in range(63):
        x = np.full(codec.dim, -1.0)
        accumulator.add(codec.encrypt(x, key=PK, scheme="masked", context=b"a sum"))
    total = accumulator.total
    opened = codec.decrypt(total, SK)
    assert opened.num_addends == 64
    assert np.array_equal(opened.values, np.full(codec.dim, -64.0))
    with pytest.raises(vs.CapacityError, match="65 addends"):
        total + one


def test_noise_goes_behind_the_mask(rng):
    noise = vs.privacy.LaplaceNoise(epsilon=1.0, rounds=1, norm_bound=1.0)
    codec = noise.fit(codec_of(3000, value_bits=20))
    vector = codec.encrypt(
        np.zeros(codec.dim), key=PK, noise=noise, scheme="masked", context=b"a sum"
    )
    assert np.count_nonzero(codec.decrypt(vector, SK).values) > 2000


# ---- the wire form, by other means ----


def reference_shape(codec):
    shape = codec.mask_shape
    native = shape.native(codec)
    return shape, native, 1 << shape.log_dim


def is_prime(n):
    return all(pow(base, n - 1, n) == 1 for base in (2, 3, 5, 7, 11, 13))


def reference_primes(shape):
    primes, q = [], (1 << shape.prime_bits) + 1
    while len(primes) < shape.num_primes:
        q -= 2 << shape.log_dim
        if is_prime(q):
            primes.append(q)
    return primes


def reference_polynomial(context, shape, block, p, q):
    """a_j modulo q, as coefficients: values by SHAKE256 and AES, then a transform of N squared."""
    n = 1 << shape.log_dim
    ring = bytes([shape.log_dim, shape.num_primes, shape.prime_bits])
    key = hashlib.shake_256(b"veilsum/mask/public/1" + ring + context).digest(32)

    def words(stream, first, count):
        start = stream.to_bytes(8, "big") + (first // 2).to_bytes(8, "big")
        encryptor = Cipher(algorithms.AES(key), modes.CTR(start)).encryptor()
        return np.frombuffer(encryptor.update(bytes(8 * count)), "<u8")

    mask = np.uint64((1 << shape.prime_bits) - 1)
    first = (block * shape.num_primes + p) * n
    values = words(0, first, n) & mask
    for i in np.flatnonzero(values >= q):
        stream = 1
        while values[i] >= q:
            word = first + int(i)
            values[i] = (words(stream, word & ~1, 2) & mask)[word & 1]
            stream += 1
    psi = next(
        root for g in range(2, 1000) if pow(root := pow(g, (q - 1) // (2 * n), q), n, q) == q - 1
    )
    # Value 8l + k of each 64 in bit-reversed order lies at 8k + l.
    evaluations = [0] * n
    for i in range(n):
        at = (i & ~63) | (i & 7) << 3 | (i >> 3 & 7)
        evaluations[int(f"{i:0{shape.log_dim}b}"[::-1], 2)] = int(values[at])
    return interpolate(evaluations, psi, q)


def interpolate(evaluations, psi, q):
    """The polynomial with these values at psi, psi^3, psi^5, ...: by halves."""
    n = len(evaluations)
    if n == 1:
        return evaluations
    # At x and -x = x * psi^n: even part and odd part.
    half = n // 2
    inverse_of_two = pow(2, q - 2, q)
    even, odd = [], []
    for i in range(half):
        u, v = evaluations[i], evaluations[i + half]
        x_inverse = pow(psi, (2 * n - (2 * i + 1)) % (2 * n), q)
        even.append((u + v) * inverse_of_two % q)
        odd.append((u - v) * inverse_of_two * x_inverse % q)
    root = psi * psi % q
    result = [0] * n
    result[0::2] = interpolate(even, root, q)
    result[1::2] = interpolate(odd, root, q)
    return result


def negacyclic_product(a, s, q):
    """By one product of integers: coefficients stand 16 bytes apart."""
    n, offset = len(a), 1 << 12

    def pack(x):
        return int.from_bytes(b"".join(int(c).to_bytes(16, "little") for c in x), "little")

    shifted = pack(a) * pack([c + offset for c in s])
    raw = shifted.to_bytes(16 * (2 * n) + 16, "little")
    full = [int.from_bytes(raw[16 * i : 16 * i + 16], "little") for i in range(2 * n)]
    with_offset = [(full[i] - full[i + n]) % q for i in range(n)]
    # Take the product with the polynomial whose coefficients are all `offset` off again.
    total = sum(a)
    below = [0]
    for c in a:
        below.append(below[-1] + c)
    return [
        (with_offset[i] - offset * (below[i + 1] - (total - below[i + 1]))) % q for i in range(n)
    ]


def reference_residues(data, count, bits):
    """Rows of eight; each lane is a string of bits."""
    lanes = np.frombuffer(data, "<u8").reshape(-1, 8)
    strings = [int.from_bytes(lanes[:, lane].tobytes(), "little") for lane in range(8)]
    mask = (1 << bits) - 1
    return [strings[i % 8] >> (i // 8 * bits) & mask for i in range(count)]


def reference_errors(vector, sk):
    """Open a masked vector by Python alone: its slots, all its errors, and the secret."""
    codec, masked = vector.codec, vector.masked
    shape, native, n = reference_shape(codec)
    primes = reference_primes(shape)
    modulus = math.prod(primes)
    secret = reference_secret(sk.decrypt(vector.ciphertexts), native)
    wire = masked.blocks.to_bytes()[16 + 4 + 16 :]
    slots, errors = [], []
    for block in range(native.num_blocks):
        left = codec.num_slots - block * shape.num_digits * n
        count = min(n, (left + 8 * shape.num_digits - 1) // (8 * shape.num_digits) * 8)
        count = max(count, 128 if block == 0 else 8)
        centred = [0] * count
        for p, q in enumerate(primes):
            size = 64 * -(-(count // 8 * shape.prime_bits) // 64)
            residues = reference_residues(wire[:size], count, shape.prime_bits)
            wire = wire[size:]
            a = reference_polynomial(masked.context, shape, block, p, q)
            product = negacyclic_product(a, secret, q)
            cofactor = modulus // q
            basis = cofactor * pow(cofactor, -1, q)
            for i in range(count):
                centred[i] += (residues[i] - product[i]) * basis
        digits = [[0] * count for _ in range(shape.num_digits)]
        half, base = 1 << (native.slack - 1), native.base
        for i, value in enumerate(centred):
            x = (value + modulus // 2) % modulus - modulus // 2
            error = (x + half) % (2 * half) - half
            errors.append(error)
            message = (x - error) >> native.slack
            for plane in digits:
                plane[i] = (message + base // 2) % base - base // 2
                message = (message - plane[i]) // base
            assert message == 0
        slots += [slot for plane in digits for slot in plane][:left]
    assert wire == b""
    return np.array(slots), np.array(errors), np.array(secret)


def reference_secret(plaintexts, native):
    """Slots of whole bits, low first, each centred."""
    bits = (2 * native.max_secret + 1).bit_length()
    secret = []
    modulus_room = (PK.n // 2) // native.max_secret
    each = 1
    while ((1 << (bits * (each + 1))) - 1) // ((1 << bits) - 1) <= modulus_room:
        each += 1
    for value in plaintexts.tolist() if hasattr(plaintexts, "tolist") else plaintexts:
        value = int(value)
        for _ in range(each):
            slot = (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))
            secret.append(slot)
            value = (value - slot) >> bits
    return secret[: native.dim]


@pytest.fixture(name="rng")
def fixture_rng(rng):
    """numpy's, of the same seed."""
    return np.random.default_rng(rng.getrandbits(64))


@pytest.fixture(scope="module")
def opened_by_reference():
    """Some vectors, their slots, errors and secrets, as Python finds them."""
    rng = np.random.default_rng(5)
    found = []
    for codec in (codec_of(2000), codec_of(20_000, max_addends=100)):
        x = rng.uniform(-1, 1, codec.dim)
        vector = codec.encrypt(x, key=PK, scheme="masked", context=b"reference")
        assert reference_shape(codec)[0].log_dim == (11 if codec.dim == 2000 else 12)
        found.append((codec, x, vector, *reference_errors(vector, SK)))
    return found


def test_the_wire_form_is_what_the_page_says(opened_by_reference):
    for codec, x, _, slots, errors, secret in opened_by_reference:
        assert np.array_equal(slots, codec.quantise(x)[0])
        # 9 standard deviations: fewer than 1e-14 of all runs have one beyond.
        assert np.abs(errors).max() < 9 * SIGMA
        assert np.abs(secret).max() < 9 * SIGMA


def test_secrets_and_errors_have_the_discrete_gaussian_distribution(opened_by_reference):
    """Chi-square against exact weights; wrong in 1 of 10^9 runs."""
    for which in (4, 5):
        values = np.concatenate([found[which] for found in opened_by_reference])
        support = np.arange(-16, 17)
        weights = np.exp(-(support**2) / (2 * SIGMA**2))
        everything = np.exp(-(np.arange(-80, 81) ** 2) / (2 * SIGMA**2)).sum()
        expected = values.size * weights / everything
        observed = np.array([(values == k).sum() for k in support])
        tail = values.size - expected.sum()
        statistic = ((observed - expected) ** 2 / expected).sum()
        statistic += (values.size - observed.sum() - tail) ** 2 / tail
        # 33 degrees of freedom: the quantile of 1 - 1e-9 is 103.7 (scipy.stats.chi2.isf).
        assert statistic < 103.7
        assert values.std() == pytest.approx(SIGMA, rel=0.05)


# ---- the shape ----


def test_a_shape_is_strong_enough_and_the_shortest(rng):
    for _ in range(200):
        value_bits = int(rng.integers(2, 41))
        max_addends = int(2 ** rng.uniform(0, 20))
        codec = codec_of(
            int(2 ** rng.uniform(0, 22)), value_bits=value_bits, max_addends=max_addends
        )
        shape = codec.mask_shape
        core_svp, matzov = shape.strength(codec)
        assert matzov >= 128
        native = shape.native(codec)
        assert native.base > 2 * codec.max_slot
        assert (native.base**shape.num_digits << native.slack) < math.prod(reference_primes(shape))
        assert 1 << (native.slack - 1) >= 16 * SIGMA * math.sqrt(max_addends)
        assert native.max_secret >= 15 * SIGMA * math.sqrt(max_addends)
        assert core_svp >= 128 or max_addends > 1000


def test_strength_is_what_the_estimator_found():
    """Less what 10,000 sums of the codec's addends may cost."""
    path = Path(__file__).parents[1] / "bench" / "results" / "mask_security.json"
    seen = 0
    for found in json.loads(path.read_text())["estimates"]:
        log_dim = found["ring_dim"].bit_length() - 1
        shape = MaskShape(log_dim, log_dim - 10, found["log2_q"] // (log_dim - 10), 1)
        if shape.prime_bits > 46:
            continue  # No ring of the library.
        for max_addends in (1, 3):
            codec = codec_of(10, value_bits=2, max_addends=max_addends)
            lost = math.log2(10_000 * max_addends)
            core_svp, matzov = shape.strength(codec)
            assert found["core_svp"] - lost - 0.1 <= core_svp <= found["core_svp"] - lost
            assert found["matzov"] - lost - 0.1 <= matzov <= found["matzov"] - lost
            seen += 1
    assert seen > 60


@pytest.mark.parametrize(
    "change",
    [
        {"log_dim": 10},
        {"log_dim": 11},
        {"num_primes": 1},
        {"num_primes": 3},
        {"prime_bits": 23},
        {"prime_bits": 39},
        {"num_digits": 0},
        {"num_digits": 4},
        {"num_digits": 17},
    ],
)
def test_a_shape_that_is_weak_or_has_no_room_is_refused(change):
    codec = codec_of(20_000, max_addends=100)
    shape = codec.mask_shape
    assert shape == MaskShape(12, 2, 40, 3)
    with pytest.raises(vs.InvalidArgumentError):
        replace(shape, **change).check(codec)


# ---- what is refused ----


def test_a_masked_vector_needs_a_context_and_takes_no_pool():
    codec = codec_of(10)
    x = np.zeros(codec.dim)
    with pytest.raises(vs.InvalidArgumentError, match="context=b"):
        codec.encrypt(x, key=PK, scheme="masked")
    with pytest.raises(TypeError, match="context"):
        codec.encrypt(x, key=PK, scheme="masked", context="a sum")
    with pytest.raises(vs.InvalidArgumentError, match="pool"):
        codec.encrypt(x, key=PK, scheme="masked", context=b"a sum", pool=PK.precompute(20))
    with pytest.raises(vs.InvalidArgumentError, match="scheme"):
        codec.encrypt(x, key=PK, scheme="mask", context=b"a sum")


def test_the_shorter_scheme_is_taken_and_packed_without_a_context():
    short, long = codec_of(100, max_addends=100), codec_of(20_000, max_addends=100)
    for codec, context, scheme in (
        (short, b"a sum", "packed"),
        (long, b"a sum", "masked"),
        (long, b"", "packed"),
    ):
        vector = codec.encrypt(np.zeros(codec.dim), key=PK, context=context)
        assert vector.scheme == scheme
    lengths = {
        scheme: len(
            long.encrypt(np.zeros(long.dim), key=PK, scheme=scheme, context=b"x").to_bytes()
        )
        for scheme in ("packed", "masked")
    }
    assert lengths["masked"] < lengths["packed"]


def test_a_vector_opens_under_its_own_context_only():
    codec = codec_of(3000)
    vector = codec.encrypt(np.zeros(codec.dim), key=PK, scheme="masked", context=b"a sum")
    moved = vs.EncryptedVector(
        vector.ciphertexts, codec, masked=vector.masked._replace(context=b"another")
    )
    with pytest.raises(vs.CapacityError):
        codec.decrypt(moved, SK)


def test_a_sum_with_something_that_is_no_masked_vector_is_refused():
    codec = codec_of(3000)
    vectors = [
        codec.encrypt(np.zeros(codec.dim), key=PK, scheme="masked", context=b"a sum")
        for _ in range(2)
    ]
    swapped = vs.EncryptedVector(vectors[0].ciphertexts, codec, masked=vectors[1].masked)
    with pytest.raises(vs.CapacityError):
        codec.decrypt(swapped + vectors[0], SK)


def test_a_masked_vector_keeps_all_in_bytes_and_pickles():
    codec = codec_of(5000)
    vector = codec.encrypt(np.ones(codec.dim), key=PK, scheme="masked", context=b"a sum")
    for copy in (
        vs.EncryptedVector.from_bytes(vector.to_bytes(), SK),
        pickle.loads(pickle.dumps(vector)),
    ):
        assert copy == vector
        assert copy.masked.context == b"a sum"
        assert copy.num_addends == 1
    accumulator = vs.Accumulator(codec, key=PK)
    accumulator.add(vector)
    again = pickle.loads(pickle.dumps(accumulator))
    again.add(vector)
    assert codec.decrypt(again.total, SK).weight == 2.0


def test_damaged_masked_vectors_are_refused_by_name(rng):
    codec = codec_of(300)
    wire = codec.encrypt(np.ones(codec.dim), key=PK, scheme="masked", context=b"a sum").to_bytes()
    for _ in range(100):
        damaged = bytearray(wire)
        at = int(rng.integers(len(damaged)))
        damaged[at] ^= int(rng.integers(1, 256))
        for data in (bytes(damaged), wire[:at]):
            try:
                vector = vs.EncryptedVector.from_bytes(data, PK)
                vector.codec.decrypt(vector, SK)
            except vs.VeilsumError:
                continue


# ---- attacks ----


def test_one_mask_for_two_vectors_gives_their_difference_away(rng):
    """What the hedged seed is against: it differs as soon as the slots do."""
    codec = codec_of(2000)
    masking = Masking(codec, PK)
    shape, native, _ = reference_shape(codec)
    slots = [codec.quantise(rng.uniform(-1, 1, codec.dim))[0] for _ in range(2)]
    (q,) = reference_primes(shape)

    def residues(blocks):
        return np.array(
            reference_residues(blocks.to_bytes()[36:], 2008, shape.prime_bits), dtype=object
        )

    def read_difference(first, second):
        change = (residues(first) - residues(second)) % q
        change = np.where(change > q // 2, change - q, change)
        return (change[: codec.num_slots] // (1 << native.slack)).astype(np.int64)

    seed = _core.HedgedSeed("attack", b"a sum", b"", b"")
    reused = [masking.mask.protect(each, b"a sum", seed)[0] for each in slots]
    assert np.array_equal(read_difference(*reused), slots[0] - slots[1])
    fresh = [masking.make(each, context=b"a sum").blocks for each in slots]
    assert np.mean(read_difference(*fresh) == slots[0] - slots[1]) < 0.01
