"""Three rounds of the example on a real deployment, and all that is left of them."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from deployment import Deployment
from in_process import model_of_the_loop
from parties import NAMES, captured_app, nodes, run_config, set_up_parties
from secrets_on_disk import found_in, secrets_of
from veilsum.identity import Role
from veilsum.secure_sum import PartyFolder, RunName
from veilsum.wire import WireKind, split_frames, wire_kind

NUM_ROUNDS = 3

# All that may reach the server: one record, of frames of the protocol, by type of message.
RECORD = "veilsum"
STYPE = "veilsum/frames/1"
WIRE_KINDS = {
    "query.veilsum_enrol": {WireKind.ENROLMENT},
    "train": {WireKind.CONTRIBUTION, WireKind.CHUNK},
    "query.veilsum_open": {WireKind.LOCK, WireKind.OPENING},
}
# First a holder locks, then it opens.
NUM_ANSWERS = {"query.veilsum_enrol": 1, "train": NUM_ROUNDS, "query.veilsum_open": 2 * NUM_ROUNDS}


@dataclass
class Evidence:
    """A deployment that has run the example."""

    folder: Path
    log: str
    status: str

    @property
    def federation(self):
        return PartyFolder(self.folder / NAMES[0] / "federation").federation

    @property
    def model(self):
        with np.load(self.folder / "server" / "final_model.npz") as arrays:
            return list(arrays.values())

    def messages(self):
        """Each message that reached the ServerApp: what it was, and the bytes in it."""
        for path in sorted((self.folder / "server" / "captured").glob("*.json")):
            yield json.loads(path.read_text()), path.with_suffix(".bin").read_bytes()


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flower") / "deployment"
    set_up_parties(folder)
    with Deployment(folder, nodes(folder)) as deployment:
        run = deployment.submit(captured_app(folder), run_config(folder, num_rounds=NUM_ROUNDS))
        status = deployment.finish(run)
        if status != "finished:completed":
            print(deployment.processes.all_logs())
        yield Evidence(folder, deployment.log(run), status)


def test_three_rounds_end_with_the_model_of_the_loop_in_one_process(evidence):
    assert evidence.status == "finished:completed", evidence.log
    expected = model_of_the_loop(NUM_ROUNDS, range(len(NAMES)))
    assert len(evidence.model) == len(expected)
    for found, wanted in zip(evidence.model, expected, strict=True):
        assert found.dtype == wanted.dtype
        assert found.tobytes() == wanted.tobytes()


def test_each_party_has_answered_each_round_once_in_each_role(evidence):
    for name in NAMES:
        party = PartyFolder(evidence.folder / name / "federation")
        for role in (Role.CONTRIBUTOR, Role.HOLDER):
            assert set(party.rounds(role).answered(RunName.of(party.federation))) == {
                1,
                2,
                3,
            }


def test_what_reaches_the_server_is_on_the_list(evidence):
    seen = dict.fromkeys(WIRE_KINDS, 0)
    for message, content in evidence.messages():
        seen[message["type"]] += 1
        assert message["error"] is None
        assert list(message["records"]) == [RECORD]
        record = message["records"][RECORD]
        assert record["kind"] == "ArrayRecord"
        assert list(record["entries"]) == ["0"]
        assert record["entries"]["0"] == {"dtype": "uint8", "shape": [len(content)], "stype": STYPE}
    assert seen == {kind: NUM_ANSWERS[kind] * len(NAMES) for kind in WIRE_KINDS}


def test_what_reaches_the_server_is_frames_of_the_protocol_to_the_last_byte(evidence):
    limit = evidence.federation.max_frame_bytes
    seen = {kind: Counter() for kind in WIRE_KINDS}
    for message, content in evidence.messages():
        frames = list(split_frames(content, max_frame_bytes=limit))
        assert b"".join(frames) == content
        kinds = frozenset(map(wire_kind, frames))
        seen[message["type"]][kinds] += 1
    half = NUM_ROUNDS * len(NAMES)
    assert seen["query.veilsum_open"] == {
        frozenset({WireKind.LOCK}): half,
        frozenset({WireKind.OPENING}): half,
    }
    for kind in ("query.veilsum_enrol", "train"):
        assert list(seen[kind]) == [WIRE_KINDS[kind]]


def test_no_key_and_no_share_is_anywhere_at_the_server(evidence):
    server = evidence.folder / "server"
    needles = secrets_of(evidence.folder)
    assert found_in(server, needles) == []
    # The search finds what is there: in the SuperLink's own database too.
    public = {"hash of the federation": evidence.federation.hash}
    assert "superlink.db" in {place.removesuffix("-wal") for _, place in found_in(server, public)}
    assert {name for name, _ in found_in(evidence.folder, needles)} >= {
        f"{what} of {name}" for name in NAMES for what in ("passphrase", "party.share")
    }
