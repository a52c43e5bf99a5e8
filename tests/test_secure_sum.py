"""A round of the secure sum: right totals, and an aggregator's refusals that change nothing."""

import dataclasses
import itertools

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from known_keys import known_key
from protocol_attackers import resigned
from protocol_parties import CODEC, DIM, NAMES, NOISE, NOISY_CODEC, TRUSTS, Round
from shared_keys import shared_key
from validation_rules import rule
from veilsum.privacy import Ledger
from veilsum.schemes.proof_context import proof_context
from veilsum.secure_sum import Chunk, ContributionHeader

# ---- the sum ----


@pytest.mark.parametrize("trust", TRUSTS)
def test_the_opened_sum_is_the_codecs_own_sum(trust):
    random = np.random.default_rng(3)
    deltas = random.uniform(-1.2, 1.2, (4, DIM))
    weights = (1.0, 0.5, 0.25, 0.0)
    codec = dataclasses.replace(CODEC, value_bits=38, weight_bits=2)
    state = Round(parties.federation(trust, codec=codec), names=())
    for name, delta, weight in zip(NAMES, deltas, weights, strict=True):
        message = state.contribution(name, delta, weight=weight)
        assert state.aggregator.receive(message) == name
    result = state.finish()
    parties.assert_sums(result, parties.quantised_sum(codec, deltas, weights))
    assert result.contributors == NAMES
    assert result.round_id == state.descriptor.round_id
    assert not state.aggregator.refused


@pytest.mark.parametrize("trust", TRUSTS)
def test_the_size_of_chunks_changes_no_sum(trust):
    expected = parties.quantised_sum(CODEC, (0.5, 0.25))
    chunks = {1: 5, 2: 3, 5: 1, 4096: 1} if trust == "threshold" else {1: 20, 5: 5, 4096: 2}
    for chunk_size, num_chunks in chunks.items():
        agreed = parties.federation(trust, chunk_size=chunk_size)
        assert agreed.num_chunks == num_chunks
        state = Round(agreed, names=())
        for name, value in (("ada", 0.5), ("dan", 0.25)):
            # As a socket might give it: a contribution is read piece by piece.
            message = state.contribution(name, value)
            state.aggregator.receive(message[i : i + 999] for i in range(0, len(message), 999))
        parties.assert_sums(state.finish(), expected)


def test_the_key_of_threshold_holders_is_the_one_that_was_shared():
    """What four holders open, the dealer's secret key would open to the same."""
    state = Round(parties.federation("threshold"))
    result = state.finish()
    total = vs.Accumulator(CODEC, key=shared_key().public)
    for message in state.messages.values():
        chunks = [Chunk.from_bytes(frame) for frame in parties.frames_of(message)[1:]]
        read = [vs.Ciphertexts.from_bytes(c.body, shared_key().public) for c in chunks]
        total.add(vs.EncryptedVector(vs.Ciphertexts.concatenate(read), CODEC))
    opened = CODEC.decrypt(total.total, shared_key().secret)
    assert np.array_equal(result.sum.values, opened.values)


@pytest.mark.parametrize("trust", TRUSTS)
def test_noise_is_in_the_sum(trust):
    noise = dataclasses.replace(NOISE, honest_contributors=1 if trust == "contributors" else 2)
    agreed = parties.federation(trust, noise=noise, codec=noise.fit(NOISY_CODEC))
    state = Round(agreed, names=())
    for name in NAMES[:2]:
        ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
        state.aggregator.receive(state.contribution(name, 0.0, ledger=ledger))
        assert ledger.spent.num_contributions == 1
    assert np.count_nonzero(state.finish().sum.values) > DIM // 2


@pytest.mark.parametrize("trust", ["authority", "threshold"])
def test_equal_views_have_equal_requests(trust):
    state = Round(parties.federation(trust))
    requests = state.requests()
    again = Round(state.federation, names=())
    for name in reversed(NAMES[:3]):
        again.aggregator.receive(state.messages[name])
    assert again.requests() == requests  # The same ciphertexts, whatever their order.
    assert state.requests() == requests


# ---- what an aggregator refuses of contributors ----


def encrypted_chunk(index, ciphertexts):
    return Chunk(index=index, body=ciphertexts.to_bytes(), proof=b"").to_bytes()


def with_chunk(state, index, frame):
    """A good contribution of dan with another chunk, which dan signed."""
    frames = parties.frames_of(state.contribution("dan"))[1:]
    frames[index] = frame
    return resigned(state.descriptor, "dan", frames)


