"""Rules of shared keys: SH of docs/validation.md, one test each."""

import itertools

import pytest
import veilsum as vs
from known_keys import known_key
from reference import paillier as reference
from shared_keys import load_share, share_value, shared_key
from validation_rules import rule
from veilsum import hazmat, keyfile
from veilsum.paillier.threshold import (
    Combination,
    KeyShare,
    PartialDecryption,
    ThresholdKey,
    deal_shares,
)
from veilsum.wire import WireKind

CONTEXT = b"round"
FRAME = 16
# Offsets in a partial decryption's message.
HOLDER, FIRST, CHALLENGE, RESPONSE = FRAME + 32, FRAME + 33, FRAME + 41, FRAME + 57
ELEMENT = 256


@pytest.fixture
def shared():
    return shared_key()


@pytest.fixture
def batch(shared):
    return shared.public.encrypt([1, -2, 3])


@pytest.fixture
def partial(shared, batch):
    return shared.shares[0].decrypt(batch, context=CONTEXT)


def with_body(message, body):
    return message[:8] + len(body).to_bytes(8, "little") + body


def changed(message, offset, data):
    return message[:offset] + data + message[offset + len(data) :]


def deal(num_holders, threshold, max_colluding_holders):
    return deal_shares(
        shared_key().secret,
        num_holders=num_holders,
        threshold=threshold,
        max_colluding_holders=max_colluding_holders,
    )


def refuses(policy, match):
    """Both doors: dealing, and reading the key of a dealer who did not check."""
    with pytest.raises(vs.InvalidArgumentError, match=match):
        deal(*policy)
    if max(policy) < 256:
        wire = changed(shared_key().key.to_bytes(), FRAME, bytes(policy))
        with pytest.raises(vs.InvalidKeyError, match=match):
            ThresholdKey.from_bytes(wire)


@rule("SH1")
def test_a_key_is_shared_among_2_to_64_holders():
    for policy in ((0, 0, 0), (1, 1, 0), (65, 60, 20), (255, 255, 0), (2**31, 2**31, 0)):
        refuses(policy, "SH1")
    key, shares = deal(64, 64, 63)
    assert len(shares) == 64
    assert ThresholdKey.from_bytes(key.to_bytes()) == key


@rule("SH2")
def test_two_sets_of_holders_cannot_open_two_sums():
    for n, t, f in itertools.product(range(2, 8), range(9), range(8)):
        if t > n or 2 * t <= n + f:
            refuses((n, t, f), "SH2")
        elif f < t:
            assert deal(n, t, f)[0].threshold == t
    # Any policy for tests of the arithmetic, but no reader takes such a key.
    low, _ = hazmat.deal_shares(shared_key().secret, 5, 2)
    with pytest.raises(vs.InvalidKeyError, match="SH2"):
        ThresholdKey.from_bytes(low.to_bytes())


@rule("SH3")
def test_colluding_holders_do_not_reach_the_threshold():
    # 2t > n + f with f >= t leaves n < t, which SH2 refuses first.
    for n, t, f in itertools.product(range(2, 8), range(9), range(9)):
        if f >= t:
            refuses((n, t, f), "SH[23]")


@rule("SH4")
def test_only_safe_primes_are_shared():
    policy = {"num_holders": 5, "threshold": 4, "max_colluding_holders": 2}
    with pytest.raises(vs.InvalidKeyError, match="SH4"):
        deal_shares(known_key(2048).secret, **policy)
    # 23 = 2*11 + 1 and 59 = 2*29 + 1: safe, but too small for eleven holders.
    tiny = hazmat.secret_key(23, 59)
    assert len(hazmat.deal_shares(tiny, 10, 10)[1]) == 10
    with pytest.raises(vs.InvalidKeyError, match="SH4"):
        hazmat.deal_shares(tiny, 11, 11)
    for p, q in ((23, 61), (61, 23)):
        with pytest.raises(vs.InvalidKeyError, match="SH4"):
            hazmat.deal_shares(hazmat.secret_key(p, q), 3, 2)


