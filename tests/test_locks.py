"""Opening in two steps: holders lock a set, and open it when they are shown that enough have.

Each attack first succeeds, with what stands against it taken away, and then is refused by name.
"""

import contextlib
import dataclasses
from unittest import mock

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_attackers import addressed, asked_anew, forged_request
from protocol_parties import NAMES, Round, frames_of
from validation_rules import rule
from veilsum.schemes import packed
from veilsum.secure_sum import (
    Federation,
    FolderStore,
    Lock,
    Opening,
    OpenRequest,
    RoundLedger,
    RunChain,
    RunName,
    Transcript,
    round_ledger,
)
from veilsum.secure_sum.contribution import set_hash

SMALL = vs.Codec(20, clip=1.0, value_bits=40, max_addends=4)


@pytest.fixture(params=["packed", "masked"])
def agreed(request):
    """Four of five holders open; several chunks."""
    size = {"packed": 1, "masked": 16}[request.param]
    return parties.federation(
        "threshold", toy=(5, 4), codec=SMALL, scheme=request.param, chunk_size=size
    )


@contextlib.contextmanager
def without(place, name, replacement=lambda *_, **__: None):
    """A defence that is taken away."""
    with mock.patch.object(place, name, replacement):
        yield


@contextlib.contextmanager
def powers():
    """What holders exponentiate inside: how many ciphertexts of which total."""
    seen, compute = [], packed._ShareHolder.open

    def watched(self, total, **options):
        seen.append(total.to_ints())
        return compute(self, total, **options)

    with mock.patch.object(packed._ShareHolder, "open", watched):
        yield seen


def holders_of(agreed):
    return [party.name for party in agreed.holders]


def all_chunks(agreed):
    return tuple(range(agreed.num_opened))


def with_locks(request, locks):
    """The same request, with these locks."""
    head, *rest = frames_of(request)
    changed = asked_anew(OpenRequest.from_bytes(head), locks=tuple(locks))
    return b"".join([changed.to_bytes(), *rest])


def lock_by(name, request):
    """The lock of a holder that would lock anything."""
    asked = OpenRequest.from_bytes(frames_of(request)[0])
    names = {"round_id": asked.descriptor.round_id, "set_hash": asked.set_hash}
    return Lock.signed(parties.identity(name), **names)


def request_to_open(state, names=NAMES[:3]):
    """What a cheating aggregator asks of the first holder: all chunks of these contributions."""
    messages = [state.messages[name] for name in names]
    return forged_request(state.descriptor, messages, all_chunks(state.federation))


# ---- one set of a round number ----


def test_two_sets_for_two_minorities_are_not_opened_for_either(agreed):
    """Answers for several sets, none of which finds enough, tell more than any of them."""
    state = Round(agreed, NAMES)
    first, second = request_to_open(state, NAMES[:2]), request_to_open(state, NAMES[2:])
    corrupt, honest = holders_of(agreed)[:2], holders_of(agreed)[2:]
    answers = dict(zip(honest, (first, second, first), strict=True))
    with without(Federation, "num_locks", 0), powers() as seen:
        for name in honest:
            parties.holder(agreed, name).open(addressed(answers[name], name))
    assert len(seen) == 3 * agreed.num_opened
    with powers() as seen:
        locks = {first: [], second: []}
        for name in honest:
            asked = addressed(answers[name], name)
            locks[answers[name]].append(Lock.from_bytes(state.holder(name).open(asked)))
        for name in honest:
            for request in (first, second):
                # The corrupt lock whatever they are asked to.
                found = [*locks[request], *(lock_by(evil, request) for evil in corrupt)]
                assert len({lock.holder for lock in found}) == len(found)
                error = vs.VeilsumError if len(found) >= 4 else vs.ProtocolError
                if len(found) < 4:
                    with pytest.raises(error, match="holders have locked the set, and 4 must"):
                        state.holder(name).open(addressed(with_locks(request, found), name))
    assert len(locks[first]) + len(corrupt) == 4  # One set may be opened, and only that one.
    with powers() as seen:
        shown = with_locks(first, [*locks[first], *map_locks(corrupt, first)])
        state.holder(honest[0]).open(addressed(shown, honest[0]))
        with pytest.raises(vs.PolicyRefusedError, match="one answer"):
            state.holder(honest[1]).open(addressed(shown, honest[1]))
    assert len(seen) == agreed.num_opened


