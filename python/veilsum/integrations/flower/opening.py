"""How holders are asked to open a round through Flower."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping

from flwr.app import Message
from flwr.serverapp import Grid

from veilsum.fedavg.history import Meter
from veilsum.integrations.flower.nodes import Nodes
from veilsum.integrations.flower.records import OPEN, error_of, pack, sender, unpack

__all__ = ["NodeHolders", "metered"]

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
        """Ask the nodes, and wait until all have answered or the time is over."""
        online = self._online()
        asked = {online[name]: name for name in requests if name in online}
        questions = {}
        for node, name in asked.items():
            content = pack(metered(requests[name], self._meter, "requests"))
            questions[node] = Message(content, dst_node_id=node, message_type=f"query.{OPEN}")
        if not questions:
            return {}
        answers = {}
        replies = self._grid.send_and_receive(
            list(questions.values()), timeout=self._answer_seconds
        )
        for reply in replies:
            node = sender(reply, questions)
            if reply.has_error():
                _log.warning("%s did not open: %s", self._nodes.shown(node), error_of(reply))
            elif node in asked:
                answers[asked[node]] = metered(unpack(reply.content), self._meter, "openings")
        return answers

    def _online(self) -> dict[str, int]:
        self._nodes.update(self._grid, timeout=self._answer_seconds)
        return self._nodes.holders()


def metered(frames: Iterable[bytes], meter: Meter, phase: str) -> Iterator[bytes]:
    """The same, with their bytes counted."""
    for frame in frames:
        meter.traffic(phase, len(frame))
        yield frame
