"""The rules of docs/validation.md for key files, wire frames and encrypted vectors."""

import dataclasses
import math

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from validation_rules import rule
from veilsum import keyfile
from veilsum.wire import Reader, WireKind, Writer

PASSPHRASE = "a passphrase of the tests"
CODEC = vs.Codec(4, clip=1.0, value_bits=8, max_addends=2)
ZEROS = np.zeros(4)

READERS = {
    WireKind.PUBLIC_KEY: vs.PublicKey.from_bytes,
    WireKind.CIPHERTEXTS: lambda data: vs.Ciphertexts.from_bytes(data, known_key(2048).public),
    WireKind.ENCRYPTED_VECTOR: lambda data: vs.EncryptedVector.from_bytes(
        data, known_key(2048).public
    ),
    WireKind.KEY_FILE: lambda data: keyfile.open_sealed(data, PASSPHRASE),
}


@pytest.fixture
def key_path(key, tmp_path, cheap_key_files):
    path = tmp_path / "secret.key"
    key.secret.save(path, passphrase=PASSPHRASE)
    return path


@pytest.fixture
def messages(key, key_path):
    """One good message of each kind."""
    return {
        WireKind.PUBLIC_KEY: key.public.to_bytes(),
        WireKind.CIPHERTEXTS: key.public.encrypt([1]).to_bytes(),
        WireKind.ENCRYPTED_VECTOR: CODEC.encrypt(ZEROS, key=key.public).to_bytes(),
        WireKind.KEY_FILE: key_path.read_bytes(),
    }


# ---- KF: key files ----


def refused_load(path, data, error, match, passphrase=PASSPHRASE):
    path.write_bytes(data)
    with pytest.raises(error, match=match):
        vs.SecretKey.load(path, passphrase=passphrase)
    assert path.read_bytes() == data


@rule("KF1")
def test_scrypt_parameters_are_bounded(key_path, monkeypatch):
    def scrypt(*_, **__):
        raise AssertionError("the passphrase was hashed")

    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.scrypt.Scrypt", scrypt)
    data = key_path.read_bytes()
    for parameters in ((13, 8, 1), (21, 8, 1), (14, 7, 1), (14, 9, 1), (14, 8, 0), (14, 8, 5)):
        damaged = data[:16] + bytes(parameters) + data[19:]
        refused_load(key_path, damaged, vs.MalformedDataError, "scrypt")


@rule("KF2")
def test_whole_key_file_is_authenticated(key, other_key, key_path):
    data = key_path.read_bytes()
    public = data.index(key.public.to_bytes())
    for position in (19, 35, public + 30, len(data) - 300, len(data) - 1):
        damaged = bytearray(data)
        damaged[position] ^= 1
        refused_load(key_path, damaged, vs.PassphraseError, "changed")
    swapped = data.replace(key.public.to_bytes(), other_key.public.to_bytes())
    refused_load(key_path, swapped, vs.PassphraseError, "changed")


@rule("KF3")
def test_passphrase_opens_the_file(key_path):
    data = key_path.read_bytes()
    refused_load(key_path, data, vs.PassphraseError, "passphrase", passphrase="another")


@rule("KF4")
def test_passphrase_is_not_empty(key, key_path):
    data = key_path.read_bytes()
    refused_load(key_path, data, vs.InvalidArgumentError, "empty", passphrase="")
    with pytest.raises(vs.InvalidArgumentError, match="empty"):
        key.secret.save(key_path, passphrase=b"", overwrite=True)
    assert key_path.read_bytes() == data


@rule("KF5")
def test_key_file_is_short(key_path):
    refused_load(key_path, bytes(2**16 + 1), vs.MalformedDataError, "too long")


@rule("KF6")
def test_existing_file_is_kept(key, key_path):
    data = key_path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        key.secret.save(key_path, passphrase=PASSPHRASE)
    assert key_path.read_bytes() == data


# ---- WF: the frame of every message ----


def refused_by_all(messages, change, match):
    """Every reader refuses its own message after the change."""
    for kind, data in messages.items():
        with pytest.raises(vs.MalformedDataError, match=match):
            READERS[kind](change(data))


@rule("WF1")
def test_frame_starts_with_the_magic(messages):
    refused_by_all(messages, lambda data: b"vail" + data[4:], "veilsum frame")
    refused_by_all(messages, lambda data: data[:15], "veilsum frame")
    refused_by_all(messages, lambda data: b"", "veilsum frame")


@rule("WF2")
def test_frame_names_the_expected_kind(messages):
    for kind in messages:
        for other, data in messages.items():
            if other != kind:
                with pytest.raises(vs.MalformedDataError, match="expected"):
                    READERS[kind](data)
    for unknown in (0, max(WireKind) + 1, 255):
        refused_by_all(
            messages, lambda data, u=unknown: data[:4] + bytes([u]) + data[5:], "unknown"
        )


@rule("WF3")
def test_frame_has_a_known_version(messages):
    for version in (0, 3, 255):
        change = lambda data, v=version: data[:5] + bytes([v]) + data[6:]  # noqa: E731
        refused_by_all(messages, change, "version")


