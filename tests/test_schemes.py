"""A federation runs with any scheme: here one of plain integers, which nobody knows."""

import ast
import dataclasses
from pathlib import Path

import numpy as np
import protocol_parties as parties
import pytest
import toy_scheme
import veilsum as vs
from protocol_attackers import asked_anew, forged_request, resigned
from protocol_parties import CODEC, NAMES, TRUSTS, Round
from veilsum import schemes
from veilsum.secure_sum import ChunkRequest, Federation, FolderStore, OpenRequest, Transcript


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    for name, known in toy_scheme.SCHEMES.items():
        monkeypatch.setitem(schemes.SCHEMES, name, known)


def agreement(trust, scheme="toy", **changes):
    toy = (5, 4) if trust == "threshold" else None
    return parties.federation(trust, toy=toy, scheme=scheme, chunk_size=2, **changes)


@pytest.mark.parametrize("trust", TRUSTS)
def test_a_round_with_a_scheme_of_plain_integers(trust, tmp_path):
    agreed = agreement(trust)
    state = Round(agreed, names=(), store=FolderStore(tmp_path / "store"))
    deltas = np.random.default_rng(1).uniform(-1, 1, (3, CODEC.dim))
    for name, delta in zip(NAMES, deltas, strict=False):
        message = state.contribution(name, delta, weight=1.0)
        assert b"".join(parties.frames_of(message)) == message
        state.aggregator.receive(message)
    state.restart()  # Another process reads what was kept.
    result = state.finish()
    slots = sum(CODEC.quantise(delta)[0] for delta in deltas)
    expected = CODEC.dequantise(slots, num_addends=3)
    assert np.array_equal(result.sum.values, expected.values)
    assert result.contributors == NAMES[:3]
    Transcript.from_bytes(result.transcript).verify(agreed)


@pytest.mark.parametrize("trust", TRUSTS)
def test_holders_are_given_only_the_chunks_that_are_opened(trust):
    state = Round(agreement(trust))
    agreed = state.federation
    assert agreed.num_chunks == agreed.num_opened + 1 > 2
    assert state.aggregator.num_missing_chunks == agreed.num_opened
    asked, given = set(), set()
    while requests := state.asked():
        for name, request in requests.items():
            head, *frames = parties.frames_of(request)
            asked.update(OpenRequest.from_bytes(head).chunks)
            chunks = [ChunkRequest.from_bytes(frame).chunk for frame in frames]
            given.update(vs.secure_sum.Chunk.from_bytes(chunk).index for chunk in chunks)
            if state.aggregator.num_missing_chunks > 0:
                state.aggregator.receive_opening(state.holder(name).open(request))
    assert asked == given == set(range(agreed.num_opened))
    told = state.aggregator.transcript()
    told.verify(agreed)
    assert {receipt.index for receipt in told.receipts} == asked
    last = dataclasses.replace(told.receipts[0], index=agreed.num_opened)
    with pytest.raises(vs.VeilsumError):
        dataclasses.replace(told, receipts=(*told.receipts, last)).verify(agreed)


@pytest.mark.parametrize("trust", TRUSTS)
def test_a_chunk_that_is_only_added_is_not_opened(trust):
    state = Round(agreement(trust))
    agreed, messages = state.federation, list(state.messages.values())
    for chunk in (agreed.num_opened, agreed.num_chunks):
        name = parties.opener_of(agreed)
        request = forged_request(state.descriptor, messages, (0,), holder=name)
        head, *frames = parties.frames_of(request)
        wider = asked_anew(OpenRequest.from_bytes(head), chunks=(0, chunk)).to_bytes()
        with pytest.raises(vs.ProtocolError, match=f"chunk {chunk} is asked for; of "):
            parties.holder(agreed, name).open([wider, *frames])


