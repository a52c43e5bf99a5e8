"""One round on the server: what it announces, what comes back, what is told of it."""

import datetime
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Message
from numpy.typing import NDArray

from veilsum.errors import ProtocolError, RunEndedError
from veilsum.fedavg.history import Meter
from veilsum.integrations.flower.opening import metered
from veilsum.integrations.flower.records import error_of, is_spent, model_hash, sender, unpack
from veilsum.integrations.flower.run_state import RunState
from veilsum.integrations.summed_metrics import SummedMetrics
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Federation,
    Identity,
    Invitations,
    RoundDescriptor,
    Transcript,
)
from veilsum.secure_sum.announcement import announced_in

__all__ = ["Round", "SumRecord", "SumRound", "check_progress"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own

_SPENT = "BudgetExhaustedError: the privacy that its party agreed on is spent"


@dataclass(frozen=True)
class SumRecord:
    """One round, as the server saw it.

    Attributes:
        server_round: its number in the run, from 1; the wrapped strategy is told it too.
        round_number: the federation's, which is never given twice, whatever becomes of the model.
        ended: when it was over, in UTC.
        invited: who was asked to contribute when the round began, sorted.
        contributed: whose contributions came, sorted; also where there is no sum.
        contributors: whose contributions are in the sum, sorted; none if it was not opened.
        failures: why nodes that were asked to train did not contribute, by the party's name.
        openers: whose answers opened the sum, sorted; none if it was not opened.
        refused: how many messages were refused, by the name of the error.
        abandoned: why the model was left as it was; None for a round that counts.
        seconds: by phase: train (until all replies are there, encryption and transport included),
            add, open, step.
        num_bytes: by phase: contributions and openings (up), requests (down to holders).
        transcript_hash: the link, which stands for the round and all that were opened before it; in
            hexadecimal.
        metrics: the weighted mean of each that was summed with the updates; none if the round was
            abandoned.
    """

    server_round: int
    round_number: int
    ended: datetime.datetime
    invited: tuple[str, ...]
    contributed: tuple[str, ...]
    contributors: tuple[str, ...]
    failures: dict[str, str]
    openers: tuple[str, ...]
    refused: dict[str, int]
    abandoned: str | None
    seconds: dict[str, float]
    num_bytes: dict[str, int]
    transcript_hash: str | None
    metrics: Mapping[str, float] = field(default_factory=dict)


def check_progress(history: Sequence[SumRecord], *, max_abandoned: int) -> None:
    """To be called when a round was not opened.

    Raises:
        RunEndedError: so many rounds in a row were not; with this ``history``.
    """
    last = history[-max_abandoned:]
    if len(last) < max_abandoned or any(record.abandoned is None for record in last):
        return
    reasons = "; ".join(f"{name}: {why}" for name, why in sorted(last[-1].failures.items()))
    raise RunEndedError(
        f"the run ends: {max_abandoned} rounds in a row had no sum, the last because "
        f"{last[-1].abandoned}" + (f" ({reasons})" if reasons else ""),
        history,
    )


class SumRound:
    """A round that is begun, or that a ServerApp before this one has begun, whatever is summed.

    Args:
        federation: the agreement.
        identity: of its aggregator.
        state: the run's folder.
        after: the last round that is over.
        asked: the hash of what nodes are asked for: of a model and its metrics, or of a study.
        invited: who is asked, if the round is a new one.
        opener: who then opens it, by the round's number; ``Openers.choose``.
        num_threads: for checking, adding and combining.

    Attributes:
        number: the federation's number of the round.
        descriptor: what the aggregator announces.
        waiting: the names of those who are still to be asked.
        aggregator: what has come so far.
        meter: seconds and bytes.

    Raises:
        ProtocolError: the round was begun with something else.
        StoreInUseError: another ServerApp is at work on it.
    """

    def __init__(
        self,
        federation: Federation,
        identity: Identity,
        state: RunState,
        *,
        after: int,
        asked: bytes,
        invited: Iterable[str],
        opener: Callable[[int], str | None],
        num_threads: int | None,
    ) -> None:
        self.number, store = state.begin_round(after)
        self._store = store
        self.meter = Meter()
        known = announced_in(store)
        self._invited = Invitations.of(invited) if known is None else known[1]
        self.descriptor = (
            known[0]
            if known
            else RoundDescriptor.signed(
                identity,
                federation_hash=federation.hash,
                round_number=self.number,
                model_hash=asked,
                invited=self._invited,
                after=state.chain.end,
                repeat=state.repeats(asked),
                opener=opener(self.number),
            )
        )
        self._chain = state.chain
        if known is not None:
            _log.info("round %d goes on where it was", self.number)
            if self.descriptor.model_hash != asked:
                raise ProtocolError(
                    f"round {self.number} was begun with another study or model than the store "
                    "has, or with other metrics, ranges or metrics_share: start with those of "
                    "before"
                )
        self.aggregator = Aggregator(
            federation,
            identity,
            self.descriptor,
            invited=self._invited,
            chain=state.chain,
            store=store,
            num_threads=num_threads,
        )
        # Of a round that is closed the opening is all that is left.
        is_closed = bool(store.names("closed"))
        contributed = set(self.aggregator.contributors)
        self.waiting = set() if is_closed else set(self._invited) - contributed
        self._begun = time.perf_counter()

    def announcement(self, to: str) -> bytes:
        """What the node of this contributor is sent."""
        # Which links it has seen nobody here knows; some 200 bytes a round.
        return Announcement.of(self.descriptor, self._invited, self._chain, to=to).to_bytes()

    def receive(
        self,
        replies: Iterable[Message],
        *,
        asked: Mapping[int, Message],
        shown: Callable[[int], str],
    ) -> tuple[dict[str, str], set[int]]:
        """Add what came.

        Args:
            replies: of the nodes.
            asked: what each of them was asked.
            shown: the node's party; ``Nodes.shown``.

        Returns:
            Why each other party is not in the sum, and the nodes that can contribute no more.
        """
        failures = dict.fromkeys(asked, "no reply in time")
        spent, senders = set[int](), list[int]()
        self.meter.seconds["train"] = time.perf_counter() - self._begun

        def contributions() -> Iterator[Iterator[bytes]]:
            for reply in replies:
                node = sender(reply, asked)
                if reply.has_error():
                    failures[node] = error_of(reply)
                elif is_spent(reply.content):
                    failures[node] = _SPENT
                    spent.add(node)
                else:
                    senders.append(node)
                    yield metered(unpack(reply.content), self.meter, "contributions")

        with self.meter.phase("add"):
            arrivals = self.aggregator.receive_all(contributions())
        for node, arrival in zip(senders, arrivals, strict=True):
            if arrival.error is None:
                failures.pop(node, None)
            else:
                failures[node] = f"{type(arrival.error).__name__}: {arrival.error}"
        by_name = {shown(node): why for node, why in failures.items()}
        for name, why in by_name.items():
            _log.warning("round %d: %s is left out: %s", self.number, name, why)
        return by_name, spent

    def close(self) -> None:
        """Let others have the round's folder."""
        self._store.close()


class Round(SumRound):
    """A round of training.

    Args:
        federation: the agreement.
        identity: of its aggregator.
        state: the run's folder.
        after: the last round that is over.
        model: what is sent to the nodes.
        metrics: what is summed with their updates.
        invited: as of every round.
        opener: as of every round.
        num_threads: as of every round.

    Attributes:
        model: as given.
    """

    def __init__(
        self,
        federation: Federation,
        identity: Identity,
        state: RunState,
        *,
        after: int,
        model: dict[str, NDArray[np.generic]],
        metrics: SummedMetrics,
        invited: Iterable[str],
        opener: Callable[[int], str | None],
        num_threads: int | None,
    ) -> None:
        super().__init__(
            federation,
            identity,
            state,
            after=after,
            asked=metrics.bind(model_hash(model)),
            invited=invited,
            opener=opener,
            num_threads=num_threads,
        )
        self.model = model

    def record(
        self,
        server_round: int,
        *,
        failures: dict[str, str],
        contributors: tuple[str, ...] = (),
        transcript: Transcript | None = None,
        abandoned: str | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> SumRecord:
        """What became of the round.

        Args:
            server_round: its number in the run.
            failures: why each other party is not in the sum.
            contributors: whose contributions are in the sum that moved the model.
            transcript: of the opening of that sum.
            abandoned: why the model stays, if it did not.
            metrics: the means of those that were summed.
        """
        link = None if transcript is None else transcript.link
        receipts = () if transcript is None else transcript.receipts
        return SumRecord(
            server_round=server_round,
            round_number=self.number,
            ended=datetime.datetime.now(datetime.timezone.utc),
            invited=self._invited.names,
            contributed=tuple(sorted(self.aggregator.contributors)),
            contributors=contributors,
            failures=failures,
            openers=tuple(sorted({receipt.holder for receipt in receipts})),
            refused=dict(self.aggregator.refused),
            abandoned=abandoned,
            seconds=self.meter.seconds,
            num_bytes=self.meter.num_bytes,
            transcript_hash=None if link is None else link.end(self.descriptor.after).link.hex(),
            metrics=dict(metrics or {}),
        )
