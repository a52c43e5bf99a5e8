"""Bytes from outside: whatever they hold, a reader refuses them by name and without a crash.

Mutations are random; a failure shows VEILSUM_TEST_SEED, which repeats it.
"""

import functools
import pickle
import tracemalloc
from types import SimpleNamespace

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from known_keys import VECTORS, known_key
from shared_keys import shared_key
from vectors import generate_round, generate_wire
from veilsum import _core, keyfile, secure_sum
from veilsum.ceremony.messages import CeremonyMessage
from veilsum.schemes.masking import Masking
from veilsum.secure_sum.announcement import check_announced
from veilsum.secure_sum.checks import check_set, read_chunk
from veilsum.wire import Reader, WireKind, Writer

WIRE = VECTORS / "wire"
FRAME_BYTES = 16
NUM_MUTATIONS = 300

REFUSALS = (
    vs.MalformedDataError,
    vs.InvalidKeyError,
    vs.InvalidCiphertextError,
    vs.KeyMismatchError,
    vs.ProofError,
    vs.ProtocolError,
    vs.PolicyRefusedError,
    vs.SignatureError,
    vs.CapacityError,  # Only of opening a changed ciphertext.
)


def read_key_file(data):
    """As SecretKey.load up to the passphrase, which a mutation test has no time to hash."""
    return keyfile.open_sealed(data, "no")


@functools.cache
def agreed():
    return generate_round.sums()


@functools.cache
def packed():
    return generate_round.threshold()


def read_chunk_message(data):
    """Of what is left open in a chunk, its readers refuse what does not belong there."""
    header = secure_sum.ContributionHeader.from_bytes(golden("contribution_2"))
    read_chunk(packed(), header, 2, secure_sum.Chunk.from_bytes(data), None)


def read_masked_chunk(data):
    header = secure_sum.ContributionHeader.from_bytes(golden("contribution_2_masked"))
    read_chunk(agreed(), header, 3, secure_sum.Chunk.from_bytes(data), None)


def read_chunk_request(data):
    read_chunk_message(secure_sum.ChunkRequest.from_bytes(data).chunk)


def read_open_request(data):
    request = secure_sum.OpenRequest.from_bytes(data)
    if request.num_links > 0:
        secure_sum.RoundLink.from_bytes(b"")  # Here none follows.
    check_announced(request.descriptor, agreed())
    check_set(agreed(), request.contributed)
    request.verify(agreed().aggregator)


def read_opening(data):
    opening = secure_sum.Opening.from_bytes(data)
    holder = packed().holder(opening.holder)
    if holder is None:
        raise vs.ProtocolError("by nobody")
    opening.verify(holder)
    return opening


def read_partial_opening(data):
    read_partial(read_opening(data).body)


def verify_transcript(data):
    secure_sum.Transcript.from_bytes(data).verify(agreed())


def read_signed_federation(data):
    dealer = parties.identity("dealer").enrol()
    secure_sum.Federation.from_signed(data, dealer=dealer)


def read_masked_blocks(data):
    codec = generate_wire.BLOCKS_CODEC
    Masking(codec, known_key(2048).public).read_blocks(data)


def read_partial(data):
    vs.threshold.PartialDecryption.from_bytes(data, shared_key().key)


READERS = {
    "public_key": vs.PublicKey.from_bytes,
    "public_key_classic": vs.PublicKey.from_bytes,
    "ciphertexts_vector": lambda data: vs.Ciphertexts.from_bytes(data, known_key(2048).public),
    "ciphertexts_matrix": lambda data: vs.Ciphertexts.from_bytes(data, known_key(2048).public),
    "encrypted_floats": lambda data: vs.EncryptedFloats.from_bytes(data, known_key(2048).public),
    "encrypted_vector": lambda data: vs.EncryptedVector.from_bytes(data, known_key(2048).public),
    "masked_vector": lambda data: vs.EncryptedVector.from_bytes(data, known_key(2048).public),
    "masked_blocks": read_masked_blocks,
    "key_file": read_key_file,
    "federation_4": secure_sum.Federation.from_bytes,
    "federation_4_threshold": secure_sum.Federation.from_bytes,
    "signed_federation_2": read_signed_federation,
    "enrolment": secure_sum.Enrolment.from_bytes,
    "identity_file": lambda data: keyfile.open_sealed(data, "no", WireKind.IDENTITY_FILE),
    "round_descriptor_3": secure_sum.RoundDescriptor.from_bytes,
    "round_descriptor_3_opener": secure_sum.RoundDescriptor.from_bytes,
    "contribution_2": secure_sum.ContributionHeader.from_bytes,
    "contribution_2_masked": secure_sum.ContributionHeader.from_bytes,
    "chunk": read_chunk_message,
    "chunk_masked": read_masked_chunk,
    "open_request_4": read_open_request,
    "open_request_4_chunks": secure_sum.OpenRequest.from_bytes,
    "chunk_request": read_chunk_request,
    "opening_3_authority": read_opening,
    "opening_3_partial": read_partial_opening,
    "transcript_3": verify_transcript,
    "invitations": secure_sum.Invitations.from_bytes,
    "invitation": secure_sum.Invitation.from_bytes,
    "round_link_authority": secure_sum.RoundLink.from_bytes,
    "federation_6": secure_sum.Federation.from_bytes,
    "relay_report": secure_sum.RelayReport.from_bytes,
    "relay_request": secure_sum.RelayRequest.from_bytes,
    "relayed_sum": secure_sum.RelayedSum.from_bytes,
    "spot_check": secure_sum.SpotCheck.from_bytes,
    "lock": secure_sum.Lock.from_bytes,
    "ceremony_message": CeremonyMessage.from_bytes,
    "threshold_key": vs.threshold.ThresholdKey.from_bytes,
    "share_file": lambda data: keyfile.open_sealed(data, "no", WireKind.SHARE_FILE),
    "partial_decryption": read_partial,
    "plaintext_proof_3": lambda data: vs.PlaintextProof.from_bytes(data, known_key(2048).public),
}
SEALED = ("key_file", "share_file", "identity_file")
SIGNED = ("open_request_4", "opening_3_authority", "opening_3_partial", "transcript_3")
every_message = pytest.mark.parametrize("name", READERS)


