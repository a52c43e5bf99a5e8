"""``veilsum inspect``: what any file is, whether it verifies, and never a secret."""

import dataclasses
import json
import shutil

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from ceremony_players import ceremonies
from dealt_parties import (
    CONTRIBUTORS,
    HOLDERS,
    PASSPHRASE,
    deal,
    done,
    enrol_all,
    failure,
    join_options,
    look,
    quick,
    refused,
    veilsum,
)
from known_keys import VECTORS, known_key
from relay_parties import RelayedRound, relay_messages
from veilsum import cli
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Enrolment,
    Identity,
    Invitations,
    OpenRequest,
    PartyFolder,
    RoundDescriptor,
    RoundSet,
    Transcript,
    hash_model,
)
from veilsum.wire import WireKind, split_frames

DIM = 700  # Eight ciphertexts of 2048 bits, in chunks of three.
MODEL_HASH = hash_model([np.zeros(DIM)])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A whole round, and all of its messages as files."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        quick(patch, folder)
        enrol_all(folder)
        options = ("--dim", str(DIM), "--chunk-size", "3", "--epsilon", "9", "--noise", "laplace")
        dealt = deal(folder, folder / "dealt", *options)
        for name in (*CONTRIBUTORS, *HOLDERS):
            share = f"{name}.share" if name in HOLDERS else None
            join = join_options(folder, folder / "dealt", name, dealt["hash"], share=share)
            done(*join, "--out", folder / f"{name}-folder")
        play_a_round(folder)
    return folder


@pytest.fixture(scope="module")
def pinned(place):
    hash_text = PartyFolder(place / "ann-folder").federation.hash.hex()
    return ("--federation", place / "dealt" / "federation.veil", "--hash", hash_text)


def play_a_round(folder):
    federation = PartyFolder(folder / "ann-folder").federation
    identity = Identity.load(folder / "aggregator" / "aggregator.identity", passphrase=PASSPHRASE)
    invited = Invitations.of(CONTRIBUTORS)
    assert list(invited) == list(CONTRIBUTORS)
    descriptor = RoundDescriptor.signed(
        identity,
        federation_hash=federation.hash,
        round_number=7,
        model_hash=MODEL_HASH,
        invited=invited,
    )
    whole = Announcement.of(descriptor, invited)
    (folder / "descriptor").write_bytes(descriptor.to_bytes())
    (folder / "announcement").write_bytes(whole.to_bytes())
    aggregator = Aggregator(federation, identity, descriptor, invited=invited)
    for name in CONTRIBUTORS:
        party = PartyFolder(folder / f"{name}-folder").contributor(passphrase=PASSPHRASE)
        announcement = Announcement.of(descriptor, invited, to=name).to_bytes()
        (folder / f"{name}.announcement").write_bytes(announcement)
        message = party.contribute(announcement, np.zeros(DIM), model_hash=MODEL_HASH)
        aggregator.receive(message)
        (folder / f"{name}.contribution").write_bytes(message)
    for step in ("lock", "opening"):
        for name, frames in aggregator.open_requests().items():
            request = b"".join(frames)
            (folder / f"{name}.{step}-request").write_bytes(request)
            holder = PartyFolder(folder / f"{name}-folder").key_holder(passphrase=PASSPHRASE)
            answer = holder.open(request)
            aggregator.receive_opening(answer)
            (folder / f"{name}.{step}").write_bytes(answer)
    (folder / "transcript").write_bytes(aggregator.finish().transcript)


def frames_of(path):
    return list(split_frames(path.read_bytes(), max_frame_bytes=1 << 24))


# ---- every kind ----


def test_every_golden_file_is_known():
    """Each wire file that is kept for ever, in its newest form, is told by its kind."""
    kinds = set()
    for path in sorted((VECTORS / "wire").glob("*.bin")):
        result = veilsum("inspect", path, "--json")
        (seen,) = json.loads(result.stdout)
        kinds.add(seen["kind"])
        assert seen["version"] >= 1
        assert result.exit_code in (0, 1)
        assert (seen["error"] is None) == (result.exit_code == 0)
    assert {"public key", "ciphertexts", "threshold key"} <= kinds


