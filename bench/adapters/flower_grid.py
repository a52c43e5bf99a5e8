"""A grid of Flower's that delivers every message within the process, as the bytes it would be."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Sequence

from flwr.app import Context, Message, RecordDict
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.serverapp import Grid

from bench.clock import Account, Clock

SERIALISE = "serialise"

App = Callable[[Message, Context], Message]


class LocalGrid(Grid):
    """Nodes numbered from 1, with an app each.

    ``phases`` tells, by the type of a message, what the nodes do in an exchange of such messages,
    and what the server does after it.
    """

    def __init__(
        self,
        apps: Sequence[App],
        clock: Clock,
        server: Account,
        phases: Callable[[str], tuple[str, str]],
    ) -> None:
        _be_a_task()
        self._clock = clock
        self._server = server
        self._phases = phases
        self._phase = "prepare"
        self._apps = dict(enumerate(apps, 1))
        self._contexts = {node: new_context(node) for node in self._apps}
        self._arrived: list[Message] = []
        self.accounts = {node: Account() for node in self._apps}

    def run_server(self, work: Callable[[], object]) -> None:
        """Do the server's part of a round, in its turn."""
        with self._clock.turn(self._server, self._phase):
            work()

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Every node answers, one after another."""
        messages = list(messages)  # A strategy may make them here.
        if not messages:
            return []
        nodes_phase, after = self._phases(messages[0].metadata.message_type)
        replies = [self._exchange(message, nodes_phase) for message in messages]
        self._clock.split(self._phase, after)
        self._phase = after
        return replies

    def _exchange(self, message: Message, phase: str) -> Message:
        node = message.metadata.dst_node_id
        account = self.accounts[node]
        with self._clock.phase(SERIALISE):
            down = message_to_proto(message).SerializeToString()
        with self._clock.turn(account, SERIALISE):
            arrived = _parse(down)
            with self._clock.phase(phase):
                reply = self._apps[node](arrived, self._contexts[node])
            up = message_to_proto(reply).SerializeToString()
        with self._clock.phase(SERIALISE):
            reply = _parse(up)
        for party, sent, received in ((account, up, down), (self._server, down, up)):
            party.sent += len(sent)
            party.received += len(received)
        return reply

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Every node answers at once; its reply waits to be pulled."""
        messages = list(messages)
        for message in messages:
            message.metadata.__dict__["_message_id"] = uuid.uuid4().hex  # As Flower's grids do.
        self._arrived = self.send_and_receive(messages)
        return [message.metadata.message_id for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """What has arrived."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def get_node_ids(self) -> Iterable[int]:
        return list(self._apps)


# A strategy calls nothing else that a grid has.
LocalGrid.__abstractmethods__ = frozenset()


def new_context(node: int) -> Context:
    """What an app finds at its first message."""
    return Context(run_id=1, node_id=node, node_config={}, state=RecordDict(), run_config={})


def _be_a_task() -> None:
    """From Flower 1.42 on, only a process that knows which task it runs may make messages."""
    with contextlib.suppress(ImportError):
        from flwr.supercore.task_identity import TaskIdentity

        TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1


def _parse(data: bytes) -> Message:
    return message_from_proto(ProtoMessage.FromString(data))
