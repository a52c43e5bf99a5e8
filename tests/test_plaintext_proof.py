"""Proofs of plaintext knowledge: beside the slow reference, forged in every field; their rules."""

import json
import pickle

import pytest
import veilsum as vs
from known_keys import VECTORS, known_key
from reference import paillier as reference
from reference import plaintext_proof as proving
from validation_rules import rule
from vectors import generate_plaintext_proof
from veilsum import hazmat

CONTEXT = b"run 1, round 1, contributor a"
DIGIT = 256
FIELDS = 16 + 32  # Where the fields of a message begin: first, count, chunk, A, z.
TOY_PRIMES = (23, 59)
FORMS = pytest.mark.parametrize("form", ["djn", "classic"])


@pytest.fixture
def public(form, key):
    return key.public if form == "djn" else key.classic


def proved(public, values=(1, -2, 3, 4, 5), **options):
    return public.encrypt_and_prove(list(values), context=CONTEXT, **{"chunk": 2, **options})


def statements(public, ciphertexts, proof, form):
    """The reference's view, a statement and its proof for each chunk."""
    first, count, chunk, proofs = proving.parse(proof.to_bytes(), public.n, form == "djn")
    ints = ciphertexts.to_ints()
    assert count == len(ints)
    for i, answer in enumerate(proofs):
        begin = i * chunk
        part = ints[begin : begin + chunk]
        yield proving.Statement(public.n, form == "djn", CONTEXT, first + begin, part), answer


def changed(message, offset, data):
    return message[:offset] + data + message[offset + len(data) :]


def with_body(message, body):
    return message[:8] + len(body).to_bytes(8, "little") + body


# ---- proofs that hold ----


@FORMS
def test_proofs_hold_here_and_for_the_reference(public, form, key, rng):
    messages = [rng.randrange(-(2**2046), 2**2046) for _ in range(5)]
    ciphertexts, proof = proved(public, messages, first=9)
    proof.verify(ciphertexts, context=CONTEXT)
    assert (proof.first, len(proof), proof.chunk) == (9, 5, 2)
    opened = vs.Ciphertexts.from_ints(ciphertexts.to_ints(), key.public)
    assert key.secret.decrypt(opened) == messages
    for statement, answer in statements(public, ciphertexts, proof, form):
        assert proving.verifies(statement, 2, *answer)


@FORMS
def test_proofs_of_the_reference_hold_here(public, form, rng):
    n, is_djn = public.n, form == "djn"
    messages = [5, -6, 7]
    bits = 1024 if is_djn else 2047
    witnesses = [rng.getrandbits(bits) for _ in messages]
    whole = proving.Statement(n, is_djn, CONTEXT, 0, [])
    ints = [whole.ciphertext(m, a) for m, a in zip(messages, witnesses, strict=True)]
    statement = proving.Statement(n, is_djn, CONTEXT, 4, ints)
    nonce = rng.getrandbits(proving.nonce_bits(n, 512) if is_djn else 2047)
    answer = proving.prove(statement, witnesses, nonce)
    wire = proving.wire(n, is_djn, 4, 3, 512, [answer])
    proof = vs.PlaintextProof.from_bytes(wire, public)
    proof.verify(vs.Ciphertexts.from_ints(ints, public), context=CONTEXT)
    assert proof.to_bytes() == wire


def test_stored_proof_holds(key):
    vector = json.loads((VECTORS / "plaintext_proof.json").read_text())
    ints = [int(c, 16) for c in vector["ciphertexts"]]
    ciphertexts = vs.Ciphertexts.from_ints(ints, key.public)
    assert key.secret.decrypt(ciphertexts) == generate_plaintext_proof.MESSAGES
    wire = (VECTORS / "wire/plaintext_proof.bin").read_bytes()
    proof = vs.PlaintextProof.from_bytes(wire, key.public)
    proof.verify(ciphertexts, context=generate_plaintext_proof.CONTEXT)
    assert proof.to_bytes() == wire


@pytest.mark.parametrize("primes", [TOY_PRIMES, (7, 11), (5, 7), (251, 13)])
def test_toy_proofs_hold_for_the_reference(primes):
    p, q = primes
    public = hazmat.secret_key(p, q).public_key
    form = "djn" if reference.is_djn_form(p, q) else "classic"
    messages = [m % 31 - 15 for m in range(120)]
    for chunk in (1, 7, 120, 1000):
        ciphertexts, proof = proved(public, messages, chunk=chunk)
        proof.verify(ciphertexts, context=CONTEXT)
        for statement, answer in statements(public, ciphertexts, proof, form):
            assert proving.verifies(statement, chunk, *answer)


