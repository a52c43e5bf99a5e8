"""Writes the golden messages of secure-sum rounds in wire/; they stay for ever, as the others.

Run it only for a new wire version, under new names: federation.bin, contribution.bin,
open_request.bin and opening.bin are of version 1, which nothing reads any more.
Run: PYTHONPATH=tests python tests/vectors/generate_round.py
"""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import protocol_parties as parties
import veilsum as vs
from known_keys import VECTORS
from veilsum import keyfile
from veilsum.secure_sum import (
    ChunkRequest,
    Opening,
    OpenRequest,
)
from veilsum.secure_sum.opening import opening_context
from veilsum.wire import WireKind

PASSPHRASE = "correct horse battery staple"
NOISE = vs.privacy.GaussianNoise(
    epsilon=4.0, delta=1e-6, rounds=3, norm_bound=2.0, honest_contributors=2, weighted=False
)
CODEC = NOISE.fit(vs.Codec(5, clip=1.0, value_bits=8, max_addends=4))
NAMES = ("clinic-a", "klinik-ö")
INVITED = (*NAMES, "never-came")
# 89 slots to a ciphertext and two ciphertexts to a chunk: three chunks, the last one shorter.
LONG_CODEC = vs.Codec(400, clip=1.0, value_bits=16, max_addends=100)
VALUE = 0.5


def authority():
    """A federation with noise, whose key one authority has."""
    return parties.federation(codec=CODEC, noise=NOISE, contributors=parties.roster(*INVITED))


def threshold():
    """A federation of five holders without noise, with several chunks."""
    return parties.federation(
        "threshold",
        codec=LONG_CODEC,
        contributors=parties.roster(*INVITED),
        chunk_size=2,
    )


def sums():
    """As ``threshold``, with the key in one hand. In chunk.bin it had no proofs yet."""
    return dataclasses.replace(
        threshold(), key=parties.federation().key, holders=parties.roster("holder-1")
    )


ROUND = {
    "run_id": bytes(range(16)),
    "round_number": 7,
    "model": [np.zeros((2, 2), np.float32), np.ones(1)],
    "invited": INVITED,
}


def descriptor(agreed):
    return parties.descriptor(agreed, **ROUND)


def first_descriptor():
    """The one in round_descriptor.bin; its federation is federation.bin."""
    old = (VECTORS / "wire/federation.bin").read_bytes()
    return dataclasses.replace(
        descriptor(authority()), federation_hash=hashlib.sha256(old).digest()
    )


def partial_opening():
    """What holder 2 answers for chunk 1 of contributions that nobody has."""
    agreed, announced = threshold(), descriptor(threshold())
    set_hash = bytes(range(32))
    ciphertexts = agreed.public_key.encrypt([5, 6])
    context = opening_context(announced.round_id, set_hash)
    partial = parties.key_of(agreed, "holder-2").decrypt(ciphertexts, context=context, first=2)
    return Opening.signed(
        parties.identity("holder-2"),
        round_id=announced.round_id,
        set_hash=set_hash,
        body=partial.to_bytes(),
    )


def authority_round():
    """Messages of a whole round with one key, by name; each is one frame."""
    state = parties.Round(sums(), names=(), **ROUND)
    for name in NAMES:
        message = state.contribution(name, VALUE)
        state.aggregator.receive(message)
    contribution = parties.frames_of(message)
    request = parties.frames_of(state.requests()["holder-1"])
    state.open()
    (opening,) = parties.frames_of(state.holder("holder-1").open(request))
    return {
        "contribution_2": contribution[0],
        "chunk": contribution[3],
        "open_request_2": request[0],
        "open_request_2_total": request[1],
        "opening_2": opening,
        "transcript": state.aggregator.finish().transcript,
    }


def chunk_request(data):
    """A chunk request and an open request with chunks, from the chunk of a round with one key."""
    request = OpenRequest.from_bytes(data["open_request_2"])
    asked = dataclasses.replace(request, chunks=(0, 2))
    given = ChunkRequest(contribution=1, path=(bytes(32), bytes(range(32))), chunk=data["chunk"])
    return {"open_request_2_chunks": asked.to_bytes(), "chunk_request": given.to_bytes()}


def main():
    folder = Path(__file__).with_name("wire")
    dealer, party = parties.identity("dealer"), parties.identity(NAMES[1])
    messages = {
        "federation_2": authority().to_bytes(),
        "federation_2_threshold": threshold().to_bytes(),
        "signed_federation": authority().signed_by(dealer),
        "enrolment": party.enrol().to_bytes(),
        "opening_2_partial": partial_opening().to_bytes(),
        **authority_round(),
    }
    messages |= chunk_request(messages)
    keyfile._LOG2_COST = 14  # The least cost allowed: tests open the file often.
    messages["identity_file"] = keyfile.seal(
        party._key.private_bytes_raw(), party.enrol().to_bytes(), PASSPHRASE, WireKind.IDENTITY_FILE
    )
    for name, data in messages.items():
        path = folder / f"{name}.bin"
        if path.exists():
            raise SystemExit(f"{path} is there; golden files are never written again")
        path.write_bytes(data)


if __name__ == "__main__":
    main()
