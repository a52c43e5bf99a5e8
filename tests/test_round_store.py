"""Where an aggregator keeps messages: whole or not at all, and nowhere else."""

import os
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
    for name in ("ada", "x" * 50, "x" * 100):
        start = f"contribution-{name.encode().hex()}.veil"[:100]
        (tmp_path / "round" / f".{start}.ab_12xyz.part").write_bytes(FRAMES[0])
    again = FolderStore(tmp_path / "round")
    assert again.names("contribution") == ["ada"]
    assert not list((tmp_path / "round").glob("*.part"))


def test_files_of_others_stay_in_a_folder(tmp_path):
    others = {
        "thesis.txt",
        "movie.mkv.part",
        ".movie.mkv.part",
        ".thesis.ab_12xyz.part",
        ".contribution-ab.veil.part",
        "contribution-xyz.veil",
        "contribution-ab.veil.bak",
        "notes/thesis.txt",
        "closed-ab.veil/thesis.txt",
    }
    (tmp_path / "round" / "notes").mkdir(parents=True)
    (tmp_path / "round" / "closed-ab.veil").mkdir()
    for name in others:
        (tmp_path / "round" / name).write_text("not of a store")
    store = FolderStore(tmp_path / "round")
    store.put("contribution", "ada", FRAMES)
    store.clear()
    found = {
        path.relative_to(tmp_path / "round").as_posix()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert found == others


def test_a_lock_that_holds_something_is_of_others(tmp_path):
    (tmp_path / "round").mkdir()
    (tmp_path / "round" / "lock").write_text("the number of my bicycle lock")
    FolderStore(tmp_path / "round").clear()
    assert (tmp_path / "round" / "lock").read_text()


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


@rule("RS4")
@pytest.mark.parametrize("kind", ["../evil", "/tmp/evil", "", "*", "contribution/..", "CLOSED"])
def test_a_kind_is_one_of_few_words_and_leads_nowhere(store, tmp_path, kind):
    for call in (
        lambda: store.put(kind, "ada", FRAMES),
        lambda: store.frames(kind, "ada"),
        lambda: store.frame(kind, "ada", 0),
        lambda: store.names(kind),
    ):
        with pytest.raises(vs.InvalidArgumentError, match="kind is"):
            call()
    assert {path.name for path in tmp_path.rglob("*")} <= {"round", "lock"}


def test_a_message_that_is_not_there_is_an_error_with_its_name(store):
    for call in (store.frames, lambda kind, name: store.frame(kind, name, 0)):
        with pytest.raises(vs.InvalidArgumentError, match="no contribution under the name 'ada'"):
            call("contribution", "ada")
    store.put("contribution", "ada", FRAMES)
    with pytest.raises(IndexError, match="index is 4; the message has 4 frames"):
        store.frame("contribution", "ada", 4)
    for wrong in (-1, True, "0", None):
        with pytest.raises((TypeError, vs.InvalidArgumentError), match="index"):
            store.frame("contribution", "ada", wrong)


def test_frames_are_bytes_and_what_is_wrong_keeps_nothing(store):
    for wrong in (b"bytes", "text", None, 3, ["text"], [FRAMES[0], None], [bytearray(FRAMES[0])]):
        with pytest.raises(TypeError, match="frames"):
            store.put("contribution", "ada", wrong)
    assert store.names("contribution") == []


def test_strange_files_in_the_folder_are_errors_and_no_wait(tmp_path):
    store = FolderStore(tmp_path / "round")
    store.put("contribution", "ada", FRAMES)
    (message,) = (tmp_path / "round").glob("*.veil")
    message.unlink()
    os.mkfifo(message)
    for call in (
        lambda: list(store.frames("contribution", "ada")),
        lambda: store.frame("contribution", "ada", 0),
    ):
        with pytest.raises(vs.MalformedDataError, match="no regular file"):
            call()
    message.unlink()
    message.mkdir()
    with pytest.raises(IsADirectoryError):
        store.frame("contribution", "ada", 0)
    message.rmdir()
    message.symlink_to(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        store.frame("contribution", "ada", 0)
    (tmp_path / "round" / "contribution-xyz.veil").touch()
    with pytest.raises(vs.MalformedDataError, match=r"contribution-xyz\.veil is no file of this"):
        store.names("contribution")


def test_stores_say_what_they_are(tmp_path):
    store = FolderStore(tmp_path / "round")
    assert repr(store) == f"<FolderStore: {tmp_path / 'round'}>"
    store.close()
    assert repr(store) == f"<FolderStore: {tmp_path / 'round'}, closed>"
    memory = MemoryStore()
    memory.put("closed", "round", FRAMES)
    assert repr(memory) == "<MemoryStore: 1 messages>"
