"""TenSEAL's CKKS with the parameters of NVFlare: approximate sums on lattices, not Paillier.

NVFlare gives the secret key to every client and encrypts with it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tenseal as ts
from numpy.typing import NDArray

from peers.workload import Round, max_error


class CkksPipeline:
    packages = ("tenseal",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        # key_bits says nothing here: these parameters have 128-bit security, as 3072 bits have.
        self.client = ts.context(
            ts.SCHEME_TYPE.CKKS,
            poly_modulus_degree=8192,
            coeff_mod_bit_sizes=[60, 40, 40],
            encryption_type=ts.ENCRYPTION_TYPE.SYMMETRIC,
            n_threads=num_threads,
        )
        self.client.global_scale = 2**40
        without_secret = self.client.serialize(save_secret_key=False)
        self.server = ts.context_from(without_secret, n_threads=num_threads)

    def kernel(self) -> None:
        return None

    def run(self, update: NDArray[np.float32], clock: Callable[[], float]) -> Round:
        start = clock()
        data = ts.ckks_vector(self.client, update).serialize()
        encrypted = clock()
        total = ts.ckks_vector_from(self.server, data)
        added_first = clock()
        total += ts.ckks_vector_from(self.server, data)
        added = clock()
        answer = ts.ckks_vector_from(self.client, total.serialize())
        received = clock()
        values = answer.decrypt()
        opened = clock()
        seconds = {
            "encode": 0.0,  # Part of encrypting here.
            "noise": 0.0,  # It has none.
            "encrypt": encrypted - start,
            "add": added - added_first,
            "decrypt": opened - received,
        }
        return Round(seconds, len(data), max_error(values, update))
