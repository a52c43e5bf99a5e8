"""The history of a run in a file: every round of every start, in the words of ``SumRecord``."""

import datetime
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from veilsum.durable import read_file, write_file
from veilsum.errors import MalformedDataError, ProtocolError
from veilsum.fedavg.history import for_json
from veilsum.integrations.flower.rounds import SumRecord

__all__ = ["HistoryFile"]

_VERSION = 1
_MAX_BYTES = 1 << 28


class HistoryFile:
    """A file of JSON that always is whole, and goes on when a ServerApp starts anew.

    Version 1 is an object with ``"veilsum": "history"``, ``"version": 1``, ``"federation"``, the
    federation's hash in hexadecimal, and ``"rounds"``, in the order of their ends. A round has the
    attributes of ``SumRecord`` under their names; a time is as ISO 8601 has it, in UTC. Readers
    pass over names that they do not know. A float that is not finite is null.

    Args:
        path: of the file; ``add`` makes it.
        federation_hash: whose run it is.

    Raises:
        MalformedDataError: the file is damaged, or no history.
        ProtocolError: it is of another federation's run.
    """

    def __init__(self, path: Path, federation_hash: bytes) -> None:
        self.path = path
        self._federation = federation_hash.hex()
        self.rounds()

    def rounds(self) -> list[dict[str, Any]]:
        """The rounds as the file has them; none where it is not there. Errors as the class."""
        try:
            data = read_file(self.path, max_bytes=_MAX_BYTES, what="a history")
        except FileNotFoundError:
            return []
        try:
            found = json.loads(data)
            if (found["veilsum"], found["version"]) != ("history", _VERSION):
                raise ValueError
            rounds = list(map(_checked, found["rounds"]))
            federation = str(found["federation"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise MalformedDataError(
                f"{self.path} is no history of version {_VERSION}, or is damaged: put it back, or "
                "move it away and a new one is begun. The run itself does not need it"
            ) from None
        if federation != self._federation:
            raise ProtocolError(
                f"{self.path} is the history of another federation's run: give each run a folder "
                "of its own (artefacts)"
            )
        return rounds

    def add(self, *records: SumRecord) -> None:
        """Have these rounds in the file, on the disk when it returns.

        A round that is there already, as of a ServerApp that died when it ended, is replaced.

        Raises:
            OSError: it cannot be written; it is as it was.
        """
        by_number = {found["round_number"]: found for found in self.rounds()}
        for record in records:
            by_number.pop(record.round_number, None)
            by_number[record.round_number] = _plain(record)
        history = {
            "veilsum": "history",
            "version": _VERSION,
            "federation": self._federation,
            "rounds": list(by_number.values()),
        }
        text = json.dumps(history, indent=2, allow_nan=False) + "\n"
        write_file(self.path, [text.encode()], overwrite=True)


def _plain(record: SumRecord) -> dict[str, Any]:
    plain: dict[str, Any] = for_json(asdict(record))
    return plain | {"ended": record.ended.isoformat(timespec="seconds")}


def _checked(found: Any) -> dict[str, Any]:
    """A round, of which what the run itself reads is what it should be; else ValueError."""
    if not isinstance(found, dict) or type(found["round_number"]) is not int:
        raise ValueError
    datetime.datetime.fromisoformat(found["ended"])
    return found
