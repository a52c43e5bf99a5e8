"""An aggregator that dies at any step goes on, and shards: who opens what, whoever is missing."""

import itertools
from contextlib import closing

import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import NAMES, TRUSTS, Round
from validation_rules import rule
from veilsum.schemes.shards import plan_shards
from veilsum.secure_sum import FolderStore, Invitations, MemoryStore
from veilsum.secure_sum.announcement import announced_in

SMALL = vs.Codec(40, clip=1.0, value_bits=40, max_addends=4)
TOY = {"codec": SMALL, "chunk_size": 1}


# ---- restarts ----


class RestartedRound(Round):
    """Its aggregator lives for one call each: whatever it must know is in the folder."""

    def __init__(self, agreed, folder):
        self.folder = folder
        self.store = None
        super().__init__(agreed, names=(), store=None)

    def new_aggregator(self):
        if self.store is not None:
            self.store.close()
        self.store = FolderStore(self.folder)
        return parties.aggregator(self.federation, self.descriptor, store=self.store)

    def after_restart(self):
        self.restart()
        return self.aggregator


@pytest.mark.parametrize(
    ("trust", "scheme"), [*((trust, "auto") for trust in TRUSTS), ("threshold", "masked")]
)
def test_a_new_aggregator_goes_on_at_every_step(trust, scheme, tmp_path):
    toy = {"toy": (5, 4), **TOY, "scheme": scheme} if trust == "threshold" else {}
    if scheme == "masked":
        toy["chunk_size"] = 16
    state = RestartedRound(parties.federation(trust, **toy), tmp_path / "round")
    assert state.federation.num_chunks >= 5
    for count, name in enumerate(NAMES[:3]):
        assert state.after_restart().contributors == NAMES[:count]
        state.after_restart().receive(state.contribution(name))
    with pytest.raises(vs.ProtocolError, match="already"):
        state.after_restart().receive(state.contribution("ada"))
    requests = state.requests()
    state.restart()
    assert state.requests() == requests
    with pytest.raises(vs.ProtocolError, match="late"):
        state.after_restart().receive(state.contribution("dan"))
    for name, request in requests.items():
        for frame in parties.frames_of(state.holder(name).open(request)):
            if state.after_restart().num_missing_chunks > 0:
                state.aggregator.receive_opening(frame)
                with pytest.raises(vs.ProtocolError, match="already"):
                    state.after_restart().receive_opening(frame)
    result = state.after_restart().finish()
    parties.assert_sums(result, parties.quantised_sum(state.federation.codec, [0.5] * 3))
    again = state.after_restart().finish()
    assert again.transcript == result.transcript
    vs.secure_sum.Transcript.from_bytes(result.transcript).verify(state.federation)


