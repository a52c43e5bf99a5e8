"""A node's part: encrypts what its ClientApp trained, and opens sums if it holds the key."""

import logging
from collections.abc import Callable, Collection, Sequence

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from veilsum import arguments
from veilsum.errors import (
    BudgetExhaustedError,
    InvalidArgumentError,
    PolicyRefusedError,
    ProtocolError,
    VeilsumError,
)
from veilsum.identity import Role
from veilsum.integrations.federation_file import renewed, shown
from veilsum.integrations.flower.node_log import show_in_node_log
from veilsum.integrations.flower.party import Party, PartyOf
from veilsum.integrations.flower.records import (
    ENROL,
    OPEN,
    federation_in,
    model_hash,
    named_arrays,
    pack,
    spent,
    take_announcement,
    unpack,
)
from veilsum.integrations.flower.simulation import usual_party
from veilsum.integrations.model_vector import ModelVector
from veilsum.integrations.summed_metrics import DEFAULT_SHARE, MetricRanges, SummedMetrics
from veilsum.integrations.weights import WeightsByCount
from veilsum.secure_sum import Announcement, PartyFolder

__all__ = ["SecureClientApp", "SecureMod"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own

AppCall = Callable[[Message, Context], Message]


class SecureMod:
    """A Flower mod, the first of an app's: nothing leaves the node but what it made.

    - ``train``: runs the app on the model that came, takes what it returns minus what came, and
      replies with the encrypted, signed and proved contribution **in place of everything else**:
      no arrays, no metrics, no numbers of examples. Metrics that ``metrics`` declares are in the
      contribution, and only their sums are ever opened. Entries that are not floats, such as
      counters, stay as the server has them. What would be refused after training, for its budget or
      for any other reason, is refused before; a contribution that was made before is sent again,
      and nothing is trained.
    - ``evaluate``: refused, unless ``evaluation_metrics`` names what may be sent in the clear.
    - the queries ``veilsum_enrol`` and ``veilsum_open``: who the node's party is, and what it opens
      as a holder of the key.
    - every other query is refused: its reply would travel in the clear.

    An error tells the server its name and, if it is veilsum's own, its reason; an error of the app
    stays in the node's log, and so does what was spent: the server hears only that a budget is.
    Nothing is kept in memory from one message to the next.

    Args:
        max_examples: the number of examples that has weight 1; nodes with more count as much. The
            same at all nodes, and public. None weighs all nodes alike, whatever they have, and says
            so in the node's log.
        min_examples: the fewest that a node may have trained on, but for none at all, which weighs
            nothing; as public. The federation is dealt for weights that differ by
            ``max_examples / min_examples`` (``veilsum deal --weight-spread``).
        party: tells which party a node is; by default its operator does, by the node's
            configuration, its environment or ``~/.config/veilsum/party.toml``, and in a simulation
            of ``SecureStrategy(..., simulation=True)`` the number of its partition.
        weighted_by_key: which metric of a reply is the number of examples.
        metrics: which metrics of training are summed with the update, under encryption, and the
            lowest and the highest value of each: ``{"loss": (0, 5)}``. A value beyond its range
            counts as its end, and the node's log says so; one that is missing, NaN or infinite
            leaves the node out of the round. The same at the server and at all nodes, or a node
            refuses; the federation is dealt for so many values more.
        metrics_share: how much of the federation's norm bound is for them, if it has one; the
            update keeps ``sqrt(1 - metrics_share**2)`` of an L2 norm.
        evaluation_metrics: which metrics of an evaluation leave the node, unencrypted.
        num_threads: of encryption and opening; default as everywhere in veilsum.
    """

    def __init__(
        self,
        *,
        max_examples: int | None = None,
        min_examples: int = 1,
        party: PartyOf = usual_party,
        weighted_by_key: str = "num-examples",
        metrics: MetricRanges | None = None,
        metrics_share: float = DEFAULT_SHARE,
        evaluation_metrics: Collection[str] = (),
        num_threads: int | None = None,
    ) -> None:
        if num_threads is not None:
            num_threads = arguments.count("num_threads", num_threads, at_least=1)
        if not callable(party):
            raise TypeError(f"party must be a function, not {type(party).__name__}")
        self._weights = WeightsByCount(max_examples, min_examples, "examples")
        self._party = party
        self._weighted_by_key = arguments.instance("weighted_by_key", weighted_by_key, str)
        self._metrics = SummedMetrics(metrics, share=metrics_share)
        self._evaluation_metrics = frozenset(
            arguments.names("evaluation_metrics", evaluation_metrics)
        )
        self._num_threads = num_threads

    @property
    def weights(self) -> WeightsByCount:
        """How a node's number of examples becomes its weight."""
        return self._weights

    @property
    def weighted_by_key(self) -> str:
        """Which metric of a reply is the number of examples."""
        return self._weighted_by_key

    def __call__(self, message: Message, context: Context, call_next: AppCall) -> Message:
        """Answer one message; as Flower calls it."""
        show_in_node_log()
        try:
            return self._answer(message, context, call_next)
        except VeilsumError as error:
            _log.error("this node refuses: %s: %s", type(error).__name__, error)
            raise
        except Exception as error:
            # Its text may tell of the data, and Flower sends it to the server.
            _log.exception("the app of this node failed")
            name = type(error).__name__
            raise RuntimeError(f"{name}; the log of this node says more") from None

    def _answer(self, message: Message, context: Context, call_next: AppCall) -> Message:
        kind = message.metadata.message_type
        category = kind.partition(".")[0]
        if category == "train":
            return self._train(message, context, call_next)
        if category == "evaluate":
            return self._evaluate(message, context, call_next)
        if kind == f"query.{ENROL}":
            servers, signed = federation_in(message.content)
            joined = PartyFolder(self._party_of(context).folder)
            folder = renewed(joined, servers, signed)
            if folder is not joined:
                _log.info("this node goes on with the federation that its dealer renewed")
            _check_federation(folder, servers)
            return Message(pack([folder.enrolment.to_bytes()]), reply_to=message)
        if kind == f"query.{OPEN}":
            return self._open(message, context)
        raise PolicyRefusedError(f"{kind} is refused: its reply would leave the node unencrypted")

    def _train(self, message: Message, context: Context, call_next: AppCall) -> Message:
        announcement = take_announcement(message.content)
        received = named_arrays(message.content)
        layout, party = ModelVector(received), self._party_of(context)
        folder = PartyFolder(party.folder)
        hash_received = model_hash(received)
        self._check_agreed(folder, layout, announcement, hash_received)
        contributor = folder.contributor(passphrase=party.passphrase)
        asked = self._metrics.bind(hash_received)
        try:
            frames = contributor.before_training(announcement, model_hash=asked)
            if frames is None:
                reply = _run(call_next, message, context)
                self._tell_of_metrics(reply)
                trained, weight = layout.flatten(named_arrays(reply)), self._weight(reply)
                frames = contributor.contribute_in_frames(
                    announcement,
                    self._metrics.vector(
                        trained - layout.flatten(received),
                        self._summed_in(reply),
                        weight=weight,
                        codec=folder.federation.codec,
                    ),
                    model_hash=asked,
                    weight=weight,
                    num_threads=self._num_threads,
                )
        except BudgetExhaustedError as error:
            _log.error("this node contributes no more: %s", error)
            return Message(spent(), reply_to=message)
        return Message(pack(frames), reply_to=message)

    def _evaluate(self, message: Message, context: Context, call_next: AppCall) -> Message:
        if not self._evaluation_metrics:
            raise PolicyRefusedError(
                "this node sends no results of evaluations, which would leave it unencrypted; "
                "evaluation_metrics=[...] names those that may"
            )
        reply = _run(call_next, message, context)
        metrics = MetricRecord(
            {
                name: value
                for record in reply.metric_records.values()
                for name, value in record.items()
                if name in self._evaluation_metrics and isinstance(value, (int, float))
            }
        )
        return Message(RecordDict({"metrics": metrics}), reply_to=message)

    def _party_of(self, context: Context) -> Party:
        return arguments.instance("what party returns", self._party(context), Party)

    def _open(self, message: Message, context: Context) -> Message:
        party = self._party_of(context)
        folder = PartyFolder(party.folder)
        if Role.HOLDER not in folder.roles:
            raise PolicyRefusedError(f"{folder.enrolment.name} holds no share of the key")
        holder = folder.key_holder(passphrase=party.passphrase)
        frames = holder.open_in_frames(unpack(message.content), num_threads=self._num_threads)
        return Message(pack(frames), reply_to=message)

    def _check_agreed(
        self, folder: PartyFolder, layout: ModelVector, announcement: bytes, model_hash: bytes
    ) -> None:
        """Before anything is trained: what would be refused after it."""
        federation = folder.federation
        announced = Announcement.from_bytes(announcement).descriptor
        _check_federation(folder, announced.federation_hash)
        self._metrics.check_announced(announced.model_hash, model_hash)
        self._metrics.check(layout.dim, federation.codec)
        self._weights.check(federation.codec, federation.noise)

    def _tell_of_metrics(self, reply: RecordDict) -> None:
        """Where what the app tells of its training has gone."""
        names = {name for record in reply.metric_records.values() for name in record}
        if self._weights.most is None and self._weighted_by_key in names:
            _log.info(
                "all nodes weigh alike, whatever their %s: max_examples=... weighs by it",
                self._weighted_by_key,
            )
        dropped = sorted(names - {self._weighted_by_key} - self._metrics.ranges.keys())
        if dropped:
            _log.info(
                "metrics of training stay at this node: %s. metrics={name: (lowest, highest)} sums "
                "them under encryption",
                ", ".join(dropped),
            )

    def _summed_in(self, reply: RecordDict) -> dict[str, object]:
        found = dict[str, object]()
        for record in reply.metric_records.values():
            for name in self._metrics.ranges.keys() & record.keys():
                if name in found:
                    raise InvalidArgumentError(f"the app's reply has the metric {name!r} twice")
                found[name] = record[name]
        return found

    def _weight(self, reply: RecordDict) -> float:
        if self._weights.most is None:
            return 1.0
        counts = [
            record[self._weighted_by_key]
            for record in reply.metric_records.values()
            if self._weighted_by_key in record
        ]
        if len(counts) != 1:
            raise InvalidArgumentError(
                f"the app's reply needs one metric {self._weighted_by_key!r}, the number of "
                "examples it trained on; with max_examples=None all nodes weigh alike"
            )
        return self._weights.weight(counts[0], name=self._weighted_by_key)


class SecureClientApp(ClientApp):
    """A ``ClientApp`` whose functions stay as they are, and of which the server sees sums only.

    Arguments as ``SecureMod``, which is the outermost of its mods; ``mods`` go below it.
    """

    def __init__(
        self,
        *,
        max_examples: int | None = None,
        min_examples: int = 1,
        party: PartyOf = usual_party,
        weighted_by_key: str = "num-examples",
        metrics: MetricRanges | None = None,
        metrics_share: float = DEFAULT_SHARE,
        evaluation_metrics: Collection[str] = (),
        num_threads: int | None = None,
        mods: Sequence[Callable[[Message, Context, AppCall], Message]] = (),
    ) -> None:
        mod = SecureMod(
            max_examples=max_examples,
            min_examples=min_examples,
            party=party,
            weighted_by_key=weighted_by_key,
            metrics=metrics,
            metrics_share=metrics_share,
            evaluation_metrics=evaluation_metrics,
            num_threads=num_threads,
        )
        super().__init__(mods=[mod, *mods])
        for action in (ENROL, OPEN):
            self.query(action)(_answered_by_the_mod)


def _answered_by_the_mod(message: Message, context: Context) -> Message:
    raise ProtocolError("no SecureMod is among the mods of this app")


def _check_federation(folder: PartyFolder, servers: bytes | None) -> None:
    """PolicyRefusedError if the server has another federation than the party has joined."""
    own = folder.federation.hash
    if servers is not None and servers != own:
        raise PolicyRefusedError(
            f"the server has another federation than {folder.enrolment.name} has joined: the "
            f"server's is {shown(servers)}, this node's {shown(own)}. Give the server the "
            "federation.veil that the parties have, or join the server's with a new folder"
        )


def _run(call_next: AppCall, message: Message, context: Context) -> RecordDict:
    """The content of the app's reply."""
    reply = call_next(message, context)
    if reply.has_error():
        _log.error("the app of this node replied with an error: %s", reply.error.reason)
        raise ProtocolError("the app replied with an error; the log of this node says more")
    return reply.content
