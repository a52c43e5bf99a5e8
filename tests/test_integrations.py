"""What the adapters of all frameworks share, and what they say where their framework is missing."""

import os
import re
import subprocess
import sys
from contextlib import closing

import protocol_parties as parties
import pytest
from known_keys import known_key
from protocol_parties import descriptor, federation, round_set
from veilsum import keyfile
from veilsum.errors import (
    InvalidArgumentError,
    MalformedDataError,
    PassphraseError,
    PolicyRefusedError,
    ProtocolError,
    RunEndedError,
)
from veilsum.identity import Identity
from veilsum.integrations.budgets import Budgets
from veilsum.integrations.federation_file import agreed_in, parse_hash, read_signed, renewed
from veilsum.integrations.run_folder import RunFolder
from veilsum.integrations.site_party import site_passphrase, site_path
from veilsum.secure_sum import PartyFolder, Transcript


def abandoned(announced):
    """The transcript of a round that was announced, and no more."""
    return Transcript.of(round_set(announced, ()), ())


TRANSCRIPT = abandoned(descriptor(federation()))


@pytest.mark.parametrize("framework", ["flower", "nvflare", "torch"])
def test_missing_framework_is_named_with_its_extra(framework):
    module = {"flower": "flwr"}.get(framework, framework)
    code = f"import sys; sys.modules[{module!r}] = None; import veilsum.integrations.{framework}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("veilsum.errors.MissingExtraError: ")
    assert f"pip install 'veilsum[{framework}]'" in last


