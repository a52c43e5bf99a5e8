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
    Invitations,
    Lock,
    OpenRequest,
)

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


def relayed():
    """The list of those who are invited, some of them through a relay."""
    return Invitations.of({"clinic-a": "relay-1", "klinik-ö": "relais-ß", "never-came": None})


def descriptor(agreed):
    return parties.descriptor(agreed, **ROUND)


def later_descriptor():
    """Of a round with others before it."""
    return parties.descriptor(authority(), **ROUND, after=ChainEnd(5, bytes(range(32))))


def opener_descriptor():
    """Of a round whose sum one of the contributors opens."""
    agreed = dataclasses.replace(sums(), holders=())
    return parties.descriptor(agreed, **ROUND, opener="klinik-ö")


def authority_round():
    """Messages of a whole round with one key, by name; each is one frame."""
    state = parties.Round(sums(), names=(), **ROUND)
    for name in NAMES:
        state.messages[name] = state.contribution(name, VALUE)
        state.aggregator.receive(state.messages[name])
    request = parties.frames_of(state.requests()["holder-1"])
    state.open()
    opening, *_ = parties.frames_of(state.holder("holder-1").open(request))
    return {
        "open_request_4": request[0],
        "opening_3_authority": opening,
        "transcript_3": state.aggregator.finish().transcript,
        "round_link_authority": state.aggregator.transcript().link.to_bytes(),
    }


def main():
    folder = Path(__file__).with_name("wire")
    messages = {
        "round_descriptor_3": later_descriptor().to_bytes(),
        "round_descriptor_3_opener": opener_descriptor().to_bytes(),
        "invitations": relayed().to_bytes(),
        "invitation": relayed().invitation(NAMES[1]).to_bytes(),
        **authority_round(),
    }
    request = OpenRequest.from_bytes(messages["open_request_4"])
    lock = Lock.from_bytes((folder / "lock.bin").read_bytes())
    asked = dataclasses.replace(request, chunks=(0, 2), num_links=1, locks=(lock,))
    messages["open_request_4_chunks"] = asked.to_bytes()
    for name, data in messages.items():
        path = folder / f"{name}.bin"
        if path.exists():
            raise SystemExit(f"{path} is there; golden files are never written again")
        path.write_bytes(data)


if __name__ == "__main__":
    main()
