"""Machine keys open files of secrets in the place of passphrases, and nothing else does."""

import copy
import hmac
import pickle
import stat
from hashlib import sha256

import pytest
import veilsum as vs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from shared_keys import shared_key
from validation_rules import rule
from veilsum.identity import Identity
from veilsum.passphrases import read_passphrase
from veilsum.wire import FRAME_BYTES

HEAD = 3 + 16 + 12  # The parameters, salt and nonce of docs/wire-format.md, section 4.


@pytest.fixture
def machine(tmp_path):
    return vs.MachineKey.create(tmp_path / "machine.key")


@pytest.fixture
def no_scrypt(monkeypatch):
    def scrypt(*_, **__):
        raise AssertionError("a passphrase was hashed")

    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.scrypt.Scrypt", scrypt)


def test_every_kind_of_secret_opens_without_hashing_a_passphrase(key, machine, tmp_path, no_scrypt):
    path = tmp_path / "secret"
    for secret in (key.secret, shared_key().shares[0], Identity.generate("ada")):
        secret.save(path, passphrase=machine, overwrite=True)
        again = vs.MachineKey.load(tmp_path / "machine.key")
        opened = type(secret).load(path, passphrase=again)
        assert opened._to_secret() == secret._to_secret()


def test_the_file_is_as_the_page_says(key, machine, tmp_path):
    """Opened by RFC 5869 and AES-GCM as docs/wire-format.md says, without this library."""
    path = tmp_path / "own.key"
    key.secret.save(path, passphrase=machine)
    body = path.read_bytes()[FRAME_BYTES:]
    assert body[:3] == bytes(3)
    salt, nonce = body[3:19], body[19:31]
    public = 4 + int.from_bytes(body[31:35], "little")
    secret = bytes.fromhex((tmp_path / "machine.key").read_text().split()[1])
    extracted = hmac.digest(salt, secret, sha256)
    derived = hmac.digest(extracted, b"veilsum/key-file/1\x01", sha256)
    associated = b"veilsum/key-file/1" + body[: HEAD + public]
    opened = AESGCM(derived).decrypt(nonce, body[HEAD + public :], associated)
    assert opened == bytes(key.secret._to_secret())


@rule("KF7")
def test_files_of_passphrases_and_machine_keys_are_not_confused(
    key, machine, tmp_path, cheap_key_files
):
    by_machine, by_words = tmp_path / "machine", tmp_path / "words"
    key.secret.save(by_machine, passphrase=machine)
    key.secret.save(by_words, passphrase="five words that nobody guesses")
    line = (tmp_path / "machine.key").read_bytes().strip()
    for wrong in ("a passphrase", line, line.split()[1], bytes.fromhex(line.split()[1].decode())):
        with pytest.raises(vs.PassphraseError, match="a machine key opens this file"):
            vs.SecretKey.load(by_machine, passphrase=wrong)
    with pytest.raises(vs.PassphraseError, match="a passphrase opens this file"):
        vs.SecretKey.load(by_words, passphrase=machine)
    other = vs.MachineKey.create(tmp_path / "other.key")
    with pytest.raises(vs.PassphraseError, match="machine key does not open"):
        vs.SecretKey.load(by_machine, passphrase=other)


def test_a_file_that_was_turned_to_the_other_kind_stays_shut(key, machine, tmp_path, no_scrypt):
    path = tmp_path / "own.key"
    key.secret.save(path, passphrase=machine)
    data = path.read_bytes()
    for parameters in ((0, 8, 1), (14, 0, 0), (0, 0, 1), (1, 0, 0), (13, 8, 1)):
        path.write_bytes(data[:FRAME_BYTES] + bytes(parameters) + data[FRAME_BYTES + 3 :])
        for passphrase in (machine, "words"):
            with pytest.raises(vs.MalformedDataError, match="KF1"):
                vs.SecretKey.load(path, passphrase=passphrase)


def test_a_machine_key_is_for_its_owner_and_is_never_replaced(machine, tmp_path):
    path = tmp_path / "machine.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        vs.MachineKey.create(path)
    assert path.read_bytes() == before
    vs.MachineKey.create(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() != before


def test_a_machine_key_shows_nothing_and_stays_here(machine, tmp_path):
    digits = (tmp_path / "machine.key").read_text().split()[1]
    assert digits not in repr(machine)
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            leave(machine)


def test_a_passphrase_file_may_be_a_machine_key(machine, tmp_path):
    assert isinstance(read_passphrase(tmp_path / "machine.key"), vs.MachineKey)
    words = tmp_path / "words"
    words.write_text("correct horse\n")
    assert read_passphrase(words) == b"correct horse"
    with pytest.raises(vs.PassphraseError, match="holds no machine key"):
        vs.MachineKey.load(words)


@pytest.mark.parametrize(
    "line", ["", " 00", f" {'0' * 63}", f" {'G' * 64}", f" {'0' * 65}", f"  {'0' * 64}"]
)
def test_a_damaged_machine_key_is_no_passphrase(line, tmp_path):
    path = tmp_path / "machine.key"
    path.write_text(f"veilsum-machine-key-1{line}\n")
    for read in (read_passphrase, vs.MachineKey.load):
        with pytest.raises(vs.PassphraseError, match="damaged"):
            read(path)


@pytest.mark.parametrize("before", ["\ufeff", " ", "\t"])
def test_a_machine_key_with_something_before_it_is_no_passphrase(before, machine, tmp_path):
    path = tmp_path / "machine.key"
    path.write_text(before + path.read_text(), encoding="utf-8")
    with pytest.raises(vs.PassphraseError, match="damaged"):
        read_passphrase(path)
    path.write_text("veilsum-machine-key-2 " + "0" * 64)
    with pytest.raises(vs.PassphraseError, match="another version"):
        read_passphrase(path)


def test_wrong_types_are_refused(key, machine, tmp_path):
    for wrong in (None, 5, bytearray(32), [machine]):
        with pytest.raises(TypeError, match="passphrase"):
            key.secret.save(tmp_path / "own.key", passphrase=wrong)
    with pytest.raises(vs.PassphraseError, match="32 bytes"):
        vs.MachineKey(b"short")
    assert not (tmp_path / "own.key").exists()
