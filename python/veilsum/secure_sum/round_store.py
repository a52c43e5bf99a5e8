"""Where an aggregator keeps what it was sent: in memory, or in a folder that outlives it.

What is put is on the disk, whole, before ``put`` returns.
"""

import hashlib
import os
import re
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Literal, NoReturn, Protocol, TypeAlias, get_args, runtime_checkable

from veilsum import arguments
from veilsum.durable import lock_file, made_folder, open_file, remove_rests, write_file
from veilsum.errors import InvalidArgumentError, MalformedDataError, ProtocolError
from veilsum.wire import FRAME_BYTES, wire_size

__all__ = [
    "FolderStore",
    "MemoryStore",
    "MessageKind",
    "RoundStore",
    "check_closed",
    "erase_messages",
    "has_begun",
    "place_of",
]

MessageKind: TypeAlias = Literal[
    "descriptor",
    "contribution",
    "reported",
    "closed",
    "asked",
    "relayed",
    "drawn",
    "lock",
    "begun",
    "opening",
]
"""Of what a round's messages are: its announcement, contributions, what relays have reported of
others, the closing, what a relay was asked to add, the sums of relays, what was drawn to be shown
of them, the locks of holders, those that holders are shown, what holders opened."""


_LOCK = "lock"
_KINDS = "|".join(get_args(MessageKind))
_FILES = re.compile(f"(?:{_KINDS})-(?:[0-9a-f]{{2}})*\\.veil")
_CUT_FILES = re.compile(f"(?:{_KINDS})-[0-9a-f]*[.veil]{{0,5}}")


@runtime_checkable
class RoundStore(Protocol):
    """Messages by kind and name."""

    def put(self, kind: MessageKind, name: str, frames: Iterable[bytes]) -> None:
        """Keep a message of frames, whole or not at all; an error in ``frames`` keeps nothing."""

    def frames(self, kind: MessageKind, name: str) -> Iterator[bytes]:
        """The message's frames again."""

    def frame(self, kind: MessageKind, name: str, index: int) -> bytes:
        """One of them."""

    def names(self, kind: MessageKind) -> list[str]:
        """Whose messages of this kind there are, sorted."""


class MemoryStore:
    """For simulations: everything ends with the process."""

    def __init__(self) -> None:
        self._messages: dict[tuple[MessageKind, str], list[bytes]] = {}

    def put(self, kind: MessageKind, name: str, frames: Iterable[bytes]) -> None:
        """Keep a message, whole or not at all."""
        _check_place(kind, name)
        self._messages[kind, name] = list(_checked(frames))

    def frames(self, kind: MessageKind, name: str) -> Iterator[bytes]:
        """The message's frames again; InvalidArgumentError if there is no such message."""
        return iter(self._message(kind, name))

    def frame(self, kind: MessageKind, name: str, index: int) -> bytes:
        """One of them; IndexError if the message has fewer."""
        message = self._message(kind, name)
        return message[_position(index, len(message))]

    def names(self, kind: MessageKind) -> list[str]:
        """Whose messages of this kind there are, sorted."""
        _check_place(kind)
        return sorted(name for found, name in self._messages if found == kind)

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self._messages)} messages>"

    def _message(self, kind: MessageKind, name: str) -> list[bytes]:
        _check_place(kind, name)
        if (kind, name) not in self._messages:
            _refuse_absent(kind, name)
        return self._messages[kind, name]