@rule("SH5")
def test_verification_keys_are_units_below_n(shared):
    wire = shared.key.to_bytes()
    n = reference.little_endian(shared.n)
    p = shared.p.to_bytes(256, "little")
    for i in range(6):
        element = len(wire) - (6 - i) * ELEMENT
        for wrong in (n, bytes(256), p, b"\xff" * 256):
            with pytest.raises(vs.InvalidKeyError, match="SH5"):
                ThresholdKey.from_bytes(changed(wire, element, wrong))
    assert ThresholdKey.from_bytes(wire) == shared.key


@rule("SH6")
def test_a_share_belongs_to_its_verification_key(shared, tmp_path, cheap_key_files):
    value = share_value(shared.shares[0])
    order = (shared.p // 2) * (shared.q // 2)
    for holder, wrong in ((2, value), (0, value), (6, value), (1, value + 1), (1, 0), (1, 2**2047)):
        with pytest.raises(vs.InvalidKeyError, match="SH6"):
            load_share(shared.key, holder, wrong)
    assert value + order >= 2**2046 or load_share(shared.key, 1, value + order).holder == 1
    # A file whose two halves do not belong together: sealed anew, so that its checksum is right.
    key, _ = deal(5, 4, 2)
    secret = shared.shares[0]._native.to_secret_bytes()
    path = tmp_path / "share"
    path.write_bytes(keyfile.seal(secret, key.to_bytes(), "passphrase", WireKind.SHARE_FILE))
    with pytest.raises(vs.InvalidKeyError, match="SH6"):
        KeyShare.load(path, passphrase="passphrase")


@rule("SH7")
def test_a_partial_decryption_names_its_threshold_key(shared, batch, partial):
    key, shares = deal(5, 4, 2)  # The same public key, shared anew.
    assert key.public_key == shared.public
    with pytest.raises(vs.KeyMismatchError, match="SH7"):
        PartialDecryption.from_bytes(partial.to_bytes(), key)
    combination = Combination(shared.key, batch, context=CONTEXT)
    with pytest.raises(vs.KeyMismatchError, match="SH7"):
        combination.add(shares[0].decrypt(batch, context=CONTEXT))
    assert combination.num_missing == 3


@rule("SH8")
def test_a_partial_decryption_is_whole(shared, partial):
    wire = partial.to_bytes()
    for holder in (0, 6, 255):
        with pytest.raises(vs.MalformedDataError, match="SH8"):
            PartialDecryption.from_bytes(changed(wire, HOLDER, bytes([holder])), shared.key)
    with pytest.raises(vs.MalformedDataError, match="SH8"):
        PartialDecryption.from_bytes(changed(wire, FIRST, b"\xff" * 8), shared.key)
    for size in (3 * ELEMENT, 1, ELEMENT - 1):
        with pytest.raises(vs.MalformedDataError, match="SH8"):
            PartialDecryption.from_bytes(with_body(wire, wire[FRAME:-size]), shared.key)
    with pytest.raises(vs.MalformedDataError, match="SH8"):
        PartialDecryption.from_bytes(with_body(wire, wire[FRAME:] + b"\0"), shared.key)
    large = changed(wire, len(wire) - ELEMENT, reference.little_endian(shared.n))
    with pytest.raises(vs.InvalidCiphertextError, match="CT1"):
        PartialDecryption.from_bytes(large, shared.key)
    zero = changed(wire, len(wire) - ELEMENT, bytes(256))
    with pytest.raises(vs.InvalidCiphertextError, match="CT2"):
        PartialDecryption.from_bytes(zero, shared.key)


def added(key, batch, wire, context=CONTEXT):
    combination = Combination(key, batch, context=context)
    combination.add(PartialDecryption.from_bytes(wire, key))


@rule("SH9")
def test_a_response_is_in_its_range(shared, batch, partial):
    # |n| = 2048, D = 120: A = 2055.
    wire = partial.to_bytes()
    size = (2055 + 256) // 8 + 1
    assert len(wire) == RESPONSE + size + 3 * ELEMENT
    bound = 2 ** (2055 + 256) + 2 ** (2055 + 126)
    for response, number in ((bound - 1, "SH10"), (bound, "SH9"), (2 ** (8 * size) - 1, "SH9")):
        with pytest.raises(vs.ProofError, match=f"{number}.*holder 1, ciphertexts 0 to 2"):
            added(shared.key, batch, changed(wire, RESPONSE, response.to_bytes(size, "little")))
    added(shared.key, batch, wire)


@rule("SH10")
def test_a_proof_holds_for_what_it_says_and_nothing_else(shared, batch, partial, rng):
    wire = partial.to_bytes()
    forgeries = {
        "holder": changed(wire, HOLDER, b"\2"),
        "challenge": changed(wire, CHALLENGE, rng.randbytes(16)),
        "response": changed(wire, RESPONSE, rng.randbytes(250)),
        "elements": changed(wire, len(wire) - ELEMENT, wire[-2 * ELEMENT : -ELEMENT]),
        "fewer elements": with_body(wire, wire[FRAME:-ELEMENT]),
    }
    bits = [8 * offset + rng.randrange(8) for offset in range(CHALLENGE, len(wire) - ELEMENT, 97)]
    for bit in bits:
        flipped = bytes([wire[bit // 8] ^ 1 << bit % 8])
        forgeries[f"bit {bit}"] = changed(wire, bit // 8, flipped)
    for what, forged in forgeries.items():
        with pytest.raises((vs.ProofError, vs.InvalidCiphertextError)) as caught:
            added(shared.key, batch, forged)
        assert caught.type is vs.ProofError or what.startswith("bit"), what
    for other in (batch[::-1], batch + 1, batch.rerandomise()):
        with pytest.raises(vs.ProofError, match="SH10"):
            added(shared.key, other, wire)
    with pytest.raises(vs.ProofError, match="SH10"):
        added(shared.key, batch, wire, context=b"another round")
    with pytest.raises(vs.ProofError, match="SH10"):
        added(shared.key, vs.Ciphertexts.concatenate([batch, batch]), changed(wire, FIRST, b"\3"))
    added(shared.key, batch, wire)


@rule("SH11")
def test_a_holder_answers_for_each_ciphertext_of_the_batch_once(shared, batch, partial):
    combination = Combination(shared.key, batch, context=CONTEXT)
    combination.add(partial)
    first = shared.shares[0]
    for again in (partial, first.decrypt(batch[1:], first=1, context=CONTEXT)):
        with pytest.raises(vs.InvalidArgumentError, match="SH11"):
            combination.add(again)
    second = shared.shares[1]
    for position in (1, 3, 2**63 - 1):
        with pytest.raises(vs.InvalidArgumentError, match="SH11"):
            combination.add(second.decrypt(batch, first=position, context=CONTEXT))
    for share in shared.shares[1:4]:
        combination.add(share.decrypt(batch, context=CONTEXT))
    assert combination.open() == [1, -2, 3]


@rule("SH12")
def test_fewer_than_the_threshold_open_nothing(shared, batch):
    combination = Combination(shared.key, batch, context=CONTEXT)
    for share in shared.shares[:4]:
        with pytest.raises(vs.NotEnoughSharesError, match="SH12"):
            combination.open()
        combination.add(share.decrypt(batch[:2], context=CONTEXT))
    with pytest.raises(vs.NotEnoughSharesError, match="SH12: ciphertexts 2 to 2 have 0"):
        combination.open()
    for share in shared.shares[1:]:
        combination.add(share.decrypt(batch[2:], first=2, context=CONTEXT))
    assert combination.open() == [1, -2, 3]
