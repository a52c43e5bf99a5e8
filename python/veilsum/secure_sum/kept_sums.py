"""The sums of chunks that a holder has checked and added, from its lock to its answer."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from veilsum import arguments
from veilsum.durable import made_folder, read_file, remove_rests, write_file
from veilsum.errors import VeilsumError
from veilsum.secure_sum.fields import check_hash

__all__ = ["KeptSums"]

_FILES = re.compile(r"([0-9a-f]{64})-([0-9]{1,10})\.veil")
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

    def keep(self, set_hash: bytes, index: int, data: bytes) -> None:
        """Keep the sum of a chunk; those of other sets go."""
        check_hash("set_hash", set_hash)
        arguments.count("index", index)
        arguments.instance("data", data, bytes)
        self._drop_others(set_hash)
        if self._folder is None:
            self._sums[set_hash, index] = data
            return
        with made_folder(self._folder):
            write_file(self._path(set_hash, index), [data], overwrite=True)

    def find(self, set_hash: bytes, index: int, read: Callable[[bytes], T]) -> T | None:
        """What ``read`` makes of the sum of a chunk; None if it is not here, or damaged."""
        check_hash("set_hash", set_hash)
        try:
            if self._folder is None:
                return read(self._sums[set_hash, index])
            path = self._path(set_hash, index)
            return read(read_file(path, max_bytes=_MAX_SUM_BYTES, what="a kept sum"))
        except (KeyError, FileNotFoundError, VeilsumError):
            return None

    def __repr__(self) -> str:
        return f"<KeptSums: {'in memory' if self._folder is None else self._folder}>"

    def _drop_others(self, set_hash: bytes) -> None:
        if self._folder is None:
            self._sums = {place: data for place, data in self._sums.items() if place[0] == set_hash}
            return
        others = [
            path
            for path in self._paths()
            if (name := _FILES.fullmatch(path.name)) and name[1] != set_hash.hex()
        ]
        for path in others:
            path.unlink(missing_ok=True)
        if others:
            remove_rests(self._folder, _FILES)

    def _paths(self) -> list[Path]:
        assert self._folder is not None
        return list(self._folder.iterdir()) if self._folder.is_dir() else []

    def _path(self, set_hash: bytes, index: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{set_hash.hex()}-{index}.veil"
