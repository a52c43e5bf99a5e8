"""What a transcript shows to others, and that every change of it shows."""

import dataclasses
from unittest import mock

import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import NAMES, TRUSTS, Round
from validation_rules import rule
from veilsum.secure_sum import (
    ChainEnd,
    ContributionHeader,
    Invitations,
    Lock,
    Opening,
    RoundLink,
    Transcript,
)
from veilsum.secure_sum.opening import Receipt


@pytest.fixture(scope="module", params=TRUSTS)
def done(request):
    """A finished round: (round, transcript)."""
    state = Round(parties.federation(request.param))
    return state, Transcript.from_bytes(state.finish().transcript)


@pytest.fixture(scope="module")
def threshold():
    state = Round(parties.federation("threshold"))
    return state, Transcript.from_bytes(state.finish().transcript)


def relinked(transcript, **changes):
    """Changed by an aggregator that signs the link again, unless that is changed as well."""
    own = {key: changes[key] for key in changes.keys() & {"receipts", "link", "locks"}}
    asked = {key: changes[key] for key in changes.keys() - own.keys()}
    changed = dataclasses.replace(parties.with_set(transcript, **asked), **own)
    if changed.link is None or "link" in changes:
        return changed
    link = RoundLink.signed(
        parties.identity(parties.AGGREGATOR),
        federation_hash=changed.descriptor.federation_hash,
        after=changed.descriptor.after,
        round_number=changed.descriptor.round_number,
        round_id=changed.descriptor.round_id,
        set_hash=changed.contributed.set_hash,
        certificate=changed.link.certificate,
        commitment=changed.link.commitment,
    )
    return dataclasses.replace(changed, link=link)


def test_a_round_leaves_a_transcript_that_others_can_check(done):
    state, transcript = done
    transcript.verify(state.federation)
    assert transcript.descriptor == state.descriptor
    assert tuple(header.contributor for header in transcript.headers) == NAMES[:3]
    assert transcript.outcome == "complete"
    assert transcript.missing(state.federation) == ()
    assert transcript.end == ChainEnd(1, transcript.link.hash_after(bytes(32)))
    assert Transcript.from_bytes(transcript.to_bytes()) == transcript


def test_equal_rounds_have_equal_links(threshold):
    state, transcript = threshold
    assert relinked(transcript) == transcript
    other = Transcript.from_bytes(Round(state.federation).finish().transcript)
    assert other.end != transcript.end  # Other randomisers, other contributions.
    assert relinked(transcript, receipts=transcript.receipts[::-1]).end == transcript.end


@rule("TR1")
def test_every_byte_of_a_transcript_counts(done):
    state, transcript = done
    data = transcript.to_bytes()
    step = 1 if len(data) < 1300 else 3
    for position in range(0, len(data), step):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises((vs.MalformedDataError, vs.ProtocolError, vs.SignatureError)):
            Transcript.from_bytes(bytes(damaged)).verify(state.federation)


@rule("TR2")
def test_a_transcript_is_of_its_federation(done):
    state, transcript = done
    other = dataclasses.replace(state.federation, min_contributors=3)
    with pytest.raises(vs.ProtocolError, match="another federation"):
        transcript.verify(other)


def signed_again(state, header, name=None, **changes):
    """The header with changes, by a contributor who signs them."""
    fields = {"round_id": header.round_id, "num_chunks": header.num_chunks, "root": header.root}
    identity = parties.identity(name or header.contributor)
    return ContributionHeader.signed(identity, **(fields | changes))


def opened_by_all(transcript, **changes):
    """Changed with everybody's consent: the holders sign that they opened just this."""
    changed = relinked(transcript, **changes)
    receipts = [
        Opening.signed(
            parties.identity(receipt.holder),
            round_id=changed.descriptor.round_id,
            set_hash=changed.contributed.set_hash,
            index=receipt.index,
            body=b"partial decryption",
        ).receipt()
        for receipt in transcript.receipts
    ]
    locks = [
        Lock.signed(
            parties.identity(lock.holder),
            round_id=changed.descriptor.round_id,
            set_hash=changed.contributed.set_hash,
        )
        for lock in transcript.locks
    ]
    return relinked(changed, receipts=tuple(receipts), locks=tuple(locks))


