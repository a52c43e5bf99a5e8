"""Writes plaintext_proof.json and its golden file, by the slow reference.

Everything is drawn from one seed; the key is 2048 of primes.json. plaintext_proof.bin is of version
2, which nothing reads any more.
Run: PYTHONPATH=tests python tests/vectors/generate_plaintext_proof.py
"""

import json
import random
from pathlib import Path

from known_keys import known_key
from reference import plaintext_proof as proving

SEED = "veilsum test plaintext proofs 1"
MESSAGES = [0, 1, -1, 2**64 + 1, -(2**1000)]
CONTEXT = b"veilsum test round, contributor a"
FIRST, CHUNK = 7, 3


def make_vector():
    """Ciphertexts, and the proofs of their two chunks."""
    rng = random.Random(SEED)
    n = known_key(2048).n
    witnesses = [rng.getrandbits(1024) for _ in MESSAGES]
    whole = proving.Statement(n, True, CONTEXT, FIRST, [])
    ciphertexts = [whole.ciphertext(m, a) for m, a in zip(MESSAGES, witnesses, strict=True)]
    proofs = []
    for begin in range(0, len(MESSAGES), CHUNK):
        part = slice(begin, begin + CHUNK)
        statement = proving.Statement(n, True, CONTEXT, FIRST + begin, ciphertexts[part])
        alpha = rng.getrandbits(proving.nonce_bits(n, CHUNK))
        proofs.append(proving.prove(statement, witnesses[part], alpha))
        assert proving.verifies(statement, CHUNK, *proofs[-1])
    return ciphertexts, proofs


def main():
    folder = Path(__file__).parent
    ciphertexts, proofs = make_vector()
    vector = {"ciphertexts": [hex(c) for c in ciphertexts]}
    (folder / "plaintext_proof.json").write_text(json.dumps(vector, indent=1) + "\n")
    wire = proving.wire(known_key(2048).n, True, FIRST, len(MESSAGES), CHUNK, proofs)
    (folder / "wire" / "plaintext_proof_3.bin").write_bytes(wire)


if __name__ == "__main__":
    main()