def test_a_check_without_flower_names_the_extra():
    code = (
        "import sys; sys.modules['flwr'] = None; sys.argv[1:] = ['flower', 'check']\n"
        "from veilsum.__main__ import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("veilsum: ")
    assert "pip install 'veilsum[flower]'" in line


def test_a_party_takes_over_what_its_dealer_renewed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(keyfile, "_LOG2_COST", 14)
    dealer, old = parties.identity("dealer"), federation()
    new = old.renewed(last_day=old.last_day)

    def joined(name, **pins):
        return PartyFolder.create(
            tmp_path / name,
            old.signed_by(dealer),
            identity=parties.identity("ada"),
            passphrase="five words and no more",
            **pins,
        )

    party = joined("by its dealer", dealer=dealer.enrol())
    signed = new.signed_by(dealer)
    for named, sent in ((None, signed), (old.hash, signed), (new.hash, None), (new.hash, "text")):
        assert renewed(party, named, sent) is party
    with pytest.raises(PolicyRefusedError, match="somebody else"):
        renewed(party, new.hash, new.signed_by(Identity.generate("dealer")))
    with pytest.raises(MalformedDataError):
        renewed(party, new.hash, signed[:-1])
    assert renewed(party, new.hash, signed).federation == new
    by_hash = joined("by its hash", expected_hash=old.hash)
    assert renewed(by_hash, new.hash, signed) is by_hash


# ---- an aggregator's folder ----


def test_rounds_have_growing_numbers_across_restarts(tmp_path):
    agreed = federation()
    first = RunFolder(tmp_path / "run", agreed)
    assert [first.new_round()[0] for _ in range(2)] == [1, 2]
    first.keep_transcript(2, TRANSCRIPT)
    first.erase(2)
    second = RunFolder(tmp_path / "run", agreed)
    assert second.new_round()[0] == 3
    assert first.new_round()[0] == 4
    assert not (tmp_path / "run" / "round-000002").exists()
    assert (tmp_path / "run" / "round-000002.transcript").read_bytes() == TRANSCRIPT.to_bytes()


def test_a_runs_folder_is_of_one_federation(tmp_path):
    agreed = federation()
    RunFolder(tmp_path / "run", agreed)
    with pytest.raises(ProtocolError, match="another federation's run"):
        RunFolder(tmp_path / "run", agreed.renewed(last_day=agreed.last_day))
    assert (tmp_path / "run").stat().st_mode & 0o077 == 0


def test_stores_of_a_round_keep_what_was_put(tmp_path):
    run = RunFolder(tmp_path / "run", federation())
    _, store = run.new_round()
    _, other = run.new_round()
    store.put("opening", "x", [known_key(2048).public.to_bytes()])
    assert store.names("opening") == ["x"]
    assert other.names("opening") == []


def test_folder_of_another_federation_is_refused(tmp_path):
    RunFolder(tmp_path / "run", federation())
    with pytest.raises(ProtocolError, match="another federation's run"):
        RunFolder(tmp_path / "run", federation(chunk_size=7))


@pytest.mark.parametrize(
    "content",
    [None, "", "{}", '{"veilsum": "party", "version": 1}', "[" * 999, "[" * 60_000, " " * 70_000],
    ids=["missing", "empty", "no fields", "a party", "nested", "deep", "long"],
)
def test_folder_that_is_none_is_refused(tmp_path, content):
    folder = tmp_path / "run"
    folder.mkdir()
    if content is not None:
        (folder / "run.json").write_text(content)
    with pytest.raises(MalformedDataError, match=r"run\.json is missing or damaged"):
        RunFolder(folder, federation())
    assert os.listdir(folder) == ([] if content is None else ["run.json"])


def test_round_that_is_dropped_keeps_its_number_and_nothing_else(tmp_path):
    run = RunFolder(tmp_path / "run", federation())
    number, store = run.new_round()
    store.put("contribution", "x", [known_key(2048).public.to_bytes()])
    run.erase(number)
    assert list((tmp_path / "run" / "round-000001").iterdir()) == []
    assert run.new_round()[0] == 2


def round_with_ciphertexts(run):
    number, store = run.new_round()
    store.put("contribution", "x", [known_key(2048).public.to_bytes()])
    return number, store


def files_of(run):
    return sorted(
        path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()
    )


def test_ciphertexts_of_an_aggregator_that_died_are_erased_and_numbers_stay_taken(tmp_path):
    agreed = federation()
    died = RunFolder(tmp_path / "run", agreed)
    for _ in range(3):
        round_with_ciphertexts(died)[1].close()  # As the end of its process does.
    died.keep_transcript(2, TRANSCRIPT)  # It died before it erased the round.
    (died.path / "round-000003" / ".contribution-78.veil.ab_12xyz.part").write_bytes(b"half of it")
    run = RunFolder(tmp_path / "run", agreed)
    run.erase_ended()
    assert files_of(run) == ["round-000002.transcript", "run.json"]
    assert run.new_round()[0] == 4


@pytest.mark.parametrize("trust", ["threshold", "authority", "contributors"])
def test_a_round_that_was_begun_to_be_opened_is_kept_until_it_is_open(tmp_path, trust):
    run = RunFolder(tmp_path / "run", federation(trust))
    assert run.begun() is None
    for _ in range(2):
        number, store = round_with_ciphertexts(run)
        store.put("closed", "round", [])
        store.close()
    with closing(run.begun_after(1)[1]) as store:
        store.put("begun", "round", [])
    run.erase_ended()
    run.erase_ended(up_to=2)
    assert list((run.path / "round-000001").iterdir()) == []
    number, store = run.begun()
    assert (number, store.names("contribution")) == (2, ["x"])
    store.close()
    run.keep_transcript(2, TRANSCRIPT, used=False)  # It is given up.
    assert run.begun() is None
    run.erase_ended()
    assert files_of(run) == ["round-000002.transcript", "round-000002.unused", "run.json"]


def test_openings_that_moved_no_model_are_counted(tmp_path):
    """Also of rounds that were given up: whoever has the key may remember what it opened."""
    model = TRANSCRIPT.descriptor.model_hash
    run = RunFolder(tmp_path / "run", federation())
    assert run.repeats(model) == 0
    told = [abandoned(descriptor(federation(), round_number=n)) for n in (1, 2, 3)]
    for number, used in ((1, False), (2, True), (3, False)):
        run.keep_transcript(number, told[number - 1], used=used)
    again = RunFolder(tmp_path / "run", federation())
    for found in (run, again):
        assert found.repeats(model) == 2
        assert found.repeats(bytes(32)) == 0
    allowing = federation(same_model="allow")
    other = RunFolder(tmp_path / "other", allowing)
    other.keep_transcript(1, abandoned(descriptor(allowing)), used=False)
    assert other.repeats(model) == 0


def test_files_of_others_stay_where_rounds_are_erased(tmp_path):
    run = RunFolder(tmp_path / "run", federation())
    number, store = round_with_ciphertexts(run)
    folder = run.path / "round-000001"
    (folder / "notes").mkdir()
    (folder / "notes" / "thesis.txt").write_text("all of it")
    (folder / "thesis.txt").write_text("all of it")
    run.keep_transcript(number, TRANSCRIPT)
    run.erase(number)
    store.close()
    assert files_of(run) == [
        "round-000001.transcript",
        "round-000001/notes/thesis.txt",
        "round-000001/thesis.txt",
        "run.json",
    ]
    (folder / "notes" / "thesis.txt").rename(tmp_path / "thesis.txt")
    run.erase_ended()


def test_rounds_that_are_not_over_are_not_erased(tmp_path):
    run = RunFolder(tmp_path / "run", federation())
    stores = [round_with_ciphertexts(run)[1] for _ in range(3)]
    for store in stores[:2]:
        store.close()
    run.erase_ended(up_to=1)
    assert list((run.path / "round-000001").iterdir()) == []
    assert stores[1].names("contribution") == ["x"]
    run.erase_ended()  # Somebody is at work on the third.
    assert list((run.path / "round-000002").iterdir()) == []
    assert stores[2].names("contribution") == ["x"]
    run.begun_after(1)[1].put("opening", "x", [known_key(2048).public.to_bytes()])


def test_round_that_was_begun_is_found_again_by_its_number(tmp_path):
    run = RunFolder(tmp_path / "run", federation())
    assert run.begun_after(0) is None
    for _ in range(3):
        run.new_round()
    for number in (999_999, 1_000_000):  # By number: the second name sorts before the first.
        (tmp_path / "run" / f"round-{number}").mkdir()
    run.keep_transcript(2, TRANSCRIPT)
    run.erase(2)
    begun = {after: run.begun_after(after) for after in (0, 1, 3, 999_999)}
    assert {after: number for after, (number, _) in begun.items()} == {
        0: 1,
        1: 3,
        3: 999_999,
        999_999: 1_000_000,
    }
    assert run.begun_after(1_000_000) is None
    begun[1][1].put("opening", "x", [known_key(2048).public.to_bytes()])
    assert list((tmp_path / "run" / "round-000003").iterdir())


def test_what_is_no_path_is_refused():
    for path in (3, b"run", None):
        with pytest.raises(TypeError, match="store must be a path"):
            RunFolder(path, federation())
        with pytest.raises(TypeError, match="must be a path"):
            site_path(path, "site-1")
    with pytest.raises(InvalidArgumentError, match="store is"):
        RunFolder("", federation())


def test_a_description_that_never_ends_is_refused(tmp_path):
    RunFolder(tmp_path / "run", federation())
    (tmp_path / "run" / "run.json").unlink()
    os.mkfifo(tmp_path / "run" / "run.json")
    with pytest.raises(MalformedDataError, match=r"run\.json is missing or damaged"):
        RunFolder(tmp_path / "run", federation())


# ---- the dealer's file ----


def test_federation_file_is_read_and_pinned(tmp_path):
    agreed = federation()
    file = tmp_path / "federation.veil"
    file.write_bytes(agreed.signed_by(Identity.generate("dealer")))
    for text in (agreed.hash.hex(), f"sha256:{agreed.hash.hex().upper()}", f" {agreed.hash.hex()}"):
        pin = parse_hash(text)
        assert agreed_in(read_signed(file), expected_hash=pin).hash == agreed.hash
    assert agreed_in(read_signed(str(file)), expected_hash=None).hash == agreed.hash
    with pytest.raises(PolicyRefusedError):
        agreed_in(read_signed(file), expected_hash=bytes(32))


@pytest.mark.parametrize("text", ["", "abc", "0" * 63, "g" * 64, "sha1:" + "0" * 64])
def test_what_is_no_hash_is_refused(text):
    with pytest.raises(InvalidArgumentError, match="64 hexadecimal digits"):
        parse_hash(text)


def test_what_is_no_federation_file_is_refused(tmp_path):
    with pytest.raises(TypeError, match="federation_hash must be a str"):
        parse_hash(bytes(32))
    with pytest.raises(TypeError, match="federation must be a path"):
        agreed_in(read_signed(1), expected_hash=None)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MalformedDataError, match="no regular file"):
        agreed_in(read_signed(tmp_path / "pipe"), expected_hash=None)
    with pytest.raises(FileNotFoundError):
        agreed_in(read_signed(tmp_path / "none"), expected_hash=None)


