"""What the demo learns: four tasks, with settings found by trying on the same test images.

Trying costs privacy too, and that cost is not in the epsilons; a real federation would set these
from public data.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import veilsum as vs

from .data import Dataset
from .experiments import Task
from .models import Labels, softmax_regression, two_hidden_layers
from .partition import Part, iid, two_digit_shards


def large(data: Dataset, *, num_clients: int, two_digits: bool, seed: int) -> Task:
    """The 2NN of McMahan et al. 2017, Table 1: a tenth of the clients, one epoch, batches of 10."""
    rng = np.random.default_rng(seed)
    if two_digits:
        parts = two_digit_shards(data.train_labels, num_clients, rng)
    else:
        parts = iid(len(data.train_labels), num_clients, rng)
    task = _task(
        "2NN, two digits a client" if two_digits else "2NN, mixed digits",
        data,
        parts,
        fraction=0.1,
        momentum=0.8 if two_digits else 0.5,
    )
    model = two_hidden_layers(data.train_images.shape[1], data.num_classes)
    # Changes of a round stay below 0.4; 12 bits cost no round against float32.
    codec = vs.Codec(model.num_parameters, clip=0.5, value_bits=12, max_addends=task.num_per_round)
    return replace(task, model=model, codec=codec, rounds=10, lr=0.1, batch_size=10)


def small(data: Dataset, *, seed: int) -> Task:
    """Softmax regression on halved images and many clients: room for Gaussian noise."""
    data = _pooled(data, 2)
    num_clients = _clients(data, images_each=60, most=1000)
    parts = iid(len(data.train_labels), num_clients, np.random.default_rng(seed))
    task = _task("softmax, images halved", data, parts, fraction=0.1, clip=0.25)
    return replace(task, rounds=20, lr=0.3, batch_size=10, local_epochs=5, server_lr=1.5)


def tiny(data: Dataset, *, two_classes: bool, seed: int) -> Task:
    """Softmax regression on quartered images, every client once: room for Laplace noise.

    ``two_classes`` tells even labels from odd ones; else all classes.
    """
    data = _pooled(data, 4)
    if two_classes:
        data = replace(data, train_labels=data.train_labels % 2, test_labels=data.test_labels % 2)
    num_clients = _clients(data, images_each=40 if two_classes else 20, most=3000)
    parts = iid(len(data.train_labels), num_clients, np.random.default_rng(seed))
    title = "even or odd, images quartered" if two_classes else "softmax, images quartered"
    clip = 1.25 if two_classes else 0.5
    task = _task(title, data, parts, fraction=1.0, clip=clip)
    return replace(task, rounds=1, lr=1.0, batch_size=10, local_epochs=10)


def _task(
    title: str,
    data: Dataset,
    parts: list[Part],
    *,
    fraction: float,
    clip: float = 1.0,
    momentum: float = 0.0,
) -> Task:
    model = softmax_regression(data.train_images.shape[1], _num_classes(data.train_labels))
    # Of fewer than two no sum is opened.
    num_per_round = min(len(parts), max(2, round(fraction * len(parts))))
    return Task(
        title=title,
        model=model,
        train_images=data.train_images,
        train_labels=data.train_labels,
        test_images=data.test_images,
        test_labels=data.test_labels,
        parts=parts,
        rounds=1,
        fraction=num_per_round / len(parts),
        lr=0.1,
        batch_size=10,
        momentum=momentum,
        codec=vs.Codec(model.num_parameters, clip=clip, value_bits=16, max_addends=num_per_round),
    )


def _pooled(data: Dataset, factor: int) -> Dataset:
    """Smaller images, as far as they divide: 8 x 8 digits halve where 28 x 28 quarter."""
    while min(data.image_shape) < 4 * factor or any(side % factor for side in data.image_shape):
        factor -= 1
    return data.pooled(factor)


def _clients(data: Dataset, *, images_each: int, most: int) -> int:
    return min(most, max(10, len(data.train_labels) // images_each))


def _num_classes(labels: Labels) -> int:
    return 1 + int(labels.max())
