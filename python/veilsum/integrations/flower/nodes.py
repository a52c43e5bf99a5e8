"""Which party is behind which node. Believed for nothing but where to send messages."""

import logging
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

from veilsum import arguments
from veilsum.errors import MalformedDataError
from veilsum.identity import Enrolment
from veilsum.integrations.federation_file import shown
from veilsum.integrations.flower.records import (
    ENROL,
    error_of,
    naming_federation,
    sender,
    unpack,
)
from veilsum.integrations.flower.roll_call import RollCall
from veilsum.secure_sum import Federation

__all__ = ["ContributorGrid", "Nodes"]

_ANSWER_SECONDS = 300.0
_RETRY_SECONDS = 60.0

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own


class Nodes:
    """Asks every node once who it is, and keeps those that the federation knows.

    A node that lies is given messages that it can do nothing with: contributions and openings are
    signed.
    """

    def __init__(self, federation: Federation, signed: bytes | None = None) -> None:
        """``signed``: the dealer's file, for nodes whose parties joined an older federation."""
        self._federation = federation
        self._signed = signed
        self._parties: dict[int, Enrolment | None] = {}
        self._asked: dict[int, float] = {}
        self._names = dict[int, str]()  # Of those that are gone too: answers may come later.
        self._roll_call = RollCall(federation)

    def shown(self, node: int) -> str:
        """A node in messages: its party's name, as soon as it is known.

        With the number of the node only where no name is known, or where another node on line says
        that it is the same party.
        """
        name = self._names.get(node)
        if name is None:
            return f"node {node} (no name yet)"
        others = (party.name for at, party in self._parties.items() if party and at != node)
        return arguments.printable(name) + (f" (node {node})" if name in others else "")

    def update(self, grid: Grid, *, timeout: float) -> None:
        """Ask the nodes that are new, and forget those that are gone.

        One that gave no answer is asked again after a while: a question starts a process there.
        """
        online = set(grid.get_node_ids())
        self._parties = {node: party for node, party in self._parties.items() if node in online}
        self._asked = {node: when for node, when in self._asked.items() if node in online}
        now = time.monotonic()
        questions = {}
        for node in sorted(online - set(self._parties)):
            if now - self._asked.get(node, -_RETRY_SECONDS) >= _RETRY_SECONDS:
                content = naming_federation(self._federation.hash, self._signed)
                kind = f"query.{ENROL}"
                questions[node] = Message(content, dst_node_id=node, message_type=kind)
        if questions:
            seconds = min(timeout, _ANSWER_SECONDS)
            for reply in grid.send_and_receive(list(questions.values()), timeout=seconds):
                self._take(sender(reply, questions), reply)
            self._asked |= dict.fromkeys(questions, time.monotonic())
        self._roll_call.hear({*self.contributors(), *self.holders()})

    def contributors(self) -> dict[str, int]:
        """The nodes on line of the parties that may contribute, by the party's name."""
        return self._named(self._federation.contributor)

    def holders(self) -> dict[str, int]:
        """The nodes on line of the parties that hold the key or a share."""
        return self._named(self._federation.holder)

    def _named(self, known: Callable[[str], Enrolment | None]) -> dict[str, int]:
        # Of two nodes with one name, the lower number: always the same one.
        return {
            party.name: node
            for node, party in sorted(self._parties.items(), reverse=True)
            if party is not None and known(party.name) == party
        }

    def _take(self, node: int, reply: Message) -> None:
        if reply.has_error():
            _log.warning("%s does not say who it is: %s", self.shown(node), error_of(reply))
            return
        try:
            party = Enrolment.from_bytes(b"".join(unpack(reply.content)))
        except MalformedDataError as error:
            _log.warning("%s does not say who it is: %s", self.shown(node), error)
            party = None
        if party is not None and party not in (
            self._federation.contributor(party.name),
            self._federation.holder(party.name),
        ):
            _log.warning(
                "%s says it is %s, whom the federation %s does not know under this key: the dealer "
                "was given another enrolment, or none",
                self.shown(node),
                arguments.printable(party.name),
                shown(self._federation.hash),
            )
            party = None
        self._parties[node] = party
        if party is not None:
            self._names[node] = party.name


class ContributorGrid:
    """A grid on which a strategy finds contributors only.

    Args:
        grid: all nodes.
        nodes: who is behind them.
        timeout: how long a question may take.
        spent: names of contributors that can send no more; found all the same where the others are
            too few for the strategy, which would wait for ever.
        min_available: how many that are.
    """

    def __init__(
        self,
        grid: Grid,
        nodes: Nodes,
        *,
        timeout: float,
        spent: Collection[str] = (),
        min_available: int = 0,
    ) -> None:
        self._grid = grid
        self._nodes = nodes
        self._timeout = timeout
        self._spent = spent
        self._min_available = min_available

    def get_node_ids(self) -> Iterable[int]:
        """The nodes of parties that may contribute."""
        self._nodes.update(self._grid, timeout=self._timeout)
        found = self._nodes.contributors()
        able = {name: node for name, node in found.items() if name not in self._spent}
        return sorted((able if len(able) >= self._min_available else found).values())

    def __getattr__(self, name: str) -> Any:
        """Everything else is the grid's."""
        return getattr(self._grid, name)
