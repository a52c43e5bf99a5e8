"""Fast, safe private sums for federated learning.

Encrypt model changes under an additively homomorphic Paillier key, add the ciphertexts, open only
the sum; add exact discrete noise first.

    >>> import veilsum as vs
    >>> sk = vs.generate_key(2048)
    >>> c = sk.public_key.encrypt([3, -4, 5])
    >>> sk.decrypt(c + c + 1)
    [7, -7, 11]
"""

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as _numpy  # noqa: F401 - Now, as all else of veilsum needs it; the rest is at first use.

from veilsum import errors
from veilsum.errors import *  # noqa: F403

if TYPE_CHECKING:
    from veilsum import fedavg, noise, privacy, secure_sum, stats
    from veilsum.fedavg import FedAvg
    from veilsum.machine_key import MachineKey
    from veilsum.measure import UpdateSizes, measure_updates
    from veilsum.paillier import (
        Ciphertexts,
        EncryptedFloats,
        PlaintextProof,
        PlaintextProofBatch,
        PublicKey,
        RandomiserPool,
        SecretKey,
        generate_key,
        threshold,
    )
    from veilsum.system import cpu
    from veilsum.vector import Accumulator, Codec, EncryptedVector, Sum

    __version__: str

__all__ = [
    "Accumulator",
    "Ciphertexts",
    "Codec",
    "EncryptedFloats",
    "EncryptedVector",
    "FedAvg",
    "MachineKey",
    "PlaintextProof",
    "PlaintextProofBatch",
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
    "stats",
    "threshold",
    *errors.__all__,
]

# Where names come from at first use. tests/test_lazy_import.py holds it to the imports above.
_HOMES = {
    "Accumulator": "vector",
    "Ciphertexts": "paillier",
    "Codec": "vector",
    "EncryptedFloats": "paillier",
    "EncryptedVector": "vector",
    "FedAvg": "fedavg",
    "MachineKey": "machine_key",
    "PlaintextProof": "paillier",
    "PlaintextProofBatch": "paillier",
    "PublicKey": "paillier",
    "RandomiserPool": "paillier",
    "SecretKey": "paillier",
    "Sum": "vector",
    "UpdateSizes": "measure",
    "cpu": "system",
    "generate_key": "paillier",
    "measure_updates": "measure",
    "threshold": "paillier",
}
_MODULES = ("fedavg", "noise", "privacy", "secure_sum", "stats")

if not TYPE_CHECKING:  # Or a name that there is not would be no mistake to a type checker.

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            value = import_module(f"veilsum.{name}")
        elif name in _HOMES:
            value = getattr(import_module(f"veilsum.{_HOMES[name]}"), name)
        elif name == "__version__":
            from importlib.metadata import version

            value = version("veilsum")
        else:
            raise AttributeError(f"module 'veilsum' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
