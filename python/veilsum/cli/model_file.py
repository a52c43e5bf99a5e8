"""Models in files of numpy, as people save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilsum.durable import open_file
from veilsum.errors import MalformedDataError

__all__ = ["read_model"]


def read_model(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name, in its order; that of an .npy file under no name.

    Raises:
        MalformedDataError: it is no such file. Nothing in it is unpickled.
        OSError: it cannot be read.
    """
    try:
        with open_file(path, what="a file of numpy") as file:
            loaded = np.load(file, allow_pickle=False)
            return {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded.items())
    # A damaged file makes numpy raise whatever its readers of zip files and headers do.
    except OSError:
        raise
    except Exception as error:
        raise MalformedDataError(
            f"{path} is no .npy or .npz file of plain arrays: {error}"
        ) from None