# ---- a site's party ----


def test_site_names_stand_in_paths():
    assert site_path("/srv/{site}/run", "site-1").as_posix() == "/srv/site-1/run"
    assert site_path("/srv/run", "site-1").as_posix() == "/srv/run"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0"])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(InvalidArgumentError, match="part of a path"):
        site_path("/srv/{site}", name)


def test_passphrase_is_the_one_line_of_its_file(tmp_path, monkeypatch):
    (tmp_path / "site-1.passphrase").write_bytes(b"five words and no more\r\n")
    (tmp_path / "default").write_bytes(b"another")
    monkeypatch.setenv("VEILSUM_PASSPHRASE_FILE", str(tmp_path / "default"))
    named = str(tmp_path / "{site}.passphrase")
    assert site_passphrase(named, "site-1") == b"five words and no more"
    assert site_passphrase(None, "site-1") == b"another"
    monkeypatch.delenv("VEILSUM_PASSPHRASE_FILE")
    with pytest.raises(PassphraseError, match="VEILSUM_PASSPHRASE_FILE"):
        site_passphrase(None, "site-1")
    with pytest.raises(FileNotFoundError):
        site_passphrase(named, "site-2")


@pytest.mark.parametrize("data", [b"", b"\n", b"one\ntwo\n", b"a\0b", b"x" * 1025])
def test_files_that_are_no_passphrase_are_refused(tmp_path, data):
    file = tmp_path / "passphrase"
    file.write_bytes(data)
    with pytest.raises(PassphraseError, match="one line"):
        site_passphrase(str(file), "site-1")