@pytest.fixture(autouse=True)
def no_scrypt(monkeypatch):
    instant = SimpleNamespace(derive=lambda passphrase: bytes(32))
    monkeypatch.setattr(
        "cryptography.hazmat.primitives.kdf.scrypt.Scrypt", lambda *_, **__: instant
    )


def golden(name):
    return (WIRE / f"{name}.bin").read_bytes()


def accepts(name, data):
    """Whether the reader takes the bytes; an error that is no refusal fails the test."""
    refusals = (*REFUSALS, vs.PassphraseError) if name in SEALED else REFUSALS
    try:
        READERS[name](data)
    except refusals:
        return False
    return True


def with_length(data):
    """The message with the length of its body put right, so that readers get past the frame."""
    return data[:8] + (len(data) - FRAME_BYTES).to_bytes(8, "little") + data[FRAME_BYTES:]


def test_every_wire_kind_has_a_reader():
    kinds = {golden(name)[4] for name in READERS}
    assert kinds == {int(kind) for kind in WireKind}


@every_message
def test_every_truncation_is_refused(name):
    data = golden(name)
    # Steps that leave no whole number of elements: fewer of them make a message.
    sizes = [*range(min(130, len(data))), *range(130, len(data), 29), len(data) - 1]
    for size in sizes:
        assert not accepts(name, data[:size])
        if size >= FRAME_BYTES:
            assert not accepts(name, with_length(data[:size]))


@every_message
def test_every_extension_is_refused(name):
    data = golden(name)
    for tail in (b"\0", b"\xff", data[-255:], data):
        assert not accepts(name, data + tail)
        assert not accepts(name, with_length(data + tail))


@every_message
def test_every_other_frame_is_refused(name):
    data = golden(name)
    for position in range(FRAME_BYTES):
        for value in {0, 1, 2, 127, 255} - {data[position]}:
            damaged = bytearray(data)
            damaged[position] = value
            if position == 4 and {data[4], value} <= {0}:
                continue
            assert not accepts(name, bytes(damaged))


@every_message
def test_random_mutations_are_refused_or_harmless(name, rng):
    data = golden(name)
    num_accepted = 0
    for _ in range(NUM_MUTATIONS):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            # Half of the mutations hit the header, where the structure is.
            where = rng.randrange(len(data) if rng.random() < 0.5 else min(len(data), 120))
            kind = rng.randrange(4)
            if kind == 0:
                damaged[where % len(damaged)] ^= 1 << rng.randrange(8)
            elif kind == 1:
                damaged[where : where + 8] = rng.choice(
                    [b"\xff" * 8, bytes(8), b"\0" * 7 + b"\x80"]
                )
            elif kind == 2:
                del damaged[where : where + rng.randint(1, 9)]
            else:
                damaged[where:where] = rng.randbytes(rng.randint(1, 9))
            damaged = damaged or bytearray(1)
        fixed = with_length(bytes(damaged)) if len(damaged) >= FRAME_BYTES else bytes(damaged)
        if fixed != data:
            num_accepted += accepts(name, fixed)
    # A changed digit of a ciphertext is another ciphertext; what is sealed or signed is as it was.
    if name in (*SEALED, *SIGNED):
        assert num_accepted == 0


@every_message
def test_random_bytes_are_refused(name, rng):
    for _ in range(100):
        noise = rng.randbytes(rng.randint(0, 400))
        if name.startswith("round_link") and len(noise) == len(golden(name)) - FRAME_BYTES:
            noise += b"."  # All of a link are numbers and hashes: any bytes of its length are one.
        assert not accepts(name, noise)
        frame = golden(name)[:6] + bytes(2) + len(noise).to_bytes(8, "little")
        assert not accepts(name, frame + noise)


