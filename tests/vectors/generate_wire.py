"""Writes the golden files in wire/: messages that every later version must still read.

Run it only for a new wire version, under new names: the files that are there stay for ever.
Run: PYTHONPATH=tests python tests/vectors/generate_wire.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import veilsum as vs
from ceremony_players import ceremonies
from known_keys import known_key
from protocol_parties import identity
from reference import paillier as reference
from veilsum import hazmat, keyfile

PASSPHRASE = "correct horse battery staple"
VECTOR = [0, 1, -1, 2**64 + 1, -(2**1000)]
MATRIX = [[1, -2, 3], [-4, 5, 2**70]]
FLOATS = [0.5, -1.25, 3.0]  # Times 0.75 and plus 2, exactly, in the golden file.
CODEC = vs.Codec(5, clip=1.0, value_bits=8, max_addends=4, norm="l2", norm_bound=2.0, noise_bound=3)
# All on the grid of 127 steps a side, so that the sum is exact.
CONTRIBUTIONS = [[1.0, -1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, -1.0, 0.0]]
VECTOR_SUM = [2.0, -1.0, 0.0, 0.0, 0.0]
WEIGHT_SUM = 2.0
CONTEXT = b"a golden sum"
# A block and a bit, two primes: the golden blocks are those of the second, shorter block.
BLOCKS_CODEC = vs.Codec(12_500, clip=1.0, value_bits=16, max_addends=100)


def ciphertexts(public):
    """By name, with fixed randomisers: the same bytes every time."""
    units = [3 + 2 * i for i in range(6)]
    vector = hazmat.encrypt(public, VECTOR, units[: len(VECTOR)])
    matrix = hazmat.encrypt(public, MATRIX, units)
    return {"ciphertexts_vector": vector, "ciphertexts_matrix": matrix}


def main():
    known = known_key(2048)
    folder = Path(__file__).with_name("wire")
    folder.mkdir(exist_ok=True)
    messages = {
        "public_key": known.public.to_bytes(),
        "public_key_classic": known.classic.to_bytes(),
        **{name: c.to_bytes() for name, c in ciphertexts(known.public).items()},
    }
    floats = known.public.encrypt_floats(FLOATS, bound=1000) * 0.75 + 2
    messages["encrypted_floats"] = floats.to_bytes()
    vectors = [CODEC.encrypt(np.array(x), key=known.public) for x in CONTRIBUTIONS]
    messages["encrypted_vector"] = sum(vectors).to_bytes()
    masked = {"scheme": "masked", "context": CONTEXT}
    vectors = [CODEC.encrypt(np.array(x), key=known.public, **masked) for x in CONTRIBUTIONS]
    messages["masked_vector"] = sum(vectors).to_bytes()
    vector = BLOCKS_CODEC.encrypt(np.ones(BLOCKS_CODEC.dim), key=known.public, **masked)
    messages["masked_blocks"] = vector.masked.blocks.part(1, 1).to_bytes()
    messages["ceremony_message"] = ceremonies(
        3, 3, 1, 64, people=[identity(f"holder-{i}") for i in (1, 2, 3)], roots=[bytes(32)] * 3
    )[0].message
    keyfile._LOG2_COST = 14  # The least cost allowed: tests open the file often.
    secret = bytes(known.secret._native.to_secret_bytes())
    messages["key_file"] = keyfile.seal(secret, known.public.to_bytes(), PASSPHRASE)
    for name, data in messages.items():
        (folder / f"{name}.bin").write_bytes(data)
    h = reference.little_endian(reference.derived_h(known.n))
    pinned = {"key": "2048 of primes.json", "sha256_of_h": hashlib.sha256(h).hexdigest()}
    (folder / "derived_h.json").write_text(json.dumps(pinned, indent=1) + "\n")


if __name__ == "__main__":
    main()
