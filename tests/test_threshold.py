"""Shared keys: known answers, the slow reference, subsets of holders, forged proofs."""

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import factorial

import pytest
import veilsum as vs
from known_keys import VECTORS
from reference import paillier as reference
from reference import threshold as sharing
from shared_keys import share_value, shared_key, threshold_vector, verification_elements
from vectors import generate_threshold
from veilsum import hazmat
from veilsum.paillier.threshold import (
    Combination,
    KeyShare,
    PartialDecryption,
    ThresholdKey,
    deal_shares,
)

CONTEXT = b"run 1, round 1"
TOY_PRIMES = (23, 59)  # 2*11 + 1 and 2*29 + 1.
SMALL_PRIMES = (0xC000000000000683, 0xC000000000002447)


@pytest.fixture
def shared():
    return shared_key()


def partials_of(shares, ciphertexts, **options):
    return [share.decrypt(ciphertexts, context=CONTEXT, **options) for share in shares]


def statement_of(key, partial, ciphertexts, context=CONTEXT):
    """The reference's view of a partial decryption; elements read from its wire form."""
    n = key.public_key.n
    size = reference.num_bytes(n.bit_length())
    body = partial.to_bytes()[-size * len(partial) :]
    return sharing.Statement(
        n=n,
        threshold=key.threshold,
        max_colluding_holders=key.max_colluding_holders,
        verification=verification_elements(key),
        holder=partial.holder,
        first=partial.first,
        context=context,
        ciphertexts=ciphertexts.to_ints(),
        partials=[int.from_bytes(body[i : i + size], "little") for i in range(0, len(body), size)],
    )


# ---- known answers ----


def test_stored_partial_decryptions_are_made_and_open(shared):
    vector = threshold_vector()
    ciphertexts = vs.Ciphertexts.from_ints(vector["ciphertexts"], shared.public)
    partials = partials_of(shared.shares, ciphertexts)
    for partial, expected in zip(partials, vector["partials"], strict=True):
        assert statement_of(shared.key, partial, ciphertexts).partials == expected
    for four in itertools.combinations(partials, 4):
        assert shared.key.combine(ciphertexts, four, context=CONTEXT) == generate_threshold.MESSAGES


def test_stored_proof_verifies():
    vector = threshold_vector()
    shared = shared_key()
    prefix = shared.public.encrypt([0] * generate_threshold.FIRST)
    stored = vs.Ciphertexts.from_ints(vector["ciphertexts"], shared.public)
    batch = vs.Ciphertexts.concatenate([prefix, stored])
    wire = (VECTORS / "wire/partial_decryption.bin").read_bytes()
    partial = PartialDecryption.from_bytes(wire, shared.key)
    assert (partial.holder, partial.first, len(partial)) == (3, 3, 5)
    assert partial.to_bytes() == wire
    combination = Combination(shared.key, batch, context=generate_threshold.CONTEXT)
    combination.add(partial)
    with pytest.raises(vs.ProofError, match="holder 3"):
        Combination(shared.key, batch, context=b"another").add(partial)


def test_stored_shares_are_the_polynomial_of_the_stored_coefficients():
    vector = threshold_vector()
    p, q = vector["p"], vector["q"]
    assert sharing.deal(p, q, vector["coefficients"], 5) == vector["shares"]
    v, *rest = vector["verification"]
    assert sharing.verification_keys(v, vector["shares"], p * q) == [v, *rest]


# ---- the reference ----


def test_proofs_hold_for_the_reference_and_its_proofs_hold_here(shared, rng):
    ciphertexts = shared.public.encrypt([rng.getrandbits(2000) for _ in range(9)])
    share = shared.shares[1]
    partial = share.decrypt(ciphertexts, context=CONTEXT)
    statement = statement_of(shared.key, partial, ciphertexts)
    assert shared.key.to_bytes() == statement.key_wire()
    assert shared.key.fingerprint == statement.fingerprint()
    challenge, response = sharing.parse_partial_wire(partial.to_bytes(), statement)
    assert sharing.verifies(statement, challenge, response)
    assert not sharing.verifies(statement, challenge ^ 1, response)
    assert not sharing.verifies(statement, challenge, response + 1)

    nonce = rng.getrandbits(statement.exponent_bits + 256)
    proof = sharing.prove(statement, share_value(share), nonce)
    wire = sharing.partial_wire(statement, *proof)
    Combination(shared.key, ciphertexts, context=CONTEXT).add(
        PartialDecryption.from_bytes(wire, shared.key)
    )


