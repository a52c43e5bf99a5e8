"""Fixed answers: the vector of ISO/IEC 18033-6, and wire bytes that must never change."""

import hashlib
import json
import shutil
from fractions import Fraction
from pathlib import Path

import protocol_parties as parties
import pytest
import veilsum as vs
from ceremony_players import ceremonies
from known_keys import VECTORS, iso_vector, known_key
from reference import paillier as reference
from vectors import (
    generate_party,
    generate_relays,
    generate_round,
    generate_threshold,
    generate_wire,
)
from veilsum import hazmat, keyfile, secure_sum
from veilsum.ceremony.messages import CeremonyMessage
from veilsum.identity import Role
from veilsum.schemes.masking import Masking
from veilsum.secure_sum.checks import read_chunk
from veilsum.secure_sum.merkle import leaf_hash, path_leads_to

GOLDEN = VECTORS / "wire"


@pytest.fixture(scope="module")
def iso_key():
    return hazmat.secret_key(iso_vector()["p"], iso_vector()["q"])


# ---- ISO/IEC 18033-6 ----


def test_iso_vector_is_what_the_reference_says():
    v = iso_vector()
    n = v["p"] * v["q"]
    assert reference.encrypt(v["m0"], v["r0"], n) == v["c1"]
    assert reference.encrypt(v["m1"], v["r1"], n) == v["c2"]
    assert reference.add(v["c1"], v["c2"], n) == v["c1c2"]
    assert v["m0"] + v["m1"] == v["m1m2"]
    for decrypt in (reference.decrypt, reference.decrypt_crt):
        assert decrypt(v["c1c2"], v["p"], v["q"]) == v["m1m2"]


def test_iso_encryption_matches(iso_key):
    v = iso_vector()
    ciphertexts = hazmat.encrypt(iso_key.public_key, [v["m0"], v["m1"]], [v["r0"], v["r1"]])
    assert ciphertexts.to_ints() == [v["c1"], v["c2"]]


def test_iso_addition_matches(iso_key):
    v = iso_vector()
    c = vs.Ciphertexts.from_ints([v["c1"], v["c2"]], iso_key.public_key)
    assert c.sum().to_ints() == [v["c1c2"]]
    assert (c[0] + c[1]).to_ints() == [v["c1c2"]]


def test_iso_decryption_matches(iso_key):
    v = iso_vector()
    c = vs.Ciphertexts.from_ints([v["c1"], v["c2"], v["c1c2"]], iso_key.public_key)
    assert iso_key.decrypt(c) == [v["m0"], v["m1"], v["m1m2"]]


def test_iso_key_has_primes_of_no_special_form(iso_key):
    v = iso_vector()
    assert not reference.is_djn_form(v["p"], v["q"])
    n = v["p"] * v["q"]
    assert iso_key.public_key.to_bytes() == reference.public_key_wire(n, is_djn=False)
    # Fresh encryption then takes the classic randomisers and still decrypts.
    assert iso_key.decrypt(iso_key.encrypt([-5, 5])) == [-5, 5]


# ---- what every encryptor derives from n ----


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_fingerprint_is_shake256_of_the_wire_bytes(bits):
    known = known_key(bits)
    for public, is_djn in ((known.public, True), (known.classic, False)):
        wire = reference.public_key_wire(known.n, is_djn)
        assert public.to_bytes() == wire
        assert public.fingerprint == reference.fingerprint(wire)
    assert known.public != known.classic


def test_derived_h_is_pinned():
    # The reference's own answer, so that a change of the derivation shows even if it is made twice.
    h = reference.derived_h(known_key(2048).n)
    digest = hashlib.sha256(reference.little_endian(h)).hexdigest()
    assert digest == json.loads((GOLDEN / "derived_h.json").read_text())["sha256_of_h"]


