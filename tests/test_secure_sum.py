"""A round of the secure sum: right totals, and refusals that change nothing."""

import dataclasses

import numpy as np
import pytest
import veilsum as vs
from hypothesis import given
from hypothesis import strategies as st
from known_keys import known_key
from validation_rules import rule
from veilsum.secure_sum import (
    Aggregator,
    Contribution,
    Contributor,
    Federation,
    KeyHolder,
    Opening,
    OpenRequest,
    RoundDescriptor,
    hash_model,
)

DIM = 7
CODEC = vs.Codec(DIM, clip=1.0, value_bits=10, max_addends=4)
NAMES = ("ada", "bob", "cyd", "dan")
MODEL = [np.arange(DIM, dtype=np.float32)]
NOISE = vs.privacy.GaussianNoise(
    epsilon=4.0, delta=1e-6, rounds=2, norm_bound=2.0, honest_contributors=2, weighted=False
)


def federation(**changes):
    settings = {"public_key": known_key(2048).public, "codec": CODEC}
    return Federation(**(settings | changes))


def descriptor(agreed, *, round_number=1, invited=NAMES, model=MODEL, run_id=bytes(16)):
    return RoundDescriptor(
        federation_hash=agreed.hash,
        run_id=run_id,
        round_number=round_number,
        model_hash=hash_model(model),
        invited=invited,
    )


def contribute(agreed, announced, name, value=0.5, **options):
    return Contributor(agreed, name=name, **options).contribute(
        announced.to_bytes(), np.full(DIM, value), model_hash=hash_model(MODEL)
    )


class Round:
    """An aggregator with some contributions."""

    def __init__(self, agreed=None, names=NAMES[:3]):
        self.federation = agreed or federation()
        self.descriptor = descriptor(self.federation)
        self.aggregator = Aggregator(self.federation, self.descriptor)
        self.messages = {name: self.contribution(name) for name in names}
        for message in self.messages.values():
            self.aggregator.receive(message)

    def contribution(self, name, **changes):
        return contribute(self.federation, self.descriptor, name, **changes)

    def holder(self):
        return KeyHolder(self.federation, secret_key=known_key(2048).secret)


@pytest.fixture
def round_of_three():
    return Round()


# ---- the sum ----


@pytest.mark.parametrize("trust", ["authority", "shared"])
def test_the_opened_sum_is_the_codecs_own_sum(trust):
    agreed = federation(trust=trust)
    announced = descriptor(agreed)
    secret = known_key(2048).secret
    random = np.random.default_rng(3)
    aggregator = Aggregator(agreed, announced)
    lanes = 0
    for name, weight in zip(NAMES, (1.0, 0.5, 0.25, 0.0), strict=True):
        delta = random.uniform(-1.2, 1.2, DIM)
        lanes = lanes + CODEC.quantise(delta, weight=weight)[0]
        contributor = Contributor(
            agreed, name=name, secret_key=secret if trust == "shared" else None
        )
        message = contributor.contribute(
            announced.to_bytes(), delta, model_hash=hash_model(MODEL), weight=weight
        )
        assert aggregator.receive(message) == name
    opening = KeyHolder(agreed, secret_key=secret).open(aggregator.open_request())
    result = aggregator.finish(opening)
    expected = CODEC.dequantise(lanes, num_addends=4)
    assert np.array_equal(result.sum.values, expected.values)
    assert result.sum.weight == expected.weight
    assert result.contributors == NAMES
    assert result.round_id == announced.round_id


def test_those_who_vanish_are_not_in_the_sum(round_of_three):
    request = round_of_three.aggregator.open_request()
    result = round_of_three.aggregator.finish(round_of_three.holder().open(request))
    assert result.contributors == NAMES[:3]
    assert result.sum.weight == 3.0
    assert np.allclose(result.sum.mean(), 0.5, atol=1e-3)


def test_equal_views_have_equal_transcripts(round_of_three):
    first = round_of_three
    request = first.aggregator.open_request()
    opening = first.holder().open(request)
    again = Aggregator(first.federation, first.descriptor)
    for name in reversed(NAMES[:3]):
        again.receive(first.messages[name])
    transcript = first.aggregator.finish(opening).transcript
    assert again.open_request() == request  # the same ciphertexts, whatever their order
    assert again.finish(opening).transcript == transcript
    other = Round()
    answer = other.holder().open(other.aggregator.open_request())
    assert other.aggregator.finish(answer).transcript != transcript


# ---- what the aggregator refuses ----


