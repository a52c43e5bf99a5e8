"""What hides a masked contribution from whoever has the whole key, and where that ends.

Also what becomes of slots out of range, and of a generator that repeats itself.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from dealt_parties import deal_options, enrol_all, quick, refused
from fedavg_clients import DIM, LinearClient, zeros
from known_keys import known_key
from mask_attackers import (
    BLOCKS_HEAD,
    GARBLED,
    LONG,
    blocks_of,
    body_chunks,
    coefficients_of,
    contribution,
    expected,
    federation,
    made,
    mask_of,
    opened_round,
    protected,
    read_with,
    secret_in,
    slots_of,
    void_round,
)
from protocol_attackers import DELTAS, EVIL
from protocol_parties import NAMES, TRUSTS, frames_of
from validation_rules import rule
from veilsum import _core
from veilsum.paillier.ciphertext_sum import CiphertextSum
from veilsum.schemes.masking import Masking
from veilsum.schemes.proof_context import proof_context
from veilsum.secure_sum import Chunk, ChunkRequest, Federation, OpenRequest, agreement

DOCS = Path(__file__).resolve().parent.parent / "docs"
every_trust = pytest.mark.parametrize("trust", TRUSTS)
whole_key = pytest.mark.parametrize("trust", ["authority", "contributors"])

# ---- whoever has the whole key ----


def packed_federation(trust, monkeypatch):
    """What a federation would be in which nothing stands against it."""
    with monkeypatch.context() as patch:
        patch.setattr(agreement, "choose", lambda scheme, *_, **__: scheme)
        return parties.federation(trust, scheme="packed", chunk_size=2)


def asked_of(agreed, announced, messages):
    """The whole request that an honest aggregator sends, and everybody's chunks in it."""
    receiver = parties.aggregator(agreed, announced)
    for message in messages:
        receiver.receive(message)
    ((_, request),) = receiver.open_requests().items()
    given = b"".join(request)
    head, *frames = frames_of(given)
    headers = OpenRequest.from_bytes(head).headers
    sent: dict[str, list[Chunk]] = defaultdict(list)
    for each in map(ChunkRequest.from_bytes, frames):
        sent[headers[each.contribution].contributor].append(Chunk.from_bytes(each.chunk))
    return given, sent


def ciphertexts_in(agreed, chunks):
    """Those of one contributor."""
    parts = [vs.Ciphertexts.from_bytes(chunk.body, agreed.public_key) for chunk in chunks]
    return vs.Ciphertexts.concatenate(parts)


@whole_key
def test_whoever_has_the_whole_key_is_given_keys_and_no_body(trust, monkeypatch):
    """Curious, it decrypts all that it is given. With ``packed`` that would be the values."""
    bare = packed_federation(trust, monkeypatch)
    announced = parties.descriptor(bare)
    messages = [parties.contribute(bare, announced, name, DELTAS[name]) for name in NAMES[:3]]
    key = known_key(2048).secret
    _, sent = asked_of(bare, announced, messages)
    for name, chunks in sent.items():
        plaintexts = key.decrypt_plaintexts(ciphertexts_in(bare, chunks))
        assert np.array_equal(bare.bodies.unpack(plaintexts, None), slots_of(name))

    agreed = federation(trust)
    announced = parties.descriptor(agreed)
    sealed = {name: contribution(agreed, announced, name) for name in NAMES[:3]}
    given, sent = asked_of(agreed, announced, sealed.values())
    for name, chunks in sent.items():
        assert [chunk.index for chunk in chunks] == list(range(agreed.num_opened))
        (body,) = body_chunks(agreed, sealed[name])
        residues = body.body[BLOCKS_HEAD:]
        pieces = (residues[i : i + 16] for i in range(0, len(residues) - 15, 16))
        assert not any(piece in given for piece in pieces)
        # It finds the secret of each mask. With the aggregator's store that is the contribution.
        secret = secret_in(agreed, key, ciphertexts_in(agreed, chunks))
        assert np.abs(secret).max() < 80
        blocks = blocks_of(agreed, sealed[name])
        assert np.array_equal(read_with(agreed, announced, blocks, secret), slots_of(name))


