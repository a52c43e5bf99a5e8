"""Writes threshold.json and the golden files of shared keys, by the slow reference.

Its keys are public, so they are for tests only. Everything is drawn from one seed. The golden share
file is written by veilsum: its salt and nonce are random, so that file is not made twice.
Run: PYTHONPATH=tests python tests/vectors/generate_threshold.py
"""

import json
import random
from pathlib import Path

import gmpy2
from reference import paillier as reference
from reference import threshold as sharing
from veilsum import keyfile
from veilsum.wire import WireKind

SEED = "veilsum test shares 1"
KEY_BITS = 2048
NUM_HOLDERS, THRESHOLD, MAX_COLLUDING = 5, 4, 2
MESSAGES = [0, 1, -1, 2**64 + 1, -(2**1000)]
CONTEXT = b"veilsum test round"
FIRST = 3
PROVER = 3
SHARE_FILE_HOLDER = 2
PASSPHRASE = "correct horse battery staple"

PRIMORIAL = gmpy2.primorial(20000) // 2


def draw_safe_prime(bits, rng):
    while True:
        # The two top bits make p*q have exactly twice as many bits.
        p = rng.getrandbits(bits) | 3 << (bits - 2) | 3
        if gmpy2.gcd(p * (p // 2), PRIMORIAL) != 1:
            continue
        if gmpy2.is_prime(p // 2, 1) and gmpy2.is_prime(p, 40) and gmpy2.is_prime(p // 2, 40):
            return p


def statement_of(vector):
    """The statement of the one batch proof in the file."""
    numbers = {name: int(vector[name], 16) for name in ("p", "q")}
    return sharing.Statement(
        n=numbers["p"] * numbers["q"],
        threshold=THRESHOLD,
        max_colluding_holders=MAX_COLLUDING,
        verification=[int(x, 16) for x in vector["verification"]],
        holder=PROVER,
        first=FIRST,
        context=CONTEXT,
        ciphertexts=[int(x, 16) for x in vector["ciphertexts"]],
        partials=[int(x, 16) for x in vector["partials"][PROVER - 1]],
    )


def make_vector():
    rng = random.Random(SEED)
    p, q = (draw_safe_prime(KEY_BITS // 2, rng) for _ in range(2))
    n, order = p * q, ((p - 1) // 2) * ((q - 1) // 2)
    coefficients = [rng.randrange(order) for _ in range(THRESHOLD - 1)]
    shares = sharing.deal(p, q, coefficients, NUM_HOLDERS)
    v = pow(rng.randrange(n), 2, n)
    ciphertexts = [reference.encrypt(m, rng.randrange(1, n), n) for m in MESSAGES]
    vector = {
        "p": hex(p),
        "q": hex(q),
        "coefficients": [hex(x) for x in coefficients],
        "shares": [hex(x) for x in shares],
        "verification": [hex(x) for x in sharing.verification_keys(v, shares, n)],
        "ciphertexts": [hex(x) for x in ciphertexts],
        "partials": [
            [hex(sharing.partial(c, share, NUM_HOLDERS, n)) for c in ciphertexts]
            for share in shares
        ],
    }
    statement = statement_of(vector)
    nonce = rng.getrandbits(statement.exponent_bits + 256)
    challenge, response = sharing.prove(statement, shares[PROVER - 1], nonce)
    assert sharing.verifies(statement, challenge, response)
    vector |= {"nonce": hex(nonce), "challenge": hex(challenge), "response": hex(response)}
    return vector


def main():
    folder = Path(__file__).parent
    vector = make_vector()
    (folder / "threshold.json").write_text(json.dumps(vector, indent=1) + "\n")
    statement = statement_of(vector)
    proof = int(vector["challenge"], 16), int(vector["response"], 16)
    golden = {
        "threshold_key": statement.key_wire(),
        "partial_decryption": sharing.partial_wire(statement, *proof),
    }
    share_file = folder / "wire" / "share_file.bin"
    if not share_file.exists():
        share = int(vector["shares"][SHARE_FILE_HOLDER - 1], 16)
        size = reference.num_bytes(KEY_BITS)
        secret = bytes([SHARE_FILE_HOLDER]) + share.to_bytes(size, "little")
        keyfile._LOG2_COST = 14  # The least cost allowed: tests open the file often.
        golden["share_file"] = keyfile.seal(
            secret, golden["threshold_key"], PASSPHRASE, WireKind.SHARE_FILE
        )
    for name, data in golden.items():
        (folder / "wire" / f"{name}.bin").write_bytes(data)


if __name__ == "__main__":
    main()