def test_every_kind_is_described(place, tmp_path):
    """A new kind of message gets its line here, and its function in the command."""
    key = known_key(2048).public
    codec = vs.Codec(5, clip=1.0, value_bits=8, max_addends=2)
    masked = codec.encrypt(np.zeros(5), key=key, scheme="masked", context=b"a sum")
    samples = {
        WireKind.PUBLIC_KEY: key.to_bytes(),
        WireKind.CIPHERTEXTS: key.encrypt([1, 2]).to_bytes(),
        WireKind.ENCRYPTED_FLOATS: key.encrypt_floats([0.5, -2.0]).to_bytes(),
        WireKind.ENCRYPTED_VECTOR: codec.encrypt(np.zeros(5), key=key).to_bytes(),
        WireKind.MASKED_VECTOR: masked.to_bytes(),
        WireKind.MASKED_BLOCKS: masked.masked.blocks.to_bytes(),
        WireKind.FEDERATION: PartyFolder(place / "ann-folder").federation.to_bytes(),
        WireKind.ROUND_DESCRIPTOR: (place / "descriptor").read_bytes(),
        WireKind.CONTRIBUTION: (place / "ann.contribution").read_bytes(),
        WireKind.OPEN_REQUEST: (place / "holder-1.lock-request").read_bytes(),
        WireKind.OPENING: (place / "holder-1.opening").read_bytes(),
        WireKind.LOCK: (place / "holder-1.lock").read_bytes(),
        WireKind.THRESHOLD_KEY: PartyFolder(place / "ann-folder").federation.key.to_bytes(),
        WireKind.SHARE_FILE: (place / "dealt" / "holder-1.share").read_bytes(),
        WireKind.IDENTITY_FILE: (place / "ann" / "ann.identity").read_bytes(),
        WireKind.ENROLMENT: (place / "contributors" / "ann.enrolment").read_bytes(),
        WireKind.CHUNK: frames_of(place / "ann.contribution")[1],
        WireKind.CHUNK_REQUEST: frames_of(place / "holder-1.lock-request")[1],
        WireKind.TRANSCRIPT: (place / "transcript").read_bytes(),
        WireKind.SIGNED_FEDERATION: (place / "dealt" / "federation.veil").read_bytes(),
    }
    told = Transcript.from_bytes(samples[WireKind.TRANSCRIPT])
    samples[WireKind.ROUND_LINK] = told.link.to_bytes()
    invited = told.contributed.invited
    samples[WireKind.INVITATIONS] = invited.to_bytes()
    samples[WireKind.INVITATION] = invited.invitation("bob").to_bytes()
    samples |= relay_messages(RelayedRound())
    samples[WireKind.CEREMONY_MESSAGE] = ceremonies(3, 3, 1, 64)[0].message
    samples[WireKind.PLAINTEXT_PROOF] = vs.secure_sum.Chunk.from_bytes(
        samples[WireKind.CHUNK]
    ).proof
    opening = frames_of(place / "holder-1.opening")[0]
    samples[WireKind.PARTIAL_DECRYPTION] = vs.secure_sum.Opening.from_bytes(opening).body
    for kind, data in samples.items():
        (tmp_path / kind.name).write_bytes(data)
        seen = look(tmp_path / kind.name)
        assert seen["kind"] == kind.name.lower().replace("_", " ")
        assert len(seen) > 9, kind
        printed = veilsum("inspect", tmp_path / kind.name)
        assert printed.exit_code == 0
        # Only what a person may want to copy whole, or the sentence of a check, is longer.
        long = [line for line in printed.stdout.splitlines()[1:] if len(line) > 80]
        assert all("verified" in line for line in long)
        for end in (len(data) - 1, 20):
            (tmp_path / "cut").write_bytes(data[:end])
            assert failure(tmp_path / "cut") == "MalformedDataError"
        (tmp_path / "cut").write_bytes(data + data)
        if kind is not WireKind.OPENING:
            assert failure(tmp_path / "cut").endswith("Error")
    secret = tmp_path / "key"
    vs.SecretKey.save(known_key(2048).secret, secret, passphrase=PASSPHRASE)
    assert look(secret)["fingerprint"] == key.fingerprint.hex()
    described = {*samples, WireKind.KEY_FILE}
    assert described == set(WireKind)
    known = {*cli.contents._ALONE, *cli.messages.MESSAGES}
    assert described == known


