"""Rules of masks and masked vectors, MB and MV of docs/validation.md, and what each is against."""

from dataclasses import astuple, replace

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from validation_rules import rule
from veilsum.schemes.mask_shape import MaskShape
from veilsum.schemes.masking import MaskedPart, Masking
from veilsum.schemes.vector_message import masked_form

SK = known_key(2048).secret
PK = SK.public_key
CONTEXT = b"a sum"
SHAPE_BYTES = 4
BLOCKS_HEADER_BYTES = 16 + SHAPE_BYTES + 16


def codec_of(dim, *, max_addends=5, value_bits=16):
    return vs.Codec(dim, clip=1.0, value_bits=value_bits, max_addends=max_addends)


def masked(codec, value=0.0, context=CONTEXT):
    x = np.full(codec.dim, value)
    return codec.encrypt(x, key=PK, scheme="masked", context=context)


def read(data):
    return vs.EncryptedVector.from_bytes(data, PK)


def with_part(vector, **changes):
    return vs.EncryptedVector(
        vector.ciphertexts, vector.codec, masked=vector.masked._replace(**changes)
    )


def written(vector, **changes):
    """The message of a vector with some fields changed, which its class would refuse."""
    form = masked_form(vs.Codec)
    values = form.read(vector.to_bytes()) | changes
    return form.write(type("Fields", (), values), version=1 + vector.codec.needs_segments)


def with_residue(wire, value, bits):
    """Masked blocks whose first residue is another one."""
    word = int.from_bytes(wire[BLOCKS_HEADER_BYTES : BLOCKS_HEADER_BYTES + 8], "little")
    word = (word >> bits << bits) | value
    return wire[:BLOCKS_HEADER_BYTES] + word.to_bytes(8, "little") + wire[BLOCKS_HEADER_BYTES + 8 :]


# ---- MB: masked blocks ----


