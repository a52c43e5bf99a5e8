"""The wire layout of EncryptedVector, with real keys: docs/wire-format.md, section 3."""

import copy
import dataclasses
import math
import pickle
import struct

import numpy as np
import pytest
from veilsum.errors import InvalidArgumentError, KeyMismatchError, MalformedDataError
from veilsum.paillier.secret_key import generate_key
from veilsum.vector import Codec, EncryptedVector
from veilsum.wire import Reader, WireKind, Writer, as_bytes

FRAME_BYTES = 16
DIM = 250


@pytest.fixture(scope="module")
def sk():
    return generate_key(2048)


@pytest.fixture(scope="module")
def pk(sk):
    return sk.public_key


@pytest.fixture(scope="module")
def codec():
    return Codec(DIM, clip=1.0, value_bits=16, max_addends=3, weight_bits=1)


@pytest.fixture(scope="module")
def delta():
    return np.random.default_rng(7).uniform(-1.2, 1.2, DIM)


@pytest.fixture(scope="module")
def vector(codec, pk, delta):
    return codec.encrypt(delta, key=pk, weight=0.5)


def body_of(vector):
    return vector.to_bytes()[FRAME_BYTES:]


def framed(body):
    writer = Writer(WireKind.ENCRYPTED_VECTOR, 2)
    writer.bytes(body)
    return writer.finish()


def test_the_wire_layout_is_the_documented_one(pk, delta):
    codec = Codec(DIM, clip=0.75, value_bits=17, max_addends=4, norm="l1", norm_bound=2.5,
                  rounding="stochastic", noise_bound=99, weight_bits=3)  # fmt: skip
    vector = codec.encrypt(delta, key=pk)
    header = struct.pack("<IQdBBQQBdBQ", 1, DIM, 0.75, 17, 3, 4, 99, 1, 2.5, 1, 1)
    assert body_of(vector) == header + vector.ciphertexts.to_bytes()
    assert len(header) == 56


def test_every_segment_of_a_clip_is_on_the_wire(pk, delta):
    clip = [0.5] * 100 + [2.0] * (DIM - 100)
    vector = Codec(DIM, clip=clip, value_bits=16, max_addends=3).encrypt(delta, key=pk)
    segments = struct.pack("<IQdQd", 2, 100, 0.5, DIM - 100, 2.0)
    assert body_of(vector).startswith(segments)
    back = EncryptedVector.from_bytes(vector.to_bytes(), pk)
    assert back.codec == vector.codec
    assert back.codec.clip == ((100, 0.5), (DIM - 100, 2.0))
    # The same codec has one form: segments of one clip are one segment.
    split = struct.pack("<IQdQdQd", 3, 60, 0.5, 40, 0.5, DIM - 100, 2.0)
    body = split + body_of(vector)[len(segments) :]
    with pytest.raises(MalformedDataError, match="shorter form"):
        EncryptedVector.from_bytes(framed(body), pk)


def test_codecs_of_one_clip_for_weights_of_1_have_the_shorter_form(sk, pk, delta):
    codec = Codec(DIM, clip=0.75, value_bits=17, max_addends=4)
    vector = codec.encrypt(delta, key=pk)
    header = struct.pack("<QdBQQBdBQ", DIM, 0.75, 17, 4, 0, 0, 0.0, 0, 1)
    assert body_of(vector) == header + vector.ciphertexts.to_bytes()
    back = EncryptedVector.from_bytes(vector.to_bytes(), pk)
    assert back.codec == codec
    assert codec.decrypt(back, sk) == codec.decrypt(vector, sk)
    longer = struct.pack("<IQdBBQQBdBQ", 1, DIM, 0.75, 17, 0, 4, 0, 0, 0.0, 0, 1)
    with pytest.raises(MalformedDataError, match="shorter form"):
        EncryptedVector.from_bytes(framed(longer + vector.ciphertexts.to_bytes()), pk)


@pytest.mark.parametrize("change", [{}, {"norm": "l2", "norm_bound": 3.0, "noise_bound": 7},
                                    {"rounding": "stochastic"}])  # fmt: skip
def test_vectors_survive_the_wire_and_pickle(codec, sk, pk, delta, change):
    codec = dataclasses.replace(codec, **change)
    vector = codec.encrypt(delta, key=pk)
    vector += vector
    for back in (
        EncryptedVector.from_bytes(vector.to_bytes(), pk),
        EncryptedVector.from_bytes(memoryview(vector.to_bytes()), sk),
        pickle.loads(pickle.dumps(vector)),
        copy.deepcopy(vector),
    ):
        assert back.codec == codec
        assert back.num_addends == 2
        assert back.to_bytes() == vector.to_bytes()
        assert np.array_equal(codec.decrypt(back, sk).values, codec.decrypt(vector, sk).values)


@pytest.mark.parametrize(
    ("offset", "packed"),
    [
        (0, struct.pack("<I", 0)),
        (0, struct.pack("<I", 2)),
        (0, struct.pack("<I", 2**32 - 1)),
        (4, struct.pack("<Q", 0)),
        (4, struct.pack("<Q", 10 * DIM)),
        (4, struct.pack("<Q", 2**64 - 1)),
        (12, struct.pack("<d", math.nan)),
        (12, struct.pack("<d", -1.0)),
        (20, b"\x01"),
        (20, b"\xff"),
        (21, b"\x19"),
        (21, b"\xff"),
        (22, struct.pack("<Q", 0)),
        (22, struct.pack("<Q", 2**64 - 1)),
        (30, struct.pack("<Q", 2**64 - 1)),
        (38, b"\x03"),
        (38, b"\x01"),
        (39, struct.pack("<d", 1.0)),
        (39, struct.pack("<d", -0.0)),
        (39, struct.pack("<d", math.nan)),
        (47, b"\x02"),
        (48, struct.pack("<Q", 0)),
        (48, struct.pack("<Q", 4)),
        (48, struct.pack("<Q", 2**64 - 1)),
    ],
)
def test_from_bytes_refuses_fields_out_of_range(pk, vector, offset, packed):
    body = bytearray(body_of(vector))
    body[offset : offset + len(packed)] = packed
    with pytest.raises(MalformedDataError):
        EncryptedVector.from_bytes(framed(bytes(body)), pk)


def test_from_bytes_refuses_other_lengths_kinds_and_keys(pk, vector):
    message = vector.to_bytes()
    body = body_of(vector)
    for wrong in [
        b"",
        message[:-1],
        message + b"\0",
        framed(body + b"\0"),
        *(framed(body[:size]) for size in (0, 3, 7, 55, 56, 57, 65, len(body) - 1)),
        vector.ciphertexts.to_bytes(),
    ]:
        with pytest.raises(MalformedDataError):
            EncryptedVector.from_bytes(wrong, pk)
    with pytest.raises(KeyMismatchError):
        EncryptedVector.from_bytes(message, generate_key(2048))
    with pytest.raises(TypeError):
        EncryptedVector.from_bytes("veil", pk)


def test_reader_keeps_its_message_alive():
    writer = Writer(WireKind.KEY_FILE, 1)
    writer.bytes(b"x" * 1000)
    reader = Reader(as_bytes(bytearray(writer.finish())), WireKind.KEY_FILE, 1)
    junk = [bytes(1000 + i) for i in range(100)]
    assert reader.bytes(1000) == b"x" * 1000
    reader.finish()
    assert len(junk) == 100
    with pytest.raises(InvalidArgumentError):
        writer.u8(1)
