"""A round of which the messages of all contributors are made and played, however many there are.

Nothing is multiplied: aggregator and holders do all that they do for so many, each in a process of
its own. A few contributors keep their records on the disk, as always, and are timed; the others
make their contributions just so, from updates of their own, with records in memory, which is
faster. That no mask is used twice is no luxury: the errors of masks add up, and only those of
different ones stay so small that the sum opens.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from veilsum.secure_sum import Contributor, RoundLedger

from bench import phases
from bench.clock import Account
from bench.libraries import Library
from bench.parties import new_party, take
from bench.process import Worker
from bench.records import Record
from bench.seats import DESCRIPTOR, FEDERATION, INVITED, SUM, leave_secret
from bench.secure_sum import AGGREGATOR, CONTRIBUTOR, HOLDER, Keys, Parties, Size

MAX_STORED_BYTES = 1 << 30  # Of bodies, on the aggregator's disk.
_AT_ONCE = 64  # Contributions that wait for the aggregator.
_TIMEOUT_SECONDS = 3600  # Of one request to a process.


def measure(
    name: str,
    keys: Keys,
    size: Size,
    *,
    folder: Path,
    progress: Callable[[str], object],
    chunk_size: int = 512,
    max_stored_bytes: int = MAX_STORED_BYTES,
) -> Record:
    """Play one masked round; aggregator and holders are in two processes of their own.

    Args:
        name: of the method, in the tables.
        keys: what the federation encrypts under, and what each holder has.
        size: of the round; of so many contributors ``num_measured`` are timed.
        folder: an empty one, for all records and messages.
        progress: told what is going on.
        chunk_size: ciphertexts a chunk.
        max_stored_bytes: if all contributions are longer together, the aggregator's store keeps of
            each what holders are asked, and no body.
    """
    crowd = _Crowd(name, keys, size, folder, "masked", chunk_size)
    first = crowd.make(0)
    keeps_bodies = size.num_contributors * sum(map(len, first)) <= max_stored_bytes
    with _Seat("AggregatorSeat") as aggregator, _Seat("HoldersSeat") as holders:
        aggregator.call("sit", folder=str(folder), keeps_bodies=keeps_bodies)
        holders.call("sit", folder=str(folder))
        waiting = [crowd.leave(0, first)]
        for index in range(1, size.num_contributors):
            if len(waiting) == _AT_ONCE:
                progress(f"{name}: contribution {index} of {size.num_contributors}")
                aggregator.call("receive", paths=waiting)
                waiting = []
            waiting.append(crowd.leave(index, crowd.make(index)))
        aggregator.call("receive", paths=waiting)
        request, answer = str(folder / "request"), str(folder / "answer")
        while asked := aggregator.call("requests")["holders"]:
            for holder in asked:
                progress(f"{name}: {holder} of {len(asked)}")
                aggregator.call("ask", holder=holder, path=request)
                holders.call("open", holder=holder, path=request, answer=answer)
                aggregator.call("hear", path=answer)
        aggregator.call("finish")
        return crowd.method(
            aggregator.call("report"),
            holders.call("report"),
            keeps_bodies=keeps_bodies,
        )


class _Seat(Worker):
    """The other end of a process of :mod:`bench.seats`."""

    def __init__(self, kind: str) -> None:
        library = Library("veilsum", f"bench.seats:{kind}")
        super().__init__(library, sys.executable, timeout_seconds=_TIMEOUT_SECONDS)

    def call(self, method: str, **options: Any) -> Record:
        """Call a method there, and wait until it is done."""
        return self.ask("call", method=method, **options)


class _Crowd(Parties):
    """The contributors, and what the others find in the folder."""

    def __init__(
        self, name: str, keys: Keys, size: Size, folder: Path, scheme: str, chunk_size: int
    ) -> None:
        super().__init__(name, keys, size, folder, scheme, chunk_size)
        self._expected = np.zeros(size.dim)
        self._accounts: list[Account] = []
        (folder / FEDERATION).write_bytes(self.federation.to_bytes())
        (folder / DESCRIPTOR).write_bytes(self.descriptor.to_bytes())
        (folder / INVITED).write_bytes(self.invited.to_bytes())
        leave_secret(folder / "aggregator", self.aggregator)
        for identity, key in self.held.items():
            leave_secret(folder / identity.name, identity)
            leave_secret(folder / f"{identity.name} key", key)

    def make(self, index: int) -> list[bytes]:
        """A contributor's frames."""
        update = self.update(index)
        self._expected += update
        if index < self.size.num_measured:
            self._accounts.append(Account())
            with phases.watched(self.clock):
                return self.make_contribution(index, self._accounts[-1])
        identity = self._identities[index]
        contributor = Contributor(self.federation, identity, rounds=RoundLedger.in_memory())
        return self.frames(contributor, self.announcement(index), update)

    def leave(self, index: int, frames: list[bytes]) -> str:
        """Put a contribution where the aggregator finds it."""
        path = self._folder / f"{index}.contribution"
        with path.open("wb") as file:
            file.writelines(frames)
        return str(path)

    def method(self, aggregator: Record, holders: Record, *, keeps_bodies: bool) -> Record:
        """All of it."""
        size = self.size
        error = self.check(np.load(self._folder / SUM), self._expected, count=size.num_contributors)
        contributors = new_party(CONTRIBUTOR, size.num_contributors)
        take(contributors, self._accounts)
        server = new_party(AGGREGATOR, 1, [aggregator])
        server["sent"] += size.num_contributors * contributors["received"]
        opener = new_party(HOLDER, len(holders["accounts"]), [holders])
        return self.record(
            [contributors, server, opener],
            error,
            num_played=size.num_contributors,
            stored="contributions" if keeps_bodies else "what holders are asked",
            peak_bytes={AGGREGATOR: aggregator["peak_bytes"], HOLDER: holders["peak_bytes"]},
            baseline_bytes={
                AGGREGATOR: aggregator["baseline_bytes"],
                HOLDER: holders["baseline_bytes"],
            },
        )
