"""Attacks on the opening in two steps: by outsiders, holders, two requests at once, and crashes."""

import contextlib
import dataclasses
import itertools
from unittest import mock

import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_attackers import (
    addressed,
    asked_anew,
    bodies_of,
    forged_contribution,
    forged_request,
    key_scheme,
)
from protocol_parties import NAMES, Round, frames_of
from test_locks import SMALL, holders_of, lock_by, map_locks, opened_round, request_to_open
from validation_rules import rule
from veilsum.integrations import opening
from veilsum.schemes.proof_context import proof_context
from veilsum.secure_sum import (
    ChunkRequest,
    FolderStore,
    KeyHolder,
    Lock,
    Opening,
    OpenRequest,
    RoundLedger,
    RoundLink,
    RunChain,
    RunName,
    Transcript,
    round_ledger,
)
from veilsum.secure_sum.link import START


@pytest.fixture(params=["packed", "masked"])
def agreed(request):
    size = {"packed": 1, "masked": 16}[request.param]
    return parties.federation(
        "threshold", toy=(5, 4), codec=SMALL, scheme=request.param, chunk_size=size
    )


def forged_link(agreed, number, after=START):
    """Of a round that nobody has opened, by an aggregator that cheats."""
    return RoundLink.signed(
        parties.identity(parties.AGGREGATOR),
        federation_hash=agreed.hash,
        after=after,
        round_number=number,
        round_id=b"r" * 32,
        set_hash=b"s" * 32,
        certificate=b"c" * 32,
        commitment=b"k" * 32,
    )


def with_locks_unsigned(request, locks):
    """The locks put in by somebody who is not the aggregator."""
    head, *rest = frames_of(request)
    changed = dataclasses.replace(OpenRequest.from_bytes(head), locks=tuple(locks))
    return b"".join([changed.to_bytes(), *rest])


def without_a_contributor(request, kept):
    """What a holder makes of the request that it was sent: fewer contributions."""
    head, *units = frames_of(request)
    asked = OpenRequest.from_bytes(head)
    positions = [i for i, each in enumerate(asked.headers) if each.contributor in kept]
    fewer = parties.with_set(asked, headers=[asked.headers[i] for i in positions])
    frames = [fewer.to_bytes()]
    for chunk, (place, old) in itertools.product(range(len(asked.chunks)), enumerate(positions)):
        unit = ChunkRequest.from_bytes(units[chunk * len(asked.headers) + old])
        frames.append(dataclasses.replace(unit, contribution=place).to_bytes())
    return b"".join(frames)


def turned_on(request, name):
    """What a holder makes of its request to have another one answer it."""
    head, *rest = frames_of(request)
    asked = dataclasses.replace(OpenRequest.from_bytes(head), holder=name)
    return b"".join([asked.to_bytes(), *rest])


@rule("KH18")
@pytest.mark.parametrize("kept", [NAMES[:2], NAMES[:3]])
def test_nobody_but_the_aggregator_has_anything_locked_or_opened(agreed, kept):
    """A holder turns the request that it was sent on the others: for a part of it, or all."""
    state = Round(agreed)
    evil, *honest = holders_of(agreed)
    request = state.asked()[evil]
    made = without_a_contributor(request, kept) if len(kept) < 3 else request
    forged = {name: turned_on(made, name) for name in honest}
    with mock.patch.object(OpenRequest, "verify"):
        other = Round(agreed)
        locks = [Lock.from_bytes(other.holder(name).open(forged[name])) for name in honest]
        shown = {name: with_locks_unsigned(forged[name], locks) for name in honest}
        answers = [frames_of(other.holder(name).open(shown[name])) for name in honest]
    assert {Opening.from_bytes(frame).holder for each in answers for frame in each} == set(honest)
    for name in honest:
        for wrong in (
            forged[name],
            with_locks_unsigned(forged[name], map_locks(honest, forged[name])),
        ):
            with pytest.raises(vs.SignatureError, match="open request is not signed by aggregator"):
                state.holder(name).open(wrong)
    # The aggregator, which has shown nobody anything, may leave the round behind.
    assert not state.aggregator.must_finish
    opened_round(agreed, state.ledgers, RunChain(), 2)


