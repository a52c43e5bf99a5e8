"""veilsum's encrypted floats, by the same rules."""

from __future__ import annotations

import veilsum as vs

from bench.floats import FloatAdapter


class Floats(FloatAdapter):
    """Nine digits, and all bits of the plain vector, whose values its time does not tell."""

    packages = ("veilsum",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self.secret_key = vs.generate_key(key_bits)
        self.public_key = self.secret_key.public_key

    def kernel(self) -> str:
        return vs.cpu()["kernel"]

    def encrypt(self, values: list[float]) -> vs.EncryptedFloats:
        return self.public_key.encrypt_floats(values)

    def dot(self, encrypted: vs.EncryptedFloats, weights: list[float]) -> vs.EncryptedFloats:
        return encrypted @ weights

    def decrypt(self, encrypted: vs.EncryptedFloats) -> list[float]:
        found: list[float] = self.secret_key.decrypt_floats(encrypted).tolist()
        return found
