"""A federation of the protocol's tests, all of its parties in one process."""

import dataclasses

import numpy as np
import pytest
import veilsum as vs
from protocol_parties import frames_of
from shared_keys import shared_key
from veilsum.secure_sum import (
    Aggregator,
    Chunk,
    ChunkRequest,
    ContributionHeader,
    Contributor,
    Federation,
    Identity,
    OpenRequest,
    RoundDescriptor,
    RoundLedger,
    ShareHolder,
    hash_model,
)
from veilsum.secure_sum.merkle import leaf_hash, merkle_paths, merkle_root

DIM = 400
CODEC = vs.Codec(DIM, clip=1.0, value_bits=10, max_addends=8)
MODEL = [np.arange(DIM, dtype=np.float32)]
NAMES = ("ada", "bob", "cyd", "dan", "eve")
HOLDERS = ("holder 1", "holder 2", "holder 3", "holder 4", "holder 5")


class World:
    """Five contributors and five holders, of whom four open a sum; chunks of 2 and 1 ciphertexts.

    ``changes`` are arguments of ``Federation``.
    """

    def __init__(self, **changes):
        shared = shared_key()
        self.shares = shared.shares
        self.identities = {name: Identity.generate(name) for name in (*NAMES, *HOLDERS)}
        settings = {
            "key": shared.key,
            "codec": CODEC,
            "contributors": tuple(self.identities[name].enrol() for name in NAMES),
            "holders": tuple(self.identities[name].enrol() for name in HOLDERS),
            "min_contributors": 3,
            "chunk_size": 2,
        }
        self.federation = Federation(**(settings | changes))
        self.ledgers = {name: RoundLedger.in_memory() for name in (*NAMES, *HOLDERS)}
        self.sent = {}
        self.deltas = {
            name: np.round(np.linspace(-1, 1, DIM) * (i + 1) / 5, 2) for i, name in enumerate(NAMES)
        }

    def descriptor(self, *, round_number=1, model=MODEL, invited=NAMES, run_id=bytes(16)):
        return RoundDescriptor(
            federation_hash=self.federation.hash,
            run_id=run_id,
            round_number=round_number,
            model_hash=hash_model(model),
            invited=invited,
        )

    def contributor(self, name, **changes):
        settings = {"rounds": self.ledgers[name]} | changes
        return Contributor(self.federation, self.identities[name], **settings)

    def contribution(self, name, descriptor, *, model=MODEL, **changes):
        """The one that this contributor makes to the round, however often it is wanted."""
        place = (name, descriptor.round_id)
        if place not in self.sent:
            self.sent[place] = self.contributor(name, **changes).contribute(
                descriptor.to_bytes(), self.deltas[name], model_hash=hash_model(model)
            )
        return self.sent[place]

    def forget(self, name):
        """As if the contributor's ledger were put back to an older copy."""
        self.ledgers[name] = RoundLedger.in_memory()
        self.sent = {place: sent for place, sent in self.sent.items() if place[0] != name}

    def holder(self, name, **changes):
        settings = {"key": self.shares[HOLDERS.index(name)], "rounds": self.ledgers[name]}
        return ShareHolder(self.federation, self.identities[name], **(settings | changes))

    def lanes(self, names):
        """The exact sum of these contributors' integers."""
        return sum(CODEC.quantise(self.deltas[name])[0] for name in names)

    def values(self, names):
        """The decoded sum of these contributors."""
        return CODEC.dequantise(self.lanes(names), num_addends=len(names)).values


class Round:
    """A round of a world, with the contributions of some."""

    def __init__(self, world, names=NAMES, **changes):
        self.world = world
        self.descriptor = world.descriptor(**changes)
        self.aggregator = Aggregator(world.federation, self.descriptor)
        self.messages = {name: world.contribution(name, self.descriptor) for name in names}
        for message in self.messages.values():
            self.aggregator.receive(message)

    def open(self, *, missing=()):
        """Ask the holders, take their answers, and finish."""
        for name, request in self.aggregator.open_requests(missing=missing).items():
            self.aggregator.receive_opening(self.world.holder(name).open(request))
        return self.aggregator.finish()


def changed(frame, kind, **changes):
    """A message read, changed and written again."""
    return dataclasses.replace(kind.from_bytes(frame), **changes).to_bytes()


# ---- what an attacker can make ----


def ciphertexts_of(world, message):
    """The ciphertexts in a contribution: anybody can read them."""
    chunks = [Chunk.from_bytes(frame) for frame in frames_of(message)[1:]]
    key = world.federation.public_key
    return vs.Ciphertexts.concatenate(
        [vs.Ciphertexts.from_bytes(chunk.ciphertexts, key) for chunk in chunks]
    )


def forged_contribution(world, descriptor, name, ciphertexts, proofs):
    """A contribution of these ciphertexts and proofs, properly signed by ``name``."""
    federation = world.federation
    chunks = []
    for index in range(federation.num_chunks):
        places = federation.chunk_range(index)
        part = ciphertexts[places.start : places.stop]
        chunk = Chunk(index=index, ciphertexts=part.to_bytes(), proof=proofs[index])
        chunks.append(chunk.to_bytes())
    header = ContributionHeader.signed(
        world.identities[name],
        round_id=descriptor.round_id,
        num_chunks=len(chunks),
        root=merkle_root([leaf_hash(chunk) for chunk in chunks]),
    )
    return b"".join([header.to_bytes(), *chunks])


def proofs_of(message):
    return [Chunk.from_bytes(frame).proof for frame in frames_of(message)[1:]]


def forged_request(world, descriptor, messages, chunks):
    """What a cheating aggregator asks: these contributions, these chunks."""
    contributions = {
        ContributionHeader.from_bytes(frames_of(m)[0]).contributor: frames_of(m) for m in messages
    }
    headers = tuple(
        ContributionHeader.from_bytes(contributions[name][0]) for name in sorted(contributions)
    )
    request = OpenRequest(descriptor=descriptor, headers=headers, chunks=chunks)
    frames = [request.to_bytes()]
    for index in chunks:
        for position, name in enumerate(sorted(contributions)):
            leaves = [leaf_hash(frame) for frame in contributions[name][1:]]
            frames.append(
                ChunkRequest(
                    contribution=position,
                    path=tuple(merkle_paths(leaves)[index]),
                    chunk=contributions[name][1 + index],
                ).to_bytes()
            )
    return b"".join(frames)


def refused_everywhere(world, descriptor, message, error, match):
    """The aggregator refuses it, and where the aggregator is in league every holder does."""
    aggregator = Aggregator(world.federation, descriptor)
    with pytest.raises(error, match=match):
        aggregator.receive(message)
    assert aggregator.contributors == ()
    assert sum(aggregator.refused.values()) == 1
    honest = [world.contribution(name, descriptor) for name in NAMES[1:3]]
    chunks = tuple(range(world.federation.num_chunks))
    request = forged_request(world, descriptor, [*honest, message], chunks)
    with pytest.raises(error, match=match):
        world.holder(HOLDERS[0], rounds=RoundLedger.in_memory()).open(request)
