"""Vectors of floats by other libraries: encrypted, and multiplied by a plain vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bench.floats import FloatAdapter


class LightPhe(FloatAdapter):
    """LightPHE: five digits, by a pool of processes for each encryption."""

    packages = ("lightphe",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        from lightphe import LightPHE

        self.scheme = LightPHE(algorithm_name="Paillier", key_size=key_bits)

    def encrypt(self, values: list[float]) -> Any:
        return self.scheme.encrypt(values, silent=True)

    def dot(self, encrypted: Any, weights: list[float]) -> Any:
        return encrypted @ weights

    def decrypt(self, encrypted: Any) -> list[float]:
        return list(map(float, self.scheme.decrypt(encrypted)))


class Phe(FloatAdapter):
    """python-paillier with gmpy2. It has no arrays, and keeps all digits of a float."""

    packages = ("phe", "gmpy2")

    def __init__(self, key_bits: int, num_threads: int) -> None:
        from phe import paillier

        self.public_key, self.secret_key = paillier.generate_paillier_keypair(n_length=key_bits)

    def encrypt(self, values: list[float]) -> Any:
        return [self.public_key.encrypt(value) for value in values]

    def dot(self, encrypted: Any, weights: list[float]) -> Any:
        return [sum(c * weight for c, weight in zip(encrypted, weights, strict=True))]

    def decrypt(self, encrypted: Any) -> list[float]:
        return [float(self.secret_key.decrypt(c)) for c in encrypted]


class PyPaillier(FloatAdapter):
    """Eight digits, the scale in each ciphertext. The plain vector may be public."""

    packages = ("pypaillier",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        import paillier

        self.library = paillier
        pair = paillier.generate_keypair(key_bits)
        self.public_key, self.secret_key = pair
        if isinstance(self.public_key, paillier.SecretKey):
            self.secret_key, self.public_key = pair

    def encrypt(self, values: list[float]) -> Any:
        return self.library.encrypt_many(self.public_key, values)

    def dot(self, encrypted: Any, weights: list[float]) -> Any:
        products = self.library.multiply_many_public(self.public_key, encrypted, weights)
        return [self.library.add_many(self.public_key, products)]

    def decrypt(self, encrypted: Any) -> list[float]:
        return [self.library.decrypt(self.secret_key, c) for c in encrypted]


class Heu(FloatAdapter):
    """HEU's numpy interface, which multiplies by a plain matrix; encoded to six digits."""

    packages = ("sf-heu",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        from heu import numpy as hnp
        from heu import phe

        self.kit = hnp.setup(phe.SchemaType.ZPaillier, key_bits)
        self.scale = 10**6
        self.encoder = self.kit.float_encoder(self.scale)
        self.product_encoder = self.kit.float_encoder(self.scale**2)
        self.encryptor = self.kit.encryptor()
        self.decryptor = self.kit.decryptor()
        self.evaluator = self.kit.evaluator()

    def encrypt(self, values: list[float]) -> Any:
        return self.encryptor.encrypt(self.kit.array(np.array([values]), self.encoder))

    def dot(self, encrypted: Any, weights: list[float]) -> Any:
        column = self.kit.array(np.array(weights).reshape(-1, 1), self.encoder)
        return self.evaluator.matmul(encrypted, column)

    def decrypt(self, encrypted: Any) -> list[float]:
        size = math.prod((encrypted.rows, encrypted.cols))
        encoder = self.encoder if size > 1 else self.product_encoder
        return list(self.decryptor.decrypt(encrypted).to_numpy(encoder).reshape(-1).tolist())
