"""Declared layouts, held against readers by hand, the core's own bytes, and the document."""

import dataclasses
import datetime
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
import veilsum as vs
from known_keys import VECTORS, known_key
from shared_keys import shared_key
from vectors import generate_wire
from veilsum import privacy, secure_sum
from veilsum.codec import CODEC_LAYOUTS
from veilsum.message import Form, Layout
from veilsum.paillier.layouts import CIPHERTEXTS, PARTIAL_DECRYPTION, PLAINTEXT_PROOF
from veilsum.privacy.wire import NOISE, NOISE_KIND
from veilsum.schemes.mask_shape import MaskShape
from veilsum.schemes.masking import Masking
from veilsum.schemes.vector_message import MASKED_BLOCKS, masked_form, vector_form
from veilsum.secure_sum.federation import FEDERATION
from veilsum.wire import Reader, WireKind

from bench import message_tables

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "wire-format.md").read_text()
KIND = WireKind.CHUNK  # Of a frame around parts that have none.
OF_THE_CORE = {WireKind.PUBLIC_KEY, WireKind.THRESHOLD_KEY}  # Objects tell what is in these.


class Bytes:
    """What follows in a message, taken by hand."""

    def __init__(self, data, kind, version):
        assert struct.unpack("<4sBBHQ", data[:16]) == (b"veil", kind, version, 0, len(data) - 16)
        self.left = data[16:]

    def take(self, size):
        taken, self.left = self.left[:size], self.left[size:]
        assert len(taken) == size
        return taken

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def name(self):
        return self.take(self.number(1)).decode()


def golden(name):
    return (VECTORS / "wire" / f"{name}.bin").read_bytes()


def descriptor_by_hand(data):
    found = Bytes(data, 6, 3)
    federation, number, previous = found.take(32), found.number(8), found.number(8)
    link, model, repeat = found.take(32), found.take(32), found.number(4)
    invited = found.number(4), found.take(32)
    openers = [found.name() for _ in range(found.number(1))]
    opener = openers.pop() if openers else None
    assert not openers
    signature = found.take(64)
    assert not found.left
    return federation, number, previous, link, model, repeat, *invited, opener, signature


def link_by_hand(data):
    found = Bytes(data, 20, 1)
    number, *hashes = found.number(8), *(found.take(32) for _ in range(4))
    signature = found.take(64)
    assert not found.left
    return number, *hashes, signature


def header_by_hand(data):
    found = Bytes(data, 7, 2)
    values = found.take(32), found.name(), found.number(4), found.take(32), found.take(64)
    assert not found.left
    return values


def values_of(message):
    return tuple(getattr(message, name) for name in message.layout().fields)


def test_a_round_descriptor_says_what_is_read_by_hand():
    for name, opener in (("round_descriptor_3", None), ("round_descriptor_3_opener", "klinik-ö")):
        data = golden(name)
        descriptor = secure_sum.RoundDescriptor.from_bytes(data)
        assert values_of(descriptor) == descriptor_by_hand(data)
        assert descriptor.opener == opener


def test_a_contribution_says_what_is_read_by_hand():
    data = golden("contribution_2")
    assert values_of(secure_sum.ContributionHeader.from_bytes(data)) == header_by_hand(data)


def lock_by_hand(data):
    found = Bytes(data, 21, 1)
    taken = found.take(32), found.take(32), found.name(), found.take(64)
    assert not found.left
    return taken


def list_by_hand(found):
    """(name, relay or None) of all who are invited."""
    return [
        (found.name(), found.name() if found.number(1) else None) for _ in range(found.number(4))
    ]


def test_a_list_and_an_invitation_say_what_is_read_by_hand():
    found = Bytes(golden("invitations"), 24, 1)
    invited = secure_sum.Invitations.from_bytes(golden("invitations"))
    assert list_by_hand(found) == [(name, invited.relay_of(name)) for name in invited] != []
    assert not found.left
    found = Bytes(golden("invitation"), 25, 1)
    invitation = secure_sum.Invitation.from_bytes(golden("invitation"))
    assert (found.name(), found.number(1)) == (invitation.name, 1)
    assert found.name() == invitation.relay
    assert invitation.index == found.number(4)
    assert invitation.path == tuple(found.take(32) for _ in range(found.number(1))) != ()
    assert not found.left


def set_by_hand(found, contributed):
    descriptor = contributed.descriptor
    assert values_of(descriptor) == descriptor_by_hand(found.take(found.number(8)))
    names = [name for name, _ in list_by_hand(found)]
    assert tuple(names) == contributed.invited.names
    num_chunks = found.number(4)
    signed = [(found.number(4), found.take(32), found.take(64)) for _ in range(found.number(4))]
    assert (
        [values_of(header) for header in contributed.headers]
        == [
            (descriptor.round_id, names[index], num_chunks, root, signature)
            for index, root, signature in signed
        ]
        != []
    )


