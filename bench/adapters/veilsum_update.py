"""Workload W through veilsum's codec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import veilsum as vs
from numpy.typing import NDArray
from veilsum.schemes import packing
from veilsum.schemes.masking import Masking

from bench.workload import CLIP, MAX_ADDENDS, NOISE_SIGMA, VALUE_BITS, Pipeline, max_error


class PublicKeyPipeline(Pipeline):
    """Clients hold the public key only."""

    packages = ("veilsum",)

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self.secret_key = vs.generate_key(key_bits)
        self.public_key = self.secret_key.public_key
        self.encryption_key: vs.PublicKey | vs.SecretKey = self.public_key
        self.encryption_key.encrypt([0])  # Builds the key's table, which is made once.

    def kernel(self) -> str:
        return vs.cpu()["kernel"]

    def run(self, update: NDArray[np.float32], clock: Callable[[], float]) -> dict[str, Any]:
        codec = vs.Codec(len(update), clip=CLIP, value_bits=VALUE_BITS, max_addends=MAX_ADDENDS)
        accumulator = vs.Accumulator(codec, key=self.public_key)
        slots, _ = codec.quantise(update)  # Encrypted without the noise, to see the error of sums.
        before_noise = clock()
        vs.noise.add_discrete_gaussian(slots, NOISE_SIGMA)
        times = [clock()]
        plaintexts = packing.pack(codec, codec.quantise(update)[0], modulus=self.public_key.n)
        times.append(clock())
        vector = vs.EncryptedVector(self.encryption_key.encrypt(plaintexts), codec)
        data = vector.to_bytes()
        times.append(clock())
        accumulator.add(vs.EncryptedVector.from_bytes(data, self.public_key))
        added_first = clock()
        accumulator.add(vs.EncryptedVector.from_bytes(data, self.public_key))
        added = clock()
        total = codec.decrypt(accumulator.total, self.secret_key)
        opened = clock()
        seconds = {
            "encode": times[1] - times[0],
            "noise": times[0] - before_noise,
            "encrypt": times[2] - times[1],
            "add": added - added_first,
            "decrypt": opened - added,
        }
        error = max_error(total.values, update)
        return {"seconds": seconds, "bytes": len(data), "max_error": error}


class MaskedPipeline(PublicKeyPipeline):
    """Clients mask their vector and encrypt the key of the mask."""

    def run(self, update: NDArray[np.float32], clock: Callable[[], float]) -> dict[str, Any]:
        codec = vs.Codec(len(update), clip=CLIP, value_bits=VALUE_BITS, max_addends=MAX_ADDENDS)
        _ = Masking(codec, self.public_key).mask  # Builds its tables, which are made once.
        accumulator = vs.Accumulator(codec, key=self.public_key)
        start = clock()
        slots, _ = codec.quantise(update)
        quantised = clock()
        vs.noise.add_discrete_gaussian(slots, NOISE_SIGMA)
        with_noise = clock()
        vector = codec.encrypt(update, key=self.public_key, scheme="masked", context=b"W")
        data = vector.to_bytes()
        encrypted = clock()
        accumulator.add(vs.EncryptedVector.from_bytes(data, self.public_key))
        added_first = clock()
        accumulator.add(vs.EncryptedVector.from_bytes(data, self.public_key))
        added = clock()
        total = codec.decrypt(accumulator.total, self.secret_key)
        opened = clock()
        encode = quantised - start
        seconds = {
            "encode": encode,
            "noise": with_noise - quantised,
            "encrypt": encrypted - with_noise - encode,  # It quantised again.
            "add": added - added_first,
            "decrypt": opened - added,
        }
        error = max_error(total.values, update)
        return {"seconds": seconds, "bytes": len(data), "max_error": error}


class OwnerPipeline(PublicKeyPipeline):
    """Clients hold the secret key, as they do with NVFlare's CKKS."""

    def __init__(self, key_bits: int, num_threads: int) -> None:
        super().__init__(key_bits, num_threads)
        self.encryption_key = self.secret_key
        self.encryption_key.encrypt([0])
