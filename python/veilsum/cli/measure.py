"""``veilsum measure``: how large an update is, and what clip and norm bound it suggests."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from veilsum.cli.model_file import read_model
from veilsum.cli.words import one_line
from veilsum.errors import InvalidArgumentError
from veilsum.measure import measure_updates

__all__ = ["measure"]


def measure(
    before: Annotated[
        Path, typer.Argument(help="The model before training: a file of numpy, .npy or .npz.")
    ],
    after: Annotated[
        list[Path], typer.Argument(help="The model after it, of one or of several contributors.")
    ],
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell how large updates are, before a federation is dealt: for --clip and --norm-bound.

    The figures are about the data that the models were trained on. Agree on rounded numbers, and
    send nothing else.
    """
    with one_line("measure"):
        start = _read(before)
        updates = [_change(start, _read(path), path) for path in after]
        found = measure_updates(updates)
    if json_output:
        facts = {**asdict(found), "suggested_clip": found.suggested_clip}
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(str(found))


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of floats in a file, by name."""
    arrays = read_model(path)
    floats = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
    if not floats:
        raise InvalidArgumentError(f"{path} has no array of floats")
    return floats


def _change(
    start: dict[str, NDArray[Any]], end: dict[str, NDArray[Any]], path: Path
) -> list[NDArray[Any]]:
    shapes = [{name: array.shape for name, array in model.items()} for model in (start, end)]
    if shapes[0] != shapes[1]:
        raise InvalidArgumentError(
            f"{path} has arrays of other names or shapes than the first file"
        )
    with np.errstate(over="ignore"):  # Infinite changes are refused, as those in the files are.
        return [end[name].astype(np.float64) - start[name] for name in start]