def test_an_open_request_says_what_is_read_by_hand():
    data = golden("open_request_4_chunks")
    request, found = secure_sum.OpenRequest.from_bytes(data), Bytes(data, 8, 4)
    set_by_hand(found, request.contributed)
    assert request.holder == found.name() == "holder-1"
    assert request.chunks == tuple(found.number(4) for _ in range(found.number(4))) != ()
    assert request.num_links == found.number(4) > 0
    locks = [lock_by_hand(found.take(found.number(8))) for _ in range(found.number(4))]
    assert [values_of(lock) for lock in request.locks] == locks != []
    assert request.signature == found.take(64)
    assert not found.left


def test_a_transcript_says_what_is_read_by_hand():
    data = golden("transcript_3")
    transcript, found = secure_sum.Transcript.from_bytes(data), Bytes(data, 18, 3)
    set_by_hand(found, transcript.contributed)
    assert found.number(4) == len(transcript.receipts) > 0
    for receipt in transcript.receipts:
        assert values_of(receipt) == (
            *(found.take(32), found.take(32), found.name(), found.number(4)),
            *(found.take(32), found.take(64)),
        )
    assert values_of(transcript.link) == link_by_hand(found.take(found.number(8)))
    assert transcript.locks == ()  # One party opened alone.
    assert found.number(4) == 0
    assert not found.left


@pytest.mark.parametrize(
    ("name", "trust", "scheme"),
    [("federation_4_threshold", 2, "packed"), ("federation_4", 1, "masked")],
)
def test_a_federation_says_what_is_read_by_hand(name, trust, scheme):
    data = golden(name)
    agreed, found = secure_sum.Federation.from_bytes(data), Bytes(data, 5, 4)
    assert found.number(1) == trust | {"packed": 0, "masked": 1}[scheme] << 4
    assert agreed.scheme == scheme
    assert found.number(8) == agreed.honest_contributors
    assert found.number(8) == agreed.colluding_contributors
    assert found.number(8) == agreed.min_contributors
    assert found.number(4) == agreed.chunk_size
    assert {0: "refuse", 1: "allow"}[found.number(1)] == agreed.same_model
    assert found.number(4) == agreed.max_repeats
    assert found.number(8) == agreed.serial
    assert datetime.date(1970, 1, 1) + datetime.timedelta(found.number(4)) == agreed.last_day
    assert found.take(16) == agreed.run_id
    assert (found.name(), found.take(32)) == (agreed.aggregator.name, agreed.aggregator.public_key)
    codec = agreed.codec
    assert struct.unpack("<QdBQQBdB", found.take(43)) == (
        *(codec.dim, codec.clip, codec.value_bits, codec.max_addends, codec.noise_bound),
        *({None: 0, "l1": 1, "l2": 2}[codec.norm], codec.norm_bound or 0.0),
        {"nearest": 0, "stochastic": 1}[codec.rounding],
    )
    if kind := found.number(1):
        noise = agreed.noise
        assert (
            type(noise)
            is (privacy.GaussianNoise, privacy.LaplaceNoise, privacy.RecordNoise)[kind - 1]
        )
        assert struct.unpack("<ddQdQBB", found.take(42)) == (
            *(noise.epsilon, noise.delta, noise.rounds, noise.norm_bound),
            *(noise.honest_contributors, {"zero-out": 0, "replace-one": 1}[noise.adjacency]),
            noise.weighted,
        )
    for roster in (agreed.contributors, agreed.holders):
        parties = [(found.name(), found.take(32)) for _ in range(found.number(4))]
        assert [(party.name, party.public_key) for party in roster] == parties != []
    parameters = found.take(found.number(1))
    assert agreed.scheme_parameters == parameters
    if scheme == "masked":
        assert parameters == bytes(dataclasses.astuple(MaskShape.of(codec)))
    assert found.left == agreed.key.to_bytes()


def test_the_core_writes_what_is_declared_of_its_messages():
    key = known_key(2048).public
    matrix, proof = key.encrypt([[1, 2, 3], [4, 5, 6]]), key.encrypt_and_prove([1] * 5, context=b"")
    assert CIPHERTEXTS.shown(matrix.to_bytes()) == {
        "key_fingerprint": key.fingerprint.hex(),
        "shape": [2, 3],
    }
    assert PLAINTEXT_PROOF.shown(proof[1].to_bytes()) == {
        "key_fingerprint": key.fingerprint.hex(),
        "first_ciphertext": 0,
        "ciphertexts": 5,
        "ciphertexts_of_a_proof": 512,
    }
    shared = shared_key()
    ciphertexts = shared.key.public_key.encrypt([1, 2])
    partial = shared.shares[1].decrypt(ciphertexts, context=b"", first=7)
    assert PARTIAL_DECRYPTION.shown(partial.to_bytes()) == {
        "key_fingerprint": shared.key.fingerprint.hex(),
        "holder": 2,
        "first_ciphertext": 7,
    }
    assert MASKED_BLOCKS.shown(golden("masked_blocks")) == {
        **{"log_dim": 12, "num_primes": 2, "prime_bits": 40, "num_digits": 3},
        **{"first": 1, "count": 1},
    }
    for form, data in ((CIPHERTEXTS, matrix.to_bytes()), (PLAINTEXT_PROOF, proof[1].to_bytes())):
        with pytest.raises(vs.MalformedDataError):
            form.shown(data[:-1])


