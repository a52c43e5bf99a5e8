"""``veilsum inspect`` reads what relays send and are sent, and verifies it."""

import dataclasses

import protocol_parties as parties
import pytest
from dealt_parties import failure, look
from relay_parties import WAYS, WEST, RelayedRound, relay_messages
from veilsum.secure_sum import Announcement, RelayedSum, RelayReport


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("relays")
    state = RelayedRound()
    for kind, data in relay_messages(state).items():
        (folder / kind.name).write_bytes(data)
    answer = state.relays[WEST].answer_spot_check((folder / "SPOT_CHECK").read_bytes())
    (folder / "answer").write_bytes(b"".join(answer))
    (folder / "federation.veil").write_bytes(state.federation.signed_by(parties.identity("dealer")))
    strange = parties.descriptor(state.federation, invited={"ada": "north", "bob": None})
    for name, announced in (
        ("", state.descriptor),
        ("ada.", state.descriptor),
        ("strange.", strange),
    ):
        to = name.rstrip(".") if name == "ada." else None
        sent = Announcement.of(announced, parties.invited_to(announced), to=to)
        (folder / f"{name}announcement").write_bytes(sent.to_bytes())
    (folder / "hash").write_text(state.federation.hash.hex())
    return folder


def options(place):
    return "--federation", place / "federation.veil", "--hash", (place / "hash").read_text()


def test_what_relays_send_is_verified(place):
    wanted = {
        "RELAY_REPORT": "signed by west, a relay; contributions by contributors on the roster",
        "RELAY_REQUEST": "signed by aggregator, the aggregator, for west, a relay",
        "RELAYED_SUM": "signed by west, a relay",
        "SPOT_CHECK": "signed by aggregator, the aggregator, for west, a relay",
        "answer": "signed by aggregator, the aggregator, for west, a relay",
    }
    for name, words in wanted.items():
        seen = look(place / name, *options(place))
        assert seen["error"] is None
        assert seen["relay"] == WEST
        assert any(words in line for line in seen["checked"]), seen["checked"]
        assert not any("signatures" in line for line in seen["unchecked"])
        assert look(place / name)["relay"] == WEST
    assert look(place / "RELAY_REPORT")["contributors"] == ["ada", "bob"]
    assert look(place / "RELAY_REQUEST")["contributions"] == 2
    assert look(place / "RELAYED_SUM")["num_addends"] == 2
    assert look(place / "answer")["chunks_shown"] == 2


def test_through_whom_somebody_contributes_is_shown(place):
    seen = look(place / "announcement", *options(place))
    assert seen["relays"] == {name: relay for name, relay in WAYS.items() if relay is not None}
    assert look(place / "ada.announcement", *options(place))["invitation"]["relay"] == WEST
    assert failure(place / "strange.announcement", *options(place)) == "ProtocolError"


def test_what_relays_did_not_sign_does_not_verify(place):
    for name, read in (
        ("RELAY_REPORT", RelayReport.from_bytes),
        ("RELAYED_SUM", RelayedSum.from_bytes),
    ):
        head, *frames = parties.frames_of((place / name).read_bytes())
        wrong = dataclasses.replace(read(head), signature=bytes(64)).to_bytes()
        (place / "wrong").write_bytes(b"".join([wrong, *frames]))
        assert failure(place / "wrong", *options(place)) == "SignatureError"
        stranger = dataclasses.replace(read(head), relay="north").to_bytes()
        (place / "wrong").write_bytes(b"".join([stranger, *frames]))
        assert failure(place / "wrong", *options(place)) == "ProtocolError"
        (place / "wrong").write_bytes(b"".join([head, *frames[:-1]]))
        assert failure(place / "wrong", *options(place)).endswith("Error")
