"""Proofs of plaintext knowledge: beside the slow reference, forged in every field; their rules."""

import json
import pickle

import pytest
import veilsum as vs
from known_keys import VECTORS, known_key
from protocol_parties import TOY_PRIMES as SAFE_PRIMES
from reference import paillier as reference
from reference import plaintext_proof as proving
from validation_rules import rule
from vectors import generate_plaintext_proof
from veilsum import hazmat

CONTEXT = b"run 1, round 1, contributor a"
DIGIT = 256
FIELDS = 16 + 32  # Where the fields of a message begin: first, count, chunk, A, z.
TOY_PRIMES = (23, 59)
# Of 192 bits, 1 modulo 4: with them a key has form classic.
CLASSIC_PRIMES = (
    5543301917946037722481237475823507206460323702305165156781,
    5174416296071200947098748225206309559289445238539181221141,
)
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
    wire = (VECTORS / "wire/plaintext_proof_3.bin").read_bytes()
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


# ---- squares: what a check of many proofs at once accepts, a single check accepts ----


def small_key(form):
    """So small that hundreds of powers take no time, with primes above any challenge."""
    return hazmat.secret_key(*(SAFE_PRIMES if form == "djn" else CLASSIC_PRIMES))


def made(public, form, rng, count, *, sign=1, sign_of_ciphertext=1):
    """A statement and its proof by the reference; A and the first ciphertext have these signs."""
    n, is_djn = public.n, form == "djn"
    bits = (n.bit_length() + 1) // 2 if is_djn else n.bit_length() - 1
    witnesses = [rng.getrandbits(bits) for _ in range(count)]
    whole = proving.Statement(n, is_djn, CONTEXT, 0, [])
    ints = [whole.ciphertext(m, a) for m, a in enumerate(witnesses)]
    ints[0] = sign_of_ciphertext * ints[0] % n**2
    statement = proving.Statement(n, is_djn, CONTEXT, 0, ints)
    nonce = rng.getrandbits(proving.nonce_bits(n, count) if is_djn else bits)
    return statement, *proving.prove(statement, witnesses, nonce, factor=sign)


def read(public, statement, *answer):
    """A proof of the reference and what it is of, as they are here."""
    count = len(statement.ciphertexts)
    wire = proving.wire(public.n, statement.is_djn, statement.first, count, count, [answer])
    ciphertexts = vs.Ciphertexts.from_ints(statement.ciphertexts, public)
    return ciphertexts, vs.PlaintextProof.from_bytes(wire, public)


def wrong_of(public, proofs):
    """Which of the reference's proofs do not hold when they are checked together."""
    batch = vs.PlaintextProofBatch(public)
    for each in proofs:
        ciphertexts, proof = read(public, *each)
        batch.add(proof, ciphertexts, context=CONTEXT)
    return batch.wrong()


def holds(public, statement, *answer):
    """Whether a proof of the reference holds here."""
    ciphertexts, proof = read(public, statement, *answer)
    try:
        proof.verify(ciphertexts, context=CONTEXT)
    except vs.ProofError:
        return False
    return True


@FORMS
def test_a_sign_of_a_commitment_is_no_matter(form, rng):
    """-1 is (-1)**n: the root is known with it as well as without."""
    public, proofs = small_key(form).public_key, []
    while len(proofs) < 2:  # The smaller of w and n - w brings a sign of its own.
        proof = made(public, form, rng, 2, sign=-1)
        assert holds(public, *proof)
        assert proving.verifies(proof[0], 2, *proof[1:])
        if proving.quotient(*proof) == public.n - 1:
            proofs.append(proof)
        else:
            assert form == "classic"
    # Without squares, both together are right or wrong by the parity of what the checker draws.
    for weights in ((1, 2), (3, 5), (2, 2), (rng.getrandbits(128), rng.getrandbits(128))):
        is_right = proving.verify_together(proofs, weights, power=1)
        assert is_right == (sum(weights) % 2 == 0)
        assert proving.verify_together(proofs, weights)
    for count in range(8, 28):  # Fewer are checked one by one.
        assert wrong_of(public, (count * proofs)[:count]) == []


@FORMS
def test_signs_that_cancel_are_no_matter(form, rng):
    """Of the commitment and of a ciphertext, which holds its plaintext with either sign."""
    secret, quotients = small_key(form), set()
    public = secret.public_key
    while quotients != {1, public.n - 1}:  # As the challenge of the ciphertext is odd or even.
        proof = made(public, form, rng, 1, sign=-1, sign_of_ciphertext=-1)
        quotients.add(proving.quotient(*proof))
        assert holds(public, *proof)
        assert wrong_of(public, [proof] * 9) == []
    assert secret.decrypt(vs.Ciphertexts.from_ints(proof[0].ciphertexts, public)) == [0]