@rule("WF4")
def test_reserved_bytes_are_zero(messages):
    refused_by_all(messages, lambda data: data[:6] + b"\1" + data[7:], "reserved")
    refused_by_all(messages, lambda data: data[:7] + b"\1" + data[8:], "reserved")


@rule("WF5")
def test_body_is_as_long_as_announced(messages):
    refused_by_all(messages, lambda data: data + b"\0", "announces")
    refused_by_all(messages, lambda data: data[:-1], "announces")
    refused_by_all(messages, lambda data: data[:8] + b"\xff" * 8 + data[16:], "announces")


def resized(data, change):
    body = change(data[16:])
    return data[:8] + len(body).to_bytes(8, "little") + body


@rule("WF6")
def test_nothing_follows_the_body(messages):
    # In a key file and an encrypted vector the last part takes what is left and refuses it itself.
    for kind in (WireKind.PUBLIC_KEY, WireKind.CIPHERTEXTS, WireKind.ENCRYPTED_VECTOR):
        with pytest.raises(vs.MalformedDataError):
            READERS[kind](resized(messages[kind], lambda body: body + b"\0"))
    writer = Writer(WireKind.KEY_FILE, 1)
    writer.u8(1)
    reader = Reader(writer.finish(), WireKind.KEY_FILE, 1)
    with pytest.raises(vs.MalformedDataError, match="unexpected bytes"):
        reader.finish()
    assert reader.remaining() == 1


@rule("WF7")
def test_body_does_not_end_early(messages):
    refused_by_all(messages, lambda data: resized(data, lambda body: body[:2]), "too early")


# ---- VE: vectors, codecs and sums ----


@pytest.fixture
def accumulator(key):
    result = vs.Accumulator(CODEC, key=key.public)
    result.add(CODEC.encrypt(np.ones(4), key=key.public))
    return result


def refused_encrypt(key, delta, error, match, **options):
    pool = key.public.precompute(4)
    with pytest.raises(error, match=match):
        CODEC.encrypt(delta, key=key.public, pool=pool, **options)
    assert len(pool) == 4


@rule("VE1")
def test_values_are_finite(key):
    for bad in (math.nan, math.inf, -math.inf):
        for dtype in (np.float16, np.float32, np.float64):
            refused_encrypt(
                key, np.array([0, 0, 0, bad], dtype), vs.InvalidArgumentError, "index 3"
            )


@rule("VE2")
@pytest.mark.parametrize("dtype", [bool, complex, object, np.longdouble, "U1"])
def test_values_are_floats_of_up_to_64_bits(key, dtype):
    refused_encrypt(key, np.zeros(4).astype(dtype), TypeError, "delta")
    masked = np.ma.masked_array(np.zeros(4), mask=[0, 0, 0, 1])
    refused_encrypt(key, masked, TypeError, "mask")
    refused_encrypt(key, np.array([0, 0, 0, 2**53 + 1]), vs.InvalidArgumentError, "2\\*\\*53")


@rule("VE3")
@pytest.mark.parametrize("shape", [(), (0,), (3,), (5,), (2, 2), (1, 4)])
def test_vector_has_the_shape_of_the_codec(key, shape):
    with pytest.raises((TypeError, vs.InvalidArgumentError)):
        CODEC.encrypt(np.zeros(shape), key=key.public)
    refused_encrypt(key, np.zeros(5), vs.InvalidArgumentError, "4")


@rule("VE4")
@pytest.mark.parametrize("weight", [-0.001, 1.001, math.nan, math.inf, -math.inf, 10**400])
def test_weight_lies_between_zero_and_one(key, weight):
    refused_encrypt(key, ZEROS, vs.InvalidArgumentError, "weight", weight=weight)


@rule("VE12")
@pytest.mark.parametrize("weight_bits", [0, 1, 7])
def test_a_weight_keeps_the_precision_of_values(key, weight_bits):
    codec = dataclasses.replace(CODEC, weight_bits=weight_bits)
    least = 2.0**-weight_bits
    for weight in (0, least, 1):
        codec.encrypt(ZEROS, key=key.public, weight=weight)
    with pytest.raises(vs.InvalidArgumentError, match="weight_bits"):
        codec.encrypt(ZEROS, key=key.public, weight=math.nextafter(least, 0))


@rule("VE13")
def test_a_mean_lies_within_the_clips():
    slots = np.array([127, -127, 0, 0, 127])
    assert CODEC.dequantise(slots, num_addends=1).mean().tolist() == [1, -1, 0, 0]
    slots[2] = 129
    with pytest.raises(vs.NoMeanError, match="1 of 4 values"):
        CODEC.dequantise(slots, num_addends=1).mean()


