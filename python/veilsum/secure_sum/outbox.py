"""The contribution that a contributor made last, kept so that it can be sent again."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from veilsum.durable import replace_file
from veilsum.errors import MalformedDataError
from veilsum.secure_sum.contribution import ContributionHeader
from veilsum.secure_sum.merkle import leaf_hash, merkle_root
from veilsum.wire import split_frames

__all__ = ["Outbox"]

_READ_BYTES = 1 << 20


class Outbox:
    """One contribution in a file; the next one takes its place.

    It is no record: what was answered and spent is in the ledgers, and a contribution that they do
    not know is not sent. What is in it is ciphertexts, for the aggregator to have.

    Args:
        path: the file; nothing need be there yet.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def put(self, frames: Iterable[bytes]) -> None:
        """Keep a contribution, whole and on the disk, in the place of the one before."""
        replace_file(self._path, frames)
        for rest in self._path.parent.glob(f"{self._path.name}.*.part"):  # Of one that died.
            rest.unlink(missing_ok=True)

    def header(self, round_id: bytes) -> ContributionHeader | None:
        """The header of what is kept, if that is a contribution to this round, and undamaged."""
        try:
            frames = self.frames()
            header = ContributionHeader.from_bytes(next(frames, b""))
            leaves = [leaf_hash(frame) for frame in frames]
        except (FileNotFoundError, MalformedDataError):
            return None
        is_whole = len(leaves) == header.num_chunks and merkle_root(leaves) == header.root
        return header if is_whole and header.round_id == round_id else None

    def frames(self) -> Iterator[bytes]:
        """What is kept, frame by frame."""
        with open(self._path, "rb") as file:
            pieces = iter(lambda: file.read(_READ_BYTES), b"")
            yield from split_frames(pieces, max_frame_bytes=os.fstat(file.fileno()).st_size)