@rule("TR3")
def test_contributors_are_invited_and_enough_and_in_order(threshold):
    state, transcript = threshold
    first, second, third = transcript.headers
    opened_by_all(transcript, headers=(first, third)).verify(state.federation)
    for headers, message in (
        ((first,), "sums of 2 to 4"),
        ((), "sums of 2 to 4"),
        ((signed_again(state, first, num_chunks=4), second), "another codec"),
    ):
        with pytest.raises(vs.ProtocolError, match=message):
            opened_by_all(transcript, headers=headers).verify(state.federation)
        with pytest.raises(vs.ProtocolError):
            relinked(transcript, headers=headers).verify(state.federation)
    for headers in ((second, first, third), (first, first, second)):
        with pytest.raises(vs.InvalidArgumentError, match="indices must grow"):
            relinked(transcript, headers=headers)
    other = opened_by_all(
        transcript, headers=(signed_again(state, first, round_id=bytes(32)), second)
    )
    with pytest.raises(vs.SignatureError, match="not signed by ada"):
        other.verify(state.federation)
    # An aggregator that signs a round without ada, and shows the list with her.
    uninvited = parties.announced_anew(state.descriptor, invited=NAMES[1:])
    headers = tuple(
        signed_again(state, header, round_id=uninvited.round_id) for header in transcript.headers
    )
    eve = signed_again(state, first, "eve")
    longer = Invitations.of([*NAMES, "eve"])
    for changes in (
        {"descriptor": uninvited, "headers": headers},
        {"invited": longer, "headers": (*transcript.headers, eve)},
        {"invited": Invitations.of(dict.fromkeys(NAMES, "relay"))},
    ):
        with pytest.raises(vs.ProtocolError, match="not the one that the aggregator has signed"):
            opened_by_all(transcript, **changes).verify(state.federation)
    # Sets that may be, but that the holders did not open.
    for headers in (
        (first, second),
        (signed_again(state, first, root=bytes(32)), second, third),
        (*transcript.headers, signed_again(state, first, "dan")),
    ):
        with pytest.raises(vs.ProtocolError, match="has locked another set"):
            relinked(transcript, headers=headers).verify(state.federation)


@rule("TR4")
def test_receipts_are_of_this_set_by_enough_holders(done):
    state, transcript = done
    agreed, receipts = state.federation, transcript.receipts
    for wrong in (
        (),
        receipts[:-1] if agreed.trust != "threshold" else by_three(receipts),
        (dataclasses.replace(receipts[0], holder="eve"), *receipts[1:]),
        (dataclasses.replace(receipts[0], set_hash=bytes(32)), *receipts[1:]),
        (dataclasses.replace(receipts[0], round_id=bytes(32)), *receipts[1:]),
    ):
        with pytest.raises(vs.ProtocolError):
            relinked(transcript, receipts=tuple(wrong)).verify(agreed)


@rule("TR7")
def test_every_chunk_was_opened_by_enough_holders(threshold):
    """A transcript of one opened chunk, or of all but one, is none of an opened round."""
    state, transcript = threshold
    agreed, receipts = state.federation, transcript.receipts
    assert agreed.num_opened == agreed.num_chunks > 2
    for wrong, missing in (
        ([r for r in receipts if r.index == 0], tuple(range(1, agreed.num_opened))),
        ([r for r in receipts if r.index != 1], (1,)),
        (receipts[1:], (receipts[0].index,)),
        # One holder's answer twice counts once.
        ([*receipts[1:], receipts[1]], (receipts[0].index,)),
    ):
        told = relinked(transcript, receipts=tuple(wrong))
        assert told.missing(agreed) == missing
        with mock.patch.object(Transcript, "_check_receipts"), without_chunks():
            told.verify(agreed)
        with pytest.raises(vs.ProtocolError, match=r"chunks there are fewer|twice"):
            told.verify(agreed)
        if len(wrong) < len(receipts):
            # What is told of it truly: the round was abandoned.
            dataclasses.replace(told, link=None).verify(agreed)
    beyond = dataclasses.replace(receipts[0], index=agreed.num_opened)
    with pytest.raises((vs.ProtocolError, vs.SignatureError)):
        relinked(transcript, receipts=(beyond, *receipts)).verify(agreed)


def without_chunks():
    """The defence is off: as if every chunk was opened."""
    return mock.patch.object(Transcript, "missing", return_value=())


@rule("TR8")
def test_a_round_that_was_opened_is_not_told_as_abandoned(done):
    state, transcript = done
    hidden = dataclasses.replace(transcript, link=None)
    assert hidden.outcome == "unfinished"
    with mock.patch.object(Transcript, "missing", return_value=(0,)):
        hidden.verify(state.federation)
    with pytest.raises(vs.ProtocolError, match="must not be hidden"):
        hidden.verify(state.federation)
    nothing = Transcript.of(parties.round_set(state.descriptor, transcript.headers[:1]), ())
    nothing.verify(state.federation)
    assert nothing.outcome == "abandoned"
    assert nothing.missing(state.federation) == tuple(range(state.federation.num_opened))


def by_three(receipts):
    names = sorted({receipt.holder for receipt in receipts})[:3]
    return tuple(receipt for receipt in receipts if receipt.holder in names)


@rule("TR5")
def test_every_part_is_signed(done):
    state, transcript = done
    header, receipt = transcript.headers[0], transcript.receipts[0]
    other = transcript.headers[1]
    for changes in (
        {"headers": (dataclasses.replace(header, signature=bytes(64)), *transcript.headers[1:])},
        {"headers": (dataclasses.replace(header, signature=other.signature), other)},
        {"receipts": (dataclasses.replace(receipt, signature=bytes(64)), *transcript.receipts[1:])},
        {"receipts": (dataclasses.replace(receipt, body_hash=bytes(32)), *transcript.receipts[1:])},
    ):
        with pytest.raises(vs.SignatureError):
            relinked(transcript, **changes).verify(state.federation)


def test_a_receipt_is_as_long_as_it_says():
    receipt = Receipt(
        round_id=bytes(32),
        set_hash=bytes(32),
        holder="x",
        index=0,
        body_hash=bytes(32),
        signature=bytes(64),
    )
    assert len(receipt.unframed()) == Receipt.layout().least
