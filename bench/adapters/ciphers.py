"""Other libraries of Paillier's encryption and its like."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.adapter import Adapter

Labels = NDArray[np.integer]


class Phe(Adapter):
    """python-paillier with gmpy2. It has no batches: a list comprehension is its best."""

    packages = ("phe", "gmpy2")

    def __init__(self, key_bits: int, num_threads: int) -> None:
        from phe import paillier

        self.public_key, self.secret_key = paillier.generate_paillier_keypair(n_length=key_bits)

    def encrypt(self, plaintexts: Any) -> Any:
        return [self.public_key.encrypt(value) for value in plaintexts]

    def decrypt(self, ciphertexts: Any) -> Any:
        return [self.secret_key.decrypt(c) for c in ciphertexts]

    def add(self, left: Any, right: Any) -> Any:
        return [a + b for a, b in zip(left, right, strict=True)]

    def multiply(self, ciphertexts: Any, scalars: Any) -> Any:
        return [c * scalar for c, scalar in zip(ciphertexts, scalars, strict=True)]

    def groups(self, labels: Labels, num_groups: int) -> Any:
        return (labels + num_groups * np.arange(labels.shape[1])).tolist()

    def group_sum(self, ciphertexts: Any, groups: Any, num_groups: int) -> Any:
        sums = [0] * (num_groups * len(groups[0]))
        for ciphertext, row in zip(ciphertexts, groups, strict=True):
            for position in row:
                sums[position] = ciphertext + sums[position]
        return sums

    def num_bytes(self, ciphertexts: Any) -> int:
        return sum((c.ciphertext().bit_length() + 7) // 8 for c in ciphertexts)  # No wire format.


class PyPaillier(Adapter):
    """Rust over GMP, batches as lists of bytes."""

    packages = ("pypaillier",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        import paillier

        self.library = paillier
        pair = paillier.generate_keypair(key_bits)  # Safe primes; no way to keep a key.
        self.public_key, self.secret_key = pair
        if isinstance(self.public_key, paillier.SecretKey):
            self.secret_key, self.public_key = pair

    def encrypt(self, plaintexts: Any) -> Any:
        return self.library.encrypt_integers(self.public_key, plaintexts)

    def decrypt(self, ciphertexts: Any) -> Any:
        return self.library.decrypt_many(self.secret_key, ciphertexts)

    def add(self, left: Any, right: Any) -> Any:
        pairs = [[i, i + len(left)] for i in range(len(left))]
        return self.library.add_blocks(self.public_key, left + right, pairs)

    def multiply(self, ciphertexts: Any, scalars: Any) -> Any:
        return self.library.multiply_integers_public(self.public_key, ciphertexts, scalars)

    def rows(self, ciphertexts: Any, num_rows: int) -> Any:
        num_columns = len(ciphertexts) // num_rows
        columns = [list(range(i, len(ciphertexts), num_columns)) for i in range(num_columns)]
        return ciphertexts, columns

    def sum_rows(self, rows: Any) -> Any:
        return self.library.add_blocks(self.public_key, *rows)

    def groups(self, labels: Labels, num_groups: int) -> Any:
        """The rows of each group."""
        columns = labels.T
        return [
            np.flatnonzero(one == group).tolist() for one in columns for group in range(num_groups)
        ]

    def group_sum(self, ciphertexts: Any, groups: Any, num_groups: int) -> Any:
        return self.library.add_blocks(self.public_key, ciphertexts, groups)

    def num_bytes(self, ciphertexts: Any) -> int:
        return sum(map(len, ciphertexts))


class Fate(Adapter):
    """fate_utils of FATE: vectors of ciphertexts in Rust.

    Its pack_floats takes no negative values, so that model updates go one to a ciphertext.
    """

    packages = ("fate_utils",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        from fate_utils import paillier

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
        total = self.add(rows[0], rows[1])
        for row in rows[2:]:
            total.iadd(self.public_key, row)
        return total

    def groups(self, labels: Labels, num_groups: int) -> Any:
        return (labels + num_groups * np.arange(labels.shape[1])).tolist()

    def group_sum(self, ciphertexts: Any, groups: Any, num_groups: int) -> Any:
        sums = ciphertexts.zeros(num_groups * len(groups[0]))
        sums.iupdate(ciphertexts, groups, 1, self.public_key)
        return sums

    def num_bytes(self, ciphertexts: Any) -> int:
        return len(pickle.dumps(ciphertexts))


class ZPaillier(Adapter):
    """HEU of SecretFlow: its numpy interface, here with Paillier."""

    packages = ("sf-heu",)
    schema: str = "ZPaillier"

    def __init__(self, key_bits: int, num_threads: int) -> None:
        from heu import numpy as hnp
        from heu import phe

        self.kit = hnp.setup(getattr(phe.SchemaType, self.schema), key_bits)
        self.encoder = self.kit.integer_encoder(scale=1)
        self.encryptor = self.kit.encryptor()
        self.decryptor = self.kit.decryptor()
        self.evaluator = self.kit.evaluator()
        pairs = self.kit.array(np.zeros((64, 2), np.int64), self.kit.batch_integer_encoder())
        self.values_per_ciphertext = 128 // pairs.size

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
        return ciphertexts, np.arange(ciphertexts.size).reshape(num_rows, -1).T.tolist()

    def sum_rows(self, rows: Any) -> Any:
        return self.evaluator.batch_select_sum(*rows)

    def groups(self, labels: Labels, num_groups: int) -> Any:
        return np.ascontiguousarray(labels, np.int8)

    def group_sum(self, ciphertexts: Any, groups: Any, num_groups: int) -> Any:
        everyone = np.ones(len(groups), np.int8)
        sums = self.evaluator.batch_feature_wise_bucket_sum(
            ciphertexts, [everyone], groups, num_groups, False
        )
        return sums[0]

    def num_bytes(self, ciphertexts: Any) -> int:
        return len(ciphertexts.serialize())


class OkamotoUchiyama(ZPaillier):
    """HEU with another scheme."""

    schema = "OU"
