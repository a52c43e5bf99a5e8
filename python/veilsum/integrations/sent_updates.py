"""Noised updates that a site charged to its privacy ledger, kept to be sent again as they were."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from veilsum import arguments
from veilsum.arrays_file import Arrays, read_arrays, write_arrays
from veilsum.durable import made_folder, remove_rests
from veilsum.errors import MalformedDataError

__all__ = ["SentUpdates"]

_FILES = re.compile(r"[0-9a-f]+\.arrays")


class SentUpdates:
    """A folder with a file for each update, named by what the ledger knows it by.

    It is no record: what was spent is in the ledger, and an update is sent only if that names it.
    So a file that was written and then not charged never leaves.

    Args:
        path: the folder; made when it is first used.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._folder = Path(os.path.abspath(arguments.path("path", path)))

    def keep(
        self, name: bytes, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> None:
        """Have an update on the disk, whole, beside those before."""
        with made_folder(self._folder):
            write_arrays(self._path(name), facts, arrays)

    def find(self, name: bytes) -> tuple[dict[str, Any], Arrays] | None:
        """The facts and arrays of an update; None where it is not here, or is damaged."""
        try:
            return read_arrays(self._path(name))
        except (FileNotFoundError, MalformedDataError):
            return None

    def drop_others(self, name: bytes) -> None:
        """Remove all other updates: of rounds that are over, and what was never sent."""
        kept = self._path(name)
        for path in self._folder.iterdir():
            if _FILES.fullmatch(path.name) and path != kept:
                path.unlink(missing_ok=True)
        remove_rests(self._folder, _FILES)

    def __repr__(self) -> str:
        return f"<SentUpdates: {self._folder}>"

    def _path(self, name: bytes) -> Path:
        return self._folder / f"{name.hex()}.arrays"
