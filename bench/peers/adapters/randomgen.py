"""randomgen's ciphers as generators below numpy's floating-point normal and Laplace."""

from __future__ import annotations

from typing import Any

import randomgen

from peers.adapters.numpy_noise import NumpyNoise


class Aes(NumpyNoise):
    packages = ("randomgen",)
    remark = "floats as numpy's; AES-128 in counter mode, but keyed through a seed, never rekeyed"

    def bit_generator(self) -> Any:
        return randomgen.AESCounter()


class ChaCha(NumpyNoise):
    packages = ("randomgen",)
    remark = "floats as numpy's; ChaCha20, but keyed through a seed, never rekeyed"

    def bit_generator(self) -> Any:
        return randomgen.ChaCha()
