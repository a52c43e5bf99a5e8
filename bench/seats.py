"""An aggregator and key holders that sit in processes of their own: their memory is theirs alone.

What is sent lies in files of the round's folder, a message a file. Whoever reads or writes one does
it in nobody's turn, as if it came and went over a network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
from veilsum.identity import Role
from veilsum.keyfile import SavedSecret
from veilsum.secure_sum import (
    Aggregator,
    Federation,
    FolderStore,
    Identity,
    Invitations,
    KeptSums,
    KeyHolder,
    RoundDescriptor,
    RoundLedger,
)
from veilsum.secure_sum.round_store import MessageKind

from bench import phases
from bench.clock import Account, Clock
from bench.memory import peak_bytes
from bench.records import Record
from bench.workload import Pipeline

FEDERATION, DESCRIPTOR, INVITED, SUM = "federation", "descriptor", "invited", "sum.npy"
_PIECE_BYTES = 1 << 16  # As they come from a socket.

S = TypeVar("S", bound=SavedSecret)


def leave_secret(path: Path, secret: SavedSecret) -> None:
    """For another process. A passphrase's 128 MB would be all that is seen of its memory."""
    path.with_suffix(".secret").write_bytes(secret._to_secret())
    path.with_suffix(".public").write_bytes(secret._to_public())


def find_secret(kind: type[S], path: Path) -> S:
    """What was left."""
    secret = bytearray(path.with_suffix(".secret").read_bytes())
    return kind._from_parts(secret, path.with_suffix(".public").read_bytes())


class Seat(Pipeline):
    """A process in which parties sit."""

    packages: ClassVar[tuple[str, ...]] = ("numpy",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self._clock = Clock()
        self._accounts: dict[str, Account] = {}
        self._baseline = 0

    def _sit_down(self, folder: str) -> None:
        self._folder = Path(folder)
        self._federation = Federation.from_bytes((self._folder / FEDERATION).read_bytes())
        _ = self._federation.bodies

    def report(self) -> Record:
        """What each party spent, and the memory of the process; ``baseline``: before the round."""
        return {
            "accounts": [vars(account) for account in self._accounts.values()],
            "peak_bytes": peak_bytes(),
            "baseline_bytes": self._baseline,
        }

    @contextlib.contextmanager
    def _turn(self, account: Account, phase: str) -> Iterator[None]:
        with phases.watched(self._clock), self._clock.turn(account, phase):
            yield

    def _read(self, account: Account, path: str) -> Iterator[bytes]:
        """A message that this party is sent, in pieces; its file is then gone."""
        with self._clock.pause():
            file = open(path, "rb")  # Closed below.
        with file:
            while True:
                with self._clock.pause():
                    piece = file.read(_PIECE_BYTES)
                if not piece:
                    break
                account.received += len(piece)
                yield piece
        with self._clock.pause():
            Path(path).unlink()

    def _write(self, account: Account, path: str, frames: Iterable[bytes]) -> None:
        """A message that this party sends, frame by frame as it is made."""
        with open(path, "wb") as file:
            for frame in frames:
                with self._clock.pause():
                    file.write(frame)
                account.sent += len(frame)


class AggregatorSeat(Seat):
    """The aggregator sits alone."""

    def sit(self, folder: str, *, keeps_bodies: bool) -> Record:
        """Take part in the round of a folder. Of contributions the store keeps all, or the keys."""
        self._sit_down(folder)
        self._account = self._accounts["aggregator"] = Account()
        kept = None if keeps_bodies else 1 + self._federation.num_opened
        self._baseline = peak_bytes()
        self._aggregator = Aggregator(
            self._federation,
            find_secret(Identity, self._folder / "aggregator"),
            RoundDescriptor.from_bytes((self._folder / DESCRIPTOR).read_bytes()),
            invited=Invitations.from_bytes((self._folder / INVITED).read_bytes()),
            store=FolderStore(self._folder / "store") if kept is None else self._keys(kept),
            num_threads=1,
        )
        return {}

    def _keys(self, num_kept: int) -> KeyStore:
        return KeyStore(self._folder / "store", num_kept=num_kept)

    def receive(self, paths: list[str]) -> Record:
        """Take contributions, as many together as it checks together."""
        messages = (self._read(self._account, path) for path in paths)
        with self._turn(self._account, "hash, verify, store"):
            arrivals = self._aggregator.receive_all(messages)
        for arrival in arrivals:
            if arrival.error is not None:
                raise arrival.error
        return {}

    def requests(self) -> Record:
        """Whom it asks next."""
        with self._turn(self._account, phases.CLOSE):
            self._requests = self._aggregator.open_requests()
        return {"holders": list(self._requests)}

    def ask(self, holder: str, path: str) -> Record:
        """Make the request to one of them."""
        with self._turn(self._account, phases.MAKE_REQUESTS):
            self._write(self._account, path, self._requests.pop(holder))
        return {}

    def hear(self, path: str) -> Record:
        """Take an answer."""
        with self._turn(self._account, "read openings"):
            self._aggregator.receive_opening(self._read(self._account, path))
        return {}

    def finish(self) -> Record:
        """Combine and decode; the sum is left in a file."""
        with self._turn(self._account, "read openings"):
            opened = self._aggregator.finish().sum
        np.save(self._folder / SUM, opened.values)
        return {}


class KeyStore(FolderStore):
    """Keeps of a contribution no more than holders are asked: its header and first chunks.

    Bodies of ten thousand contributors are some gigabytes that nobody asks for again in a round
    that is not interrupted.
    """

    def __init__(self, path: Path, *, num_kept: int) -> None:
        super().__init__(path)
        self._num_kept = num_kept

    def put(self, kind: MessageKind, name: str, frames: Iterable[bytes]) -> None:
        """Frames that are not kept are read all the same: they are checked as they are read."""
        if kind == "contribution":
            frames = (frame for i, frame in enumerate(frames) if i < self._num_kept)
        super().put(kind, name, frames)


class HoldersSeat(Seat):
    """All holders sit in one process, and take turns."""

    def sit(self, folder: str) -> Record:
        """Take part in the round of a folder."""
        self._sit_down(folder)
        self._baseline = peak_bytes()
        self._holders: dict[str, KeyHolder] = {}
        kind = self._federation.bodies.secret_type
        for party in self._federation.holders:
            place = self._folder / party.name
            self._accounts[party.name] = Account()
            self._holders[party.name] = KeyHolder(
                self._federation,
                find_secret(Identity, place),
                key=find_secret(kind, place.with_name(f"{party.name} key")),
                rounds=RoundLedger.create(place.with_suffix(".rounds"), role=Role.HOLDER),
                sums=KeptSums(place.with_suffix(".sums")),
            )
        return {}

    def open(self, holder: str, path: str, answer: str) -> Record:
        """One of them answers a request."""
        account = self._accounts[holder]
        with self._turn(account, "read"):
            frames = self._holders[holder].open_in_frames(self._read(account, path), num_threads=1)
            self._write(account, answer, frames)
        return {}
