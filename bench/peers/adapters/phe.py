"""phe (python-paillier) with gmpy2. It has no batches: a list comprehension is its best."""

from __future__ import annotations

import itertools
from typing import Any

from phe import EncryptedNumber, paillier

from peers.adapter import Adapter, Packing


class Phe(Adapter):
    packages = ("phe", "gmpy2")

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self.public_key, self.secret_key = paillier.generate_paillier_keypair(n_length=key_bits)

    def plaintexts(self, values: list[int]) -> list[int]:
        return values

    def ints(self, decrypted: list[int]) -> list[int]:
        return decrypted

    def encrypt(self, plaintexts: list[int]) -> list[EncryptedNumber]:
        return [self.public_key.encrypt(value) for value in plaintexts]

    def decrypt(self, ciphertexts: list[EncryptedNumber]) -> list[int]:
        return [self.secret_key.decrypt(c) for c in ciphertexts]

    def add(
        self, left: list[EncryptedNumber], right: list[EncryptedNumber]
    ) -> list[EncryptedNumber]:
        return [a + b for a, b in zip(left, right, strict=True)]

    def multiply(
        self, ciphertexts: list[EncryptedNumber], scalars: list[int]
    ) -> list[EncryptedNumber]:
        return [c * scalar for c, scalar in zip(ciphertexts, scalars, strict=True)]

    def repeat(self, ciphertexts: list[EncryptedNumber], count: int) -> list[EncryptedNumber]:
        return list(itertools.islice(itertools.cycle(ciphertexts), count))

    def rows(
        self, ciphertexts: list[EncryptedNumber], num_rows: int
    ) -> list[list[EncryptedNumber]]:
        num_columns = len(ciphertexts) // num_rows
        return [ciphertexts[i * num_columns :][:num_columns] for i in range(num_rows)]

    def sum_rows(self, rows: list[list[EncryptedNumber]]) -> list[EncryptedNumber]:
        total = rows[0]
        for row in rows[1:]:
            total = self.add(total, row)
        return total

    def packing(self) -> Packing:
        batch: list[Any] = self.encrypt(list(range(64)))
        size = sum((c.ciphertext().bit_length() + 7) // 8 for c in batch)  # It has no wire format.
        return Packing(1, size / len(batch))