@rule("KH3")
def test_a_request_for_another_holder_is_refused(agreed):
    """A holder shows its own request to one whom the aggregator has not asked to open."""
    state = Round(agreed)
    asked = state.requests()
    (spared,) = set(holders_of(agreed)) - set(state.asked(missing=holders_of(agreed)[4:]))
    evil, request = next((name, asked[name]) for name in sorted(asked) if name != spared)
    why = f"the request is for {evil}, and this is {spared}"

    def answer(holder):
        return Opening.from_bytes(frames_of(holder.open(request))[0])

    with mock.patch.object(KeyHolder, "_check_recipient"):
        other = parties.holder(agreed, spared)
        assert answer(other).holder == spared
    ledger = state.ledgers[spared]
    before = ledger.answered(RunName.of(agreed))
    with pytest.raises(vs.PolicyRefusedError, match=why):
        answer(state.holder(spared))
    assert ledger.answered(RunName.of(agreed)) == before
    assert answer(state.holder(evil)).holder == evil


@rule("KH19")
@pytest.mark.parametrize("trust", parties.TRUSTS)
def test_the_chunks_asked_for_are_those_that_the_aggregator_signed(trust):
    """Somebody on the way has a holder open another chunk than it was asked to."""
    toy = {"toy": (5, 4)} if trust == "threshold" else {}
    agreed = parties.federation(trust, **toy)
    state = Round(agreed)
    name, request = next(iter(state.asked(max_chunks=1).items()))
    ((chunk,), *_) = [OpenRequest.from_bytes(frames_of(request)[0]).chunks]
    wanted = (chunk + 1) % agreed.num_opened
    messages = state.messages.values()
    head, *pieces = frames_of(forged_request(state.descriptor, messages, (wanted,), holder=name))
    signature = OpenRequest.from_bytes(frames_of(request)[0]).signature
    moved = dataclasses.replace(OpenRequest.from_bytes(head), signature=signature).to_bytes()
    with mock.patch.object(OpenRequest, "verify"):
        parties.holder(agreed, name).open([moved, *pieces])
    ledger = state.ledgers[name]
    with pytest.raises(vs.SignatureError, match="open request is not signed by aggregator"):
        state.holder(name).open([moved, *pieces])
    assert ledger.answered(RunName.of(agreed)) == {}
    state.holder(name).open(request)


# ---- two requests at once ----


def later_request(state, chain):
    """For all chunks of a round that has others before it."""
    head, *units = frames_of(request_to_open(state))
    links = [link.to_bytes() for link in chain.after(0)]
    asked = asked_anew(OpenRequest.from_bytes(head), num_links=len(links))
    return b"".join([asked.to_bytes(), *links, *units])


def hide_a_round(agreed):
    """While a request is read that leaves round 1 out, round 1 is opened; who locks it then."""
    names = holders_of(agreed)
    ledgers = {name: RoundLedger.in_memory() for name in names}
    chain, fork = RunChain(), RunChain([forged_link(agreed, 2)])
    hiding = Round(agreed, round_number=3, after=fork.end, chain=fork)
    first = opened_round(agreed, {name: RoundLedger.in_memory() for name in names}, chain, 1)
    second = Round(agreed, round_number=2, after=chain.end, chain=chain)
    ask_first, ask_second = request_to_open(first), later_request(second, chain)
    head, *rest = frames_of(ask_first)
    locks = map_locks(names[:4], ask_first)
    shown = b"".join(
        [asked_anew(OpenRequest.from_bytes(head), locks=tuple(locks)).to_bytes(), *rest]
    )
    fooled = []
    for name, request in hiding.asked().items():
        frames = frames_of(request)

        def stalled(name=name, frames=frames):
            yield from frames[:3]  # Signatures and links are checked, and the ledger is asked.
            yield b""
            holder = parties.holder(agreed, name, ledgers[name])
            for asked in (ask_first, shown, ask_second):
                holder.open(addressed(asked, name))
            yield from frames[3:]

        with contextlib.suppress(vs.PolicyRefusedError):
            parties.holder(agreed, name, ledgers[name]).open(stalled())
            fooled.append(name)
    return fooled


def test_no_round_is_hidden_by_two_requests_at_once(agreed):
    with mock.patch.object(round_ledger.Book, "check_seen"):
        assert len(hide_a_round(agreed)) == 5
    assert hide_a_round(agreed) == []


