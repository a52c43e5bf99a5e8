"""What attackers make of the messages of a round of protocol_parties, and who must refuse it."""

import dataclasses

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import DIM, NAMES, Round, frames_of
from veilsum.schemes import packing
from veilsum.secure_sum import (
    Chunk,
    ChunkRequest,
    ContributionHeader,
    Opening,
    OpenRequest,
    RoundSet,
    SignedRoot,
)
from veilsum.secure_sum.merkle import MerkleTree, leaf_hash, merkle_root

VICTIM, EVIL = "ada", "dan"
HOLDERS = parties.holder_names("threshold")
DELTAS = {name: np.round(np.linspace(-1, 1, DIM) * (i + 1) / 4, 2) for i, name in enumerate(NAMES)}


def federation(**changes):
    """Four of five holders open a sum; three chunks, of two, two and one ciphertexts."""
    return parties.federation("threshold", **({"min_contributors": 3, "chunk_size": 2} | changes))


def attacked_round(agreed, names=NAMES, **changes):
    """A round with the honest contributions of some: each has a delta of its own."""
    return Round(agreed, names, deltas=DELTAS, **changes)


def contribution(agreed, announced, name, **options):
    """The honest one; a contributor whose ledger was rolled back makes a second."""
    return parties.contribute(agreed, announced, name, DELTAS[name], **options)


def changed(frame, kind, **changes):
    """A message read, changed and written again."""
    return dataclasses.replace(kind.from_bytes(frame), **changes).to_bytes()


def key_scheme(agreed):
    """The scheme of the chunks that holders open: of everything, or of the keys of masks."""
    return getattr(agreed.bodies, "keys", agreed.bodies)


def chunks_of(message):
    return [Chunk.from_bytes(frame) for frame in frames_of(message)[1:]]


def ciphertexts_of(agreed, message):
    """The ciphertexts in a contribution: anybody can read them."""
    return vs.Ciphertexts.concatenate(
        [
            vs.Ciphertexts.from_bytes(chunk.body, agreed.public_key)
            for chunk in chunks_of(message)[: agreed.num_opened]
        ]
    )


def proofs_of(message):
    """Of the chunks that are opened: no others have any."""
    return [chunk.proof for chunk in chunks_of(message) if chunk.proof]


def bodies_of(agreed, message):
    """What is only added: nothing, or masked blocks."""
    return [chunk.body for chunk in chunks_of(message)[agreed.num_opened :]]


def resigned(announced, name, frames):
    """The contribution of these chunks, whoever made them, with this contributor's signature."""
    header = ContributionHeader.signed(
        parties.identity(name),
        round_id=announced.round_id,
        num_chunks=len(frames),
        root=merkle_root([leaf_hash(frame) for frame in frames]),
    )
    return b"".join([header.to_bytes(), *frames])


def forged_contribution(agreed, announced, name, ciphertexts, proofs, bodies=()):
    """A contribution of these ciphertexts, proofs and bodies, properly signed by ``name``."""
    pieces = []
    for index, proof in enumerate(proofs):
        places = key_scheme(agreed).chunks.units(index)
        pieces.append((ciphertexts[places.start : places.stop].to_bytes(), proof))
    pieces += [(body, b"") for body in bodies]
    frames = [Chunk(index=i, body=b, proof=p).to_bytes() for i, (b, p) in enumerate(pieces)]
    return resigned(announced, name, frames)


def asked_anew(request, **changes):
    """A changed request, which the aggregator signs."""
    changed = dataclasses.replace(request, **changes)
    return changed.signed(parties.identity(parties.AGGREGATOR))


def forged_request(announced, messages, chunks, *, holder=HOLDERS[0]):
    """What a cheating aggregator asks a holder: these contributions, these chunks."""
    contributions = {
        ContributionHeader.from_bytes(frames_of(m)[0]).contributor: frames_of(m) for m in messages
    }
    headers = tuple(
        ContributionHeader.from_bytes(contributions[name][0]) for name in sorted(contributions)
    )
    invited = parties.invited_to(announced)
    roots = tuple(
        SignedRoot(invited.index_of(each.contributor), each.root, each.signature)
        for each in headers
    )
    asked = RoundSet(announced, invited, headers[0].num_chunks, roots)
    request = OpenRequest(contributed=asked, holder=holder, chunks=chunks)
    frames = [asked_anew(request).to_bytes()]
    for index in chunks:
        for position, name in enumerate(sorted(contributions)):
            leaves = [leaf_hash(frame) for frame in contributions[name][1:]]
            frames.append(
                ChunkRequest(
                    contribution=position,
                    path=tuple(MerkleTree(leaves).path(index)),
                    chunk=contributions[name][1 + index],
                ).to_bytes()
            )
    return b"".join(frames)


def addressed(request, holder):
    """The request that was made for somebody else, as the aggregator would make it for this one."""
    head, *rest = frames_of(request)
    asked = asked_anew(OpenRequest.from_bytes(head), holder=holder)
    return b"".join([asked.to_bytes(), *rest])


def opened_keys(agreed, answer):
    """The sum of masks' keys in all answers of one who has the whole key."""
    body = b"".join(Opening.from_bytes(frame).body for frame in frames_of(answer))
    scheme = key_scheme(agreed)
    return packing.unpack(scheme.codec, scheme.read_opened(body), modulus=agreed.public_key.n)


def opened_by_honest_parties(agreed, announced, messages):
    """The sum, when an aggregator and holders who follow the protocol are sent these."""
    aggregator = parties.aggregator(agreed, announced)
    for message in messages:
        aggregator.receive(message)
    while requests := aggregator.open_requests():
        for name, request in requests.items():
            if aggregator.num_missing_chunks > 0:
                aggregator.receive_opening(parties.holder(agreed, name).open(request))
    return aggregator.finish()


def refused_everywhere(agreed, announced, message, error, match, *, by_holders=None):
    """The aggregator refuses it, and where the aggregator is in league every holder does.

    ``by_holders``: their error, where it is another: they take round and number of chunks of all
    contributions from one place, and see that none of these was signed.
    """
    aggregator = parties.aggregator(agreed, announced)
    with pytest.raises(error, match=match):
        aggregator.receive(message)
    assert aggregator.contributors == ()
    assert sum(aggregator.refused.values()) == 1
    honest = [contribution(agreed, announced, name) for name in NAMES[1:3]]
    request = forged_request(announced, [*honest, message], tuple(range(agreed.num_opened)))
    with pytest.raises(by_holders or error, match="not signed" if by_holders else match):
        parties.holder(agreed, HOLDERS[0]).open(request)
