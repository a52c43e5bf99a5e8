"""What is said to be on the disk is there after the power was cut, at any step; SQLite is trusted.

SIGKILL cannot show that: what a killed process wrote is still written. So here a disk is modelled
that keeps what was synced and nothing else.
"""

import itertools
import os
import stat

import protocol_parties as parties
import pytest
from test_round_store import FRAMES
from veilsum import durable
from veilsum.secure_sum import ContributionHeader, FolderStore, Outbox
from veilsum.secure_sum.merkle import leaf_hash, merkle_root

HEADER = ContributionHeader.signed(
    parties.identity("ada"),
    round_id=bytes(32),
    num_chunks=len(FRAMES),
    root=merkle_root([leaf_hash(frame) for frame in FRAMES]),
)
CONTRIBUTION = [HEADER.to_bytes(), *FRAMES]


class PowerCutError(BaseException):
    pass


class Disk:
    """Lets ``num_steps`` syncs and renames happen below a folder, then cuts the power."""

    def __init__(self, monkeypatch, root, num_steps):
        root.mkdir()
        self._root = root
        self._contents = {}  # Of files, by their number, as they were synced.
        self._names = {}  # In folders, likewise: name -> (number, whether it is a folder).
        self._pinned = []  # Open descriptors: no number is used again for another file.
        self._steps_left = num_steps
        self._rename, self._link = os.rename, os.link
        durable.sync(root)
        self._remember(os.open(root, os.O_RDONLY))
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(os, "rename", self.rename)
        monkeypatch.setattr(os, "replace", self.rename)
        monkeypatch.setattr(os, "link", self.link)

    def fsync(self, descriptor):
        self._step()
        self._remember(os.dup(descriptor))

    def rename(self, source, target):
        self._step()
        self._rename(source, target)

    def link(self, source, target):
        self._step()
        self._link(source, target)

    def after_the_cut(self, target):
        """What is found when the power is back."""
        for descriptor in self._pinned:
            os.close(descriptor)
        self._restore(self._root.stat().st_ino, target)
        return target

    def _step(self):
        if self._steps_left == 0:
            raise PowerCutError
        self._steps_left -= 1

    def _remember(self, descriptor):
        self._pinned.append(descriptor)
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            with os.scandir(descriptor) as entries:
                self._names[about.st_ino] = {e.name: (e.inode(), e.is_dir()) for e in entries}
        else:
            self._contents[about.st_ino] = os.pread(descriptor, about.st_size, 0)

    def _restore(self, number, target):
        target.mkdir()
        for name, (child, is_folder) in self._names.get(number, {}).items():
            if is_folder:
                self._restore(child, target / name)
            else:
                (target / name).write_bytes(self._contents.get(child, b""))


def cut_at_every_step(tmp_path, monkeypatch, work):
    """For each step: what ``work`` had finished when the power went, and what is found then."""
    for num_steps in itertools.count():
        done = []
        with monkeypatch.context() as patch:
            disk = Disk(patch, tmp_path / f"disk-{num_steps}", num_steps)
            try:
                work(tmp_path / f"disk-{num_steps}", done)
                is_cut = False
            except PowerCutError:
                is_cut = True
        yield len(done), disk.after_the_cut(tmp_path / f"found-{num_steps}")
        if not is_cut:
            assert num_steps > 2
            return


def test_what_was_put_in_a_store_is_there(tmp_path, monkeypatch):
    versions = [FRAMES, FRAMES[::-1], FRAMES[:1]]

    def work(root, done):
        store = FolderStore(root / "deep" / "round")
        for version in versions:
            store.put("contribution", "ada", version)
            done.append(version)

    for num_done, found in cut_at_every_step(tmp_path, monkeypatch, work):
        store = FolderStore(found / "deep" / "round")
        if store.names("contribution"):
            # All that was put, or already what was being put.
            whole = list(store.frames("contribution", "ada"))
            assert whole in versions[max(0, num_done - 1) : num_done + 1]
        else:
            assert num_done == 0


def test_what_was_put_in_an_outbox_is_there(tmp_path, monkeypatch):
    def work(root, done):
        outbox = Outbox(root / "outbox")
        with outbox.locked():
            outbox.keep(HEADER, CONTRIBUTION)
        done.append(CONTRIBUTION)

    for num_done, found in cut_at_every_step(tmp_path, monkeypatch, work):
        kept = Outbox(found / "outbox").find(HEADER.commitment)
        if num_done == 0 and kept is None:
            continue
        assert list(kept[1]) == CONTRIBUTION


def test_a_new_folder_appears_with_all_that_is_in_it(tmp_path, monkeypatch):
    def work(root, done):
        with durable.new_folder(root / "party") as folder:
            (folder / "inner").mkdir()
            for name in ("one", "inner/two"):
                (folder / name).write_bytes(b"whole")
        done.append("party")

    for num_done, found in cut_at_every_step(tmp_path, monkeypatch, work):
        if (found / "party").exists() or num_done > 0:
            for name in ("one", "inner/two"):
                assert (found / "party" / name).read_bytes() == b"whole"


@pytest.mark.parametrize("forgotten", ["contents", "names"])
def test_the_model_shows_a_sync_that_is_left_out(tmp_path, monkeypatch, forgotten):
    disk = Disk(monkeypatch, tmp_path / "disk", num_steps=99)
    sync = os.fsync

    def careless(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if is_folder != (forgotten == "names"):
            sync(descriptor)

    monkeypatch.setattr(os, "fsync", careless)
    durable.write_file(tmp_path / "disk" / "file", [b"whole"], overwrite=True)
    found = disk.after_the_cut(tmp_path / "found") / "file"
    assert found.read_bytes() == b"" if forgotten == "contents" else not found.exists()
