"""Writes the golden messages of secure-sum rounds in wire/; they stay for ever, as the others.

Run it only for a new wire version, under new names. Those that it does not write are of versions
that nothing reads any more, or that other messages stand on.
Run: PYTHONPATH=tests python tests/vectors/generate_round.py
"""

import dataclasses
from pathlib import Path

import numpy as np
import protocol_parties as parties
import veilsum as vs
from veilsum.secure_sum import (
    ChainEnd,
    ChunkRequest,
    Lock,
    Opening,
    OpenRequest,
)
from veilsum.secure_sum.opening import opening_context

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
    return parties.federation(
        codec=CODEC,
        noise=NOISE,
        contributors=parties.roster(*INVITED),
        scheme="masked",
        chunk_size=1,
    )


def threshold():
    """A federation of five holders without noise, with several chunks."""
    return parties.federation(
        "threshold",
        codec=LONG_CODEC,
        contributors=parties.roster(*INVITED),
        scheme="packed",
        chunk_size=2,
    )


def sums():
    """The same values, masked, with the key in one hand: three chunks are opened, one is added."""
    return parties.federation(
        codec=LONG_CODEC,
        contributors=parties.roster(*INVITED),
        scheme="masked",
        chunk_size=4,
    )


ROUND = {
    "round_number": 7,
    "model": [np.zeros((2, 2), np.float32), np.ones(1)],
    "invited": INVITED,
}


def descriptor(agreed):
    return parties.descriptor(agreed, **ROUND)


def later_descriptor():
    """Of a round with others before it."""
    return parties.descriptor(authority(), **ROUND, after=ChainEnd(5, bytes(range(32))))


def opener_descriptor():
    """Of a round whose sum one of the contributors opens."""
    agreed = dataclasses.replace(sums(), holders=())
    return parties.descriptor(agreed, **ROUND, opener="klinik-ö")


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
        index=1,
        body=partial.to_bytes(),
    )


def lock():
    """What holder 2 answers before it opens anything of ``partial_opening``."""
    return Lock.signed(
        parties.identity("holder-2"),
        round_id=descriptor(threshold()).round_id,
        set_hash=bytes(range(32)),
    )


def threshold_round():
    """Messages of a round that was not opened: one contribution, and what a holder is given."""
    state = parties.Round(threshold(), names=(), **ROUND)
    for name in NAMES:
        state.messages[name] = state.contribution(name, VALUE)
        state.aggregator.receive(state.messages[name])
    header, *_, chunk = parties.frames_of(state.messages[NAMES[1]])
    given = [frame for each in state.asked().values() for frame in parties.frames_of(each)[1:]]
    request = next(frame for frame in given if ChunkRequest.from_bytes(frame).chunk == chunk)
    return {"contribution_2": header, "chunk": chunk, "chunk_request": request}


def authority_round():
    """Messages of a whole round with one key, by name; each is one frame."""
    state = parties.Round(sums(), names=(), **ROUND)
    for name in NAMES:
        state.messages[name] = state.contribution(name, VALUE)
        state.aggregator.receive(state.messages[name])
    header, *_, body = parties.frames_of(state.messages[NAMES[1]])
    request = parties.frames_of(state.requests()["holder-1"])
    state.open()
    opening, *_ = parties.frames_of(state.holder("holder-1").open(request))
    return {
        "contribution_2_masked": header,
        "chunk_masked": body,
        "open_request_3": request[0],
        "opening_3": opening,
        "transcript_2": state.aggregator.finish().transcript,
        "round_link": state.aggregator.transcript().link.to_bytes(),
    }


def main():
    folder = Path(__file__).with_name("wire")
    dealer = parties.identity("dealer")
    messages = {
        "federation_4": authority().to_bytes(),
        "federation_4_threshold": threshold().to_bytes(),
        "signed_federation_2": authority().signed_by(dealer),
        "round_descriptor_2": later_descriptor().to_bytes(),
        "round_descriptor_2_opener": opener_descriptor().to_bytes(),
        "opening_3_partial": partial_opening().to_bytes(),
        "lock": lock().to_bytes(),
        **threshold_round(),
        **authority_round(),
    }
    request = OpenRequest.from_bytes(messages["open_request_3"])
    asked = dataclasses.replace(request, chunks=(0, 2), num_links=1, locks=(lock(),))
    messages["open_request_3_chunks"] = asked.to_bytes()
    for name, data in messages.items():
        path = folder / f"{name}.bin"
        if path.exists():
            raise SystemExit(f"{path} is there; golden files are never written again")
        path.write_bytes(data)


if __name__ == "__main__":
    main()
