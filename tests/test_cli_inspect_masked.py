"""``veilsum inspect`` of what is masked, and of what one who has the whole key is asked."""

import dataclasses

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from dealt_parties import failure, look

DIM = 700


def pinned_in(folder, federation):
    """The options that pin a federation."""
    file = folder / "federation.veil"
    file.write_bytes(federation.signed_by(parties.identity("dealer")))
    return ("--federation", file, "--hash", federation.hash.hex())


def test_masked_vectors_are_told_by_context_mask_and_strength(tmp_path):
    codec = vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=5)
    federation = parties.federation("threshold", codec=codec)
    key, pinned = federation.public_key, pinned_in(tmp_path, federation)
    vectors = [
        codec.encrypt(np.zeros(DIM), key=key, scheme="masked", context=context)
        for context in (b"round 7", b"\x00\xff", b"\x1b[31m")
    ]
    (tmp_path / "vector").write_bytes(sum([vectors[0], vectors[0]]).to_bytes())
    seen = look(tmp_path / "vector", *pinned)
    assert (seen["kind"], seen["scheme"], seen["context"]) == ("masked vector", "masked", "round 7")
    assert seen["num_addends"] == 2
    shape = codec.mask_shape
    assert seen["mask"] == dataclasses.asdict(shape)
    assert list(seen["strength"].values()) == pytest.approx(shape.strength(codec), abs=0.06)
    assert seen["verified"] is True
    for vector, shown in zip(vectors[1:], ("00ff", "1b5b33316d"), strict=True):
        (tmp_path / "vector").write_bytes(vector.to_bytes())
        assert look(tmp_path / "vector")["context_hex"] == shown
    (tmp_path / "blocks").write_bytes(vectors[0].masked.blocks.to_bytes())
    assert look(tmp_path / "blocks", *pinned)["verified"] is True
    assert look(tmp_path / "blocks")["verified"] is None
    longer = vs.Codec(DIM + 8, clip=1.0, value_bits=16, max_addends=5)
    other = longer.encrypt(np.zeros(DIM + 8), key=key, scheme="masked", context=b"round 7")
    (tmp_path / "blocks").write_bytes(other.masked.blocks.to_bytes())
    assert failure(tmp_path / "blocks", *pinned) == "MalformedDataError"
    (tmp_path / "vector").write_bytes(other.to_bytes())
    assert failure(tmp_path / "vector", *pinned) == "ProtocolError"


def test_what_one_who_has_the_whole_key_is_asked_and_answers_is_verified(tmp_path):
    agreed = parties.federation("authority", chunk_size=8)
    pinned = pinned_in(tmp_path, agreed)
    state = parties.Round(agreed)
    (request,) = state.asked().values()
    (tmp_path / "request").write_bytes(request)
    seen = look(tmp_path / "request", *pinned)
    assert (seen["verified"], seen["chunks"], seen["locks"]) == (True, [0, 1, 2], [])
    (tmp_path / "request").write_bytes(b"".join(parties.frames_of(request)[:-1]))
    assert failure(tmp_path / "request", *pinned) == "ProtocolError"
    (tmp_path / "answers").write_bytes(state.holder().open(request))
    rows = look(tmp_path / "answers", *pinned)["answers"]
    assert [(row["chunk"], row["plaintexts"]) for row in rows] == [(0, 8), (1, 8), (2, 3)]
