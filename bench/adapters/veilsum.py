"""veilsum itself, by the same rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import veilsum as vs

from bench.adapter import Adapter
from bench.workload import CLIP, MAX_ADDENDS, VALUE_BITS


class Veilsum(Adapter):
    packages = ("veilsum",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self.secret_key = vs.generate_key(key_bits)
        self.public_key = self.secret_key.public_key
        codec = vs.Codec(1, clip=CLIP, value_bits=VALUE_BITS, max_addends=MAX_ADDENDS)
        self.values_per_ciphertext = codec.slots_per_ciphertext(self.public_key)

    def kernel(self) -> str:
        return vs.cpu()["kernel"]

    def plaintexts(self, values: list[int]) -> Any:
        return np.array(values, np.int64)

    def ints(self, decrypted: Any) -> list[int]:
        return decrypted.tolist()

    def encrypt(self, plaintexts: Any) -> vs.Ciphertexts:
        return self.public_key.encrypt(plaintexts)

    def encrypt_owner(self, plaintexts: Any) -> vs.Ciphertexts:
        return self.secret_key.encrypt(plaintexts)

    def make_pool(self, count: int) -> vs.RandomiserPool:
        return self.public_key.precompute(count)

    def encrypt_from_pool(self, plaintexts: Any, pool: vs.RandomiserPool) -> vs.Ciphertexts:
        return self.public_key.encrypt(plaintexts, pool=pool)

    def decrypt(self, ciphertexts: vs.Ciphertexts) -> Any:
        return self.secret_key.decrypt_int64(ciphertexts)

    def add(self, left: vs.Ciphertexts, right: vs.Ciphertexts) -> vs.Ciphertexts:
        return left + right

    def multiply(self, ciphertexts: vs.Ciphertexts, scalars: Any) -> vs.Ciphertexts:
        return ciphertexts * scalars

    def repeat(self, ciphertexts: vs.Ciphertexts, count: int) -> vs.Ciphertexts:
        return ciphertexts[np.resize(np.arange(len(ciphertexts)), count)]

    def rows(self, ciphertexts: vs.Ciphertexts, num_rows: int) -> vs.Ciphertexts:
        return ciphertexts[np.arange(len(ciphertexts)).reshape(num_rows, -1)]

    def sum_rows(self, rows: vs.Ciphertexts) -> vs.Ciphertexts:
        return rows.sum(axis=0)

    def group_sum(self, ciphertexts: vs.Ciphertexts, groups: Any, num_groups: int) -> Any:
        return ciphertexts.group_sum(groups, num_groups).reshape(-1)

    def num_bytes(self, ciphertexts: vs.Ciphertexts) -> int:
        return len(ciphertexts.to_bytes())