class FolderStore:
    """One file for each message; one round uses a folder of its own, and one store at a time.

    File names are the hexadecimal form of what they hold, so that no name leads elsewhere. The
    folder is locked until ``close``, the end of the object or of its process, however that ends; a
    child that the process forked holds the lock too. Files of others stay as they are, even where
    the store removes its own.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens the folder, or makes it, readable by its owner only.

        Raises:
            StoreInUseError: another store has it open.
        """
        self._folder = Path(os.path.abspath(arguments.path("path", path)))
        busy = (
            f"{self._folder} is in use: one aggregator at a time goes on with a round. Stop the "
            "other one, or close() its store; when a process ends or dies, its folder is free"
        )
        with made_folder(self._folder):
            descriptor = lock_file(self._folder / _LOCK, busy=busy)
        self._unlock = weakref.finalize(self, os.close, descriptor)
        self._offsets: dict[Path, list[int]] = {}
        remove_rests(self._folder, _CUT_FILES)

    def put(self, kind: MessageKind, name: str, frames: Iterable[bytes]) -> None:
        """Keep a message, whole or not at all."""
        if not self._unlock.alive:
            raise InvalidArgumentError(
                "the store is closed, and another one may have its folder; make a new FolderStore"
            )
        target = self._path(kind, name)
        self._offsets.pop(target, None)
        write_file(target, _checked(frames), overwrite=True)

    def frames(self, kind: MessageKind, name: str) -> Iterator[bytes]:
        """The message's frames again.

        Raises:
            InvalidArgumentError: there is no such message.
            MalformedDataError: the file was changed.
        """
        path = self._found(kind, name)
        return _frames_in(path, _frame_offsets(path))

    def frame(self, kind: MessageKind, name: str, index: int) -> bytes:
        """One of them; IndexError if the message has fewer. Other errors as ``frames``."""
        path = self._found(kind, name)
        if path not in self._offsets:
            self._offsets[path] = _frame_offsets(path)
        offsets = self._offsets[path]
        first = _position(index, len(offsets) - 1)
        return next(_frames_in(path, offsets[first : first + 2]))

    def names(self, kind: MessageKind) -> list[str]:
        """Whose messages of this kind there are, sorted.

        Raises:
            MalformedDataError: a file of that kind has a name that no store gave it.
        """
        _check_place(kind)
        return sorted(_name_of(kind, file) for file in self._folder.glob(f"{kind}-*.veil"))

    def clear(self) -> None:
        """Remove all messages, and the folder too if nothing else is in it: the round is over."""
        erase_messages(self._folder)
        with suppress(OSError):
            self._folder.rmdir()
        self.close()

    def close(self) -> None:
        """Let another store have the folder. Nothing can be put any more."""
        self._unlock()

    def __repr__(self) -> str:
        return f"<FolderStore: {self._folder}{'' if self._unlock.alive else ', closed'}>"

    def _found(self, kind: MessageKind, name: str) -> Path:
        path = self._path(kind, name)
        if not os.path.lexists(path):
            _refuse_absent(kind, name)
        return path

    def _path(self, kind: MessageKind, name: str) -> Path:
        _check_place(kind, name)
        encoded = name.encode().hex()
        if len(encoded) > 200:
            raise InvalidArgumentError(
                f"name is {arguments.text_of(name)}, which is too long for a file name; a folder "
                "store takes names of 100 bytes"
            )
        return self._folder / f"{kind}-{encoded}.veil"


def place_of(name: str) -> str:
    """Under which name to keep somebody's messages: names may be longer than file names."""
    return hashlib.sha256(name.encode()).hexdigest()


def erase_messages(folder: Path) -> None:
    """Remove what a ``FolderStore`` has put in its folder, and nothing else."""
    for path in folder.iterdir():
        if _FILES.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)
    remove_rests(folder, _CUT_FILES)
    lock = folder / _LOCK
    if lock.is_file() and lock.stat().st_size == 0:  # As a store makes it.
        lock.unlink()


def has_begun(folder: Path) -> bool:
    """Whether the round in a ``FolderStore``'s folder may have been begun to be opened."""
    return any(folder.glob("begun-*.veil"))


def check_closed(store: RoundStore) -> None:
    """ProtocolError if a store has what follows the closing of a round, which is not there."""
    following: tuple[MessageKind, ...] = ("relayed", "drawn", "lock", "begun", "opening")
    if not store.names("closed") and (found := [kind for kind in following if store.names(kind)]):
        raise ProtocolError(
            f"the store was cut: it has messages of kind {found[0]}, and not the set that the "
            "round was closed with. Take the folder from a copy: holders may have begun to open it"
        )


def _check_place(kind: MessageKind, name: str = "") -> None:
    """That these are what messages are kept under: a kind is part of a file's name."""
    arguments.choice("kind", kind, get_args(MessageKind))
    try:
        arguments.instance("name", name, str).encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"name is {arguments.text_of(name)}, which UTF-8 cannot encode"
        ) from None


def _checked(frames: object) -> Iterator[bytes]:
    if isinstance(frames, (str, bytes)) or not isinstance(frames, Iterable):
        raise TypeError(f"frames must be a list of bytes, not {type(frames).__name__}")
    return (arguments.instance("each of frames", frame, bytes) for frame in frames)


def _position(index: int, count: int) -> int:
    if (found := arguments.count("index", index)) >= count:
        raise IndexError(f"index is {found}; the message has {count} frames")
    return found


def _refuse_absent(kind: MessageKind, name: str) -> NoReturn:
    raise InvalidArgumentError(f"the store has no {kind} under the name {arguments.text_of(name)}")


def _name_of(kind: MessageKind, file: Path) -> str:
    try:
        return bytes.fromhex(file.stem.removeprefix(f"{kind}-")).decode()
    except ValueError:
        raise MalformedDataError(
            f"{file} is no file of this store: no store gives such a name. Remove it"
        ) from None


def _frames_in(path: Path, offsets: list[int]) -> Iterator[bytes]:
    """The frames between these places of a file, one at a time."""
    with open_file(path, what="a message") as file:
        file.seek(offsets[0])
        for begin, end in pairwise(offsets):
            yield file.read(end - begin)


def _frame_offsets(path: Path) -> list[int]:
    """Where each frame begins, and where the last one ends; MalformedDataError if it does not."""
    offsets = [0]
    with open_file(path, what="a message") as file:
        size = os.fstat(file.fileno()).st_size
        while offsets[-1] < size:
            file.seek(offsets[-1])
            offsets.append(offsets[-1] + wire_size(file.read(FRAME_BYTES)))
    if offsets[-1] != size:
        raise MalformedDataError(f"{path} was changed: its last message is not whole")
    return offsets
