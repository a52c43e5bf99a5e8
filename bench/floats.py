"""A vector of floats, encrypted, and its dot product with a plain one: what an embedding needs.

An adapter does it by the library's own arrays of floats, in its default precision. Values are
positive, because LightPHE refuses others.
"""

from __future__ import annotations

import abc
import functools
import random
from collections.abc import Callable
from typing import Any, ClassVar

from bench.operations import Call

NUM_FLOATS = 128
TOLERANCE = 1e-3  # Of a dot product of unit vectors. Beyond it a library is wrong, not coarse.


class FloatAdapter(abc.ABC):
    """A library with one key, made in the constructor, which imports the library."""

    packages: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def __init__(self, key_bits: int, num_threads: int) -> None: ...

    @abc.abstractmethod
    def encrypt(self, values: list[float]) -> Any:
        """With the public key."""

    @abc.abstractmethod
    def dot(self, encrypted: Any, weights: list[float]) -> Any:
        """One encrypted float."""

    @abc.abstractmethod
    def decrypt(self, encrypted: Any) -> list[float]:
        """A vector, or the one of a dot product."""

    def kernel(self) -> str | None:
        """The instruction set the library says it runs on."""
        return None

    def nature(self) -> dict[str, Any]:
        """What else the report says: how far off a dot product is."""
        return {"dot_error": product_error(self.decrypt(self.dot(operand(self), weights())))}


def _unit(seed: int) -> list[float]:
    generator = random.Random(seed)
    found = [generator.uniform(0.01, 1) for _ in range(NUM_FLOATS)]
    norm = _dot(found, found) ** 0.5
    return [value / norm for value in found]


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def values() -> list[float]:
    """What is encrypted: of norm 1, all positive."""
    return _unit(1)


def weights() -> list[float]:
    """What it is multiplied by: the same of others."""
    return _unit(2)


@functools.lru_cache(maxsize=1)
def operand(adapter: FloatAdapter) -> Any:
    """The values, encrypted once: that takes LightPHE seconds."""
    return adapter.encrypt(values())


def product_error(found: list[float]) -> float:
    """How far off the product of values and weights is; ValueError unless it is one number."""
    [product] = found
    return abs(product - _dot(values(), weights()))


def _encrypt(adapter: FloatAdapter) -> Call:
    return Call(lambda _: adapter.encrypt(values()), [])


def _multiply(adapter: FloatAdapter) -> Call:
    encrypted = operand(adapter)
    return Call(lambda _: adapter.dot(encrypted, weights()), [])


def _decrypt(adapter: FloatAdapter) -> Call:
    product = adapter.dot(operand(adapter), weights())
    return Call(lambda _: adapter.decrypt(product), [], decrypts=True)


# By name: the title, and what makes the call.
FLOAT_OPERATIONS: dict[str, tuple[str, Callable[[FloatAdapter], Call]]] = {
    "encrypt_floats": (f"encrypt\n{NUM_FLOATS} floats", _encrypt),
    "dot_floats": ("dot with\nplain ones", _multiply),
    "decrypt_float": ("decrypt\nthe product", _decrypt),
}


def check_floats(adapter: FloatAdapter, operation: str) -> Call:
    """The call, run once: what comes of it must be the dot product, else ValueError."""
    call = FLOAT_OPERATIONS[operation][1](adapter)
    result = call.run(call.prepare())
    if operation == "encrypt_floats":  # Not all of them decrypted: LightPHE takes a minute.
        result = adapter.dot(result, weights())
    if not product_error(result if call.decrypts else adapter.decrypt(result)) <= TOLERANCE:
        raise ValueError("wrong results: they do not decrypt to what they should")
    return call