def unwanted(kind, state):
    agreed, announced = state.federation, state.descriptor
    if kind == "malformed":
        return state.messages["ada"][:-1]
    if kind == "another round":
        return contribute(agreed, descriptor(agreed, round_number=2), "dan")
    if kind == "not invited":
        vector = CODEC.encrypt(np.zeros(DIM), key=agreed.public_key).to_bytes()
        return Contribution(
            round_id=announced.round_id, contributor="eve", vector=vector
        ).to_bytes()
    if kind == "twice":
        return state.contribution("ada")
    codec, key = CODEC, agreed.public_key
    if kind == "another codec":
        codec = dataclasses.replace(CODEC, clip=2.0)
    if kind == "another key":
        key = known_key(3072).public
    vector = codec.encrypt(np.zeros(DIM), key=key)
    if kind == "a sum":
        vector = vector + vector
    data = vector.to_bytes()
    if kind == "no unit":
        data = data[: -2 * 256] + bytes(2 * 256)
    return Contribution(round_id=announced.round_id, contributor="dan", vector=data).to_bytes()


UNWANTED = {
    "malformed": vs.MalformedDataError,
    "another round": vs.ProtocolError,
    "not invited": vs.ProtocolError,
    "twice": vs.ProtocolError,
    "another codec": vs.ProtocolError,
    "another key": vs.KeyMismatchError,
    "a sum": vs.ProtocolError,
    "no unit": vs.InvalidCiphertextError,
}


@rule("CN1", "CN2", "CN3", "CN5")
@pytest.mark.parametrize("kind", UNWANTED)
def test_unwanted_contributions_are_counted_and_change_nothing(kind, round_of_three):
    state = round_of_three
    message = unwanted(kind, state)
    with pytest.raises(UNWANTED[kind]):
        state.aggregator.receive(message)
    assert state.aggregator.refused == {UNWANTED[kind].__name__: 1}
    assert state.aggregator.contributors == NAMES[:3]
    result = state.aggregator.finish(state.holder().open(state.aggregator.open_request()))
    assert result.sum.weight == 3.0


@rule("CN4")
def test_the_round_closes_with_the_request(round_of_three):
    aggregator = round_of_three.aggregator
    request = aggregator.open_request()
    with pytest.raises(vs.ProtocolError, match="late"):
        aggregator.receive(round_of_three.contribution("dan"))
    assert aggregator.open_request() == request


def test_too_few_contributions_are_not_asked_for():
    state = Round(federation(min_contributors=3), names=NAMES[:2])
    with pytest.raises(vs.ProtocolError, match="fewer than 3"):
        state.aggregator.open_request()
    state.aggregator.receive(state.contribution("cyd"))
    state.aggregator.open_request()


@rule("OP1", "OP2")
def test_only_the_answer_to_the_request_is_read(round_of_three):
    aggregator = round_of_three.aggregator
    holder = round_of_three.holder()
    with pytest.raises(vs.ProtocolError, match="open_request"):
        aggregator.finish(Opening(request_hash=bytes(32), lanes=np.zeros(8, int)).to_bytes())
    answer = Opening.from_bytes(holder.open(aggregator.open_request()))
    for wrong, error in [
        (dataclasses.replace(answer, request_hash=bytes(32)), vs.ProtocolError),
        (dataclasses.replace(answer, lanes=answer.lanes[:-1]), vs.MalformedDataError),
        (dataclasses.replace(answer, lanes=answer.lanes + 2**40), vs.MalformedDataError),
    ]:
        with pytest.raises(error):
            aggregator.finish(wrong.to_bytes())
    aggregator.finish(answer.to_bytes())


def test_a_descriptor_of_another_federation_is_refused():
    with pytest.raises(vs.ProtocolError):
        Aggregator(federation(), descriptor(federation(min_contributors=3)))


def test_the_codec_has_no_room_for_one_more():
    codec = dataclasses.replace(CODEC, max_addends=3)
    state = Round(federation(codec=codec))
    with pytest.raises(vs.CapacityError):
        state.aggregator.receive(state.contribution("dan"))
    assert state.aggregator.refused == {"CapacityError": 1}
    assert state.aggregator.contributors == NAMES[:3]


@rule("KH1", "KH3")
@pytest.mark.parametrize(
    ("names", "num_addends", "error"),
    [(("ada",), 1, vs.PolicyRefusedError), (("ada", "bob"), 1, vs.ProtocolError)],
)
def test_a_lone_contribution_is_not_opened(names, num_addends, error, round_of_three):
    total = Contribution.from_bytes(round_of_three.messages["ada"]).vector
    request = OpenRequest(descriptor=round_of_three.descriptor, contributors=names, total=total)
    with pytest.raises(error):
        round_of_three.holder().open(request.to_bytes())