@rule("VE5")
@pytest.mark.parametrize(
    "change",
    [
        {"dim": 0},
        {"dim": 2**62},
        {"clip": 0.0},
        {"clip": -1.0},
        {"clip": math.inf},
        {"clip": math.nan},
        {"value_bits": 1},
        {"value_bits": 41},
        {"max_addends": 0},
        {"max_addends": 2**62},
        {"noise_bound": -1},
        {"norm": "max"},
        {"norm": "l2"},
        {"norm_bound": 1.0},
        {"norm": "l1", "norm_bound": 0.0},
        {"rounding": "up"},
        {"weight_bits": -1},
        {"weight_bits": 33},
        {"clip": [1.0, 2.0]},
        {"clip": [1.0, 2.0, 3.0, -4.0]},
        {"clip": [(2, 1.0), (3, 2.0)]},
    ],
)
def test_codec_parameters_are_in_range(change):
    good = {"dim": 4, "clip": 1.0, "value_bits": 8, "max_addends": 2}
    assert vs.Codec(**good) == CODEC
    with pytest.raises(vs.InvalidArgumentError):
        vs.Codec(**{**good, **change})


@rule("VE6")
def test_operands_share_a_codec(key, accumulator):
    other = vs.Codec(4, clip=2.0, value_bits=8, max_addends=2)
    vector, total = other.encrypt(ZEROS, key=key.public), accumulator.total
    for wrong in (
        lambda: accumulator.add(vector),
        lambda: total + vector,
        lambda: CODEC.decrypt(vector, key.secret),
    ):
        with pytest.raises(vs.InvalidArgumentError, match="different codecs"):
            wrong()
    clips = np.linspace(1.0, 2.0, 20_000)
    many, others = (
        vs.Codec(20_000, clip=found, value_bits=8, max_addends=2) for found in (clips, clips[::-1])
    )
    with pytest.raises(vs.InvalidArgumentError, match=r"clip is .* and ") as failed:
        vs.Accumulator(others, key=key.public).add(many.encrypt(clips, key=key.public))
    assert len(str(failed.value)) < 200
    assert "dim is" not in str(failed.value)
    assert accumulator.total is total
    empty = vs.Accumulator(CODEC, key=key.public)
    with pytest.raises(vs.InvalidArgumentError, match="different codecs"):
        empty.add(vector)
    assert empty.num_addends == 0


@rule("VE7")
def test_operands_share_a_key(key, other_key, accumulator):
    vector, total = CODEC.encrypt(ZEROS, key=other_key.public), accumulator.total
    for wrong in (
        lambda: accumulator.add(vector),
        lambda: total + vector,
        lambda: CODEC.decrypt(vector, key.secret),
        lambda: vs.EncryptedVector.from_bytes(vector.to_bytes(), key.public),
    ):
        with pytest.raises(vs.KeyMismatchError):
            wrong()
    assert accumulator.total is total
    empty = vs.Accumulator(CODEC, key=key.public)
    with pytest.raises(vs.KeyMismatchError):
        empty.add(vector)
    assert empty.num_addends == 0


@rule("VE8")
def test_sum_has_at_most_max_addends(key, accumulator):
    one = CODEC.encrypt(ZEROS, key=key.public)
    accumulator.add(one)
    total = accumulator.total
    for wrong in (
        lambda: accumulator.add(one),
        lambda: accumulator.add(total),
        lambda: total + one,
    ):
        with pytest.raises(vs.CapacityError, match="max_addends"):
            wrong()
    assert accumulator.total is total
    assert accumulator.num_addends == 2
    plaintexts = key.secret.decrypt_plaintexts(total.ciphertexts)
    with pytest.raises(vs.CapacityError, match="max_addends"):
        CODEC.decode(plaintexts, key=key.public, num_addends=3)


@rule("VE9")
def test_sum_has_at_least_one_addend(key):
    empty = vs.Accumulator(CODEC, key=key.public)
    with pytest.raises(vs.InvalidArgumentError, match="nothing was added"):
        _ = empty.total
    one = CODEC.encrypt(ZEROS, key=key.public)
    plaintexts = key.secret.decrypt_plaintexts(one.ciphertexts)
    for num_addends in (0, -1):
        with pytest.raises(vs.InvalidArgumentError, match="num_addends"):
            CODEC.decode(plaintexts, key=key.public, num_addends=num_addends)


@rule("VE10")
def test_opened_sum_fits_its_slots(key):
    one = CODEC.encrypt(np.ones(4), key=key.public)
    swollen = vs.EncryptedVector(one.ciphertexts * 1000, CODEC)
    with pytest.raises(vs.CapacityError, match="slots"):
        CODEC.decrypt(swollen, key.secret)


@rule("VE11")
def test_vector_has_as_many_ciphertexts_as_its_codec_needs(key):
    one = CODEC.encrypt(ZEROS, key=key.public)
    twice = vs.Ciphertexts.concatenate([one.ciphertexts, one.ciphertexts])
    with pytest.raises(vs.InvalidArgumentError, match="shape"):
        vs.EncryptedVector(twice, CODEC)
    wire = one.to_bytes()
    body = wire[16 : -len(one.ciphertexts.to_bytes())] + twice.to_bytes()
    longer = wire[:8] + len(body).to_bytes(8, "little") + body
    with pytest.raises(vs.MalformedDataError, match="shape"):
        vs.EncryptedVector.from_bytes(longer, key.public)
    plaintexts = key.secret.decrypt_plaintexts(twice)
    with pytest.raises(vs.InvalidArgumentError):
        CODEC.decode(plaintexts, key=key.public, num_addends=1)
