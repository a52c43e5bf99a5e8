"""A study as bytes: JSON that people can read, the same bytes for the same study."""

import json
import os
from dataclasses import fields
from typing import Any

import numpy as np

from veilsum import arguments
from veilsum.durable import read_file, write_file
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.secure_sum import hash_model
from veilsum.stats.columns import Category, Flag, Number
from veilsum.stats.queries import Count, Covariance, Histogram, Mean, Quantiles, Sum, Variance
from veilsum.stats.study import Between, OneOf, Study
from veilsum.stats.survival import KaplanMeier, LogRank
from veilsum.wire import BytesLike, as_bytes

__all__ = ["load_study", "save_study", "study_from_bytes", "study_hash", "study_to_bytes"]

_VERSION = 1
_MAX_BYTES = 1 << 22
_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Number, Category, Flag, Between, OneOf),
        *(Count, Sum, Mean, Variance, Covariance, Histogram, Quantiles, KaplanMeier, LogRank),
    )
}


def study_to_bytes(asked: Study) -> bytes:
    """The study, in the one form that it has."""
    found = {"veilsum": "study", "version": _VERSION, **_shown(asked)}
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return text.encode() + b"\n"


def study_from_bytes(data: BytesLike) -> Study:
    """Read what ``study_to_bytes`` wrote, in this layout or another of the same JSON.

    Raises:
        MalformedDataError: it is no study.
    """
    text = as_bytes(data)
    if len(text) > _MAX_BYTES:
        raise MalformedDataError(f"a study has at most {_MAX_BYTES} bytes, and this {len(text)}")
    try:
        found = json.loads(text, object_pairs_hook=_once)
        if (found.pop("veilsum"), found.pop("version")) != ("study", _VERSION):
            raise MalformedDataError("study: another kind of file, or another version")
        for name in ("columns", "queries", "where"):
            found[name] = tuple(_made(each) for each in found[name])
        return Study(**found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, MalformedDataError):
            raise
        why = f": {error}" if isinstance(error, (InvalidArgumentError, TypeError)) else ""
        raise MalformedDataError(f"the bytes are no study{why}") from error


def study_hash(asked: Study) -> bytes:
    """What rounds announce in the place of a model: each party computes it for itself."""
    return hash_model([np.frombuffer(study_to_bytes(asked), np.uint8)], purpose="statistics")


def save_study(asked: Study, path: str | os.PathLike[str]) -> None:
    """Write a study to a new file.

    Raises:
        FileExistsError: there is something at ``path``.
    """
    arguments.instance("study", asked, Study)
    write_file(arguments.path("path", path), [study_to_bytes(asked)], private=False)


def load_study(path: str | os.PathLike[str]) -> Study:
    """Read a study from a file.

    Raises:
        MalformedDataError: it is none.
    """
    return study_from_bytes(
        read_file(arguments.path("path", path), max_bytes=_MAX_BYTES, what="a study")
    )


def _shown(value: object) -> dict[str, Any]:
    found = {}
    for field in fields(value):  # type: ignore[arg-type]
        each = getattr(value, field.name)
        if isinstance(each, tuple):
            each = [{"is": type(x).__name__, **_shown(x)} if _is_kind(x) else x for x in each]
        found[field.name] = each
    return found


def _is_kind(value: object) -> bool:
    return type(value).__name__ in _KINDS


def _made(found: dict[str, Any]) -> object:
    return _KINDS[found.pop("is")](**found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedDataError("study: a name is given twice")
    return found
