"""``veilsum deal``: what it deals, to whom, and what it refuses."""

import os
import sys

import pytest
import veilsum as vs
from dealt_parties import (
    CONTRIBUTORS,
    HOLDERS,
    PASSPHRASE,
    deal,
    deal_options,
    done,
    enrolled_and_dealt,
    join_options,
    quick,
    refused,
    veilsum,
)
from veilsum.cli import deal as deal_command
from veilsum.cli import dealing, keygen
from veilsum.cli.passphrases import make_passphrase
from veilsum.cli.terms import choose_policy
from veilsum.schemes import Policy
from veilsum.secure_sum import Enrolment, Federation, Identity, KeyShare, PartyFolder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    return folder, enrolled_and_dealt(folder)


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path):
    quick(monkeypatch, tmp_path)


def secret_files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_dealt_federation_has_the_terms_that_were_asked_for(place):
    folder, dealt = place
    signed = (folder / "dealt" / "federation.veil").read_bytes()
    dealer = Identity.load(folder / "dealer" / "dealer.identity", passphrase=PASSPHRASE)
    federation = Federation.from_signed(signed, dealer=dealer.enrol())
    assert federation.hash.hex() == dealt["hash"]
    assert federation.trust == "threshold"
    assert (federation.key.num_holders, federation.key.threshold) == (5, 4)
    assert federation.key.max_colluding_holders == 2
    assert [party.name for party in federation.contributors] == list(CONTRIBUTORS)
    assert [party.name for party in federation.holders] == list(HOLDERS)
    assert (federation.codec.dim, federation.codec.clip) == (40, 1.0)
    assert (federation.codec.max_addends, federation.chunk_size) == (3, 2)
    noise = federation.noise
    assert (noise.epsilon, noise.delta, noise.rounds) == (4.0, 1e-6, 3)
    assert noise.honest_contributors == federation.honest_contributors == federation.fewest == 2


def test_each_share_has_a_passphrase_of_its_own(place):
    folder, dealt = place
    assert dealt["secret_files"] == {name: f"{name}.share" for name in HOLDERS}
    passphrases = {
        name: (folder / "dealt-passphrases" / f"{name}.passphrase").read_text().strip()
        for name in HOLDERS
    }
    assert len(set(passphrases.values())) == 5
    for number, name in enumerate(HOLDERS, 1):
        share = KeyShare.load(folder / "dealt" / f"{name}.share", passphrase=passphrases[name])
        assert share.holder == number
    with pytest.raises(vs.PassphraseError):
        KeyShare.load(folder / "dealt" / "holder-1.share", passphrase=passphrases["holder-2"])
    for path in (*secret_files(folder / "dealt-passphrases"), *folder.glob("dealt/*.share")):
        assert path.stat().st_mode & 0o077 == 0
    assert (folder / "dealt").stat().st_mode & 0o077 == 0


def test_passphrases_made_here_are_long_and_different():
    made = [make_passphrase() for _ in range(100)]
    assert len(set(made)) == 100
    assert len({letter for passphrase in made for letter in passphrase} - {"-"}) == 32
    assert all(len(passphrase.replace("-", "")) == 28 for passphrase in made)


def test_passphrases_are_shown_on_a_terminal_only(place, tmp_path, monkeypatch):
    folder, _ = place
    options = (*deal_options(folder), "--out", tmp_path / "dealt", "--yes")
    assert "--passphrase-dir" in refused(*options)

    class Terminal:
        def __getattr__(self, name):
            return getattr(sys.stdout, name)

        def isatty(self):
            return True

    class System:
        stdout = Terminal()

    monkeypatch.setattr(deal_command, "sys", System)
    result = veilsum(*options)
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if line.endswith("  holder-3"))
    share = KeyShare.load(tmp_path / "dealt" / "holder-3.share", passphrase=line.split()[0])
    assert share.holder == 3


