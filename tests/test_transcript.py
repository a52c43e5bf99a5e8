"""What a transcript shows to others, and that every change of it shows."""

import dataclasses

import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import NAMES, TRUSTS, Round
from validation_rules import rule
from veilsum.secure_sum import ContributionHeader, Opening, Transcript
from veilsum.secure_sum.contribution import set_hash
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


def rechained(transcript, **changes):
    """Changed by somebody who makes the chain again, as anybody can."""
    changed = dataclasses.replace(transcript, **changes)
    return Transcript.of(changed.descriptor, changed.headers, changed.receipts)


def test_a_round_leaves_a_transcript_that_others_can_check(done):
    state, transcript = done
    transcript.verify(state.federation)
    assert transcript.descriptor == state.descriptor
    assert tuple(header.contributor for header in transcript.headers) == NAMES[:3]
    assert len(transcript.chain) == 4 + len(transcript.receipts)
    assert transcript.head == transcript.chain[-1]
    assert Transcript.from_bytes(transcript.to_bytes()) == transcript


def test_equal_views_have_equal_heads(threshold):
    state, transcript = threshold
    assert rechained(transcript) == transcript
    other = Transcript.from_bytes(Round(state.federation).finish().transcript)
    assert other.head != transcript.head  # Other randomisers, other contributions.
    assert rechained(transcript, receipts=transcript.receipts[::-1]).head != transcript.head


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


def test_a_link_left_out_or_swapped_breaks_the_chain(threshold):
    state, transcript = threshold
    chain = transcript.chain
    for wrong in (chain[:-1], (*chain, chain[-1]), chain[::-1], (chain[1], chain[0], *chain[2:])):
        with pytest.raises(vs.ProtocolError, match="chain"):
            dataclasses.replace(transcript, chain=wrong).verify(state.federation)


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
    changed = rechained(transcript, **changes)
    receipts = [
        Opening.signed(
            parties.identity(receipt.holder),
            round_id=changed.descriptor.round_id,
            set_hash=set_hash(list(changed.headers)),
            body=b"partial decryption",
        ).receipt()
        for receipt in transcript.receipts
    ]
    return rechained(changed, receipts=tuple(receipts))


@rule("TR3")
def test_contributors_are_invited_and_enough_and_in_order(threshold):
    state, transcript = threshold
    first, second, third = transcript.headers
    opened_by_all(transcript, headers=(first, third)).verify(state.federation)
    for headers, message in (
        ((first,), "sums of 2 to 4"),
        ((), "sums of 2 to 4"),
        ((second, first, third), "in order"),
        ((first, first, second), "in order"),
        ((*transcript.headers, signed_again(state, first, "eve")), "not invited"),
        ((signed_again(state, first, round_id=bytes(32)), second), "another round"),
        ((signed_again(state, first, num_chunks=4), second), "another codec"),
    ):
        with pytest.raises(vs.ProtocolError, match=message):
            opened_by_all(transcript, headers=headers).verify(state.federation)
        with pytest.raises(vs.ProtocolError):
            rechained(transcript, headers=headers).verify(state.federation)
    uninvited = parties.announced_anew(state.descriptor, invited=NAMES[1:])
    headers = tuple(
        signed_again(state, header, round_id=uninvited.round_id) for header in transcript.headers
    )
    with pytest.raises(vs.ProtocolError, match="ada was not invited"):
        opened_by_all(transcript, descriptor=uninvited, headers=headers).verify(state.federation)
    # Sets that may be, but that the holders did not open.
    for headers in (
        (first, second),
        (signed_again(state, first, root=bytes(32)), second, third),
        (*transcript.headers, signed_again(state, first, "dan")),
    ):
        with pytest.raises(vs.ProtocolError, match="opened another set"):
            rechained(transcript, headers=headers).verify(state.federation)


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
            rechained(transcript, receipts=tuple(wrong)).verify(agreed)


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
            rechained(transcript, **changes).verify(state.federation)


def test_a_receipt_is_as_long_as_it_says():
    receipt = Receipt(
        round_id=bytes(32), set_hash=bytes(32), holder="x", body_hash=bytes(32), signature=bytes(64)
    )
    assert len(receipt.unframed()) == Receipt.layout().least