@FORMS
def test_pools_and_matrices_are_proved_too(public, key):
    pool = public.precompute(8, for_proofs=True)
    ciphertexts, proof = public.encrypt_and_prove(
        [[1, -2, 3], [4, 5, -6]], context=CONTEXT, pool=pool, chunk=4
    )
    assert ciphertexts.shape == (2, 3)
    assert len(pool) == 2
    proof.verify(ciphertexts, context=CONTEXT)
    alone, of_one = public.encrypt_and_prove(7, context=CONTEXT, pool=pool)
    of_one.verify(alone, context=CONTEXT)
    with pytest.raises(vs.PoolExhaustedError):
        public.encrypt_and_prove([1, 2], context=CONTEXT, pool=pool)
    with pytest.raises(vs.KeyMismatchError):
        known_key("2048-other").public.encrypt_and_prove([1], context=CONTEXT, pool=pool)
    with pytest.raises(vs.InvalidArgumentError, match="n/2"):
        public.encrypt_and_prove([key.n], context=CONTEXT, pool=pool)
    assert len(pool) == 1


def test_ciphertexts_in_montgomery_form_are_proved_as_they_are(key):
    ciphertexts, proof = proved(key.public)
    same = ciphertexts + key.public.encrypt([0] * 5) - key.public.encrypt([0] * 5)
    with pytest.raises(vs.ProofError):
        proof.verify(same, context=CONTEXT)
    proof.verify(vs.Ciphertexts.concatenate([ciphertexts[:2], ciphertexts[2:]]), context=CONTEXT)


def test_proofs_of_one_batch_differ_in_all_they_hide(key):
    fields = set()
    for _ in range(8):
        _, proof = proved(key.public, [0], chunk=1)
        fields.update(proving.parse(proof.to_bytes(), key.n, True)[3][0])
    assert len(fields) == 2 * 8


def test_proofs_travel(key):
    ciphertexts, proof = proved(key.public)
    again = pickle.loads(pickle.dumps(proof))
    assert again.to_bytes() == proof.to_bytes()
    again.verify(ciphertexts, context=CONTEXT)
    assert repr(again) == "<PlaintextProof: ciphertexts 0 to 4>"


# ---- what an attacker would send ----


@FORMS
def test_another_contributors_ciphertexts_cannot_be_claimed(public, form, key):
    victim, proof = proved(public)
    for stolen in (victim, -victim, 2 * victim, victim + 1, victim.rerandomise(), victim[::-1]):
        mine, my_proof = proved(public, [0] * 5)
        product = stolen + mine
        for attempt in (proof, my_proof):
            with pytest.raises(vs.ProofError, match="PP5"):
                attempt.verify(product, context=CONTEXT)
        with pytest.raises(vs.ProofError, match="PP5"):
            proof.verify(stolen, context=b"run 1, round 1, contributor b")


# ---- rules ----


@rule("PP1")
@FORMS
def test_a_plaintext_proof_is_of_these_ciphertexts_in_number(public):
    ciphertexts, proof = proved(public)
    for other in (ciphertexts[:4], ciphertexts[:0], vs.Ciphertexts.concatenate([ciphertexts] * 2)):
        with pytest.raises(vs.InvalidArgumentError, match="PP1"):
            proof.verify(other, context=CONTEXT)
    with pytest.raises(vs.InvalidArgumentError, match="PP1"):
        public.encrypt_and_prove([], context=CONTEXT)
    wire = proof.to_bytes()
    for field, value in ((8, 0), (0, 2**64 - 1), (0, 2**64 - 5)):
        damaged = changed(wire, FIELDS + field, value.to_bytes(8, "little"))
        with pytest.raises(vs.MalformedDataError, match="PP1"):
            vs.PlaintextProof.from_bytes(damaged, public)