def test_nothing_is_dealt_without_a_yes(place, tmp_path):
    folder, _ = place
    options = ("--out", tmp_path / "dealt", "--passphrase-dir", tmp_path / "words")
    for answer in ("n\n", "\n", ""):
        result = veilsum(*deal_options(folder), *options, input=answer)
        assert result.exit_code == 1
        assert not (tmp_path / "dealt").exists()
        assert not (tmp_path / "words").exists()
    shown = result.stdout.replace(" ", "")
    for path in (*folder.glob("contributors/*"), *folder.glob("holders/*")):
        fingerprint = Enrolment.from_bytes(path.read_bytes()).fingerprint
        assert fingerprint[:40] in shown
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_deal_that_fails_leaves_nothing(place, tmp_path, monkeypatch):
    folder, _ = place

    def fail(path, pieces, **options):
        raise OSError("no space left")

    monkeypatch.setattr(dealing, "write_file", fail)
    options = ("--out", tmp_path / "dealt", "--passphrase-dir", tmp_path / "words", "--yes")
    assert "no space left" in refused(*deal_options(folder), *options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["passphrase"]


def test_a_deal_overwrites_nothing(place, tmp_path):
    folder, _ = place
    for out, words in ((folder / "dealt", tmp_path / "w"), (tmp_path / "d", folder / "dealt")):
        options = ("--out", out, "--passphrase-dir", words, "--yes")
        assert "exists" in refused(*deal_options(folder), *options)
    inside = ("--out", tmp_path / "d", "--passphrase-dir", tmp_path / "d" / "w", "--yes")
    assert "another way" in refused(*deal_options(folder), *inside)


def test_authority_and_shared_keys_are_dealt_too(place, tmp_path):
    folder, _ = place
    for trust, owners in (("authority", ("holder-1",)), ("contributors", CONTRIBUTORS)):
        dealt = deal(folder, tmp_path / trust, trust=trust)
        assert dealt["secret_files"] == {name: f"{name}.key" for name in owners}
        for name in owners:
            share = f"{name}.key"
            options = join_options(folder, tmp_path / trust, name, dealt["hash"], share=share)
            joined = done(*options, "--out", tmp_path / f"{trust}-{name}")
            assert "holder" in joined["roles"]
        party = PartyFolder(tmp_path / f"{trust}-{owners[0]}")
        assert party.federation.trust == trust
        assert party.key_holder(passphrase=PASSPHRASE).name == owners[0]


def test_the_noise_is_that_of_veilsum_privacy(place, tmp_path):
    folder, _ = place
    words = ("--epsilon", "2", "--noise", "laplace", "--rounds", "2", "--norm-bound", "3")
    words += ("--adjacency", "replace-one", "--uniform")
    dealt = deal(folder, tmp_path / "dealt", *words)
    assert dealt["noise"] == {
        "kind": "laplace",
        "protects": "each contribution",
        "epsilon": 2.0,
        "delta": 0.0,
        "rounds": 2,
        "norm_bound": 3.0,
        "honest_contributors": 1,
        "adjacency": "replace-one",
        "weights": "all 1",
    }
    told = done("privacy", "--dim", "40", "--contributors", "3", "--clip", "1", *words)
    signed = (tmp_path / "dealt" / "federation.veil").read_bytes()
    federation = Federation.from_signed(signed, expected_hash=bytes.fromhex(dealt["hash"]))
    scale = federation.noise.scale(federation.codec)
    assert told["noise"]["parameter_grid_steps"] == scale


@pytest.mark.parametrize(("options", "wanted"), [((), 1000), (("--max-repeats", "3"), 3)])
def test_how_often_a_model_is_announced_again_is_agreed_on(place, tmp_path, options, wanted):
    folder, _ = place
    dealt = deal(folder, tmp_path / "dealt", *options)
    assert dealt["max_repeats"] == wanted
    signed = (tmp_path / "dealt" / "federation.veil").read_bytes()
    federation = Federation.from_signed(signed, expected_hash=bytes.fromhex(dealt["hash"]))
    assert federation.max_repeats == wanted


def test_where_every_contributor_has_the_key_each_adds_all_of_the_noise(place, tmp_path):
    folder, _ = place
    dealt = deal(folder, tmp_path / "dealt", "--epsilon", "2", trust="contributors")
    assert (dealt["noise"]["honest_contributors"], dealt["honest_contributors"]) == (1, 2)
    out = ("--out", tmp_path / "more", "--passphrase-dir", tmp_path / "words", "--yes")
    options = (*deal_options(folder, "contributors"), *out, "--epsilon", "2")
    assert "--honest=1" in refused(*options, "--honest", "2")


def test_how_many_may_collude_is_always_said(place, tmp_path):
    folder, _ = place
    options = [*deal_options(folder), "--out", tmp_path / "dealt", "--yes"]
    position = options.index("--colluding")
    result = veilsum(*options[:position], *options[position + 2 :])
    assert result.exit_code == 2
    assert "--colluding" in result.stderr
    assert not (tmp_path / "dealt").exists()
    dealt = deal(folder, tmp_path / "dealt", "--colluding", "1")
    assert (dealt["colluding_contributors"], dealt["min_contributors"]) == (1, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--threshold", "3"), "must be 4 to 5"),
        (("--threshold", "6"), "must be 4 to 5"),
        (("--max-colluding", "5"), "0 to 4 may collude"),
        (("--max-colluding", "-1"), "0 to 4 may collude"),
        (("--trust", "authority"), "5 are enrolled"),
        (("--trust", "contributors"), "leave --holders out"),
        (("--bits", "1024"), "--bits is 1024"),
        (("--bits", "2049"), "--bits is 2049"),
        (("--dim", "0"), "--dim must lie"),
        (("--chunk-size", "0"), "--chunk-size is 0"),
        (("--honest", "1"), "at least 2"),
        (("--colluding", "2"), "--honest + --colluding is 4, and a sum has at most 3"),
        (("--colluding", "-1"), "--colluding is -1"),
        (("--min-contributors", "1"), "--min-contributors is 1"),
        (("--max-addends", "0"), "--max-addends must be"),
        (("--max-repeats", "-1"), "--max-repeats is -1"),
        (("--weight-spread", "0"), "--weight-spread is 0"),
        (("--clip", "nan"), "--clip is nan"),
        (("--delta", "0.1"), "need --epsilon"),
        (("--uniform",), "need --epsilon"),
        (("--epsilon", "-1"), "--epsilon is -1"),
        (("--epsilon", "1", "--noise", "laplace", "--delta", "0.1"), "Gaussian"),
    ],
)
def test_terms_that_contradict_are_refused_before_a_key_is_made(
    place, tmp_path, monkeypatch, options, words
):
    folder, _ = place
    monkeypatch.setattr(keygen, "generate_key", None)
    out = ("--out", tmp_path / "dealt", "--passphrase-dir", tmp_path / "words", "--yes")
    assert words in refused(*deal_options(folder), *out, *options)


