"""Paillier: keys, ciphertexts, proofs of plaintexts, and keys that several hold together.

Users take these from ``veilsum`` itself. Inside, arrows go one way: ``encrypted`` ← ``plaintexts``
← ``ciphertexts`` ← ``proofs`` ← ``public_key`` ← ``secret_key`` ← ``threshold``; beside
``secret_key``, ``ciphertext_sum``; beside ``proofs``, ``floats`` with their ``scale``.
"""

from veilsum.paillier import threshold
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.floats import EncryptedFloats
from veilsum.paillier.proofs import PlaintextProof, PlaintextProofBatch
from veilsum.paillier.public_key import PublicKey, RandomiserPool
from veilsum.paillier.secret_key import SecretKey, generate_key

__all__ = [
    "Ciphertexts",
    "EncryptedFloats",
    "PlaintextProof",
    "PlaintextProofBatch",
    "PublicKey",
    "RandomiserPool",
    "SecretKey",
    "generate_key",
    "threshold",
]
