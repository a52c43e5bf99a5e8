"""pypaillier: Rust over GMP, batches as lists of bytes."""

from __future__ import annotations

import itertools
from typing import Any

import paillier

from peers.adapter import Adapter, Packing


class PyPaillier(Adapter):
    packages = ("pypaillier",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        pair = paillier.generate_keypair(key_bits)  # Safe primes; no way to keep a key.
        self.public_key, self.secret_key = pair
        if isinstance(self.public_key, paillier.SecretKey):
            self.secret_key, self.public_key = pair

    def plaintexts(self, values: list[int]) -> list[int]:
        return values

    def ints(self, decrypted: list[str]) -> list[int]:
        return [int(value) for value in decrypted]

    def encrypt(self, plaintexts: list[int]) -> list[bytes]:
        return paillier.encrypt_integers(self.public_key, plaintexts)

    def decrypt(self, ciphertexts: list[bytes]) -> list[str]:
        return paillier.decrypt_many(self.secret_key, ciphertexts)

    def add(self, left: list[bytes], right: list[bytes]) -> list[bytes]:
        pairs = [[i, i + len(left)] for i in range(len(left))]
        return paillier.add_blocks(self.public_key, left + right, pairs)

    def multiply(self, ciphertexts: list[bytes], scalars: list[int]) -> list[bytes]:
        return paillier.multiply_integers_public(self.public_key, ciphertexts, scalars)

    def repeat(self, ciphertexts: list[bytes], count: int) -> list[bytes]:
        return list(itertools.islice(itertools.cycle(ciphertexts), count))

    def rows(self, ciphertexts: list[bytes], num_rows: int) -> Any:
        num_columns = len(ciphertexts) // num_rows
        columns = [list(range(i, len(ciphertexts), num_columns)) for i in range(num_columns)]
        return ciphertexts, columns

    def sum_rows(self, rows: Any) -> list[bytes]:
        ciphertexts, columns = rows
        return paillier.add_blocks(self.public_key, ciphertexts, columns)

    def packing(self) -> Packing:
        batch = self.encrypt(list(range(64)))
        return Packing(1, sum(map(len, batch)) / len(batch))