def map_locks(names, request):
    return [lock_by(name, request) for name in names]


@rule("KH13")
def test_the_numbers_of_locked_rounds_grow(agreed):
    rounds = RoundLedger.in_memory()
    name = holders_of(agreed)[0]
    states = {number: Round(agreed, round_number=number) for number in (1, 2, 3)}
    holder = parties.holder(agreed, name, rounds)
    holder.open(states[2].asked()[name])
    with without(round_ledger.Book, "check_lock"):
        parties.holder(agreed, name).open(states[1].asked()[name])
        parties.holder(agreed, name, RoundLedger.in_memory()).open(states[2].asked()[name])
    with pytest.raises(vs.PolicyRefusedError, match="has locked round 2"):
        holder.open(states[1].asked()[name])
    other = parties.contribute(agreed, states[2].descriptor, "dan")
    states[2].messages["dan"] = other
    with pytest.raises(vs.PolicyRefusedError, match="one answer"):
        holder.open(request_to_open(states[2], ("ada", "dan")))
    holder.open(states[2].asked()[name])  # The same again.
    holder.open(states[3].asked()[name])
    with pytest.raises(vs.PolicyRefusedError, match="has locked round 3"):
        holder.open(states[2].asked()[name])
    assert sorted(rounds.answered(RunName.of(agreed))) == [2, 3]


@rule("KH14")
def test_a_holder_opens_its_last_lock_when_it_is_shown_enough(agreed):
    state = Round(agreed)
    first, *others = holders_of(agreed)
    request = request_to_open(state)
    locks = map_locks((first, *others[:3]), request)
    another = request_to_open(state, NAMES[:2])
    eve = dataclasses.replace(locks[0], holder="eve")
    swapped = dataclasses.replace(locks[0], signature=locks[1].signature)
    with powers() as seen:
        for wrong, error in (
            (locks[:3], vs.ProtocolError),
            ([*locks[:3], locks[0]], vs.ProtocolError),
            ([*locks[:3], lock_by(others[2], another)], vs.ProtocolError),
            ([*locks[1:], eve], vs.ProtocolError),
            ([*locks[1:], swapped], vs.SignatureError),
            ([*locks, locks[0]], vs.ProtocolError),
        ):
            with pytest.raises(error):
                state.holder(first).open(with_locks(request, wrong))
    assert seen == []
    assert state.ledgers[first].answered(RunName.of(agreed)) == {}
    # Whoever has locked a later round computes for that only.
    later = Round(agreed, round_number=2)
    state.holder(first).open(later.asked()[first])
    with without(round_ledger.Book, "check_lock"), without(RoundLedger, "begin"), powers() as seen:
        parties.holder(agreed, first).open(with_locks(request, locks))
    assert len(seen) == agreed.num_opened
    with powers() as seen, pytest.raises(vs.PolicyRefusedError, match="has locked round 2"):
        state.holder(first).open(with_locks(request, locks))
    assert seen == []


# ---- no opened round is hidden ----


def opened_round(agreed, ledgers, chain, number, **changes):
    """One that all holders open, with these records."""
    state = Round(agreed, round_number=number, after=chain.end, chain=chain, **changes)
    state.ledgers = ledgers
    state.open()
    chain.add(state.aggregator.finish().link)
    return state


@rule("KH15")
def test_a_round_that_was_begun_is_not_left_out(agreed):
    ledgers = {name: RoundLedger.in_memory() for name in holders_of(agreed)}
    chain, fork = RunChain(), RunChain()
    opened_round(agreed, ledgers, chain, 1)
    hiding = Round(agreed, round_number=2)  # As if nothing had been opened before.
    hiding.ledgers = ledgers
    with without(round_ledger.Book, "begin"):
        unbound = {name: RoundLedger.in_memory() for name in ledgers}
        opened_round(agreed, unbound, RunChain(), 1)
        opened_round(agreed, unbound, fork, 2)
    for name, request in hiding.asked().items():
        with pytest.raises(vs.PolicyRefusedError, match="has begun to open round 1"):
            hiding.holder(name).open(request)
    # Nor with another round in its place, or another set of it.
    replaced = RunChain()
    opened_round(agreed, {name: RoundLedger.in_memory() for name in ledgers}, replaced, 1)
    forked = Round(agreed, round_number=2, after=replaced.end, chain=replaced)
    forked.ledgers = ledgers
    for name, request in forked.asked().items():
        with pytest.raises(vs.PolicyRefusedError, match="has begun to open round 1"):
            forked.holder(name).open(request)
    opened_round(agreed, ledgers, chain, 2)
    assert chain.end.number == 2
    # Once round 2 is seen, what goes on from round 1 alone is off the chain too.
    opened_round(agreed, ledgers, chain, 3)
    early = RunChain(chain.after(0)[:1])
    late = Round(agreed, round_number=4, after=early.end, chain=early)
    late.ledgers = ledgers
    for name, request in late.asked().items():
        with pytest.raises(vs.PolicyRefusedError, match="off the chain"):
            late.holder(name).open(request)


