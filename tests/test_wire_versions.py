"""docs/wire-format.md has the kind and the version of every message as the code writes it."""

import re
from pathlib import Path

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from ceremony_players import ceremonies
from known_keys import known_key
from protocol_parties import frames_of
from relay_parties import RelayedRound, relay_messages
from shared_keys import shared_key
from test_threshold_made_together import made
from veilsum import keyfile
from veilsum.identity import Identity
from veilsum.wire import FRAME_BYTES, WireKind

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "wire-format.md").read_text()
PASSPHRASE = "a passphrase of the tests"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One message of each kind, as users come by them."""
    key, folder = known_key(2048), tmp_path_factory.mktemp("written")
    agreed = parties.federation("threshold", chunk_size=512)
    state = parties.Round(agreed)
    lock = state.holder().open(state.asked()["holder-1"])
    request, chunk_request, *_ = frames_of(state.requests()["holder-1"])
    answer, *_ = frames_of(state.holder().open([request, chunk_request, *_]))
    state.open()
    ciphertexts, proof = key.public.encrypt_and_prove([1], context=b"")
    header, chunk, *_ = frames_of(state.messages["ada"])
    secrets = {
        WireKind.KEY_FILE: key.secret,
        WireKind.SHARE_FILE: shared_key().shares[0],
        WireKind.IDENTITY_FILE: Identity.generate("ada"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyfile, "_LOG2_COST", 14)
        for kind, secret in secrets.items():
            secret.save(folder / kind.name, passphrase=PASSPHRASE)
    dealer = parties.identity("dealer")
    vector = agreed.codec.encrypt(np.zeros(parties.DIM), key=key.public)
    masked = agreed.codec.encrypt(
        np.zeros(parties.DIM), key=key.public, scheme="masked", context=b"a sum"
    )
    return {kind: (folder / kind.name).read_bytes() for kind in secrets} | {
        WireKind.PUBLIC_KEY: key.public.to_bytes(),
        WireKind.CIPHERTEXTS: ciphertexts.to_bytes(),
        WireKind.ENCRYPTED_FLOATS: key.public.encrypt_floats([0.5]).to_bytes(),
        WireKind.ENCRYPTED_VECTOR: vector.to_bytes(),
        WireKind.MASKED_VECTOR: masked.to_bytes(),
        WireKind.MASKED_BLOCKS: masked.masked.blocks.to_bytes(),
        WireKind.FEDERATION: agreed.to_bytes(),
        WireKind.ROUND_DESCRIPTOR: state.descriptor.to_bytes(),
        WireKind.CONTRIBUTION: header,
        WireKind.OPEN_REQUEST: request,
        WireKind.OPENING: answer,
        WireKind.THRESHOLD_KEY: shared_key().key.to_bytes(),
        WireKind.PARTIAL_DECRYPTION: vs.secure_sum.Opening.from_bytes(answer).body,
        WireKind.PLAINTEXT_PROOF: proof.to_bytes(),
        WireKind.ENROLMENT: dealer.enrol().to_bytes(),
        WireKind.CHUNK: chunk,
        WireKind.CHUNK_REQUEST: chunk_request,
        WireKind.TRANSCRIPT: state.aggregator.finish().transcript,
        WireKind.ROUND_LINK: state.aggregator.transcript().link.to_bytes(),
        WireKind.SIGNED_FEDERATION: agreed.signed_by(dealer),
        WireKind.LOCK: lock,
        WireKind.INVITATIONS: parties.invited_to(state.descriptor).to_bytes(),
        **relay_messages(RelayedRound()),
        WireKind.CEREMONY_MESSAGE: ceremonies(3, 3, 1, 64)[0].message,
        WireKind.INVITATION: parties.invited_to(state.descriptor).invitation("ada").to_bytes(),
    }


def test_every_kind_is_written_with_its_number(written):
    assert set(written) == set(WireKind)
    assert {data[4] for data in written.values()} == set(WireKind)
    assert all(data[:4] == b"veil" and data[4] == kind for kind, data in written.items())


def test_every_layout_on_the_page_has_the_version_that_is_written(written):
    found = re.findall(r"\(kind (\d+), versions? (\d+)(?: (?:and|to) (\d+))?\)", PAGE)
    told = {int(kind): [int(each) for each in versions if each] for kind, *versions in found}
    assert set(told) == {kind.value for kind in written}
    longer = vs.Codec(4, clip=1.0, value_bits=16, max_addends=4, weight_bits=1)
    # Where there are two versions, the second is for codecs of several clips or for weights, or
    # for keys that holders made together.
    assert {kind.value: data[5] for kind, data in written.items()} == {
        kind: versions[0] for kind, versions in told.items()
    }
    vectors = [
        longer.encrypt(np.zeros(4), key=known_key(2048).public, scheme=scheme, context=b"a sum")
        for scheme in ("packed", "masked")
    ]
    assert {kind: versions[1] for kind, versions in told.items() if len(versions) == 2} == {
        WireKind.ENCRYPTED_VECTOR: vectors[0].to_bytes()[5],
        WireKind.MASKED_VECTOR: vectors[1].to_bytes()[5],
        WireKind.THRESHOLD_KEY: made(3, 3, 1)[0].to_bytes()[5],
        # Where there are relays it is two more.
        WireKind.FEDERATION: parties.federation(
            codec=longer, relays=parties.roster("relay")
        ).to_bytes()[5],
    }


def test_the_frame_on_the_page_has_every_version(written):
    (row,) = re.findall(r"^\| 5 \| u8 \| version \| (.*) \|$", PAGE, re.MULTILINE)
    told = dict.fromkeys(map(int, WireKind), 1)
    for version, kinds in re.findall(r"(\d+) of the kinds? ([\d, and]+)", row):
        told |= dict.fromkeys(map(int, re.findall(r"\d+", kinds)), int(version))
    assert row.endswith("else 1")
    assert told == {kind.value: data[5] for kind, data in written.items()}


def test_the_frame_on_the_page_names_every_kind():
    (row,) = re.findall(r"^\| 4 \| u8 \| kind \| (.*) \|$", PAGE, re.MULTILINE)
    names = {int(number): name for number, name in re.findall(r"(\d+) ([a-z ]+)", row)}
    assert names == {kind.value: kind.name.lower().replace("_", " ") for kind in WireKind}


def test_the_longest_files_on_the_page_are_those_that_are_read():
    told = {
        WireKind.KEY_FILE: r"a whole file has at\s+most ([\d,]+) bytes",
        WireKind.SHARE_FILE: r"share-file/1\" in\s+the associated data, and at most ([\d,]+) bytes",
        WireKind.IDENTITY_FILE: r"identity-file/1\" in the\s+associated data, and at most ([\d,]+)",
    }
    for kind, pattern in told.items():
        (number,) = re.findall(pattern, PAGE)
        assert int(number.replace(",", "")) == keyfile._MAX_FILE_BYTES[kind]


def test_the_frame_is_as_long_as_the_page_says():
    assert f"| {FRAME_BYTES} | | body |" in PAGE