# ---- whose budget is spent ----


def names_in(error):
    return re.search(r"\((.*)\)", str(error))[1].split(", ")


def test_run_ends_when_too_few_are_left_that_may_contribute():
    agreed = federation(min_contributors=3)
    everybody = [party.name for party in agreed.contributors]
    budgets = Budgets(agreed)
    budgets.told(everybody[0])
    budgets.told("nobody on the roster")
    budgets.check()
    budgets.told(everybody[1])
    with pytest.raises(RunEndedError, match=r"2 of 4 contributors.*; 2 are left") as caught:
        budgets.check(history=["the rounds"])
    assert names_in(caught.value) == everybody[:2]
    assert caught.value.history == ["the rounds"]
    budgets.contributed(everybody[:1])
    budgets.check()
    assert budgets.spent == {everybody[1]}


def test_what_was_said_in_the_place_of_a_party_is_void_when_it_is_reached_elsewhere():
    agreed = federation(min_contributors=3)
    ada, bob, cyd, _ = (party.name for party in agreed.contributors)
    budgets = Budgets(agreed)
    for name, place in ((ada, 1), (bob, 2), (cyd, 3)):
        budgets.told(name, by=place)
    budgets.reached_at({ada: 1, bob: 7})  # One moved, one is gone.
    assert budgets.spent == {ada}
    budgets.check()
