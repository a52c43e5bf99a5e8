"""Attacks on the list of those who are invited, each first successful with its defence off."""

import dataclasses
from unittest import mock

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_attackers import asked_anew
from protocol_parties import DIM, NAMES, frames_of
from validation_rules import rule
from veilsum.message import Part
from veilsum.secure_sum import (
    Announcement,
    ChunkRequest,
    ContributionHeader,
    Invitation,
    Invitations,
    OpenRequest,
    RoundLedger,
    RoundSet,
    RunName,
    SignedRoot,
    checks,
)
from veilsum.secure_sum.merkle import MerkleTree, leaf_hash

INVITED, SYBIL = NAMES[:3], NAMES[3]
HOLDER = "holder-1"


@pytest.fixture
def agreed():
    return parties.federation("threshold", toy=(5, 4), chunk_size=2, min_contributors=3)


def root_of(message, invited):
    """Of a contribution, as a set has it."""
    header = ContributionHeader.from_bytes(frames_of(message)[0])
    place = invited.index_of(header.contributor)
    return SignedRoot(place, header.root, header.signature)


def request_for(contributed, messages):
    """What a cheating aggregator asks a holder to lock: the first chunk of these, in this order."""
    asked = OpenRequest(contributed=contributed, holder=HOLDER, chunks=(0,))
    frames = [asked_anew(asked).to_bytes()]
    for position, message in enumerate(messages):
        chunks = frames_of(message)[1:]
        path = tuple(MerkleTree([leaf_hash(chunk) for chunk in chunks]).path(0))
        unit = ChunkRequest(contribution=position, path=path, chunk=chunks[0])
        frames.append(unit.to_bytes())
    return b"".join(frames)


def contribution_of_a_sybil(agreed, announced):
    """Of one who works with the aggregator, and was not invited."""
    with mock.patch.object(Announcement, "check_invites"):
        return parties.contribute(agreed, announced, SYBIL)


def unchecked_sets():
    """Sets of whatever places."""
    return mock.patch.object(RoundSet, "__post_init__", Part.__post_init__)


def is_locked(agreed, request):
    """Whether a holder locks it; a refusal leaves nothing in its ledger."""
    rounds = RoundLedger.in_memory()
    try:
        parties.holder(agreed, HOLDER, rounds).open(request)
    finally:
        locked = rounds.answered(RunName.of(agreed))
    return list(locked) == [1]


# ---- at holders ----


@rule("IN3")
def test_a_list_with_one_more_name_than_was_signed_is_refused(agreed):
    """Contributors sign for a round with three; the aggregator adds somebody of its own."""
    announced = parties.descriptor(agreed, invited=INVITED)
    messages = [parties.contribute(agreed, announced, name) for name in INVITED]
    messages.append(contribution_of_a_sybil(agreed, announced))
    longer = Invitations.of(NAMES)
    roots = tuple(root_of(message, longer) for message in messages)
    forged = RoundSet(announced, longer, agreed.num_chunks, roots)
    request = request_for(forged, messages)
    with mock.patch.object(checks, "check_invited"):
        assert is_locked(agreed, request)
    with pytest.raises(vs.ProtocolError, match="not the one that the aggregator has signed"):
        is_locked(agreed, request)
    # Nor a list of as many, with another in the place of one, or by other relays.
    for other in (Invitations.of([*NAMES[1:]]), Invitations.of(dict.fromkeys(INVITED, "relay"))):
        given = [message for message, name in zip(messages, NAMES, strict=True) if name in other]
        roots = tuple(root_of(message, other) for message in given)
        request = request_for(RoundSet(announced, other, agreed.num_chunks, roots), given)
        with mock.patch.object(checks, "check_invited"):
            assert is_locked(agreed, request)
        with pytest.raises(vs.ProtocolError, match="not the one that the aggregator has signed"):
            is_locked(agreed, request)
    # An aggregator that follows the protocol refuses them as well.
    with pytest.raises(vs.ProtocolError, match="not the one that the aggregator has signed"):
        parties.aggregator(agreed, announced, invited=NAMES)
    with pytest.raises(vs.ProtocolError, match="dan was not invited"):
        parties.aggregator(agreed, announced).receive(messages[3])
    with pytest.raises(vs.ProtocolError, match="not the one that the aggregator has signed"):
        Announcement.of(announced, longer)


