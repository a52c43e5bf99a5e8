"""Announcements are signed and chained: what is forged, far away or off the chain changes nothing.

Each attack first succeeds, with what stands against it taken away, and then is refused by name.
"""

import contextlib
import dataclasses
from unittest import mock

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_attackers import forged_contribution, forged_request, key_scheme
from protocol_parties import CODEC, DIM, NAMES, NOISE, NOISY_CODEC
from validation_rules import rule
from veilsum.identity import Identity
from veilsum.schemes.proof_context import proof_context
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    ChainEnd,
    RoundDescriptor,
    RoundLedger,
    RoundLink,
    RunChain,
    RunName,
    announcement,
    hash_model,
)

AGGREGATOR = parties.identity(parties.AGGREGATOR)
STRANGER = Identity.generate(parties.AGGREGATOR)  # By the same name.
OPTIONS = {"model_hash": hash_model(parties.MODEL)}


def agreement(**changes):
    return parties.federation("threshold", **({"toy": (5, 4), "chunk_size": 2} | changes))


@pytest.fixture
def agreed():
    return agreement()


def sign_as(identity, announced):
    """The same announcement, by somebody else."""
    fields = ("federation_hash", "round_number", "model_hash", "after", "opener")
    values = {name: getattr(announced, name) for name in fields}
    return RoundDescriptor.signed(identity, **values, invited=parties.invited_to(announced))


def link_of(agreed, announced, identity=AGGREGATOR, **changes):
    """A link of a round that nobody need play."""
    values = {
        "federation_hash": agreed.hash,
        "after": announced.after,
        "round_number": announced.round_number,
        "round_id": announced.round_id,
        **dict.fromkeys(("set_hash", "certificate", "commitment"), b"x" * 32),
    }
    return RoundLink.signed(identity, **(values | changes))


def opened_rounds(agreed, numbers):
    """The chain of a run in which these rounds were opened."""
    chain = RunChain()
    for number in numbers:
        announced = parties.descriptor(agreed, round_number=number, after=chain.end)
        chain.add(link_of(agreed, announced))
    return chain


def sent(contributor, announced, *links):
    """An announcement with these links, whatever the aggregator has."""
    invitation = parties.invited_to(announced).invitation(contributor.name)
    return Announcement(announced, invitation, links).to_bytes()


def ask(contributor, announced, *links):
    return contributor.contribute(sent(contributor, announced, *links), np.zeros(DIM), **OPTIONS)


@contextlib.contextmanager
def nothing_changes(agreed, rounds, ledger=None):
    """Nothing in any ledger, whatever is refused inside."""
    run = RunName.of(agreed)
    before = rounds.answered(run), rounds.chain_end(run), ledger and ledger.spent
    yield
    assert before == (rounds.answered(run), rounds.chain_end(run), ledger and ledger.spent)


def unchecked(announced, aggregator):
    """In the place of ``RoundDescriptor.verify``."""


# ---- who announces ----


@rule("RD4")
def test_nobody_answers_an_announcement_that_the_aggregator_did_not_sign():
    agreed = agreement(codec=NOISY_CODEC, noise=NOISE)
    forged = sign_as(STRANGER, parties.descriptor(agreed))

    def play():
        budget = {"epsilon": NOISE.epsilon, "delta": NOISE.delta}
        messages = []
        for name in NAMES[:2]:
            rounds, ledger = RoundLedger.in_memory(), vs.privacy.Ledger.in_memory(**budget)
            ada = parties.contributor(agreed, name, rounds=rounds, ledger=ledger)
            with nothing_changes(agreed, rounds, ledger):
                for call in (
                    lambda ada=ada: ada.before_training(sent(ada, forged), **OPTIONS),
                    lambda ada=ada: ask(ada, forged),
                ):
                    with pytest.raises(vs.SignatureError, match="not signed by aggregator"):
                        call()
            with mock.patch.object(RoundDescriptor, "verify", unchecked):
                messages.append(ask(ada, forged))
            assert ledger.spent.num_contributions == 1
        return messages

    messages = play()
    with mock.patch.object(RoundDescriptor, "verify", unchecked):
        state = parties.Round(agreed, names=())
        state.descriptor = forged
        state.restart()
        for message in messages:
            state.aggregator.receive(message)
        requests = state.requests()
        state.holder("holder-1").open(requests["holder-1"])
    rounds = RoundLedger.in_memory()
    with nothing_changes(agreed, rounds), pytest.raises(vs.SignatureError, match="aggregator"):
        parties.holder(agreed, "holder-1", rounds).open(requests["holder-1"])
    with pytest.raises(vs.SignatureError):
        Aggregator(agreed, AGGREGATOR, forged)