def test_randomisers_of_a_toy_key_are_the_powers_of_the_derived_h():
    # n = 77: hs = h**n generates few enough elements that all of them turn up.
    n = 7 * 11
    key = hazmat.secret_key(7, 11)
    hs = pow(reference.derived_h(n), n, n * n)
    num_exponents = 1 << ((n.bit_length() + 1) // 2)
    allowed = {pow(hs, a, n * n) for a in range(num_exponents)}
    seen = set(key.public_key.encrypt([0] * 2000).to_ints())
    assert seen == allowed
    group = {pow(hs, a, n * n) for a in range(n * n)}
    assert set(key.encrypt([0] * 2000).to_ints()) == group


# ---- golden wire files ----


def test_golden_public_keys_are_read_and_written():
    for name, is_djn in (("public_key", True), ("public_key_classic", False)):
        data = (GOLDEN / f"{name}.bin").read_bytes()
        public = vs.PublicKey.from_bytes(data)
        assert public.n == known_key(2048).n
        assert public.to_bytes() == data == reference.public_key_wire(public.n, is_djn)


def test_golden_ciphertexts_are_read_and_written(key):
    for name in ("ciphertexts_vector", "ciphertexts_matrix"):
        data = (GOLDEN / f"{name}.bin").read_bytes()
        ciphertexts = vs.Ciphertexts.from_bytes(data, key.public)
        assert ciphertexts.to_bytes() == data
    assert key.secret.decrypt(ciphertexts) == generate_wire.MATRIX
    # Given the randomisers, today's code makes the same bytes.
    assert generate_wire.ciphertexts(key.public)["ciphertexts_matrix"].to_bytes() == data


def test_golden_key_file_opens(key):
    secret = vs.SecretKey.load(GOLDEN / "key_file.bin", passphrase=generate_wire.PASSPHRASE)
    assert secret.public_key == key.public
    assert secret.decrypt(key.public.encrypt([11])) == [11]


def test_golden_key_file_is_written_from_the_same_salt_and_nonce(key, monkeypatch, cheap_key_files):
    data = (GOLDEN / "key_file.bin").read_bytes()
    salt_and_nonce = iter((data[19:35], data[35:47]))
    monkeypatch.setattr(keyfile.os, "urandom", lambda size: next(salt_and_nonce))
    secret = bytes(key.secret._native.to_secret_bytes())
    assert keyfile.seal(secret, key.public.to_bytes(), generate_wire.PASSPHRASE) == data


@pytest.mark.parametrize("name", ["encrypted_vector", "masked_vector"])
def test_golden_encrypted_vectors_are_read_and_written(key, name):
    data = (GOLDEN / f"{name}.bin").read_bytes()
    vector = vs.EncryptedVector.from_bytes(data, key.public)
    assert vector.codec == generate_wire.CODEC
    assert vector.num_addends == 2
    assert vector.to_bytes() == data
    opened = generate_wire.CODEC.decrypt(vector, key.secret)
    assert opened.values.tolist() == generate_wire.VECTOR_SUM
    assert opened.weight == generate_wire.WEIGHT_SUM
    total = golden("open_request_2_total")  # Of a request that nothing reads any more.
    assert vs.EncryptedVector.from_bytes(total, key.public).to_bytes() == total


def test_golden_encrypted_floats_are_read_and_written(key):
    data = golden("encrypted_floats")
    floats = vs.EncryptedFloats.from_bytes(data, key.public)
    assert (floats.unit_exponent, floats.bound, floats.error) == (-83, 1002, Fraction(1, 2**31))
    assert floats.to_bytes() == data
    opened = key.secret.decrypt_floats(floats)
    assert opened.tolist() == [0.75 * x + 2 for x in generate_wire.FLOATS]


def test_a_golden_ceremony_message_is_what_its_holder_says():
    data = golden("ceremony_message")
    message = CeremonyMessage.from_bytes(data)
    assert (message.holder, message.step, message.name) == (1, 0, "introduction")
    assert message.to_bytes() == data
    people = [parties.identity(f"holder-{i}") for i in (1, 2, 3)]
    message.verify(people[0].enrol())
    [same, *_] = ceremonies(3, 3, 1, 64, people=people, roots=[bytes(32)] * 3)
    assert same.message == data


def test_golden_masked_blocks_are_read_and_written(key):
    data = golden("masked_blocks")
    blocks = Masking(generate_wire.BLOCKS_CODEC, key.public).read_blocks(data)
    assert (blocks.first, blocks.count) == (1, 1)
    assert blocks.to_bytes() == data


def golden(name):
    return (GOLDEN / f"{name}.bin").read_bytes()


def reads_and_writes(kind, name):
    """The message in a golden file, which writes the same bytes again."""
    message = kind.from_bytes(golden(name))
    assert message.to_bytes() == golden(name)
    return message


def test_golden_federations_and_round_descriptor_are_read_and_written():
    for name, message in [
        ("federation_4", generate_round.authority()),
        ("federation_4_threshold", generate_round.threshold()),
        ("round_descriptor_3", generate_round.later_descriptor()),
        ("round_descriptor_3_opener", generate_round.opener_descriptor()),
    ]:
        assert message.to_bytes() == golden(name)
        assert reads_and_writes(type(message), name) == message


def test_golden_signed_federation_and_enrolment_are_read_and_written():
    dealer, party = parties.identity("dealer"), parties.identity(generate_round.NAMES[1])
    agreed = generate_round.authority()
    data = golden("signed_federation_2")
    assert secure_sum.Federation.from_signed(data, dealer=dealer.enrol()) == agreed
    assert agreed.signed_by(dealer) == data  # Ed25519 signs the same bytes the same way.
    assert reads_and_writes(secure_sum.Enrolment, "enrolment") == party.enrol()


def test_golden_identity_file_opens():
    passphrase = generate_round.PASSPHRASE
    party = secure_sum.Identity.load(GOLDEN / "identity_file.bin", passphrase=passphrase)
    assert party.enrol().to_bytes() == golden("enrolment")


def contribution_of(agreed, header_name, chunk_name):
    """The header and a chunk of one contribution."""
    header = reads_and_writes(secure_sum.ContributionHeader, header_name)
    header.verify(agreed.contributor(generate_round.NAMES[-1]))
    return header, reads_and_writes(secure_sum.Chunk, chunk_name)


def test_golden_messages_of_a_round_still_make_a_sum():
    agreed = generate_round.sums()
    header, chunk = contribution_of(agreed, "contribution_2_masked", "chunk_masked")
    assert (chunk.index, chunk.proof) == (agreed.num_opened, b"") == (3, b"")
    assert read_chunk(agreed, header, 3, chunk, None).to_bytes() == chunk.body
    request = reads_and_writes(secure_sum.OpenRequest, "open_request_4")
    assert request.descriptor == generate_round.descriptor(agreed)
    assert [header.contributor for header in request.headers] == list(generate_round.NAMES)
    assert all(header.round_id == request.descriptor.round_id for header in request.headers)
    assert (request.holder, request.chunks) == ("holder-1", (0, 1, 2))
    request.verify(agreed.aggregator)
    opening = reads_and_writes(secure_sum.Opening, "opening_3_authority")
    opening.verify(agreed.holder("holder-1"))
    assert (opening.set_hash, opening.index) == (request.set_hash, 0)
    # It is the first part of the key that opens the sum: coefficients of two secrets, added.
    assert agreed.bodies.answer_facts(opening.body) == {"plaintexts": 4}


def test_golden_messages_of_threshold_holders_are_read_and_written():
    agreed = generate_round.threshold()
    given = reads_and_writes(secure_sum.ChunkRequest, "chunk_request")
    assert (given.contribution, len(given.path), given.chunk) == (1, 1, golden("chunk"))
    header, chunk = contribution_of(agreed, "contribution_2", "chunk")
    assert chunk.index == 2
    assert len(read_chunk(agreed, header, 2, chunk, None)) == 1  # The proof holds.
    leaf = leaf_hash(given.chunk)
    assert path_leads_to(header.root, leaf, 2, header.num_chunks, given.path)
    lock = reads_and_writes(secure_sum.Lock, "lock")
    lock.verify(agreed.holder("holder-2"))
    request = reads_and_writes(secure_sum.OpenRequest, "open_request_4_chunks")
    assert (request.chunks, request.num_links, request.locks) == ((0, 2), 1, (lock,))
    opening = reads_and_writes(secure_sum.Opening, "opening_3_partial")
    opening.verify(agreed.holder("holder-2"))
    partial = vs.threshold.PartialDecryption.from_bytes(opening.body, agreed.key)
    assert (partial.holder, partial.first, len(partial)) == (2, 2, 2)


def test_golden_messages_of_relays_are_read_and_written():
    agreed, announced = generate_relays.agreement(), generate_relays.descriptor()
    assert agreed.to_bytes() == golden("federation_6")
    assert reads_and_writes(secure_sum.Federation, "federation_6") == agreed
    relay = agreed.relay(generate_relays.RELAY)
    report = reads_and_writes(secure_sum.RelayReport, "relay_report")
    report.verify(relay)
    request = reads_and_writes(secure_sum.RelayRequest, "relay_request")
    request.verify(agreed.aggregator)
    answer = reads_and_writes(secure_sum.RelayedSum, "relayed_sum")
    answer.verify(relay)
    check = reads_and_writes(secure_sum.SpotCheck, "spot_check")
    check.verify(agreed.aggregator)
    assert request.commitments == report.commitments
    assert (answer.subset_hash, answer.num_addends) == (request.subset_hash, 1)
    assert (check.root, check.chunks) == (answer.root, (agreed.num_opened,))
    for message in (report, request, answer, check):
        assert message.round_id == announced.round_id
        assert message.relay == relay.name


def test_golden_list_and_invitation_are_read_and_written():
    invited = reads_and_writes(secure_sum.Invitations, "invitations")
    assert invited == generate_round.relayed()
    invitation = reads_and_writes(secure_sum.Invitation, "invitation")
    assert (invitation.name, invitation.relay, invitation.index) == ("klinik-ö", "relais-ß", 1)
    invitation.verify(len(invited), invited.root)
    root = "b62e86f1f672c9b9e53ec856e23420147aeee204961156bbf8f0c8c6d8ed296a"
    assert invited.root.hex() == root


def test_golden_transcript_is_verified():
    transcript = reads_and_writes(secure_sum.Transcript, "transcript_3")
    transcript.verify(generate_round.sums())
    assert reads_and_writes(secure_sum.RoundLink, "round_link_authority") == transcript.link
    assert [header.contributor for header in transcript.headers] == list(generate_round.NAMES)


@pytest.mark.parametrize(
    ("name", "version", "read"),
    [
        # Nothing was signed.
        ("federation", 1, secure_sum.Federation.from_bytes),
        ("contribution", 1, secure_sum.ContributionHeader.from_bytes),
        ("open_request", 1, secure_sum.OpenRequest.from_bytes),
        ("opening", 1, secure_sum.Opening.from_bytes),
        # Announcements were not.
        ("federation_2", 2, secure_sum.Federation.from_bytes),
        ("federation_2_threshold", 2, secure_sum.Federation.from_bytes),
        ("signed_federation", 1, secure_sum.Federation.dealer_named_in),
        ("round_descriptor", 1, secure_sum.RoundDescriptor.from_bytes),
        ("open_request_2", 2, secure_sum.OpenRequest.from_bytes),
        ("open_request_2_chunks", 2, secure_sum.OpenRequest.from_bytes),
        ("opening_2", 2, secure_sum.Opening.from_bytes),
        ("opening_2_partial", 2, secure_sum.Opening.from_bytes),
        ("transcript", 1, secure_sum.Transcript.from_bytes),
        # Every announcement had the names of all who were invited.
        ("round_descriptor_2", 2, secure_sum.RoundDescriptor.from_bytes),
        ("round_descriptor_2_opener", 2, secure_sum.RoundDescriptor.from_bytes),
        ("open_request_3", 3, secure_sum.OpenRequest.from_bytes),
        ("open_request_3_chunks", 3, secure_sum.OpenRequest.from_bytes),
        ("transcript_2", 2, secure_sum.Transcript.from_bytes),
    ],
)
def test_messages_of_older_protocols_are_refused_by_their_version(name, version, read):
    """None of these versions was ever released."""
    with pytest.raises(vs.MalformedDataError, match=f"version {version}"):
        read(golden(name))


def test_golden_threshold_key_and_partial_decryption_are_read_and_written():
    data = {n: (GOLDEN / f"{n}.bin").read_bytes() for n in ("threshold_key", "partial_decryption")}
    key = vs.threshold.ThresholdKey.from_bytes(data["threshold_key"])
    assert key.to_bytes() == data["threshold_key"]
    partial = vs.threshold.PartialDecryption.from_bytes(data["partial_decryption"], key)
    assert partial.to_bytes() == data["partial_decryption"]


@pytest.mark.parametrize("version", [1, 2])
def test_plaintext_proofs_of_earlier_versions_are_refused_by_their_version(version):
    """Neither was released."""
    data = bytearray((GOLDEN / "plaintext_proof.bin").read_bytes())
    assert data[5] == 2
    data[5] = version
    with pytest.raises(vs.MalformedDataError, match=f"version {version}"):
        vs.PlaintextProof.from_bytes(data, known_key(2048).public)


def test_shared_keys_of_elements_modulo_n_squared_are_refused_by_their_version():
    """Version 1 of these kinds was never released."""
    key = vs.threshold.ThresholdKey.from_bytes((GOLDEN / "threshold_key.bin").read_bytes())
    readers = {
        "threshold_key": vs.threshold.ThresholdKey.from_bytes,
        "partial_decryption": lambda data: vs.threshold.PartialDecryption.from_bytes(data, key),
    }
    for name, read in readers.items():
        data = bytearray((GOLDEN / f"{name}.bin").read_bytes())
        assert data[5] == 2
        data[5] = 1
        with pytest.raises(vs.MalformedDataError, match="version 1"):
            read(data)


def test_golden_plaintext_proof_is_read_and_written(key):
    data = (GOLDEN / "plaintext_proof_3.bin").read_bytes()
    assert vs.PlaintextProof.from_bytes(data, key.public).to_bytes() == data


def test_golden_share_file_opens():
    passphrase = generate_threshold.PASSPHRASE
    share = vs.threshold.KeyShare.load(GOLDEN / "share_file.bin", passphrase=passphrase)
    assert share.holder == generate_threshold.SHARE_FILE_HOLDER
    assert share.key.to_bytes() == (GOLDEN / "threshold_key.bin").read_bytes()


@pytest.mark.parametrize("folder", ["party", "party_2"])
def test_golden_folder_of_an_agreement_without_an_aggregator_is_refused(tmp_path, folder):
    shutil.copytree(VECTORS / folder, tmp_path / "party")
    with pytest.raises(vs.MalformedDataError, match="joined anew"):
        secure_sum.PartyFolder(tmp_path / "party")
    for name in ("contributor-rounds.sqlite", "holder-rounds.sqlite"):
        with pytest.raises(vs.LedgerError, match="not a round ledger that this veilsum reads"):
            secure_sum.RoundLedger.open(tmp_path / "party" / name)
    # What was spent is never forgotten: a new folder goes on with it.
    ledger = vs.privacy.Ledger.open(tmp_path / "party" / "privacy.sqlite")
    assert ledger.spent.num_contributions == 1


@pytest.mark.parametrize("folder", ["party_3", "party_4"])
def test_golden_folder_of_a_party_goes_on_with_its_records(folder, tmp_path):
    shutil.copytree(VECTORS / folder, tmp_path / "party")
    party = secure_sum.PartyFolder(tmp_path / "party")
    run = secure_sum.RunName.of(party.federation)
    files = (VECTORS / folder).glob
    found = [*files("contribution.veil"), *files("outbox/*.veil")]
    (file,) = found
    kept = file.read_bytes()
    header = secure_sum.ContributionHeader.from_bytes(parties.frames_of(kept)[0])
    assert party.roles == (Role.CONTRIBUTOR, Role.HOLDER)
    assert party.rounds(Role.CONTRIBUTOR).answered(run) == {1: header.commitment}
    assert party.rounds(Role.HOLDER).answered(run) == {1: generate_party.ANSWER}
    if folder == "party_3":  # Its round was announced in a version that nobody reads any more.
        with pytest.raises(vs.PolicyRefusedError, match="already contributed to round 1"):
            generate_party.contribute(party, 1)
    else:
        assert generate_party.contribute(party, 1) == kept
    assert party.privacy_ledger.spent.num_contributions == 1
    assert generate_party.contribute(party, 2) != kept
    assert party.privacy_ledger.spent.num_contributions == 2
    assert party.key_holder(passphrase=generate_party.PASSPHRASE).name == generate_party.NAME


def test_every_golden_file_has_a_test():
    tested = Path(__file__).read_text()
    for path in GOLDEN.iterdir():
        assert path.stem in tested, f"no test reads {path.name}"
