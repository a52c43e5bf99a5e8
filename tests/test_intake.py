"""Many contributions at once: each is added or refused as it would be alone, and nothing else."""

import dataclasses

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import TRUSTS, frames_of, identity
from veilsum.errors import EntropyError
from veilsum.schemes.given_proofs import GivenProofs
from veilsum.secure_sum import Chunk, ContributionHeader, FolderStore, OpenRequest, RoundLedger
from veilsum.secure_sum import intake as reading
from veilsum.secure_sum.merkle import leaf_hash, merkle_root

MANY = tuple(f"member {i:02d}" for i in range(20))
CODEC = vs.Codec(30, clip=1.0, value_bits=16, max_addends=len(MANY))


def federation(trust, **changes):
    settings = {"codec": CODEC, "contributors": parties.roster(*MANY), "chunk_size": 8}
    return parties.federation(trust, **(settings | changes))


@pytest.fixture(scope="module", params=[*TRUSTS, "threshold, masked"])
def agreed(request):
    """Of short vectors; under shares they travel packed unless it is said, else masked."""
    trust, _, scheme = request.param.partition(", ")
    return federation(trust, scheme=scheme or "auto")


@pytest.fixture(scope="module")
def announced(agreed):
    return parties.descriptor(agreed, invited=MANY)


@pytest.fixture(scope="module")
def messages(agreed, announced):
    return {name: parties.contribute(agreed, announced, name) for name in MANY}


def open_all(agreed, receiver):
    """Let holders answer until the sum is open."""
    holders = {name: parties.holder(agreed, name) for name in receiver.openers}
    while requests := receiver.open_requests():
        for name, request in requests.items():
            if receiver.num_missing_chunks > 0:
                receiver.receive_opening(holders[name].open(request))


def resigned(name, frames):
    """These chunks as this contributor signs them."""
    header = ContributionHeader.from_bytes(frames[0])
    signed = ContributionHeader.signed(
        identity(name),
        round_id=header.round_id,
        num_chunks=header.num_chunks,
        root=merkle_root([leaf_hash(frame) for frame in frames[1:]]),
    )
    return b"".join([signed.to_bytes(), *frames[1:]])


def with_wrong_proof(name, message, chunk=0):
    """One byte of a response is another, and the contributor signs that."""
    frames = frames_of(message)
    given = Chunk.from_bytes(frames[1 + chunk])
    proof = bytearray(given.proof)
    proof[-40] ^= 1
    frames[1 + chunk] = dataclasses.replace(given, proof=bytes(proof)).to_bytes()
    return resigned(name, frames)


def outcomes(arrivals):
    return [(each.contributor, each.error and type(each.error).__name__) for each in arrivals]


def one_by_one(agreed, announced, given):
    """What ``receive`` says of each message, and who is in the sum then."""
    receiver, found = parties.aggregator(agreed, announced), []
    for message in given:
        try:
            found.append(receiver.receive(message))
        except vs.VeilsumError as error:
            found.append(str(error))
    return found, receiver


def test_many_contributions_are_the_sum_of_each(agreed, announced, messages):
    receiver = parties.aggregator(agreed, announced)
    assert outcomes(receiver.receive_all(messages.values())) == [(name, None) for name in MANY]
    assert receiver.contributors == MANY
    _, other = one_by_one(agreed, announced, messages.values())
    for each in (receiver, other):
        open_all(agreed, each)
    sums = [each.finish().sum for each in (receiver, other)]
    assert np.array_equal(sums[0].values, sums[1].values)
    assert sums[0].num_addends == sums[1].num_addends == len(MANY)


