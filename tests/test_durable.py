"""Files that are written whole or not at all, and what is left where one cannot be made."""

import errno
import os
import socket
import stat

import pytest
import veilsum as vs
from known_keys import known_key
from veilsum.durable import DurableFile, new_folder, write_file
from veilsum.secure_sum import FolderStore, Outbox

PASSPHRASE = "four words of mine"


def make_pipe(path):
    os.mkfifo(path)


def make_device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


@pytest.mark.parametrize("is_linked", [False, True])
@pytest.mark.parametrize("make", [make_pipe, make_device, make_socket])
def test_what_is_no_regular_file_is_not_overwritten(tmp_path, make, is_linked, cheap_key_files):
    place = tmp_path / "place"
    make(place)
    before = place.stat()
    target = place
    if is_linked:
        target = tmp_path / "link"
        target.symlink_to(place)
    files = set(tmp_path.iterdir())
    key = known_key(2048)
    for write in (
        lambda: write_file(target, [b"new"], overwrite=True),
        lambda: key.public.save(target, overwrite=True),
        lambda: key.secret.save(target, passphrase=PASSPHRASE, overwrite=True),
    ):
        with pytest.raises(vs.InvalidArgumentError, match="no regular file"):
            write()
    assert (place.stat().st_mode, place.stat().st_ino) == (before.st_mode, before.st_ino)
    assert set(tmp_path.iterdir()) == files


def test_a_folder_is_not_overwritten(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_file(tmp_path, iter(lambda: pytest.fail("it was read"), None), overwrite=True)
    assert list(tmp_path.iterdir()) == []


def test_links_are_followed_when_files_are_overwritten(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for content in (b"made", b"replaced"):
        write_file(tmp_path / "link", [content], overwrite=True)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "file").read_bytes() == content


NAMES = ["\N{GRINNING FACE}" * 63, "\N{EURO SIGN}" * 84, "x" * 255, "a" + "\N{GRINNING FACE}" * 63]


@pytest.mark.parametrize("name", NAMES, ids=len)
def test_every_name_that_a_file_may_have_can_be_written(tmp_path, name):
    for content in (b"made", b"replaced"):
        write_file(tmp_path / name, [content], overwrite=content == b"replaced")
        assert (tmp_path / name).read_bytes() == content
    (tmp_path / name).unlink()
    with new_folder(tmp_path / name) as staged:
        (staged / name).touch()
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def create(path):
    DurableFile.create(path, schema="CREATE TABLE a (b);", what="ledger")


def test_a_record_has_room_for_its_journal(tmp_path):
    create(tmp_path / ("x" * 247))
    with DurableFile(tmp_path / ("x" * 247), what="ledger").transaction() as connection:
        connection.execute("INSERT INTO a VALUES (1)")
    for name in ("x" * 248, "\N{GRINNING FACE}" * 63):
        with pytest.raises(OSError, match="journal") as failed:
            create(tmp_path / name)
        assert failed.value.errno == errno.ENAMETOOLONG
    (tmp_path / "ledger-journal").write_bytes(b"of a ledger that was here")
    with pytest.raises(FileExistsError, match="ledger-journal exists"):
        create(tmp_path / "ledger")
    assert len(list(tmp_path.iterdir())) == 2


def use_store(path):
    FolderStore(path)


def use_outbox(path):
    with Outbox(path).locked():
        pass


def use_folder(path):
    with new_folder(path):
        pass


@pytest.mark.parametrize("make", [use_store, use_outbox, use_folder])
def test_a_folder_that_cannot_be_made_leaves_none(tmp_path, make):
    (tmp_path / "old").mkdir()
    for start in ("new", "old"):
        with pytest.raises(OSError, match="too long"):
            make(tmp_path / start / "deep" / ("x" * 300))
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]
    make(tmp_path / "new" / "deep" / "folder")
    assert (tmp_path / "new" / "deep" / "folder").is_dir()


def test_an_error_while_a_folder_is_filled_leaves_none(tmp_path):
    def fill_it():
        with new_folder(tmp_path / "new" / "deep" / "folder") as staged:
            (staged / "file").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fill_it()
    assert list(tmp_path.iterdir()) == []