def test_a_secret_says_nothing_of_the_slots_behind_its_mask():
    """It is drawn before they are looked at: one secret goes with any of them."""
    agreed = federation("authority")
    seed = _core.HedgedSeed("attack", b"a sum", b"", b"")
    secrets = [mask_of(agreed).protect(slots_of(n), b"a sum", seed)[1] for n in NAMES]
    assert all(np.array_equal(secret, secrets[0]) for secret in secrets)


@rule("FD13")
@whole_key
def test_packed_is_refused_where_one_party_has_the_whole_key(trust, monkeypatch):
    bare = packed_federation(trust, monkeypatch)
    why = "'packed', with which whoever holds the whole key could read what every contributor sends"
    with pytest.raises(vs.InvalidArgumentError, match=why):
        parties.federation(trust, scheme="packed")
    with pytest.raises(vs.InvalidArgumentError, match=why):
        dataclasses.replace(
            parties.federation(trust).agreement, scheme="packed", scheme_parameters=b""
        )
    with pytest.raises(vs.MalformedDataError, match=f"federation: .*{why}"):
        Federation.from_bytes(bare.to_bytes())
    dealer = parties.identity("dealer")
    with pytest.raises(vs.MalformedDataError, match=f"federation: .*{why}"):
        Federation.from_signed(bare.signed_by(dealer), dealer=dealer.enrol())
    clients = [LinearClient(seed) for seed in range(3)]
    options = {"codec": vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=3), "fraction": 1.0}
    with pytest.raises(vs.InvalidArgumentError, match=why):
        vs.FedAvg(
            zeros(), clients, trust=trust, scheme="packed", key=known_key(2048).secret, **options
        )


@whole_key
def test_packed_is_not_dealt_where_one_party_has_the_whole_key(trust, monkeypatch, tmp_path):
    quick(monkeypatch, tmp_path)
    enrol_all(tmp_path)
    out = tmp_path / "dealt"
    line = refused(
        *deal_options(tmp_path, trust),
        "--scheme",
        "packed",
        "--yes",
        *("--out", out, "--passphrase-dir", tmp_path / "passphrases"),
    )
    assert "whoever holds the whole key could read" in line
    assert not out.exists()
    assert not (tmp_path / "passphrases").exists()


# ---- out of range ----


def with_slot(agreed, announced, name, slot, value):
    """Zeros, and one slot with any value; what a dishonest contributor can prove."""
    slots = np.zeros(agreed.codec.num_slots, np.int64)
    slots[slot] = value
    return protected(agreed, announced, name, slots)


@rule("MB6")
@every_trust
def test_a_slot_beyond_its_range_voids_the_round_within_the_guard_only(trust):
    """Packed slots are noticed however far they are; here one step too far is, and many are not."""
    agreed = federation(trust, codec=LONG)
    announced = parties.descriptor(agreed)
    shape = mask_of(agreed).shape
    assert shape.num_digits > 1
    messages = [contribution(agreed, announced, name) for name in NAMES[:2]]
    honest = sum(slots_of(name, LONG) for name in NAMES[:2])
    beyond = shape.max_slot - int(honest[7])
    fits = [*messages, with_slot(agreed, announced, EVIL, 7, beyond - 1)]
    assert opened_round(agreed, announced, fits).finish().sum.num_addends == 3
    guard = (shape.base - 1) // 2 - shape.max_slot
    for step in (1, guard):
        wrong = [*messages, with_slot(agreed, announced, EVIL, 7, beyond + step)]
        void_round(agreed, announced, wrong, "beyond what its codec has room for")
    # A whole base too far is one more in the digit above, in silence.
    carried = [*messages, with_slot(agreed, announced, EVIL, 7, shape.base)]
    result = opened_round(agreed, announced, carried).finish()
    slots = honest.copy()
    slots[7 + coefficients_of(shape, 0)] += 1
    assert np.array_equal(result.sum.values, expected(LONG, slots, 3).values)
    page = " ".join((DOCS / "protocol.md").read_text().split())
    assert "farther than that is carried into another value, and nothing shows it" in page


