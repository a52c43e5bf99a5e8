"""Disks that are full or read-only, pipes and folders in the place of files, and links."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from dealt_parties import PASSPHRASE, enrolled_and_dealt, join_options, quick, refused, veilsum
from protocol_parties import DIM, NOISE, NOISY_CODEC
from veilsum.identity import Identity, Role
from veilsum.privacy import Ledger
from veilsum.secure_sum import FolderStore, Outbox, PartyFolder, RoundLedger, RunName

DEALER = parties.identity("dealer")
RUN = RunName(b"key", b"federation", 1)
OPTIONS = {"noise": NOISE, "codec": NOISY_CODEC}


@pytest.fixture(scope="module")
def agreed():
    return parties.federation("threshold", chunk_size=8, **OPTIONS)


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of one megabyte, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    try:
        mounted = subprocess.run(command, capture_output=True)
    except OSError:
        mounted = None
    if mounted is None or mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    with open(folder / "fill", "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def error_of(call):
    """The words of the error that a call raises; nothing else of it is kept."""
    try:
        call()
    except ALLOWED as error:
        return str(error)
    pytest.fail("it was accepted")


def remount(folder, how):
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


def makers(folder, agreed):
    """What makes a file or a folder, by its name."""

    def keep_in_outbox():
        outbox = Outbox(folder / "outbox")
        with outbox.locked():
            header = parties.Round(names=("ada",)).messages["ada"]
            frame = parties.frames_of(header)[0]
            outbox.keep(vs.secure_sum.ContributionHeader.from_bytes(frame), [bytes(1 << 16)])

    return {
        "ledger": lambda: Ledger.create(folder / "ledger", epsilon=1.0),
        "rounds": lambda: RoundLedger.create(folder / "rounds", role=Role.HOLDER),
        "identity": lambda: Identity.generate("ada").save(
            folder / "identity", passphrase=PASSPHRASE
        ),
        "store": lambda: FolderStore(folder / "store").put("closed", "round", [bytes(1 << 16)]),
        "outbox": keep_in_outbox,
        "party": lambda: PartyFolder.create(
            folder / "party",
            agreed.signed_by(DEALER),
            identity=parties.identity("ada"),
            passphrase=PASSPHRASE,
            expected_hash=agreed.hash,
        ),
    }


MADE = ("ledger", "rounds", "identity", "store", "outbox", "party")
ALLOWED = (vs.VeilsumError, OSError)


def files_in(folder):
    """Those with something in them, but for locks."""
    return {p.name for p in folder.rglob("*") if p.is_file() and p.name not in ("fill", "lock")}


@pytest.mark.parametrize("name", MADE)
def test_a_full_disk_keeps_nothing_of_what_could_not_be_made(
    tiny_disk, agreed, cheap_key_files, name
):
    make = makers(tiny_disk, agreed)[name]
    fill(tiny_disk)
    assert ".part" not in error_of(make)
    assert files_in(tiny_disk) == set()
    (tiny_disk / "fill").unlink()
    make()
    assert files_in(tiny_disk) != set()


@pytest.mark.parametrize("name", MADE)
def test_a_read_only_disk_is_a_named_error(tiny_disk, agreed, cheap_key_files, name):
    remount(tiny_disk, "ro")
    assert error_of(makers(tiny_disk, agreed)[name])
    remount(tiny_disk, "rw")
    makers(tiny_disk, agreed)[name]()


def test_ledgers_that_cannot_be_written_record_nothing(tiny_disk):
    ledger = Ledger.create(tiny_disk / "ledger", epsilon=4.0, delta=1e-6)
    rounds = RoundLedger.create(tiny_disk / "rounds", role=Role.HOLDER)
    fill(tiny_disk)
    for how in ("rw", "ro"):
        remount(tiny_disk, how)
        with pytest.raises(vs.LedgerError):
            ledger.charge(b"1", **OPTIONS)
        with pytest.raises(vs.LedgerError):
            rounds.record(RUN, 1, b"answer")
    remount(tiny_disk, "rw")
    (tiny_disk / "fill").unlink()
    assert ledger.spent.num_contributions == 0
    assert rounds.answered(RUN) == {}
    ledger.charge(b"1", **OPTIONS)
    rounds.record(RUN, 1, b"answer")


# ---- other things in the place of files ----


@pytest.fixture
def party(tmp_path, agreed, cheap_key_files):
    makers(tmp_path, agreed)["party"]()
    return tmp_path / "party"


def contribute(folder, agreed):
    announced = parties.descriptor(agreed)
    contributor = PartyFolder(folder).contributor(passphrase=PASSPHRASE)
    return contributor.contribute(
        parties.announcement(announced, contributor.name),
        np.zeros(DIM),
        model_hash=announced.model_hash,
    )


@pytest.mark.parametrize("what", ["pipe", "folder", "nothing", "empty", "text"])
@pytest.mark.parametrize(
    "name",
    [
        "party.json",
        "federation.veil",
        "party.identity",
        "privacy.sqlite",
        "contributor-rounds.sqlite",
    ],
)
def test_a_party_whose_file_is_another_thing_sends_nothing(party, agreed, name, what):
    (party / name).unlink()
    if what == "pipe":
        os.mkfifo(party / name)
    elif what == "folder":
        (party / name).mkdir()
    elif what != "nothing":
        (party / name).write_text("no file of veilsum" * 20 * (what == "text"))
    with pytest.raises(ALLOWED, match=name.split(".")[0]):
        contribute(party, agreed)
    assert not (party / "outbox").exists()


def test_a_kept_contribution_that_became_a_pipe_is_no_wait(party, agreed):
    contribute(party, agreed)
    (kept,) = (party / "outbox").glob("*.veil")
    kept.unlink()
    os.mkfifo(kept)
    with pytest.raises(vs.MalformedDataError, match="no regular file"):
        contribute(party, agreed)


@pytest.mark.parametrize("content", [b"", b"text" * 300])
def test_what_is_no_ledger_says_so(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    for kind in (Ledger, RoundLedger):
        with pytest.raises(vs.LedgerError, match=r"not a (round )?(ledger|database)") as failed:
            kind.open(path)
        assert str(path) in str(failed.value)
    Ledger.create(tmp_path / "other", epsilon=1.0)
    with pytest.raises(vs.LedgerError, match="not a round ledger"):
        RoundLedger.open(tmp_path / "other")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    for make in (
        lambda: Ledger.create(tmp_path / "no" / "ledger", epsilon=1.0),
        lambda: RoundLedger.create(tmp_path / "no" / "rounds", role=Role.HOLDER),
        lambda: Identity.generate("ada").save(tmp_path / "no" / "identity", passphrase="x" * 12),
    ):
        with pytest.raises(FileNotFoundError, match="no such folder") as failed:
            make()
        assert failed.value.filename == str(tmp_path / "no")


def test_no_file_is_made_through_a_link_that_leads_nowhere(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for make in (
        lambda: Ledger.create(tmp_path / "link", epsilon=1.0),
        lambda: RoundLedger.create(tmp_path / "link", role=Role.HOLDER),
        lambda: Identity.generate("ada").save(tmp_path / "link", passphrase="x" * 12),
    ):
        with pytest.raises(FileExistsError):
            make()
    assert {path.name for path in tmp_path.iterdir()} == {"link"}


# ---- working directories ----


def test_a_party_stays_where_it_was_when_the_process_goes_elsewhere(
    party, agreed, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    store, outbox, folder = FolderStore("store"), Outbox("outbox"), PartyFolder("party")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    store.put("closed", "round", [b""])
    with outbox.locked():
        pass
    assert folder.contributor(passphrase=PASSPHRASE).name == "ada"
    assert folder.path == Path("party")
    assert list(elsewhere.iterdir()) == []


# ---- the command line ----


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    return folder, enrolled_and_dealt(folder)


def test_commands_do_not_wait_for_a_pipe(place, tmp_path, monkeypatch):
    quick(monkeypatch, tmp_path)
    folder, _ = place
    os.mkfifo(tmp_path / "pipe")
    result = veilsum("inspect", tmp_path / "pipe")
    assert result.exit_code == 1
    assert "no regular file" in result.stdout
    assert "no regular file" in refused(
        "inspect", folder / "dealt" / "federation.veil", "--federation", tmp_path / "pipe"
    )


def test_a_link_to_an_identity_is_no_second_identity(place, tmp_path, monkeypatch):
    quick(monkeypatch, tmp_path)
    folder, dealt = place
    shutil.copytree(folder / "bob", tmp_path / "bob")
    arguments = join_options(folder, folder / "dealt", "bob", dealt["hash"])
    position = arguments.index("--identity") + 1
    arguments[position] = tmp_path / "bob" / "bob.identity"
    assert veilsum(*arguments, "--out", tmp_path / "run").exit_code == 0
    (tmp_path / "other").mkdir()
    arguments[position] = tmp_path / "other" / "linked.identity"
    arguments[position].symlink_to(tmp_path / "bob" / "bob.identity")
    assert "joined a federation" in refused(*arguments, "--out", tmp_path / "again")