def test_several_files_at_once(place):
    seen = done("inspect", place / "descriptor", place / "transcript", place / "ann-folder")
    assert [one["kind"] for one in seen] == ["round descriptor", "transcript", "party's folder"]
    assert all(one["error"] is None for one in seen)


def test_what_is_no_file_of_veilsum_is_refused(place, tmp_path):
    for content in (b"", b"veil", b"%PDF-1.7 and more of it", b"veil\xff\x01\0\0" + bytes(8)):
        (tmp_path / "file").write_bytes(content)
        assert failure(tmp_path / "file") == "MalformedDataError"
    assert failure(tmp_path) == "MalformedDataError"
    (tmp_path / "database").write_bytes(b"SQLite format 3\0" + bytes(100))
    assert failure(tmp_path / "database") == "LedgerError"
    assert "there is no" in refused("inspect", tmp_path / "nothing")
    assert "no hash" in refused("inspect", place / "descriptor", "--hash", "12")


def test_a_frame_that_announces_too_much_is_not_waited_for(tmp_path):
    (tmp_path / "file").write_bytes(b"veil\x02\x01\0\0" + (1 << 60).to_bytes(8, "little"))
    assert failure(tmp_path / "file") == "MalformedDataError"


# ---- secrets ----


def test_no_secret_is_told(place):
    """Not even the sealed form: nothing of a secret file beyond its public part."""
    for path in (
        place / "dealt" / "holder-1.share",
        place / "ann" / "ann.identity",
        place / "holder-1-folder",
    ):
        result = veilsum("inspect", path)
        assert result.exit_code == 0
        assert PASSPHRASE not in result.output
    seen = look(place / "dealt" / "holder-1.share")
    assert "holder" not in seen
    assert (seen["threshold"], seen["num_holders"]) == (4, 5)


# ---- agreements and parties ----


def test_a_federation_is_told_whole(place, pinned):
    path = place / "dealt" / "federation.veil"
    seen = look(path)
    assert seen["trust"] == "threshold"
    assert [party["name"] for party in seen["contributors"]] == list(CONTRIBUTORS)
    assert seen["noise"]["kind"] == "laplace"
    assert seen["dealer"] == "dealer"
    assert "--hash" in seen["unchecked"][0]
    assert seen["verified"] is None  # Anybody can sign with a key of his own.
    assert look(path, *pinned[2:])["verified"] is True
    assert failure(path, "--hash", "0" * 64) == "PolicyRefusedError"


def test_a_federation_with_a_forged_signature_is_refused(place, tmp_path):
    data = bytearray((place / "dealt" / "federation.veil").read_bytes())
    data[-1] ^= 1
    (tmp_path / "file").write_bytes(data)
    assert failure(tmp_path / "file") == "SignatureError"
    line = refused("inspect", place / "descriptor", "--federation", tmp_path / "file", code=1)
    assert "SignatureError" in line
    hashed = ("--federation", place / "dealt" / "federation.veil", "--hash", "0" * 64)
    assert "PolicyRefusedError" in refused("inspect", place / "descriptor", *hashed, code=1)