@rule("PP2")
@FORMS
def test_a_plaintext_proof_has_whole_chunks(public):
    ciphertexts, proof = proved(public)
    for chunk in (0, 2**20 + 1, 2**40):
        with pytest.raises(vs.InvalidArgumentError, match="PP2"):
            public.encrypt_and_prove([1], context=CONTEXT, chunk=chunk)
    wire = proof.to_bytes()
    for chunk in (0, 1, 3, 2**20 + 1, 2**32 - 1):
        damaged = changed(wire, FIELDS + 16, chunk.to_bytes(4, "little"))
        with pytest.raises(vs.MalformedDataError, match="PP2"):
            vs.PlaintextProof.from_bytes(damaged, public)
    for body in (wire[16:-1], wire[16:] + b"\0", wire[16:68], wire[16:] + wire[68:]):
        with pytest.raises(vs.MalformedDataError, match="PP2"):
            vs.PlaintextProof.from_bytes(with_body(wire, body), public)
    for count in (4, 7, 2**63):
        damaged = changed(wire, FIELDS + 8, count.to_bytes(8, "little"))
        with pytest.raises(vs.MalformedDataError, match="PP2"):
            vs.PlaintextProof.from_bytes(damaged, public)
    proof.verify(ciphertexts, context=CONTEXT)


@rule("PP3")
@FORMS
def test_a_plaintext_proof_names_its_key(public, key, other_key):
    ciphertexts, proof = proved(public)
    form_twin = key.classic if public == key.public else key.public
    for other, words in ((other_key.public, "another key"), (form_twin, "other form")):
        with pytest.raises(vs.KeyMismatchError, match=f"PP3.*{words}"):
            vs.PlaintextProof.from_bytes(proof.to_bytes(), other)
    with pytest.raises(vs.KeyMismatchError, match="PP3"):
        proof.verify(other_key.public.encrypt([0] * 5), context=CONTEXT)
    proof.verify(ciphertexts, context=CONTEXT)
    # The ciphertexts are what they are, whichever form of the key they were read with.
    proof.verify(vs.Ciphertexts.from_bytes(ciphertexts.to_bytes(), form_twin), context=CONTEXT)


@rule("PP4")
@FORMS
def test_numbers_of_a_plaintext_proof_are_in_their_ranges(public, form, key):
    ciphertexts, proof = proved(public, first=3)
    wire = proof.to_bytes()
    n = reference.little_endian(key.n)
    start = FIELDS + 20
    responses = start + 3 * DIGIT
    size = proving.response_bytes(key.n, 2, form == "djn")
    assert len(wire) == responses + 3 * size
    bound = key.n
    if form == "djn":
        bits = 1024 + 128 + 1 + 128
        bound = 2**bits + 2 ** (bits - 128)
    wrong = [(start, n), (start + DIGIT, b"\xff" * DIGIT), (start + DIGIT, bytes(DIGIT))]
    wrong += [(start, key.p.to_bytes(DIGIT, "little"))]
    wrong += [
        (responses + size, value.to_bytes(size, "little")) for value in (bound, 2 ** (8 * size) - 1)
    ]
    for offset, data in wrong:
        with pytest.raises(vs.ProofError, match="PP4"):
            vs.PlaintextProof.from_bytes(changed(wire, offset, data), public)
    # The largest response that is in range is read, and wrong.
    largest = changed(wire, responses + size, (bound - 1).to_bytes(size, "little"))
    with pytest.raises(vs.ProofError, match=r"PP5.*5 to 6"):
        vs.PlaintextProof.from_bytes(largest, public).verify(ciphertexts, context=CONTEXT)


@rule("PP5")
@FORMS
def test_a_plaintext_proof_holds_for_what_it_says_and_nothing_else(public, form, rng):
    ciphertexts, proof = proved(public, first=3)
    wire = proof.to_bytes()
    step = 41
    for offset in [*range(FIELDS, FIELDS + 8), *range(FIELDS + 20, len(wire), step)]:
        flipped = bytes([wire[offset] ^ 1 << rng.randrange(8)])
        with pytest.raises(vs.ProofError, match=r"PP[45]"):
            vs.PlaintextProof.from_bytes(changed(wire, offset, flipped), public).verify(
                ciphertexts, context=CONTEXT
            )
    for chunk in range(3):
        begin, end = 2 * chunk, min(2 * chunk + 2, 5)
        other = vs.Ciphertexts.concatenate(
            [ciphertexts[:begin], ciphertexts[begin:end] + 1, ciphertexts[end:]]
        )
        with pytest.raises(vs.ProofError, match=f"PP5: .* {begin + 3} to {end + 2} "):
            proof.verify(other, context=CONTEXT)
    for context in (b"", CONTEXT + b"!", CONTEXT[:-1]):
        with pytest.raises(vs.ProofError, match="PP5"):
            proof.verify(ciphertexts, context=context)
    proof.verify(ciphertexts, context=CONTEXT)