@rule("KH4")
def test_keys_must_be_the_federations():
    other = vs.generate_key(2048)
    with pytest.raises(vs.KeyMismatchError):
        KeyHolder(federation(), secret_key=other)
    with pytest.raises(vs.KeyMismatchError):
        Contributor(federation(trust="shared"), name="ada", secret_key=other)
    with pytest.raises(vs.InvalidArgumentError, match="authority"):
        Contributor(federation(), name="ada", secret_key=known_key(2048).secret)


# ---- messages ----

HASHES = st.binary(min_size=32, max_size=32)
SETS_OF_NAMES = st.sets(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60), min_size=1, max_size=9
)


@given(HASHES, st.binary(min_size=16, max_size=16), st.integers(1, 2**63 - 1), SETS_OF_NAMES)
def test_descriptors_survive_the_wire(hash_, run_id, number, names):
    original = RoundDescriptor(
        federation_hash=hash_,
        run_id=run_id,
        round_number=number,
        model_hash=hash_,
        invited=tuple(names),
    )
    read = RoundDescriptor.from_bytes(original.to_bytes())
    assert read == original
    assert read.round_id == original.round_id
    assert read.invited == tuple(sorted(names))


@given(HASHES, SETS_OF_NAMES, st.binary(max_size=50), st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_messages_survive_the_wire(hash_, names, payload, lanes):
    name = min(names)
    contribution = Contribution(round_id=hash_, contributor=name, vector=payload)
    assert Contribution.from_bytes(contribution.to_bytes()) == contribution
    announced = RoundDescriptor(
        federation_hash=hash_,
        run_id=bytes(16),
        round_number=1,
        model_hash=hash_,
        invited=tuple(names),
    )
    request = OpenRequest(descriptor=announced, contributors=tuple(names), total=payload)
    assert OpenRequest.from_bytes(request.to_bytes()) == request
    opening = Opening(request_hash=hash_, lanes=np.array(lanes, np.int64))
    assert Opening.from_bytes(opening.to_bytes()).lanes.tolist() == lanes


@pytest.mark.parametrize("noise", [None, NOISE])
@pytest.mark.parametrize("trust", ["authority", "shared"])
def test_federations_survive_the_wire(noise, trust):
    codec = CODEC if noise is None else noise.fit(CODEC)
    original = federation(noise=noise, codec=codec, trust=trust, min_contributors=3)
    read = Federation.from_bytes(original.to_bytes())
    assert read == original
    assert read.hash == original.hash
    assert len({original.hash, federation().hash, federation(trust="shared").hash}) == 3


def test_model_hashes_tell_models_apart_and_layouts_not():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    same = [array, np.asfortranarray(array), array.astype(">f4"), array.copy()[::1]]
    assert len({hash_model([a]) for a in same}) == 1
    different = [
        [array],
        [array.reshape(3, 2)],
        [array.astype(np.float64)],
        [array.view(np.int32)],
        [array, array],
        [array[:1], array[1:]],
        [array[1:], array[:1]],
        [-array],
        [],
    ]
    assert len({hash_model(model) for model in different}) == len(different)
    with pytest.raises(TypeError):
        hash_model([np.array(["a"])])


# ---- agreements that cannot be ----


@rule("FD1", "FD2")
def test_an_agreement_fits_together():
    fitted = NOISE.fit(CODEC)
    for wrong in (
        {"noise": NOISE},
        {"noise": NOISE, "codec": dataclasses.replace(fitted, noise_bound=1)},
        {"noise": NOISE, "codec": fitted, "min_contributors": 1},
        {"min_contributors": 0},
        {"min_contributors": 5},
        {"trust": "nobody"},
    ):
        with pytest.raises(vs.InvalidArgumentError):
            federation(**wrong)
    data = bytearray(federation().to_bytes())
    for position, value in [(16, 7), (17, 0)]:  # trust, min_contributors
        damaged = bytes([*data[:position], value, *data[position + 1 :]])
        with pytest.raises(vs.MalformedDataError):
            Federation.from_bytes(damaged)


@rule("RD1", "RD2")
def test_a_descriptor_is_whole():
    agreed = federation()
    for wrong in (
        {"round_number": 0},
        {"run_id": bytes(15)},
        {"invited": ()},
        {"invited": ("ada", "ada")},
        {"invited": ("",)},
        {"invited": ("x" * 256,)},
        {"invited": ("\ud800",)},
    ):
        with pytest.raises(vs.InvalidArgumentError):
            descriptor(agreed, **wrong)
    data = descriptor(agreed, invited=("a", "b")).to_bytes()
    for swapped in (b"\x01b\x01a", b"\x01a\x01a", b"\x01\xff\x01b"):
        with pytest.raises(vs.MalformedDataError):
            RoundDescriptor.from_bytes(data.replace(b"\x01a\x01b", swapped))
