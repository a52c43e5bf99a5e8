"""Thousands of contributors by two relays: the very bytes that one aggregator adds up."""

import contextlib
from unittest import mock

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import identity
from relay_parties import EAST, WEST
from veilsum.secure_sum import FolderStore, Relay, receiver

AT_ONCE = 64
DIM = 100


@contextlib.contextmanager
def any_way_taken():
    """An aggregator takes straight what its contributor sends by a relay (RY1)."""
    check = receiver.check_in_round

    def whatever_way(agreed, announced, invited, header, *, relay):
        check(agreed, announced, invited, header, relay=invited.relay_of(header.contributor))

    with mock.patch.object(receiver, "check_in_round", whatever_way):
        yield


def take_all(party, messages):
    assert [each.error for each in party.receive_all(messages)] == [None] * len(messages)


# Ten thousand: 4 minutes, and 500 MB of disk.
@pytest.mark.parametrize("count", [150, pytest.param(10_000, marks=pytest.mark.slow)])
def test_two_relays_add_what_one_aggregator_adds(count, tmp_path):
    names = [f"member {i:05d}" for i in range(count)]
    codec = vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=count)
    agreed = parties.federation(
        codec=codec,
        contributors=parties.roster(*names),
        relays=parties.roster(EAST, WEST),
        scheme="masked",
        chunk_size=512,
    )
    ways = {name: WEST if i < count // 2 else EAST for i, name in enumerate(names)}
    announced = parties.descriptor(agreed, invited=ways)

    def store(name):
        return FolderStore(tmp_path / name)

    root = parties.aggregator(agreed, announced, store=store("root"))
    alone = parties.aggregator(agreed, announced, store=store("alone"))
    invited = parties.invited_to(announced)
    relays = {
        name: Relay(agreed, identity(name), announced, invited=invited, store=store(name))
        for name in (EAST, WEST)
    }
    values = np.random.default_rng(1).uniform(-1, 1, DIM)
    slots = np.zeros(codec.num_slots, np.int64)
    for first in range(0, count, AT_ONCE):
        group = {}
        for i, name in enumerate(names[first : first + AT_ONCE], first):
            delta = np.roll(values, i)
            slots += codec.quantise(delta)[0]
            group[name] = parties.contribute(agreed, announced, name, delta)
        for relay, party in relays.items():
            take_all(party, [group[name] for name in group if ways[name] == relay])
        with any_way_taken():
            take_all(alone, list(group.values()))
    for relay, party in relays.items():
        assert root.receive_report(party.report()) == relay
    for relay, request in root.relay_requests().items():
        assert root.receive_relayed_sum(relays[relay].relayed_sum(request)) == relay
    total, other = root._sum.total, alone._sum.total
    assert total.key.to_bytes() == other.key.to_bytes()
    assert total.blocks.to_bytes() == other.blocks.to_bytes()
    assert total.num_addends == other.num_addends == count
    holder = parties.holder(agreed, parties.opener_of(agreed))
    while requests := root.open_requests():
        for request in requests.values():
            root.receive_opening(holder.open(request))
    opened = root.finish()
    wanted = codec.dequantise(slots, num_addends=count)
    assert np.array_equal(opened.sum.values, wanted.values)
    assert opened.contributors == tuple(names)
    for relay, party in relays.items():
        assert root.receive_spot_check(party.answer_spot_check(root.spot_check(relay))) == relay
