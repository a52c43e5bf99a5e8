"""What a site has answered without noise: which of its records were in which sum."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.durable import Database, DurableFile, MemoryDatabase, rows_of
from veilsum.errors import LedgerError, PolicyRefusedError
from veilsum.stats.overlaps import CellsOf, smallest_difference
from veilsum.stats.parts import Part
from veilsum.stats.study import Study
from veilsum.stats.study_file import study_hash

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Answered"]

_SCHEMA = """
    CREATE TABLE site (version INTEGER NOT NULL, key BLOB NOT NULL);
    CREATE TABLE answered (
        study BLOB NOT NULL, part INTEGER NOT NULL, num_cells INTEGER NOT NULL,
        run INTEGER NOT NULL, names BLOB NOT NULL, cells BLOB NOT NULL
    );
"""
_WHAT = "record of answers"
_VERSION = 1
_NAME_BYTES = 8
_COLUMNS = "num_cells, run, names, cells"


class Answered:
    """The sets of records that a site's answers without noise were sums of.

    Of each record it keeps a keyed hash of its id, and the cell that it was in; it stays with the
    site. Keep it where only the site writes, and never put back an older copy: what it has
    forgotten it cannot compare.
    """

    def __init__(self, database: Database) -> None:
        """Not for callers: use ``create``, ``open`` or ``in_memory``."""
        self._database = database

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Answered:
        """Make a record, of a site that has answered nothing yet; readable by its owner only.

        Raises:
            FileExistsError: there is something already.
        """
        path = arguments.path("path", path)
        return cls(DurableFile.create(path, schema=_SCHEMA, what=_WHAT, fill=_filled))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Answered:
        """Go on with a record that was made before.

        Raises:
            LedgerError: there is none at ``path``, or the file is another thing. A missing record
                is never made anew: that would forget what was answered.
        """
        found = cls(DurableFile(arguments.path("path", path), what=_WHAT))
        with found._database.transaction() as connection:
            found._key(connection)
        return found

    @classmethod
    def in_memory(cls) -> Answered:
        """A record that ends with the process: for simulations."""
        return cls(MemoryDatabase(schema=_SCHEMA, fill=_filled))

    def check_and_add(
        self, study: Study, ids: NDArray[np.str_], cells: Mapping[Part, CellsOf]
    ) -> None:
        """Record what a study is about to be told, durably, unless it would tell too much.

        Args:
            study: that is answered.
            ids: of its records.
            cells: of them, for each part of the study's vector.

        Raises:
            PolicyRefusedError: a set of records differs from one that was summed before by fewer
                than ``min_count`` records. Nothing is recorded.
            LedgerError: the record is damaged, or cannot be written.
        """
        with self._database.transaction() as connection:
            names = _hashed(ids, self._key(connection))
            order = np.argsort(names)
            names = names[order]
            for before, num_cells, run, known in self._before(connection):
                for part, found in cells.items():
                    one = found._replace(cells=found.cells[order])
                    self._check(study, part, names, one, before, CellsOf(known, num_cells, run))
            name = study_hash(study)
            for i, found in enumerate(cells.values()):
                of_part = found.cells[order]
                row = (name, i, found.num_cells, found.run, names.tobytes(), of_part.tobytes())
                same = "SELECT 1 FROM answered WHERE names = ? AND cells = ?"
                if connection.execute(same, row[-2:]).fetchone() is None:
                    connection.execute("INSERT INTO answered VALUES (?, ?, ?, ?, ?, ?)", row)

    def _check(
        self,
        study: Study,
        part: Part,
        names: NDArray[np.uint64],
        found: CellsOf,
        before: NDArray[np.uint64],
        known: CellsOf,
    ) -> None:
        every = np.union1d(names, before)
        both = []
        for own, cells in ((names, found), (before, known)):
            spread = np.full(len(every), -1, np.int64)
            spread[np.searchsorted(every, own)] = cells.cells
            both.append(cells._replace(cells=spread))
        smallest = smallest_difference(*both, fewest=study.min_count)
        if smallest is not None:
            raise PolicyRefusedError(
                f"this site has answered a study whose sums differ from those of "
                f"{', '.join(part.columns) or 'all records'} by {smallest} of its records, fewer "
                f"than min_count, {study.min_count}: both together would tell about these few. "
                "Nothing was sent. Ask for the same records as before, or for a study with noise"
            )

    def _key(self, connection: sqlite3.Connection) -> bytes:
        rows = rows_of(connection, "SELECT version, key FROM site")
        if len(rows) != 1 or rows[0][0] != _VERSION or not isinstance(rows[0][1], bytes):
            raise LedgerError(f"{self._database.name} is no record of answers of this version")
        return rows[0][1]

    def _before(
        self, connection: sqlite3.Connection
    ) -> list[tuple[NDArray[np.uint64], int, int, NDArray[np.int64]]]:
        found = []
        for num_cells, run, names, cells in rows_of(connection, f"SELECT {_COLUMNS} FROM answered"):
            is_whole = (
                isinstance(names, bytes)
                and isinstance(cells, bytes)
                and len(names) == len(cells)
                and len(names) % _NAME_BYTES == 0
                and isinstance(num_cells, int)
                and isinstance(run, int)
                and num_cells >= run >= 1
                and num_cells % run == 0
            )
            if is_whole:
                of_records = np.frombuffer(cells, np.int64)
                is_whole = bool(((of_records >= -1) & (of_records < num_cells)).all())
            if not is_whole:
                raise LedgerError(f"the record {self._database.name} is damaged")
            found.append((np.frombuffer(names, np.uint64), num_cells, run, of_records))
        return found

    def __repr__(self) -> str:
        return f"<Answered: {self._database.name}>"


def _hashed(ids: NDArray[np.str_], key: bytes) -> NDArray[np.uint64]:
    """Names that mean nothing elsewhere; two records share one with a chance of 2**-64."""
    hashes = (
        hashlib.blake2b(name.encode(), digest_size=_NAME_BYTES, key=key).digest()
        for name in ids.tolist()
    )
    return np.frombuffer(b"".join(hashes), np.uint64)


def _filled(connection: sqlite3.Connection) -> object:
    return connection.execute("INSERT INTO site VALUES (?, ?)", (_VERSION, secrets.token_bytes(32)))
