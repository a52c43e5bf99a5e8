"""What the adapters of all frameworks share, and what they say where their framework is missing."""

import os
import subprocess
import sys

import pytest
from known_keys import known_key
from protocol_parties import federation
from veilsum.errors import InvalidArgumentError, MalformedDataError, PassphraseError, ProtocolError
from veilsum.integrations.run_folder import RunFolder
from veilsum.integrations.site_party import read_passphrase, site_path


@pytest.mark.parametrize("framework", ["flower", "nvflare", "torch"])
def test_missing_framework_is_named_with_its_extra(framework):
    module = {"flower": "flwr"}.get(framework, framework)
    code = f"import sys; sys.modules[{module!r}] = None; import veilsum.integrations.{framework}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("veilsum.errors.MissingExtraError: ")
    assert f"pip install 'veilsum[{framework}]'" in last


# ---- an aggregator's folder ----


def test_rounds_have_growing_numbers_across_restarts(tmp_path):
    agreed = federation()
    first = RunFolder(tmp_path / "run", agreed)
    assert [first.new_round()[0] for _ in range(2)] == [1, 2]
    first.keep_transcript(2, b"what was signed")
    second = RunFolder(tmp_path / "run", agreed)
    assert second.run_id == first.run_id
    assert second.new_round()[0] == 3
    assert first.new_round()[0] == 4
    assert not (tmp_path / "run" / "round-000002").exists()
    assert (tmp_path / "run" / "round-000002.transcript").read_bytes() == b"what was signed"


def test_runs_have_names_of_their_own(tmp_path):
    agreed = federation()
    runs = [RunFolder(tmp_path / name, agreed) for name in ("a", "b")]
    assert runs[0].run_id != runs[1].run_id
    assert all(len(run.run_id) == 16 for run in runs)
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


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
    "content", [None, "", "{}", '{"veilsum": "party", "version": 1}', "[" * 999]
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
    run.drop(number)
    assert list((tmp_path / "run" / "round-000001").iterdir()) == []
    assert run.new_round()[0] == 2


def test_round_that_was_begun_is_found_again_by_its_number(tmp_path):
    run = RunFolder(tmp_path / "run", federation())
    assert run.begun_after(0) is None
    for _ in range(3):
        run.new_round()
    for number in (999_999, 1_000_000):  # By number: the second name sorts before the first.
        (tmp_path / "run" / f"round-{number}").mkdir()
    run.keep_transcript(2, b"what was signed")
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
    assert read_passphrase(named, "site-1") == b"five words and no more"
    assert read_passphrase(None, "site-1") == b"another"
    monkeypatch.delenv("VEILSUM_PASSPHRASE_FILE")
    with pytest.raises(PassphraseError, match="VEILSUM_PASSPHRASE_FILE"):
        read_passphrase(None, "site-1")
    with pytest.raises(FileNotFoundError):
        read_passphrase(named, "site-2")


@pytest.mark.parametrize("data", [b"", b"\n", b"one\ntwo\n", b"a\0b", b"x" * 1025])
def test_files_that_are_no_passphrase_are_refused(tmp_path, data):
    file = tmp_path / "passphrase"
    file.write_bytes(data)
    with pytest.raises(PassphraseError, match="one line"):
        read_passphrase(str(file), "site-1")
