"""HEU of SecretFlow: its numpy interface, with Paillier (ZPaillier) and with OU."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from heu import numpy as hnp
from heu import phe

from peers.adapter import Adapter, Packing


class Heu(Adapter):
    packages = ("sf-heu",)
    schema: ClassVar[Any]

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self.kit = hnp.setup(self.schema, key_bits)
        self.encoder = self.kit.integer_encoder(scale=1)
        self.encryptor = self.kit.encryptor()
        self.decryptor = self.kit.decryptor()
        self.evaluator = self.kit.evaluator()

    def plaintexts(self, values: list[int]) -> Any:
        return self.kit.array(np.array(values, np.int64), self.encoder)

    def ints(self, decrypted: Any) -> list[int]:
        return decrypted.to_numpy(self.encoder).reshape(-1).tolist()

    def encrypt(self, plaintexts: Any) -> Any:
        return self.encryptor.encrypt(plaintexts)

    def decrypt(self, ciphertexts: Any) -> Any:
        return self.decryptor.decrypt(ciphertexts)

    def add(self, left: Any, right: Any) -> Any:
        return self.evaluator.add(left, right)

    def multiply(self, ciphertexts: Any, scalars: Any) -> Any:
        return self.evaluator.mul(ciphertexts, scalars)

    def repeat(self, ciphertexts: Any, count: int) -> Any:
        return ciphertexts[np.resize(np.arange(ciphertexts.size), count).tolist()]

    def rows(self, ciphertexts: Any, num_rows: int) -> Any:
        positions = np.arange(ciphertexts.size).reshape(num_rows, -1)
        return ciphertexts, positions.T.tolist()

    def sum_rows(self, rows: Any) -> Any:
        ciphertexts, columns = rows
        return self.evaluator.batch_select_sum(ciphertexts, columns)

    def packing(self) -> Packing:
        batch = self.encrypt(self.plaintexts(list(range(64))))
        pairs = self.kit.array(np.zeros((64, 2), np.int64), self.kit.batch_integer_encoder())
        return Packing(128 // pairs.size, len(batch.serialize()) / 64)


class ZPaillier(Heu):
    schema = phe.SchemaType.ZPaillier


class OkamotoUchiyama(Heu):
    schema = phe.SchemaType.OU
