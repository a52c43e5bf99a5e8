"""How the updates of a round are summed: encrypted, or in the clear for comparison.

A round's sum takes one contribution after another and gives the total at the end. A contribution
that is refused changes nothing.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from veilsum.codec import SlotCodec
from veilsum.errors import ProtocolError
from veilsum.fedavg.history import Meter
from veilsum.opened_sum import Sum
from veilsum.privacy import Ledger, Noise
from veilsum.secure_sum import Aggregator, Contributor, KeyHolder, RunChain
from veilsum.secure_sum.clipping import log_clipping

__all__ = ["ClearFloatSum", "ClearIntegerSum", "EncryptedSum", "RoundSum"]


class RoundSum(Protocol):
    """The sum of one round."""

    round_id: bytes
    """What clients' ledgers know the round by."""

    def check(self, name: str) -> None:
        """Refuse, before the client trains, what ``add`` would refuse whatever it trained."""

    def add(self, name: str, delta: NDArray[np.floating], weight: float) -> None:
        """Take one client's update and weight; any error leaves the sum as it was."""

    def clipped(self, name: str) -> float | None:
        """The part of this client's values that were clipped; None of one that did not send."""

    def finish(self) -> Sum:
        """The total of what was added."""


class ClearFloatSum:
    """Ordinary federated averaging: the baseline. The server sees every update."""

    def __init__(self, dim: int, *, round_id: bytes, meter: Meter) -> None:
        self.round_id = round_id
        self._total = np.zeros(dim)
        self._weight = 0.0
        self._num_addends = 0
        self._meter = meter

    def check(self, name: str) -> None:
        """Nothing is refused."""

    def clipped(self, name: str) -> float | None:
        """Nothing is clipped."""
        return None

    def add(self, name: str, delta: NDArray[np.floating], weight: float) -> None:
        """Add ``weight * delta``."""
        with self._meter.phase("add"):
            with np.errstate(over="ignore", invalid="ignore"):
                self._total += weight * delta.astype(np.float64)
            self._weight += weight
            self._num_addends += 1
        self._meter.traffic("contributions", delta.nbytes)

    def finish(self) -> Sum:
        """The weighted sum."""
        if self._num_addends == 0:
            raise ProtocolError("no client contributed")
        return Sum(self._total, self._weight, self._num_addends)


class ClearIntegerSum:
    """The very integers that encryption would sum, noise and all, summed in the clear.

    For simulating many settings fast. The result is that of ``EncryptedSum`` bit for bit (given the
    same noise); the server sees every update.
    """

    def __init__(
        self,
        codec: SlotCodec,
        *,
        noise: Noise | None,
        ledgers: dict[str, Ledger],
        round_id: bytes,
        min_contributors: int,
        meter: Meter,
        num_threads: int | None,
    ) -> None:
        self._codec = codec
        self._noise = noise
        self._ledgers = ledgers
        self.round_id = round_id
        self._clipped: dict[str, float] = {}
        self._min_contributors = min_contributors
        self._meter = meter
        self._num_threads = num_threads
        self._slots = np.zeros(codec.dim + 1, np.int64)
        self._num_addends = 0

    def check(self, name: str) -> None:
        """Ask the client's ledger."""
        if self._noise is not None:
            self._ledgers[name].check(self.round_id, noise=self._noise, codec=self._codec)

    def clipped(self, name: str) -> float | None:
        """Of this client."""
        return self._clipped.get(name)

    def add(self, name: str, delta: NDArray[np.floating], weight: float) -> None:
        """Quantise, add noise, charge the client's ledger, add."""
        self._codec.check_num_addends(self._num_addends + 1)
        with self._meter.phase("encrypt"):
            slots, report = self._codec.quantise(
                delta, weight=weight, noise=self._noise, num_threads=self._num_threads
            )
            log_clipping(name, report, self._codec)
            if self._noise is not None:
                ledger = self._ledgers[name]
                ledger.charge(self.round_id, noise=self._noise, codec=self._codec)
        with self._meter.phase("add"):
            self._slots += slots
            self._num_addends += 1
            self._clipped[name] = report.num_clipped / self._codec.dim
        self._meter.traffic("contributions", slots.nbytes)

    def finish(self) -> Sum:
        """The sum that the integers stand for; ProtocolError of too few contributions."""
        if self._num_addends < self._min_contributors:
            raise ProtocolError(
                f"{self._num_addends} clients contributed, fewer than {self._min_contributors}"
            )
        with self._meter.phase("open"):
            return self._codec.dequantise(self._slots, num_addends=self._num_addends)