def test_an_enrolment_is_looked_up_on_the_rosters(place, pinned, tmp_path):
    seen = look(place / "holders" / "holder-2.enrolment", *pinned)
    assert seen["checked"] == ["holder-2 is holder in the federation"]
    (tmp_path / "eve").write_bytes(Identity.generate("ann").enrol().to_bytes())
    assert failure(tmp_path / "eve", *pinned) == "PolicyRefusedError"


def test_names_cannot_write_on_the_terminal(tmp_path):
    (tmp_path / "bad").write_bytes(Enrolment("\x1b[31m[bold]x[/]", bytes(32)).to_bytes())
    printed = veilsum("inspect", tmp_path / "bad").stdout
    assert "\x1b" not in printed
    assert "\\x1b[31m[bold]x[/]" in printed


def test_keys_are_compared_with_the_federation(place, pinned, tmp_path):
    assert look(place / "dealt" / "holder-1.share", *pinned)["verified"] is True
    (tmp_path / "key").write_bytes(known_key("2048-other").public.to_bytes())
    assert failure(tmp_path / "key", *pinned) == "PolicyRefusedError"


def test_a_folder_tells_what_was_answered_and_spent(place, tmp_path):
    seen = look(place / "ann-folder")
    assert seen["last_round_as_contributor"] == 7
    assert seen["spent"] == {"epsilon": pytest.approx(9.0), "contributions": 1}
    seen = look(place / "ann-folder" / "privacy.sqlite")
    assert (seen["kind"], seen["budget"]["epsilon"]) == ("privacy ledger", 9.0)
    assert seen["remaining"] == {"epsilon": 0.0}
    assert "epsilon 9, delta 0" in (printed := veilsum("inspect", place / "ann-folder").stdout)
    assert printed.split("remaining")[1].split()[:2] == ["epsilon", "0"]
    seen = look(place / "holder-1-folder" / "holder-rounds.sqlite")
    assert seen["kind"] == "round ledger"
    assert [row["last_round"] for row in seen["federations"]] == [7]
    shutil.copytree(place / "ann-folder", tmp_path / "copy")
    (tmp_path / "copy" / "contributor-rounds.sqlite").unlink()
    assert failure(tmp_path / "copy") == "LedgerError"


# ---- messages ----


@pytest.mark.parametrize(
    "name", ["announcement", "ann.announcement", "ann.contribution", "holder-1.lock-request"]
)
def test_messages_verify_against_the_federation(place, pinned, name):
    assert look(place / name, *pinned)["verified"] is True
    seen = look(place / name)
    assert "give --federation" in seen["unchecked"][0]
    assert seen["verified"] is None
    unpinned = look(place / name, *pinned[:2])
    assert "--hash" in unpinned["unchecked"][-1]
    assert unpinned["verified"] is None


def test_who_is_invited_is_shown_where_a_message_has_it(place, pinned, tmp_path):
    for name in ("announcement", "holder-1.lock-request", "transcript"):
        seen = look(place / name, *pinned)
        assert (seen["num_invited"], seen["invited"]) == (3, list(CONTRIBUTORS))
        assert "relays" not in seen
    seen = look(place / "bob.announcement", *pinned)
    invitation = {"name": "bob", "relay": None, "index": 1}
    assert seen["num_invited"] == 3
    assert seen["invitation"].items() >= invitation.items()
    assert "invited" not in seen
    alone = look(place / "descriptor", *pinned)
    assert alone["num_invited"] == 3
    assert alone["verified"] is None
    assert "who is invited" in alone["unchecked"][0]
    frames = [frames_of(place / f"{name}.announcement") for name in CONTRIBUTORS]
    wrong = Invitations.of([*CONTRIBUTORS, "eve"])
    for second in (wrong.to_bytes(), wrong.invitation("eve").to_bytes()):
        (tmp_path / "file").write_bytes(frames[0][0] + second)
        assert failure(tmp_path / "file", *pinned) in ("ProtocolError", "PolicyRefusedError")