def test_a_wrong_one_is_refused_as_alone_and_keeps_no_other_out(agreed, announced, messages):
    given = list(messages.values())
    frames = frames_of(given[4])
    given[2] = with_wrong_proof(MANY[2], given[2])
    given[4] = b"".join(frames[:-1])
    given[5] = resigned(MANY[5], [*frames_of(given[5])[:1], *frames[1:]])
    given[6] = given[6] + frames[-1]
    given[9] = given[8]
    given[10] = b"no message"
    given[11] = b""
    given[12] = b"".join([frames_of(given[12])[0], *frames_of(given[13])[1:]])
    given[17] = with_wrong_proof(MANY[17], given[17], agreed.num_opened - 1)
    alone, other = one_by_one(agreed, announced, given)
    receiver = parties.aggregator(agreed, announced)
    arrivals = receiver.receive_all(given)
    together = [str(each.error) if each.error else each.contributor for each in arrivals]
    assert together == alone
    assert receiver.contributors == other.contributors
    assert receiver.refused == other.refused
    assert sum(other.refused.values()) == 9
    wrong = {2: "ProofError", 5: "ProofError", 12: "ProofError", 17: "ProofError"}
    for i, error in wrong.items():
        assert outcomes(arrivals)[i] == (MANY[i], error)
        assert MANY[i] in str(arrivals[i].error)
    assert outcomes(arrivals)[9:12] == [
        (MANY[8], "ProtocolError"),
        ("", "MalformedDataError"),
        ("", "MalformedDataError"),
    ]
    # Who was refused may send again what is right.
    again = [message for name, message in messages.items() if name not in receiver.contributors]
    assert all(each.error is None for each in receiver.receive_all(again))
    open_all(agreed, receiver)
    assert receiver.finish().sum.num_addends == len(MANY)


def mutated(message, random):
    """A message with something wrong in it, or nothing."""
    kind, data = random.randrange(5), bytearray(message)
    if kind == 0:
        return message
    if kind == 1:
        return bytes(data[: random.randrange(len(data))])
    frames = frames_of(message)
    if kind == 2:
        i, j = random.randrange(len(frames)), random.randrange(len(frames))
        frames[i], frames[j] = frames[j], frames[i]
        return b"".join(frames)
    place = random.randrange(len(data)) if kind == 3 else len(data) - 1 - random.randrange(200)
    data[place] ^= 1 << random.randrange(8)
    return bytes(data)


def test_whatever_comes_is_answered_as_one_by_one(agreed, announced, messages, rng):
    for _ in range(4):
        given = [mutated(message, rng) for message in messages.values()]
        given += rng.sample(given, 3)
        # Some sign what is wrong, so that proofs are what refuses it.
        for i in rng.sample(range(len(MANY)), 4):
            given[i] = with_wrong_proof(MANY[i], messages[MANY[i]])
        alone, other = one_by_one(agreed, announced, given)
        receiver = parties.aggregator(agreed, announced)
        arrivals = receiver.receive_all(given)
        assert [str(each.error) if each.error else each.contributor for each in arrivals] == alone
        assert (receiver.contributors, receiver.refused) == (other.contributors, other.refused)


def test_a_wrong_proof_passes_where_nothing_is_settled(monkeypatch, agreed, announced, messages):
    """The attack while the defence is off: what is only collected is not checked."""
    bad = with_wrong_proof(MANY[0], messages[MANY[0]])
    given = [bad, *list(messages.values())[1:9]]
    monkeypatch.setattr(
        "veilsum.schemes.given_proofs.PlaintextProofBatch.wrong", lambda *_, **__: []
    )
    receiver = parties.aggregator(agreed, announced)
    assert receiver.receive_all(given)[0].error is None
    assert receiver.contributors == MANY[:9]
    monkeypatch.undo()
    receiver = parties.aggregator(agreed, announced)
    assert isinstance(receiver.receive_all(given)[0].error, vs.ProofError)
    assert receiver.contributors == MANY[1:9]


def test_a_contribution_that_is_found_wrong_is_not_kept(tmp_path, agreed, announced, messages):
    given = list(messages.values())[:10]
    given[3] = with_wrong_proof(MANY[3], given[3])
    store = FolderStore(tmp_path / "round")
    receiver = parties.aggregator(agreed, announced, store=store)
    receiver.receive_all(given)
    store.close()
    again = parties.aggregator(agreed, announced, store=FolderStore(tmp_path / "round"))
    assert again.contributors == receiver.contributors == (*MANY[:3], *MANY[4:10])
    open_all(agreed, again)
    assert again.finish().sum.num_addends == 9


