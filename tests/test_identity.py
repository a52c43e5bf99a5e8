"""Signing keys: what is signed where, and identity files."""

import copy
import os
import pickle

import pytest
import veilsum as vs
from protocol_parties import identity
from validation_rules import rule
from veilsum import keyfile
from veilsum.identity import Enrolment, Identity, Role, verify
from veilsum.wire import WireKind

PASSPHRASE = "a passphrase of the tests"
ROUND = bytes(range(32))
PLACE = (WireKind.CONTRIBUTION, Role.CONTRIBUTOR, ROUND, b"payload")


def test_signatures_are_those_of_rfc_8032_over_the_documented_bytes():
    from hashlib import sha256

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    ada = identity("ada")
    statement = b"veilsum/v1/" + bytes([7, 1, 3]) + b"ada" + ROUND + sha256(b"payload").digest()
    Ed25519PublicKey.from_public_bytes(ada.public_key).verify(ada.sign(*PLACE), statement)


@rule("ID4")
def test_a_signature_is_for_one_place_by_one_party():
    ada = identity("ada")
    signature = ada.sign(*PLACE)
    verify(ada.enrol(), signature, *PLACE)
    kind, role, round_id, payload = PLACE
    for party, place in (
        (identity("bob").enrol(), PLACE),
        (Enrolment("adb", ada.public_key), PLACE),
        (Enrolment("ad", ada.public_key), PLACE),
        (ada.enrol(), (WireKind.OPENING, role, round_id, payload)),
        (ada.enrol(), (kind, Role.HOLDER, round_id, payload)),
        (ada.enrol(), (kind, role, bytes(32), payload)),
        (ada.enrol(), (kind, role, round_id, b"payloae")),
        (ada.enrol(), (kind, role, round_id, b"")),
    ):
        with pytest.raises(vs.SignatureError, match="not signed"):
            verify(party, signature, *place)
    for bit in range(0, 512, 7):
        damaged = bytearray(signature)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(vs.SignatureError):
            verify(ada.enrol(), bytes(damaged), *PLACE)
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(64)):
        with pytest.raises(vs.SignatureError):
            verify(ada.enrol(), wrong, *PLACE)


@rule("ID2", "ID3")
def test_a_party_has_a_name_and_a_key():
    for name in ("", "x" * 256, "ö" * 128, "\ud800"):
        with pytest.raises(vs.InvalidArgumentError, match="name"):
            Enrolment(name, bytes(32))
        with pytest.raises(vs.InvalidArgumentError, match="name"):
            Identity.generate(name)
    for size in (0, 31, 33):
        with pytest.raises(vs.InvalidArgumentError, match="32 bytes"):
            Enrolment("ada", bytes(size))
    for name, key in ((7, bytes(32)), ("ada", "x" * 32), (None, bytes(32))):
        with pytest.raises(TypeError):
            Enrolment(name, key)
    data = Enrolment("ada", bytes(32)).to_bytes()
    for wrong in (data.replace(b"\x03ada", b"\x03a\xffa"), data.replace(b"\x03ada", b"\x00ada")):
        with pytest.raises(vs.MalformedDataError):
            Enrolment.from_bytes(wrong)


def test_enrolments_are_values():
    ada = identity("ada").enrol()
    assert ada == Enrolment.from_bytes(ada.to_bytes())
    assert hash(ada) == hash(Enrolment("ada", ada.public_key))
    assert ada != Enrolment("bob", ada.public_key)
    assert len({ada.fingerprint, Enrolment("bob", ada.public_key).fingerprint}) == 2
    with pytest.raises(AttributeError):
        ada.name = "bob"


def test_identities_stay_secret():
    ada = Identity.generate("ada")
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="use save"):
            leak(ada)
    assert ada._key.private_bytes_raw().hex() not in repr(ada)
    assert ada.public_key[:8].hex() in repr(ada)


def test_identity_files_open_with_their_passphrase(tmp_path, cheap_key_files):
    ada, path = Identity.generate("klinik-ö"), tmp_path / "identity"
    ada.save(path, passphrase=PASSPHRASE)
    assert path.stat().st_mode & 0o777 == 0o600
    again = Identity.load(path, passphrase=PASSPHRASE)
    assert again.enrol() == ada.enrol()
    verify(ada.enrol(), again.sign(*PLACE), *PLACE)
    with pytest.raises(vs.PassphraseError):
        Identity.load(path, passphrase="another")
    with pytest.raises(FileExistsError):
        ada.save(path, passphrase=PASSPHRASE)
    with pytest.raises(vs.MalformedDataError):
        vs.SecretKey.load(path, passphrase=PASSPHRASE)


def test_a_file_that_is_no_identity_file_is_told_so(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(vs.MalformedDataError, match="so it is not an identity file"):
        Identity.load(tmp_path / "pipe", passphrase="x")


@rule("ID1")
def test_the_secret_of_an_identity_file_makes_its_public_key(tmp_path, cheap_key_files):
    path = tmp_path / "identity"
    secret = Identity.generate("ada")._key.private_bytes_raw()
    public = identity("ada").enrol().to_bytes()
    path.write_bytes(keyfile.seal(secret, public, PASSPHRASE, WireKind.IDENTITY_FILE))
    with pytest.raises(vs.InvalidKeyError, match="ID1"):
        Identity.load(path, passphrase=PASSPHRASE)
    path.write_bytes(keyfile.seal(secret + b"\0", public, PASSPHRASE, WireKind.IDENTITY_FILE))
    with pytest.raises(vs.MalformedDataError, match="length"):
        Identity.load(path, passphrase=PASSPHRASE)
