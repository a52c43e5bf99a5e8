"""What attackers make of masked contributions: keys and bodies apart, and residues as integers."""

import dataclasses

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_attackers import DELTAS, forged_request, resigned
from protocol_parties import CODEC, NAMES, frames_of
from veilsum import _core
from veilsum.secure_sum import Chunk

# With the toy key of the holders a secret takes many ciphertexts.
KEY_CHUNK = {"threshold": 32, "authority": 8, "contributors": 8}
BLOCKS_HEAD = 16 + 4 + 16  # The frame of masked blocks, their shape, and which they are.
# What a round says whose body is not that of its key and context.
GARBLED = r"the sum is garbled|beyond what its codec has room for"
# Of several blocks, and so of several chunks that are only added.
LONG = vs.Codec(40_000, clip=1.0, value_bits=16, max_addends=4)


def federation(trust, **changes):
    """Masked, with several chunks that are opened and one or more that are only added."""
    toy = {"toy": (5, 4)} if trust == "threshold" else {}
    settings = {"scheme": "masked", "chunk_size": KEY_CHUNK[trust]}
    return parties.federation(trust, **(settings | toy | changes))


def slots_of(name, codec=CODEC):
    """What only this contributor may know."""
    return codec.quantise(values_of(name, codec))[0]


def values_of(name, codec=CODEC):
    """A change of its own for each."""
    return np.resize(DELTAS[name], codec.dim)


def contribution(agreed, announced, name, **options):
    """The honest one."""
    return parties.contribute(agreed, announced, name, values_of(name, agreed.codec), **options)


def chunks_of(message):
    """The chunks of a contribution, of the key and of the body."""
    return [Chunk.from_bytes(frame) for frame in frames_of(message)[1:]]


def signed(announced, name, chunks):
    """The contribution of these chunks in this order, with this contributor's signature."""
    numbered = (dataclasses.replace(chunk, index=i) for i, chunk in enumerate(chunks))
    return resigned(announced, name, [chunk.to_bytes() for chunk in numbered])


def key_chunks(agreed, message):
    """Those that carry the secret of the mask."""
    return chunks_of(message)[: agreed.num_opened]


def body_chunks(agreed, message):
    """Those that carry masked blocks."""
    return chunks_of(message)[agreed.num_opened :]


def key_of(agreed, message):
    """The ciphertexts of the secret."""
    parts = [
        vs.Ciphertexts.from_bytes(chunk.body, agreed.public_key)
        for chunk in key_chunks(agreed, message)
    ]
    return vs.Ciphertexts.concatenate(parts)


def made(agreed, announced, name, *, key, proofs, body):
    """A contribution of these ciphertexts, proofs and masked blocks, signed by ``name``."""
    chunks = []
    for index in range(agreed.num_opened):
        places = agreed.bodies.keys.chunks.units(index)
        part = key[places.start : places.stop].to_bytes()
        chunks.append(Chunk(index=index, body=part, proof=proofs[index]))
    for index in range(agreed.num_chunks - agreed.num_opened):
        places = agreed.bodies.body.units(index)
        part = body.part(places.start, len(places)).to_bytes()
        chunks.append(Chunk(index=index, body=part, proof=b""))
    return signed(announced, name, chunks)


def protected(agreed, announced, name, slots, *, context=None):
    """Any slots in this contributor's own name, with proofs that hold; masked for a context."""
    sealed = agreed.bodies.protect(
        np.ascontiguousarray(slots, np.int64),
        context=announced.round_id if context is None else context,
        maker=name,
    )
    pieces = [sealed.piece(index) for index in range(agreed.num_chunks)]
    return signed(announced, name, [Chunk(index=0, body=p.body, proof=p.proof) for p in pieces])


# ---- bodies as integers ----


def mask_of(agreed):
    """The mask of the federation's vectors."""
    return agreed.bodies.masking.mask


def blocks_of(agreed, message):
    """All masked blocks of a contribution."""
    mask = mask_of(agreed)
    parts = [
        _core.MaskedBlocks.from_bytes(c.body, mask.shape) for c in body_chunks(agreed, message)
    ]
    return added(agreed, [parts])


def added(agreed, vectors):
    """The sum of vectors of blocks, each in parts."""
    total = _core.MaskSum(mask_of(agreed))
    for parts in vectors:
        total.add(list(parts), 1)
    return total.total()