@rule("RD7")
def test_an_aggregator_is_the_one_of_the_federation(agreed):
    for identity in (STRANGER, Identity.generate("another"), parties.identity("ada")):
        with pytest.raises(vs.InvalidArgumentError, match="is not the federation's aggregator"):
            Aggregator(agreed, identity, parties.descriptor(agreed))


def test_every_bit_of_an_announcement_is_signed(agreed):
    announced = parties.descriptor(agreed, round_number=7, after=ChainEnd(3, b"l" * 32))
    announced.verify(agreed.aggregator)
    for change in (
        {"federation_hash": bytes(32)},
        {"round_number": 8},
        {"previous_number": 4},
        {"last_link": b"m" * 32},
        {"model_hash": bytes(32)},
        {"num_invited": 3},
        {"invited_root": bytes(32)},
        {"opener": "ada"},
        {"signature": bytes(64)},
    ):
        with pytest.raises(vs.SignatureError):
            dataclasses.replace(announced, **change).verify(agreed.aggregator)
    assert dataclasses.replace(announced, signature=bytes(64)).round_id == announced.round_id


# ---- who opens ----


@pytest.mark.parametrize(
    ("trust", "opener", "why"),
    [
        ("contributors", None, "round 1 names no opener, and every contributor has the key"),
        ("contributors", "eve", "names eve as its opener, who is not on the federation's roster"),
        ("contributors", "aggregator", "who is not on the federation's roster"),
        ("authority", "holder-1", "names holder-1 as its opener; with the trust 'authority'"),
        ("authority", "ada", "names ada as its opener"),
        ("threshold", "holder-1", "names holder-1 as its opener; with the trust 'threshold'"),
    ],
)
@rule("RD9")
def test_a_round_has_an_opener_on_the_roster_where_every_contributor_has_the_key(
    trust, opener, why
):
    agreed = parties.federation(trust, **({"toy": (5, 4)} if trust == "threshold" else {}))
    announced = parties.descriptor(agreed, opener=opener)
    with mock.patch.object(announcement, "_check_opener"):
        state = parties.Round(agreed, NAMES[:2], opener=opener)
        told = state.aggregator.transcript()
        told.verify(agreed)
    name = parties.opener_of(agreed)
    request = forged_request(announced, state.messages.values(), (0,), holder=name)
    rounds = RoundLedger.in_memory()
    ada = parties.contributor(agreed, "ada", rounds=rounds)
    for refuse in (
        lambda: ask(ada, announced),
        lambda: ada.before_training(sent(ada, announced), **OPTIONS),
        lambda: parties.aggregator(agreed, announced),
        lambda: state.holder(agreed.openers[0].name).open(request),
        lambda: told.verify(agreed),
    ):
        with nothing_changes(agreed, rounds), pytest.raises(vs.PolicyRefusedError, match=why):
            refuse()


def test_an_opener_need_not_be_invited():
    agreed = parties.federation("contributors")
    state = parties.Round(agreed, NAMES[:2], invited=NAMES[:2], opener="dan")
    result = state.finish()
    assert result.contributors == NAMES[:2]
    vs.secure_sum.Transcript.from_bytes(result.transcript).verify(agreed)


