"""How a round is opened through Flower: the server asks the holders of the key."""

import logging
import time
from collections.abc import Iterable, Iterator

from flwr.app import Message
from flwr.serverapp import Grid

from veilsum.errors import NotEnoughSharesError, VeilsumError
from veilsum.fedavg.history import Meter
from veilsum.integrations.flower.nodes import Nodes
from veilsum.integrations.flower.records import OPEN, pack, unpack
from veilsum.secure_sum import Aggregator, Federation, SumResult

__all__ = ["Opener", "metered"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own
_PAUSE_SECONDS = 10.0


class Opener:
    """Asks until the sum of a round is open.

    Args:
        federation: says who could answer.
        nodes: where they are.
        max_message_bytes: about how long a request may be; at least one chunk of everyone.
        answer_seconds: how long holders may take for one request.
        wait_seconds: how long to wait when too few holders are there, or answer.
    """

    def __init__(
        self,
        federation: Federation,
        nodes: Nodes,
        *,
        max_message_bytes: int,
        answer_seconds: float,
        wait_seconds: float,
    ) -> None:
        self._names = {party.name for party in federation.holders or federation.contributors}
        self._one_is_enough = federation.trust != "threshold"
        self._chunks_within = federation.chunks_within
        self._nodes = nodes
        self._max_message_bytes = max_message_bytes
        self._answer_seconds = answer_seconds
        self._wait_seconds = wait_seconds

    def open(self, aggregator: Aggregator, grid: Grid, meter: Meter) -> SumResult:
        """Close the round and open its sum.

        Raises:
            ProtocolError: too few contributions.
            NotEnoughSharesError: too few holders answered.
            MalformedDataError: the opened integers are no sum.
        """
        refused, short_since = set[str](), None
        max_chunks = self._chunks_within(
            self._max_message_bytes, num_contributors=len(aggregator.contributors)
        )
        while True:
            self._nodes.update(grid, timeout=self._answer_seconds)
            holders = self._nodes.holders()
            missing = (self._names - set(holders)) | refused
            try:
                requests = aggregator.open_requests(missing=missing, max_chunks=max_chunks)
            except NotEnoughSharesError as error:
                short_since = time.monotonic() if short_since is None else short_since
                if time.monotonic() - short_since >= self._wait_seconds:
                    raise NotEnoughSharesError(
                        f"{error}. Missing: {', '.join(sorted(missing))}. The contributions are "
                        "kept: start the ServerApp with the same store when they are back"
                    ) from error
                time.sleep(_PAUSE_SECONDS)
                refused.clear()  # A node that was started again may answer now.
                continue
            short_since = None
            if not requests:
                return aggregator.finish()
            names = list(requests)[: 1 if self._one_is_enough else None]
            asked = {holders[name]: name for name in names}
            questions = []
            for node, name in asked.items():
                content = pack(metered(requests[name], meter, "requests"))
                questions.append(Message(content, dst_node_id=node, message_type=f"query.{OPEN}"))
            replies = grid.send_and_receive(questions, timeout=self._answer_seconds)
            answered = {
                asked.get(reply.metadata.src_node_id, "")
                for reply in replies
                if self._take(aggregator, reply, asked, meter)
            }
            refused |= set(names) - answered

    def _take(
        self, aggregator: Aggregator, reply: Message, asked: dict[int, str], meter: Meter
    ) -> bool:
        """Whether a holder's answer was of use."""
        name = asked.get(reply.metadata.src_node_id, "a node that was not asked")
        if reply.has_error():
            _log.warning("%s did not open: %s", name, reply.error.reason)
            return False
        try:
            aggregator.receive_opening(metered(unpack(reply.content), meter, "openings"))
        except VeilsumError as error:
            _log.warning("the answer of %s is refused: %s", name, error)
            return False
        return True


def metered(frames: Iterable[bytes], meter: Meter, phase: str) -> Iterator[bytes]:
    """The same, with their bytes counted."""
    for frame in frames:
        meter.traffic(phase, len(frame))
        yield frame