def test_enrolments_that_are_none_are_refused(place, tmp_path):
    folder, _ = place
    out = ("--out", tmp_path / "dealt", "--passphrase-dir", tmp_path / "words", "--yes")
    (tmp_path / "empty").mkdir()
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    slash = Enrolment("../../etc/passwd", bytes(32))
    (tmp_path / "slash").write_bytes(slash.to_bytes())
    for path, words in (
        (tmp_path / "empty", "there is no .enrolment file"),
        (tmp_path / "rubbish", "rubbish"),
        (tmp_path / "slash", "cannot be that of a file"),
        (folder / "ann" / "ann.identity", "secret identity"),
        (folder / "contributors" / "ann.enrolment", "enrolled twice"),
    ):
        assert words in refused(*deal_options(folder), *out, "--contributors", path)


def test_policies_are_the_safe_ones():
    assert choose_policy(5, None, None) == Policy(5, 4, 2)
    assert choose_policy(3, None, None) == Policy(3, 3, 1)
    assert choose_policy(4, None, 1) == Policy(4, 3, 1)
    for num_holders in range(2, 10):
        for colluding in range(num_holders):
            policy = choose_policy(num_holders, None, colluding)
            assert 2 * policy.threshold > num_holders + colluding
            assert 2 * (policy.threshold - 1) <= num_holders + colluding
    for num_holders in (0, 1, 65):
        with pytest.raises(vs.InvalidArgumentError):
            choose_policy(num_holders, None, None)


def test_a_wrong_passphrase_file_is_told_without_a_traceback(place, tmp_path):
    folder, _ = place
    (tmp_path / "passphrase").write_text("not the right passphrase")
    out = ("--out", tmp_path / "dealt", "--passphrase-dir", tmp_path / "words", "--yes")
    assert "passphrase does not open" in refused(*deal_options(folder), *out)
    assert os.listdir(tmp_path) == ["passphrase"]