def read_codec(layout):
    has_segments = layout is CODEC_LAYOUTS[True]
    return lambda data: vs.Codec.read_from(Reader(data, KIND, 1), has_segments=has_segments)


def declared_alone():
    """What has its checks in its class: kind, version, layout, an object and its reader."""
    key = known_key(2048).public
    agreed = secure_sum.Federation.from_bytes(golden("federation_4"))
    vector = vs.EncryptedVector.from_bytes(golden("encrypted_vector"), key)
    longer = vs.Codec(4, clip=1.0, value_bits=16, max_addends=4, weight_bits=1)
    noise = privacy.LaplaceNoise(epsilon=1.0, rounds=1, norm_bound=1.0)
    with_kind = Layout(kind=NOISE_KIND, **NOISE.fields)
    yield WireKind.FEDERATION, 4, FEDERATION.layouts[4], agreed, secure_sum.Federation.from_bytes
    yield (
        *(WireKind.ENCRYPTED_VECTOR, 1, vector_form(vs.Codec).layouts[1], vector),
        lambda data: vs.EncryptedVector.from_bytes(data, key),
    )
    masked = masked_form(vs.Codec).read(golden("masked_vector"))
    yield (
        *(WireKind.MASKED_VECTOR, 1, masked_form(vs.Codec).layouts[1], SimpleNamespace(**masked)),
        lambda data: vs.EncryptedVector.from_bytes(data, key),
    )
    blocks = MASKED_BLOCKS.read(golden("masked_blocks"))
    yield (
        *(WireKind.MASKED_BLOCKS, 1, MASKED_BLOCKS.layouts[1], SimpleNamespace(**blocks)),
        Masking(generate_wire.BLOCKS_CODEC, key).read_blocks,
    )
    for codec, layout in zip((vector.codec, longer), CODEC_LAYOUTS.values(), strict=True):
        yield KIND, 1, layout, codec, read_codec(layout)
    values = {name: getattr(noise, name) for name in NOISE.fields} | {"kind": type(noise)}
    yield (
        *(KIND, 1, with_kind, SimpleNamespace(**values)),
        lambda data: privacy.read_noise(Reader(data, KIND, 1)),
    )


def beyond_bounds(field):
    """The nearest numbers that the document excludes, and that have room in the field."""
    match field.bounds:
        case (int() as at_least, at_most):
            most = 2**63 - 1 if at_most is None else at_most
            return [n for n in (at_least - 1, most + 1) if 0 <= n < 2 ** int(field.type[1:])]
    return []


def test_a_class_with_its_own_checks_has_the_bounds_that_are_declared():
    seen = set()
    for kind, version, layout, source, read in declared_alone():
        form = Form(kind, {version: layout})
        read(form.write(source))
        for name, field in layout.fields.items():
            for value in beyond_bounds(field):
                values = {each: getattr(source, each) for each in layout.fields} | {name: value}
                with pytest.raises(vs.MalformedDataError):
                    read(form.write(SimpleNamespace(**values)))
                seen.add(name)
    assert seen >= {"honest_contributors", "chunk_size", "num_addends", "dim", "rounds"}
    assert seen >= {"prime_bits", "num_digits", "count"}


def test_every_kind_is_declared_once():
    kinds = [form.kind for form in message_tables.FORMS]
    assert sorted(kinds) == sorted(set(WireKind) - OF_THE_CORE)


def test_the_tables_of_the_page_are_those_of_the_declarations():
    assert message_tables.filled(PAGE) == PAGE
    like_a_key_file = {"share file", "identity file"}
    for name, layout in message_tables.layouts().items():
        assert (f"<!-- fields of {name} -->" in PAGE) == (name not in like_a_key_file)
        assert message_tables.markdown(layout) in PAGE


def test_a_changed_declaration_changes_its_table():
    table = message_tables.markdown(secure_sum.Chunk.layout())
    assert table.startswith("| offset | type | field | must be |\n|---|---|---|---|\n| 0 | u32 |")
    wrong = PAGE.replace("| 0 | u32 | index | from 0 |", "| 0 | u64 | index | from 1 |")
    assert wrong != PAGE
    assert message_tables.filled(wrong) == PAGE
