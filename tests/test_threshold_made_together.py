"""Opening with a key that its holders made: exponents of either sign, and no safe primes."""

import itertools
import secrets

import pytest
from validation_rules import rule
from veilsum import PublicKey, hazmat
from veilsum.ceremony import exponent
from veilsum.errors import (
    InvalidArgumentError,
    InvalidKeyError,
    MalformedDataError,
    ProofError,
)
from veilsum.paillier.threshold import Combination, KeyShare, PartialDecryption, ThresholdKey

# Neither prime is safe, and p - 1 and q - 1 have no odd factor below 11, as after the sieve.
P = int(
    "dfc3f6838f308175a06fe66d488277a0cf262da55eb150f8aebffb6e80c5ecc6"
    "994a049b1f68f2aa0011bbcfc473dbc4c4545d13cd1090573369a61220c035b7"
    "62ffa7e0cee0201cd9a1fa3b360f40d86c4f59f7c70335e11217c3a96b06031b"
    "f82406c738c0a9cdee8929b5fe55b8c13e10c4fdd763e45f3e3c913b20e9f853",
    16,
)
Q = int(
    "df084afeca1f7b3ff2eca82bf4c7edf1bf563d0fd58b7cf3e020a07be7f1e5ba"
    "6ec9e86ea3ea0fbfac4c30c64d53e925f7992b54b6d0b7a459e6ef2cf3fcf85e"
    "7e1fd2862924f0e8075846625b2e609d90fa90ecf2650b1f70d0d83f10ccdda8"
    "fb7ca0c19f006cafbfc793b4a97232f6177fcd61eb4b0d9fd2cebed1fc24d48b",
    16,
)


def exponents_of(num_holders, threshold, colluding):
    """What holders come by, delta and the masks known here."""
    n, phi = P * Q, (P - 1) * (Q - 1)
    delta = (pow(phi, -1, n) * phi - 1) // n
    assert (1 + n * delta) % phi == 0
    sets = exponent.mask_sets(num_holders, threshold)
    masks = {a: secrets.randbelow(exponent.mask_bound(n, colluding)) for a in sets}
    z = delta + sum(masks.values())
    return [
        exponent.secret_exponent(
            z, {a: mask for a, mask in masks.items() if i not in a}, i, num_holders
        )
        for i in range(1, num_holders + 1)
    ]


def public_key():
    return PublicKey.from_modulus(P * Q)


def key_of(exponents, threshold, colluding, **other):
    n = P * Q
    v = pow(2 + secrets.randbelow(n - 2), 2, n)
    numbers = {
        "num_holders": len(exponents),
        "threshold": threshold,
        "max_colluding_holders": colluding,
        "verification_base": v,
        "verification_keys": [pow(v, x, n) for x in exponents],
    }
    return ThresholdKey.made_together(public_key(), **{**numbers, **other})


def made(num_holders=5, threshold=4, colluding=2):
    """A key, its shares, and their exponents."""
    exponents = exponents_of(num_holders, threshold, colluding)
    key = key_of(exponents, threshold, colluding)
    shares = [
        KeyShare.of_exponent(key, holder=i, exponent=x) for i, x in enumerate(exponents, start=1)
    ]
    return key, shares, exponents


