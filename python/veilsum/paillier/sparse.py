"""Products with sparse matrices: stored entries cost, and columns without any an encryption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import InvalidArgumentError
from veilsum.paillier.groups import MOST_GROUPS

if TYPE_CHECKING:
    from veilsum.paillier.ciphertexts import Ciphertexts

__all__ = ["is_sparse", "sparse_product"]

# Of products at a time: 8 MiB of ciphertexts at 2048 bits, and some times that in between.
_ENTRIES_PER_PIECE = 2**14


@dataclass(frozen=True)
class _Entries:
    """Stored entries, sorted by column."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.integer[Any]]  # Of 64 bits.
    num_columns: int


def is_sparse(matrix: object) -> bool:
    """Whether it is a scipy.sparse matrix or array, which this package never imports."""
    return all(hasattr(matrix, name) for name in ("tocoo", "nnz", "shape", "dtype"))


def sparse_product(c: Ciphertexts, matrix: Any, cure: str) -> Ciphertexts:
    """The product of a vector, or of a matrix that stands on end, of as many rows as ``matrix``.

    In pieces, so that memory does not grow with the entries: the products of a piece are added up
    column by column, and what is left of each column at the end. Each piece has the longest entry
    of all beside it, so that its time does not tell its own longest.

    Args:
        c: ``c @ matrix`` is wanted, transposed.
        matrix: of integers.
        cure: what whoever passed floats should do instead.

    Raises:
        TypeError: entries that are no integers.
        InvalidArgumentError: shapes that do not fit, or more than 2**20 columns.
    """
    entries = _read(matrix, c.shape[0], cure)
    if entries.num_columns == 0:
        return c[:0]
    parts, columns = [c[:0]], [np.zeros(0, np.int64)]
    num_vectors = c.shape[1] if c.ndim == 2 else 1
    size = max(1, _ENTRIES_PER_PIECE // max(1, num_vectors))
    for begin in range(0, entries.values.size, size):
        piece = slice(begin, begin + size)
        present, groups = np.unique(entries.columns[piece], return_inverse=True)
        rows = np.append(entries.rows[piece], entries.rows[0])
        scalars = np.append(entries.values[piece], _longest(entries.values))
        products = c[rows] * (scalars if c.ndim == 1 else scalars[:, None])
        counts = np.arange(rows.size) < rows.size - 1
        parts.append(products.group_sum(np.append(groups, 0), present.size, where=counts))
        columns.append(present)
    return c.concatenate(parts).group_sum(np.concatenate(columns), entries.num_columns)


def _read(matrix: Any, num_rows: int, cure: str) -> _Entries:
    shape = tuple(matrix.shape)
    if len(shape) != 2 or shape[0] != num_rows:
        raise InvalidArgumentError(
            f"a sparse matrix of shape {shape} does not fit {num_rows} rows of ciphertexts: it "
            f"must have the shape ({num_rows}, columns)"
        )
    if shape[1] > MOST_GROUPS:
        raise InvalidArgumentError(
            f"a sparse matrix has at most 2**20 columns here, not {shape[1]}: multiply some of its "
            "columns at a time"
        )
    stored = matrix.tocoo()
    values, rows, columns = (np.asarray(part) for part in (stored.data, stored.row, stored.col))
    if values.dtype.kind not in "iu":
        hint = f"; {cure}" if values.dtype.kind in "fc" else ""
        raise TypeError(f"expected integers, got a sparse matrix of {values.dtype}{hint}")
    # What is written into a matrix of scipy nobody has looked at.
    for name, places, size in (("row", rows, shape[0]), ("column", columns, shape[1])):
        if places.size and not 0 <= int(places.min()) <= int(places.max()) < size:
            raise InvalidArgumentError(f"the sparse matrix has an entry in a {name} outside it")
    order = np.argsort(columns, kind="stable")
    return _Entries(
        rows=rows[order].astype(np.int64),
        columns=columns[order].astype(np.int64),
        values=values[order].astype(np.uint64 if values.dtype.kind == "u" else np.int64),
        num_columns=shape[1],
    )


def _longest(values: NDArray[Any]) -> Any:
    lowest, highest = values.min(), values.max()
    return lowest if -int(lowest) > int(highest) else highest