@rule("RD5")
def test_a_number_far_away_ends_no_run(agreed):
    """Even if the aggregator itself signs it."""
    far = parties.descriptor(agreed, round_number=2**63 - 1)
    meant = parties.descriptor(agreed, round_number=1)
    with mock.patch.object(announcement, "check_step"):
        ada = parties.contributor(agreed, "ada")
        ask(ada, far)
        with pytest.raises(vs.PolicyRefusedError, match="already contributed"):
            ask(ada, meant)
    rounds = RoundLedger.in_memory()
    ada = parties.contributor(agreed, "ada", rounds=rounds)
    chain = opened_rounds(agreed, (1000, 2000))
    for number, after, links in (
        (2**63 - 1, ChainEnd(), ()),
        (1001, ChainEnd(), ()),
        (3001, chain.end, chain.after(0)),
        (9000, opened_rounds(agreed, (8000,)).end, opened_rounds(agreed, (8000,)).after(0)),
    ):
        announced = parties.descriptor(agreed, round_number=number, after=after)
        with nothing_changes(agreed, rounds), pytest.raises(vs.PolicyRefusedError, match="1000"):
            ask(ada, announced, *links)
        if number != 9000:
            with pytest.raises(vs.PolicyRefusedError, match="1000"):
                Aggregator(agreed, AGGREGATOR, announced)
    ask(ada, parties.descriptor(agreed, round_number=1000))
    ask(ada, parties.descriptor(agreed, round_number=3000, after=chain.end), *chain.after(0))


@rule("RD1")
def test_a_descriptor_names_the_round_before_it(agreed):
    for number, after in (
        (3, ChainEnd(3, b"x" * 32)),
        (3, ChainEnd(4, b"x" * 32)),
        (3, ChainEnd(2, bytes(32))),
        (3, ChainEnd(0, b"x" * 32)),
    ):
        with pytest.raises(vs.InvalidArgumentError):
            parties.descriptor(agreed, round_number=number, after=after)
    data = parties.descriptor(agreed, round_number=3, after=ChainEnd(2, b"x" * 32)).to_bytes()
    with pytest.raises(vs.MalformedDataError):
        RoundDescriptor.from_bytes(data.replace(b"x" * 32, bytes(32)))


# ---- the chain ----


@rule("RD6")
def test_a_round_that_was_opened_is_hidden_from_nobody_who_saw_its_link(agreed):
    chain = opened_rounds(agreed, (1,))
    rounds = RoundLedger.in_memory()
    ada = parties.contributor(agreed, "ada", rounds=rounds)
    ask(ada, parties.descriptor(agreed, round_number=2, after=chain.end), *chain.after(0))
    assert ada.seen == chain.end
    other = parties.descriptor(agreed, round_number=1, model=[np.ones(3)])
    fork = RunChain([link_of(agreed, other)])
    for after, links in (
        (ChainEnd(), ()),  # As if nothing had been opened.
        (fork.end, fork.after(0)),  # As if another round had been.
        (ChainEnd(1, b"x" * 32), ()),
        (opened_rounds(agreed, (1, 2)).end, ()),
    ):
        hiding = parties.descriptor(agreed, round_number=3, after=after)
        with (
            nothing_changes(agreed, rounds),
            pytest.raises(vs.PolicyRefusedError, match="off the chain"),
        ):
            ask(ada, hiding, *links)
        with mock.patch.object(announcement, "follow", lambda *_, after=after, **__: after):
            ask(parties.contributor(agreed, "ada"), hiding, *links)
    ask(ada, parties.descriptor(agreed, round_number=3, after=chain.end))


@rule("RD8")
def test_a_contributor_that_missed_rounds_is_handed_their_links(agreed):
    chain = opened_rounds(agreed, (1, 2, 5, 6))
    links = chain.after(0)
    assert {len(link.to_bytes()) for link in links} == {216}
    announced = parties.descriptor(agreed, round_number=8, after=chain.end)
    rounds = RoundLedger.in_memory()
    ada = parties.contributor(agreed, "ada", rounds=rounds)
    other_run = opened_rounds(agreed.renewed(last_day=agreed.last_day), (1, 2, 5, 6)).after(0)
    forged = link_of(agreed, parties.descriptor(agreed), STRANGER)
    changed = dataclasses.replace(links[1], commitment=b"y" * 32)
    for wrong in (
        (),
        links[1:],
        links[:-1],
        (links[0], *links[2:]),
        (links[1], links[0], *links[2:]),
        (forged, *links[1:]),
        (links[0], changed, *links[2:]),
        other_run,
    ):
        with nothing_changes(agreed, rounds), pytest.raises(vs.PolicyRefusedError):
            ask(ada, announced, *wrong)
    ask(ada, announced, *links)
    assert ada.seen == ChainEnd(6, chain.end.link)
    # It is handed what it has seen once more, or only what is new.
    chain.add(link_of(agreed, announced))
    later = parties.descriptor(agreed, round_number=9, after=chain.end)
    again = parties.contributor(agreed, "ada", rounds=rounds)
    assert again.before_training(sent(again, later, *chain.after(0)), **OPTIONS) is None
    ask(again, later, *chain.after(again.seen.number))
    with pytest.raises(vs.MalformedDataError):
        Announcement.from_bytes(later.to_bytes() + announced.to_bytes())
    with pytest.raises(vs.MalformedDataError):
        Announcement.from_bytes(b"")