def test_a_store_with_what_nobody_proved_is_refused(
    tmp_path, monkeypatch, agreed, announced, messages
):
    given = list(messages.values())[:10]
    given[3] = with_wrong_proof(MANY[3], given[3])
    store = FolderStore(tmp_path / "round")
    with monkeypatch.context() as off:
        off.setattr("veilsum.schemes.given_proofs.PlaintextProofBatch.wrong", lambda *_, **__: [])
        parties.aggregator(agreed, announced, store=store).receive_all(given)
    store.close()
    with pytest.raises(vs.ProofError, match=MANY[3]):
        parties.aggregator(agreed, announced, store=FolderStore(tmp_path / "round"))


def test_no_more_are_begun_than_the_codec_has_room_for():
    codec = vs.Codec(30, clip=1.0, value_bits=16, max_addends=5)
    agreed = federation("authority", codec=codec, min_contributors=2)
    announced = parties.descriptor(agreed, invited=MANY)
    given = [parties.contribute(agreed, announced, name) for name in MANY[:7]]
    given[1] = with_wrong_proof(MANY[1], given[1])
    receiver = parties.aggregator(agreed, announced)
    # There is room for one more, as one is refused.
    assert [error for _, error in outcomes(receiver.receive_all(given))] == [
        *(None, "ProofError", None, None, None, None, "CapacityError"),
    ]


def test_who_sends_again_at_once_is_heard(agreed, announced, messages):
    """As after a line that was cut: what came first was refused when all of it was read."""
    name, right = MANY[3], messages[MANY[3]]
    cut = b"".join(frames_of(right)[:-1])
    for bad in (cut, with_wrong_proof(name, right)):
        receiver = parties.aggregator(agreed, announced)
        given = [messages[MANY[0]], bad, messages[MANY[1]], right, right]
        errors = [error for _, error in outcomes(receiver.receive_all(given))]
        refused = "ProtocolError" if bad == cut else "ProofError"
        assert errors == [None, refused, None, None, "ProtocolError"]
        assert receiver.contributors == (MANY[0], MANY[1], name)


