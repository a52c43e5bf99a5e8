"""``veilsum keygen``, ``enrol`` and ``join``: what they write, and what they refuse."""

import os

import pytest
import veilsum as vs
from dealt_parties import (
    PASSPHRASE,
    deal,
    done,
    enrolled_and_dealt,
    join_options,
    quick,
    refused,
    veilsum,
)
from known_keys import known_key
from validation_rules import rule
from veilsum.arguments import printable
from veilsum.cli import keygen
from veilsum.cli.passphrases import known_passphrase, new_passphrase
from veilsum.cli.words import parse_hash
from veilsum.passphrases import read_passphrase
from veilsum.secure_sum import Enrolment, Identity, PartyFolder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    return folder, enrolled_and_dealt(folder)


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path):
    quick(monkeypatch, tmp_path)


@pytest.mark.parametrize("read", [new_passphrase, known_passphrase])
def test_typed_passphrase_that_is_no_text_is_refused(monkeypatch, read):
    monkeypatch.delenv("VEILSUM_PASSPHRASE_FILE", raising=False)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "a passphrase\udcff")
    with pytest.raises(vs.InvalidArgumentError, match="passphrase has lone surrogates"):
        read("ours.key", None)


# ---- keygen ----


def test_keygen_writes_a_key_that_works(tmp_path):
    found = done("keygen", "paillier", "--out", tmp_path / "keys", "--bits", "2048")
    public = vs.PublicKey.from_bytes((tmp_path / "keys" / "paillier.public").read_bytes())
    secret = vs.SecretKey.load(tmp_path / "keys" / "paillier.key", passphrase=PASSPHRASE)
    assert secret.decrypt(public.encrypt([1, -2])) == [1, -2]
    assert found["fingerprint"] == public.fingerprint.hex()
    assert (tmp_path / "keys" / "paillier.key").stat().st_mode & 0o077 == 0
    assert "exists" in refused("keygen", "paillier", "--out", tmp_path / "keys")


def test_keygen_makes_safe_primes_when_asked(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        keygen,
        "generate_key",
        lambda bits, safe_primes: asked.append((bits, safe_primes)) or known_key(2048).secret,
    )
    result = veilsum("keygen", "shared", "--out", tmp_path, "--bits", "4096", "--safe-primes")
    assert result.exit_code == 0
    assert asked == [(4096, True)]
    assert vs.PublicKey.from_bytes((tmp_path / "shared.public").read_bytes())


def test_a_size_that_is_not_allowed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keygen, "generate_key", vs.generate_key)
    assert "1000" in refused("keygen", "k", "--out", tmp_path / "new", "--bits", "1000")
    assert not (tmp_path / "new").exists()


# ---- enrol ----


def test_enrol_asks_for_the_passphrase_twice(tmp_path, monkeypatch):
    monkeypatch.delenv("VEILSUM_PASSPHRASE_FILE")
    result = veilsum("enrol", "ann", "--out", tmp_path / "ann", input=f"{PASSPHRASE}\n" * 2)
    assert result.exit_code == 0
    assert PASSPHRASE not in result.output
    identity = Identity.load(tmp_path / "ann" / "ann.identity", passphrase=PASSPHRASE)
    enrolment = Enrolment.from_bytes((tmp_path / "ann" / "ann.enrolment").read_bytes())
    assert identity.enrol() == enrolment
    assert enrolment.fingerprint in result.stdout.replace(" ", "")
    result = veilsum("enrol", "bob", "--out", tmp_path / "bob", input="one of them\nanother one\n")
    assert result.exit_code == 1
    assert not (tmp_path / "bob").exists()


def test_enrol_takes_the_passphrase_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "given").write_bytes(b"from the file that was given\r\n")
    done("enrol", "ann", "--out", tmp_path, "--passphrase-file", tmp_path / "given")
    passphrase = b"from the file that was given"
    assert Identity.load(tmp_path / "ann.identity", passphrase=passphrase).name == "ann"
    for content, words in (
        (b"", "one line"),
        (b"two lines of\nwords in it", "one line"),
        (b"short", "at least 12"),
        (b"x" * 2000, "too long"),
    ):
        (tmp_path / "given").write_bytes(content)
        assert words in refused(
            "enrol", "bob", "--out", tmp_path, "--passphrase-file", tmp_path / "given"
        )
    monkeypatch.setenv("VEILSUM_PASSPHRASE_FILE", str(tmp_path / "nowhere"))
    assert "nowhere" in refused("enrol", "bob", "--out", tmp_path)


