"""Parties on the disk, nodes, and a grid between them, all in one process; for tests only."""

import atexit
import copy
import datetime
import functools
import secrets
import shutil
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import veilsum as vs
from flwr.app import Array, ArrayRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.task_identity import TaskIdentity
from known_keys import known_key
from shared_keys import shared_key
from veilsum import keyfile
from veilsum.integrations.flower import Party, SecureClientApp, SecureStrategy
from veilsum.secure_sum import Federation, Identity, PartyFolder

# Whose process this is: messages are addressed from here.
TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1

PASSPHRASE = "five words and no more"
NUM_NODES = 4
MAX_EXAMPLES = 40
NAMES = tuple(f"party-{i}" for i in range(NUM_NODES))

INITIAL: dict[str, Any] = {
    "weights": np.linspace(-0.5, 0.5, 6, dtype=np.float32).reshape(3, 2),
    "steps": np.array([7, 8], np.int64),
    "bias": np.array([0.25, -0.125]),
}
DIM = 8
AGGREGATOR = Identity.generate("aggregator")
DEALER = Identity.generate("dealer")


def federation_of(
    folder, trust="threshold", names=NAMES, dim=DIM, noise=None, weight_spread=MAX_EXAMPLES
):
    """Put a folder for each party of a federation, and the dealer's file, into a folder."""
    federation, dealt = _dealt(trust, names, dim, noise, weight_spread)
    shutil.copytree(dealt, folder, dirs_exist_ok=True)
    return federation


@functools.cache
def _dealt(trust, names, dim, noise, weight_spread):
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    identities = [Identity.generate(name) for name in names]
    contributors = tuple(identity.enrol() for identity in identities)
    if trust == "threshold":
        key, keys = vs.threshold.deal_shares(
            shared_key().secret, num_holders=len(names), threshold=3, max_colluding_holders=1
        )
        holders = contributors
    else:
        secret = known_key(2048).secret
        key, keys, holders = secret.public_key, [secret] * len(names), ()
    if trust == "authority":
        identities.append(Identity.generate("authority"))
        keys = [None] * len(names) + [secret]
        holders = (identities[-1].enrol(),)
    codec = codec_of(dim, len(names), weight_spread)
    federation = Federation(
        key=key,
        codec=codec if noise is None else noise.fit(codec),
        contributors=contributors,
        holders=holders,
        aggregator=AGGREGATOR.enrol(),
        run_id=secrets.token_bytes(16),
        last_day=datetime.date.max,
        colluding_contributors=0,
        noise=noise,
        chunk_size=1,
    )
    signed = federation.signed_by(DEALER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyfile, "_LOG2_COST", 14)
        AGGREGATOR.save(folder / "server.identity", passphrase=PASSPHRASE)
        for identity, key in zip(identities, keys, strict=True):
            PartyFolder.create(
                folder / identity.name,
                signed,
                identity=identity,
                passphrase=PASSPHRASE,
                expected_hash=federation.hash,
                dealer=DEALER.enrol(),
                key=key,
            )
    (folder / "federation.veil").write_bytes(signed)
    return federation, folder


def codec_of(dim, max_addends, weight_spread=MAX_EXAMPLES):
    """By default for nodes that have from 1 to ``MAX_EXAMPLES`` examples."""
    codec = vs.Codec(dim, clip=1.0, value_bits=16, max_addends=max_addends)
    return codec.for_weight_spread(weight_spread)


def trained(model, node, num_steps=1):
    """What a node makes of a model: its own, and the same from the same."""
    random = np.random.default_rng(node)
    return [
        array + (num_steps * 0.1 * random.standard_normal(array.shape)).astype(array.dtype)
        if array.dtype.kind == "f"
        else array + 1
        for array in model
    ]


def num_examples(node):
    return 10 * (node + 1)


def client_app(folder, *, num_examples=num_examples, **settings):
    """An ordinary app, with the class of ours."""
    party = settings.pop("party", lambda context: Party(folder / name_of(context), PASSPHRASE))
    app = SecureClientApp(**({"max_examples": MAX_EXAMPLES, "party": party} | settings))

    @app.train()
    def train(message, context):
        arrays = message.content["arrays"]
        assert set(message.content) == {"arrays", "config"}
        partition = context.node_config["partition-id"]
        model = trained(arrays.to_numpy_ndarrays(), partition)
        content = {
            "arrays": ArrayRecord(dict(zip(arrays, map(Array, model), strict=True))),
            "metrics": MetricRecord({"num-examples": num_examples(partition), "loss": 0.5}),
        }
        return Message(RecordDict(content), reply_to=message)

    @app.evaluate()
    def evaluate(message, context):
        metrics = MetricRecord({"num-examples": 5, "accuracy": 0.75, "secret": 3.0})
        return Message(RecordDict({"metrics": metrics}), reply_to=message)

    return app


