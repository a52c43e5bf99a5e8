"""What a node does with each message, and what of it the server hears."""

import copy

import numpy as np
import pytest
from flower_world import (
    AGGREGATOR,
    DIM,
    INITIAL,
    NAMES,
    PASSPHRASE,
    client_app,
    context,
    federation_of,
    grid_of,
    initial_record,
    model_of_the_loop,
    strategy,
    trained,
)
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from veilsum.errors import (
    InvalidArgumentError,
    PassphraseError,
    PolicyRefusedError,
    ProtocolError,
)
from veilsum.integrations.flower import SecureClientApp, SecureMod
from veilsum.integrations.flower.party import configured_party
from veilsum.integrations.flower.records import model_hash, pack, unpack
from veilsum.privacy import GaussianNoise
from veilsum.secure_sum import Announcement, Invitations, RoundDescriptor


@pytest.fixture
def federation(tmp_path):
    return federation_of(tmp_path, "contributors")


def train_message(federation, model=INITIAL, *, number=1, node=100, announced=None):
    invited = Invitations.of(NAMES)
    descriptor = RoundDescriptor.signed(
        AGGREGATOR,
        federation_hash=federation.hash,
        round_number=number,
        model_hash=model_hash(INITIAL if announced is None else announced),
        invited=invited,
        opener=NAMES[0],
    )
    announcement = Announcement.of(descriptor, invited, to=NAMES[node - 100]).to_bytes()
    content = RecordDict(
        {
            "arrays": initial_record(model),
            "config": ConfigRecord({"lr": 0.1}),
            "veilsum": ConfigRecord({"announcement": announcement}),
        }
    )
    return Message(content, dst_node_id=node, message_type="train")


def node(place=0):
    return context(100 + place, **{"partition-id": place})


def app_returning(folder, content, **settings):
    """An app that replies to everything with this content, or raises it."""

    def replies(message, context):
        if isinstance(content, Exception):
            raise content
        return Message(copy.deepcopy(content), reply_to=message)

    app = client_app(folder, **settings)
    plain = SecureClientApp(max_examples=40, party=app._mods[0]._party, **settings)
    plain.train()(replies)
    return plain


def reply_content(model=None, metrics=None):
    model = dict(zip(INITIAL, trained(list(INITIAL.values()), 0), strict=True)) | (model or {})
    metrics = {"num-examples": 10} if metrics is None else metrics
    return RecordDict({"arrays": initial_record(model), "metrics": MetricRecord(metrics)})


def test_the_reply_takes_the_place_of_everything_the_app_returned(tmp_path, federation):
    reply = client_app(tmp_path)(train_message(federation), node())
    assert set(reply.content) == {"veilsum"}
    data = b"".join(unpack(reply.content))
    assert b"num-examples" not in data
    assert b"loss" not in data


def test_a_node_contributes_to_a_round_once(tmp_path, federation):
    message = train_message(federation)
    replies = [client_app(tmp_path)(copy.deepcopy(message), node()) for _ in range(2)]
    assert replies[0].content == replies[1].content
    other = {**INITIAL, "bias": np.zeros(2)}
    with pytest.raises(PolicyRefusedError, match="already contributed"):
        client_app(tmp_path)(train_message(federation, other, announced=other), node())
    client_app(tmp_path)(train_message(federation, number=2), node())
    with pytest.raises(PolicyRefusedError, match="already contributed"):
        client_app(tmp_path)(copy.deepcopy(message), node())


@pytest.mark.parametrize(
    "model",
    [
        {**INITIAL, "bias": np.zeros(2)},
        {**INITIAL, "steps": np.array([7, 9])},
        {"w": INITIAL["weights"], "steps": INITIAL["steps"], "bias": INITIAL["bias"]},
        dict(reversed(INITIAL.items())),
        {**INITIAL, "weights": INITIAL["weights"].astype(np.float64)},
    ],
    ids=["values", "counters", "names", "order", "dtypes"],
)
def test_another_model_than_the_announced_one_is_refused(tmp_path, federation, model):
    with pytest.raises(PolicyRefusedError, match="another model"):
        client_app(tmp_path)(train_message(federation, model, announced=INITIAL), node())