@pytest.mark.parametrize("num_holders", range(1, 8))
def test_dealt_shares_are_a_polynomial_and_match_their_verification_keys(num_holders):
    p, q = SMALL_PRIMES
    n, order = p * q, (p // 2) * (q // 2)
    for threshold in range(1, num_holders + 1):
        key, shares = hazmat.deal_shares(hazmat.secret_key(p, q), num_holders, threshold)
        values = [share_value(share) for share in shares]
        v = verification_elements(key)[0]
        assert sharing.verification_keys(v, values, n) == verification_elements(key)
        assert pow(v, order, n) == 1  # A square.
        for chosen in itertools.combinations(range(num_holders), threshold):
            total = 0
            for i in chosen:
                mu = Fraction(factorial(num_holders))
                for j in chosen:
                    if j != i:
                        mu *= Fraction(j + 1, j - i)
                total += int(mu) * values[i]
            # D*delta, with 1 + n*delta divisible by the order.
            assert (factorial(num_holders) + n * total) % order == 0


def test_toy_partials_and_openings_match_the_reference(rng):
    p, q = TOY_PRIMES
    n = p * q
    secret = hazmat.secret_key(p, q)
    messages = [rng.randrange(-(n // 2), n // 2) for _ in range(20)]
    for num_holders in range(1, 8):
        for threshold in range(1, num_holders + 1):
            key, shares = hazmat.deal_shares(secret, num_holders, threshold)
            c = secret.public_key.encrypt(messages)
            partials = partials_of(shares, c)
            elements = [statement_of(key, partial, c).partials for partial in partials]
            for share, found in zip(shares, elements, strict=True):
                value = share_value(share)
                assert found == [sharing.partial(x, value, num_holders, n) for x in c.to_ints()]
            for chosen in itertools.combinations(range(num_holders), threshold):
                some = [partials[i] for i in chosen]
                assert hazmat.combine(key, c, some) == messages
                one = {i + 1: elements[i][0] for i in chosen}
                c0 = c.to_ints()[0]
                assert sharing.combine(c0, one, num_holders, n) == messages[0]


# ---- holders ----


def test_four_of_five_open_and_three_do_not(shared, rng):
    messages = [rng.randrange(-(2**2046), 2**2046) for _ in range(10)]
    c = shared.secret.encrypt(messages)
    partials = partials_of(shared.shares, c)
    for four in itertools.permutations(partials, 4):
        if four[0].holder < four[1].holder:
            assert hazmat.combine(shared.key, c, four) == messages
    assert shared.key.combine(c, partials, context=CONTEXT) == messages
    for three in itertools.combinations(partials, 3):
        with pytest.raises(vs.NotEnoughSharesError, match="SH12"):
            shared.key.combine(c, three, context=CONTEXT)
        with pytest.raises(vs.ProofError):
            hazmat.combine(shared.key, c, three)


def test_matrices_open_in_their_shape(shared):
    c = shared.public.encrypt([[1, -2, 3], [4, 5, -6]])
    partials = partials_of(shared.shares[:4], c)
    assert shared.key.combine(c, partials, context=CONTEXT) == [[1, -2, 3], [4, 5, -6]]


def test_sums_of_vectors_open_through_a_codec(shared):
    codec = vs.Codec(300, clip=1.0, value_bits=8, max_addends=3)
    total = codec.encrypt([0.5] * 300, key=shared.public) + codec.encrypt(
        [-1.0] * 300, key=shared.public
    )
    combination = Combination(shared.key, total.ciphertexts, context=CONTEXT)
    for share in shared.shares[1:]:
        combination.add(share.decrypt(total.ciphertexts, context=CONTEXT))
    opened = codec.decode(combination.open_plaintexts(), key=shared.public, num_addends=2)
    assert opened.values == pytest.approx([-0.5] * 300, abs=0.01)


def test_holders_share_the_work(shared):
    messages = list(range(-10, 10))
    c = shared.public.encrypt(messages)
    combination = Combination(shared.key, c, context=CONTEXT)
    # Holder i is spared the part [4*i, 4*i + 4).
    for i, share in enumerate(shared.shares):
        assert combination.num_missing == (20 if i < 4 else 16)
        for begin, end in ((0, 4 * i), (4 * i + 4, 20)):
            if begin < end:
                part = share.decrypt(c[begin:end], first=begin, context=CONTEXT)
                combination.add(part)
    assert combination.num_missing == 0
    assert combination.open() == messages


@pytest.mark.parametrize(("num_holders", "threshold"), [(64, 64), (64, 40), (20, 11)])
def test_many_holders_open(num_holders, threshold, rng):
    secret = hazmat.secret_key(*SMALL_PRIMES)
    key, shares = hazmat.deal_shares(secret, num_holders, threshold)
    c = secret.encrypt([5, -7, 2**60])
    partials = partials_of(rng.sample(shares, threshold), c)
    assert key.combine(c, partials, context=CONTEXT) == [5, -7, 2**60]


def test_threads_add_to_one_combination(shared):
    c = shared.public.encrypt(list(range(8)))
    combination = Combination(shared.key, c, context=CONTEXT)
    parts = [
        share.decrypt(c[i : i + 1], first=i, context=CONTEXT)
        for share in shared.shares[1:]
        for i in range(8)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(combination.add, parts))
    assert combination.open() == list(range(8))


def test_a_corrupted_partial_decryption_is_named(shared):
    c = shared.public.encrypt(list(range(6)))
    partials = partials_of(shared.shares, c)
    size = reference.num_bytes(2048)
    for holder in range(1, 6):
        wire = bytearray(partials[holder - 1].to_bytes())
        wire[-size + 7] ^= 1  # The last element.
        wrong = PartialDecryption.from_bytes(wire, shared.key)
        combination = Combination(shared.key, c, context=CONTEXT)
        with pytest.raises(vs.ProofError, match=f"holder {holder}, ciphertexts 0 to 5$"):
            combination.add(wrong)
        for partial in partials:
            if partial.holder != holder:
                combination.add(partial)
        with pytest.raises(vs.ProofError, match=f"holder {holder}, .*; wrong at 5$"):
            combination.add(wrong)
        assert combination.open() == list(range(6))


def test_progress_is_told_and_threads_change_nothing(shared):
    c = shared.public.encrypt([5] * 40)
    seen = []
    one = shared.shares[0].decrypt(
        c, context=CONTEXT, num_threads=1, progress=lambda done, total: seen.append((done, total))
    )
    two = shared.shares[0].decrypt(c, context=CONTEXT, num_threads=2)
    assert seen[-1] == (40, 40)
    size = reference.num_bytes(2048) * 40
    assert one.to_bytes()[-size:] == two.to_bytes()[-size:]


# ---- objects ----


def test_a_new_key_is_dealt_and_used():
    secret = vs.generate_key(2048, safe_primes=True)
    key, shares = deal_shares(secret, num_holders=4, threshold=3, max_colluding_holders=1)
    assert (key.num_holders, key.threshold, key.max_colluding_holders) == (4, 3, 1)
    assert key.public_key == secret.public_key
    assert [share.holder for share in shares] == [1, 2, 3, 4]
    c = key.public_key.encrypt([7])
    assert key.combine(c, partials_of(shares[1:], c), context=CONTEXT) == [7]


def test_public_objects_travel_and_secret_ones_do_not(shared):
    c = shared.public.encrypt([1, 2])
    partial = shared.shares[0].decrypt(c, context=CONTEXT)
    for data in (shared.key.to_bytes(), bytearray(shared.key.to_bytes())):
        assert ThresholdKey.from_bytes(data) == shared.key
    assert pickle.loads(pickle.dumps(shared.key)) == shared.key
    assert hash(ThresholdKey.from_bytes(shared.key.to_bytes())) == hash(shared.key)
    assert pickle.loads(pickle.dumps(partial)).to_bytes() == partial.to_bytes()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="save"):
            pickle.dumps(shared.shares[0], protocol)


def test_nothing_prints_a_secret(shared):
    share = shared.shares[2]
    for text in (repr(share), str(share)):
        assert text == "<KeyShare: holder 3 of 5>"
    assert repr(shared.key).startswith("<ThresholdKey: 4 of 5, 2048 bits, ")
    c = shared.public.encrypt([1, 2])
    partial = share.decrypt(c, context=CONTEXT, first=4)
    assert repr(partial) == "<PartialDecryption: holder 3, ciphertexts 4 to 5>"
    assert (
        repr(Combination(shared.key, c, context=CONTEXT)) == "<Combination: 2 ciphertexts missing>"
    )
    assert not hasattr(share, "__dict__")


def test_shares_are_kept_in_files(shared, tmp_path, cheap_key_files):
    path = tmp_path / "holder-2.share"
    shared.shares[1].save(path, passphrase="correct horse")
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = KeyShare.load(path, passphrase="correct horse")
    assert (loaded.holder, loaded.key) == (2, shared.key)
    c = shared.public.encrypt([3])
    partials = [*partials_of(shared.shares[2:], c), loaded.decrypt(c, context=CONTEXT)]
    assert shared.key.combine(c, partials, context=CONTEXT) == [3]
    with pytest.raises(FileExistsError):
        shared.shares[0].save(path, passphrase="other")
    shared.shares[0].save(path, passphrase="other", overwrite=True)
    assert KeyShare.load(path, passphrase="other").holder == 1
    secret = share_value(shared.shares[0]).to_bytes(256, "little")
    assert secret[:32] not in path.read_bytes()
