"""The contributions that a contributor made, kept so that the last one can be sent again."""

import os
import re
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from veilsum import arguments
from veilsum.durable import lock_file, made_folder, open_file, remove_rests, write_file
from veilsum.errors import MalformedDataError
from veilsum.secure_sum.contribution import ContributionHeader
from veilsum.secure_sum.merkle import HASH_BYTES, leaf_hash, merkle_root
from veilsum.wire import split_frames

__all__ = ["Outbox"]

_READ_BYTES = 1 << 20
_FILES = re.compile(f"[0-9a-f]{{{2 * HASH_BYTES}}}\\.veil")


class Outbox:
    """A folder with one file for each contribution, named by what its header commits to.

    It is no record: what was answered and spent is in the ledgers, and a contribution is handed out
    only if they name it. So a file that was written and then refused, or that belongs to another
    round, never leaves. What is in it is ciphertexts, for the aggregator to have.

    One contributor at a time works with it; whoever is second gets a StoreInUseError.

    Args:
        path: the folder; made when it is first used.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._folder = Path(os.path.abspath(arguments.path("path", path)))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else works with the folder inside.

        Raises:
            StoreInUseError: somebody else works with it.
        """
        busy = (
            f"{self._folder} is in use: another process or thread of this contributor is making a "
            "contribution. Ask again when it is done: the same contribution is handed out"
        )
        with made_folder(self._folder):
            descriptor = lock_file(self._folder / "lock", busy=busy)
        try:
            yield
        finally:
            os.close(descriptor)

    def keep(self, header: ContributionHeader, frames: Iterable[bytes]) -> None:
        """Have a contribution on the disk, whole, beside those before. Nothing is handed out."""
        arguments.instance("header", header, ContributionHeader)
        write_file(self._path(header.commitment), frames, overwrite=True)

    def find(self, commitment: bytes) -> tuple[ContributionHeader, Iterator[bytes]] | None:
        """The contribution of this commitment, if it is here and undamaged: its header and frames.

        The frames stay readable when the file is removed.
        """
        try:
            file = open_file(self._path(commitment), what="a contribution")
        except FileNotFoundError:
            return None
        header = _checked(file, commitment)
        if header is None:
            file.close()
            return None
        file.seek(0)
        return header, _Frames(file)

    def drop(self, commitment: bytes) -> None:
        """Remove a contribution that is not to be sent."""
        self._path(commitment).unlink(missing_ok=True)

    def drop_others(self, commitment: bytes) -> None:
        """Remove all other contributions: rounds that are over, and what was never sent."""
        kept = self._path(commitment)
        for path in self._folder.iterdir():
            if _FILES.fullmatch(path.name) and path != kept:
                path.unlink(missing_ok=True)
        remove_rests(self._folder, _FILES)

    def __repr__(self) -> str:
        return f"<Outbox: {self._folder}>"

    def _path(self, commitment: bytes) -> Path:
        arguments.instance("commitment", commitment, bytes)
        return self._folder / f"{commitment.hex()}.veil"


def _checked(file: BinaryIO, commitment: bytes) -> ContributionHeader | None:
    """The header, if the file holds the whole contribution of this commitment."""
    frames = _read(file)
    try:
        header = ContributionHeader.from_bytes(next(frames, b""))
        leaves = [leaf_hash(frame) for frame in frames]
    except MalformedDataError:
        return None
    is_whole = len(leaves) == header.num_chunks and merkle_root(leaves) == header.root
    return header if is_whole and header.commitment == commitment else None


def _read(file: BinaryIO) -> Iterator[bytes]:
    pieces = iter(lambda: file.read(_READ_BYTES), b"")
    return split_frames(pieces, max_frame_bytes=os.fstat(file.fileno()).st_size)


class _Frames(Iterator[bytes]):
    """The frames of an open file, which is closed when nobody holds them any more."""

    def __init__(self, file: BinaryIO) -> None:
        self._frames = _read(file)
        weakref.finalize(self, file.close)

    def __next__(self) -> bytes:
        return next(self._frames)
