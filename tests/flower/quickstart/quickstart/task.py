"""quickstart: A Flower / NumPy app."""

import numpy as np
from sklearn.datasets import load_digits


def initial_model():
    """64 x 10 weights and 10 biases."""
    return [np.zeros((64, 10), np.float32), np.zeros(10, np.float32)]


def load_data(partition_id: int):
    """The images of one party; the later a party, the more it has."""
    images, labels = load_digits(return_X_y=True)
    first = 100 * partition_id * (partition_id + 1) // 2
    rows = slice(first, first + 100 * (partition_id + 1))
    return images[rows] / 16, labels[rows]


def train_model(model, images, labels):
    """Ten steps of gradient descent."""
    weights, biases = (array.astype(np.float64) for array in model)
    for _ in range(10):
        scores = np.exp(images @ weights + biases)
        errors = (scores / scores.sum(axis=1, keepdims=True) - np.eye(10)[labels]) / len(images)
        weights -= images.T @ errors
        biases -= errors.sum(axis=0)
    return [weights.astype(np.float32), biases.astype(np.float32)]


def evaluate_model(model, images, labels) -> float:
    """The share of images that the model reads rightly."""
    weights, biases = model
    return float((np.argmax(images @ weights + biases, axis=1) == labels).mean())
