"""TenSEAL's CKKS with the parameters of NVFlare: approximate sums on lattices, not Paillier.

NVFlare gives the secret key to every client and encrypts with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tenseal as ts
from numpy.typing import NDArray

from bench.clock import Account
from bench.workload import Pipeline, make_update, max_error


def ckks_context(num_threads: int) -> Any:
    """128-bit security, as keys of 3072 bits have."""
    context = ts.context(
        ts.SCHEME_TYPE.CKKS,
        poly_modulus_degree=8192,
        coeff_mod_bit_sizes=[60, 40, 40],
        encryption_type=ts.ENCRYPTION_TYPE.SYMMETRIC,
        n_threads=num_threads,
    )
    context.global_scale = 2**40
    return context


class Ckks(Pipeline):
    packages = ("tenseal",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self.client = ckks_context(num_threads)
        without_secret = self.client.serialize(save_secret_key=False)
        self.server = ts.context_from(without_secret, n_threads=num_threads)

    def run(self, update: NDArray[np.float32], clock: Callable[[], float]) -> dict[str, Any]:
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
        error = max_error(values, update)
        return {"seconds": seconds, "bytes": len(data), "max_error": error}

    def round(self, dim: int, num_clients: int, num_shares: int = 0) -> dict[str, Any]:
        """One client's part, and what the server does with it; all get the encrypted sum."""
        measured = self.run(make_update(dim), time.process_time)
        seconds, num_bytes = measured["seconds"], measured["bytes"]
        at_client = {name: seconds[name] for name in ("encrypt", "decrypt")}
        client = Account(at_client, num_bytes, num_bytes)
        server = Account({"read, add": seconds["add"]}, num_bytes, num_bytes)
        return {
            "client": [{"accounts": [vars(client)]}],
            "server": [{"accounts": [vars(server)], "factor": num_clients}],
            "max_error": measured["max_error"],
            "facts": {},
        }