def test_the_passphrase_may_come_through_a_pipe_so_that_no_file_has_it(tmp_path):
    """As a shell makes one of ``--passphrase-file <(pass show veilsum)``."""
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe of the shell\n")
    os.close(writing)
    try:
        done("enrol", "ann", "--out", tmp_path, "--passphrase-file", f"/dev/fd/{reading}")
    finally:
        os.close(reading)
    passphrase = b"through a pipe of the shell"
    assert Identity.load(tmp_path / "ann.identity", passphrase=passphrase).name == "ann"


def test_enrol_never_overwrites(tmp_path):
    done("enrol", "ann", "--out", tmp_path)
    before = (tmp_path / "ann.identity").read_bytes()
    assert "exists" in refused("enrol", "ann", "--out", tmp_path)
    assert (tmp_path / "ann.identity").read_bytes() == before
    (tmp_path / "ann.identity").unlink()
    assert "exists" in refused("enrol", "ann", "--out", tmp_path)  # Its enrolment is there.
    assert not (tmp_path / "ann.identity").exists()


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a\nb", "\x1b[2J", " a", "x" * 101])
def test_names_that_make_no_file_names_are_refused(tmp_path, name):
    refused("enrol", "--out", tmp_path / "new", "--", name)
    assert not (tmp_path / "new").exists()


# ---- join ----


def test_a_party_joins_with_everything_it_needs(place, tmp_path):
    folder, dealt = place
    joined = done(
        *join_options(folder, folder / "dealt", "ann", dealt["hash"]), "--out", tmp_path / "a"
    )
    assert joined["roles"] == ["contributor"]
    assert joined["privacy_budget"] == [4.0, 1e-6]
    assert PartyFolder(tmp_path / "a").contributor(passphrase=PASSPHRASE).name == "ann"
    options = join_options(
        folder, folder / "dealt", "holder-2", dealt["hash"].upper(), share="holder-2.share"
    )
    result = veilsum(*options, "--out", tmp_path / "h")
    assert result.exit_code == 0
    for words in ("holder-2, holder", "Erase the dealer's file", "key_holder(passphrase"):
        assert words in result.stdout
    assert PartyFolder(tmp_path / "h").key_holder(passphrase=PASSPHRASE).name == "holder-2"


def test_a_known_dealer_pins_too(place, tmp_path):
    folder, _ = place
    options = ("join", folder / "dealt" / "federation.veil", "--out", tmp_path / "a")
    options += ("--identity", folder / "cyd" / "cyd.identity")
    (tmp_path / "other").write_bytes(Identity.generate("dealer").enrol().to_bytes())
    assert "somebody else" in refused(*options, "--dealer", tmp_path / "other")
    done(*options, "--dealer", folder / "dealer" / "dealer.enrolment")


def test_nodes_join_with_a_machine_key_and_open_without_a_passphrase(tmp_path, monkeypatch):
    dealt = enrolled_and_dealt(tmp_path)
    key_file = tmp_path / "secrets" / "machine.key"
    with_key = ("--machine-key", key_file)
    share = {"share": "holder-2.share"}
    options = join_options(tmp_path, tmp_path / "dealt", "holder-2", dealt["hash"], **share)
    inside = ("--machine-key", tmp_path / "h" / "machine.key")
    assert "would lie in the folder" in refused(*options, *inside, "--out", tmp_path / "h")
    # The key stays where joining fails: another party may have joined with it meanwhile.
    assert "share file is missing" in refused(*options[:-4], *with_key, "--out", tmp_path / "h")
    key = vs.MachineKey.load(key_file)
    done(*options, *with_key, "--out", tmp_path / "h")

    # Two parties of one machine may share its key; it is told what opens the folder.
    options = join_options(tmp_path, tmp_path / "dealt", "ann", dealt["hash"])
    told = veilsum(*options, *with_key, "--out", tmp_path / "a").stdout
    assert "VEILSUM_PASSPHRASE_FILE" in told
    assert "MachineKey.load" in told
    assert key.derive(salt=b"", label=b"") == vs.MachineKey.load(key_file).derive(
        salt=b"", label=b""
    )

    def scrypt(*_, **__):
        raise AssertionError("a passphrase was hashed")

    with monkeypatch.context() as patch:
        patch.setattr("cryptography.hazmat.primitives.kdf.scrypt.Scrypt", scrypt)
        assert PartyFolder(tmp_path / "h").key_holder(passphrase=key).name == "holder-2"
        assert PartyFolder(tmp_path / "a").contributor(passphrase=read_passphrase(key_file))
        with pytest.raises(vs.PassphraseError, match="a machine key opens this file"):
            PartyFolder(tmp_path / "h").key_holder(passphrase=PASSPHRASE)

    # What is no machine key seals nothing.
    words = tmp_path / "words"
    words.write_text("a passphrase\n")
    options = join_options(tmp_path, tmp_path / "dealt", "bob", dealt["hash"])
    assert "no machine key" in refused(*options, "--machine-key", words, "--out", tmp_path / "b")
    assert words.read_text() == "a passphrase\n"


def test_what_does_not_fit_is_not_joined(place, tmp_path):
    folder, dealt = place
    usual = join_options(folder, folder / "dealt", "ann", dealt["hash"])
    with_share = {
        name: join_options(folder, folder / "dealt", name, dealt["hash"], share="holder-1.share")
        for name in ("holder-1", "holder-2")
    }
    for options, words in (
        ((*usual[:2], *usual[4:]), "pin the federation"),
        ((*usual, "--dealer", folder / "ann" / "ann.enrolment"), "ann.enrolment"),
        ((*usual[:2], "--hash", dealt["hash"]), "--identity"),
        ((*usual, "--renew", tmp_path), "leave other options out"),
        ((*usual, "--hash", "0" * 64), "another federation"),
        ((*usual, "--hash", "00"), "no hash"),
        ((*usual, "--identity", folder / "dealer" / "dealer.identity"), "on no roster"),
        ((*usual, "--identity", folder / "nowhere"), "nowhere"),
        (with_share["holder-1"][:-4], "share file is missing"),
        (with_share["holder-2"], "passphrase"),
        ((*with_share["holder-1"], "--share", folder / "dealt" / "federation.veil"), "neither"),
    ):
        assert words in refused(*options, "--out", tmp_path / "party")
        assert not (tmp_path / "party").exists()


@rule("PF8")
def test_a_party_joins_once(place, tmp_path):
    folder, dealt = place
    options = (
        *join_options(folder, folder / "dealt", "bob", dealt["hash"]),
        "--out",
        tmp_path / "b",
    )
    done(*options)
    assert "exists" in refused(*options)
    assert "joined a federation with this key" in refused(*options[:-1], tmp_path / "second")
    # Nor another agreement on the same key: the stored one is dealt again.
    again = deal(folder, tmp_path / "again", "--chunk-size", "1")
    assert again["hash"] != dealt["hash"]
    options = join_options(folder, tmp_path / "again", "bob", again["hash"])
    assert "new federation has a new key" in refused(*options, "--out", tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_the_share_of_another_is_refused(place, tmp_path):
    folder, dealt = place
    options = join_options(
        folder, folder / "dealt", "holder-5", dealt["hash"], share="holder-1.share"
    )
    options[-1] = folder / "dealt-passphrases" / "holder-1.passphrase"
    assert "holder 1, who is holder-1" in refused(*options, "--out", tmp_path / "party")
    options = join_options(
        folder, folder / "dealt", "holder-5", dealt["hash"], share="holder-5.share"
    )
    done(*options, "--out", tmp_path / "party")  # What was refused leaves no mark.


# ---- words ----


def test_hashes_are_read_however_they_are_written():
    digits = "0123456789abcdef" * 4
    for text in (digits, digits.upper(), " ".join(digits), digits[:32] + "-" + digits[32:]):
        assert parse_hash(text).hex() == digits
    for text in ("", digits[:-1], digits + "0", digits[:-1] + "g"):
        with pytest.raises(vs.InvalidArgumentError):
            parse_hash(text)


def test_text_of_others_cannot_write_on_the_terminal():
    assert printable("Zoë\x1b[2J\n\u202e") == "Zoë\\x1b[2J\\n\\u202e"
