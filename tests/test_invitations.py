"""A list of those who are invited has one root, and an invitation leads to it or is refused."""

import dataclasses

import pytest
import veilsum as vs
from hypothesis import given
from hypothesis import strategies as st
from reference import merkle as reference
from validation_rules import rule
from veilsum.secure_sum import Invitation, Invitations, Invited
from veilsum.wire import WireKind, Writer

PARTY_NAMES = st.text(min_size=1, max_size=8).filter(
    lambda name: not any("\ud800" <= letter <= "\udfff" for letter in name)
)
LISTS = st.dictionaries(PARTY_NAMES, st.none() | PARTY_NAMES, min_size=1, max_size=20)
RELAYS = {"dan": None, "ada": "relay-1", "cyd": "relay-2", "bob": "relay-1", "eve": None}


def leaf_by_hand(name, relay):
    encoded = name.encode()
    leaf = b"veilsum/invitation/1" + bytes([len(encoded)]) + encoded
    return leaf + (
        b"\0" if relay is None else b"\1" + bytes([len(relay.encode())]) + relay.encode()
    )


def written(*entries):
    """A message with these entries, in this order."""
    writer = Writer(WireKind.INVITATIONS, 1)
    writer.u32(len(entries))
    for entry in entries:
        writer.bytes(entry)
    return writer.finish()


@given(LISTS)
def test_a_list_is_sorted_and_survives_the_wire(relays):
    invited = Invitations.of(relays)
    names = sorted(relays, key=str.encode)
    assert list(invited) == list(invited.names) == names
    assert len(invited) == len(relays)
    assert all(name in invited and invited.relay_of(name) == relays[name] for name in relays)
    assert "nobody" not in invited
    assert 1 not in invited
    assert invited.root == reference.root([leaf_by_hand(name, relays[name]) for name in names])
    again = Invitations.from_bytes(invited.to_bytes())
    assert (again, again.root) == (invited, invited.root)
    assert hash(again) == hash(invited)
    for index, name in enumerate(names):
        invitation = invited.invitation(name)
        assert (invitation.name, invitation.relay, invitation.index) == (name, relays[name], index)
        assert Invitation.from_bytes(invitation.to_bytes()) == invitation
        invitation.verify(len(names), invited.root)


@given(LISTS, LISTS)
def test_two_lists_have_two_roots(one, other):
    assert (Invitations.of(one).root == Invitations.of(other).root) == (one == other)


def test_names_mappings_and_lists_make_the_same():
    invited = Invitations.of(name for name in ("dan", "ada"))
    assert invited == Invitations.of(["ada", "dan"]) == Invitations.of({"dan": None, "ada": None})
    assert Invitations.of(invited) is invited
    assert invited != Invitations.of({"dan": None, "ada": "relay-1"})
    assert repr(invited) == f"<Invitations: 2 names, root {invited.root[:8].hex()}>"


@rule("IN1")
@pytest.mark.parametrize("index", range(len(RELAYS)))
def test_an_invitation_that_was_changed_leads_to_no_root(index):
    invited = Invitations.of(RELAYS)
    own = invited.invitation(invited.names[index])
    other = invited.invitation(invited.names[index - 1])
    changes = [
        {"name": other.name},
        {"relay": "relay-3"},
        {"relay": "relay-1" if own.relay is None else None},
        {"index": other.index},
        {"index": 2**32 - 1},
        {"path": other.path},
        {"path": own.path[:-1]},
        {"path": (*own.path, bytes(32))},
    ]
    for change in changes:
        with pytest.raises(vs.PolicyRefusedError, match="is forged, or was changed"):
            dataclasses.replace(own, **change).verify(len(invited), invited.root)
    for count, root in [(len(invited), bytes(32)), (1, invited.root)]:
        with pytest.raises(vs.PolicyRefusedError, match="is forged, or was changed"):
            own.verify(count, root)


@rule("IN2")
def test_a_list_that_is_unsorted_or_has_a_name_twice_is_refused():
    ada, bob = b"\x03ada\0", b"\x03bob\0"
    assert Invitations.from_bytes(written(ada, bob)) == Invitations.of(["ada", "bob"])
    for wrong in [(bob, ada), (ada, ada), (ada, b"\x03ada\1\x07relay-1")]:
        with pytest.raises(vs.MalformedDataError, match="sorted, with each of them once"):
            Invitations.from_bytes(written(*wrong))
    for wrong in [(), (b"\0\0",), (ada, b"\x03bob\2\1a\1b"), (ada, b"\x03bob\1\0")]:
        with pytest.raises(vs.MalformedDataError):
            Invitations.from_bytes(written(*wrong))
    with pytest.raises(vs.InvalidArgumentError, match="each of them once"):
        Invitations.of(["ada", "bob", "ada"])
    with pytest.raises(
        vs.InvalidArgumentError, match=r"has 'ada' after 'bob'.*Invitations.of sorts"
    ):
        Invitations((Invited("bob"), Invited("ada")))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("ada", TypeError),
        (b"ada", TypeError),
        (3, TypeError),
        (None, TypeError),
        ([1], TypeError),
        ({"ada": 1}, TypeError),
        ([], vs.InvalidArgumentError),
        ([""], vs.InvalidArgumentError),
        (["x" * 256], vs.InvalidArgumentError),
        (["\ud800"], vs.InvalidArgumentError),
        ({"ada": ""}, vs.InvalidArgumentError),
    ],
)
def test_wrong_lists_are_refused_by_name(wrong, error):
    with pytest.raises(error, match="invited"):
        Invitations.of(wrong)


def test_who_is_not_invited_has_no_place():
    invited = Invitations.of(RELAYS)
    for ask in (invited.index_of, invited.relay_of, invited.invitation):
        with pytest.raises(vs.InvalidArgumentError, match="'zoe', who is not among the 5 invited"):
            ask("zoe")
        with pytest.raises(TypeError, match="name must be"):
            ask(1)


def test_a_path_is_bounded():
    long = {"name": "ada", "relay": None, "index": 0}
    assert len(Invitation(**long, path=(bytes(32),) * 20).path) == 20
    with pytest.raises(vs.InvalidArgumentError, match="at most 20"):
        Invitation(**long, path=(bytes(32),) * 21)