def test_a_contributor_answers_no_fork_beside_another_request():
    """Another process of it answers round 2, which has a link, while it makes round 3 without."""
    agreed = parties.federation(codec=SMALL)
    real, fork = RunChain([forged_link(agreed, 1)]), RunChain([forged_link(agreed, 2)])
    second = parties.descriptor(agreed, round_number=2, after=real.end)
    third = parties.descriptor(agreed, round_number=3, after=fork.end)

    def play():
        ledger, read, others = RoundLedger.in_memory(), vs.secure_sum.Contributor._read, []

        def overtaken(self, announcement, model_hash):
            found = read(self, announcement, model_hash)
            if not others:
                others.append(None)
                parties.contribute(agreed, second, "ada", rounds=ledger, chain=real)
            return found

        with mock.patch.object(vs.secure_sum.Contributor, "_read", overtaken):
            parties.contribute(agreed, third, "ada", rounds=ledger, chain=fork)

    with mock.patch.object(round_ledger.Book, "check_seen"):
        play()
    with pytest.raises(vs.PolicyRefusedError, match="meanwhile the run has come to 1"):
        play()


def test_nothing_is_opened_after_a_renewal_that_came_between(agreed):
    state = Round(agreed)
    name = holders_of(agreed)[0]
    request, ledger = state.requests()[name], state.ledgers[name]
    begin, new = ledger.begin, agreed.renewed(last_day=parties.LAST_DAY)

    def renewed_meanwhile(*arguments, **options):
        ledger.pin(RunName.of(new))
        begin(*arguments, **options)

    with mock.patch.object(ledger, "begin", renewed_meanwhile):
        with pytest.raises(vs.PolicyRefusedError, match="has pinned 2"):
            state.holder(name).open(request)


def test_a_round_is_not_opened_further_once_a_later_one_is_locked(agreed):
    state, chain = Round(agreed), RunChain()
    name = holders_of(agreed)[0]
    answers = state.holder(name).open_in_frames(state.requests()[name])
    next(answers)
    asked = OpenRequest.from_bytes(frames_of(request_to_open(state))[0])
    link = dataclasses.replace(forged_link(agreed, 1), round_id=asked.descriptor.round_id)
    link = RoundLink.signed(
        parties.identity(parties.AGGREGATOR),
        federation_hash=agreed.hash,
        after=START,
        round_number=1,
        round_id=asked.descriptor.round_id,
        set_hash=asked.set_hash,
        certificate=link.certificate,
        commitment=link.commitment,
    )
    chain.add(link)
    later = Round(agreed, round_number=2, after=chain.end, chain=chain)
    state.holder(name).open(later_request(later, chain))
    with pytest.raises(vs.PolicyRefusedError, match="has locked round 2"):
        next(answers)


# ---- what never ends, and what is read from strangers ----


@pytest.mark.parametrize("has_begun", [False, True])
def test_an_answer_of_locks_without_end_is_refused_at_once(agreed, has_begun):
    state = Round(agreed, keep=True)
    name = holders_of(agreed)[0]
    asked = state.asked()
    if has_begun:
        for other, request in asked.items():
            state.aggregator.receive_opening(state.holder(other).open(request))
        state.asked()
    lock, read = lock_by(name, asked[name]).to_bytes(), []

    def answer():
        while True:
            read.append(None)
            yield lock

    with pytest.raises(vs.MalformedDataError, match="comes alone"):
        state.aggregator.receive_opening(answer())
    assert len(read) == 2


def test_an_opening_ends_though_a_holder_passes_on_the_locks_of_others(agreed):
    state = Round(agreed, keep=True)
    evil, gone = holders_of(agreed)[0], holders_of(agreed)[4]

    class Clock:
        now = 0.0

        @classmethod
        def monotonic(cls):
            return cls.now

        @classmethod
        def sleep(cls, seconds):
            cls.now += seconds

    class Holders:
        num_asked = 0

        def present(self, names):
            return set(names) - {gone}

        def ask(self, requests):
            self.num_asked += 1
            assert self.num_asked < 100, "it goes on for ever"
            answers = {}
            for name, frames in requests.items():
                message = b"".join(frames)
                locks = OpenRequest.from_bytes(frames_of(message)[0]).locks
                others = [lock for lock in locks if lock.holder != evil]
                if name == evil and others:
                    answers[name] = others[0].to_bytes()
                else:
                    answers[name] = state.holder(name).open(message)
            return answers

    options = {"max_request_bytes": 1 << 20, "wait_seconds": 60.0, "log": lambda words: None}
    with mock.patch.object(opening, "time", Clock), pytest.raises(vs.NotEnoughSharesError):
        opening.open_sum(state.aggregator, Holders(), federation=agreed, **options)
    assert Clock.now < 200