@FORMS
def test_any_root_of_one_in_a_commitment_is_no_matter(form, rng):
    """Who has the primes knows two more, and all roots."""
    public = small_key(form).public_key
    p, q = SAFE_PRIMES if form == "djn" else CLASSIC_PRIMES
    root = (pow(p, -1, q) * p * 2 - 1) % public.n
    assert pow(root, 2, public.n) == 1
    assert root not in (1, public.n - 1)
    proof = made(public, form, rng, 2, sign=root)
    assert holds(public, *proof)
    assert wrong_of(public, [proof, made(public, form, rng, 1)] * 5) == []


@FORMS
def test_mistakes_that_cancel_are_refused_one_by_one_and_together(form, rng):
    """z + 1 in one proof and z - 1 in another; for keys of form classic 2*w and w/2."""
    public = small_key(form).public_key
    n, is_djn = public.n, form == "djn"
    one, other = (made(public, form, rng, 2) for _ in range(2))

    def shifted(proof, by):
        statement, commitment, z = proof
        if is_djn:
            return statement, commitment, z + by
        w = z * pow(2, by, n) % n
        return statement, commitment, min(w, n - w)

    wrong = [shifted(one, 1), shifted(other, -1)]
    for right, proof in zip((one, other), wrong, strict=True):
        assert holds(public, *right)
        assert not holds(public, *proof)
    assert proving.verify_together([one, other], (7, 9))
    assert proving.verify_together(wrong, (8, 8))
    assert not proving.verify_together(wrong, (rng.getrandbits(127), 1 + rng.getrandbits(128)))
    for count in range(1, 20):
        assert wrong_of(public, wrong * count) == list(range(2 * count))
        assert wrong_of(public, [one, wrong[0], other, wrong[1]] + count * [one]) == [1, 3]


def test_an_answer_is_the_smaller_of_two():
    """Keys of form classic: n - w would be another answer to the same challenge."""
    public = small_key("classic").public_key
    size = -(-public.n.bit_length() // 8)
    for _ in range(20):
        ciphertexts, proof = proved(public, [1], chunk=1)
        wire = proof.to_bytes()
        w = int.from_bytes(wire[-size:], "little")
        assert 0 < w <= public.n // 2
        for other, rule_of_it in ((public.n - w, "PP4"), (w - 1, "PP5")):
            damaged = changed(wire, len(wire) - size, other.to_bytes(size, "little"))
            with pytest.raises(vs.ProofError, match=rule_of_it):
                vs.PlaintextProof.from_bytes(damaged, public).verify(ciphertexts, context=CONTEXT)


@FORMS
def test_proofs_of_many_makers_are_right_together_as_one_by_one(public, rng):
    """Every kind of mistake, somewhere among proofs of different lengths that hold."""
    contexts = [b"round 1, contributor %d" % i for i in range(9)]

    def proof_of(i):
        values = [rng.randrange(-(2**40), 2**40) for _ in range(1 + i % 4)]
        return public.encrypt_and_prove(values, context=contexts[i], chunk=2 + i % 2)

    right = [proof_of(i) for i in range(len(contexts))]
    for i in (0, 4, 8):
        (ciphertexts, proof), (others, other_proof) = right[i], proof_of(i)
        wrong = {
            "a proof of others": (ciphertexts, other_proof),
            "other ciphertexts": (others, proof),
            "another plaintext": (ciphertexts + [1] + [0] * (len(ciphertexts) - 1), proof)
            if len(ciphertexts) > 1
            else (ciphertexts + 1, proof),
            "another randomiser": (ciphertexts.rerandomise(), proof),
            "somebody else's": right[(i + 4) % 9][:2],
        }
        for what, (given, claimed) in wrong.items():
            batch = vs.PlaintextProofBatch(public)
            for j, (theirs, proved_of) in enumerate(right):
                pair = (given, claimed) if j == i else (theirs, proved_of)
                batch.add(pair[1], pair[0], context=contexts[j])
            assert batch.wrong() == [i], what
            assert batch.wrong(num_threads=1) == [i], what
    assert repr(batch) == f"<PlaintextProofBatch: 9 proofs of {batch.num_ciphertexts} ciphertexts>"
    assert len(batch) == 9


@FORMS
def test_a_batch_of_proofs_takes_none_that_cannot_be_checked(public, other_key):
    batch = vs.PlaintextProofBatch(public)
    ciphertexts, proof = proved(public)
    with pytest.raises(vs.InvalidArgumentError, match="PP1"):
        batch.add(proof, ciphertexts[:4], context=CONTEXT)
    with pytest.raises(vs.KeyMismatchError, match="PP3"):
        batch.add(proof, other_key.public.encrypt([0] * 5), context=CONTEXT)
    theirs, of_another_key = proved(other_key.public)
    with pytest.raises(vs.KeyMismatchError, match="PP3"):
        batch.add(of_another_key, theirs, context=CONTEXT)
    with pytest.raises(TypeError, match="proof"):
        batch.add(ciphertexts, proof, context=CONTEXT)
    with pytest.raises(TypeError, match="context"):
        batch.add(proof, ciphertexts, context="text")
    assert batch.wrong() == []
    assert len(batch) == 0


# ---- others that hold ----


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
    bound = (key.n + 1) // 2
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