def changed_residues(agreed, blocks, change):
    """Blocks of which each residue ``x`` modulo ``q`` is ``change(x, q, its place)``.

    The place is that of the coefficient among all of the vector.
    """
    shape = mask_of(agreed).shape
    wire = blocks.to_bytes()
    head, data, written, begin, place = wire[:BLOCKS_HEAD], wire[BLOCKS_HEAD:], b"", 0, 0
    for block in range(shape.num_blocks):
        count = coefficients_of(shape, block)
        size = 64 * -(-(count // 8 * shape.prime_bits) // 64)
        for q in primes_of(shape):
            values = unpacked(data[begin : begin + size], count, shape.prime_bits)
            changed = [change(x, q, place + i) % q for i, x in enumerate(values)]
            written += packed(changed, size, shape.prime_bits)
            begin += size
        place += count
    assert begin == len(data)
    return _core.MaskedBlocks.from_bytes(head + written, mask_of(agreed).shape)


def coefficients_of(shape, block):
    """How many coefficients a block has: whole rows of eight, and 128 or more of a vector."""
    left = shape.num_slots - block * shape.num_digits * shape.dim
    fewest = 128 if block == 0 else 8
    return min(shape.dim, max(fewest, -(-left // (8 * shape.num_digits)) * 8))


def unpacked(data, count, bits):
    """Residues from eight strings of bits that lie side by side, word by word."""
    lanes = np.frombuffer(data, "<u8").reshape(-1, 8)
    strings = [int.from_bytes(lanes[:, lane].tobytes(), "little") for lane in range(8)]
    mask = (1 << bits) - 1
    return [strings[i % 8] >> (i // 8 * bits) & mask for i in range(count)]


def packed(values, size, bits):
    """What ``unpacked`` reads."""
    lanes = np.zeros((size // 64, 8), "<u8")
    for lane in range(8):
        string = sum(x << (row * bits) for row, x in enumerate(values[lane::8]))
        lanes[:, lane] = np.frombuffer(string.to_bytes(size // 8, "little"), "<u8")
    return lanes.tobytes()


def primes_of(shape):
    """The largest primes of so many bits that are 1 modulo twice the ring's dimension."""
    primes, q = [], (1 << shape.prime_bits) + 1
    while len(primes) < shape.num_primes:
        q -= 2 * shape.dim
        if all(pow(base, q - 1, q) == 1 for base in (2, 3, 5, 7, 11, 13)):
            primes.append(q)
    return primes


def combined(agreed, parts):
    """The body that somebody makes of those of messages, ``(times, message)`` each."""
    return added(
        agreed,
        [
            [changed_residues(agreed, blocks_of(agreed, message), lambda x, q, i, k=times: k * x)]
            for times, message in parts
        ],
    )


def shifted(agreed, blocks, slot, by):
    """Blocks whose slot, one of the first block's first plane, is larger by so much."""
    shape = mask_of(agreed).shape
    step = by << shape.slack
    return changed_residues(agreed, blocks, lambda x, q, i: x + (step if i == slot else 0))


# ---- what is opened ----


def read(agreed, chunks):
    """What is in a contribution, whoever has made its chunks; proofs are not looked at."""
    bodies = [
        vs.Ciphertexts.from_bytes(chunk.body, agreed.public_key)
        for chunk in chunks[: agreed.num_opened]
    ]
    mask = mask_of(agreed)
    parts = chunks[agreed.num_opened :]
    return [*bodies, *(_core.MaskedBlocks.from_bytes(chunk.body, mask.shape) for chunk in parts)]


def secret_in(agreed, secret_key, key):
    """The coefficients of a mask's secret, to whoever has the whole key."""
    return agreed.bodies.masking.unpack(secret_key.decrypt_plaintexts(key))


def read_with(agreed, announced, blocks, secret):
    """The slots behind a mask whose secret is known."""
    slots, _ = mask_of(agreed).open(blocks, secret, announced.round_id)
    return slots


def is_void(aggregator):
    """Whether the round was opened to no sum, as its transcript says to all."""
    told = aggregator.transcript()
    return told.outcome == "void" and told.link.is_void


def opened_round(agreed, announced, messages):
    """The aggregator of a round whose holders have answered, honest all of them."""
    aggregator = parties.aggregator(agreed, announced)
    for message in messages:
        aggregator.receive(message)
    open_all(agreed, aggregator)
    return aggregator


def open_all(agreed, aggregator):
    """Let honest holders answer until nobody is asked."""
    while requests := aggregator.open_requests():
        for name, request in requests.items():
            if aggregator.num_missing_chunks > 0:
                aggregator.receive_opening(parties.holder(agreed, name).open(request))


def request_for(agreed, announced, messages, chunks, name=None):
    """What a cheating aggregator asks of one who may open."""
    holder = parties.opener_of(agreed) if name is None else name
    return forged_request(announced, messages, chunks, holder=holder)


def expected(codec, slots, num_addends):
    """What the codec makes of a sum of slots."""
    return codec.dequantise(slots, num_addends=num_addends)


def void_round(agreed, announced, messages, match):
    """The round is opened, to nothing, and nobody is named."""
    receiver = opened_round(agreed, announced, messages)
    with pytest.raises(vs.CapacityError, match=match) as spoiled:
        receiver.finish()
    assert not any(name in str(spoiled.value) for name in NAMES)
    assert is_void(receiver)
    receiver.transcript().verify(agreed)
