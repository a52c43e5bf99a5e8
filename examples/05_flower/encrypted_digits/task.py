"""The model and the data: softmax regression on scikit-learn's digits, 1,797 images of 8 x 8."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

Parameters = list[NDArray[np.float64]]
Images = NDArray[np.float64]
Labels = NDArray[np.int64]

# What nodes measure on their own images, and what it can be: summed under encryption.
METRICS = {"loss_before": (0.0, 5.0), "accuracy_before": (0.0, 1.0)}

NUM_TEST_IMAGES = 297
LEARNING_RATE = 1.0
STEPS_PER_ROUND = 20


def initial_model() -> Parameters:
    """All zeros: 64 x 10 weights and 10 biases, 650 values."""
    return [np.zeros((64, 10)), np.zeros(10)]


def train_data(partition: int, num_partitions: int) -> tuple[Images, Labels]:
    """One party's images; the later a party, the more it has."""
    images, labels = _digits()
    sizes = np.arange(1, num_partitions + 1)
    ends = np.cumsum(sizes) * (len(images) - NUM_TEST_IMAGES) // sizes.sum()
    begin = ends[partition - 1] if partition > 0 else 0
    return images[begin : ends[partition]], labels[begin : ends[partition]]


def test_data() -> tuple[Images, Labels]:
    """Images that no party has."""
    images, labels = _digits()
    return images[-NUM_TEST_IMAGES:], labels[-NUM_TEST_IMAGES:]


def train(model: Parameters, images: Images, labels: Labels) -> Parameters:
    """Some steps of gradient descent; the same input gives the same model."""
    weights, biases = (array.copy() for array in model)
    wanted = np.eye(10)[labels]
    for _ in range(STEPS_PER_ROUND):
        errors = (_chances([weights, biases], images) - wanted) / len(images)
        weights -= LEARNING_RATE * images.T @ errors
        biases -= LEARNING_RATE * errors.sum(axis=0)
    return [weights, biases]


def measure(model: Parameters, images: Images, labels: Labels) -> dict[str, float]:
    """How well a model reads these images: its loss, and the share that it reads rightly."""
    chances = _chances(model, images)
    loss = -np.log(chances[np.arange(len(labels)), labels]).mean()
    right = (chances.argmax(axis=1) == labels).mean()
    return {"loss_before": float(loss), "accuracy_before": float(right)}


def accuracy(model: Parameters) -> float:
    """The share of the test images that the model reads rightly."""
    images, labels = test_data()
    guesses = (images @ model[0] + model[1]).argmax(axis=1)
    return float((guesses == labels).mean())


def _chances(model: Parameters, images: Images) -> NDArray[np.float64]:
    scores = np.exp(images @ model[0] + model[1])
    chances: NDArray[np.float64] = scores / scores.sum(axis=1, keepdims=True)
    return chances


def _digits() -> tuple[Images, Labels]:
    images, labels = load_digits(return_X_y=True)
    return images / 16.0, labels