def test_a_split_round_is_left_behind_and_the_run_goes_on(agreed):
    """Holders that locked different sets open neither, and lock the next round."""
    state = Round(agreed, NAMES)
    first, second = request_to_open(state, NAMES[:2]), request_to_open(state)
    for name, request in zip(
        holders_of(agreed), (first, first, second, second, second), strict=True
    ):
        state.holder(name).open(addressed(request, name))
    chain = RunChain()
    missing = [*state.asked(), *state.asked(missing=list(state.asked())[:1])]
    for name, request in state.asked().items():
        with pytest.raises(vs.PolicyRefusedError, match="one answer"):
            state.holder(name).open(request)
    with pytest.raises(vs.NotEnoughSharesError):
        state.asked(missing)
    assert not state.aggregator.must_finish
    opened_round(agreed, state.ledgers, chain, 2)
    assert chain.end.number == 2


# ---- a holder that is asked again ----


def test_a_holder_asked_again_gives_the_same_partial_decryption(agreed):
    state = Round(agreed)
    name = holders_of(agreed)[0]
    request = state.requests()[name]

    def elements():
        answers = map(Opening.from_bytes, frames_of(state.holder(name).open(request)))
        key = agreed.key
        read = [vs.threshold.PartialDecryption.from_bytes(a.body, key) for a in answers]
        # The last bytes are the elements; proofs are made anew.
        return [(part.first, part.to_bytes()[-48:]) for part in read]

    assert elements() == elements()


# ---- the aggregator ----


@rule("OP7")
def test_locks_are_of_this_set_and_signed_by_holders(agreed):
    state = Round(agreed)
    name, other = holders_of(agreed)[:2]
    request = state.asked()[name]
    lock = lock_by(name, request)
    for wrong, error in (
        (lock_by(name, request_to_open(state, NAMES[:2])), vs.ProtocolError),
        (dataclasses.replace(lock, round_id=bytes(32)), vs.ProtocolError),
        (dataclasses.replace(lock, holder="ada"), vs.ProtocolError),
        (dataclasses.replace(lock, holder=other), vs.SignatureError),
        (dataclasses.replace(lock, signature=bytes(64)), vs.SignatureError),
    ):
        with pytest.raises(error):
            state.aggregator.receive_opening(wrong.to_bytes())
    opening = Opening.signed(
        parties.identity(name), round_id=lock.round_id, set_hash=lock.set_hash, index=0, body=b"x"
    )
    with pytest.raises(vs.ProtocolError, match="was not asked to yet"):
        state.aggregator.receive_opening(opening.to_bytes())
    state.aggregator.receive_opening(lock.to_bytes())
    with pytest.raises(vs.ProtocolError, match="has locked already"):
        state.aggregator.receive_opening(lock.to_bytes())
    with pytest.raises(vs.MalformedDataError, match="comes alone"):
        state.aggregator.receive_opening([lock_by(other, request).to_bytes()] * 2)
    assert not state.aggregator.must_finish


def test_a_holder_that_only_ever_locks_is_set_aside(agreed):
    state = Round(agreed)
    name = holders_of(agreed)[0]
    request = state.requests()[name]
    assert state.aggregator.must_finish
    with pytest.raises(vs.ProtocolError, match="was asked to open"):
        state.aggregator.receive_opening(lock_by(name, request).to_bytes())
    state.finish(missing=[name])
    assert not state.aggregator.must_finish