# ---- keys out of range ----


def with_key_of(agreed, announced, message, plaintexts):
    """The evil one's contribution with any plaintexts in the place of a secret, proved by it."""
    ciphertexts, proof = agreed.public_key.encrypt_and_prove(
        plaintexts,
        context=proof_context(announced.round_id, EVIL),
        chunk=agreed.chunk_size,
    )
    proofs = [part.to_bytes() for part in proof.parts()]
    body = blocks_of(agreed, message)
    return made(agreed, announced, EVIL, key=ciphertexts, proofs=proofs, body=body)


@every_trust
@pytest.mark.parametrize("what", ["huge", "one coefficient too large", "zeros"])
def test_a_proved_key_that_is_no_secret_voids_the_round(trust, what):
    """What a holder opens is whatever contributors proved: then there is no sum, and no error."""
    agreed = federation(trust)
    announced = parties.descriptor(agreed)
    messages = [contribution(agreed, announced, name) for name in NAMES[:2]]
    own = contribution(agreed, announced, EVIL)
    num_units = agreed.bodies.keys.chunks.num_units
    plaintexts = {
        "huge": [agreed.public_key.n // 2 - 5] * num_units,
        "one coefficient too large": [mask_of(agreed).shape.max_secret + 200]
        + [0] * (num_units - 1),
        "zeros": [0] * num_units,
    }[what]
    evil = with_key_of(agreed, announced, own, plaintexts)
    why = f"{GARBLED}|none that contributors draw|does not fit its slots"
    void_round(agreed, announced, [*messages, evil], why)


# ---- garbled sums of short vectors ----


@pytest.mark.parametrize("dim", [1, 7])
def test_no_garbled_sum_of_a_short_vector_passes_for_a_sum(dim):
    """With eight coefficients one of 900 did: each of its errors passes half of the time."""
    codec = vs.Codec(dim, clip=1.0, value_bits=16, max_addends=100)
    masking = Masking(codec, known_key(2048).public)
    seed = _core.HedgedSeed("attack", b"a sum", b"", b"")
    slots = codec.quantise(np.full(dim, 0.5))[0]
    blocks, secret = masking.mask.protect(slots, b"a sum", seed)
    num_silent = 0
    for number in range(8000):
        wrong = secret.copy()
        wrong[number % wrong.size] += 1 + number // wrong.size
        with suppress(vs.CapacityError):
            masking.open(blocks, wrong, context=b"a sum", num_addends=100)
            num_silent += 1
    assert num_silent == 0
    assert np.array_equal(masking.open(blocks, secret, context=b"a sum", num_addends=100), slots)


# ---- interrupted additions ----


@pytest.mark.parametrize("moment", ["between blocks and key", "after the key"])
def test_a_masked_sum_counts_what_it_holds_wherever_it_is_interrupted(moment, monkeypatch):
    """Ctrl-C between two halves of an addition: added again, a body would be there twice."""
    codec = vs.Codec(300, clip=1.0, value_bits=16, max_addends=4)
    key = known_key(2048).secret
    vectors = [
        codec.encrypt(np.full(codec.dim, x), key=key, scheme="masked", context=b"a sum")
        for x in (0.25, 0.5, -0.125)
    ]
    total = vs.Accumulator(codec, key=key)
    add = CiphertextSum.add
    for vector in vectors:
        number = total.num_addends

        def stopped(self, *arguments, **options):
            monkeypatch.undo()
            if moment == "after the key":
                add(self, *arguments, **options)
            raise KeyboardInterrupt

        monkeypatch.setattr(CiphertextSum, "add", stopped)
        with pytest.raises(KeyboardInterrupt):
            total.add(vector)
        if total.num_addends == number:
            total.add(vector)
    opened = codec.decrypt(total.total, key)
    slots = sum(codec.quantise(np.full(codec.dim, x))[0] for x in (0.25, 0.5, -0.125))
    assert opened == expected(codec, slots, 3)


def test_an_aggregator_that_was_interrupted_within_an_addition_says_so(monkeypatch):
    """Or else what came twice would spoil the round."""
    agreed = federation("authority")
    announced = parties.descriptor(agreed)
    messages = [contribution(agreed, announced, name) for name in NAMES[:2]]
    receiver = parties.aggregator(agreed, announced)
    receiver.receive(messages[0])

    def stopped(*_, **__):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(CiphertextSum, "add", stopped)
    with pytest.raises(KeyboardInterrupt):
        receiver.receive(messages[1])
    receiver.receive(messages[1])
    with pytest.raises(vs.ProtocolError, match="interrupted while it added a contribution"):
        receiver.open_requests()


# ---- a generator that is rolled back ----

ROLLED_BACK = """
#include <stddef.h>
#include <string.h>
int getentropy(void* out, size_t size) { memset(out, 7, size); return 0; }
"""
MASKED_ALIKE = """
import sys, numpy as np, veilsum as vs
from veilsum.schemes.masking import Masking
from veilsum.schemes.proof_context import proof_context
from known_keys import known_key
codec = vs.Codec(2000, clip=1.0, value_bits=16, max_addends=5)
context, maker, slot = sys.argv[1].encode(), sys.argv[2].encode(), int(sys.argv[3])
slots = codec.quantise(np.full(codec.dim, 0.5))[0]
slots[0] += slot
key = known_key(2048).public
fresh = Masking(codec, key).make(slots, context=context, maker=maker)
secret = Masking(codec, key).unpack(fresh.secret)
print(fresh.blocks.to_bytes().hex(), fresh.encrypt(key).to_bytes().hex(), secret.tobytes().hex())
"""


@pytest.fixture(scope="module")
def rolled_back(tmp_path_factory):
    """Runs a program with an operating system that gives the same bytes every time."""
    folder = tmp_path_factory.mktemp("rolled_back")
    (folder / "entropy.c").write_text(ROLLED_BACK)
    library = folder / "entropy.so"
    compiler = shutil.which("c++")
    if compiler is None or sys.platform != "linux":
        pytest.skip("a C compiler and a dynamic linker with LD_PRELOAD are needed")
    subprocess.run(
        [compiler, "-x", "c", "-shared", "-fPIC", folder / "entropy.c", "-o", library], check=True
    )

    def masked(context, maker, slot):
        environment = {**os.environ, "LD_PRELOAD": str(library)}
        command = [sys.executable, "-c", MASKED_ALIKE, context, maker, str(slot)]
        place = Path(__file__).parent
        done = subprocess.run(
            command, env=environment, cwd=place, check=True, capture_output=True, text=True
        )
        return tuple(map(bytes.fromhex, done.stdout.split()))

    return masked


def test_a_generator_that_repeats_itself_gives_no_two_vectors_one_mask(rolled_back):
    """As after a snapshot of a virtual machine: whatever differs gives another secret."""
    first = rolled_back("round 1", "ada", 0)
    assert rolled_back("round 1", "ada", 0) == first  # The bytes are indeed the same.
    secret = np.frombuffer(first[2], np.int64)
    for other in (("round 1", "ada", 1), ("round 1", "bob", 0), ("round 2", "ada", 0)):
        blocks, key, drawn = rolled_back(*other)
        assert blocks != first[0]
        # Of two independent secrets 4 % of the coefficients are the same.
        assert np.mean(np.frombuffer(drawn, np.int64) == secret) < 0.1
        units = [vs.Ciphertexts.from_bytes(x, known_key(2048).public) for x in (key, first[1])]
        assert not set(units[0].to_ints()) & set(units[1].to_ints())
