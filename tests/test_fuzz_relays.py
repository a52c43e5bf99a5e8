"""Rounds with relays under fire: changed messages are refused by name, and the sum is exact."""

import protocol_parties as parties
import pytest
import veilsum as vs
from fuzz.mutate import mutated_frames
from fuzz.rounds import BAD_MESSAGE
from relay_parties import DELTAS, EAST, NAMES, WEST, RelayedRound, federation

REFUSALS = (*BAD_MESSAGE, vs.CapacityError, vs.PolicyRefusedError)
CODEC = vs.Codec(600, clip=1.0, value_bits=16, max_addends=8)
NUM_MUTATIONS = 40


def fire(rng, receive, message, strange):
    """Changed copies of a message, none of them the message itself; how many were refused."""
    refused, frames = 0, parties.frames_of(message)
    for _ in range(NUM_MUTATIONS):
        changed = mutated_frames(rng, frames, strange)
        if changed == message:
            continue
        try:
            receive(changed)
        except REFUSALS:
            refused += 1
    return refused


@pytest.mark.parametrize("trust", parties.TRUSTS)
def test_a_round_with_relays_under_changed_messages_ends_with_the_exact_sum(trust, rng):
    state = RelayedRound(federation(trust, codec=CODEC))
    other = RelayedRound(state.federation, round_number=2)
    other.contribute()
    strange = [
        *other.relays[WEST].report(),
        *parties.frames_of(state.messages["cyd"]),
        *parties.frames_of(state.messages["ada"]),
    ]
    root, west = state.root, state.relays[WEST]
    refused = fire(rng, west.receive, state.messages["ada"], strange)
    assert west.contributors == ()
    state.contribute()
    # Contributions before a wrong one are kept, and none but those that the relay has.
    for name in (WEST, EAST):
        report = b"".join(state.relays[name].report())
        refused += fire(rng, root.receive_report, report, strange)
        assert root.receive_report(report) == name
    assert root.contributors == NAMES
    requests = root.relay_requests()
    refused += fire(rng, west.relayed_sum, requests[WEST], strange)
    for name in (EAST, WEST):
        answer = b"".join(state.relays[name].relayed_sum(requests[name]))
        refused += fire(rng, root.receive_relayed_sum, answer, strange)
        assert name in root.missing_relays
        assert root.receive_relayed_sum(answer) == name
    check = root.spot_check(WEST)
    refused += fire(rng, west.answer_spot_check, check, strange)
    shown = b"".join(west.answer_spot_check(check))
    refused += fire(rng, root.receive_spot_check, shown, strange)
    assert root.receive_spot_check(shown) == WEST
    slots = sum(CODEC.quantise(DELTAS[name][: CODEC.dim])[0] for name in NAMES)
    parties.assert_sums(state.finish(), CODEC.dequantise(slots, num_addends=len(NAMES)))
    assert refused > 5 * NUM_MUTATIONS