def test_a_contribution_is_verified_chunk_by_chunk(place, pinned, tmp_path):
    seen = look(place / "bob.contribution", *pinned)
    assert (seen["contributor"], seen["num_chunks"], seen["chunks_here"]) == ("bob", 3, 3)
    header, *chunks = frames_of(place / "bob.contribution")
    others, *other_chunks = frames_of(place / "cyd.contribution")
    signature = bytearray(header)
    signature[-1] ^= 1
    for frames, error in (
        ([header, *chunks[:2]], "ProtocolError"),
        ([header, chunks[1], chunks[0], chunks[2]], "ProtocolError"),
        ([header, *chunks, chunks[0]], "ProtocolError"),
        ([header, *other_chunks], ("ProtocolError", "ProofError")),
        ([others, *chunks], ("ProtocolError", "ProofError")),
        ([bytes(signature), *chunks], "SignatureError"),
        ([header, header, *chunks], "MalformedDataError"),
    ):
        (tmp_path / "file").write_bytes(b"".join(frames))
        assert failure(tmp_path / "file", *pinned) in error
    for frames in ([header, *chunks[:2]], [header, *other_chunks]):
        (tmp_path / "file").write_bytes(b"".join(frames))
        assert failure(tmp_path / "file") == "ProtocolError"  # Needs no federation.


def test_a_request_is_verified_as_its_holder_would(place, pinned, tmp_path):
    header, *chunks = frames_of(place / "holder-1.lock-request")
    for frames in ([header, *chunks[1:]], [header, *reversed(chunks)], [header, *chunks[:-1]]):
        (tmp_path / "file").write_bytes(b"".join(frames))
        assert failure(tmp_path / "file", *pinned) == "ProtocolError"


def test_a_request_is_for_one_holder_and_signed_with_its_chunks(place, pinned, tmp_path):
    path = place / "holder-1.opening-request"
    seen = look(path, *pinned)
    assert seen["holder"] == "holder-1"
    assert seen["checked"][-1].startswith("signed by aggregator, the aggregator, for holder-1;")
    head, *others = frames_of(path)
    asked = OpenRequest.from_bytes(head)
    for changes, error in (
        ({"holder": "holder-2"}, "SignatureError"),
        ({"holder": "nobody"}, "ProtocolError"),
        ({"chunks": (asked.chunks[0],)}, "SignatureError"),
        ({"locks": ()}, "SignatureError"),
    ):
        changed = dataclasses.replace(asked, **changes).to_bytes()
        (tmp_path / "file").write_bytes(b"".join([changed, *others]))
        assert failure(tmp_path / "file", *pinned) == error


def test_an_opening_is_verified_by_its_signature(place, pinned, tmp_path):
    seen = look(place / "holder-2.opening", *pinned)
    assert {row["holder"] for row in seen["answers"]} == {"holder-2"}
    data = bytearray((place / "holder-2.opening").read_bytes())
    data[-1] ^= 1
    (tmp_path / "file").write_bytes(data)
    assert failure(tmp_path / "file", *pinned) == "SignatureError"


def test_a_transcript_verifies_off_line(place, pinned):
    seen = look(place / "transcript", *pinned)
    assert seen["verified"] is True
    assert seen["unchecked"] == []
    assert [row["contributor"] for row in seen["contributions"]] == list(CONTRIBUTORS)
    assert sum(row["answers"] for row in seen["holders"]) == 3 * 4
    assert seen["round_number"] == 7
    assert (seen["outcome"], seen["chunks_not_opened"]) == ("complete", [])
    unpinned = look(place / "transcript", *pinned[:2])
    assert "--hash" in unpinned["unchecked"][0]
    assert unpinned["verified"] is None
    assert look(place / "transcript")["verified"] is None