def test_what_was_sent_in_plain_integers_is_no_ciphertext():
    state = Round(agreement("authority"), names=())
    *opened, added = [
        np.frombuffer(vs.secure_sum.Chunk.from_bytes(frame).body, "<i8")
        for frame in parties.frames_of(state.contribution("ada", 1.0))[1:]
    ]
    assert np.array_equal(added - np.concatenate(opened), CODEC.quantise(np.ones(CODEC.dim))[0])


def test_a_proof_is_the_schemes_to_check():
    state = Round(agreement("threshold"), names=())
    other = parties.descriptor(state.federation, round_number=2)
    frames = parties.frames_of(parties.contribute(state.federation, other, "ada"))[1:]
    with pytest.raises(vs.ProofError, match="ada proved nothing"):
        state.aggregator.receive(resigned(state.descriptor, "ada", frames))


def test_the_scheme_is_part_of_the_agreement():
    agreed = agreement("authority")
    assert Federation.from_bytes(agreed.to_bytes()) == agreed
    masked = parties.federation("authority", chunk_size=2)
    assert masked.hash != agreed.hash
    assert masked.scheme == "masked"
    with pytest.raises(vs.PolicyRefusedError, match="another federation"):
        parties.contributor(masked, "ada").contribute(
            parties.announcement(parties.descriptor(agreed), "ada"),
            np.zeros(CODEC.dim),
            model_hash=parties.descriptor(agreed).model_hash,
        )


def test_an_unknown_scheme_is_refused(monkeypatch):
    message = agreement("authority").to_bytes()
    with pytest.raises(vs.InvalidArgumentError, match="scheme is 'plain'"):
        parties.federation("authority", scheme="plain")
    monkeypatch.delitem(schemes.SCHEMES, "toy")
    with pytest.raises(vs.MalformedDataError, match="241 is no trust or scheme"):
        Federation.from_bytes(message)


def test_codes_of_schemes_fit_and_differ():
    codes = [known.code for known in schemes.SCHEMES.values()]
    assert len(set(codes)) == len(codes)
    assert all(0 <= code < 16 for code in codes)


# ---- nobody else asks ----

PACKAGE = Path(vs.__file__).parent
# Keys and their types are the first two's; who can open follows from key and holders in the next
# two; vector is for those who use a key without the protocol, and hazmat for tests.
ROOMS = (
    "paillier/*",
    "schemes/*",
    "secure_sum/agreement.py",
    "secure_sum/federation.py",
    "vector.py",
    "hazmat.py",
)
KEY_TYPES = {"PublicKey", "SecretKey", "ThresholdKey", "KeyShare"}


def names_in(node):
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} | {
        each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)
    }


def constants_in(node):
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}


def questions(source):
    """Lines that ask for the type of a key, for a trust or for a scheme."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and names_in(node.func) & {"isinstance", "issubclass"}:
            if names_in(node.args[1]) & KEY_TYPES:
                yield node.lineno
        elif isinstance(node, (ast.Compare, ast.Match)):
            sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else [node]
            asked = set().union(*(constants_in(side) for side in sides))
            named = set().union(*(names_in(side) for side in sides))
            of_type = {"type", "secret_type"} & named and named & KEY_TYPES
            if asked & {*TRUSTS, *schemes.SCHEMES} or of_type:
                yield node.lineno


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(key, SecretKey)",
        "isinstance(key, (int, veilsum.paillier.ThresholdKey))",
        "federation.trust == 'threshold'",
        "'contributors' != trust",
        "trust in ('authority', 'clear')",
        "federation.scheme == 'packed'",
        "type(key) is PublicKey",
        "match trust:\n    case 'threshold':\n        pass",
    ],
)
def test_a_question_is_found(source):
    assert len(list(questions(source))) == 1


def test_what_is_no_question_is_not_found():
    for source in ("trust = 'threshold'", "settings.trust == 'clear'", "isinstance(x, Codec)"):
        assert list(questions(source)) == []


def test_nobody_outside_their_rooms_asks_for_trust_scheme_or_type_of_key():
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not any(path.relative_to(PACKAGE).match(room) for room in ROOMS)
        for line in questions(path.read_text())
    ]
    assert found == []