@every_message
def test_huge_announced_lengths_allocate_nothing(name):
    data = golden(name)
    tracemalloc.start()
    try:
        for position in range(len(data) - 8 if len(data) < 300 else 150):
            for value in (2**63 - 1, 2**64 - 1, 2**40):
                damaged = data[:position] + value.to_bytes(8, "little") + data[position + 8 :]
                accepts(name, damaged)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 22


def ciphertexts_header(shape, size=0):
    writer = Writer(WireKind.CIPHERTEXTS, 1)
    writer.bytes(known_key(2048).public.fingerprint)
    writer.u8(len(shape))
    for length in shape:
        writer.u64(length)
    writer.bytes(bytes(size))
    return writer.finish()


HUGE = [(2**40,), (2**64 - 1,), (2**55,), (2**32, 2**32), (2**40, 0), (0, 2**63), (1, 2**55), ()]


@pytest.mark.parametrize("shape", HUGE)
def test_announced_shapes_are_refused_before_memory_is_used(shape):
    with pytest.raises(vs.MalformedDataError, match="CT4"):
        vs.Ciphertexts.from_bytes(ciphertexts_header(shape), known_key(2048).public)


@pytest.mark.parametrize(
    ("shape", "opened"), [((0,), []), ((0, 5), []), ((2, 0), [[], []]), ((0, 0), [])]
)
def test_batches_of_no_ciphertexts_travel(key, shape, opened):
    c = key.public.encrypt(np.zeros(shape, int))
    assert key.secret.decrypt(c) == c.to_ints() == opened
    for twin in (
        vs.Ciphertexts.from_bytes(c.to_bytes(), key.public),
        pickle.loads(pickle.dumps(c)),
        c + c,
        -c,
        c * 3 + 1,
        c.rerandomise(),
        c[:],
        vs.Ciphertexts.concatenate([c, c[:0]]),
    ):
        assert twin.shape == shape
        assert twin == c
        assert len(twin) == shape[0]


def test_shapes_that_would_cost_their_reader_memory_are_refused_everywhere(key):
    limit = 2**20
    empty = key.public.encrypt(np.zeros((0, limit), int))
    assert vs.Ciphertexts.from_bytes(empty.to_bytes(), key.public).shape == (0, limit)
    for shape in ((0, limit + 1), (limit + 1, 0)):
        with pytest.raises(vs.MalformedDataError, match="CT4"):
            vs.Ciphertexts.from_bytes(ciphertexts_header(shape), key.public)
        for encrypt in (key.public.encrypt, key.secret.encrypt):
            with pytest.raises(vs.InvalidArgumentError, match="CT4"):
                encrypt(np.zeros(shape, int))
    with pytest.raises(vs.InvalidArgumentError, match="CT4"):
        vs.Ciphertexts.concatenate([key.public.encrypt(np.zeros((limit, 0), int))] * 2)


def test_codec_of_a_huge_dimension_is_refused(key):
    for name in ("encrypted_vector", "masked_vector"):
        data = golden(name)
        for dim in (0, 2**31, 2**40, 2**62, 2**63, 2**64 - 1):
            damaged = data[:FRAME_BYTES] + dim.to_bytes(8, "little") + data[FRAME_BYTES + 8 :]
            with pytest.raises(vs.MalformedDataError):
                vs.EncryptedVector.from_bytes(damaged, key.public)


def test_messages_are_read_from_any_bytes_but_nothing_else(key):
    wire = key.public.to_bytes()
    for data in (wire, bytearray(wire), memoryview(wire)):
        assert vs.PublicKey.from_bytes(data) == key.public
    for wrong in (wire.decode("latin1"), list(wire), None, 7, np.frombuffer(wire, np.uint8)):
        with pytest.raises(TypeError, match="bytes"):
            vs.PublicKey.from_bytes(wrong)


def test_reader_and_writer_agree():
    writer = Writer(WireKind.KEY_FILE, 1)
    writer.u8(255)
    writer.u32(2**32 - 1)
    writer.u64(2**64 - 1)
    writer.f64(-0.5)
    writer.bytes(b"tail")
    message = writer.finish()
    with pytest.raises(vs.InvalidArgumentError):
        writer.finish()
    reader = Reader(message, WireKind.KEY_FILE, 1)
    assert (reader.u8(), reader.u32(), reader.u64()) == (255, 2**32 - 1, 2**64 - 1)
    assert reader.f64() == -0.5
    with pytest.raises(vs.MalformedDataError, match="bytes"):
        reader.finish()
    with pytest.raises(vs.MalformedDataError, match="too early"):
        reader.bytes(5)
    assert reader.bytes(4) == b"tail"
    reader.finish()


def test_core_refuses_wrong_secret_bytes():
    for size in (0, 1, 2, 255, 512, 2**13):
        with pytest.raises((vs.MalformedDataError, vs.InvalidKeyError)):
            _core.SecretKey.from_secret_bytes(b"\xff" * size)