def with_proof(state, proof):
    """A good contribution of dan; its second chunk has this proof, or ciphertexts with theirs."""
    body = None
    if isinstance(proof, tuple):
        body, proof = proof
    chunk = Chunk.from_bytes(parties.frames_of(state.contribution("dan"))[2])
    changed = dataclasses.replace(chunk, body=body or chunk.body, proof=proof)
    return with_chunk(state, 1, changed.to_bytes())


def proof_of(state, *, name="dan", round_id=None, times=1):
    """Ciphertexts of the second chunk, with a proof that holds where this is so."""
    context = proof_context(round_id or state.descriptor.round_id, name)
    size = state.federation.chunk_size
    ciphertexts, proof = state.federation.public_key.encrypt_and_prove(
        [1] * size, context=context, first=size, chunk=times * size
    )
    return ciphertexts.to_bytes(), proof.to_bytes()


def unwanted(kind, state):
    """A message that the aggregator must not take."""
    agreed, announced = state.federation, state.descriptor
    key, good = agreed.public_key, state.contribution("dan")
    frames = parties.frames_of(good)
    header = ContributionHeader.from_bytes(frames[0])
    match kind:
        case "empty":
            return b""
        case "malformed":
            return good[:-1]
        case "no contribution":
            return state.descriptor.to_bytes()
        case "too long":
            return good[:8] + (1 << 40).to_bytes(8, "little") + good[16:]
        case "another round":
            other = parties.descriptor(agreed, round_number=2)
            return parties.contribute(agreed, other, "dan")
        case "not invited":
            return resigned(announced, "eve", frames[1:])
        case "on the roster, not invited":
            few = Round(agreed, names=(), invited=NAMES[:3])
            state.aggregator, state.descriptor = few.aggregator, few.descriptor
            for name in NAMES[:3]:
                few.aggregator.receive(few.contribution(name))
            return resigned(few.descriptor, "dan", frames[1:])
        case "twice":
            return state.contribution("ada")
        case "the same twice":
            return state.messages["ada"]
        case "another's name":
            signed = resigned(announced, "cyd", frames[1:])
            forged = ContributionHeader.from_bytes(parties.frames_of(signed)[0])
            forged = dataclasses.replace(forged, contributor="dan")
            return b"".join([forged.to_bytes(), *frames[1:]])
        case "no signature":
            header = dataclasses.replace(header, signature=bytes(64))
            return b"".join([header.to_bytes(), *frames[1:]])
        case "another signature":
            first = parties.frames_of(state.messages["ada"])[0]
            header = dataclasses.replace(
                header, signature=ContributionHeader.from_bytes(first).signature
            )
            return b"".join([header.to_bytes(), *frames[1:]])
        case "a chunk less":
            return resigned(announced, "dan", frames[1:-1])
        case "a chunk more":
            return resigned(announced, "dan", [*frames[1:], frames[-1]])
        case "a chunk is missing":
            return b"".join(frames[:-1])
        case "chunks after the last":
            return good + frames[-1]
        case "swapped chunks":
            return b"".join([frames[0], frames[2], frames[1], *frames[3:]])
        case "swapped chunks, signed":
            swapped = [frames[2], frames[1], *frames[3:]]
            return resigned(announced, "dan", swapped)
        case "another's chunk":
            stolen = parties.frames_of(state.messages["ada"])[1]
            return b"".join([frames[0], stolen, *frames[2:]])
        case "two ciphertexts in a chunk":
            return with_chunk(state, 1, encrypted_chunk(1, key.encrypt([1, 2])))
        case "a matrix":
            return with_chunk(state, 1, encrypted_chunk(1, key.encrypt([[1]])))
        case "an empty chunk":
            return with_chunk(state, 1, encrypted_chunk(1, key.encrypt([])))
        case "another key":
            return with_chunk(state, 1, encrypted_chunk(1, known_key(3072).public.encrypt([1])))
        case "no unit":
            data = key.encrypt([1]).to_bytes()
            chunk = Chunk(index=1, body=data[:-512] + bytes(512), proof=b"")
            return with_chunk(state, 1, chunk.to_bytes())
        case "a digit above n":
            data = key.encrypt([1]).to_bytes()
            chunk = Chunk(index=1, body=data[:-256] + b"\xff" * 256, proof=b"")
            return with_chunk(state, 1, chunk.to_bytes())
        case "no proof":
            return with_proof(state, b"")
        case "no proof but bytes":
            return with_proof(state, b"proof")
        case "a proof of version 2":
            proof = bytearray(Chunk.from_bytes(frames[2]).proof)
            proof[5] = 2
            return with_proof(state, bytes(proof))
        case "the proof of another chunk":
            return with_proof(state, Chunk.from_bytes(frames[3]).proof)
        case "a proof of longer chunks":
            return with_proof(state, proof_of(state, times=2))
        case "a proof in another's name":
            return with_proof(state, proof_of(state, name="ada"))
        case "a proof for another round":
            return with_proof(state, proof_of(state, round_id=bytes(32)))
    raise AssertionError(kind)


