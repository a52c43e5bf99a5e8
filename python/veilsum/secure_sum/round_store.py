"""Where an aggregator keeps what it was sent: in memory, or in a folder that outlives it.

What is put is on the disk, whole, before ``put`` returns.
"""

import os
import shutil
import weakref
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from veilsum import arguments
from veilsum.durable import lock_file, make_folder, write_file
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.wire import FRAME_BYTES, wire_size

__all__ = ["FolderStore", "MemoryStore", "RoundStore"]


class RoundStore(Protocol):
    """Messages by kind and name."""

    def put(self, kind: str, name: str, frames: Iterable[bytes]) -> None:
        """Keep a message of frames, whole or not at all; an error in ``frames`` keeps nothing."""

    def frames(self, kind: str, name: str) -> Iterator[bytes]:
        """The message's frames again."""

    def frame(self, kind: str, name: str, index: int) -> bytes:
        """One of them."""

    def names(self, kind: str) -> list[str]:
        """Whose messages of this kind there are, sorted."""


class MemoryStore:
    """For simulations: everything ends with the process."""

    def __init__(self) -> None:
        self._messages: dict[tuple[str, str], list[bytes]] = {}

    def put(self, kind: str, name: str, frames: Iterable[bytes]) -> None:
        """Keep a message, whole or not at all."""
        self._messages[kind, name] = list(frames)

    def frames(self, kind: str, name: str) -> Iterator[bytes]:
        """The message's frames again."""
        return iter(self._messages[kind, name])

    def frame(self, kind: str, name: str, index: int) -> bytes:
        """One of them."""
        return self._messages[kind, name][index]

    def names(self, kind: str) -> list[str]:
        """Whose messages of this kind there are, sorted."""
        return sorted(name for found, name in self._messages if found == kind)


class FolderStore:
    """One file for each message; one round uses a folder of its own, and one store at a time.

    File names are the hexadecimal form of what they hold, so that no name leads elsewhere. The
    folder is locked until ``close``, the end of the object or of its process, however that ends; a
    child that the process forked holds the lock too.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens the folder, or makes it, readable by its owner only.

        Raises:
            StoreInUseError: another store has it open.
        """
        self._folder = Path(arguments.path("path", path))
        make_folder(self._folder)
        busy = (
            f"{self._folder} is in use: one aggregator at a time goes on with a round. Stop the "
            "other one, or close() its store; when a process ends or dies, its folder is free"
        )
        self._unlock = weakref.finalize(self, os.close, lock_file(self._folder / "lock", busy=busy))
        self._offsets: dict[Path, list[int]] = {}
        for rest in self._folder.glob("*.part"):  # Of a process that died within ``put``.
            rest.unlink(missing_ok=True)

    def put(self, kind: str, name: str, frames: Iterable[bytes]) -> None:
        """Keep a message, whole or not at all."""
        if not self._unlock.alive:
            raise InvalidArgumentError("the store is closed: another one may have its folder")
        target = self._path(kind, name)
        self._offsets.pop(target, None)
        write_file(target, frames, overwrite=True)

    def frames(self, kind: str, name: str) -> Iterator[bytes]:
        """The message's frames again."""
        path = self._path(kind, name)
        offsets = _frame_offsets(path)
        with open(path, "rb") as file:
            for begin, end in pairwise(offsets):
                yield file.read(end - begin)

    def frame(self, kind: str, name: str, index: int) -> bytes:
        """One of them."""
        path = self._path(kind, name)
        if path not in self._offsets:
            self._offsets[path] = _frame_offsets(path)
        begin, end = self._offsets[path][index : index + 2]
        with open(path, "rb") as file:
            file.seek(begin)
            return file.read(end - begin)

    def names(self, kind: str) -> list[str]:
        """Whose messages of this kind there are, sorted."""
        files = self._folder.glob(f"{kind}-*.veil")
        stems = (file.stem.removeprefix(f"{kind}-") for file in files)
        return sorted(bytes.fromhex(stem).decode() for stem in stems)

    def clear(self) -> None:
        """Remove the folder: the round is over."""
        shutil.rmtree(self._folder)
        self.close()

    def close(self) -> None:
        """Let another store have the folder. Nothing can be put any more."""
        self._unlock()

    def _path(self, kind: str, name: str) -> Path:
        encoded = name.encode().hex()
        if len(encoded) > 200:
            raise InvalidArgumentError(
                f"the name {name} is too long for a file; a folder store takes 100 bytes"
            )
        return self._folder / f"{kind}-{encoded}.veil"


def _frame_offsets(path: Path) -> list[int]:
    """Where each frame begins, and where the last one ends; MalformedDataError if it does not."""
    offsets, size = [0], path.stat().st_size
    with open(path, "rb") as file:
        while offsets[-1] < size:
            file.seek(offsets[-1])
            offsets.append(offsets[-1] + wire_size(file.read(FRAME_BYTES)))
    if offsets[-1] != size:
        raise MalformedDataError(f"{path} was changed: its last message is not whole")
    return offsets