@pytest.mark.parametrize(
    ("num_holders", "threshold", "colluding"), [(3, 3, 1), (4, 3, 1), (5, 4, 2)]
)
def test_every_threshold_of_holders_opens(num_holders, threshold, colluding):
    key, shares, _exponents = made(num_holders, threshold, colluding)
    n = P * Q
    assert key.exponent_bound == exponent.secret_exponent_bound(
        n, num_holders, threshold, colluding
    )
    values = [0, 1, -1, n // 2, secrets.randbelow(n) // 2]
    c = key.public_key.encrypt(values)
    partials = [share.decrypt(c, context=b"round 1") for share in shares]
    for some in itertools.combinations(partials, threshold):
        assert key.combine(c, some, context=b"round 1") == values


def test_partial_decryption_is_the_power_that_python_computes():
    # Of 3 of 4 the last one's is negative about one time in four; of 4 of 5 none ever is.
    negative = (made(4, 3, 1) for _ in range(200))
    key, shares, exponents = next(m for m in negative if min(m[2]) < 0 < max(m[2]))
    n = P * Q
    c = key.public_key.encrypt([7, -8])
    residues = [x % n for x in c.to_ints()]
    for share, x in zip(shares, exponents, strict=True):
        elements = [
            pow(residue, 2 * x, n).to_bytes(n.bit_length() // 8, "little") for residue in residues
        ]
        assert all(e in share.decrypt(c, context=b"").to_bytes() for e in elements)
    partials = [share.decrypt(c, context=b"") for share in shares]
    for some in itertools.combinations(partials, 3):
        assert key.combine(c, some, context=b"") == [7, -8]


def test_proof_of_another_share_or_context_is_refused():
    key, shares, _ = made()
    c = key.public_key.encrypt([3])
    partial = shares[0].decrypt(c, context=b"round 1")
    with pytest.raises(ProofError, match="SH10"):
        Combination(key, c, context=b"round 2").add(partial)
    wire = bytearray(partial.to_bytes())
    other = bytes(shares[1].decrypt(c, context=b"round 1").to_bytes())
    # Holder 1's head with what holder 2 computed and proved.
    head = next(i for i, (a, b) in enumerate(zip(wire, other, strict=True)) if a != b)
    forged = bytearray(other)
    forged[head] = wire[head]
    with pytest.raises(ProofError, match="SH10"):
        Combination(key, c, context=b"round 1").add(PartialDecryption.from_bytes(forged, key))


def test_wire_form_is_read_again_and_has_a_version_of_its_own():
    key, shares, _ = made()
    again = ThresholdKey.from_bytes(key.to_bytes())
    assert again == key
    assert again.is_made_together
    assert key.to_bytes()[5] == 3
    dealt = bytearray(key.to_bytes())
    dealt[5] = 2
    other = ThresholdKey.from_bytes(bytes(dealt))
    assert other != key
    assert not other.is_made_together
    secret = bytes(shares[2]._native.to_secret_bytes())
    assert (
        bytes(KeyShare._from_parts(bytearray(secret), key.to_bytes())._native.to_secret_bytes())
        == secret
    )
    with pytest.raises(MalformedDataError, match="length"):
        KeyShare._from_parts(bytearray(secret[:-1]), key.to_bytes())
    turned = bytearray(secret)
    turned[1] ^= 1
    with pytest.raises(InvalidKeyError, match="SH6"):
        KeyShare._from_parts(turned, key.to_bytes())


@rule("SH13", "SH14")
def test_what_is_no_key_made_together_is_refused():
    exponents = exponents_of(3, 3, 1)
    with pytest.raises(InvalidArgumentError, match="SH13"):
        key_of(exponents, 3, 2)
    # 2f = n is no majority either: SH2 and SH3 would allow 4 of 4 with 2.
    with pytest.raises(InvalidArgumentError, match="SH13"):
        key_of(exponents_of(4, 4, 2), 4, 2)
    with pytest.raises(InvalidArgumentError, match="one verification key"):
        key_of(exponents, 3, 1, verification_keys=[4, 4])
    with pytest.raises(InvalidKeyError, match="SH5"):
        key_of(exponents, 3, 1, verification_keys=[4, 4, P])
    with pytest.raises(InvalidKeyError, match="SH5"):
        key_of(exponents, 3, 1, verification_keys=[4, 4, P * Q + 1])
    with pytest.raises(InvalidKeyError, match=r"SH14.*open nothing"):
        key_of([exponents[0] + 1, *exponents[1:]], 3, 1)
    four = exponents_of(4, 3, 1)
    with pytest.raises(InvalidKeyError, match=r"SH14.*holder 4"):
        key_of([*four[:3], four[3] + 1], 3, 1)


def test_share_that_is_not_its_holders_is_refused():
    key, _, exponents = made(4, 3, 1)
    for wrong in (exponents[0] + 1, -exponents[0], exponents[1]):
        with pytest.raises(InvalidKeyError, match="SH6"):
            KeyShare.of_exponent(key, holder=1, exponent=wrong)
    # It has the right power, and is a multiple of the group's order too large.
    order = (P - 1) * (Q - 1)
    beyond = exponents[0] + (key.exponent_bound // order + 1) * 2 * order
    with pytest.raises(InvalidKeyError, match=r"SH6.*bound"):
        KeyShare.of_exponent(key, holder=1, exponent=beyond)
    for holder in (0, 5):
        with pytest.raises(InvalidArgumentError):
            KeyShare.of_exponent(key, holder=holder, exponent=exponents[0])
    with pytest.raises(TypeError):
        KeyShare.of_exponent(key, holder=1, exponent=1.0)


@rule("SH15")
def test_a_key_made_together_is_of_form_classic(monkeypatch):
    exponents = exponents_of(3, 3, 1)
    monkeypatch.setitem(globals(), "public_key", lambda: hazmat.secret_key(P, Q).public_key)
    with pytest.raises(InvalidKeyError, match="SH15"):
        key_of(exponents, 3, 1)