def name_of(context):
    return context.node_config.get("name") or NAMES[context.node_config["partition-id"]]


def context(node_id, **node_config):
    return Context(1, node_id, node_config, RecordDict(), {})


@dataclass
class Grid:
    """Carries messages between a server and nodes, and keeps all that it carried.

    ``intercept(message)`` may return a reply of its own, or raise: an error from the node; or
    return None, to let the node answer. ``"lost"`` is a message that is lost.
    """

    nodes: dict = field(default_factory=dict)
    intercept: Any = lambda message: None
    sent: list = field(default_factory=list)
    replies: list = field(default_factory=list)
    arrived: list = field(default_factory=list)

    def get_node_ids(self):
        return list(self.nodes)

    def send_and_receive(self, messages, *, timeout=None):
        return [reply for message in messages if (reply := self._carry(message)) is not None]

    def push_messages(self, messages):
        self.arrived = self.send_and_receive(messages)
        return [message.metadata.message_id for message in messages]

    def pull_messages(self, message_ids):
        arrived, self.arrived = self.arrived, []
        return arrived

    def _carry(self, message):
        message.metadata.__dict__["_message_id"] = str(uuid.uuid4())  # As Flower's grids do.
        message = copy.deepcopy(message)
        node = message.metadata.dst_node_id
        self.sent.append(copy.deepcopy(message))
        app, node_config = self.nodes[node]
        try:
            reply = self.intercept(message)
            if reply is None:
                reply = app(message, context(node, **node_config))
        except Exception as error:
            reason = f"{type(error)}:<'{error}'>"
            reply = Message(Error(code=0, reason=reason), reply_to=message)
        if reply == "lost":
            return None
        self.replies.append(copy.deepcopy(reply))
        return reply


class Died(BaseException):
    """The ServerApp was killed."""


def dies(kind, on=1):
    """The ServerApp dies when the ``on``-th message of a kind is to be sent."""
    count = 0

    def intercept(message):
        nonlocal count
        count += message.metadata.message_type == kind
        if count == on:
            raise Died

    return intercept


def grid_of(app, num_nodes=NUM_NODES, others=()):
    """A grid with a node for each party; ``others`` are names of further parties."""
    nodes = {100 + i: (app, {"partition-id": i}) for i in range(num_nodes)}
    nodes |= {200 + i: (app, {"partition-id": 99, "name": n}) for i, n in enumerate(others)}
    return Grid(nodes)


def initial_record(model=INITIAL):
    return ArrayRecord({name: Array(array) for name, array in model.items()})


def strategy(folder, inner=None, **settings):
    """FedAvg, encrypted, with the federation and the run of this folder."""
    inner = inner or FedAvg(min_train_nodes=3, min_available_nodes=3)
    settings = {
        "federation": folder / "federation.veil",
        "store": folder / "run",
        "identity": AGGREGATOR,
    } | settings
    return SecureStrategy(inner, **({"wait_seconds": 0} | settings))


class LoopClient:
    """The same node in the in-process loop, which knows floats only."""

    def __init__(self, node):
        self.num_samples = num_examples(node)
        self._node = node

    def train(self, model, epochs):
        return trained(model, self._node)


def model_of_the_loop(num_rounds, nodes=range(NUM_NODES), **settings):
    """The float arrays after so many rounds, in one process."""
    initial = [array for array in INITIAL.values() if array.dtype.kind == "f"]
    loop = vs.FedAvg(
        initial,
        [LoopClient(node) for node in nodes],
        codec=codec_of(DIM, NUM_NODES),
        trust="clear",
        fraction=1.0,
        max_samples=MAX_EXAMPLES,
        **settings,
    )
    history = loop.run(num_rounds)
    assert not any(record.failures or record.abandoned for record in history.rounds)
    return loop.model


def assert_same(record, expected):
    """The record's model is the loop's, bit for bit, and its counters are untouched."""
    arrays = {name: array.numpy() for name, array in record.items()}
    assert list(arrays) == list(INITIAL)
    assert np.array_equal(arrays["steps"], INITIAL["steps"])
    floats = [array for array in arrays.values() if array.dtype.kind == "f"]
    for array, wanted in zip(floats, expected, strict=True):
        assert array.dtype == wanted.dtype
        assert np.array_equal(array, wanted)
