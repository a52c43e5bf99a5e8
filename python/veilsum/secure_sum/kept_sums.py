"""The sums of chunks that a holder has checked and added, from its lock to its answer."""

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from veilsum import arguments
from veilsum.durable import lock_file, made_folder, read_file, remove_rests, write_file
from veilsum.errors import StoreInUseError, VeilsumError
from veilsum.secure_sum.fields import HASH_BYTES, check_hash

__all__ = ["KeptSums"]

_FILES = re.compile(r"([0-9a-f]{64})-([0-9]{1,10})\.veil")
_LOCK = "lock"
_MAX_SUM_BYTES = 1 << 30
T = TypeVar("T")


class KeptSums:
    """One set's sums, by chunk: another set takes their place.

    They save a holder from being sent everybody's chunks a second time. What is in them is public,
    and no record: a sum that is lost is made again.

    Args:
        path: the folder, which nobody but the holder can write; made when it is first used. None
            keeps them in memory, for simulations and for holders that live on.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._folder = None if path is None else Path(os.path.abspath(arguments.path("path", path)))
        self._sums: dict[tuple[bytes, int], bytes] = {}

    def has(self, set_hash: bytes, index: int) -> bool:
        """Whether there is something for this chunk; ``find`` says whether it is whole."""
        check_hash("set_hash", set_hash)
        if self._folder is None:
            return (set_hash, index) in self._sums
        return os.path.lexists(self._path(set_hash, index))

    def keep(self, set_hash: bytes, index: int, data: bytes) -> None:
        """Keep the sum of a chunk, if it can be kept; those of other sets go."""
        check_hash("set_hash", set_hash)
        arguments.count("index", index)
        arguments.instance("data", data, bytes)
        if self._folder is None:
            others = [place for place in self._sums if place[0] != set_hash]
            for place in others:
                self._sums.pop(place, None)
            self._sums[set_hash, index] = data
            return
        # What cannot be kept, as on a full disk or beside another process, is made again.
        with suppress(OSError, StoreInUseError), made_folder(self._folder):
            lock = lock_file(self._folder / _LOCK, busy="another process keeps sums here")
            try:
                self._drop_others(set_hash)
                pieces = [_checksum(set_hash, index, data), data]
                # What a power cut leaves of it is found to be damaged.
                write_file(self._path(set_hash, index), pieces, overwrite=True, synced=False)
            finally:
                os.close(lock)

    def find(self, set_hash: bytes, index: int, read: Callable[[bytes], T]) -> T | None:
        """What ``read`` makes of the sum of a chunk; None if it is not here, or was changed."""
        check_hash("set_hash", set_hash)
        try:
            if self._folder is None:
                return read(self._sums[set_hash, index])
            path = self._path(set_hash, index)
            found = read_file(path, max_bytes=_MAX_SUM_BYTES, what="a kept sum")
            checksum, data = found[:HASH_BYTES], found[HASH_BYTES:]
            return read(data) if checksum == _checksum(set_hash, index, data) else None
        except (KeyError, OSError, VeilsumError):
            return None

    def __repr__(self) -> str:
        return f"<KeptSums: {'in memory' if self._folder is None else self._folder}>"

    def _drop_others(self, set_hash: bytes) -> None:
        assert self._folder is not None
        for path in self._folder.iterdir():
            name = _FILES.fullmatch(path.name)
            if name and name[1] != set_hash.hex():
                path.unlink(missing_ok=True)
        remove_rests(self._folder, _FILES)

    def _path(self, set_hash: bytes, index: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{set_hash.hex()}-{index}.veil"


def _checksum(set_hash: bytes, index: int, data: bytes) -> bytes:
    """Against a disk that forgets or mixes up; whoever can write here could write anything."""
    return hashlib.sha256(set_hash + index.to_bytes(4, "little") + data).digest()