@rule("MB1")
def test_residues_are_below_their_primes_and_nothing_follows():
    codec = codec_of(20, value_bits=17)
    masking = Masking(codec, PK)
    wire = masked(codec).masked.blocks.to_bytes()
    bits = masking.shape.prime_bits
    q = largest_prime(bits, 4096)
    # What it is against: two messages of one vector, of which only one is what was signed.
    assert masking.read_blocks(with_residue(wire, q - 1, bits))
    for value in (q, q + 1, (1 << bits) - 1):
        with pytest.raises(vs.MalformedDataError, match="MB1: "):
            masking.read_blocks(with_residue(wire, value, bits))
    # 128 coefficients are 16 in a lane: the bits behind them are 0.
    used = 16 * bits
    assert used % 64 > 0
    for bit in range(used, -(-used // 64) * 64):
        damaged = bytearray(wire)
        place = BLOCKS_HEADER_BYTES + 64 * (bit // 64) + 8 * 5 + bit % 64 // 8
        assert damaged[place] & 1 << bit % 8 == 0
        damaged[place] |= 1 << bit % 8
        with pytest.raises(vs.MalformedDataError, match="MB1: "):
            masking.read_blocks(bytes(damaged))


def largest_prime(bits, order):
    """Of so many bits, and 1 modulo ``order``."""
    candidates = range((1 << bits) + 1 - order, 0, -order)
    bases = (2, 3, 5, 7, 11, 13)
    return next(n for n in candidates if all(pow(base, n - 1, n) == 1 for base in bases))


@rule("MB2")
def test_blocks_are_of_the_agreed_shape_and_all_there():
    codec = codec_of(20_000, max_addends=100)
    masking = Masking(codec, PK)
    assert masking.shape == MaskShape(12, 2, 40, 3)
    blocks = masked(codec).masked.blocks
    for first, count in ((0, 1), (1, 1), (0, 2)):
        part = blocks.part(first, count).to_bytes()
        assert masking.read_blocks(part).to_bytes() == part
        for at, value in ((16, 11), (17, 1), (18, 41), (19, 2)):
            damaged = bytearray(part)
            damaged[at] = value
            with pytest.raises(vs.MalformedDataError, match="another shape"):
                masking.read_blocks(bytes(damaged))
        for others in ((2, 1), (0, 0), (1, 2), (0, 3), (2**62, 2**62), (0, 2**63 - 1)):
            numbers = b"".join(number.to_bytes(8, "little") for number in others)
            with pytest.raises(vs.MalformedDataError, match="no such blocks"):
                masking.read_blocks(part[:20] + numbers + part[36:])
    for first, count in ((0, 0), (0, 3), (2, 1), (1, 2**63)):
        with pytest.raises(vs.InvalidArgumentError):
            blocks.part(first, count)


# ---- MV: masked vectors ----


@rule("MV1")
@pytest.mark.parametrize(
    "change",
    [
        *({"log_dim": 10}, {"log_dim": 11}, {"log_dim": 13}, {"num_primes": 1}, {"num_primes": 3}),
        *({"prime_bits": 23}, {"prime_bits": 39}, {"prime_bits": 255}),
        *({"num_digits": 0}, {"num_digits": 4}, {"num_digits": 17}),
    ],
)
def test_a_shape_is_strong_and_has_room(change):
    codec = codec_of(20_000, max_addends=100)
    vector = masked(codec)
    shape = vector.masked.shape
    assert shape == MaskShape(12, 2, 40, 3)
    wrong = replace(shape, **change)
    with pytest.raises(vs.InvalidArgumentError):
        wrong.check(codec)
    with pytest.raises(vs.InvalidArgumentError):
        with_part(vector, shape=wrong)
    with pytest.raises(vs.MalformedDataError):
        read(written(vector, **change))


@rule("MV2")
def test_a_vector_has_all_its_blocks_and_no_others():
    codec = codec_of(20_000, max_addends=100)
    vector = masked(codec)
    blocks = vector.masked.blocks
    of_others = [
        masked(codec_of(dim, max_addends=100)).masked.blocks for dim in (19_999, 20_008, 30_000)
    ]
    for wrong in (blocks.part(0, 1), blocks.part(1, 1), *of_others):
        with pytest.raises(vs.InvalidArgumentError, match="blocks"):
            with_part(vector, blocks=wrong)
    for wrong in (blocks.part(0, 1), blocks.part(1, 1), of_others[2]):
        with pytest.raises(vs.MalformedDataError):
            read(written(vector, blocks=wrong.to_bytes()))
    for wrong in (None, b"", vector):
        with pytest.raises(TypeError, match="blocks"):
            with_part(vector, blocks=wrong)


@rule("MV3")
def test_a_context_has_1_to_255_bytes():
    codec = codec_of(20)
    assert read(masked(codec, context=bytes(255)).to_bytes()).masked.context == bytes(255)
    vector = masked(codec)
    for wrong in (b"", bytes(256)):
        with pytest.raises(vs.InvalidArgumentError, match="context"):
            masked(codec, context=wrong)
        with pytest.raises(vs.InvalidArgumentError, match="context"):
            with_part(vector, context=wrong)
    for scheme in ("auto", "packed"):
        with pytest.raises(vs.InvalidArgumentError, match="256 bytes"):
            codec.encrypt(np.zeros(20), key=PK, scheme=scheme, context=bytes(256))
    with pytest.raises(vs.MalformedDataError, match="at least 1"):
        read(written(vector, context=()))


@rule("MV4")
def test_a_vector_has_as_many_ciphertexts_as_its_secret_needs():
    vector = masked(codec_of(20))
    for wrong in (vector.ciphertexts[:-1], vs.Ciphertexts.concatenate([vector.ciphertexts] * 2)):
        with pytest.raises(vs.InvalidArgumentError, match="ciphertexts of shape"):
            vs.EncryptedVector(wrong, vector.codec, masked=vector.masked)
        with pytest.raises(vs.MalformedDataError, match="ciphertexts of shape"):
            read(written(vector, ciphertexts=wrong.to_bytes()))


def other_vectors(codec):
    """With a word that the refusal has."""
    wider = replace(codec.mask_shape, prime_bits=codec.mask_shape.prime_bits + 1)
    native = Masking(codec, PK, wider)
    fresh = native.make(codec.quantise(np.zeros(codec.dim))[0], context=CONTEXT)
    part = MaskedPart(wider, CONTEXT, fresh.blocks)
    yield vs.EncryptedVector(fresh.encrypt(PK), codec, masked=part), "different masks"
    yield masked(codec, context=b"another"), "contexts"
    yield codec.encrypt(np.zeros(codec.dim), key=PK), "packed"


@rule("MV5")
def test_only_vectors_of_one_context_and_one_mask_are_added(monkeypatch):
    codec = codec_of(3000)
    one = masked(codec)
    for other, words in other_vectors(codec):
        for first, second in ((one, other), (other, one)):
            with pytest.raises(vs.InvalidArgumentError, match=words):
                first + second
            accumulator = vs.Accumulator(codec, key=PK)
            accumulator.add(first)
            with pytest.raises(vs.InvalidArgumentError, match=words):
                accumulator.add(second)
            assert accumulator.total == first
    # What it is against: one vector for another sum makes this one unreadable.
    monkeypatch.setattr("veilsum.vector._check_same_sum", lambda *_: None)
    with pytest.raises(vs.CapacityError):
        codec.decrypt(one + masked(codec, context=b"another"), SK)


@rule("MV6")
def test_a_sum_with_errors_beyond_8_deviations_is_refused():
    codec = codec_of(1)
    masking, vector = Masking(codec, PK), masked(codec)
    assert masking.shape.num_primes == 1
    native, bits = masking.shape.native(codec), masking.shape.prime_bits
    assert [native.max_error(n) for n in (1, 4, 5)] == [52, 103, 115]
    # Somebody adds half of what a slot counts: that is no error of a mask.
    wire = vector.masked.blocks.to_bytes()
    word = int.from_bytes(wire[BLOCKS_HEADER_BYTES : BLOCKS_HEADER_BYTES + 8], "little")
    q = largest_prime(bits, 2 * native.dim)
    residue = (word % (1 << bits) + (1 << (native.slack - 1))) % q
    changed = with_part(vector, blocks=masking.read_blocks(with_residue(wire, residue, bits)))
    with pytest.raises(vs.CapacityError, match="largest error"):
        codec.decrypt(changed, SK)
    # What it is against: without the rule it opens, to a slot that may be another one.
    secret = masking.unpack(SK.decrypt_plaintexts(changed.ciphertexts))
    _, largest_error = masking.mask.open(changed.masked.blocks, secret, CONTEXT)
    assert largest_error > native.max_error(1)
    assert codec.decrypt(vector, SK).num_addends == 1


@rule("MV7")
def test_secrets_beyond_their_bound_are_refused():
    codec = codec_of(20)
    masking = Masking(codec, PK)
    native, part = codec.mask_shape.native(codec), masked(codec).masked
    for beyond in (native.max_secret + 1, -native.max_secret - 1, 2**40, -(2**63)):
        secret = np.zeros(native.dim, np.int64)
        secret[7] = beyond
        with pytest.raises(vs.CapacityError, match="secrets"):
            masking.mask.open(part.blocks, secret, part.context)
    vector = masked(codec)
    huge = vs.EncryptedVector(vector.ciphertexts * 500, codec, masked=vector.masked)
    with pytest.raises(vs.CapacityError):
        codec.decrypt(huge, SK)


@rule("MV8")
def test_a_slot_beyond_the_range_of_sums_is_refused():
    codec = codec_of(20)
    masking = Masking(codec, PK)
    for beyond in (codec.max_slot, codec.max_slot + 1, -codec.max_slot - 1):
        slots = np.zeros(codec.num_slots, np.int64)
        slots[3] = beyond
        fresh = masking.make(slots, context=CONTEXT)
        part = MaskedPart(masking.shape, CONTEXT, fresh.blocks)
        vector = vs.EncryptedVector(fresh.encrypt(PK), codec, masked=part)
        if beyond == codec.max_slot:
            assert codec.decrypt(vector, SK).num_addends == 1
        else:
            with pytest.raises(vs.CapacityError, match="slot"):
                codec.decrypt(vector, SK)


# ---- what a message costs its reader ----


def test_a_shape_from_outside_makes_no_tables(monkeypatch):
    """Tables take milliseconds and megabytes; whoever sends a message chooses its shape."""

    def no_tables(*_):
        raise AssertionError("tables were made to read a message")

    vector = masked(codec_of(300))
    data = vector.to_bytes()
    monkeypatch.setattr("veilsum.schemes.masking._mask", no_tables)
    assert read(data) == vector
    shape = vector.masked.shape
    for prime_bits in range(24, 47):
        with pytest.raises(vs.MalformedDataError):
            read(written(vector, prime_bits=prime_bits, num_digits=astuple(shape)[3] + 1))


@pytest.mark.parametrize("dim", [2**31, 2**40 - 1])
@pytest.mark.parametrize("value_bits", [2, 40])
def test_a_huge_codec_in_a_small_message_costs_nothing(dim, value_bits):
    vector = masked(codec_of(300, value_bits=value_bits))
    codec = codec_of(dim, value_bits=value_bits)
    data = written(vector, codec=codec, **vars(codec.mask_shape))
    with pytest.raises(vs.MalformedDataError):
        read(data)
