"""Fast, safe private sums for federated learning.

Encrypt model changes under an additively homomorphic Paillier key, add the ciphertexts, open only
the sum; add exact discrete noise first.

    >>> import veilsum as vs
    >>> sk = vs.generate_key(2048)
    >>> c = sk.public_key.encrypt([3, -4, 5])
    >>> sk.decrypt(c + c + 1)
    [7, -7, 11]
"""

from importlib.metadata import version as _version

from veilsum import errors, fedavg, noise, privacy, secure_sum
from veilsum.errors import *  # noqa: F403
from veilsum.fedavg import FedAvg
from veilsum.measure import UpdateSizes, measure_updates
from veilsum.paillier import (
    Ciphertexts,
    PlaintextProof,
    PublicKey,
    RandomiserPool,
    SecretKey,
    generate_key,
    threshold,
)
from veilsum.system import cpu
from veilsum.vector import Accumulator, Codec, EncryptedVector, Sum

__all__ = [
    "Accumulator",
    "Ciphertexts",
    "Codec",
    "EncryptedVector",
    "FedAvg",
    "PlaintextProof",
    "PublicKey",
    "RandomiserPool",
    "SecretKey",
    "Sum",
    "UpdateSizes",
    "cpu",
    "errors",
    "fedavg",
    "generate_key",
    "measure_updates",
    "noise",
    "privacy",
    "secure_sum",
    "threshold",
    *errors.__all__,
]

__version__ = _version("veilsum")
