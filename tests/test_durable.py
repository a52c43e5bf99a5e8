"""Files that are written whole or not at all, and what is left where one cannot be made."""

import os
import socket
import stat

import pytest
import veilsum as vs
from known_keys import known_key
from veilsum.durable import write_file

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
