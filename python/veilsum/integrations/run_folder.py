"""An aggregator's folder: its run and its rounds, so that no number is given twice."""

import json
import os
import re
import secrets
import shutil
from pathlib import Path

from veilsum.durable import new_folder, sync, write_file
from veilsum.errors import MalformedDataError, ProtocolError
from veilsum.secure_sum import Federation, FolderStore

__all__ = ["RunFolder"]

_ABOUT = "run.json"
_TRANSCRIPT = ".transcript"
_VERSION = 1
_RUN_ID_BYTES = 16
_MAX_ABOUT_BYTES = 1 << 16


class RunFolder:
    """Where an aggregator keeps a run: what names it, and its rounds.

    A federation answers one run, whose rounds have growing numbers. So an aggregator that starts
    anew goes on with this folder: in the same run, with the number after the last one that was
    ever announced.

    Args:
        path: the folder; made if there is nothing.
        federation: whose run it is.

    Raises:
        MalformedDataError: there is something that is no run's folder.
        ProtocolError: it is of another federation's run.
    """

    def __init__(self, path: str | os.PathLike[str], federation: Federation) -> None:
        self.path = Path(path)
        if not self.path.exists():
            about = {
                "veilsum": "run",
                "version": _VERSION,
                "federation": federation.hash.hex(),
                "run": secrets.token_bytes(_RUN_ID_BYTES).hex(),
            }
            with new_folder(self.path) as staged:
                (staged / _ABOUT).write_text(json.dumps(about, indent=2) + "\n")
        federation_hash, self.run_id = _read_about(self.path / _ABOUT)
        if federation_hash != federation.hash:
            raise ProtocolError(
                f"{self.path} is of another federation's run; a new federation takes a new folder"
            )

    def new_round(self) -> tuple[int, FolderStore]:
        """The next round's number, which is taken from now on, and its store."""
        number = max([*self._numbers(), *self._numbers(_TRANSCRIPT)], default=0) + 1
        folder = self._round(number)
        folder.mkdir(mode=0o700)
        sync(self.path)
        return number, FolderStore(folder)

    def begun_after(self, number: int) -> tuple[int, FolderStore] | None:
        """The first round after this one that has a folder, with its store; None without one."""
        later = min((found for found in self._numbers() if found > number), default=None)
        return None if later is None else (later, FolderStore(self._round(later)))

    def keep_transcript(self, number: int, transcript: bytes) -> None:
        """End a round that was opened: its transcript stays, and its ciphertexts go."""
        folder = self._round(number)
        write_file(folder.with_suffix(_TRANSCRIPT), [transcript], overwrite=True)
        shutil.rmtree(folder, ignore_errors=True)

    def drop(self, number: int) -> None:
        """End a round that was not opened: its ciphertexts go, and its number stays taken."""
        for path in self._round(number).iterdir():
            path.unlink()

    def _round(self, number: int) -> Path:
        return self.path / f"round-{number:06d}"

    def _numbers(self, suffix: str = "") -> list[int]:
        """Of the names that ``_round`` gave, with this suffix."""
        name = re.compile(r"round-([0-9]{6,})" + re.escape(suffix))
        found = (name.fullmatch(path.name) for path in self.path.iterdir())
        return [int(match[1]) for match in found if match]


def _read_about(path: Path) -> tuple[bytes, bytes]:
    """The federation's hash, and the run's name."""
    try:
        with open(path, "rb") as file:
            about = json.loads(file.read(_MAX_ABOUT_BYTES))
        if (about["veilsum"], about["version"]) != ("run", _VERSION):
            raise ValueError
        federation_hash, run_id = bytes.fromhex(about["federation"]), bytes.fromhex(about["run"])
        if len(run_id) != _RUN_ID_BYTES:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise MalformedDataError(
            f"{path.parent} is no aggregator's folder: {path.name} is missing or damaged"
        ) from None
    return federation_hash, run_id
