"""Where an aggregator keeps messages: whole or not at all, and nowhere else."""

import stat
import subprocess
import sys

import pytest
import veilsum as vs
from validation_rules import rule
from veilsum.secure_sum import FolderStore, MemoryStore
from veilsum.wire import WireKind, Writer

NAMES = ("ada", "klinik-ö", "../../etc/passwd", "a/b", ".", "con", "x" * 100)


def frame(body):
    writer = Writer(WireKind.CHUNK, 1)
    writer.bytes(body)
    return writer.finish()


FRAMES = [frame(b"head"), frame(b""), frame(bytes(5000)), frame(b"tail")]


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else FolderStore(tmp_path / "round")


def test_messages_come_back_frame_by_frame(store):
    for name in NAMES:
        store.put("contribution", name, iter(FRAMES))
    store.put("closed", "round", [FRAMES[0]])
    assert store.names("contribution") == sorted(NAMES)
    assert store.names("closed") == ["round"]
    assert store.names("opening") == []
    for name in NAMES:
        assert list(store.frames("contribution", name)) == FRAMES
        for index, expected in enumerate(FRAMES):
            assert store.frame("contribution", name, index) == expected


def test_a_message_put_again_replaces_the_first(store):
    store.put("opening", "1", FRAMES)
    assert store.frame("opening", "1", 3) == FRAMES[3]
    store.put("opening", "1", FRAMES[::-1])
    assert [store.frame("opening", "1", i) for i in range(4)] == FRAMES[::-1]


def test_an_error_within_a_message_keeps_nothing(store, tmp_path):
    def failing():
        yield FRAMES[0]
        raise vs.ProtocolError("the second frame is wrong")

    with pytest.raises(vs.ProtocolError):
        store.put("contribution", "ada", failing())
    assert store.names("contribution") == []
    assert {path.name for path in tmp_path.glob("round/*")} <= {"lock"}
    store.put("contribution", "ada", FRAMES)
    with pytest.raises(vs.ProtocolError):
        store.put("contribution", "ada", failing())
    assert list(store.frames("contribution", "ada")) == FRAMES


def test_a_folder_is_found_again(tmp_path):
    FolderStore(tmp_path / "a" / "round").put("contribution", "ada", FRAMES)
    again = FolderStore(tmp_path / "a" / "round")  # The first one ended with its last use.
    assert again.names("contribution") == ["ada"]
    assert list(again.frames("contribution", "ada")) == FRAMES
    again.clear()
    assert not (tmp_path / "a" / "round").exists()


def test_only_the_owner_reads_a_folder_and_no_name_leads_out_of_it(tmp_path):
    store = FolderStore(tmp_path / "round")
    for name in NAMES:
        store.put("contribution", name, FRAMES)
    (tmp_path / "round" / "lock").unlink()
    assert stat.S_IMODE((tmp_path / "round").stat().st_mode) == 0o700
    files = list((tmp_path / "round").iterdir())
    assert len(files) == len(NAMES)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert list(tmp_path.iterdir()) == [tmp_path / "round"]


def test_what_a_dying_process_left_is_removed(tmp_path):
    store = FolderStore(tmp_path / "round")
    store.put("contribution", "ada", FRAMES)
    store.close()
    (tmp_path / "round" / "tmp1234.part").write_bytes(FRAMES[0])
    again = FolderStore(tmp_path / "round")
    assert again.names("contribution") == ["ada"]
    assert not list((tmp_path / "round").glob("*.part"))


@rule("RS3")
def test_a_folder_has_one_store_at_a_time(tmp_path):
    store = FolderStore(tmp_path / "round")
    with pytest.raises(vs.StoreInUseError, match="one aggregator at a time"):
        FolderStore(tmp_path / "round")
    store.put("contribution", "ada", FRAMES)
    store.close()
    store.close()
    other = FolderStore(tmp_path / "round")
    with pytest.raises(vs.InvalidArgumentError, match="closed"):
        store.put("contribution", "bob", FRAMES)
    with pytest.raises(vs.StoreInUseError):
        FolderStore(tmp_path / "round")
    assert other.names("contribution") == ["ada"]
    del other
    FolderStore(tmp_path / "round")


HOLDING = """
import sys, time
from veilsum.secure_sum import FolderStore
store = FolderStore(sys.argv[1])
print("open", flush=True)
time.sleep(600)
"""


def test_a_process_that_is_killed_frees_its_folder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, tmp_path / "round"], stdout=subprocess.PIPE
    )
    with process.stdout:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(vs.StoreInUseError):
            FolderStore(tmp_path / "round")
        process.kill()
        process.wait()
    FolderStore(tmp_path / "round")


def test_a_process_that_could_not_lock_removes_nothing(tmp_path):
    """What another process is writing now is no rest of a dead one."""
    store = FolderStore(tmp_path / "round")

    def frames():
        yield FRAMES[0]
        with pytest.raises(vs.StoreInUseError):
            FolderStore(tmp_path / "round")
        yield FRAMES[1]

    store.put("contribution", "ada", frames())
    assert list(store.frames("contribution", "ada")) == FRAMES[:2]


@rule("RS2")
def test_a_name_has_room_in_a_file_name(tmp_path):
    store = FolderStore(tmp_path / "round")
    for name in ("x" * 101, "ö" * 51):
        with pytest.raises(vs.InvalidArgumentError, match="100 bytes"):
            store.put("contribution", name, FRAMES)
    assert store.names("contribution") == []