def test_links_of_strangers_are_not_read(agreed):
    state = Round(agreed)
    name = holders_of(agreed)[0]
    asked = OpenRequest.from_bytes(frames_of(state.asked()[name])[0])
    unsigned = dataclasses.replace(asked.descriptor, signature=bytes(64))
    head = dataclasses.replace(parties.with_set(asked, descriptor=unsigned), num_links=2**32 - 1)
    link, read = forged_link(agreed, 1).to_bytes(), []

    def stream(head):
        yield head.to_bytes()
        while True:
            read.append(None)
            yield link

    with pytest.raises(vs.SignatureError, match="round descriptor"):
        state.holder(name).open(stream(head))
    assert len(read) < 2
    with pytest.raises(vs.PolicyRefusedError, match="each once"):
        state.holder(name).open(stream(parties.with_set(head, descriptor=asked.descriptor)))
    assert len(read) < 5


def test_locks_are_not_shown_before_that_is_stored(agreed, tmp_path):
    """A request that is still unread when enough have locked says what it said."""
    store = FolderStore(tmp_path / "round")
    state = Round(agreed, store=store, keep=True)
    late = holders_of(agreed)[3]
    first = dict(state.aggregator.open_requests())
    slow = first.pop(late)
    for name, frames in first.items():
        state.aggregator.receive_opening(state.holder(name).open(frames))
    for name, frames in state.aggregator.open_requests(missing=[late]).items():
        state.aggregator.receive_opening(state.holder(name).open(frames))
    with mock.patch.object(store, "put", side_effect=OSError(28, "No space left on device")):
        with pytest.raises(OSError, match="No space"):
            state.aggregator.open_requests(missing=[late])
    assert store.names("begun") == []
    assert OpenRequest.from_bytes(next(slow)).locks == ()


# ---- where one has the whole key ----


@pytest.mark.parametrize("trust", ["authority", "contributors"])
def test_locks_where_one_party_opens_alone_are_refused(trust):
    state = Round(parties.federation(trust, codec=SMALL))
    told = Transcript.from_bytes(state.finish().transcript)
    receipt = told.receipts[0]
    names = {"round_id": receipt.round_id, "set_hash": receipt.set_hash}
    lock = Lock.signed(parties.identity(receipt.holder), **names)
    with pytest.raises(vs.ProtocolError, match="one party opens alone"):
        dataclasses.replace(told, locks=(lock,)).verify(state.federation)
    ((name, request),) = Round(state.federation).requests().items()
    head, *pieces = frames_of(request)
    asked = asked_anew(OpenRequest.from_bytes(head), locks=(lock,))
    with pytest.raises(vs.ProtocolError, match="one party opens alone"):
        parties.holder(state.federation, name).open([asked.to_bytes(), *pieces])
    # Nor does one who has the whole key lock where it is to open.
    bare = asked_anew(asked, locks=())
    with pytest.raises(vs.ProtocolError, match="fewer chunks follow"):
        parties.holder(state.federation, name).open(bare.to_bytes())


@pytest.mark.parametrize("trust", parties.TRUSTS)
def test_a_void_round_is_opened_has_its_link_and_the_run_goes_on(trust):
    """Somebody on the roster sent what are no slots; whoever opens says so, and signs it."""
    toy = {"toy": (5, 4)} if trust == "threshold" else {}
    codec = vs.Codec(20, clip=1.0, value_bits=20, max_addends=4)
    agreed, chain = parties.federation(trust, codec=codec, **toy), RunChain()
    state = Round(agreed)
    huge = [agreed.public_key.n // 2 - 5] * key_scheme(agreed).chunks.num_units
    context = proof_context(state.descriptor.round_id, "dan")
    ciphertexts, proof = agreed.public_key.encrypt_and_prove(
        huge, context=context, chunk=agreed.chunk_size
    )
    proofs = [part.to_bytes() for part in proof.parts()]
    bodies = bodies_of(agreed, state.contribution("dan"))
    spoiled = forged_contribution(agreed, state.descriptor, "dan", ciphertexts, proofs, bodies)
    state.aggregator.receive(spoiled)
    state.open()
    with pytest.raises(vs.CapacityError):
        state.aggregator.finish()
    told = state.aggregator.transcript()
    told.verify(agreed)
    assert told.outcome == "void"
    chain.add(told.link)
    later = Round(agreed, round_number=2, after=chain.end, chain=chain, repeat=1)
    later.ledgers = state.ledgers
    later.finish()