def test_what_was_kept_and_not_added_before_the_round_closed_is_no_part_of_it(
    tmp_path, monkeypatch
):
    state = RestartedRound(parties.federation("threshold", toy=(5, 4), **TOY), tmp_path / "round")
    for name in NAMES[:2]:
        state.aggregator.receive(state.contribution(name))
    with monkeypatch.context() as patch:
        patch.setattr(type(state.aggregator._sum), "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            state.aggregator.receive(state.contribution("cyd"))
    assert len(state.store.names("contribution")) == 3
    requests = state.requests()
    state.restart()
    assert state.aggregator.contributors == NAMES[:2]
    assert state.requests() == requests
    parties.assert_sums(state.finish(), parties.quantised_sum(SMALL, [0.5] * 2))


def test_an_interrupt_between_adding_and_noting_a_contribution_is_noticed(tmp_path):
    state = RestartedRound(parties.federation("threshold", toy=(5, 4), **TOY), tmp_path / "round")
    for name in NAMES[:2]:
        state.aggregator.receive(state.contribution(name))
    state.aggregator._headers.pop("bob")
    state.aggregator.receive(state.contribution("bob"))  # Asked again, as after an interrupt.
    with pytest.raises(vs.ProtocolError, match="interrupted while it added"):
        state.aggregator.open_requests()
    state.restart()
    parties.assert_sums(state.finish(), parties.quantised_sum(SMALL, [0.5] * 2))


def interrupted(*arguments):
    raise KeyboardInterrupt


def test_an_aggregator_that_dies_while_receiving_has_nothing_of_it(tmp_path):
    state = RestartedRound(parties.federation(), tmp_path / "round")
    frames = parties.frames_of(state.contribution("ada"))

    class DiedError(BaseException):
        pass

    def cut(count):
        yield from frames[:count]
        raise DiedError

    for count in range(len(frames) + 1):
        with pytest.raises(DiedError):
            state.after_restart().receive(cut(count))
        assert state.after_restart().contributors == ()
    state.after_restart().receive(frames)
    assert state.after_restart().contributors == ("ada",)


def test_names_may_be_as_long_as_names_can_be(tmp_path):
    names = ("a" * 255, "ö" * 127, "../" * 85)
    agreed = parties.federation(contributors=parties.roster(*names))
    store = FolderStore(tmp_path / "round")
    state = Round(agreed, names=names, invited=names, store=store)
    assert len(list(tmp_path.iterdir())) == 1
    state.restart()
    assert state.finish().contributors == tuple(sorted(names))


@rule("RS1")
def test_a_store_is_of_one_round(tmp_path):
    state = RestartedRound(parties.federation(), tmp_path / "round")
    state.store.close()
    for other in (
        parties.descriptor(state.federation, round_number=2),
        parties.descriptor(state.federation, invited=NAMES[:2]),
    ):
        with pytest.raises(vs.ProtocolError, match="another round"):
            parties.aggregator(state.federation, other, store=FolderStore(tmp_path / "round"))
    state.restart()


def test_a_store_has_the_list_of_those_who_are_invited(tmp_path):
    agreed = parties.federation(relays=parties.roster("relay"))
    announced = parties.descriptor(agreed, invited={"ada": None, "bob": None, "cyd": "relay"})
    with (
        closing(FolderStore(tmp_path / "empty")) as store,
        pytest.raises(vs.InvalidArgumentError, match="invited must be given"),
    ):
        parties.aggregator(agreed, announced, invited=None, store=store)
    with closing(FolderStore(tmp_path / "round")) as store:
        first = parties.aggregator(agreed, announced, store=store)
        first.receive(parties.contribute(agreed, announced, "ada"))
    with closing(FolderStore(tmp_path / "round")) as store:
        again = parties.aggregator(agreed, announced, invited=None, store=store)
        assert again.contributors == ("ada",)
        again.receive(parties.contribute(agreed, announced, "bob"))
        assert announced_in(store) == (announced, parties.invited_to(announced))
        with pytest.raises(vs.ProtocolError, match="not the one that the aggregator has signed"):
            parties.aggregator(agreed, announced, invited=NAMES[:3], store=store)
    (file,) = (tmp_path / "round").glob("descriptor-*")
    file.write_bytes(announced.to_bytes() + Invitations.of(NAMES[:3]).to_bytes())
    with (
        closing(FolderStore(tmp_path / "round")) as store,
        pytest.raises(vs.ProtocolError, match="not the one that the aggregator has signed"),
    ):
        parties.aggregator(agreed, announced, invited=None, store=store)


def test_a_store_that_was_changed_is_noticed(tmp_path):
    state = RestartedRound(parties.federation(), tmp_path / "round")
    for name in NAMES[:3]:
        state.aggregator.receive(state.contribution(name))
    state.requests()
    file = min((tmp_path / "round").glob("contribution-*.veil"))
    good = file.read_bytes()
    for damaged in (
        good[:-1],
        good[:-1] + b"?",
        good + good,
        b"",
        good[:8] + b"\x3f" * 8 + good[16:],
    ):
        file.write_bytes(damaged)
        with pytest.raises(vs.VeilsumError):
            state.restart()
    file.unlink()
    with pytest.raises(vs.ProtocolError, match="other contributions"):
        state.restart()
    file.write_bytes(good)
    state.restart()
    assert state.aggregator.contributors == NAMES[:3]


# ---- shards ----


@rule("RS5")
def test_a_store_without_the_set_that_was_closed_is_refused():
    """Else an aggregator would not know that it has to finish the round, and take others to it."""
    store = MemoryStore()
    state = Round(parties.federation("threshold", toy=(5, 4), **TOY), store=store)

    def refused_without_the_set(kind):
        closed = store._messages.pop(("closed", "round"))
        with pytest.raises(vs.ProtocolError, match=f"was cut: it has messages of kind {kind}"):
            state.restart()
        store._messages["closed", "round"] = closed
        state.restart()

    name, request = next(iter(state.asked().items()))
    state.aggregator.receive_opening(state.holder(name).open(request))
    refused_without_the_set("lock")
    name, request = next(iter(state.requests().items()))
    state.aggregator.receive_opening(state.holder(name).open(request))
    assert state.aggregator.must_finish
    for kind in ("lock", "begun"):
        refused_without_the_set(kind)
        for place in store.names(kind):
            del store._messages[kind, place]
    store._messages.pop(("closed", "round"))
    with pytest.raises(vs.ProtocolError, match="of kind opening"):
        state.restart()


def loads(plan, names):
    return [len(plan.get(name, ())) for name in names]


@pytest.mark.parametrize(("num_holders", "threshold"), [(3, 2), (4, 3), (5, 4), (7, 5), (7, 6)])
@pytest.mark.parametrize("num_chunks", [1, 2, 7, 35, 36])
def test_every_chunk_has_its_holders_and_all_work_alike(num_holders, threshold, num_chunks):
    names = [f"h{i}" for i in range(num_holders)]
    empty = [set() for _ in range(num_chunks)]
    plan = plan_shards(names, threshold=threshold, answered=empty, missing=frozenset())
    for index in range(num_chunks):
        assert sum(index in chunks for chunks in plan.values()) == threshold
    assert all(list(chunks) == sorted(set(chunks)) for chunks in plan.values())
    work = loads(plan, names)
    assert sum(work) == threshold * num_chunks
    # t/n of the work each, to a chunk for each turn that is not whole.
    assert max(work) - min(work) <= min(threshold, num_holders - threshold)
    if num_chunks % num_holders == 0:
        assert set(work) == {threshold * num_chunks // num_holders}


@pytest.mark.parametrize(("num_holders", "threshold"), [(3, 2), (5, 4), (7, 5)])
def test_work_is_planned_again_around_any_missing_holders(num_holders, threshold):
    names = [f"h{i}" for i in range(num_holders)]
    num_chunks = 2 * num_holders
    for count in range(num_holders + 1):
        for gone in itertools.combinations(names, count):
            answered = [set() for _ in range(num_chunks)]
            if count > num_holders - threshold:
                with pytest.raises(vs.NotEnoughSharesError, match="must answer"):
                    plan_shards(
                        names, threshold=threshold, answered=answered, missing=frozenset(gone)
                    )
                continue
            # Asked of all; the missing ones answer nothing; then asked of the others.
            first = plan_shards(names, threshold=threshold, answered=answered, missing=frozenset())
            for name in set(first) - set(gone):
                for index in first[name]:
                    answered[index].add(name)
            second = plan_shards(
                names, threshold=threshold, answered=answered, missing=frozenset(gone)
            )
            for name, chunks in second.items():
                assert name not in gone
                for index in chunks:
                    assert name not in answered[index]
                    answered[index].add(name)
            assert all(len(holders) == threshold for holders in answered)


@pytest.mark.parametrize("toy", [(5, 4), (7, 5)])
def test_any_missing_holders_are_made_up_for(toy):
    num_holders, threshold = toy
    agreed = parties.federation("threshold", toy=toy, **TOY)
    names = [holder.name for holder in agreed.holders]
    messages = Round(agreed).messages
    expected = parties.quantised_sum(SMALL, [0.5] * 3)
    for count in range(num_holders - threshold + 1):
        for gone in itertools.combinations(names, count):
            state = Round(agreed, names=())
            for message in messages.values():
                state.aggregator.receive(message)
            # Some are known to be missing, the rest are found out when they do not answer.
            requests = state.requests(missing=gone[:1])
            for name in set(requests) - set(gone):
                state.aggregator.receive_opening(state.holder(name).open(requests[name]))
            assert (state.aggregator.num_missing_chunks == 0) == (len(gone) <= 1)
            if state.aggregator.num_missing_chunks:
                with pytest.raises(vs.NotEnoughSharesError):
                    state.aggregator.finish()
            parties.assert_sums(state.finish(missing=gone), expected)


def test_a_holder_may_vanish_after_any_answer():
    agreed = parties.federation("threshold", toy=(5, 4), **TOY)
    messages = Round(agreed).messages
    expected = parties.quantised_sum(SMALL, [0.5] * 3)
    for sent in range(agreed.num_chunks):
        state = Round(agreed, names=())
        for message in messages.values():
            state.aggregator.receive(message)
        requests = state.requests()
        gone = "holder-2"
        answers = parties.frames_of(state.holder(gone).open(requests.pop(gone)))
        if sent:
            state.aggregator.receive_opening(answers[:sent])
        for name, request in requests.items():
            state.aggregator.receive_opening(state.holder(name).open(request))
        if sent < len(answers):
            again = state.requests(missing=[gone])
            assert gone not in again
        parties.assert_sums(state.finish(missing=[gone]), expected)


def test_too_many_missing_holders_open_nothing():
    agreed = parties.federation("threshold", toy=(5, 4), **TOY)
    state = Round(agreed)
    for gone in itertools.combinations([holder.name for holder in agreed.holders], 2):
        with pytest.raises(vs.NotEnoughSharesError, match="4 of 5"):
            state.requests(missing=gone)
    parties.assert_sums(state.finish(), parties.quantised_sum(SMALL, [0.5] * 3))
    state = Round(parties.federation("authority"))
    with pytest.raises(vs.NotEnoughSharesError):
        state.requests(missing=["holder-1"])


def test_a_cheating_holder_is_named_and_made_up_for():
    agreed = parties.federation("threshold", toy=(5, 4), **TOY)
    state = Round(agreed)
    requests = state.requests()
    bad = requests.pop("holder-3")
    answer = parties.frames_of(state.holder("holder-3").open(bad))[0]
    opening = vs.secure_sum.Opening.from_bytes(answer)
    share = parties.key_of(agreed, "holder-3")
    part = vs.threshold.PartialDecryption.from_bytes(opening.body, agreed.key)
    lie = share.decrypt(
        agreed.public_key.encrypt([5] * len(part)), context=b"lie", first=part.first
    )
    forged = vs.secure_sum.Opening.signed(
        parties.identity("holder-3"),
        round_id=opening.round_id,
        set_hash=opening.set_hash,
        index=opening.index,
        body=lie.to_bytes(),
    )
    with pytest.raises(vs.ProofError, match="holder-3"):
        state.aggregator.receive_opening(forged.to_bytes())
    for name, request in requests.items():
        state.aggregator.receive_opening(state.holder(name).open(request))
    parties.assert_sums(state.finish(missing=["holder-3"]), parties.quantised_sum(SMALL, [0.5] * 3))


@pytest.mark.parametrize("trust", TRUSTS)
def test_contributors_may_vanish_down_to_the_fewest(trust):
    toy = {"toy": (5, 4), **TOY} if trust == "threshold" else TOY
    agreed = parties.federation(trust, min_contributors=2, **toy)
    whole = Round(agreed, names=NAMES)
    for count in range(5):
        for names in itertools.combinations(NAMES, count):
            state = Round(agreed, names=())
            for name in NAMES:
                frames = parties.frames_of(whole.messages[name])
                if name in names:
                    state.aggregator.receive(frames)
                else:  # It vanishes while it sends.
                    with pytest.raises(vs.VeilsumError):
                        state.aggregator.receive(frames[: len(frames) // 2])
            if count < 2:
                with pytest.raises(vs.ProtocolError, match="fewer than 2"):
                    state.requests()
                continue
            parties.assert_sums(state.finish(), parties.quantised_sum(SMALL, [0.5] * count))


def test_memory_stores_serve_as_long_as_they_live():
    store = MemoryStore()
    state = Round(parties.federation(), store=store)
    state.restart()
    assert state.aggregator.contributors == NAMES[:3]
    with pytest.raises(vs.ProtocolError, match="another round"):
        parties.aggregator(
            state.federation,
            parties.announced_anew(state.descriptor, round_number=2),
            store=store,
        )