def test_a_round_of_another_federation_is_refused(tmp_path, federation):
    (tmp_path / "other").mkdir()
    other = federation_of(tmp_path / "other", "authority")
    with pytest.raises(PolicyRefusedError, match="another federation"):
        client_app(tmp_path)(train_message(other), node())


def test_a_message_without_an_announcement_is_refused_before_training(tmp_path, federation):
    message = train_message(federation)
    del message.content["veilsum"]
    app = app_returning(tmp_path, RuntimeError("it trained"))
    with pytest.raises(ProtocolError, match="SecureStrategy"):
        app(message, node())


def test_a_model_that_was_not_dealt_for_is_refused_before_training(tmp_path, federation):
    model = {"w": np.zeros(DIM + 1)}
    app = app_returning(tmp_path, RuntimeError("it trained"))
    with pytest.raises(InvalidArgumentError, match=f"--dim {DIM + 1}"):
        app(train_message(federation, model, announced=model), node())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (reply_content(metrics={"loss": 0.5}), "num-examples"),
        (reply_content(metrics={"num-examples": -1}), "num-examples"),
        (reply_content(metrics={"num-examples": float("nan")}), "num-examples"),
        (reply_content({"bias": np.zeros(3)}), "shape"),
        (reply_content({"more": np.zeros(3)}), "no entry"),
        (reply_content({"bias": np.array([np.nan, 0.0])}), "NaN"),
        (RecordDict({"metrics": MetricRecord({"num-examples": 1})}), "not one model"),
    ],
    ids=["no count", "negative", "nan count", "shape", "unknown", "diverged", "no model"],
)
def test_a_reply_that_cannot_be_summed_is_refused(tmp_path, federation, content, why):
    with pytest.raises((InvalidArgumentError, ProtocolError), match=why):
        app_returning(tmp_path, content)(train_message(federation), node())


def test_what_the_app_says_in_an_error_stays_at_the_node(tmp_path, federation):
    app = app_returning(tmp_path, ValueError("patient 17 is 93 years old"))
    with pytest.raises(RuntimeError) as caught:
        app(train_message(federation), node())
    assert str(caught.value) == "ValueError; the log of this node says more"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_finds_parties_must_return_one(tmp_path, federation):
    app = client_app(tmp_path, party=lambda context: ("folder", "passphrase"))
    with pytest.raises(RuntimeError, match=r"^TypeError; the log of this node says more"):
        app(train_message(federation), node())


def test_queries_of_the_app_are_refused(tmp_path, federation):
    app = client_app(tmp_path)
    app.query("hello")(lambda message, context: Message(RecordDict(), reply_to=message))
    message = Message(RecordDict(), dst_node_id=100, message_type="query.hello")
    with pytest.raises(PolicyRefusedError, match="unencrypted"):
        app(message, node())


def test_a_node_without_a_share_opens_nothing(tmp_path):
    federation_of(tmp_path, "authority")
    message = Message(pack([b"x"]), dst_node_id=100, message_type="query.veilsum_open")
    with pytest.raises(PolicyRefusedError, match="holds no share"):
        client_app(tmp_path)(message, node())


def test_without_max_examples_all_nodes_weigh_alike(tmp_path, federation):
    grid = grid_of(client_app(tmp_path, max_examples=None))
    result = strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    expected = model_of_the_loop(1, weighting="uniform")
    for name, wanted in zip(("weights", "bias"), expected, strict=True):
        assert np.array_equal(result.arrays[name].numpy(), wanted)


def test_noise_that_does_not_hide_weights_takes_no_weights(tmp_path):
    noise = GaussianNoise(
        epsilon=8, delta=1e-6, rounds=3, norm_bound=1, honest_contributors=1, weighted=False
    )
    federation = federation_of(tmp_path, "contributors", noise=noise)
    with pytest.raises(InvalidArgumentError, match="max_examples=None"):
        client_app(tmp_path)(train_message(federation), node())
    reply = client_app(tmp_path, max_examples=None)(train_message(federation), node())
    assert set(reply.content) == {"veilsum"}