UNWANTED = {
    "empty": vs.MalformedDataError,
    "malformed": vs.MalformedDataError,
    "no contribution": vs.MalformedDataError,
    "too long": vs.MalformedDataError,
    "another round": vs.ProtocolError,
    "not invited": vs.ProtocolError,
    "on the roster, not invited": vs.ProtocolError,
    "twice": vs.ProtocolError,
    "the same twice": vs.ProtocolError,
    "another's name": vs.SignatureError,
    "no signature": vs.SignatureError,
    "another signature": vs.SignatureError,
    "a chunk less": vs.ProtocolError,
    "a chunk more": vs.ProtocolError,
    "a chunk is missing": vs.ProtocolError,
    "chunks after the last": vs.MalformedDataError,
    "swapped chunks": vs.ProtocolError,
    "swapped chunks, signed": vs.ProtocolError,
    "another's chunk": vs.ProofError,
    "two ciphertexts in a chunk": vs.ProtocolError,
    "a matrix": vs.ProtocolError,
    "an empty chunk": vs.ProtocolError,
    "another key": vs.KeyMismatchError,
    "no unit": vs.InvalidCiphertextError,
    "a digit above n": vs.InvalidCiphertextError,
    "no proof": vs.ProofError,
    "no proof but bytes": vs.MalformedDataError,
    "a proof of version 2": vs.MalformedDataError,
    "the proof of another chunk": vs.ProtocolError,
    "a proof of longer chunks": vs.ProtocolError,
    "a proof in another's name": vs.ProofError,
    "a proof for another round": vs.ProofError,
}


@rule("CN1", "CN2", "CN3", "CN5", "CN6", "CN7", "CN8", "CN9")
@pytest.mark.parametrize("kind", UNWANTED)
def test_unwanted_contributions_are_counted_and_change_nothing(kind):
    state = Round()
    message = unwanted(kind, state)
    with pytest.raises(UNWANTED[kind]):
        state.aggregator.receive(message)
    assert state.aggregator.refused == {UNWANTED[kind].__name__: 1}
    assert state.aggregator.contributors == NAMES[:3]
    parties.assert_sums(state.finish(), parties.quantised_sum(CODEC, [0.5] * 3))


def test_a_contributor_whose_message_was_refused_may_send_a_good_one():
    state = Round()
    good = state.contribution("dan")
    for position in (100, len(good) // 2, len(good) - 1):
        damaged = bytearray(good)
        damaged[position] ^= 1
        with pytest.raises(vs.VeilsumError):
            state.aggregator.receive(damaged)
    state.aggregator.receive(good)
    assert state.finish().contributors == NAMES


@rule("CN4")
def test_the_round_closes_with_the_request():
    state = Round()
    requests = state.requests()
    with pytest.raises(vs.ProtocolError, match="late"):
        state.aggregator.receive(state.contribution("dan"))
    assert state.requests() == requests


def test_too_few_contributions_are_not_asked_for():
    state = Round(parties.federation(min_contributors=3), names=NAMES[:2])
    with pytest.raises(vs.ProtocolError, match="fewer than 3"):
        state.aggregator.open_requests()
    state.aggregator.receive(state.contribution("cyd"))  # The round is open still.
    state.aggregator.open_requests()


def test_the_codec_has_no_room_for_one_more():
    codec = dataclasses.replace(CODEC, max_addends=3)
    state = Round(parties.federation(codec=codec))
    with pytest.raises(vs.CapacityError):
        state.aggregator.receive(state.contribution("dan"))
    assert state.aggregator.refused == {"CapacityError": 1}
    assert state.aggregator.contributors == NAMES[:3]


@rule("RD3")
def test_an_aggregator_announces_rounds_of_its_federation():
    agreed = parties.federation()
    for other in (
        parties.descriptor(parties.federation(min_contributors=3)),
        parties.descriptor(agreed, invited=(*NAMES, "eve")),
    ):
        with pytest.raises(vs.ProtocolError):
            parties.aggregator(agreed, other)


@pytest.mark.parametrize("trust", TRUSTS)
def test_any_set_of_contributors_from_the_fewest_on_is_summed(trust):
    agreed = parties.federation(trust, chunk_size=4096)
    messages = Round(agreed, names=NAMES).messages
    for count in (2, 3, 4):
        for names in itertools.combinations(NAMES, count):
            state = Round(agreed, names=())
            for name in names:
                state.aggregator.receive(messages[name])
            result = state.finish()
            assert result.contributors == names
            parties.assert_sums(result, parties.quantised_sum(CODEC, [0.5] * count))