@pytest.mark.parametrize("keep", [True, False])
def test_a_holder_that_vanishes_between_the_steps_is_made_up_for(agreed, keep):
    state = Round(agreed, keep=keep)
    for name, request in state.asked().items():
        state.aggregator.receive_opening(state.holder(name).open(request))
    gone = holders_of(agreed)[2]
    parties.assert_sums(state.finish(missing=[gone]), parties.quantised_sum(SMALL, [0.5] * 3))
    transcript = state.aggregator.transcript()
    assert gone not in {receipt.holder for receipt in transcript.receipts}
    transcript.verify(agreed)


def test_one_that_was_there_for_no_lock_opens_at_once(agreed):
    """It checks, locks and opens when it is shown the locks of the others."""
    state = Round(agreed, keep=True)
    late = holders_of(agreed)[0]
    for name, request in state.asked(missing=[late]).items():
        state.aggregator.receive_opening(state.holder(name).open(request))
    assert state.asked(missing=[late])  # Now it is begun.
    gone = holders_of(agreed)[1]
    request = state.asked(missing=[gone])[late]
    answer = state.holder(late).open(request)
    assert {Opening.from_bytes(frame).holder for frame in frames_of(answer)} == {late}
    state.aggregator.receive_opening(answer)
    parties.assert_sums(state.finish(missing=[gone]), parties.quantised_sum(SMALL, [0.5] * 3))


@pytest.mark.parametrize("keep", [True, False])
def test_a_new_aggregator_goes_on_between_the_steps(agreed, keep, tmp_path):
    state = Round(agreed, store=FolderStore(tmp_path / "round"), keep=keep)

    def restart():
        state.store.close()
        state.store = FolderStore(tmp_path / "round")
        state.restart()

    restart()
    for name, request in state.asked().items():
        state.aggregator.receive_opening(state.holder(name).open(request))
        assert not state.aggregator.must_finish
        restart()
    assert not state.aggregator.must_finish
    state.asked()
    assert state.aggregator.must_finish
    restart()
    assert state.aggregator.must_finish
    while requests := state.asked():
        for name, request in requests.items():
            restart()
            state.asked()  # Whoever asked is another one now.
            state.aggregator.receive_opening(state.holder(name).open(request))
    parties.assert_sums(state.aggregator.finish(), parties.quantised_sum(SMALL, [0.5] * 3))
    assert not state.aggregator.must_finish


def test_the_chain_of_a_round_is_that_of_its_descriptor(agreed):
    ledgers = {name: RoundLedger.in_memory() for name in holders_of(agreed)}
    chain = RunChain()
    opened_round(agreed, ledgers, chain, 1)
    announced = parties.descriptor(agreed, round_number=2, after=chain.end)
    for wrong in (None, RunChain()):
        with pytest.raises(vs.ProtocolError, match="goes on from round 1"):
            parties.aggregator(agreed, announced, chain=wrong)
    parties.aggregator(agreed, announced, chain=chain)


# ---- transcripts ----


@rule("TR9")
def test_a_transcript_has_the_locks_that_holders_were_shown(agreed):
    state = Round(agreed)
    told = Transcript.from_bytes(state.finish().transcript)
    told.verify(agreed)
    assert len(told.locks) == 4
    one, *others = told.locks
    wrong_set = Lock.signed(parties.identity(one.holder), round_id=one.round_id, set_hash=bytes(32))
    assert set_hash(list(told.headers)) == one.set_hash
    for locks, error in (
        ((), vs.ProtocolError),
        (others, vs.ProtocolError),
        ((*others, others[0]), vs.ProtocolError),
        ((wrong_set, *others), vs.ProtocolError),
        ((dataclasses.replace(one, signature=bytes(64)), *others), vs.SignatureError),
    ):
        with pytest.raises(error):
            dataclasses.replace(told, locks=tuple(locks)).verify(agreed)


@pytest.mark.parametrize("trust", ["authority", "contributors"])
def test_one_who_has_the_whole_key_locks_nothing_for_others(trust):
    state = Round(parties.federation(trust, codec=SMALL))
    told = Transcript.from_bytes(state.finish().transcript)
    assert told.locks == ()
    told.verify(state.federation)
    assert np.allclose(state.aggregator.finish().sum.values, 1.5, atol=1e-3)