def test_the_mod_works_in_an_ordinary_app(tmp_path, federation):
    mod = SecureMod(max_examples=40, party=client_app(tmp_path)._mods[0]._party)
    app = ClientApp(mods=[mod])
    app.train()(lambda message, context: Message(reply_content(), reply_to=message))
    assert set(app(train_message(federation), node()).content) == {"veilsum"}


def tampered(grid, change):
    """A grid on which replies to train messages of node 103 are changed on their way."""
    carry = grid._carry

    def changed(message):
        reply = carry(message)
        if message.metadata.message_type == "train" and message.metadata.dst_node_id == 103:
            reply = Message(change(reply.content), reply_to=message)
        return reply

    grid._carry = changed
    return grid


def with_metrics(content):
    return RecordDict({**content, "metrics": MetricRecord({"num-examples": 3})})


def with_another_type(content):
    arrays = {name: Array(np.frombuffer(a.data, np.uint8)) for name, a in _record(content)}
    return RecordDict({"veilsum": ArrayRecord(arrays)})


def renamed(content):
    return RecordDict({"veilsum": ArrayRecord({f"a{n}": a for n, a in _record(content)})})


def cut(content):
    data = b"".join(unpack(content))
    return pack([data[:-1]])


def flipped(content):
    data = bytearray(b"".join(unpack(content)))
    data[-1] ^= 1
    return pack([bytes(data)])


def _record(content):
    return content["veilsum"].items()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (with_metrics, "MalformedDataError"),
        (with_another_type, "MalformedDataError"),
        (renamed, "MalformedDataError"),
        (cut, "MalformedDataError"),
        (flipped, "MalformedDataError"),  # Of a masked block: bits behind the last residue.
        (lambda content: RecordDict(), "MalformedDataError"),
    ],
    ids=["metrics", "type", "names", "cut", "flipped", "empty"],
)
def test_a_reply_that_is_not_what_the_mod_makes_is_left_out(tmp_path, federation, change, error):
    grid = tampered(grid_of(client_app(tmp_path)), change)
    secure = strategy(tmp_path)
    secure.start(grid, initial_record(), num_rounds=1)
    record = secure.history[0]
    assert record.contributors == NAMES[:3]
    assert record.refused == {error: 1}
    assert record.failures[NAMES[3]].startswith(error)


def test_a_contribution_of_another_round_is_left_out(tmp_path, federation):
    grid = grid_of(client_app(tmp_path))
    secure = strategy(tmp_path)
    secure.start(grid, initial_record(), num_rounds=1)
    old = next(
        reply.content
        for reply in grid.replies
        if reply.metadata.message_type == "train" and reply.metadata.src_node_id == 103
    )
    tampered(grid, lambda content: old)
    secure.start(grid, initial_record(), num_rounds=2)
    assert secure.history[1].contributors == NAMES[:3]
    assert secure.history[1].refused == {"ProtocolError": 1}


def test_the_configuration_of_the_node_says_which_party_it_is(tmp_path, monkeypatch):
    monkeypatch.delenv("VEILSUM_PARTY", raising=False)
    monkeypatch.delenv("VEILSUM_PASSPHRASE_FILE", raising=False)
    file = tmp_path / "passphrase-3"
    file.write_text(PASSPHRASE + "\n")
    with pytest.raises(InvalidArgumentError, match="veilsum-party"):
        configured_party(context(1))
    with pytest.raises(PassphraseError):
        configured_party(context(1, **{"veilsum-party": "a"}))
    given = {"veilsum-party": "a", "veilsum-passphrase-file": str(file)}
    assert configured_party(context(1, **given)) == ("a", PASSPHRASE.encode())
    monkeypatch.setenv("VEILSUM_PARTY", "b/{partition-id}")
    monkeypatch.setenv("VEILSUM_PASSPHRASE_FILE", str(tmp_path / "passphrase-{partition-id}"))
    assert configured_party(context(1, **{"partition-id": 3})).folder == "b/3"
    for key in ("veilsum-party", "veilsum-passphrase-file"):
        with pytest.raises(TypeError, match=f"{key} must be a path"):
            configured_party(context(1, **{**given, key: 3}))
    for bad in ("..", "../c", ""):
        with pytest.raises(InvalidArgumentError, match="partition-id"):
            configured_party(context(1, **{"partition-id": bad}))
