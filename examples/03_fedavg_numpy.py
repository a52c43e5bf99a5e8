"""Federated averaging of a softmax regression in numpy, once encrypted and once in the clear.

Both train the same model to the last bit: the clients' integers are added exactly either way.

    python examples/03_fedavg_numpy.py
"""

from typing import Any, Literal

import numpy as np
import veilsum as vs
from numpy.typing import NDArray

NUM_CLIENTS, NUM_FEATURES, NUM_CLASSES = 8, 20, 4
Arrays = list[NDArray[np.floating[Any]]]


def scores(model: Arrays, samples: NDArray[np.float64]) -> NDArray[Any]:
    weights, biases = model
    return samples @ weights + biases


class Clinic:
    """A client is anything with ``num_samples`` and ``train``. Its data never leave it."""

    def __init__(self, samples: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
        self.num_samples = len(labels)
        self._samples = samples
        self._targets = np.eye(NUM_CLASSES)[labels]

    def train(self, model: Arrays, epochs: int) -> Arrays:
        weights, biases = (array.copy() for array in model)
        for _ in range(epochs * 10):
            logits = scores([weights, biases], self._samples)
            chances = np.exp(logits - logits.max(axis=1, keepdims=True))
            chances /= chances.sum(axis=1, keepdims=True)
            slope = (chances - self._targets) / self.num_samples
            weights -= 0.5 * self._samples.T @ slope
            biases -= 0.5 * slope.sum(axis=0)
        return [weights, biases]


def main() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(NUM_FEATURES, NUM_CLASSES))
    samples = rng.normal(size=(2_000, NUM_FEATURES))
    labels = (samples @ truth).argmax(axis=1)
    clinics = [
        Clinic(part, names)
        for part, names in zip(
            np.array_split(samples[:1_600], NUM_CLIENTS),
            np.array_split(labels[:1_600], NUM_CLIENTS),
            strict=True,
        )
    ]

    def accuracy(model: Arrays) -> float:
        return float(np.mean(scores(model, samples[1_600:]).argmax(axis=1) == labels[1_600:]))

    start: Arrays = [np.zeros((NUM_FEATURES, NUM_CLASSES)), np.zeros(NUM_CLASSES)]
    dim = sum(array.size for array in start)
    codec = vs.Codec(dim, clip=1.0, value_bits=16, max_addends=NUM_CLIENTS)
    models = {}
    trusts: tuple[Literal["clear", "authority"], ...] = ("clear", "authority")
    for trust in trusts:
        loop = vs.FedAvg(
            start,
            clinics,
            codec=codec,
            trust=trust,
            key_bits=2048,
            fraction=0.5,
            evaluate=accuracy,
            seed=3,  # of the choice of clients, so that both runs ask the same ones
        )
        history = loop.run(5)
        models[trust] = loop.model
        print(f"{trust:>9}: accuracy {[f'{r.accuracy:.3f}' for r in history.rounds]}")
    assert all(map(np.array_equal, models["clear"], models["authority"]))


if __name__ == "__main__":
    main()
