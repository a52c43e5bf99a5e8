"""What a library is asked to do. An adapter says how; the rest of the package knows no library."""

from __future__ import annotations

import abc
import functools
import itertools
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


class Adapter(abc.ABC):
    """A library with one key, made in the constructor. Batches are of the library's own types.

    What is done here already is for plaintexts that are integers, and batches that are lists of
    ciphertexts. Encoding to ``plaintexts`` and back to ``ints`` is not timed, nor are ``repeat``,
    ``rows`` and ``groups``, which only make operands. Constructors import their library.
    """

    packages: ClassVar[tuple[str, ...]]  # Their versions go into the report.
    # 16-bit values, summed over 100 addends, that one ciphertext holds.
    values_per_ciphertext = 1

    @abc.abstractmethod
    def __init__(self, key_bits: int, num_threads: int) -> None: ...

    def plaintexts(self, values: list[int]) -> Any:
        return values

    def ints(self, decrypted: Any) -> list[int]:
        return [int(value) for value in decrypted]

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
    def num_bytes(self, ciphertexts: Any) -> int:
        """What a batch has on its way."""

    def repeat(self, ciphertexts: Any, count: int) -> Any:
        """A batch of ``count`` ciphertexts that goes through the given ones again and again."""
        return list(itertools.islice(itertools.cycle(ciphertexts), count))

    def rows(self, ciphertexts: Any, num_rows: int) -> Any:
        """The batch as ``num_rows`` vectors, one after another, in the form ``sum_rows`` takes."""
        num_columns = len(ciphertexts) // num_rows
        return [ciphertexts[i * num_columns :][:num_columns] for i in range(num_rows)]

    def groups(self, labels: NDArray[np.integer], num_groups: int) -> Any:
        """Labels, a row for each ciphertext, in the form ``group_sum`` takes."""
        return labels

    def sum_rows(self, rows: Any) -> Any:
        """The sum of the vectors, a batch as long as one of them."""
        return functools.reduce(self.add, rows)

    # ---- what only some libraries do ----

    def encrypt_owner(self, plaintexts: Any) -> Any:
        """With the secret key, where that is faster."""
        raise NotImplementedError

    def make_pool(self, count: int) -> Any:
        """Randomness for ``count`` encryptions, made ahead and not timed."""
        raise NotImplementedError

    def encrypt_from_pool(self, plaintexts: Any, pool: Any) -> Any:
        raise NotImplementedError

    def group_sum(self, ciphertexts: Any, groups: Any, num_groups: int) -> Any:
        """Sums of each group in each grouping, one grouping after the other.

        Args:
            ciphertexts: a batch.
            groups: what :meth:`groups` made of a numpy array of integers below num_groups, one row
                for each ciphertext and one column for each grouping. Every group has some rows.
            num_groups: of each grouping.
        """
        raise NotImplementedError

    def kernel(self) -> str | None:
        """The instruction set the library says it runs on."""
        return None

    def nature(self) -> dict[str, Any]:
        """What else the report says of the library."""
        batch = self.encrypt(self.plaintexts(list(range(64))))
        return {
            "values_per_ciphertext": self.values_per_ciphertext,
            "bytes_per_ciphertext": self.num_bytes(batch) / 64,
        }
