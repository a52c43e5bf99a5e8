"""What a key holder opens, and what it refuses."""

import dataclasses

import pytest
import veilsum as vs
from test_secure_sum import NAMES, Round
from validation_rules import rule
from veilsum.secure_sum import Aggregator, OpenRequest


@pytest.fixture
def round_of_three():
    return Round()


@rule("KH2")
def test_the_same_request_gets_the_same_answer_and_another_set_none():
    state = Round()
    holder = state.holder()
    answer = holder.open(state.aggregator.open_request())
    assert holder.open(state.aggregator.open_request()) == answer
    other = Aggregator(state.federation, state.descriptor)
    for name in NAMES[:2]:
        other.receive(state.messages[name])
    with pytest.raises(vs.PolicyRefusedError, match="another sum"):
        holder.open(other.open_request())


@rule("KH5")
@pytest.mark.parametrize("change", ["run", "model", "invited", "federation", "uninvited"])
def test_a_changed_announcement_opens_no_second_set(change, round_of_three):
    """Two sums that overlap would differ by single contributions."""
    holder = round_of_three.holder()
    request = OpenRequest.from_bytes(round_of_three.aggregator.open_request())
    holder.open(request.to_bytes())
    changes = {
        "run": {"run_id": b"another run 0123"},
        "model": {"model_hash": bytes(32)},
        "invited": {"invited": NAMES[:3]},
        "federation": {"federation_hash": bytes(32)},
        "uninvited": {"invited": ("eve", *NAMES[:2])},
    }
    announced = dataclasses.replace(request.descriptor, **changes[change])
    other = dataclasses.replace(request, descriptor=announced)
    with pytest.raises(vs.ProtocolError if change == "uninvited" else vs.PolicyRefusedError):
        holder.open(other.to_bytes())


def test_two_sets_asked_for_at_once_are_not_both_opened(round_of_three, monkeypatch):
    state, holder, opened = round_of_three, round_of_three.holder(), []
    other = Aggregator(state.federation, state.descriptor)
    for name in NAMES[:2]:
        other.receive(state.messages[name])
    first, second = state.aggregator.open_request(), other.open_request()
    read = vs.EncryptedVector.from_bytes

    def overtaken(data, key):
        # Reading releases the interpreter lock: another thread may open its set meanwhile.
        if not opened:
            opened.append(None)
            opened.append(holder.open(second))
        return read(data, key)

    monkeypatch.setattr(vs.EncryptedVector, "from_bytes", staticmethod(overtaken))
    with pytest.raises(vs.PolicyRefusedError, match="another sum"):
        holder.open(first)
    assert holder.open(second) == opened[1]