def test_messages_are_begun_in_groups_and_read_late(agreed, announced, messages, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_TOGETHER", 3)
    events = []

    def late(name, message):
        for i, frame in enumerate(frames_of(message)):
            events.append((name, i))
            yield frame

    given = [late(name, messages[name]) for name in MANY[:7]]
    receiver = parties.aggregator(agreed, announced)
    assert all(each.error is None for each in receiver.receive_all(given))
    # Keys of three, then the rest of each of the three; at the end what is left.
    last_of_keys = agreed.num_opened
    firsts = [name for name, i in events if i == last_of_keys]
    assert firsts == list(MANY[:7])
    if agreed.num_chunks > agreed.num_opened:
        lasts = [events.index((name, agreed.num_chunks)) for name in MANY[:7]]
        keys = [events.index((name, last_of_keys)) for name in MANY[:7]]
        assert max(keys[:3]) < min(lasts[:3])
        assert max(lasts[:3]) < keys[3]


def test_an_error_of_the_caller_passes_and_what_was_not_added_can_be_given_again(
    agreed, announced, messages
):
    def broken():
        yield messages[MANY[0]]
        yield messages[MANY[1]]
        raise OSError("the line is dead")

    receiver = parties.aggregator(agreed, announced)
    with pytest.raises(OSError, match="dead"):
        receiver.receive_all(broken())
    with pytest.raises(TypeError, match="message"):
        receiver.receive_all([messages[MANY[0]], 5])
    assert receiver.receive_all([]) == []
    missing = [name for name in MANY if name not in receiver.contributors]
    assert all(e.error is None for e in receiver.receive_all(messages[name] for name in missing))
    assert receiver.contributors == MANY


def test_a_closed_round_takes_no_more(agreed, announced, messages):
    receiver = parties.aggregator(agreed, announced)
    receiver.receive_all(list(messages.values())[:9])
    receiver.open_requests()
    assert outcomes(receiver.receive_all([messages[MANY[9]]])) == [(MANY[9], "ProtocolError")]


# ---- holders ----


def forged_request(agreed, announced, messages, name, bad):
    """What a corrupted aggregator asks, with a contribution that it did not check."""
    honest = parties.aggregator(agreed, announced)
    with pytest.MonkeyPatch.context() as off:
        off.setattr("veilsum.schemes.given_proofs.PlaintextProofBatch.wrong", lambda *_, **__: [])
        off.setattr("veilsum.schemes.given_proofs.GivenProof.check", lambda *_: None)
        arrivals = honest.receive_all({**messages, **bad}.values())
        assert all(each.error is None for each in arrivals)
        return b"".join(honest.open_requests()[name])


@pytest.mark.parametrize("where", [[0], [7, 8], [19]])
def test_holders_refuse_a_sum_with_a_wrong_proof_and_name_who_sent_it(
    agreed, announced, messages, where
):
    name = parties.opener_of(agreed)
    bad = {MANY[i]: with_wrong_proof(MANY[i], messages[MANY[i]]) for i in where}
    request = forged_request(agreed, announced, messages, name, bad)
    ledger = RoundLedger.in_memory()
    with pytest.raises(vs.ProofError, match=MANY[where[0]]):
        parties.holder(agreed, name, ledger).open(request)
    # With the defence off it is answered, and that is the attack.
    with pytest.MonkeyPatch.context() as off:
        off.setattr("veilsum.schemes.given_proofs.PlaintextProofBatch.wrong", lambda *_, **__: [])
        assert parties.holder(agreed, name).open(request)
    # Nothing was locked by what was refused: the honest set is.
    honest = forged_request(agreed, announced, messages, name, {})
    assert OpenRequest.from_bytes(frames_of(honest)[0]).holder == name
    assert parties.holder(agreed, name, ledger).open(honest)


def test_a_group_of_proofs_is_settled_before_more_are_read(
    agreed, announced, messages, monkeypatch
):
    """Memory at a holder does not grow with the contributors."""
    monkeypatch.setattr("veilsum.schemes.given_proofs._CIPHERTEXTS_TOGETHER", 12)
    name = parties.opener_of(agreed)
    sizes = []
    request = forged_request(agreed, announced, messages, name, {})

    class Watched(vs.PlaintextProofBatch):
        def wrong(self, **options):
            sizes.append(self.num_ciphertexts)
            return super().wrong(**options)

    monkeypatch.setattr("veilsum.schemes.given_proofs.PlaintextProofBatch", Watched)
    assert parties.holder(agreed, name).open(request)
    assert len(sizes) > 1
    assert max(sizes) < 12 + agreed.chunk_size


def test_what_could_not_be_checked_is_not_added(agreed, announced, messages, monkeypatch):
    """As without randomness; one more that is read then does not bring the others in."""
    given = list(messages.values())
    given[2] = with_wrong_proof(MANY[2], given[2])
    given.insert(6, given[4])  # Who sends again has the others checked first.
    settle, calls = GivenProofs.settle, []

    def once_without_randomness(self, **options):
        calls.append(len(self))
        if len(calls) == 1:
            raise EntropyError("there is no randomness")
        return settle(self, **options)

    receiver = parties.aggregator(agreed, announced)
    monkeypatch.setattr(GivenProofs, "settle", once_without_randomness)
    arrivals = receiver.receive_all(given)
    assert outcomes(arrivals)[:6] == [(name, "EntropyError") for name in MANY[:6]]
    assert outcomes(arrivals)[6:] == [(name, None) for name in (MANY[4], *MANY[6:])]
    assert receiver.contributors == (MANY[4], *MANY[6:])
