"""What a library is asked to do. An adapter says how; the rest of the package knows no library."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple


class Packing(NamedTuple):
    """How many 16-bit values, summed over 100 addends, one ciphertext holds, and its bytes."""

    values_per_ciphertext: int
    bytes_per_ciphertext: float


class Adapter(abc.ABC):
    """A library with one key, made in the constructor. Batches are of the library's own types.

    Encoding to ``plaintexts`` and back to ``ints`` is not timed, nor are ``repeat`` and ``rows``,
    which only make operands.
    """

    packages: ClassVar[tuple[str, ...]]  # Their versions go into the report.

    @abc.abstractmethod
    def __init__(self, key_bits: int, num_threads: int) -> None: ...

    @abc.abstractmethod
    def plaintexts(self, values: list[int]) -> Any: ...

    @abc.abstractmethod
    def ints(self, decrypted: Any) -> list[int]: ...

    @abc.abstractmethod
    def encrypt(self, plaintexts: Any) -> Any:
        """With the public key."""

    @abc.abstractmethod
    def decrypt(self, ciphertexts: Any) -> Any: ...

    @abc.abstractmethod
    def add(self, left: Any, right: Any) -> Any:
        """Elementwise."""

    @abc.abstractmethod
    def multiply(self, ciphertexts: Any, scalars: Any) -> Any:
        """Elementwise, by ``plaintexts`` that may be taken as public."""

    @abc.abstractmethod
    def repeat(self, ciphertexts: Any, count: int) -> Any:
        """A batch of ``count`` ciphertexts that goes through the given ones again and again."""

    @abc.abstractmethod
    def rows(self, ciphertexts: Any, num_rows: int) -> Any:
        """The batch as ``num_rows`` vectors, one after another, in the form ``sum_rows`` takes."""

    @abc.abstractmethod
    def sum_rows(self, rows: Any) -> Any:
        """The sum of the vectors, a batch as long as one of them."""

    @abc.abstractmethod
    def packing(self) -> Packing: ...

    # ---- what only some libraries do ----

    def encrypt_owner(self, plaintexts: Any) -> Any:
        """With the secret key, where that is faster."""
        raise NotImplementedError

    def make_pool(self, count: int) -> Any:
        """Randomness for ``count`` encryptions, made ahead and not timed."""
        raise NotImplementedError

    def encrypt_from_pool(self, plaintexts: Any, pool: Any) -> Any:
        raise NotImplementedError

    def kernel(self) -> str | None:
        """The instruction set the library says it runs on."""
        return None
