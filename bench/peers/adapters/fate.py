"""fate_utils of FATE: vectors of ciphertexts in Rust."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from fate_utils import paillier

from peers.adapter import Adapter, Packing


class Fate(Adapter):
    packages = ("fate_utils",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self.secret_key, self.public_key, self.coder = paillier.keygen(key_bits)

    def plaintexts(self, values: list[int]) -> Any:
        return self.coder.encode_i64_vec(np.array(values, np.int64))

    def ints(self, decrypted: Any) -> list[int]:
        return list(self.coder.decode_i64_vec(decrypted))

    def encrypt(self, plaintexts: Any) -> Any:
        return self.public_key.encrypt_encoded(plaintexts, True)

    def decrypt(self, ciphertexts: Any) -> Any:
        return self.secret_key.decrypt_to_encoded(ciphertexts)

    def add(self, left: Any, right: Any) -> Any:
        return left.add(self.public_key, right)

    def multiply(self, ciphertexts: Any, scalars: Any) -> Any:
        return ciphertexts.mul(self.public_key, scalars)

    def repeat(self, ciphertexts: Any, count: int) -> Any:
        return ciphertexts.slice_indexes(np.resize(np.arange(len(ciphertexts)), count).tolist())

    def rows(self, ciphertexts: Any, num_rows: int) -> Any:
        num_columns = len(ciphertexts) // num_rows
        return [ciphertexts.slice(i * num_columns, num_columns) for i in range(num_rows)]

    def sum_rows(self, rows: Any) -> Any:
        total = rows[0].add(self.public_key, rows[1])
        for row in rows[2:]:
            total.iadd(self.public_key, row)
        return total

    def packing(self) -> Packing:
        # Its pack_floats takes no negative values, so that model updates go one to a ciphertext.
        batch = self.encrypt(self.plaintexts(list(range(64))))
        return Packing(1, len(pickle.dumps(batch)) / 64)