def test_a_changed_transcript_does_not_verify(place, pinned, tmp_path):
    data = (place / "transcript").read_bytes()
    told = Transcript.from_bytes(data)
    head = bytearray(data)
    head[-1] ^= 1
    fewer = parties.with_set(told, headers=told.headers[:1])
    another = parties.with_set(told, headers=told.headers[:2])
    unopened = dataclasses.replace(told, receipts=told.receipts[:1])
    hidden = dataclasses.replace(told, link=None)
    for wrong, error in (
        (bytes(head), "SignatureError"),
        (hidden.to_bytes(), "ProtocolError"),
        (fewer.to_bytes(), "ProtocolError"),
        (another.to_bytes(), "ProtocolError"),
        (unopened.to_bytes(), "ProtocolError"),
    ):
        (tmp_path / "file").write_bytes(wrong)
        assert failure(tmp_path / "file", *pinned) == error
    for position in range(16, len(data), 97):
        wrong = bytearray(data)
        wrong[position] ^= 4
        (tmp_path / "file").write_bytes(wrong)
        assert failure(tmp_path / "file", *pinned).endswith("Error")


def test_transcripts_of_a_run_are_held_against_each_other(place, pinned, tmp_path):
    first = Transcript.from_bytes((place / "transcript").read_bytes())
    identity = Identity.load(place / "aggregator" / "aggregator.identity", passphrase=PASSPHRASE)

    invited = Invitations.of(CONTRIBUTORS)

    def abandoned(number, after):
        descriptor = RoundDescriptor.signed(
            identity,
            federation_hash=first.descriptor.federation_hash,
            round_number=number,
            model_hash=MODEL_HASH,
            invited=invited,
            after=after,
        )
        path = tmp_path / f"{number}.transcript"
        path.write_bytes(Transcript.of(RoundSet.of(descriptor, invited, ()), ()).to_bytes())
        return path

    good = abandoned(8, first.end)
    told, after = done("inspect", place / "transcript", good, *pinned)
    assert (told["outcome"], after["outcome"]) == ("complete", "abandoned")
    assert after["chunks_not_opened"] == list(range(after["chunks"]))
    assert told["verified"] is after["verified"] is True
    assert "it goes on from round 7, whose transcript is here" in after["checked"]
    alone = look(good, *pinned)
    assert alone["missing_transcript"] == 7
    assert alone["verified"] is None
    fork = abandoned(9, first.end._replace(link=b"x" * 32))
    result = veilsum("inspect", place / "transcript", fork, *pinned, "--json")
    assert result.exit_code == 1
    assert "chain of the run is broken" in json.loads(result.stdout)[1]["error"]["message"]


def test_the_opener_of_a_round_is_shown_and_held_against_the_roster(tmp_path):
    agreed = parties.federation("contributors")
    (tmp_path / "federation").write_bytes(agreed.signed_by(Identity.generate("dealer")))
    pinned = ("--federation", tmp_path / "federation", "--hash", agreed.hash.hex())
    path = tmp_path / "file"
    for opener in ("bob", None, "eve"):
        announced = parties.descriptor(agreed, opener=opener)
        for message in (announced, Transcript.of(parties.round_set(announced, ()), ())):
            path.write_bytes(message.to_bytes())
            assert look(path)["opener"] == opener
            if opener == "bob":
                assert look(path, *pinned)["checked"]
                assert "opener" in veilsum("inspect", path, *pinned).stdout
            else:
                assert failure(path, *pinned) == "PolicyRefusedError"


def test_a_transcript_of_another_federation_does_not_verify(place, tmp_path):
    federation = PartyFolder(place / "ann-folder").federation
    other = dataclasses.replace(federation, min_contributors=3)
    (tmp_path / "other").write_bytes(other.signed_by(Identity.generate("dealer")))
    options = ("--federation", tmp_path / "other", "--hash", other.hash.hex())
    assert failure(place / "transcript", *options) == "ProtocolError"
    assert failure(place / "descriptor", *options) == "PolicyRefusedError"


def test_it_needs_no_terminal_and_no_passphrase(place, monkeypatch):
    monkeypatch.delenv("VEILSUM_PASSPHRASE_FILE", raising=False)
    result = veilsum("inspect", place / "transcript", input="")
    assert result.exit_code == 0