class EncryptedSum:
    """A secure sum with all its messages, each party played in this process."""

    def __init__(
        self,
        aggregator: Aggregator,
        *,
        announcements: dict[str, bytes],
        round_id: bytes,
        contributors: dict[str, Contributor],
        model_hash: bytes,
        holder: Callable[[str], KeyHolder],
        chain: RunChain,
        meter: Meter,
        num_threads: int | None,
    ) -> None:
        """What each contributor is sent, who opens by name, and where the round's link goes."""
        self._aggregator = aggregator
        self.round_id = round_id
        self._clipped: dict[str, float] = {}
        self._announcements = announcements
        self._chain = chain
        self._contributors = contributors
        self._model_hash = model_hash
        self._holder = holder
        self._meter = meter
        self._num_threads = num_threads
        meter.traffic("broadcast", sum(map(len, announcements.values())))

    def check(self, name: str) -> None:
        """Ask the client's contributor."""
        self._contributors[name].before_training(
            self._announcements[name], model_hash=self._model_hash
        )

    def clipped(self, name: str) -> float | None:
        """Of this client."""
        return self._clipped.get(name)

    def add(self, name: str, delta: NDArray[np.floating], weight: float) -> None:
        """Let the client make its contribution and the aggregator receive it."""
        with self._meter.phase("encrypt"):
            message = self._contributors[name].contribute(
                self._announcements[name],
                delta,
                model_hash=self._model_hash,
                weight=weight,
                num_threads=self._num_threads,
            )
        self._meter.traffic("contributions", len(message))
        with self._meter.phase("add"):
            self._aggregator.receive(message)
        report = self._contributors[name].last_report
        if report is not None:
            self._clipped[name] = report.num_clipped / delta.size

    def finish(self) -> Sum:
        """Let the holders of the key open the total."""
        with self._meter.phase("open"):
            self._open()
            self._add_link()
            return self._aggregator.finish().sum

    def settle(self) -> None:
        """Finish an opening that was interrupted once holders had begun: they demand it."""
        if self._aggregator.must_finish:
            self._open()
        self._add_link()

    def _open(self) -> None:
        while requests := self._aggregator.open_requests():
            for name, request in requests.items():
                num_bytes, frames = self._counted(request)
                answer = self._holder(name).open(frames, num_threads=self._num_threads)
                self._aggregator.receive_opening(answer)
                self._meter.traffic("opening", sum(num_bytes) + len(answer))

    def _add_link(self) -> None:
        """Of a void round too, whose sum is refused: it was opened."""
        link = self._aggregator.transcript().link
        if link is not None:
            self._chain.add(link)

    @staticmethod
    def _counted(frames: Iterable[bytes]) -> tuple[list[int], Iterator[bytes]]:
        """The frames as they come, and a list that their sizes are added to."""
        sizes: list[int] = []

        def count() -> Iterator[bytes]:
            for frame in frames:
                sizes.append(len(frame))
                yield frame

        return sizes, count()


def clear_round_id(run_id: bytes, round_number: int) -> bytes:
    """What names a round in a ledger when there is no descriptor to hash."""
    return hashlib.sha256(b"veilsum/clear/1" + run_id + round_number.to_bytes(8, "big")).digest()