# ---- links ----


def test_a_link_is_the_same_whoever_of_the_holders_answers(agreed):
    state = parties.Round(agreed)
    results = []
    for missing in ("holder-1", "holder-5"):
        state.restart()
        for message in state.messages.values():
            state.aggregator.receive(message)
        assert state.aggregator.transcript().link is None
        results.append(state.finish(missing=[missing]))
    one, two = results
    assert one.link == two.link
    assert one.salt == two.salt
    assert one.transcript != two.transcript
    slots = sum(CODEC.quantise(np.full(DIM, 0.5))[0] for _ in range(3))
    assert one.link.commits_to(slots, one.salt)
    assert not one.link.commits_to(slots + 1, one.salt)
    assert not one.link.commits_to(slots, bytes(32))
    end = one.link.end(ChainEnd())
    assert (end.number, len(end.link)) == (1, 32)


def test_a_void_round_has_a_link_and_the_run_goes_on(agreed):
    """Whoever spoiled it can read it, so it counts as opened."""
    announced = parties.descriptor(agreed)
    state = parties.Round(agreed, names=NAMES[:2])
    huge = [agreed.public_key.n // 2 - 5] * key_scheme(agreed).chunks.num_units
    ciphertexts, proof = agreed.public_key.encrypt_and_prove(
        huge, context=proof_context(announced.round_id, "dan"), chunk=agreed.chunk_size
    )
    proofs = [part.to_bytes() for part in proof.parts()]
    state.aggregator.receive(forged_contribution(agreed, announced, "dan", ciphertexts, proofs))
    state.open()
    with pytest.raises(vs.CapacityError):
        state.aggregator.finish()
    transcript = state.aggregator.transcript()
    assert transcript.link.is_void
    assert not transcript.link.commits_to(np.zeros(DIM + 1, np.int64), bytes(32))
    transcript.verify(agreed)
    chain = RunChain([transcript.link])
    ada = parties.contributor(agreed, "ada")
    ask(ada, parties.descriptor(agreed, round_number=2, after=chain.end), *chain.after(0))


@rule("TR6")
def test_the_link_of_a_transcript_is_that_of_its_round_and_set(agreed):
    state = parties.Round(agreed)
    state.open()
    told = state.aggregator.transcript()
    told.verify(agreed)
    assert vs.secure_sum.Transcript.from_bytes(told.to_bytes()) == told
    other = parties.descriptor(agreed, round_number=2)
    for link in (
        dataclasses.replace(told.link, set_hash=bytes(32)),
        dataclasses.replace(told.link, round_number=2),
        link_of(agreed, other),
    ):
        with pytest.raises(vs.ProtocolError, match="link of another round or set"):
            dataclasses.replace(told, link=link).verify(agreed)
    for link in (
        dataclasses.replace(told.link, certificate=bytes(32)),
        dataclasses.replace(told.link, signature=bytes(64)),
        link_of(agreed, state.descriptor, STRANGER, set_hash=told.link.set_hash),
    ):
        with pytest.raises(vs.SignatureError):
            dataclasses.replace(told, link=link).verify(agreed)


# ---- purposes ----


def test_a_model_for_another_purpose_has_another_hash():
    purposes = ("train", "evaluate", "mean of age")
    hashes = {hash_model(parties.MODEL, purpose=purpose) for purpose in purposes}
    assert len(hashes) == 3
    assert hash_model(parties.MODEL) in hashes
    for purpose in ("", "x" * 256, "\ud800"):
        with pytest.raises(vs.InvalidArgumentError, match="purpose"):
            hash_model(parties.MODEL, purpose=purpose)
