"""Tables in CSV files, read by what a study declares of their columns."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum.durable import read_file
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.stats import Category, Flag, Study

__all__ = ["read_table"]

_MAX_BYTES = 1 << 30
_MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
_YES_AND_NO = {"1": "1", "yes": "1", "true": "1", "0": "0", "no": "0", "false": "0"}


def read_table(path: Path, study: Study, ids: str) -> dict[str, NDArray[Any]]:
    """The columns of a CSV file that a study needs, and that of the ids, by name.

    The first line has the names of columns. Empty fields and the usual words for it are missing.

    Raises:
        MalformedDataError: it is no CSV file in UTF-8 with such columns.
        InvalidArgumentError: a value is of another kind than its column.
    """
    data = read_file(path, max_bytes=_MAX_BYTES, what="a table")
    try:
        text = data.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedDataError(f"{path} is no CSV file in UTF-8: {error}") from None
    if not rows:
        raise MalformedDataError(f"{path} is empty: its first line must name the columns")
    head, *rows = [row for row in rows if row]
    for line, row in enumerate(rows, start=2):
        if len(row) != len(head):
            raise MalformedDataError(
                f"{path}: record {line - 1} has {len(row)} fields, and there are {len(head)} "
                "columns"
            )
    wanted = [column.name for column in study.columns]
    for name in (*wanted, ids):
        if head.count(name) != 1:
            raise MalformedDataError(f"{path} has {head.count(name)} columns named {name!r}")
    texts = {name: [row[head.index(name)].strip() for row in rows] for name in (*wanted, ids)}
    found: dict[str, NDArray[Any]] = {ids: np.array(texts[ids], str)}
    for column in study.columns:
        values = np.array(texts[column.name], str)
        is_missing = np.isin(values, _MISSING)
        if isinstance(column, Category):
            words = values.astype(object)
            words[is_missing] = None
            found[column.name] = words
            continue
        if isinstance(column, Flag):
            known = [_YES_AND_NO.get(text.lower(), text) for text in values.tolist()]
            values = np.array(known, str)
        try:
            found[column.name] = np.where(is_missing, "nan", values).astype(np.float64)
        except ValueError:
            raise InvalidArgumentError(
                f"{path}: column {column.name!r} has values that are no numbers"
            ) from None
    return found
