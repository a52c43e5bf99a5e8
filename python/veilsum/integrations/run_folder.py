"""An aggregator's folder: its run and its rounds, so that no number is given twice."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from veilsum import arguments
from veilsum.durable import lock_file, new_folder, read_file, sync, write_file
from veilsum.errors import MalformedDataError, ProtocolError, StoreInUseError
from veilsum.secure_sum import Federation, FolderStore, RunChain, Transcript
from veilsum.secure_sum.round_store import erase_messages, has_begun

__all__ = ["MAX_TRANSCRIPT_BYTES", "RunFolder"]

_ABOUT = "run.json"
_LOCK = "lock"
_TRANSCRIPT = ".transcript"
_UNUSED = ".unused"  # Of a round whose sum moved no model.
_VERSION = 2
_MAX_ABOUT_BYTES = 1 << 16
MAX_TRANSCRIPT_BYTES = 1 << 32


class RunFolder:
    """Where an aggregator keeps a run: what names it, and its rounds.

    A federation answers one run, whose rounds have growing numbers. So an aggregator that starts
    anew goes on with this folder: in the same run, with the number after the last one that was
    ever announced. What stays of a round is its transcript, if it was opened, and its number.

    Args:
        path: the folder; made if there is nothing.
        federation: whose run it is.

    Raises:
        MalformedDataError: there is something that is no run's folder.
        ProtocolError: it is of another federation's run.
    """

    def __init__(self, path: str | os.PathLike[str], federation: Federation) -> None:
        self.path = Path(arguments.path("store", path))
        if not self.path.exists():
            about = {
                "veilsum": "run",
                "version": _VERSION,
                "federation": federation.hash.hex(),
            }
            with new_folder(self.path) as staged:
                (staged / _ABOUT).write_text(json.dumps(about, indent=2) + "\n")
        self._federation = federation
        if _read_about(self.path / _ABOUT) != federation.hash:
            raise ProtocolError(
                f"{self.path} is of another federation's run; a new federation takes a new folder"
            )

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Nobody else uses the run meanwhile; what others have done with it before is known.

        Raises:
            StoreInUseError: somebody else uses it.
        """
        busy = (
            f"{self.path} is in use: one aggregator at a time goes on with a run. Stop the other "
            "one; when its process ends or dies, the folder is free"
        )
        descriptor = lock_file(self.path / _LOCK, busy=busy)
        try:
            self.__dict__.pop("_opened", None)
            yield
        finally:
            os.close(descriptor)

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

    def keep_transcript(self, number: int, transcript: Transcript, *, used: bool = True) -> None:
        """Have the transcript of a round that was begun on the disk; ``erase`` ends the round.

        Args:
            number: of the round.
            transcript: with its link, if it was opened. Without one the round is given up, though
                whoever has the key may have opened it.
            used: whether the model is another one after it.
        """
        if not used:
            write_file(self._round(number).with_suffix(_UNUSED), [], overwrite=True)
        path = self._round(number).with_suffix(_TRANSCRIPT)
        write_file(path, [transcript.to_bytes()], overwrite=True)
        self._opened.add(transcript, used=used)

    def transcripts(self) -> list[Path]:
        """The files of the transcripts that are kept, in the order of their rounds."""
        numbers = sorted(self._numbers(_TRANSCRIPT))
        return [self._round(number).with_suffix(_TRANSCRIPT) for number in numbers]

    @property
    def chain(self) -> RunChain:
        """The links of the rounds that were opened, as their transcripts have them.

        Raises:
            MalformedDataError: a transcript was changed.
        """
        return self._opened.chain

    def repeats(self, model_hash: bytes) -> int:
        """How many rounds of this run may have opened this model, and left it as it was.

        What holders remember of them, no other contributors get past (``RoundDescriptor.repeat``).
        0 where nobody remembers. Errors as ``chain``.
        """
        unused = self._opened.unused.values()
        return list(unused).count(model_hash) if self._federation.refuses_same_model else 0

    @cached_property
    def _opened(self) -> "_Opened":
        opened = _Opened()
        for number in sorted(self._numbers(_TRANSCRIPT)):
            path = self._round(number).with_suffix(_TRANSCRIPT)
            data = read_file(path, max_bytes=MAX_TRANSCRIPT_BYTES, what="a transcript")
            used = not self._round(number).with_suffix(_UNUSED).exists()
            opened.add(Transcript.from_bytes(data), used=used)
        return opened

    def erase(self, number: int) -> None:
        """End a round, opened or not: its ciphertexts go, and its number stays taken.

        What somebody else put in the round's folder stays, and the folder with it.
        """
        folder = self._round(number)
        erase_messages(folder)
        if folder.with_suffix(_TRANSCRIPT).exists():
            with suppress(OSError):
                folder.rmdir()

    def begun(self) -> tuple[int, FolderStore] | None:
        """A round that holders may have begun to open and that was not opened, with its store.

        Holders of shares answer no later round before it is open. There is at most one.
        """
        number = self.round_begun()
        return None if number is None else (number, FolderStore(self._round(number)))

    def round_begun(self) -> int | None:
        """The number of the round that ``begun`` goes on with, which stays closed."""
        return next((number for number in self._numbers() if self._is_begun(number)), None)

    def round_in_use(self) -> int | None:
        """The number of a round that somebody is at work on; None if there is none."""
        for number in self._numbers():
            try:
                FolderStore(self._round(number)).close()
            except StoreInUseError:
                return number
        return None

    def erase_ended(self, *, up_to: int | None = None) -> None:
        """Erase what rounds left behind whose aggregator died: all of them, or up to a number.

        A round that somebody is at work on stays as it is, and so does one that was begun to be
        opened.
        """
        for number in self._numbers():
            if (up_to is not None and number > up_to) or self._is_begun(number):
                continue
            with suppress(StoreInUseError), closing(FolderStore(self._round(number))):
                self.erase(number)

    def _is_begun(self, number: int) -> bool:
        folder = self._round(number)
        return has_begun(folder) and not folder.with_suffix(_TRANSCRIPT).exists()

    def _round(self, number: int) -> Path:
        return self.path / f"round-{number:06d}"

    def _numbers(self, suffix: str = "") -> list[int]:
        """Of the names that ``_round`` gave, with this suffix."""
        name = re.compile(r"round-([0-9]{6,})" + re.escape(suffix))
        found = (name.fullmatch(path.name) for path in self.path.iterdir())
        return [int(match[1]) for match in found if match]


class _Opened:
    """The rounds of a run that were opened."""

    def __init__(self) -> None:
        self.chain = RunChain()
        self.unused: dict[int, bytes] = {}
        """The models of those that left the model as it was, by their numbers."""

    def add(self, transcript: Transcript, *, used: bool) -> None:
        """Another round; one that is there already is no news."""
        if transcript.link is not None:
            self.chain.add(transcript.link)
        if not used:
            descriptor = transcript.descriptor
            self.unused[descriptor.round_number] = descriptor.model_hash


def _read_about(path: Path) -> bytes:
    """The federation's hash."""
    try:
        about = json.loads(read_file(path, max_bytes=_MAX_ABOUT_BYTES, what="a run's description"))
        if (about["veilsum"], about["version"]) != ("run", _VERSION):
            raise ValueError
        federation_hash = bytes.fromhex(about["federation"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise MalformedDataError(
            f"{path.parent} is no aggregator's folder: {path.name} is missing or damaged"
        ) from None
    return federation_hash
