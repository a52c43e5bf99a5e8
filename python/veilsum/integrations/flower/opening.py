"""How holders are asked to open a round through Flower."""

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from flwr.app import Message
from flwr.serverapp import Grid

from veilsum.fedavg.history import Meter
from veilsum.integrations.asking import Asking
from veilsum.integrations.flower.nodes import Nodes
from veilsum.integrations.flower.records import OPEN, error_of, pack, sender, unpack

__all__ = ["NodeHolders", "metered"]

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 3.0  # Flower's own pace.

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own


class NodeHolders:
    """The holders of the key, at the nodes where they are; for ``open_sum``.

    Args:
        nodes: where they are.
        grid: carries the messages.
        answer_seconds: how long they may take for one request.
        meter: counts the bytes of requests and openings.
    """

    def __init__(self, nodes: Nodes, grid: Grid, *, answer_seconds: float, meter: Meter) -> None:
        self._nodes = nodes
        self._grid = grid
        self._answer_seconds = answer_seconds
        self._meter = meter

    def present(self, names: Collection[str]) -> Collection[str]:
        """Those whose nodes are on line."""
        return self._online().keys() & set(names)

    def ask(self, requests: Mapping[str, Iterator[bytes]]) -> Mapping[str, Iterator[bytes]]:
        """Ask the nodes, and wait until all have answered or the time is over; tell meanwhile."""
        online = self._online()
        asked = {online[name]: name for name in requests if name in online}
        questions = {}
        for node, name in asked.items():
            content = pack(metered(requests[name], self._meter, "requests"))
            questions[node] = Message(content, dst_node_id=node, message_type=f"query.{OPEN}")
        if not questions:
            return {}
        asking = Asking(asked.values(), seconds=self._answer_seconds, log=_log.info)
        answers = {}
        for reply in self._replies(list(questions.values()), asking):
            node = sender(reply, questions)
            asking.answered(asked.get(node, ""))
            if reply.has_error():
                _log.warning("%s did not open: %s", self._nodes.shown(node), error_of(reply))
            elif node in asked:
                answers[asked[node]] = metered(unpack(reply.content), self._meter, "openings")
        return answers

    def _replies(self, questions: Sequence[Message], asking: Asking) -> Iterator[Message]:
        """As ``Grid.send_and_receive``, which tells nothing until everybody has answered."""
        waiting = set(filter(None, self._grid.push_messages(questions)))
        pause_seconds = _FIRST_PAUSE_SECONDS
        while waiting:
            for reply in self._grid.pull_messages(waiting):
                waiting.discard(reply.metadata.reply_to_message_id)
                yield reply
            if not waiting or asking.seconds_left == 0:
                return
            asking.tell()
            time.sleep(min(pause_seconds, asking.seconds_left))
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _online(self) -> dict[str, int]:
        self._nodes.update(self._grid, timeout=self._answer_seconds)
        return self._nodes.holders()


def metered(frames: Iterable[bytes], meter: Meter, phase: str) -> Iterator[bytes]:
    """The same, with their bytes counted."""
    for frame in frames:
        meter.traffic(phase, len(frame))
        yield frame