@rule("IN4")
def test_contributions_are_of_different_places_in_the_list(agreed):
    """One counted twice makes three of two, and opens a sum of fewer than the federation does."""
    announced = parties.descriptor(agreed, invited=INVITED)
    invited = parties.invited_to(announced)
    ada, bob = (parties.contribute(agreed, announced, name) for name in INVITED[:2])
    one, other = root_of(ada, invited), root_of(bob, invited)
    with unchecked_sets():
        twice = RoundSet(announced, invited, agreed.num_chunks, (one, one, other))
        request = request_for(twice, [ada, ada, bob])
        assert is_locked(agreed, request)
    with pytest.raises(vs.MalformedDataError, match="indices must grow"):
        is_locked(agreed, request)
    for wrong in ((one, one, other), (other, one)):
        with pytest.raises(vs.InvalidArgumentError, match="indices must grow"):
            RoundSet(announced, invited, agreed.num_chunks, wrong)
    with pytest.raises(vs.InvalidArgumentError, match="num_chunks must be 0 without"):
        RoundSet(announced, invited, 0, (one, other))
    with pytest.raises(vs.InvalidArgumentError, match="num_chunks must be 0 without"):
        RoundSet(announced, invited, agreed.num_chunks, ())


def test_an_index_beyond_the_list_is_refused(agreed):
    """Without the check it ends a holder with an error that nobody has documented."""
    announced = parties.descriptor(agreed, invited=INVITED)
    invited = parties.invited_to(announced)
    messages = [parties.contribute(agreed, announced, name) for name in INVITED]
    roots = [root_of(message, invited) for message in messages]
    for index in (len(INVITED), 2**32 - 1):
        roots[-1] = dataclasses.replace(roots[-1], index=index)
        with unchecked_sets():
            beyond = RoundSet(announced, invited, agreed.num_chunks, tuple(roots))
            honest = RoundSet(announced, invited, agreed.num_chunks, tuple(roots[:2]))
            asked = OpenRequest(contributed=honest, holder=HOLDER, chunks=(0,))
            request = dataclasses.replace(asked, contributed=beyond).to_bytes()
            with pytest.raises(IndexError):
                is_locked(agreed, request)
        with pytest.raises(vs.MalformedDataError, match=f"index {index}"):
            is_locked(agreed, request)


# ---- at contributors ----


@rule("CP2")
def test_an_announcement_has_the_invitation_of_its_contributor(agreed):
    announced = parties.descriptor(agreed, invited=INVITED)
    signed, longer = parties.invited_to(announced), Invitations.of(NAMES)
    own = longer.invitation(SYBIL)
    for wrong, match in (
        (signed.invitation("ada"), "the invitation of ada"),
        (signed, "a list of 3 names"),
        (longer, "a list of 4 names"),
        (own, "is forged, or was changed"),
        (dataclasses.replace(own, path=signed.invitation("cyd").path), "is forged"),
        (dataclasses.replace(signed.invitation("ada"), name=SYBIL), "is forged"),
    ):
        message = Announcement(announced, wrong).to_bytes()
        with mock.patch.object(Announcement, "check_invites"):
            assert contribute(agreed, message, announced)
        if isinstance(wrong, Invitation) and wrong.name == SYBIL:
            with mock.patch.object(Invitation, "verify"):
                assert contribute(agreed, message, announced)
        rounds = RoundLedger.in_memory()
        with pytest.raises(vs.PolicyRefusedError, match=match):
            contribute(agreed, message, announced, rounds=rounds)
        assert rounds.answered(RunName.of(agreed)) == {}
    for right in (signed, signed.invitation("ada")):
        message = Announcement(announced, right).to_bytes()
        assert contribute(agreed, message, announced, name="ada")


def contribute(agreed, message, announced, *, name=SYBIL, **options):
    party = parties.contributor(agreed, name, **options)
    return party.contribute(message, np.zeros(DIM), model_hash=announced.model_hash)


def test_an_announcement_without_an_invitation_is_none(agreed):
    announced = parties.descriptor(agreed)
    with pytest.raises(vs.MalformedDataError, match="no invitation behind its descriptor"):
        Announcement.from_bytes(announced.to_bytes())
    with pytest.raises(vs.MalformedDataError, match="expected invitation, got round descriptor"):
        Announcement.from_bytes(announced.to_bytes() * 2)
    twice = Announcement.of(announced, parties.invited_to(announced)).to_bytes()
    with pytest.raises(vs.MalformedDataError):
        Announcement.from_bytes(twice + parties.invited_to(announced).to_bytes())
